/* SPDX-License-Identifier: MIT */
/*
 * A world in virtual time for live cores: machines with a daemon each (or none), joined by a
 * network with delay, loss and cuts in one direction. A machine's kernel answers echoes whether or
 * not its daemon lives. What happens is written down as a trace that a person can read: events of
 * the cores, and those BFD packets that say something new.
 */
#ifndef SHUNT_TESTS_LIVE_WORLD_H
#define SHUNT_TESTS_LIVE_WORLD_H

#include "base/buf.h"
#include "live/live.h"
#include "unit.h"

#define WORLD_NODES 6
#define WORLD_FIB_NS (2 * NS_PER_MS) /* what a daemon needs to program its FIB */

struct world_node {
	const char *name;     /* NULL: there is no such node */
	bool is_on;	      /* the machine */
	struct live *live;    /* NULL: its daemon doesn't run */
	instant asleep_until; /* its daemon reads nothing and does nothing */
	instant clear_at;     /* when its FIB is programmed and the hold may end; INSTANT_NEVER */
	unsigned starts;
	uint64_t random;		/* its daemon's source of chance */
	uint32_t sent_seq[WORLD_NODES]; /* of authentication, in its last packet to each */
	bool is_drained;		/* as its state directory remembers */
	bool was_flapping;		/* it held since several peers flapped */
	/* How others see this node. */
	enum live_probe probe;
	bool signals, is_transit;
	struct {
		enum live_state state;
		enum live_cause cause;
		instant since, went_down_at; /* INSTANT_NEVER: not since its start */
	} verdicts[WORLD_NODES];	     /* by this node's last events */
	struct bfd_packet said[WORLD_NODES];
	bool has_said[WORLD_NODES];
	unsigned reports_heard[WORLD_NODES]; /* other ones than before */
};

struct world_packet;

struct world {
	instant start, now;
	struct world_node nodes[WORLD_NODES];
	bool cut[WORLD_NODES][WORLD_NODES];	   /* from, to */
	bool no_bfd[WORLD_NODES][WORLD_NODES];	   /* from, to: a firewall drops BFD */
	unsigned lossy[WORLD_NODES][WORLD_NODES];  /* from, to: permille, besides loss_permille */
	instant last_at[WORLD_NODES][WORLD_NODES]; /* the last arrival */
	bool is_star; /* only hubs (is_transit) are linked with others */
	int64_t delay_ns, jitter_ns;
	unsigned loss_permille, twice_permille;
	bool is_disorderly; /* packets overtake each other, by jitter_ns at most */
	int64_t interval_ns, hold_ns;
	unsigned multiplier;
	struct chance chance;
	struct world_packet *flying; /* ordered */
	struct buf trace;
	bool is_tracing;		       /* into trace */
	bool is_loud;			       /* onto standard error */
	uint64_t bfd_packets, echoes, reports; /* sent since last asked */
	/* Each datagram of a report that is sent, if there is who wants to see it. */
	void (*on_report)(unsigned from, unsigned to, const uint8_t *bytes, size_t len, void *data);
	void *on_report_data;
};

void world_init(struct world *w, uint64_t seed);
void world_done(struct world *w);
/* A machine that is on, without a daemon yet. */
void world_add(
	struct world *w, unsigned node, const char *name, enum live_probe probe, bool signals);
void world_start(struct world *w, unsigned node, bool cold, bool adopted);
/* SIGKILL: the machine goes on. */
void world_kill(struct world *w, unsigned node);
void world_power(struct world *w, unsigned node, bool on);
/* Its daemon gets no processor for so long. */
void world_sleep(struct world *w, unsigned node, int64_t ns);
void world_drain(struct world *w, unsigned node, bool drained);
/* One direction, or both. */
void world_cut(struct world *w, unsigned from, unsigned to, bool cut);
void world_cut_both(struct world *w, unsigned a, unsigned b, bool cut);
/* All of a node's lines. */
void world_isolate(struct world *w, unsigned node, bool cut);
/* Gives node this packet as if peer had sent it. */
void world_inject(struct world *w, unsigned peer, unsigned node, const struct bfd_packet *p);
/* Gives node these bytes as a datagram of a report that came from there. */
void world_inject_report(
	struct world *w, unsigned from, unsigned to, const uint8_t *bytes, size_t len);
/* The daemon of node sets its peers (all other nodes, or one) anew. */
void world_set_peer(struct world *w, unsigned node, unsigned peer, bool adopted);
ip_addr world_address(unsigned node);

void world_run(struct world *w, int64_t ns);
/* A line of the trace. */
void world_say(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif

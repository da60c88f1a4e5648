/* SPDX-License-Identifier: MIT */
/*
 * The live core at work: a thread of its own with its sockets and its clock, so that no RIB or
 * netlink work delays a probe. It asks for real-time scheduling (SCHED_RR) and goes on without it
 * where it may not have it. The core stands behind a priority-inheriting mutex that is held for
 * microseconds; events come out of a queue with a file descriptor to poll.
 *
 * Sockets, per local overlay address in use: one to receive, bound to address, port 3784 and device
 * with SO_REUSEADDR (BIRD holds the wildcard), one to send from a port in 49152-65535 with TTL 255,
 * one raw for echoes; and for reports as for BFD. They are reopened, with a growing pause, when
 * they fail or when prober_reopen says the device is new.
 */
#ifndef SHUNT_PROBER_PROBER_H
#define SHUNT_PROBER_PROBER_H

#include "live/live.h"
#include <pthread.h>

struct prober;

/* Starts the thread on the named device; 0 or negative errno. */
int prober_start(const char *ifname, const struct live_self_config *self, struct prober **ret);
/* Ends the thread, closes its sockets; sends no AdminDown. Accepts NULL. */
void prober_stop(struct prober *p);

/* Makes the set of peers exactly this: adds, changes in place, removes. */
void prober_set_peers(struct prober *p, const struct live_peer_config *peers, size_t n);
void prober_handshake(struct prober *p, uint32_t peer, int64_t handshake_age_ns, uint64_t rx_bytes);
/* A BFD packet of the peer came to the device but was dropped on its way to us. */
void prober_bfd_lost(struct prober *p, uint32_t peer);
void prober_drain(struct prober *p, bool drained);
void prober_hold_clear(struct prober *p);
/* What we report of ourselves from now on to all peers with shuntd; copied. */
void prober_tell(struct prober *p, const struct live_report *r);
/* A copy of what the peer reported last, the caller's to free by live_report_done; false: nothing
 * stands. LIVE_EVENT_REPORT says when to ask. */
bool prober_report(struct prober *p, uint32_t peer, struct live_report *ret);
/* The device was made anew: open all sockets again. */
void prober_reopen(struct prober *p);

/* That a peer is down is urgent: from now on the thread that takes events is lent priority for that
 * by process_lend_priority, and gives it back when it has passed the news on. */
void prober_urge(struct prober *p, pthread_t thread);
/* Readable while events wait. */
int prober_fd(const struct prober *p);
/* Takes up to max events, oldest first; returns how many. */
size_t prober_events(struct prober *p, struct live_event *ret, size_t max);

bool prober_info(struct prober *p, uint32_t peer, struct live_peer_info *ret);
/* What we signal. */
void prober_self(struct prober *p, bool *ret_drained, bool *ret_holding);
/* We hold since several peers flapped. */
bool prober_is_flapping(struct prober *p);
/* The last error of a socket, as a sentence, and 0 or negative errno; for status. */
int prober_error(struct prober *p, char *text, size_t size);

struct prober_stats {
	uint64_t sent, received, rounds;
	int64_t cpu_ns;		   /* of the thread since its start */
	int64_t worst_lateness_ns; /* of a deadline, since the last time this was asked */
};

void prober_stats(struct prober *p, struct prober_stats *ret);

#endif

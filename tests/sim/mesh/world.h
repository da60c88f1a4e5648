/* SPDX-License-Identifier: MIT */
/*
 * A whole mesh in one process and in virtual time: every node with its real live core, engine, RIB,
 * look, want, plan and do over a model of the kernel and of a WireGuard device, joined by a network
 * with delay, loss and cuts in one direction.
 *
 *	story_mesh.c  a seed makes an inventory
 *	story.c       and what happens in it (incident*.c)
 *	world.c       time, and packets in flight between devices
 *	model*.c      what a machine's kernel and device hold (model.h)
 *	node.c        a machine, and the daemon that may run on it (node_*.c)
 *	silence.c     what devices of many owners find out by themselves
 *	routing_engine.c  routing engines, which speak BGP and write the kernel's table
 *	client.c      a machine with stock WireGuard, as its file says
 *	foreign.c     what others put on a machine
 *	path.c        a data packet, from network to network, as things stand at one instant
 *	rules.c       whom each node must hand a prefix to, by the rules of the docs alone
 *	oracle.c      what must arrive by them, and whether it does
 *	watch.c       what must hold after each single operation
 */
#ifndef SHUNT_TESTS_SIM_MESH_WORLD_H
#define SHUNT_TESTS_SIM_MESH_WORLD_H

#include "base/buf.h"
#include "daemon/engine.h"
#include "daemon/journal.h"
#include "live/live.h"
#include "mesh/topology.h"
#include "mesh_build.h"
#include "model.h"
#include "unit.h"

#define WORLD_NODES 12
#define WORLD_EDITIONS 2 /* of the inventory: the same nodes, other metrics and links */
#define WORLD_NOBODY UINT32_MAX
#define WORLD_FIB_NS (2 * NS_PER_MS) /* from a verdict to a programmed FIB */

struct daemon;	/* of node_daemon.h */
struct routing; /* of routing_engine.h */

struct world;

struct world_node {
	struct world *w;
	unsigned index;
	const struct mesh_node *node;
	unsigned max_owners;	/* of its device: 1, or MODEL_MAX_OWNERS */
	unsigned found_owners;	/* the same, as its daemon found it at its start */
	bool is_on;		/* the machine; its device and routes are gone with it */
	struct model *model;	/* NULL while it is off */
	struct journal journal; /* as the state directory has it */
	bool journal_lags;	/* its last write was refused */
	struct daemon *daemon;
	struct engine_drain drain; /* as the state directory remembers */
	unsigned edition;	   /* of the inventory that its daemon runs */
	unsigned starts;
	bool is_whole; /* a sync has gone well since it was switched on */
	VEC(bool)
	guarded; /* of the samples: its packets never left in clear since they first didn't */
	ip_prefix stolen; /* what a foreign peer has taken; family 0: nothing */
};

/* Somebody's address, and the prefix that it is of. */
struct world_sample {
	ip_prefix prefix;
	ip_addr address;
	bool is_host; /* an overlay address */
};

struct world_packet;

struct world {
	struct mesh_build builds[WORLD_EDITIONS];
	struct mesh_topology_index *topologies[WORLD_EDITIONS];
	unsigned edition;		  /* the newest, which all are to get */
	const struct mesh_inventory *inv; /* that one */
	size_t n_nodes;
	struct world_node nodes[WORLD_NODES];
	instant start, now;
	bool cut[WORLD_NODES][WORLD_NODES]; /* from, to */
	uint16_t loss_permille[WORLD_NODES][WORLD_NODES];
	instant last_at[WORLD_NODES][WORLD_NODES]; /* the last arrival: none overtakes another */
	int64_t delay_ns[WORLD_NODES][WORLD_NODES];
	struct chance chance; /* of the network */
	struct world_packet *flying;
	instant silence_at; /* devices look whom they don't hear any more */
	instant clients_at; /* clients tell their hubs where they are */
	struct buf trace;
	uint64_t n_packets, n_ops;
	VEC(struct world_sample) samples;
	/* Called after each operation while something is watched more closely; NULL. */
	void (*watcher)(struct world *w, void *data);
	void *watcher_data;
	bool has_reports;	 /* nodes tell each other of their lines */
	struct routing *routing; /* NULL: nobody has a routing engine */
	bool has_failed;	 /* the trace says how */
};

enum world_kind { WORLD_BFD, WORLD_REPORT, WORLD_ECHO_REQUEST, WORLD_ECHO_REPLY };

/* What goes through the tunnels beside data. */
struct world_packet {
	struct world_packet *next;
	instant at;
	enum world_kind kind;
	unsigned from, to;
	struct echo_mark mark;
	size_t len;
	uint8_t bytes[128];
	uint8_t *report; /* of WORLD_REPORT, its bytes; of who sends it, and then its own copy */
};

/* Takes over w->builds, whose inventories are finished. */
void world_begin(struct world *w, uint64_t seed);
void world_end(struct world *w);
/* A line of the trace, at the time that it is. */
void world_say(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The same, and the story has failed. */
void world_fail(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *world_name(const struct world *w, unsigned node);
/* Hands a copy of a packet to the sender's device; what the tables refuse is gone. */
void world_send(struct world *w, const struct world_packet *p);
void world_run(struct world *w, int64_t ns);
/* There is a newer inventory now. */
void world_edit(struct world *w);
bool world_line_is_up(const struct world *w, unsigned a, unsigned b); /* in both directions */

/* Where the world finds the machine. */
ip_addr world_uplink(unsigned node, int family);
/* An address of the prefix that no longer one of the world holds. */
ip_addr world_sample_of(const ip_prefix *p);
/* The node's own network of that family, which nobody else has; NULL: it has none. */
const ip_prefix *world_network(const struct world *w, unsigned node, int family);
/* NULL if it doesn't carry it; world_: by the newest inventory. */
const struct mesh_network *mesh_carries(
	const struct mesh_inventory *inv, unsigned node, const ip_prefix *p);
const struct mesh_network *world_carries(const struct world *w, unsigned node, const ip_prefix *p);

/* What a story may have beside the nodes' own networks: something that several carry, one around
 * them, one that holds the machines' own endpoints, and everything. */
extern const char *const story_shared[];
extern const size_t story_n_shared;
#define STORY_OVERLAY "10.10.0.0/24"
#define STORY_OVERLAY6 "fd10::/64"

/* --- a machine --- */

void node_power(struct world *w, unsigned node, bool on);
bool node_is_client(const struct world *w, unsigned node);
void node_start(struct world *w, unsigned node);
/* Takes the newest inventory, which may be the one that it has. */
void node_reload(struct world *w, unsigned node);
void node_kill(struct world *w, unsigned node);
/* for_ns: then it ends by itself; 0: it doesn't. */
void node_drain(struct world *w, unsigned node, bool drained, int64_t for_ns);
/* Somebody deletes its device; anew: and makes one, which is empty. */
void node_unplug(struct world *w, unsigned node, bool anew);
/* Another program is its device from now on, of one owner or of many; beneath its daemon, or this
 * is started anew. */
void node_switch(struct world *w, unsigned node, bool beneath);
/* Prefixes have several owners there: the device can, and the daemon knows. */
bool node_has_many(const struct world *w, unsigned node);
/* For the trace: what its RIB has of a prefix, and why. */
void node_say_why(struct world *w, unsigned node, const ip_prefix *p);
/* The kernel has news. */
void node_tell(struct world *w, unsigned node);
void node_receive(struct world *w, unsigned node, const struct world_packet *p);
instant node_deadline(const struct world_node *n);
void node_step(struct world *w, unsigned node);
/* The nodes that the device hands this address to; a bit each. */
uint32_t node_hops(const struct world *w, unsigned node, const ip_addr *a);
unsigned node_of_key(const struct world *w, const wg_key *key);
ip_addr node_address(const struct world *w, unsigned node);
/* The daemon's verdict on a peer, DOWN if there is no daemon. */
enum live_state node_verdict(const struct world_node *n, unsigned peer);
/* It tells others that one of its lines is poor. */
bool node_says_poor(const struct world_node *n);
/* It has found the line poor, and that isn't over. */
bool node_finds_poor(const struct world_node *n, unsigned peer);
bool node_is_holding(const struct world_node *n);
/* It has read all that its routing engine wrote, and holds nothing of it. */
bool node_knows_routes(const struct world *w, unsigned node);
/* Its status says that a peer runs another inventory; that this line is dead though both live. */
bool node_names_inventory(const struct world_node *n);
bool node_names_line(const struct world_node *n, unsigned a, unsigned b);

/* As its file says. */
void client_configure(struct world *w, unsigned node);
/* All of them, where they are; when they want to again. */
instant clients_keep_alive(struct world *w);

/* A peer, routes, an address and a rule that the inventory doesn't know. */
void foreign_arrive(struct world *w, unsigned node);
/* A foreign peer takes a network of another node. */
void foreign_steal(struct world *w, unsigned node, unsigned from);
/* It goes away again. */
void foreign_give_back(struct world *w, unsigned node);

/* --- data --- */

enum fate {
	ARRIVED,
	NO_ROUTE,
	IN_CLEAR,
	TUNNEL_IN_TUNNEL,
	LINE_DEAD,
	WRONG_SOURCE,
	OWN_SOURCE,
	FROM_RELAY_TO_RELAY,
	CIRCLES
};
const char *fate_name(enum fate f);

#define PATH_TRAIL (2 * WORLD_NODES)

/* What becomes of packets of all flows between two addresses as things stand now. */
struct path {
	enum fate fate;		   /* ARRIVED: of all; else the first other one */
	unsigned at;		   /* where that was */
	uint8_t trail[PATH_TRAIL]; /* ... and where it had been */
	unsigned n_trail;
	uint32_t ends;	   /* the nodes that got some */
	unsigned permille; /* so many arrive of the flow that fares worst, by the losses of lines */
	bool is_twice;	   /* one came to the same hub again */
};

/* Each device remembers from whom a packet came: as if nothing was ever forgotten. */
void path_follow(const struct world *w, unsigned from, const ip_addr *src, const ip_addr *dst,
	struct path *ret);
/* Its trail, for the trace. */
void path_say(struct world *w, const struct path *p);
/* From the node's own network to the other's. */
bool path_arrives(const struct world *w, unsigned from, unsigned to, int family);
/* Whether a packet between two devices gets onto the line, and off it. */
bool path_leaves(const struct world *w, unsigned from, unsigned to);
bool path_enters(const struct world *w, unsigned from, unsigned to);
/* What only the devices say to each other. */
bool path_carries(const struct world *w, unsigned from, unsigned to);

/* --- what devices find out by themselves --- */

void silence_sent(struct world *w, unsigned from, unsigned to);
void silence_arrived(struct world *w, unsigned from, unsigned to);
/* When it wants to look again. */
instant silence_look(struct world *w);

/* --- what must be --- */

void watch_begin(struct world *w);
void watch_end(struct world *w);
/* The machine has just been switched on. */
void watch_machine(struct world *w, unsigned node);
/* After an operation. */
void watch_node(struct world *w, unsigned node);
/* What one plan does, from here on. */
void watch_plan(struct world *w, unsigned node);

/* Nobody has reported yet who died or returned, or holds: nothing is promised. */
bool oracle_is_settled(const struct world *w);
/* Who is why not, into the trace. */
void oracle_say_unsettled(struct world *w);
/* No line between peers is cut. */
bool oracle_is_whole(const struct world *w);
/* All editions have the same tunnels. */
bool oracle_has_same_lines(const struct world *w);
/* Whether a packet from a node's own network to somebody's must arrive. */
bool oracle_must_arrive(const struct world *w, unsigned from, const ip_prefix *to);
/* Every network of others from every node; false with a line of the trace for the first that fails.
 */
bool oracle_check(struct world *w, unsigned *ret_n_checked);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A whole mesh in one process and in virtual time: every node with its real live core, engine
 * and RIB over a model of a WireGuard device (one owner per prefix, source check) and of the
 *kernel's routes, joined by a network with delay, loss and cuts in one direction.
 *
 *	story.c   a seed makes an inventory and what happens in it
 *	world.c   time, and packets in flight between devices
 *	node.c    a machine: device, routes, and the daemon that may run on it
 *	path.c    a data packet, from network to network, as things stand at one instant
 *	oracle.c  what must arrive, by the rules of the docs alone
 */
#ifndef SHUNT_TESTS_SIM_MESH_WORLD_H
#define SHUNT_TESTS_SIM_MESH_WORLD_H

#include "base/buf.h"
#include "base/trie.h"
#include "live/live.h"
#include "mesh/view.h"
#include "mesh_build.h"
#include "unit.h"

#define WORLD_NODES 12
#define WORLD_EDITIONS 2 /* of the inventory: the same nodes, other metrics and links */
#define WORLD_NOBODY UINT32_MAX
#define WORLD_FIB_NS (2 * NS_PER_MS) /* from a verdict to a programmed FIB */

struct daemon; /* of node.c */

struct world_node {
	const struct mesh_node *node;
	bool is_on;	     /* the machine; its device and routes are gone with it */
	bool has_device;     /* made by its daemon, outlives it */
	struct trie *owners; /* of the device: prefix -> node */
	struct trie *routes; /* of the kernel: to the device, or to the node itself */
	struct daemon *daemon;
	bool is_drained;  /* as the state directory remembers */
	unsigned edition; /* of the inventory that its daemon runs */
	unsigned starts;
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
	struct buf trace;
	uint64_t n_packets;
};

enum world_kind { WORLD_BFD, WORLD_ECHO_REQUEST, WORLD_ECHO_REPLY };

/* What goes through the tunnels beside data. */
struct world_packet {
	struct world_packet *next;
	instant at;
	enum world_kind kind;
	unsigned from, to;
	struct echo_mark mark;
	size_t len;
	uint8_t bytes[128];
};

/* Takes over w->builds, whose inventories are finished. */
void world_begin(struct world *w, uint64_t seed);
void world_end(struct world *w);
/* A line of the trace, at the time that it is. */
void world_say(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
const char *world_name(const struct world *w, unsigned node);
/* Hands a packet to the sender's device; what the tables refuse is gone. */
void world_send(struct world *w, const struct world_packet *p);
void world_run(struct world *w, int64_t ns);
/* There is a newer inventory now. */
void world_edit(struct world *w);
bool world_line_is_up(const struct world *w, unsigned a, unsigned b); /* in both directions */

/* What a story may have beside the nodes' own networks: something that several carry, and one
 * around them. */
#define STORY_ANYCAST "10.20.53.53/32"
#define STORY_COVER "10.20.0.0/16"

/* --- a machine --- */

void node_power(struct world *w, unsigned node, bool on);
/* cold: there is no device yet. */
void node_start(struct world *w, unsigned node);
/* Takes the newest inventory, which may be the one that it has. */
void node_reload(struct world *w, unsigned node);
void node_kill(struct world *w, unsigned node);
void node_drain(struct world *w, unsigned node, bool drained);
void node_receive(struct world *w, unsigned node, const struct world_packet *p);
instant node_deadline(const struct world_node *n);
void node_step(struct world *w, unsigned node);
/* Which node the device hands this address to; WORLD_NOBODY. */
unsigned node_owner(const struct world_node *n, const ip_addr *a);
ip_addr node_address(const struct world *w, unsigned node);
/* The daemon's verdict on a peer, DOWN if there is no daemon. */
enum live_state node_verdict(const struct world_node *n, unsigned peer);
bool node_is_holding(const struct world_node *n);

/* --- data --- */

enum fate { ARRIVED, NO_ROUTE, LINE_DEAD, WRONG_SOURCE, OWN_SOURCE, CIRCLES };
const char *fate_name(enum fate f);
/* One packet as things stand now; *ret_at is where it ended. */
enum fate path_try(const struct world *w, unsigned from, const ip_addr *src, const ip_addr *dst,
	unsigned *ret_at);

/* --- what must be --- */

/* Nobody has reported yet who died or returned, or holds: nothing is promised. */
bool oracle_is_settled(const struct world *w);
/* No line between peers is cut. */
bool oracle_is_whole(const struct world *w);
/* Whether a packet from a node's own network to somebody's must arrive. */
bool oracle_must_arrive(const struct world *w, unsigned from, const ip_prefix *to);
/* Every network of others from every node; false with a line of the trace for the first that fails.
 */
bool oracle_check(struct world *w, unsigned *ret_n_checked);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * One machine's kernel and its WireGuard device, as values: what LOOK and DO find behind the table
 * of operations of fib/io.h, and what packets go by.
 *
 *	model.c         making one, and what is there from the first moment on
 *	model_device.c  the WireGuard device: its peers, what it reads as, and changes
 *	model_sets.c    whose allowed IPs are: one peer's, or a set's with several owners
 *	model_search.c  whom it sends to, and from whom it takes
 *	model_link.c    interfaces, addresses, settings of the kernel, the mark in nftables
 *	model_routes.c  routes by table, with metric and type
 *	model_rules.c   policy rules, and the way that they give a packet
 *	model_plan.c    in which order a plan does things
 *	model_io.c      the operations; each may be the last one of a daemon's life
 *
 * What somebody else has put there is marked as foreign. An operation that changes such a thing is
 * a violation, which is remembered with its sentence; so is whatever the watcher of the world finds
 * after an operation.
 */
#ifndef SHUNT_TESTS_SIM_MESH_MODEL_H
#define SHUNT_TESTS_SIM_MESH_MODEL_H

#include "base/time.h"
#include "base/trie.h"
#include "base/vec.h"
#include "device/device.h"
#include "sys/nft.h"
#include "sys/rtnl.h"

#define MODEL_IFNAME "wg0"
#define MODEL_LO 1
#define MODEL_UPLINK 2 /* to the world, with a default route */
#define MODEL_INSIDE 3 /* to the node's own networks */
#define MODEL_WG_FIRST 4
#define MODEL_MAX_OWNERS 16 /* of shunt-wg */

struct model_peer {
	wg_key key;
	bool foreign, has_psk;
	bool is_new; /* foreign, and came while nobody looked: what it has taken is still unknown */
	wg_key psk;
	sock_addr endpoint;
	uint16_t keepalive;
	uint64_t rx_bytes;
	int64_t handshake_s; /* by the wall clock; 0: never */
	/* Of many owners. */
	enum device_level level;
	bool is_silent;		  /* as the device itself finds; it asks him now and then */
	instant unanswered_since; /* the first packet that nothing followed; INSTANT_NEVER */
	instant asked_at;
};

/* One of a set's owners. */
struct model_member {
	struct model_peer *peer;
	uint16_t rank, weight; /* weight 0: he may only send from here */
	bool is_relay;
};

struct model_set {
	uint64_t number;
	bool foreign;
	VEC(struct model_member) members;
};

/* Whose an allowed IP is: one of the two. */
struct model_entry {
	struct model_peer *peer;
	struct model_set *set;
};

struct model_address {
	ip_prefix prefix; /* with host bits */
	bool foreign;
};

struct model_route {
	struct rtnl_route r;
	bool foreign;
};

struct model_rule {
	struct rtnl_rule r;
	bool foreign;
};

struct model_table {
	uint32_t id;
	struct trie *routes; /* prefix -> struct model_slot */
};

struct model_sysctl {
	char path[96];
	int value;
};

struct model {
	/* the link and its device */
	bool exists, up;
	int ifindex, next_ifindex;
	unsigned mtu;
	bool has_key;
	wg_key public_key;
	uint16_t listen_port;
	uint32_t fwmark;
	unsigned max_owners; /* 1, or as shunt-wg */
	VEC(struct model_peer *) peers;
	VEC(struct model_set *) sets;
	struct trie *entries; /* allowed IP -> its struct model_entry */
	VEC(struct model_address) addresses;
	struct nft_mark mark;
	/* the kernel */
	VEC(struct model_table) tables;
	VEC(struct model_rule) rules; /* in the order in which they are asked */
	VEC(struct model_sysctl) sysctls;
	uint16_t taken_port; /* by another program; 0: none */
	/* the watch */
	struct trie *bare;   /* prefixes that lost their owner by the plan under way */
	struct trie *routed; /* ... that got a route by it, and had no owner */
	struct trie *kept;   /* ... of which a route couldn't be removed */
	unsigned fuse;	     /* operations until its daemon dies; 0: it doesn't */
	bool is_mute;	     /* it died: what it still does is nothing */
	unsigned fails;	     /* so many operations from now on one is refused; 0: none is */
	void (*after)(struct model *m, void *data); /* each operation that changed something */
	void *data;
	uint64_t n_ops, n_tampered; /* n_tampered: changes by others */
	char *violation;	    /* the first one; NULL: none */
};

/* own: prefixes behind the machine, which lead inside, and not into the uplink if one of them is a
 * default route. */
struct model *model_new(const ip_addr *uplink, size_t n_uplink, const ip_prefix *own, size_t n_own);
void model_free(struct model *m);
void model_violated(struct model *m, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Another plan begins: what it does to a prefix stands for itself. */
void model_plan_begins(struct model *m);
/* What it did, for those rules that hold within a plan. */
void model_note_bare(struct model *m, const ip_prefix *p);
void model_note_owned(struct model *m, const ip_prefix *p);
void model_note_routed(struct model *m, const ip_prefix *p);
void model_note_unrouted(struct model *m, const ip_prefix *p);
void model_note_kept(struct model *m, const ip_prefix *p);

/* --- the device --- */

void model_device_make(struct model *m);
/* And what stands on it: addresses, and the routes into it. */
void model_device_delete(struct model *m);
struct model_peer *model_peer(const struct model *m, const wg_key *key);
struct model_peer *model_peer_add(struct model *m, const wg_key *key);
void model_peer_remove(struct model *m, struct model_peer *p);
int model_device_get(const struct model *m, struct device_state *ret);
int model_device_set(struct model *m, const struct device_change *c);

/* --- whose prefixes are --- */

/* NULL: nobody's. */
const struct model_entry *model_entry(const struct model *m, const ip_prefix *p);
/* Somebody may send from there: it is a peer's, or a set's that has owners. */
bool model_is_owned(const struct model *m, const ip_prefix *p);
/* Whoever had it. */
void model_give(struct model *m, const ip_prefix *p, struct model_peer *to);
/* By somebody else, of whom no plan tells. */
void model_seize(struct model *m, const ip_prefix *p, struct model_peer *to);
void model_seize_for(struct model *m, const ip_prefix *p, struct model_set *to);
void model_share(struct model *m, const ip_prefix *p, struct model_set *to);
void model_take(struct model *m, const ip_prefix *p);
/* NULL: there is none. */
struct model_set *model_set(const struct model *m, uint64_t number);
struct model_set *model_set_add(struct model *m, uint64_t number);
/* With its prefixes. */
void model_set_remove(struct model *m, struct model_set *s);
/* He leaves all sets. */
void model_sets_leave(struct model *m, const struct model_peer *p);
/* As device_set promises: what is wrong is refused before anything was done. */
int model_sets_check(const struct model *m, const struct device_change *c);
void model_sets_add(struct model *m, const struct device_change *c);
void model_sets_del(struct model *m, const struct device_change *c);
void model_sets_get(const struct model *m, struct device_state *ret);
/* Packets may pass now. */
void model_step(struct model *m);

/* --- whom it sends to, from whom it takes --- */

struct model_hop {
	struct model_peer *peer;
	unsigned weight; /* his share is this in the sum of all */
};

/* Which of them a packet goes to is its flow's chance. */
struct model_hops {
	struct model_hop items[MODEL_MAX_OWNERS];
	unsigned n;	 /* 0: nobody */
	bool is_refused; /* since it came from a relay */
};

/* relay: who brought it, if that was one; else NULL. */
void model_send(const struct model *m, const ip_addr *to, const struct model_peer *relay,
	struct model_hops *ret);

enum model_verdict { MODEL_PASS, MODEL_REFUSE, MODEL_ACCEPT, MODEL_ACCEPT_RELAY };
enum model_verdict model_receive(
	const struct model *m, const ip_addr *source, const struct model_peer *from);

/* --- the link --- */

int model_link_get(const struct model *m, const char *ifname, struct rtnl_link *ret);
int model_link_set(struct model *m, int ifindex, bool up, unsigned mtu);
int model_addr_list(const struct model *m, int ifindex, ip_prefix **ret, size_t *ret_n);
int model_addr_add(struct model *m, int ifindex, const ip_prefix *a, bool foreign);
int model_addr_del(struct model *m, int ifindex, const ip_prefix *a);
bool model_has_address(const struct model *m, const ip_addr *a);
int model_sysctl_get(const struct model *m, const char *path, int *ret);
int model_sysctl_set(struct model *m, const char *path, int value);

/* --- routes --- */

int model_route_add(struct model *m, const struct rtnl_route *r, bool foreign);
int model_route_del(struct model *m, const struct rtnl_route *r);
/* By who wrote it: a routing engine. */
void model_route_withdraw(struct model *m, const struct rtnl_route *r);
int model_route_list(const struct model *m, const struct rtnl_route *only, struct rtnl_route **ret,
	size_t *ret_n);
/* With the interface: it is gone, or down. */
void model_routes_leave(struct model *m, int ifindex);
/* The longest match of one table, of those the one with the lowest metric; NULL: none. */
const struct rtnl_route *model_table_look(const struct model *m, uint32_t table, const ip_addr *a);
void model_routes_done(struct model *m);
/* Whether any table leads exactly this prefix into the device, by a route of ours. */
bool model_has_route(const struct model *m, const ip_prefix *p);

/* --- rules --- */

void model_rules_begin(struct model *m);
int model_rule_add(struct model *m, const struct rtnl_rule *r, bool foreign);
int model_rule_del(struct model *m, const struct rtnl_rule *r);
int model_rule_list(const struct model *m, int family, struct rtnl_rule **ret, size_t *ret_n);

struct model_flow {
	ip_addr from, to;
	uint32_t mark;
};

enum model_way {
	MODEL_NO_WAY, /* no route, or one that refuses */
	MODEL_LOCAL,  /* it is one of its own addresses */
	MODEL_OUT,    /* by the uplink */
	MODEL_IN,     /* to its own networks */
	MODEL_TUNNEL,
};

enum model_way model_way(const struct model *m, const struct model_flow *f);

#endif

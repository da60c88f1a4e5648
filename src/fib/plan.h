/* SPDX-License-Identifier: MIT */
/*
 * What will be done: the way from what is to what shall be, as a list of operations in an order
 * without a hole. Pure.
 *
 * Each operation names its object and its reason. One table orders them (enum fib_stage): no prefix
 * is without an owner between two that it has, no route leads to where nobody owns the prefix yet,
 * and none does any more when the owner goes; a route that changes its table stands in both for a
 * moment and in none never. Whatever is foreign is in no operation: peers, allowed IPs, addresses,
 * routes and rules that neither the inventory nor the journal names.
 *
 * An event is planned the same way as everything: from the owners before and after.
 *
 * A prefix moves by being added to its new owner, be that a peer or a set of owners. The removal
 * from the old one is never asked for, since it would have nothing left to remove. Should two that
 * shall be name one prefix, the first one has it, or every plan would move it again.
 *
 * On a device of many owners a packet goes by levels, by sets, and by covers, and what one of these
 * leaves another one must have by then. So levels come first, the worse ones before the better:
 * while some are old and some are new, nobody is sent to who isn't either the old choice or there
 * in the end. Then what gains: sets, and prefixes that move to somebody who is sent to. Then what
 * yields: a set that nobody is sent to by any more, a prefix that moves to such a one; by now the
 * cover has whom it shall have.
 */
#ifndef SHUNT_FIB_PLAN_H
#define SHUNT_FIB_PLAN_H

#include "base/arena.h"
#include "fib/diff.h"
#include "fib/home.h"
#include "fib/state.h"

/* In the order in which they are done, and why so. */
enum fib_stage {
	FIB_AT_SYSCTL,	     /* before packets flow by it */
	FIB_AT_HELD,	     /* with an engine, on a device without addresses: what refuses, before
				there is anything whose packets could leave in clear, ... */
	FIB_AT_HELD_RULE,    /* ... and the rule that asks it */
	FIB_AT_LINK,	     /* routes and addresses stand on a link that is up */
	FIB_AT_ADDRESS_ADD,  /* the new ones first, or a subnet is gone for a moment */
	FIB_AT_OVERLAY_ADD,  /* the overlay's route, before an address takes the connected one along
			      */
	FIB_AT_OVERLAY_RULE, /* now that its table leads there; before peers, who would be answered
				in clear */
	FIB_AT_ADDRESS_TURN, /* one that gets another length, where the kernel holds no two of them
			      */
	FIB_AT_ADDRESS_DEL,
	FIB_AT_LEVEL,	       /* of a peer that is there: what saves packets goes first */
	FIB_AT_SIGNAL_DEL,     /* a routing engine needs time for what it makes of it */
	FIB_AT_ROUTE_PART,     /* what a route that goes has led into the device until now */
	FIB_AT_ROUTE_WITHDRAW, /* a route that goes for good, before its owner does */
	FIB_AT_DEVICE,	       /* a mark that it gets, before anything goes by it */
	FIB_AT_PEER_SET,
	FIB_AT_OWNERS_SET,   /* of peers that are there by now */
	FIB_AT_PREFIX_ADD,   /* all additions, each of which is a whole move ... */
	FIB_AT_OWNERS_YIELD, /* a set that leaves its packets to covers from now on */
	FIB_AT_PREFIX_YIELD, /* a prefix that moves to such a set */
	FIB_AT_PREFIX_DEL,   /* ... before any removal */
	FIB_AT_OWNERS_DEL,   /* when others have its prefixes */
	FIB_AT_PEER_DEL,     /* last, when others have what it owned */
	FIB_AT_ROUTE_ADD,    /* now that the device knows whose it is */
	FIB_AT_RULE_ADD,     /* now that the table has its routes */
	FIB_AT_RULE_DEL,
	FIB_AT_OVERLAY_GUARD, /* in main, when no rule looks there for the overlay any more */
	FIB_AT_ROUTE_DEL,  /* what stood in two tables, what a cover leads by now, what refuses */
	FIB_AT_UNMARK,	   /* the device, when no rule goes by its mark any more */
	FIB_AT_MARK,	   /* with the port that the device has by now */
	FIB_AT_SIGNAL_ADD, /* now that all is ready for who lives */
};

enum fib_op_type {
	FIB_SYSCTL,
	FIB_LINK,
	FIB_ADDRESS_ADD, /* at FIB_AT_ADDRESS_TURN in the place of that of another length */
	FIB_ADDRESS_DEL,
	FIB_ROUTE_ADD,
	FIB_ROUTE_DEL,
	FIB_RULE_ADD,
	FIB_RULE_DEL,
	FIB_DEVICE,
	FIB_PEER_SET, /* a new one has its endpoint and its level by it */
	FIB_ENDPOINT, /* of a peer that is there; at FIB_AT_PEER_SET */
	FIB_LEVEL,    /* of a peer that is there */
	FIB_OWNERS_SET,
	FIB_PREFIX_ADD,
	FIB_PREFIX_DEL,
	FIB_OWNERS_DEL, /* with what it has */
	FIB_PEER_DEL,
	FIB_MARK,
};

enum fib_reason {
	FIB_MISSING,  /* it shall be and isn't there */
	FIB_DIFFERS,  /* it is there in another shape */
	FIB_MOVES,    /* it has an owner, or stands in a table, that shall be another */
	FIB_UNWANTED, /* ours, and wanted no more */
};

struct fib_op {
	uint8_t stage, type, reason; /* enum fib_... */
	bool done;		     /* DO's: it worked */
	uint32_t seq;		     /* keeps the order within a stage */
	char device[IFNAMSIZ];
	union {
		ip_prefix address;
		struct rtnl_route route;
		struct rtnl_rule rule;
		struct {
			wg_key key;
		} peer;
		struct {
			wg_key key;
			sock_addr to;
		} endpoint;
		struct {
			wg_key key;
			enum device_level to;
		} level;
		struct {
			ip_prefix prefix;
			struct fib_home from, to; /* from: nowhere, perhaps; to: of an addition */
		} owner;
		struct {
			uint64_t number;
			const struct device_owner *owners; /* all from now on; of the plan */
			size_t n;
		} owners;
		char sysctl[FIB_SYSCTL_PATH_MAX];
		struct {
			bool key, port, fwmark;
		} settings; /* which of the device's differ */
	} u;
};

struct fib_conflict {
	ip_prefix prefix;
	struct fib_home foreign; /* nowhere: a set of the number 0 */
};

/* Of who has the plan, all of it copies: it outlives what it was made from. Who does it marks
 * operations as done and changes nothing else. */
struct fib_plan {
	VEC(struct fib_op) ops;		    /* in their order */
	VEC(struct fib_conflict) conflicts; /* wanted, but foreign: not taken */
	prefix_vec foreign; /* all that foreign peers and sets own, wanted or not, by ip_prefix_cmp
			     */
	route_vec leftover; /* others' routes into a device where nobody carries them */
	struct arena arena; /* of what operations point at */
};

/* *ret is for fib_plan_done. */
void fib_plan_make(const struct fib_state *is, const struct fib_state *shall,
	const struct fib_ours *ours, struct fib_plan *ret);
/* The part of it that is left to do when the device is taken down: our rules and the routes that
 * refuse, of the kernel's state is. */
void fib_plan_removal(
	const struct fib_state *is, const struct fib_ours *ours, struct fib_plan *ret);
/* Sorts what was gathered. */
void fib_plan_order(struct fib_plan *p);
void fib_plan_done(struct fib_plan *p);

/* The peer that an operation is about, of an owner's the one that gets the prefix or loses it;
 * NULL: none, or a set of owners. */
const wg_key *fib_op_peer(const struct fib_op *op);
/* The next one of its kind, zeroed but for that. The caller fills u. */
struct fib_op *fib_plan_add(
	struct fib_plan *p, enum fib_stage stage, enum fib_reason reason, const char *device);

/* --- one prefix, one endpoint, one route: of everything, or of an event --- */

/* A prefix goes from one home to another. Who knows that nobody of the new one is sent to says so
 * by the stage; of shadows (route/rib.h) the number does. */
struct fib_op *fib_plan_owner(struct fib_plan *p, const char *device, const ip_prefix *prefix,
	const struct fib_home *from, const struct fib_home *to);
/* Who the owners of a set are, n of them, copied. FIB_MISSING: it isn't there yet. */
void fib_plan_owners(struct fib_plan *p, enum fib_reason reason, const char *device,
	uint64_t number, const struct device_owner *owners, size_t n);
/* The set goes, with what it has. */
void fib_plan_owners_gone(struct fib_plan *p, const char *device, uint64_t number);
void fib_plan_level(
	struct fib_plan *p, const char *device, const wg_key *peer, enum device_level to);
/* A peer that is there gets another endpoint. */
void fib_plan_endpoint(struct fib_plan *p, enum fib_reason reason, const char *device,
	const wg_key *peer, const sock_addr *to);
void fib_plan_route(struct fib_plan *p, enum fib_stage stage, enum fib_reason reason,
	const char *device, const struct rtnl_route *r);

/* --- the parts of fib_plan_make --- */

void plan_link(const struct fib_device *is, const struct fib_device *shall,
	const struct fib_ours *ours, struct fib_plan *p);
void plan_device(const struct fib_device *is, const struct fib_device *shall,
	const struct fib_ours *ours, struct fib_plan *p);
void plan_kernel(const struct fib_state *is, const struct fib_state *shall,
	const struct fib_ours *ours, struct fib_plan *p);

/* What a peer's own settings need: false if nothing. is NULL: it isn't there yet, and gets its
 * endpoint along. Allowed IPs stay empty. The caller wipes change->psk. */
bool fib_peer_change(const struct device_peer *is, const struct device_peer *shall,
	struct device_peer_change *ret);

#endif

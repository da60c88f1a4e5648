/* SPDX-License-Identifier: MIT */
/*
 * Shared by the files of the mirror: route_mirror (what is told of it), route_mirror_rules (what a
 * message makes of a prefix's routes), route_mirror_held (the routes themselves),
 * route_mirror_objects (next-hop objects and links), route_mirror_dump.
 */
#ifndef SHUNT_SYS_ROUTE_MIRROR_INTERNAL_H
#define SHUNT_SYS_ROUTE_MIRROR_INTERNAL_H

#include "base/list.h"
#include "base/map.h"
#include "sys/route_mirror.h"

enum held_kind {
	HELD_STANDS,
	HELD_DUMPED, /* a dump has it, no news did: it stands when the dump is whole */
	HELD_GONE,   /* while a dump is taken, which may have it still */
};

struct held_route {
	struct held_route *next; /* of its prefix; those of one group in the kernel's order */
	struct held_prefix *prefix;
	struct held_object *object; /* NULL: none */
	struct list of_object;	    /* in its object's */
	uint64_t identity;
	uint32_t table, priority;
	uint32_t writer; /* netlink port; 0: not known */
	uint32_t told;	 /* the dump since whose begin news told of it last */
	uint32_t seen;	 /* the dump that had it last, */
	uint32_t place;	 /* and where */
	uint8_t tos, protocol, type;
	uint8_t kind;	 /* enum held_kind */
	bool is_set;	 /* IPv6's next hops with gateways: one route, whoever added which */
	bool was_absent; /* in a dump that may have missed it */
	bool may_hide;	 /* a set: routes that news were lost of may stand between its hops */
	uint16_t n_hops;
	uint32_t dead;		 /* as kernel_route.dead */
	struct route_hop hops[]; /* of a set the oldest first */
};

/* What is told of a prefix none of whose routes carries; NOTHING: never had one. */
enum held_end { END_NOTHING, END_WITHDRAWN, END_SWEPT };

struct held_prefix {
	ip_prefix prefix;
	uint8_t end;	  /* enum held_end */
	uint8_t protocol; /* of what carried it last */
	bool stands;
	bool is_changed;  /* in one of the two lists of changes */
	uint32_t touched; /* as held_route.told */
	struct list changed;
	struct held_route *first;
	uint64_t taken; /* digest of the view that was told; 0: none */
};

struct held_object {
	struct kernel_nexthop is;
	bool is_known; /* else routes name it, and nobody told of it */
	bool is_gone;  /* while a dump is taken */
	uint32_t told, seen;
	struct list routes, groups; /* groups: among the mirror's, if it is one */
};

struct held_link {
	int ifindex;
	bool is_known;
	unsigned flags; /* as told */
	size_t n_uses;	/* next hops, of routes and objects */
};

struct route_mirror {
	struct map *prefixes, *objects, *links;
	struct list groups;	    /* objects that are groups */
	struct list standing, went; /* changes */
	size_t n_changes, n_stand;
	uint32_t *tables;
	size_t n_tables;
	bool is_chosen[256]; /* protocols */
	struct {
		uint32_t port;
		instant since;
	} writers[256];	 /* of protocols */
	unsigned wanted; /* why a dump is, enum route_doubt */
	unsigned asked;	 /* why the one that is taken was */
	bool is_dumping, is_filled;
	bool may_miss[2]; /* routes went while it was taken: IPv4, IPv6 */
	uint32_t dump;	  /* its number; from 1 */
	uint32_t place;	  /* of the next route in it, */
	uint32_t part;	  /* and of the first of the part that is told */
	struct {
		uint32_t port, seq;
	} object_request;	    /* whose, and which, told of an object last */
	struct route_hop *resolved; /* of the view that was told last */
};

enum route_doubt {
	DOUBT_SILENT = 1,  /* something went that takes routes along */
	DOUBT_OVERRUN = 2, /* news were lost */
	DOUBT_STEP = 4,	   /* news don't fit what is held, or a dump what it was asked */
};

/* It is of a chosen table, and of no link's own. */
bool mirror_holds(const struct route_mirror *m, const struct kernel_route *r);

/* --- held: routes of prefixes --------------------------------------------------------------- */

struct held_prefix *held_prefix_get(struct route_mirror *m, const ip_prefix *p);
struct held_prefix *held_prefix_find(const struct route_mirror *m, const ip_prefix *p);
/* Frees it if there is nothing to know of it any more. */
void held_prefix_drop_if_empty(struct route_mirror *m, struct held_prefix *p);

/* A copy, in no prefix yet. */
struct held_route *held_route_new(struct route_mirror *m, const struct kernel_route *r);
/* Behind that one; NULL: as the first. */
void held_route_insert(struct route_mirror *m, struct held_prefix *p, struct held_route *after,
	struct held_route *h);
/* Out of its prefix and freed. */
void held_route_remove(struct route_mirror *m, struct held_route *h);
/* Others from now on, at the same place; returns where it lives now. */
struct held_route *held_route_set_hops(struct route_mirror *m, struct held_route *h,
	const struct route_hop *hops, size_t n, uint32_t dead);
bool held_is_set(const struct kernel_route *r);
/* Same table, TOS and metric. */
static inline bool held_is_like(const struct held_route *h, const struct kernel_route *r)
{
	return h->table == r->table && h->priority == r->priority && h->tos == r->tos;
}
/* It is the one that is told of, or a twin of it. */
bool held_is_same(const struct held_route *h, const struct kernel_route *r);
/* The one that it is told of, if that is held as this kind; of twins the first. */
struct held_route *held_route_find(
	const struct held_prefix *p, const struct kernel_route *r, enum held_kind kind);
/* The prefix's view may be another. */
void held_prefix_touch(struct route_mirror *m, struct held_prefix *p);

/* --- rules: what a message makes of it ------------------------------------------------------- */

void rules_new(struct route_mirror *m, const struct route_news *news, instant now);
void rules_gone(struct route_mirror *m, const struct route_news *news, instant now);
/* As the dump that is taken has it. */
void rules_dumped(struct route_mirror *m, const struct kernel_route *r);
/* It went: by that port, or (0) without a word. */
void rules_lose(struct route_mirror *m, struct held_route *h, uint32_t port, instant now);
/* The same, the reason being known. */
void rules_end(struct route_mirror *m, struct held_route *h, enum held_end end);

/* --- objects and links ------------------------------------------------------------------------ */

struct held_object *object_get(struct route_mirror *m, uint32_t id);
/* Nobody needs it any more? */
void object_drop_if_unused(struct route_mirror *m, struct held_object *o);
void object_news(struct route_mirror *m, const struct route_news *news, instant now);
/* It is as told; prefixes that change are touched. */
void object_set(struct route_mirror *m, struct held_object *o, const struct kernel_nexthop *n);
/* It is there no more, without the routes on it being asked. */
void object_unset(struct route_mirror *m, struct held_object *o);
/* Its live hops. False: it drops packets. */
bool object_hops(const struct route_mirror *m, const struct held_object *o,
	struct route_hop ret[static ROUTE_HOPS_MAX], size_t *ret_n);
void link_use(struct route_mirror *m, int ifindex, int by);
void link_news(struct route_mirror *m, const struct route_news *news);
/* News were lost. */
void link_forget(struct route_mirror *m);
void objects_free(struct route_mirror *m);

#endif

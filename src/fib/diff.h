/* SPDX-License-Identifier: MIT */
/*
 * How the kernel's routes and rules differ from what they shall be: values in, values out.
 */
#ifndef SHUNT_FIB_DIFF_H
#define SHUNT_FIB_DIFF_H

#include "base/key.h"
#include "fib/want.h"

/* What is ours though it doesn't say whose it is. Borrows all that it points at from who made it.
 */
struct fib_ours {
	const struct want_facts *facts; /* as they shall be */
	const uint32_t *marks;		/* tables that are or were ours */
	size_t n_marks;
	/* Each answers for what we made earlier, or carry; NULL: none. */
	bool (*has_peer)(const wg_key *key, void *data);
	bool (*has_address)(const ip_prefix *a, void *data);
	bool (*has_backstop)(const ip_prefix *p, void *data); /* we made it */
	bool (*has_prefix)(const ip_prefix *p, void *data);   /* carried now, or lately */
	/* A routing engine may say, or might, that a peer of ours has it. */
	bool (*is_announced)(const ip_prefix *p, void *data);
	bool (*is_carried)(const ip_prefix *p, void *data); /* now */
	void *data;					    /* theirs */
};

/* The numbered table is ours now, or was. */
bool diff_is_own_table(const struct fib_ours *ours, uint32_t table);

struct want_diff {
	route_vec missing;  /* copies, like all of it; sorted as what they come from */
	route_vec stale;    /* ours, to be removed after missing was added */
	route_vec leftover; /* others' routes into the device where nobody carries them */
};

/*
 * have: routes into the device, of all protocols and tables, and our backstops. Another's route
 * into the device does what ours would. One that somebody left behind (wg-quick, a hand) is stale
 * where it is a plain one to a prefix that we have carried and carry no more, or carry in another
 * table; elsewhere it is a leftover, to be named. Routes of the kernel and of routing engines are
 * neither, be it that one of this node writes them as a hand would.
 */
void want_diff_routes(const struct rtnl_route *have, size_t n_have, const route_vec *want,
	const struct fib_ours *ours, struct want_diff *ret);
void want_diff_done(struct want_diff *d);

/* Those of our rules of one family that are to be removed, in that order. What several daemons of
 * one machine share goes with the last of them. */
void want_stale_rules(const struct rtnl_rule *have, size_t n_have, const rule_vec *want,
	const struct fib_ours *ours, rule_vec *ret);

#endif

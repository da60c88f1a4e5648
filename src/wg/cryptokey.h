/* SPDX-License-Identifier: MIT */
/*
 * The cryptokey table (the paper, section 2): longest prefix match from addresses to owners, both
 * families, and more than one owner where that is asked for.
 *
 * A prefix is strict or shared. A strict one is what WireGuard has: one owner, who ends the search,
 * for sending and for receiving, whatever his state. A shared one belongs to a set of owners, one
 * set for all prefixes with the same owners. Each owner of a set has a rank (the lowest goes
 * first), a weight (his share among those of his rank; 0: he may send from here and is never sent
 * to) and may be marked as a relay.
 *
 * An owner's state is two values, and usable is who has both: the level that the control plane sets
 * isn't down, and he answers, as the device itself sees it.
 *
 * Sending: from the longest match to shorter ones, the first strict prefix, or the first shared one
 * with a usable owner whom it may be sent to; of its owners those of the best level, of these the
 * lowest rank, of these one by a hash of the flow, in proportion to the weights. Flows move only
 * from an owner that is lost, or back to him. If nobody is usable, the preferred owner (the lowest
 * rank, and the first among equals) of the longest match that has one.
 *
 * What a relay brought goes to no relay, and not back to him. Where somebody usable is only kept
 * from it by this it is refused, and no shorter prefix asked: the next relay's own would lead it
 * round. So it is if there is nobody else.
 *
 * Receiving: from the longest match to shorter ones; a strict prefix accepts its owner and refuses
 * all others; a shared one accepts its owners, refuses others if an owner with a weight is usable,
 * and else passes it on to the next shorter one.
 *
 * Lookups take no lock while the table changes; changes are serialised by the caller. A prefix
 * moves by one store, whoever had it and whoever gets it: every lookup finds what was or what is,
 * never nothing. So does a set with all of its prefixes, and a state. What was taken out is retired
 * to the table's qsbr; changes now and then reclaim.
 */
#ifndef SHUNT_WG_CRYPTOKEY_H
#define SHUNT_WG_CRYPTOKEY_H

#include "base/list.h"
#include "base/prefix.h"
#include "wg/qsbr.h"
#include <stdatomic.h>

#define CRYPTOKEY_MAX_OWNERS 16 /* of a set */

struct cryptokey_table;
struct cryptokey_choice; /* cryptokey_choice.h */

/* A higher one goes before, whatever the ranks. */
enum cryptokey_level { CRYPTOKEY_DOWN, CRYPTOKEY_LAST_RESORT, CRYPTOKEY_UP };

/* Prefixes of the same owners. */
struct cryptokey_set {
	_Atomic(struct cryptokey_choice *) choice; /* NULL: no owners */
	struct list entries;
	size_t n_entries;
	struct list in_table;
	void *data; /* the caller's */
};

/* A peer. What lookups read is in the first line. */
struct cryptokey_owner {
	struct cryptokey_set own; /* his strict prefixes; without a choice */
	_Atomic uint8_t level;	  /* enum cryptokey_level */
	_Atomic bool answers;	  /* while not: nothing was heard of him for long enough */
	_Atomic bool multicast;	  /* he gets what is sent to groups, and speaks link-local */
	bool is_replacing;
	unsigned n_sets;     /* that he is in */
	unsigned n_sending;  /* of these, with a weight */
	struct list leaving; /* of his strict prefixes, while they are replaced */
	uint64_t salt;
};

/* One of a set's. */
struct cryptokey_member {
	struct cryptokey_owner *owner;
	uint16_t rank, weight;
	bool is_relay;
};

/* The seed is of the hash of flows. NULL without memory. */
struct cryptokey_table *cryptokey_new(struct qsbr *q, uint64_t seed);
/* Accepts NULL. Frees the sets too; owners that are still in it are not to be used any more. */
void cryptokey_free(struct cryptokey_table *t);
/* Up, and taken to answer. The salt is his own, and better the same the next time: flows go by it.
 */
void cryptokey_owner_init(struct cryptokey_owner *o, uint64_t salt);

/* --- states: any thread, one store each --- */

void cryptokey_owner_set_level(struct cryptokey_owner *o, enum cryptokey_level level);
void cryptokey_owner_set_answers(struct cryptokey_owner *o, bool answers);
void cryptokey_owner_set_multicast(struct cryptokey_owner *o, bool is_on);
bool cryptokey_owner_is_usable(const struct cryptokey_owner *o);

/* --- strict prefixes --- */

/* Gives the prefix (host bits are masked) to the owner alone, whoever had it, a set too. 0 or
 * -ENOMEM, nothing changed then. */
int cryptokey_insert(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_owner *o);
/* Removes it if it is this owner's alone; true if so. Always succeeds then. */
bool cryptokey_remove(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_owner *o);
/* Takes all away from him: his strict prefixes, and his place in each set. */
void cryptokey_remove_owner(struct cryptokey_table *t, struct cryptokey_owner *o);
/* The same beforehand and in pieces, of his strict prefixes alone: at most max of them go; how
 * many. */
size_t cryptokey_remove_some(struct cryptokey_table *t, struct cryptokey_owner *o, size_t max);
/* Between the two, what he has is kept; at the end what wasn't inserted for him anew goes, and his
 * place in each set with it. Nothing is missed in between by those that stay. */
void cryptokey_replace_begin(struct cryptokey_owner *o);
void cryptokey_replace_end(struct cryptokey_table *t, struct cryptokey_owner *o);
/* What goes at the end, beforehand and in pieces: at most max; how many. */
size_t cryptokey_replace_some(struct cryptokey_table *t, struct cryptokey_owner *o, size_t max);

/* --- sets and shared prefixes --- */

/* Without owners. data is the caller's, e.g. its name. NULL without memory. */
struct cryptokey_set *cryptokey_set_new(struct cryptokey_table *t, void *data);
/* Its owners are these n from now on, in one step for all its prefixes. 0; -ENOMEM, or -EINVAL
 * (more than CRYPTOKEY_MAX_OWNERS, or one twice), nothing changed then. */
int cryptokey_set_define(struct cryptokey_table *t, struct cryptokey_set *s,
	const struct cryptokey_member *members, size_t n);
/* With all its prefixes: they lose their owners in one step, then they go. */
void cryptokey_set_remove(struct cryptokey_table *t, struct cryptokey_set *s);
/* The same beforehand and in pieces: it has no owners any more, and at most max of its prefixes go;
 * how many. */
size_t cryptokey_set_remove_some(struct cryptokey_table *t, struct cryptokey_set *s, size_t max);
/* The set, if any, that has just these owners, in any order. */
struct cryptokey_set *cryptokey_set_find(
	const struct cryptokey_table *t, const struct cryptokey_member *members, size_t n);
/* All sets, in the order in which they were made: NULL for the first, NULL after the last. */
struct cryptokey_set *cryptokey_set_next(
	const struct cryptokey_table *t, const struct cryptokey_set *s);
/* Its owners by rank; how many. */
size_t cryptokey_set_members(
	const struct cryptokey_set *s, struct cryptokey_member ret[static CRYPTOKEY_MAX_OWNERS]);
/* Whom it is sent to when all are usable, or nobody is: under whom it is shown. NULL: nobody. */
struct cryptokey_owner *cryptokey_set_preferred(const struct cryptokey_set *s);

/* Gives the prefix (host bits are masked) to the set, whoever had it. 0 or -ENOMEM, nothing changed
 * then. */
int cryptokey_bind(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_set *s);
/* Removes it if this set has it; true if so. Always succeeds then. */
bool cryptokey_unbind(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_set *s);
/* Whose prefix this is exactly: a set, or an owner's own (ret_is_strict). NULL: nobody's. */
struct cryptokey_set *cryptokey_holder(
	struct cryptokey_table *t, const ip_prefix *p, bool *ret_is_strict);

size_t cryptokey_count(const struct cryptokey_table *t);
/* The prefixes of a set, or of an owner (&o->own), in no order. A non-zero answer ends the walk and
 * is returned. */
int cryptokey_walk(
	const struct cryptokey_set *s, int (*fn)(const ip_prefix *p, void *data), void *data);
/* The same in pieces: the next prefixes into ret, at most max of them; how many, 0 after the last.
 * *at is NULL at first and says where it goes on, for as long as the table isn't changed. */
size_t cryptokey_list(
	const struct cryptokey_set *s, const struct list **at, ip_prefix *ret, size_t max);

/* --- lookups: any thread that is a qsbr worker and awake. Answers are valid until its next
 *     quiescent state. --- */

struct cryptokey_answer {
	struct cryptokey_owner *owner; /* NULL: nobody */
	bool is_refused;	       /* nobody, since it came from a relay */
	bool is_by_flow; /* another flow to the same address may go to another owner */
};

/* To whom a packet goes, IPv4 of at least 20 bytes or IPv6 of at least 40. relay: who brought it,
 * if that was one, of whom only the address counts; else NULL. */
struct cryptokey_answer cryptokey_choose(const struct cryptokey_table *t, const uint8_t *packet,
	size_t len, const struct cryptokey_owner *relay);

enum cryptokey_verdict {
	CRYPTOKEY_PASS, /* nobody has a say */
	CRYPTOKEY_REFUSE,
	CRYPTOKEY_ACCEPT,
	CRYPTOKEY_ACCEPT_RELAY /* and the prefix that accepts has him marked as a relay */
};

/* May such a packet come from this owner? */
enum cryptokey_verdict cryptokey_accept(
	const struct cryptokey_table *t, const uint8_t *packet, const struct cryptokey_owner *from);

#endif

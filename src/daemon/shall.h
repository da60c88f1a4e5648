/* SPDX-License-Identifier: MIT */
/*
 * What shall be, of a generation, of what the RIB wants, of the journal, and of what is: the value
 * that a plan leads to, and the facts that src/fib works with. Pure, and of no thread: whoever has
 * the input may make it.
 *
 *	shall_ask     what must be looked at
 *	shall_make    device, addresses, peers, allowed IPs, routes, rules, settings, marks
 *	shall_ended   what is ours, when nothing shall be any more
 *
 * Nothing is kept between two of them but what the input says: which prefixes stood apart, and
 * with which mark.
 */
#ifndef SHUNT_DAEMON_SHALL_H
#define SHUNT_DAEMON_SHALL_H

#include "daemon/generation.h"
#include "daemon/journal.h"
#include "fib/plan.h"
#include "fib/question.h"
#include "fib/trouble.h"
#include "route/rib.h"

#define SHALL_NOBODY UINT32_MAX

struct shall_home {
	uint32_t prefix;      /* its place among the prefixes */
	struct rib_home home; /* not nobody's */
	uint32_t first;	      /* who of it is sent to first; SHALL_NOBODY: nobody */
};

/* A copy of what the RIB wants. Zeroed: nothing. */
struct shall_rib {
	VEC(struct want_prefix) prefixes;     /* all of them, by ip_prefix_cmp */
	VEC(struct shall_home) homes;	      /* in the order of their prefixes */
	VEC(struct rib_owner_set) owner_sets; /* that they stand in, in no order; copies */
	VEC(enum rib_state) states; /* of the peers, in the order of gen->peers; without: all up */
	struct map *by_number;	    /* of owner sets: the place in the list from 1 on; or NULL */
	struct arena arena;
};

/* The next one of a walk. Of a set the owners count as it was met first. */
void shall_rib_add(struct shall_rib *r, const struct rib_desire *d);
/* Once, of all peers: the levels of a device of many owners. */
void shall_rib_take_states(
	struct shall_rib *r, const struct rib *rib, const struct generation *gen);
/* Leaves it empty. */
void shall_rib_done(struct shall_rib *r);

/* All of it is borrowed, and outlives what is made of it. */
struct shall_input {
	const struct generation *gen;
	const struct shall_rib *rib;
	const sock_addr *endpoints; /* in the order of gen->peers; AF_UNSPEC: not resolved (yet) */
	const struct journal *journal;
	/* As the last shall_make of this device decided it. */
	const ip_prefix *apart; /* sorted */
	size_t n_apart;
	uint32_t mark; /* 0: none */
};

/* Parts of it point at others: it stays where it was made. */
struct shall {
	struct fib_state state;
	struct fib_ours ours;	 /* borrows what is below, and the input */
	fib_troubles problems;	 /* that stand as long as it does */
	VEC(char *) lines;	 /* for the log, malloc'd */
	prefix_vec apart;	 /* the next input's */
	uint32_t mark;		 /* likewise */
	prefix_vec backstops;	 /* what routes that refuse are behind, for the journal */
	prefix_vec journaled;	 /* prefixes, likewise */
	VEC(wg_key) peers;	 /* likewise */
	struct want_facts facts; /* borrows apart, signals and the input */
	prefix_vec own;		 /* our networks that belong to nobody (fib/want_own.h) */
	VEC(struct want_signal) signals;
	VEC(uint32_t) marks; /* ours, now and before */
	struct fib_table_question table;
	const struct shall_input *in;
};

/* What must be looked at first; *ret is for fib_question_done. */
void shall_ask(const struct shall_input *in, struct fib_question *ret);
/* is: with its one device. ret: zeroed, and for shall_done in any case. 0; -EAGAIN: it takes a
 * table's number, which fib_look_table finds for ret->table into is->free_table; then once more. */
int shall_make(const struct shall_input *in, const struct fib_state *is, struct shall *ret);
/* What is ours of the kernel's routes and rules, with nothing that shall be; ifindex: of the
 * device. The input needs no endpoints. */
void shall_ended(const struct shall_input *in, int ifindex, struct shall *ret);
/* What the journal has to name; borrows from both. */
struct journal_content shall_journal(const struct shall *s);
/* Wipes the secrets. */
void shall_done(struct shall *s);

#endif

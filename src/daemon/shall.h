/* SPDX-License-Identifier: MIT */
/*
 * What shall be, of a generation, the RIB, and what is: the facts that src/fib works with. Nothing
 * is changed here; only the number of a table that nobody uses is looked for (kernel_table.h).
 */
#ifndef SHUNT_DAEMON_SHALL_H
#define SHUNT_DAEMON_SHALL_H

#include "daemon/fib_context.h"
#include "fib/look.h"
#include "fib/plan.h"

/* A prefix that a peer of the generation shall own. */
struct shall_owner {
	ip_prefix prefix;
	size_t peer; /* its place in the generation */
};

struct shall {
	struct fib_state state;
	struct want_facts facts;
	struct fib_ours ours;		 /* borrows facts, marks and the fib */
	VEC(struct want_prefix) carried; /* every prefix of the RIB, in order */
	VEC(struct shall_owner) owners;	 /* of them, in order */
	prefix_vec own;			 /* our networks that belong to nobody (fib/want_own.h) */
	prefix_vec overlays;		 /* what facts borrow */
	prefix_vec journaled;		 /* prefixes that the journal has to name */
	prefix_vec backstops;		 /* the same, of routes that refuse */
	VEC(uint32_t) marks;		 /* ours, now and before */
	struct fib_table_question table;
};

/* What must be looked at first; *ret is for fib_question_done. */
void shall_ask(const struct fib *f, struct fib_question *ret);
/* Decides f->apart and f->fwmark. is: with its one device. 0; -EAGAIN: a table's number is needed,
 * which fib_look_table finds for ret->table, and then it is called again with a zeroed *ret. *ret
 * is for shall_done in any case. */
int shall_make(struct fib *f, const struct fib_state *is, struct shall *ret);
/* What is ours, with nothing that shall be. */
void shall_nothing(struct fib *f, struct shall *ret);
void shall_done(struct shall *s);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What one peer reports, put together of its parts. Parts may come in any order, twice, or with
 * those of an older report among them; those of one number are collected until it is whole.
 * Memory is taken only for what the peer itself has sealed, and no more than a mesh of twice our
 * own size would need: of a larger one just the head counts.
 */
#ifndef SHUNT_LIVE_REPORT_IN_H
#define SHUNT_LIVE_REPORT_IN_H

#include "live/budget.h"
#include "live/report_codec.h"

/* All zero: nothing was heard. */
struct report_in {
	uint64_t heard;		   /* the number of the last whole one in this session; 0: none */
	uint64_t number;	   /* of the one being put together; 0: none */
	uint64_t got;		   /* its parts, as bits */
	struct live_report coming; /* it, as far as it has come */
	struct live_report whole;  /* what stands; max_owners 0: none */
	bool is_cut;		   /* of the last one just the head was taken */
	struct budget budget;	   /* of digests */
	uint64_t ages_heard;	   /* the number of the last handshakes in this session */
};

/* Whether it may say something new, and may be looked at; costs nothing to ask. */
bool report_in_wants(const struct report_in *in, const struct report_part *p);
/* False if too much was asked of us. */
bool report_in_may(struct report_in *in, instant now);
/* A part whose seal is right, which was wanted; true if another report stands now than before.
 * nodes_max: of larger meshes nothing is heard but the head. */
bool report_in_take(struct report_in *in, const struct report_part *p, uint32_t nodes_max);
/* Handshakes whose seal is right, of the session and newer than what was heard; true if a client
 * has had another one. Those that belong to another report than the one that stands don't count. */
bool report_in_take_ages(struct report_in *in, const struct report_ages *a, instant now);
/* Another session: its numbers start anew. What stands goes on to stand. */
void report_in_renew(struct report_in *in);
/* If of the last one just the head was taken: it is wanted again when it comes again. */
void report_in_reopen(struct report_in *in);
/* The peer is down: nothing stands. */
void report_in_forget(struct report_in *in);
/* NULL: none. */
const struct live_report *report_in_whole(const struct report_in *in);
void report_in_done(struct report_in *in);

#endif

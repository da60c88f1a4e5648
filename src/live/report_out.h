/* SPDX-License-Identifier: MIT */
/*
 * When our report is told, and to whom. A change is told at once, unless one was just before, and
 * again a few times, since a datagram may be lost; then every LIVE_REPORT_EVERY or a little
 * oftener, so that what is due to many doesn't stay due at once. What is due is sent in portions:
 * thousands of datagrams must not stand before the words of BFD.
 */
#ifndef SHUNT_LIVE_REPORT_OUT_H
#define SHUNT_LIVE_REPORT_OUT_H

#include "base/heap.h"
#include "live/budget.h"
#include "live/report_codec.h"

struct report_out {
	struct live_report own;	 /* being told; max_owners 0: none yet */
	struct live_report next; /* will be at next_at */
	instant next_at;	 /* INSTANT_NEVER: it doesn't change */
	instant changed_at;	 /* when own became what it is; before all time: never */
	uint64_t number;	 /* of own, from 1 */
	uint64_t ages_number;	 /* of the last datagram of handshakes, whoever got it */
	struct heap due;	 /* report_target.timer of those with a session */
	struct budget pace;
	instant free_at; /* a portion has been sent: the next one from here on */
};

/* One peer, as its report goes. */
struct report_target {
	struct heap_node timer;
	uint32_t discriminator; /* the peer's; 0: no session with it */
	unsigned again;		/* so many more times soon */
	unsigned part;		/* the next to be sent; behind the parts, handshakes */
	uint64_t random;	/* of the time until the next */
};

void report_out_init(struct report_out *o);
void report_out_done(struct report_out *o);
/* This is our report from now on. What differs from what is told takes effect by
 * report_out_step, when its time has come. */
void report_out_tell(struct report_out *o, const struct live_report *r, instant now);
/* True if another report is to be told from now on: to each target by report_out_again. */
bool report_out_step(struct report_out *o, instant now);
void report_out_again(struct report_out *o, struct report_target *t, instant now);
/* The session with the target is up, and this is the peer's discriminator; 0: there is none. */
void report_out_session(
	struct report_out *o, struct report_target *t, uint32_t discriminator, instant now);
void report_out_forget(struct report_out *o, struct report_target *t);
/* Whom to send a part to now, by report_out_encode; NULL: nobody, or not yet. */
struct report_target *report_out_due(struct report_out *o, instant now);
/* Its next part; returns the length. */
size_t report_out_encode(struct report_out *o, struct report_target *t,
	const uint8_t key[static BFD_KEY_LEN], instant now,
	uint8_t out[static LIVE_REPORT_DATAGRAM]);
instant report_out_deadline(const struct report_out *o);

#endif

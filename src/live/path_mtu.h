/* SPDX-License-Identifier: MIT */
/*
 * Whether packets as large as the tunnel's MTU reach one peer and come back, and if not, how large
 * they may be. Pure: the caller sends echoes and tells of the answers.
 *
 * Asked in rounds: an echo of one size, and a small one before it; unanswered, both once more after
 * a while, since one may be lost by chance (and not at once, since two of a size may travel as one
 * packet of twice the size for a part of the way). A round is lost if the small
 * one is answered and no large one is; if the small one isn't answered either it says nothing. Once
 * a period the full size is asked; when that was lost PATH_MTU_CONFIRM rounds in a row, the size
 * that passes is looked for by halving. It is the smaller one of both directions, since an answer
 * is as long as what it answers.
 */
#ifndef SHUNT_LIVE_PATH_MTU_H
#define SHUNT_LIVE_PATH_MTU_H

#include "base/time.h"

#define PATH_MTU_SMALL 64   /* bytes with the IP header; what the small echo has */
#define PATH_MTU_USUAL 1280 /* looked at first */
#define PATH_MTU_COPIES 2   /* a round */
#define PATH_MTU_CONFIRM 2
#define PATH_MTU_TIMEOUT (500 * NS_PER_MS) /* of each */
#define PATH_MTU_PERIOD (60 * NS_PER_S)

enum path_mtu_phase { PATH_MTU_CHECK, PATH_MTU_SEARCH, PATH_MTU_VERIFY };

struct path_mtu {
	unsigned largest; /* what should pass */
	unsigned passes;  /* 0: the largest does, as far as is known; else what does */
	enum path_mtu_phase phase;
	unsigned good, bad; /* of the search: that passed, this didn't */
	unsigned size;	    /* of the round under way; 0: none */
	unsigned copies;    /* of it sent */
	bool small_answered, large_answered;
	unsigned lost; /* rounds in a row */
	instant next_at;
};

/* The first round is at first_at. largest: above PATH_MTU_SMALL. */
void path_mtu_init(struct path_mtu *m, unsigned largest, instant first_at);
/* After a time in which the peer could not be asked: what was found stays, and is asked again at.
 */
void path_mtu_resume(struct path_mtu *m, instant at);
/* Ends the round under way if it is over, and begins the next if it is due. True: send an echo of
 * PATH_MTU_SMALL bytes and one of *ret_size, header included, in this order. */
bool path_mtu_step(struct path_mtu *m, unsigned *ret_size, instant now);
/* An echo of that size was answered. */
void path_mtu_on_reply(struct path_mtu *m, unsigned size, instant now);
/* When path_mtu_step is due. */
instant path_mtu_deadline(const struct path_mtu *m);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * How good a line is, by the words of its BFD session: each has the next number, so what is missing
 * between two is lost. Loss in one direction shows at the end that it leads to, and only there.
 *
 * What is lost adds LINE_LOST to a score, what comes takes 1 away, and it never falls below 0: at
 * one lost in ten it stands still, below that it stays near 0 whatever chance does, and above it
 * grows, the faster the more is lost. At LINE_BAD the line is poor, if the score has been above 0
 * for LINE_WHILE: with ten words a second that is some 9 seconds at a fifth lost, 3 at two fifths,
 * and never, for what a lifetime is worth, at a fiftieth.
 *
 * A run of missing words counts as no more than end the session: whether it was a cut or a restart
 * isn't loss. Nor is what we slept through: line_forget.
 *
 * A poor line is held, longer each time, and the hold begins anew with all that is lost in it; it
 * is over when the line was clean for so long.
 */
#ifndef SHUNT_LIVE_LINE_H
#define SHUNT_LIVE_LINE_H

#include "live/hold.h"
#include <stdint.h>

#define LINE_LOST 9
#define LINE_BAD 100
#define LINE_WHILE (2 * NS_PER_S)

struct line {
	bool is_known; /* last is a number that was heard */
	uint32_t last; /* of the words */
	unsigned score;
	instant bad_since; /* the score is above 0 since then; INSTANT_NEVER: it is 0 */
	bool is_poor;
	struct hold hold; /* runs while it is poor */
};

void line_init(struct line *l);
/* A word of the session with that number; most: so many in a row end the session. */
void line_word(struct line *l, uint32_t number, unsigned most, instant now);
/* The session ended since so many words in a row are missing. */
void line_silence(struct line *l, unsigned missing, instant now);
/* The next word is as good as the first one. */
void line_forget(struct line *l);
/* Whether it is to be called poor; is_hinted: so is another line of ours, which lets less suffice.
 */
bool line_is_bad(const struct line *l, bool is_hinted, instant now);
/* It is poor from now on, or still is. */
void line_condemn(struct line *l, int64_t hold_ns, instant now);
/* True if it was poor and no longer is. */
bool line_step(struct line *l, int64_t hold_ns, instant now);
instant line_deadline(const struct line *l);

#endif

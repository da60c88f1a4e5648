/* SPDX-License-Identifier: MIT */
/*
 * A ring of words of bits; the bit of counter c is c + 1, so that a zeroed window has seen nothing.
 * Moving the window on clears whole words, wherefore the last word's worth isn't usable: a counter
 * may be WG_REPLAY_BITS_USABLE behind the greatest, and no more.
 */
#include "wg/replay.h"

#define WORD_BITS 64
#define WORDS (WG_REPLAY_BITS / WORD_BITS)

_Static_assert((WORDS & (WORDS - 1)) == 0, "words are numbered modulo a power of two");

static void move_on(struct replay *r, uint64_t next)
{
	uint64_t word = r->next / WORD_BITS, last = next / WORD_BITS;

	if (last - word > WORDS)
		word = last - WORDS;
	while (word != last)
		r->bits[++word % WORDS] = 0;
	r->next = next;
}

bool replay_accept(struct replay *r, uint64_t counter)
{
	uint64_t at = counter + 1, bit = UINT64_C(1) << at % WORD_BITS;
	uint64_t *word = &r->bits[at / WORD_BITS % WORDS];

	/* Below the limit nothing here overflows. */
	if (counter >= WG_REJECT_AFTER_MESSAGES || at + WG_REPLAY_BITS_USABLE < r->next)
		return false;
	if (at > r->next)
		move_on(r, at);
	if (*word & bit)
		return false;
	*word |= bit;
	return true;
}

/* SPDX-License-Identifier: MIT */
#include "live/line.h"

/* More than that isn't remembered, so that a line that is clean again is known for it. */
#define SCORE_MAX (LINE_BAD * 3 / 2)
/* While it is poor, a score of that much is loss that goes on. */
#define SCORE_UNCLEAN (LINE_BAD / 2)
#define SCORE_HINTED (LINE_BAD / 4)

void line_init(struct line *l)
{
	*l = (struct line){.bad_since = INSTANT_NEVER};
	hold_init(&l->hold);
}

static void lose(struct line *l, unsigned n, instant now)
{
	if (n == 0)
		return;
	if (l->score == 0)
		l->bad_since = now;
	l->score += n * LINE_LOST;
	if (l->score > SCORE_MAX)
		l->score = SCORE_MAX;
}

static void gain(struct line *l)
{
	if (l->score > 0)
		l->score--;
	if (l->score == 0)
		l->bad_since = INSTANT_NEVER;
}

void line_word(struct line *l, uint32_t number, unsigned most, instant now)
{
	uint32_t missing = number - l->last - 1;

	if (l->is_known && missing < INT32_MAX)
		lose(l, missing < most ? missing : most, now);
	l->is_known = true;
	l->last = number;
	gain(l);
}

void line_silence(struct line *l, unsigned missing, instant now)
{
	if (l->is_known)
		lose(l, missing, now);
	line_forget(l);
}

void line_forget(struct line *l)
{
	l->is_known = false;
}

bool line_is_bad(const struct line *l, bool is_hinted, instant now)
{
	unsigned enough = is_hinted ? SCORE_HINTED : LINE_BAD;

	return l->score >= enough && instant_diff(now, l->bad_since) >= LINE_WHILE;
}

void line_condemn(struct line *l, int64_t hold_ns, instant now)
{
	if (!l->is_poor) {
		hold_down(&l->hold, now);
		hold_up(&l->hold, now);
	}
	l->is_poor = true;
	hold_start(&l->hold, hold_ns, now);
}

bool line_step(struct line *l, int64_t hold_ns, instant now)
{
	if (l->is_poor && l->score >= SCORE_UNCLEAN)
		hold_start(&l->hold, hold_ns, now);
	if (!hold_step(&l->hold, now) || !l->is_poor)
		return false;
	l->is_poor = false;
	l->score = 0;
	l->bad_since = INSTANT_NEVER;
	return true;
}

instant line_deadline(const struct line *l)
{
	return hold_deadline(&l->hold);
}

/* SPDX-License-Identifier: MIT */
/* How much one source may ask of us: one word each gap, and a few at once after silence. What goes
 * beyond is dropped before any work is done for it. All zeroes is a full budget. */
#ifndef SHUNT_LIVE_BUDGET_H
#define SHUNT_LIVE_BUDGET_H

#include "base/time.h"

struct budget {
	instant paid_until; /* what was taken is paid for at this instant */
	int64_t gap_ns;	    /* the price at which it was taken */
};

/* True, and one word is taken, unless the budget is used up. gap_ns > 0 may differ from call to
 * call: what isn't paid yet is so many words, at the new price. */
static inline bool budget_take(struct budget *b, int64_t gap_ns, unsigned burst, instant now)
{
	int64_t debt = instant_before(b->paid_until, now) ? 0 : instant_diff(b->paid_until, now);

	if (b->gap_ns && b->gap_ns != gap_ns)
		debt = (int64_t)((double)debt / (double)b->gap_ns * (double)gap_ns);
	b->gap_ns = gap_ns;
	b->paid_until = instant_add(now, debt);
	if (debt > gap_ns * (burst - 1))
		return false;
	b->paid_until = instant_add(b->paid_until, gap_ns);
	return true;
}

#endif

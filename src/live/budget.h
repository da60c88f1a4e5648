/* SPDX-License-Identifier: MIT */
/* How much one source may ask of us: one word each gap, and a few at once after silence. What goes
 * beyond is dropped before any work is done for it. All zeroes is a full budget. */
#ifndef SHUNT_LIVE_BUDGET_H
#define SHUNT_LIVE_BUDGET_H

#include "base/time.h"

struct budget {
	instant paid_until; /* what was taken is paid for at this instant */
};

/* True, and one word is taken, unless the budget is used up. gap_ns > 0 may differ from call to
 * call. */
static inline bool budget_take(struct budget *b, int64_t gap_ns, unsigned burst, instant now)
{
	instant from = instant_before(b->paid_until, now) ? now : b->paid_until;

	if (instant_diff(from, now) > gap_ns * (burst - 1))
		return false;
	b->paid_until = instant_add(from, gap_ns);
	return true;
}

#endif

/* SPDX-License-Identifier: MIT */
#include "live/hold.h"
#include "live/live.h"

void hold_init(struct hold *h)
{
	*h = (struct hold){.forget_at = INSTANT_NEVER, .until = INSTANT_NEVER};
}

void hold_up(struct hold *h, instant now)
{
	h->forget_at = h->flaps ? instant_add(now, LIVE_FLAP_FORGET) : INSTANT_NEVER;
}

void hold_down(struct hold *h, instant now)
{
	if (!instant_before(now, h->forget_at))
		h->flaps = 0;
	h->flaps++;
	h->forget_at = INSTANT_NEVER;
	h->until = INSTANT_NEVER;
}

/* The first flap holds for the base itself; a base above the limit stays what it is. */
static int64_t length(const struct hold *h, int64_t base_ns)
{
	int64_t ns = base_ns;

	for (unsigned i = 1; i < h->flaps && ns < LIVE_HOLD_MAX; i++)
		ns *= 2;
	return ns > LIVE_HOLD_MAX && base_ns < LIVE_HOLD_MAX ? LIVE_HOLD_MAX : ns;
}

bool hold_start(struct hold *h, int64_t base_ns, instant now)
{
	if (base_ns <= 0)
		return false;
	h->until = instant_add(now, length(h, base_ns));
	return true;
}

bool hold_step(struct hold *h, instant now)
{
	if (!instant_before(now, h->forget_at)) {
		h->flaps = 0;
		h->forget_at = INSTANT_NEVER;
	}
	if (instant_before(now, h->until))
		return false;
	h->until = INSTANT_NEVER;
	return true;
}

instant hold_deadline(const struct hold *h)
{
	return instant_min(h->forget_at, h->until);
}

/* SPDX-License-Identifier: MIT */
#include "live/flaps.h"
#include "live/bfd_session.h"

void flaps_init(struct flaps *f)
{
	*f = (struct flaps){.down_at = INSTANT_NEVER};
	for (int i = 0; i < FLAPS_MANY; i++)
		f->recent[i] = INSTANT_NEVER;
}

void flaps_down(struct flaps *f, uint32_t discriminator, instant now)
{
	f->down_at = now;
	f->discriminator = discriminator;
}

bool flaps_up(struct flaps *f, uint32_t discriminator, instant now)
{
	instant down_at = f->down_at;

	f->down_at = INSTANT_NEVER;
	if (instant_is_never(down_at) || instant_diff(now, down_at) >= FLAP_SHORT ||
		!bfd_is_same_daemon(discriminator, f->discriminator))
		return false;
	for (int i = FLAPS_MANY - 1; i > 0; i--)
		f->recent[i] = f->recent[i - 1];
	f->recent[0] = down_at;
	return true;
}

static bool is_recent(instant at, instant now)
{
	return !instant_is_never(at) && instant_diff(now, at) < FLAP_WINDOW;
}

instant flaps_last(const struct flaps *f, instant now)
{
	return is_recent(f->recent[0], now) ? f->recent[0] : INSTANT_NEVER;
}

bool flaps_are_many(const struct flaps *f, instant now)
{
	return is_recent(f->recent[FLAPS_MANY - 1], now);
}

/* SPDX-License-Identifier: MIT */
#include "live/handshake_clock.h"

static int64_t clamp(int64_t ns, int64_t least, int64_t most)
{
	return ns < least ? least : ns > most ? most : ns;
}

static void start(struct handshake_clock *h, int64_t wall_age_ns, instant now)
{
	h->is_started = true;
	h->is_in_doubt = wall_age_ns < 0 || wall_age_ns > now.ns;
	h->at = h->is_in_doubt ? now : instant_add(now, -wall_age_ns);
}

void handshake_clock_look(
	struct handshake_clock *h, int64_t reported_ns, int64_t wall_ns, instant now)
{
	int64_t wall_age_ns = wall_ns - reported_ns;

	if (!h->is_started) {
		start(h, wall_age_ns, now);
	} else if (reported_ns != h->reported_ns) {
		h->is_in_doubt = false;
		h->at = instant_add(now, -clamp(wall_age_ns, 0, instant_diff(now, h->looked_at)));
	}
	h->reported_ns = reported_ns;
	h->looked_at = now;
}

int64_t handshake_clock_age(const struct handshake_clock *h, instant now)
{
	if (!h->reported_ns)
		return HANDSHAKE_NEVER;
	return h->is_in_doubt ? HANDSHAKE_UNKNOWN : clamp(instant_diff(now, h->at), 0, INT64_MAX);
}

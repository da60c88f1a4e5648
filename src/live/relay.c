/* SPDX-License-Identifier: MIT */
#include "live/relay.h"

#include <assert.h>

void relay_init(struct relay *r, instant first_at)
{
	*r = (struct relay){.next_at = first_at};
}

static void answered(struct relay *r, instant now)
{
	r->is_asked = false;
	r->silences = 0;
	r->next_at = instant_add(now, RELAY_PERIOD);
}

static void on_silence(struct relay *r, instant now)
{
	r->is_asked = false;
	if (r->silences < RELAY_SILENCES)
		r->silences++;
	r->next_at = relay_is_silent(r) ? instant_add(now, RELAY_PERIOD) : now;
}

bool relay_step(struct relay *r, instant now)
{
	if (instant_before(now, r->next_at))
		return false;
	if (r->is_asked && r->network_unreachable && !r->site_unreachable)
		answered(r, now);
	else if (r->is_asked)
		on_silence(r, now);
	return !instant_before(now, r->next_at);
}

bool relay_wants_network(const struct relay *r)
{
	return r->silences > 0;
}

void relay_on_asked(struct relay *r, uint32_t site, instant now)
{
	assert(!r->is_asked);
	r->is_asked = true;
	r->site = site;
	r->network_unreachable = r->site_unreachable = false;
	r->next_at = instant_add(now, RELAY_TIMEOUT);
}

void relay_on_reply(struct relay *r, instant now)
{
	answered(r, now);
}

void relay_on_unreachable(struct relay *r, bool network)
{
	if (network)
		r->network_unreachable = true;
	else
		r->site_unreachable = true;
}

instant relay_deadline(const struct relay *r)
{
	return r->next_at;
}

bool relay_is_silent(const struct relay *r)
{
	return r->silences >= RELAY_SILENCES;
}

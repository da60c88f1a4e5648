/* SPDX-License-Identifier: MIT */
#include "live/self.h"

void self_init(struct self *s, const struct live_self_config *c)
{
	*s = (struct self){
		.hold_ns = c->hold_ns,
		.is_drained = c->drained,
		.is_armed = c->cold_start,
		.isolated_at = {INT64_MIN},
	};
	hold_init(&s->hold);
}

void self_engage(struct self *s, instant now)
{
	if (s->engaged++ > 0)
		return;
	hold_up(&s->hold, now);
	if (s->is_armed)
		s->is_holding = hold_start(&s->hold, s->hold_ns, now);
	s->is_armed = false;
}

void self_disengage(struct self *s, bool others_exist, instant now)
{
	if (--s->engaged > 0 || !others_exist)
		return;
	hold_down(&s->hold, now);
	s->is_holding = s->is_flapping = false;
	s->is_armed = true;
	s->isolated_at = now;
}

void self_flap(struct self *s, instant now)
{
	if (!s->is_holding) {
		hold_down(&s->hold, now);
		hold_up(&s->hold, now);
	}
	s->is_flapping = hold_start(&s->hold, s->hold_ns, now);
	s->is_holding = s->is_holding || s->is_flapping;
}

bool self_step(struct self *s, instant now)
{
	return hold_step(&s->hold, now);
}

void self_clear(struct self *s)
{
	if (instant_is_never(s->hold.until))
		s->is_holding = s->is_flapping = false;
}

bool self_is_signalling(const struct self *s)
{
	return s->is_drained || s->is_holding;
}

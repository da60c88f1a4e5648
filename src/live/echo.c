/* SPDX-License-Identifier: MIT */
#include "live/echo.h"

#define LEAST_NS NS_PER_MS

void echo_init(struct echo *e, const struct echo_mark *first)
{
	*e = (struct echo){
		.next = *first,
		.next_at = INSTANT_NEVER,
		.answered_at = INSTANT_NEVER,
	};
}

void echo_start(struct echo *e, int64_t interval_ns, instant now)
{
	e->interval_ns = interval_ns < LEAST_NS ? LEAST_NS : interval_ns;
	if (e->is_on) {
		e->next_at = instant_min(e->next_at, instant_add(now, e->interval_ns));
		return;
	}
	e->is_on = true;
	e->next_at = now;
	e->outstanding = 0;
	e->answered = 0;
	e->answered_at = INSTANT_NEVER;
}

void echo_stop(struct echo *e)
{
	e->is_on = false;
	e->next_at = INSTANT_NEVER;
	e->outstanding = 0;
}

bool echo_output(struct echo *e, struct echo_mark *ret, instant now)
{
	if (instant_before(now, e->next_at))
		return false;
	*ret = e->next;
	e->next.seq++;
	e->answered <<= 1;
	if (e->outstanding < ECHO_WINDOW)
		e->outstanding++;
	/* No burst after a pause. */
	e->next_at = instant_add(e->next_at, e->interval_ns);
	if (!instant_before(now, e->next_at))
		e->next_at = instant_add(now, e->interval_ns);
	return true;
}

bool echo_on_reply(struct echo *e, const struct echo_mark *mark, instant now)
{
	uint16_t age = (uint16_t)(e->next.seq - 1 - mark->seq);

	if (mark->id != e->next.id || mark->nonce != e->next.nonce || age >= e->outstanding ||
		e->answered >> age & 1)
		return false;
	e->answered |= UINT64_C(1) << age;
	e->answered_at = now;
	return true;
}

int64_t echo_excuse_sleep(struct echo *e, instant now)
{
	int64_t late = e->is_on ? instant_diff(now, e->next_at) : 0;

	if (late <= e->interval_ns)
		return 0;
	e->answered_at = instant_add(e->answered_at, late);
	return late;
}

bool echo_is_answered(const struct echo *e, int64_t within_ns, instant now)
{
	return !instant_is_never(e->answered_at) && instant_diff(now, e->answered_at) < within_ns;
}

instant echo_deadline(const struct echo *e)
{
	return e->next_at;
}

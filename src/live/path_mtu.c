/* SPDX-License-Identifier: MIT */
#include "live/path_mtu.h"

#include <assert.h>

void path_mtu_init(struct path_mtu *m, unsigned largest, instant first_at)
{
	assert(largest > PATH_MTU_SMALL);
	*m = (struct path_mtu){.largest = largest, .next_at = first_at};
}

void path_mtu_resume(struct path_mtu *m, instant at)
{
	m->size = 0;
	m->next_at = at;
}

static void rest(struct path_mtu *m, instant now)
{
	m->phase = PATH_MTU_CHECK;
	m->lost = 0;
	m->next_at = instant_add(now, PATH_MTU_PERIOD);
}

static void begin_search(struct path_mtu *m)
{
	m->phase = PATH_MTU_SEARCH;
	m->good = PATH_MTU_SMALL;
	m->bad = m->largest;
	m->lost = 0;
}

static unsigned size_to_ask(const struct path_mtu *m)
{
	switch (m->phase) {
	case PATH_MTU_SEARCH:
		assert(m->good < m->bad);
		return m->good < PATH_MTU_USUAL && PATH_MTU_USUAL < m->bad
			       ? PATH_MTU_USUAL
			       : m->good + (m->bad - m->good) / 2;
	case PATH_MTU_VERIFY:
		return m->passes;
	default:
		return m->largest;
	}
}

static void narrow(struct path_mtu *m, bool passed, instant now)
{
	if (passed)
		m->good = m->size;
	else
		m->bad = m->size;
	if (m->bad - m->good > 1)
		return;
	m->passes = m->good;
	rest(m, now);
}

static void on_lost(struct path_mtu *m, instant now)
{
	if (m->phase == PATH_MTU_SEARCH) {
		narrow(m, false, now);
	} else if (++m->lost >= PATH_MTU_CONFIRM) {
		m->lost = 0;
		if (m->phase == PATH_MTU_CHECK && m->passes)
			m->phase = PATH_MTU_VERIFY; /* is it still what was found? */
		else
			begin_search(m);
	}
}

static void on_passed(struct path_mtu *m, instant now)
{
	if (m->phase == PATH_MTU_SEARCH) {
		narrow(m, true, now);
		return;
	}
	if (m->phase == PATH_MTU_CHECK)
		m->passes = 0;
	rest(m, now);
}

static void end_round(struct path_mtu *m, instant now)
{
	bool passed = m->large_answered, told = m->small_answered;

	m->next_at = now;
	if (passed)
		on_passed(m, now);
	else if (told)
		on_lost(m, now);
	else /* nothing is answered: whatever that is, it isn't the size */
		rest(m, now);
	m->size = 0;
}

bool path_mtu_step(struct path_mtu *m, unsigned *ret_size, instant now)
{
	if (instant_before(now, m->next_at))
		return false;
	if (m->size && (m->large_answered || m->copies == PATH_MTU_COPIES))
		end_round(m, now);
	if (instant_before(now, m->next_at))
		return false;
	if (!m->size) {
		m->size = size_to_ask(m);
		m->copies = 0;
		m->small_answered = m->large_answered = false;
	}
	m->copies++;
	*ret_size = m->size;
	m->next_at = instant_add(now, PATH_MTU_TIMEOUT);
	return true;
}

void path_mtu_on_reply(struct path_mtu *m, unsigned size, instant now)
{
	if (!m->size)
		return;
	if (size == m->size) {
		m->large_answered = true;
		m->next_at = now;
	} else if (size == PATH_MTU_SMALL) {
		m->small_answered = true;
	}
}

instant path_mtu_deadline(const struct path_mtu *m)
{
	return m->next_at;
}

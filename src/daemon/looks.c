/* SPDX-License-Identifier: MIT */
#include "daemon/looks.h"

#include <assert.h>

#define DRIFT (10 * NS_PER_S)
#define HANDSHAKES (2 * NS_PER_S)
#define NEWS (200 * NS_PER_MS)
#define DOUBT (1 * NS_PER_S)
/* Our own vain tries make news, too. */
#define NEWS_OF_FAILURE (2 * NS_PER_S)
#define RETRY_FIRST (500 * NS_PER_MS)
#define RETRY_MAX (30 * NS_PER_S)
#define DOUBLINGS_MAX 6

void looks_init(struct looks *l)
{
	*l = (struct looks){.at = INSTANT_NEVER};
}

void looks_on_begin(struct looks *l, instant now)
{
	l->at = INSTANT_NEVER;
	l->is_under_way = true;
	l->began = now;
	l->meanwhile = LOOKS_ROUTINE;
}

void looks_on_wait(struct looks *l)
{
	l->at = INSTANT_NEVER;
	l->is_under_way = false;
}

static int64_t retry_pause(unsigned failures)
{
	int64_t pause = RETRY_FIRST << (failures < DOUBLINGS_MAX ? failures : DOUBLINGS_MAX);

	return pause > RETRY_MAX ? RETRY_MAX : pause;
}

/* --- calls ---------------------------------------------------------------------------------------
 */

static void remember(struct looks *l, enum looks_call call)
{
	if (l->meanwhile < call)
		l->meanwhile = call;
}

static void no_later(struct looks *l, instant at)
{
	if (!instant_is_never(l->at))
		l->at = instant_min(l->at, instant_max(at, l->rest_until));
}

void looks_on_news(struct looks *l, instant now)
{
	if (l->is_under_way)
		remember(l, LOOKS_NEWS);
	else
		no_later(l, instant_add(now, l->failures ? NEWS_OF_FAILURE : NEWS));
}

void looks_on_doubt(struct looks *l, instant now)
{
	if (l->is_under_way)
		remember(l, LOOKS_DOUBT);
	else if (!l->failures)
		no_later(l, instant_add(now, DOUBT));
}

void looks_on_need(struct looks *l)
{
	assert(l->is_under_way);
	remember(l, LOOKS_NEED);
}

/* --- the end of one ------------------------------------------------------------------------------
 */

static void answer(struct looks *l, instant now)
{
	switch (l->meanwhile) {
	case LOOKS_NEED:
		if (l->failures)
			looks_on_news(l, now);
		else
			l->at = now;
		break;
	case LOOKS_NEWS:
		looks_on_news(l, now);
		break;
	case LOOKS_DOUBT:
		looks_on_doubt(l, now);
		break;
	case LOOKS_ROUTINE:
		break;
	}
}

void looks_on_done(struct looks *l, bool well, bool by_handshakes, instant now)
{
	int64_t pause = by_handshakes ? HANDSHAKES : DRIFT;

	assert(l->is_under_way);
	if (!well)
		pause = retry_pause(l->failures);
	l->failures = well ? 0 : l->failures + 1;
	l->at = instant_add(now, pause);
	l->rest_until = instant_add(now, instant_diff(now, l->began));
	l->is_under_way = false;
	answer(l, now);
}

/* SPDX-License-Identifier: MIT */
#include "daemon/looks.h"

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

static int64_t retry_pause(unsigned failures)
{
	int64_t pause = RETRY_FIRST << (failures < DOUBLINGS_MAX ? failures : DOUBLINGS_MAX);

	return pause > RETRY_MAX ? RETRY_MAX : pause;
}

void looks_on_done(struct looks *l, bool well, bool by_handshakes, instant now)
{
	int64_t pause = by_handshakes ? HANDSHAKES : DRIFT;

	if (!well)
		pause = retry_pause(l->failures);
	l->failures = well ? 0 : l->failures + 1;
	l->at = instant_add(now, pause);
}

static void no_later(struct looks *l, instant at)
{
	if (!instant_is_never(l->at))
		l->at = instant_min(l->at, at);
}

void looks_on_news(struct looks *l, instant now)
{
	no_later(l, instant_add(now, l->failures ? NEWS_OF_FAILURE : NEWS));
}

void looks_on_doubt(struct looks *l, instant now)
{
	if (!l->failures)
		no_later(l, instant_add(now, DOUBT));
}

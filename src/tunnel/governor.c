/* SPDX-License-Identifier: MIT */
#include "tunnel/governor.h"

#include "base/time.h"

#define BACKOFF_MIN NS_PER_S
#define BACKOFF_MAX (60 * NS_PER_S)
#define SAMPLES_ALONE 2
#define SAMPLES_TRIAL 3
#define SAMPLES_LOW 3

void governor_init(struct governor *g)
{
	*g = (struct governor){.backoff_ns = BACKOFF_MIN};
}

static void enter(struct governor *g, enum governor_state state)
{
	g->state = state;
	g->n = 0;
	g->bytes = 0;
	g->ns = 0;
}

static void add(struct governor *g, const struct governor_sample *s)
{
	g->n++;
	g->bytes += s->bytes;
	g->ns += s->ns;
}

static uint64_t rate(uint64_t bytes, int64_t ns)
{
	return (uint64_t)((double)bytes * NS_PER_S / (double)ns);
}

static void step_alone(struct governor *g, const struct governor_sample *s)
{
	g->wait_ns -= g->wait_ns < s->ns ? g->wait_ns : s->ns;
	if (g->wait_ns || s->cpu_ns < s->ns / 10 * 9 || s->idle_ns < s->ns / 4) {
		enter(g, GOVERNOR_ALONE);
		return;
	}
	add(g, s);
	if (g->n < SAMPLES_ALONE)
		return;
	g->rate_alone = rate(g->bytes, g->ns);
	enter(g, GOVERNOR_TRIAL);
}

/* The first sample, in which threads started or woke, doesn't count. */
static void step_trial(struct governor *g, const struct governor_sample *s)
{
	add(g, s);
	if (g->n == 1) {
		g->bytes = 0;
		g->ns = 0;
	}
	if (g->n <= SAMPLES_TRIAL)
		return;
	if (rate(g->bytes, g->ns) >= g->rate_alone + g->rate_alone / 20) {
		g->backoff_ns = BACKOFF_MIN;
		enter(g, GOVERNOR_HELPED);
		return;
	}
	g->wait_ns = g->backoff_ns;
	g->backoff_ns = g->backoff_ns < BACKOFF_MAX / 2 ? 2 * g->backoff_ns : BACKOFF_MAX;
	enter(g, GOVERNOR_ALONE);
}

static void step_helped(struct governor *g, const struct governor_sample *s)
{
	g->n = rate(s->bytes, s->ns) < g->rate_alone ? g->n + 1 : 0;
	if (g->n == SAMPLES_LOW)
		enter(g, GOVERNOR_ALONE);
}

bool governor_step(struct governor *g, const struct governor_sample *s)
{
	if (s->ns <= 0)
		return g->state != GOVERNOR_ALONE;
	switch (g->state) {
	case GOVERNOR_ALONE:
		step_alone(g, s);
		break;
	case GOVERNOR_TRIAL:
		step_trial(g, s);
		break;
	case GOVERNOR_HELPED:
		step_helped(g, s);
		break;
	}
	return g->state != GOVERNOR_ALONE;
}

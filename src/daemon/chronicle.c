/* SPDX-License-Identifier: MIT */
#include "daemon/chronicle.h"

#include "base/buf.h"
#include "base/vec.h"
#include <assert.h>
#include <stdio.h>
#include <string.h>

/* A report's slices follow one another at once. */
#define REPORT_COUNTS (NS_PER_S)

/* What was told and may be a cause. */
struct cause {
	uint64_t number; /* 0: none */
	uint32_t peer;
	instant at;
};

struct moving {
	uint64_t order;
	struct cause cause;
	uint32_t from_peer, to_peer;
	char *from, *to;
	ip_prefix first;
	unsigned n;
};

struct chronicle {
	struct events *events;
	struct when now;	    /* of the step */
	VEC(struct cause) verdicts; /* of the step */
	struct cause report;
	struct cause reload; /* that is in force and not done */
	uint64_t drain;	     /* the last one */
	uint64_t order;	     /* of the step; 0: none yet */
	size_t n_before;     /* of moving, when the step began */
	VEC(struct moving) moving;
};

struct chronicle *chronicle_new(struct events *to)
{
	struct chronicle *c = mem_zalloc(1, sizeof(*c));

	c->events = to;
	return c;
}

static void moving_done(struct moving *m)
{
	free(m->from);
	free(m->to);
}

void chronicle_free(struct chronicle *c)
{
	if (!c)
		return;
	for (size_t i = 0; i < c->moving.n; i++)
		moving_done(&c->moving.items[i]);
	vec_done(&c->moving);
	vec_done(&c->verdicts);
	free(c);
}

static int64_t wall_of(const struct when *now, instant at)
{
	return now->wall_ns - instant_diff(now->at, at);
}

static uint64_t add(struct chronicle *c, struct event e, int64_t wall_ns)
{
	e.wall_ns = wall_ns;
	if (e.kind != EVENT_MOVE)
		e.gap_ns = -1;
	return events_add(c->events, &e);
}

/* Peers are told of a drain, or that it is over, because of it. */
uint64_t chronicle_add(struct chronicle *c, const struct event *e, const struct when *now)
{
	struct event told = *e;
	uint64_t number;

	if (e->kind == EVENT_SIGNAL && !e->because) {
		told.because = c->drain;
		c->drain = 0;
	}
	number = add(c, told, now->wall_ns);
	if (e->kind == EVENT_DRAIN)
		c->drain = number;
	return number;
}

/* --- a step of the engine ------------------------------------------------------------------------
 */

void chronicle_step(struct chronicle *c, const struct when *now)
{
	c->now = *now;
	c->verdicts.n = 0;
	c->order = 0;
	c->n_before = c->moving.n;
}

void chronicle_verdict(struct chronicle *c, const struct chronicle_verdict *v)
{
	struct event e = {.kind = EVENT_VERDICT,
		.peer = v->name,
		.state = v->state,
		.cause = v->cause,
		.text = v->text};
	uint64_t number = add(c, e, wall_of(&c->now, v->at));

	vec_push(&c->verdicts, ((struct cause){number, v->peer, v->at}));
}

void chronicle_report(struct chronicle *c, const char *peer, const char *state, const char *text)
{
	struct event e = {.kind = EVENT_REPORT, .peer = peer, .state = state, .text = text};

	c->report = (struct cause){.number = add(c, e, c->now.wall_ns), .at = c->now.at};
}

void chronicle_ordered(struct chronicle *c, uint64_t order)
{
	assert(order);
	c->order = order;
}

static char *copy(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

void chronicle_moves(struct chronicle *c, const struct chronicle_move *m)
{
	assert(c->order);
	vec_push(&c->moving, ((struct moving){.order = c->order,
				     .from_peer = m->from_peer,
				     .to_peer = m->to_peer,
				     .from = copy(m->from),
				     .to = copy(m->to),
				     .first = m->first,
				     .n = m->n}));
}

static const struct cause *verdict_on(const struct chronicle *c, uint32_t peer)
{
	for (size_t i = 0; i < c->verdicts.n; i++)
		if (c->verdicts.items[i].peer == peer)
			return &c->verdicts.items[i];
	return NULL;
}

/* The verdict on who had it comes first, then that on who gets it; a move may also follow from one
 * on the node behind both. */
static struct cause cause_of(const struct chronicle *c, const struct moving *m)
{
	const struct cause *v = verdict_on(c, m->from_peer);

	if (!v)
		v = verdict_on(c, m->to_peer);
	if (!v && c->verdicts.n)
		v = &c->verdicts.items[0];
	if (v)
		return *v;
	if (c->report.number && instant_diff(c->now.at, c->report.at) <= REPORT_COUNTS)
		return c->report;
	return (struct cause){.at = c->now.at};
}

bool chronicle_has_moves(const struct chronicle *c)
{
	return c->moving.n > c->n_before;
}

void chronicle_step_end(struct chronicle *c)
{
	for (size_t i = c->n_before; i < c->moving.n; i++)
		c->moving.items[i].cause = cause_of(c, &c->moving.items[i]);
}

/* --- moves that are done -------------------------------------------------------------------------
 */

static void put_move(struct buf *text, const struct moving *m)
{
	char prefix[IP_PREFIX_STRLEN];

	buf_puts(text, ip_prefix_format(&m->first, prefix));
	if (m->n > 1)
		buf_printf(text, " and %u other%s", m->n - 1, m->n > 2 ? "s" : "");
	buf_printf(text, ": %s -> %s", m->from ? m->from : "nobody", m->to ? m->to : "nobody");
}

static void tell_move(struct chronicle *c, const struct moving *m, int err, const struct when *at)
{
	int64_t gap = instant_diff(at->at, m->cause.at);
	AUTO_BUF text = {0};
	struct event e = {.kind = EVENT_MOVE,
		.because = m->cause.number,
		.state = err ? "refused" : "done",
		.from = m->from,
		.to = m->to,
		.prefix = m->first,
		.n_prefixes = m->n,
		.gap_ns = err	    ? -1
			  : gap < 0 ? 0
				    : gap};

	put_move(&text, m);
	if (err)
		buf_printf(&text, ": the device refused (%s)", strerror(-err));
	else
		buf_printf(&text, " in %.1f ms", (double)e.gap_ns / 1e6);
	e.text = buf_str(&text);
	add(c, e, at->wall_ns);
}

void chronicle_done(struct chronicle *c, uint64_t order, int err, const struct when *at)
{
	size_t left = 0;

	for (size_t i = 0; i < c->moving.n; i++) {
		struct moving *m = &c->moving.items[i];

		if (m->order != order) {
			c->moving.items[left++] = *m;
			continue;
		}
		tell_move(c, m, err, at);
		moving_done(m);
	}
	c->moving.n = left;
}

/* --- a reload ------------------------------------------------------------------------------------
 */

void chronicle_reload(struct chronicle *c, const char *text, const struct when *now)
{
	struct event e = {.kind = EVENT_RELOAD, .state = "in-force", .text = text};

	c->reload = (struct cause){.number = add(c, e, now->wall_ns), .at = now->at};
}

void chronicle_reload_moved(
	struct chronicle *c, const struct chronicle_move *m, const struct when *now)
{
	struct moving done = {.cause = c->reload,
		.from = (char *)(uintptr_t)m->from,
		.to = (char *)(uintptr_t)m->to,
		.first = m->first,
		.n = m->n};

	tell_move(c, &done, 0, now);
}

void chronicle_reload_end(
	struct chronicle *c, const char *state, const char *text, const struct when *now)
{
	struct event e = {
		.kind = EVENT_RELOAD, .because = c->reload.number, .state = state, .text = text};

	c->reload = (struct cause){0};
	add(c, e, now->wall_ns);
}

/* SPDX-License-Identifier: MIT */
#include "control/events.h"

#include "base/mem.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct events {
	char *node, *started;
	size_t max;
	uint64_t last;
	void (*fn)(void *data); /* NULL: nobody listens */
	void *data;
	struct event ring[]; /* by number modulo max; its texts are its own */
};

struct events *events_new(size_t max, const char *node, const char *started)
{
	struct events *s = mem_zalloc(1, sizeof(*s) + max * sizeof(*s->ring));

	assert(max);
	s->max = max;
	s->node = mem_strdup(node);
	s->started = mem_strdup(started);
	return s;
}

static void let_go(const char *text)
{
	free((void *)(uintptr_t)text);
}

static void event_done(struct event *e)
{
	let_go(e->peer);
	let_go(e->from);
	let_go(e->to);
	let_go(e->text);
	let_go(e->fix);
}

void events_free(struct events *s)
{
	if (!s)
		return;
	for (size_t i = 0; i < s->max; i++)
		event_done(&s->ring[i]);
	free(s->node);
	free(s->started);
	free(s);
}

static const char *copy(const char *text)
{
	return text ? mem_strdup(text) : NULL;
}

uint64_t events_add(struct events *s, const struct event *e)
{
	struct event *to = &s->ring[(s->last + 1) % s->max];

	assert(e->text && e->because <= s->last);
	event_done(to);
	*to = *e;
	to->number = ++s->last;
	to->peer = copy(e->peer);
	to->from = copy(e->from);
	to->to = copy(e->to);
	to->text = copy(e->text);
	to->fix = copy(e->fix);
	if (s->fn)
		s->fn(s->data);
	return s->last;
}

void events_listen(struct events *s, void (*fn)(void *data), void *data)
{
	s->fn = fn;
	s->data = data;
}

uint64_t events_first(const struct events *s)
{
	return s->last > s->max ? s->last - s->max + 1 : 1;
}

uint64_t events_last(const struct events *s)
{
	return s->last;
}

const struct event *events_at(const struct events *s, uint64_t number)
{
	assert(number >= events_first(s) && number <= s->last);
	return &s->ring[number % s->max];
}

uint64_t events_tail(const struct events *s, const struct event_filter *f, size_t n)
{
	uint64_t at = s->last + 1;

	for (uint64_t i = at; n && i-- > events_first(s);)
		if (event_passes(events_at(s, i), f)) {
			at = i;
			n--;
		}
	return at;
}

const char *events_node(const struct events *s)
{
	return s->node;
}

const char *events_started(const struct events *s)
{
	return s->started;
}

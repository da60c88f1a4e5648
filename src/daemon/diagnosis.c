/* SPDX-License-Identifier: MIT */
#include "daemon/diagnosis.h"

#include "daemon/clones.h"
#include "daemon/forward_probe.h"
#include "daemon/path_probe.h"
#include "daemon/relay_probe.h"
#include "sys/clock.h"

#define FIRST_LOOK_MS 200
#define LOOK (NS_PER_S)
#define PAUSE_MIN_MS 50 /* between two turns, however much is due */
/* Two machines with one key may speak at one pace of a second: whoever looks as often sees one. */
#define PEEK (211 * NS_PER_MS)
#define PEEKS_SHARE 32 /* of the time goes into it at most */

struct diagnosis {
	struct daemon *daemon;
	uv_timer_t *timer; /* outlives us until the loop has closed it */
	instant look_at, peek_at;
	instant noted_at; /* the mirror whose clones are noted */
	struct clones clones;
	struct echoes *echoes;
	struct path_probe paths;
	struct relay_probe relays;
	struct forward_probe forward;
};

/* Once a second: what has no deadline of its own. */
static void look(struct diagnosis *g)
{
	struct daemon *d = g->daemon;
	const struct mesh_node *self = d->gen->self;
	ip_addr *own = mem_zalloc(self->n_addresses + 1, sizeof(*own));

	for (size_t i = 0; i < self->n_addresses; i++)
		own[i] = self->addresses[i].addr;
	echoes_set(g->echoes, self->interface, d->fib.ifindex, own, self->n_addresses);
	free(own);
	forward_probe_step(&g->forward, d, sys_now());
}

/* Whoever had the device read, each time counts once. */
static void note_mirror(struct diagnosis *g)
{
	if (!instant_before(g->noted_at, g->daemon->mirror_at))
		return;
	g->noted_at = g->daemon->mirror_at;
	clones_note(&g->clones, g->daemon, g->noted_at);
}

/* At the device, while a peer may be two; when next. */
static instant peek(struct diagnosis *g, instant now)
{
	struct daemon *d = g->daemon;
	int64_t cost = device_reader_took(d->reader) * PEEKS_SHARE;

	if (!g->clones.is_open)
		return INSTANT_NEVER;
	if (instant_before(now, g->peek_at))
		return g->peek_at;
	device_reader_ask(d->reader, &d->device.at, instant_diff(now, d->mirror_at),
		&(struct device_question){PEEK / 2, NULL, NULL});
	return g->peek_at = instant_add(now, cost > PEEK ? cost : PEEK);
}

/* What came in while we did something else counts before time passes. */
static void take_answers(struct diagnosis *g)
{
	struct echo_answer a;

	while (echoes_receive(g->echoes, &a)) {
		if (a.tag.kind == ECHO_KIND_PATH)
			path_probe_on_answer(&g->paths, &a, sys_now());
		else
			relay_probe_on_answer(&g->relays, g->daemon, &a, sys_now());
	}
}

static void on_timer(uv_timer_t *t)
{
	struct diagnosis *g = t->data;
	instant now, next;
	int64_t ms;

	take_answers(g);
	note_mirror(g);
	now = sys_now();
	if (!instant_before(now, g->look_at)) {
		look(g);
		g->look_at = instant_add(now, LOOK);
	}
	next = instant_min(g->look_at, peek(g, now));
	next = instant_min(next, path_probe_step(&g->paths, g->daemon, g->echoes, now));
	next = instant_min(next, relay_probe_step(&g->relays, g->daemon, g->echoes, now));
	ms = instant_diff(next, now) / NS_PER_MS;
	uv_timer_start(t, on_timer, ms < PAUSE_MIN_MS ? PAUSE_MIN_MS : (uint64_t)ms, 0);
}

struct diagnosis *diagnosis_start(struct daemon *d)
{
	struct diagnosis *g = mem_zalloc(1, sizeof(*g));

	g->daemon = d;
	g->echoes = echoes_new();
	g->timer = mem_zalloc(1, sizeof(*g->timer));
	uv_timer_init(&d->loop, g->timer);
	g->timer->data = g;
	uv_timer_start(g->timer, on_timer, FIRST_LOOK_MS, 0);
	return g;
}

static void on_closed(uv_handle_t *h)
{
	free(h);
}

void diagnosis_stop(struct diagnosis *g)
{
	if (!g)
		return;
	uv_close((uv_handle_t *)g->timer, on_closed);
	clones_done(&g->clones);
	path_probe_done(&g->paths);
	relay_probe_done(&g->relays);
	forward_probe_done(&g->forward);
	echoes_free(g->echoes);
	free(g);
}

static void add(const char *what, const char *fix, void *data)
{
	json_array_append_new(data, json_pack("{s:s, s:s?}", "what", what, "fix", fix));
}

void diagnosis_problems(struct diagnosis *g, json_t *list)
{
	if (!g)
		return;
	clones_name(&g->clones, g->daemon->gen, sys_now(), add, list);
	path_probe_name(&g->paths, g->daemon->gen, add, list);
	forward_probe_name(&g->forward, add, list);
	relay_probe_name(&g->relays, g->daemon, add, list);
}

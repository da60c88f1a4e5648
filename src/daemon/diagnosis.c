/* SPDX-License-Identifier: MIT */
#include "daemon/diagnosis.h"

#include "daemon/answers.h"
#include "daemon/clones.h"
#include "daemon/problem_log.h"
#include "sys/clock.h"

#define FIRST_LOOK_MS 200
#define LOOK_MS 1000
#define LOOKS_PER_LOG 3

struct diagnosis {
	struct daemon *daemon;
	uv_timer_t *timer; /* outlives us until the loop has closed it */
	unsigned looks;
	struct problem_log log;
	struct clones clones;
};

static void on_timer(uv_timer_t *t)
{
	struct diagnosis *g = t->data;

	if (g->clones.is_open)
		daemon_refresh_mirror(g->daemon);
	if (g->looks++ % LOOKS_PER_LOG == 0)
		problem_log_update(&g->log, answer_problems_to_log(g->daemon));
}

struct diagnosis *diagnosis_start(struct daemon *d)
{
	struct diagnosis *g = mem_zalloc(1, sizeof(*g));

	g->daemon = d;
	g->timer = mem_zalloc(1, sizeof(*g->timer));
	uv_timer_init(&d->loop, g->timer);
	g->timer->data = g;
	uv_timer_start(g->timer, on_timer, FIRST_LOOK_MS, LOOK_MS);
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
	problem_log_done(&g->log);
	clones_done(&g->clones);
	free(g);
}

void diagnosis_of_mirror(struct diagnosis *g)
{
	if (g)
		clones_note(&g->clones, g->daemon, sys_now());
}

static void add(const char *what, const char *fix, void *data)
{
	json_array_append_new(data, json_pack("{s:s, s:s?}", "what", what, "fix", fix));
}

void diagnosis_problems(struct diagnosis *g, json_t *list)
{
	if (g)
		clones_name(&g->clones, g->daemon->gen, sys_now(), add, list);
}

/* SPDX-License-Identifier: MIT */
#include "daemon/diagnosis.h"

#include "daemon/answers.h"
#include "daemon/problem_log.h"

#define FIRST_LOOK_MS 200
#define LOOK_MS 3000

struct diagnosis {
	struct daemon *daemon;
	uv_timer_t *timer; /* outlives us until the loop has closed it */
	struct problem_log log;
};

static void on_timer(uv_timer_t *t)
{
	struct diagnosis *g = t->data;

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
	free(g);
}

void diagnosis_problems(struct diagnosis *g, json_t *list)
{
}

/* SPDX-License-Identifier: MIT */
#include "control/pieces.h"

#include "base/list.h"
#include "base/mem.h"
#include <stdlib.h>

struct job {
	struct list link;
	struct control_call *call;
	piece_fn *next;
	void (*done)(void *data);
	void *data;
	struct buf text;
};

struct pieces {
	uv_idle_t idle; /* runs while there is something to do */
	struct list jobs;
};

static void job_end(struct job *j)
{
	list_remove(&j->link);
	j->done(j->data);
	buf_done(&j->text);
	free(j);
}

static struct job *first(struct pieces *p)
{
	list_for_each (pos, &p->jobs)
		return container_of(pos, struct job, link);
	return NULL;
}

static void on_turn(uv_idle_t *idle)
{
	struct pieces *p = container_of(idle, struct pieces, idle);
	struct job *j = first(p);
	bool more;

	if (!j) {
		uv_idle_stop(idle);
		return;
	}
	more = control_call_is_wanted(j->call) && j->next(&j->text, j->data);
	if (more)
		return;
	control_reply_text(j->call, buf_steal(&j->text));
	job_end(j);
}

struct pieces *pieces_new(uv_loop_t *loop)
{
	struct pieces *p = mem_zalloc(1, sizeof(*p));

	list_init(&p->jobs);
	uv_idle_init(loop, &p->idle);
	return p;
}

static void on_closed(uv_handle_t *h)
{
	free(container_of(h, struct pieces, idle));
}

void pieces_free(struct pieces *p)
{
	struct job *j;

	if (!p)
		return;
	while ((j = first(p))) {
		control_reply(j->call, control_error("shuntd ends"));
		job_end(j);
	}
	uv_close((uv_handle_t *)&p->idle, on_closed);
}

void pieces_add(struct pieces *p, struct control_call *call, piece_fn *next, void (*done)(void *),
	void *data)
{
	struct job *j = mem_zalloc(1, sizeof(*j));

	j->call = call;
	j->next = next;
	j->done = done;
	j->data = data;
	list_append(&p->jobs, &j->link);
	uv_idle_start(&p->idle, on_turn);
}

void pieces_put(struct buf *text, json_t *object, bool is_first)
{
	AUTO_FREE char *one = json_dumps(object, JSON_COMPACT);

	json_decref(object);
	buf_printf(text, "%s%s", is_first ? "" : ",", one ? one : "null");
}

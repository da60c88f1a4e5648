/* SPDX-License-Identifier: MIT */
#include "daemon/route_reader.h"

#include "sys/clock.h"
#include "sys/process.h"
#include "sys/wake.h"
#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

/* While rounds follow one another, what status shows is renewed that often. */
#define VIEW_PAUSE (100 * NS_PER_MS)

enum order_type { ORDER_SET, ORDER_PEER, ORDER_TAKEN, ORDER_LOST, ORDER_STOP };

/* To the thread. */
struct order {
	enum order_type type;
	union {
		struct route_follow_facts *facts;
		struct {
			uint32_t id;
			bool lives;
		} peer;
	} u;
};

typedef VEC(struct order) orders;

struct route_reader {
	struct route_reader_hooks hooks;
	uv_async_t async;
	pthread_t thread;
	int wake;
	/* The loop's own. */
	struct route_follow_facts *set; /* last; NULL: none */
	bool is_taking;			/* a portion is with the hooks' owner */
	/* The thread's own. */
	struct route_follow *follow;
	instant view_at;
	bool ends;
	/* Of both, under the lock. */
	pthread_mutex_t lock;
	orders orders;
	bool has_portion;
	struct route_portion portion;
	struct route_reader_view view;
};

/* --- in the thread -------------------------------------------------------------------------------
 */

static void obey(struct route_reader *r, const struct order *o, instant now)
{
	switch (o->type) {
	case ORDER_SET:
		route_follow_set(r->follow, o->u.facts);
		break;
	case ORDER_PEER:
		route_follow_peer(r->follow, o->u.peer.id, o->u.peer.lives, now);
		break;
	case ORDER_TAKEN:
	case ORDER_LOST:
		route_follow_give_back(r->follow, o->type == ORDER_LOST, now);
		break;
	case ORDER_STOP:
		r->ends = true;
		break;
	}
}

static void obey_all(struct route_reader *r, instant now)
{
	orders todo;

	pthread_mutex_lock(&r->lock);
	todo = r->orders;
	r->orders = (orders){0};
	pthread_mutex_unlock(&r->lock);
	for (size_t i = 0; i < todo.n; i++)
		obey(r, &todo.items[i], now);
	vec_done(&todo);
}

static void hand_on(struct route_reader *r)
{
	struct route_portion p;

	if (!route_follow_next(r->follow, &p))
		return;
	pthread_mutex_lock(&r->lock);
	assert(!r->has_portion);
	r->portion = p;
	r->has_portion = true;
	pthread_mutex_unlock(&r->lock);
	uv_async_send(&r->async);
}

static void show(struct route_reader *r, bool busy, instant now)
{
	struct route_reader_view fresh = {0};
	kernel_troubles before;

	if (busy && instant_diff(now, r->view_at) < VIEW_PAUSE)
		return;
	r->view_at = now;
	route_follow_look(r->follow, &fresh.counts, &fresh.troubles);
	pthread_mutex_lock(&r->lock);
	before = r->view.troubles;
	r->view = fresh;
	pthread_mutex_unlock(&r->lock);
	vec_done(&before);
}

static int poll_ms(const struct route_reader *r)
{
	instant at = route_follow_deadline(r->follow);
	int64_t ns = instant_diff(at, sys_now());

	if (instant_is_never(at))
		return -1;
	return ns <= 0 ? 0 : (int)((ns + NS_PER_MS - 1) / NS_PER_MS);
}

static void await(struct route_reader *r, bool busy)
{
	struct pollfd fds[] = {
		{.fd = r->wake, .events = POLLIN},
		{.fd = route_follow_fd(r->follow), .events = POLLIN},
	};

	if (poll(fds, ARRAY_SIZE(fds), busy ? 0 : poll_ms(r)) > 0 && fds[0].revents)
		wake_clear(r->wake);
}

static void *run(void *data)
{
	struct route_reader *r = data;

	process_set_nice(PROCESS_NICE_ROUTES);
	while (!r->ends) {
		instant now = sys_now();
		bool busy;

		obey_all(r, now);
		if (r->ends)
			break;
		busy = route_follow_round(r->follow, now);
		hand_on(r);
		show(r, busy, now);
		await(r, busy);
	}
	return NULL;
}

/* --- on the loop ---------------------------------------------------------------------------------
 */

static void order(struct route_reader *r, const struct order *o)
{
	pthread_mutex_lock(&r->lock);
	vec_push(&r->orders, *o);
	pthread_mutex_unlock(&r->lock);
	wake_up(r->wake);
}

/* What was said by older facts would count for nothing. */
static void on_async(uv_async_t *async)
{
	struct route_reader *r = async->data;
	struct route_portion p;
	bool has;

	pthread_mutex_lock(&r->lock);
	has = r->has_portion;
	p = r->portion;
	r->has_portion = false;
	pthread_mutex_unlock(&r->lock);
	if (!has)
		return;
	if (p.generation != r->set->gen->number) {
		order(r, &(struct order){.type = ORDER_LOST});
		return;
	}
	r->is_taking = true;
	r->hooks.words(&p.words, p.generation, p.is_first, r->hooks.data);
}

void route_reader_taken(struct route_reader *r)
{
	assert(r->is_taking);
	r->is_taking = false;
	order(r, &(struct order){.type = ORDER_TAKEN});
}

void route_reader_peer(struct route_reader *r, uint32_t peer, bool lives)
{
	struct order o = {.type = ORDER_PEER};

	o.u.peer.id = peer;
	o.u.peer.lives = lives;
	order(r, &o);
}

void route_reader_set(struct route_reader *r, const struct kernel_source_facts *f,
	const struct route_mirror_config *c)
{
	struct route_follow_facts *fresh = route_follow_facts_new(f, c);

	if (r->set && route_follow_facts_eq(r->set, fresh)) {
		route_follow_facts_free(fresh);
		return;
	}
	route_follow_facts_free(r->set);
	r->set = fresh;
	order(r, &(struct order){.type = ORDER_SET, .u.facts = route_follow_facts_new(f, c)});
}

void route_reader_look(struct route_reader *r, struct route_reader_view *ret)
{
	pthread_mutex_lock(&r->lock);
	*ret = r->view;
	ret->troubles = (kernel_troubles){0};
	for (size_t i = 0; i < r->view.troubles.n; i++)
		vec_push(&ret->troubles, r->view.troubles.items[i]);
	pthread_mutex_unlock(&r->lock);
}

/* --- start and end -------------------------------------------------------------------------------
 */

static void free_closed(uv_handle_t *async)
{
	struct route_reader *r = async->data;

	for (size_t i = 0; i < r->orders.n; i++)
		if (r->orders.items[i].type == ORDER_SET)
			route_follow_facts_free(r->orders.items[i].u.facts);
	vec_done(&r->orders);
	vec_done(&r->view.troubles);
	route_follow_facts_free(r->set);
	route_follow_free(r->follow);
	if (r->wake >= 0)
		close(r->wake);
	pthread_mutex_destroy(&r->lock);
	free(r);
}

/* Signals are the loop's business. */
static int start_thread(struct route_reader *r)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	err = pthread_create(&r->thread, NULL, run, r);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return -err;
}

int route_reader_start(
	uv_loop_t *loop, const struct route_reader_hooks *hooks, struct route_reader **ret)
{
	struct route_reader *r = mem_zalloc(1, sizeof(*r));
	int err = uv_async_init(loop, &r->async, on_async);

	if (err) {
		free(r);
		return err;
	}
	r->async.data = r;
	r->hooks = *hooks;
	pthread_mutex_init(&r->lock, NULL);
	r->wake = wake_new();
	err = r->wake < 0 ? -errno : route_follow_new(&r->follow);
	if (!err)
		err = start_thread(r);
	if (err) {
		uv_close((uv_handle_t *)&r->async, free_closed);
		return err;
	}
	*ret = r;
	return 0;
}

void route_reader_stop(struct route_reader *r)
{
	if (!r)
		return;
	order(r, &(struct order){.type = ORDER_STOP});
	pthread_join(r->thread, NULL);
	uv_close((uv_handle_t *)&r->async, free_closed);
}

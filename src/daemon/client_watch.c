/* SPDX-License-Identifier: MIT */
#include "daemon/client_watch.h"

#include "base/mem.h"
#include "daemon/actions.h"
#include "sys/clock.h"

#define LOOK (250 * NS_PER_MS)
#define LOOKS_SHARE 32 /* of the time goes into it at most */
#define IDLE_MS 1000   /* a reload may bring such a client */

struct client_watch {
	struct daemon *daemon; /* NULL: stopped */
	uv_timer_t timer;
	instant told_at; /* the reading that the engine has heard of */
	bool is_asking;
	bool is_closed;
};

static bool has_clients(const struct generation *g)
{
	for (size_t i = 0; g->has_roaming && i < g->n_peers; i++)
		if (g->peers[i].roams)
			return true;
	return false;
}

static void free_if_over(struct client_watch *w)
{
	if (w->is_closed && !w->is_asking)
		free(w);
}

static void on_read(void *arg)
{
	struct client_watch *w = arg;
	struct daemon *d = w->daemon;

	w->is_asking = false;
	if (!d) {
		free_if_over(w);
		return;
	}
	if (d->stopping || !instant_before(w->told_at, d->mirror_at))
		return;
	w->told_at = d->mirror_at;
	d->feed(d, &(struct engine_event){
			   .type = ENGINE_HANDSHAKES, .u.handshakes = {&d->mirror, sys_wall_ns()}});
}

static void on_timer(uv_timer_t *t)
{
	struct client_watch *w = t->data;
	struct daemon *d = w->daemon;
	int64_t pause = device_reader_took(d->reader) * LOOKS_SHARE;

	pause = pause > LOOK ? pause : LOOK;
	if (!has_clients(d->gen)) {
		uv_timer_start(t, on_timer, IDLE_MS, 0);
		return;
	}
	uv_timer_start(t, on_timer, (uint64_t)(pause / NS_PER_MS), 0);
	if (w->is_asking)
		return;
	w->is_asking = true;
	device_reader_ask(d->reader, &d->device.at, instant_diff(sys_now(), d->mirror_at),
		&(struct device_question){LOOK / 2, on_read, w});
}

struct client_watch *client_watch_start(struct daemon *d)
{
	struct client_watch *w = mem_zalloc(1, sizeof(*w));

	w->daemon = d;
	uv_timer_init(&d->loop, &w->timer);
	w->timer.data = w;
	uv_timer_start(&w->timer, on_timer, LOOK / NS_PER_MS, 0);
	return w;
}

static void on_closed(uv_handle_t *h)
{
	struct client_watch *w = h->data;

	w->is_closed = true;
	free_if_over(w);
}

void client_watch_stop(struct client_watch *w)
{
	if (!w)
		return;
	w->daemon = NULL;
	uv_close((uv_handle_t *)&w->timer, on_closed);
}

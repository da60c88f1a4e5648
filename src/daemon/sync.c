/* SPDX-License-Identifier: MIT */
#include "daemon/sync.h"

#include "daemon/discard.h"
#include "daemon/kernel_feed.h"
#include "daemon/reload.h"
#include "daemon/say.h"
#include "sys/clock.h"
#include "sys/process.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* So many prefixes are copied in one turn of the loop. */
#define GATHER_SLICE 500

/* The events of a reload tell of it by themselves. */
static void say_counts(struct daemon *d, const char *what, const struct fib_counts *c, bool is_told)
{
	char text[512];
	size_t n = 0;
	const struct {
		unsigned count;
		const char *name;
	} parts[] = {
		{c->peers_added, "peers added"},
		{c->settings_changed, "settings of the device changed"},
		{c->peers_changed, "peers changed"},
		{c->endpoints_set, "endpoints set"},
		{c->peers_removed, "peers removed"},
		{c->prefixes_added, "allowed IPs added"},
		{c->prefixes_moved, "allowed IPs moved"},
		{c->prefixes_removed, "allowed IPs withdrawn"},
		{c->owner_sets_set, "sets of owners set"},
		{c->owner_sets_removed, "sets of owners removed"},
		{c->levels_set, "levels of peers set"},
		{c->routes_added, "routes added"},
		{c->routes_removed, "routes removed"},
		{c->addresses_added, "addresses added"},
		{c->addresses_removed, "addresses removed"},
	};

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i].count && n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u %s", n ? ", " : "",
				parts[i].count, parts[i].name);
	if (n && is_told)
		log_info("%s: %s", what, text);
	else if (n)
		say_own(d, EVENT_DEVICE, "mended", LOG_LEVEL_INFO, "%s: %s", what, text);
}

/* --- the device made anew ------------------------------------------------------------------------
 */

struct reopening {
	uv_work_t req;
	struct daemon *daemon;
	uint64_t generation;
	struct device_options options;
	char ifname[IFNAMSIZ];
	struct device *fresh;
	bool created;
	int err;
	char trouble[512];
};

/* It may have to start a program, and to wait until that is there; which carries packets. */
static void reopen(uv_work_t *req)
{
	struct reopening *r = container_of(req, struct reopening, req);
	struct device_state state;

	process_set_nice(PROCESS_NICE_URGENT);
	r->err = device_open(&r->options, &r->fresh, &r->created, r->trouble, sizeof(r->trouble));
	/* For how many owners it has; an error comes up in the SYNC that follows. */
	if (!r->err && !device_get(r->fresh, &state))
		device_state_done(&state);
}

static void after_reopen(uv_work_t *req, int status)
{
	struct reopening *r = container_of(req, struct reopening, req);
	struct daemon *d = r->daemon;
	struct engine_event done = {.type = ENGINE_REOPENED, .generation = r->generation};

	if (d->stopping) {
		device_close(r->fresh);
		free(r);
		return;
	}
	d->is_reopening = false;
	done.u.synced.err = status ? status : r->err;
	done.u.synced.trouble = r->trouble;
	if (!done.u.synced.err) {
		daemon_take_device(d, r->fresh);
		say_own(d, EVENT_DEVICE, r->created ? "made" : "adopted", LOG_LEVEL_WARNING,
			"%s was gone and has been %s", r->ifname,
			r->created ? "made anew" : "taken up again");
		daemon_set_sysctls(d);
	}
	d->feed(d, &done);
	free(r);
}

void sync_reopen(struct daemon *d, const struct engine_action *a)
{
	struct reopening *r = mem_zalloc(1, sizeof(*r));
	int err;

	r->daemon = d;
	r->generation = a->generation;
	snprintf(r->ifname, sizeof(r->ifname), "%s", d->gen->self->interface);
	r->options = device_choice(d->options->kind, &d->options->programs, d->gen->self);
	r->options.ifname = r->ifname;
	d->is_reopening = true;
	err = uv_queue_work(&d->loop, &r->req, reopen, after_reopen);
	assert(!err); /* it fails only without a function */
}

/* --- the task begun ------------------------------------------------------------------------------
 */

static struct sync_task *task_of(const struct daemon *d, const struct engine_action *a)
{
	const sock_addr *endpoints = endpoints_of_peers(engine_endpoints(d->engine));
	const struct generation *before = engine_generation_before(d->engine);
	struct sync_task *t = sync_task_new();

	t->why = a->u.sync;
	t->keeps = a->keeps;
	t->gen = generation_get(d->gen);
	if (before && reload_is_told(d->reload))
		t->before = generation_get(before);
	t->changes.before = t->before;
	t->endpoints = mem_zalloc(d->gen->n_peers + 1, sizeof(*t->endpoints));
	memcpy(t->endpoints, endpoints, d->gen->n_peers * sizeof(*t->endpoints));
	for (size_t i = 0; i < d->fib.apart.n; i++)
		vec_push(&t->apart, d->fib.apart.items[i]);
	t->mark = d->fib.fwmark;
	t->state = d->state;
	t->at = d->device.at;
	t->look = d->look;
	return t;
}

/* False: that was all, and it goes. */
static bool gather(struct daemon *d)
{
	struct sync_task *t = d->gathering;

	if (sync_task_gather(t, d->rib, GATHER_SLICE))
		return true;
	d->gathering = NULL;
	fib_thread_go(d->fib_thread, &t->task);
	return false;
}

static void on_gather(uv_idle_t *h)
{
	struct daemon *d = h->data;

	if (!d->gathering || !gather(d))
		uv_idle_stop(h);
}

void sync_begin(struct daemon *d, const struct engine_action *a)
{
	if (d->syncs)
		fib_thread_cancel(d->fib_thread);
	d->fib.moves_cut = false;
	d->gathering = task_of(d, a);
	d->syncs++;
	fib_thread_announce(d->fib_thread, &d->gathering->task);
	if (gather(d))
		uv_idle_start(&d->gather_idle, on_gather);
}

/* --- what came of it -----------------------------------------------------------------------------
 */

static bool is_same(const prefix_vec *a, const prefix_vec *b)
{
	for (size_t i = 0; a->n == b->n && i < a->n; i++)
		if (!ip_prefix_eq(&a->items[i], &b->items[i]))
			return false;
	return a->n == b->n;
}

/* What events are planned by from now on; true if an event meanwhile went by something else, or not
 * as far as it should. */
static bool take_facts(struct daemon *d, struct sync_task *t)
{
	bool changed = d->fib.ifindex != t->ifindex || d->fib.fwmark != t->shall.mark ||
		       !is_same(&d->fib.apart, &t->shall.apart);

	d->fib.ifindex = t->ifindex;
	d->fib.fwmark = t->shall.mark;
	memcpy(d->fib.no_rules, t->shall.facts.no_rules, sizeof(d->fib.no_rules));
	vec_done(&d->fib.apart);
	d->fib.apart = t->shall.apart;
	t->shall.apart = (prefix_vec){0};
	vec_done(&d->fib.foreign);
	d->fib.foreign = t->foreign;
	t->foreign = (prefix_vec){0};
	return d->fib.moves_cut || (changed && fib_thread_last(d->fib_thread) > t->task.job.basis);
}

static bool look_for_foreign(struct daemon *d, struct sync_task *t)
{
	return foreign_look_begin(d->foreign,
		&(struct foreign_facts){t->gen, &t->rib, t->endpoints, &d->fib, &d->mirror});
}

static void take_success(struct daemon *d, struct sync_task *t, struct engine_event *done)
{
	bool missed = take_facts(d, t);

	for (size_t i = 0; i < t->shall.lines.n; i++)
		log_info("%s", t->shall.lines.items[i]);
	say_counts(d, t->why, &t->counts, t->before != NULL);
	daemon_take_mirror(d, &t->mirror, t->began);
	t->mirror = (struct device_state){0};
	done->u.synced.device = &d->mirror;
	done->u.synced.wall_ns = sys_wall_ns();
	done->u.synced.again = !look_for_foreign(d, t) || missed;
	kernel_feed_update(d);
}

static void take_failure(struct daemon *d, int err, struct engine_event *done)
{
	snprintf(d->trouble, sizeof(d->trouble), "%s",
		err == -EADDRINUSE ? "a port or an address is taken by another program"
				   : strerror(-err));
	done->u.synced.err = err;
	done->u.synced.trouble = d->trouble;
}

static void take(struct daemon *d, struct sync_task *t)
{
	struct engine_event done = {.type = ENGINE_SYNCED, .generation = t->gen->number};
	int err = t->task.job.err;

	sync_task_conclude(t);
	fib_troubles_done(&d->fib.problems);
	fib_troubles_move(&d->fib.problems, &t->troubles);
	if (err)
		take_failure(d, err, &done);
	else
		take_success(d, t, &done);
	if (t->before)
		reload_on_synced(d->reload, err, &t->counts, &t->changes);
	d->feed(d, &done);
}

static void free_task(void *task)
{
	sync_task_free(task);
}

/* Who ends, and what is of an older generation, leaves the device as it is and says nothing. */
void sync_on_task_done(struct fib_task *task, void *daemon)
{
	struct sync_task *t = container_of(task, struct sync_task, task);
	struct daemon *d = daemon;

	d->syncs--;
	if (d->gathering == t)
		d->gathering = NULL;
	if (task->job.err != -ECANCELED && !d->stopping)
		take(d, t);
	if (d->stopping)
		sync_task_free(t);
	else
		discard(&d->loop, free_task, t);
	if (!d->stopping)
		reload_settle(d->reload);
}

/* SPDX-License-Identifier: MIT */
#include "daemon/reload.h"

#include "daemon/generation_load.h"
#include "daemon/listen_port.h"
#include "daemon/say.h"
#include "sys/process.h"
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct asker {
	control_reloaded_fn *done;
	void *arg;
};

typedef VEC(struct asker) askers;

enum phase { IDLE, LOADING, IN_FORCE };

/* What the thread works on: nothing that others have. */
struct loading {
	uv_work_t req;
	struct reload *owner;
	const char *file, *node;
	const struct generation *before; /* a reference */
	const struct generation *fresh;
	struct buf why;
	int err;
};

struct reload {
	struct daemon *daemon; /* NULL: nobody wants to know any more */
	enum phase phase;
	askers asked, waiting; /* for what is under way; for the next */
	/* Of what is in force: */
	unsigned mtu_before;
	bool is_synced;
	int err; /* of the last SYNC */
	struct fib_counts counts;
	struct changes changes;
};

static void begin(struct reload *r);

/* --- the answer ----------------------------------------------------------------------------------
 */

#define COUNTS(X)           \
	X(settings_changed) \
	X(peers_added)      \
	X(peers_changed)    \
	X(endpoints_set)    \
	X(peers_removed)    \
	X(prefixes_added)   \
	X(prefixes_moved)   \
	X(prefixes_removed) \
	X(routes_added)     \
	X(routes_removed)   \
	X(addresses_added)  \
	X(addresses_removed)

static json_t *counts_json(const struct fib_counts *c)
{
	json_t *counts = json_object();

#define PUT(name) json_object_set_new(counts, #name, json_integer(c->name));
	COUNTS(PUT)
#undef PUT
	return counts;
}

static json_t *names_json(const struct changes *c)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < c->lines.n; i++)
		json_array_append_new(lines, json_string(c->lines.items[i]));
	if (c->left_out)
		json_array_append_new(lines, json_sprintf("and %zu more", c->left_out));
	return lines;
}

/* Who is told may ask again. */
static void tell(askers *who, const char *why, json_t *counts, json_t *names)
{
	askers now = *who;

	*who = (askers){0};
	for (size_t i = 0; i < now.n; i++)
		if (now.items[i].done)
			now.items[i].done(why, counts, names, now.items[i].arg);
	vec_done(&now);
}

/* why: NULL if it went well. */
static void end(struct reload *r, const char *why)
{
	json_t *counts = counts_json(&r->counts), *names = names_json(&r->changes);

	changes_done(&r->changes);
	r->changes = (struct changes){0};
	r->phase = IDLE;
	snapshot_put(r->daemon->snapshot); /* it speaks of before */
	r->daemon->snapshot = NULL;
	process_notify("READY=1");
	tell(&r->asked, why, counts, names);
	json_decref(counts);
	json_decref(names);
	if (r->waiting.n)
		begin(r);
}

/* --- in force ------------------------------------------------------------------------------------
 */

/* The device program knows nothing of it: it is the interface's. */
static void report_mtu(struct reload *r)
{
	unsigned now = r->daemon->gen->self->mtu;

	if (r->mtu_before == now)
		return;
	r->counts.settings_changed++;
	changes_add(&r->changes, "MTU: %u -> %u", r->mtu_before, now);
}

/* Nobody reads the inventory there. */
static void report_stale(struct reload *r)
{
	const struct generation *g = r->daemon->gen;

	for (size_t i = 0; i < g->stale.n; i++)
		changes_add(&r->changes, "%s", g->stale.items[i]);
}

static void tell_in_force(struct daemon *d, const struct generation *fresh)
{
	struct when now = say_now();
	AUTO_FREE char *text = mem_printf(
		"the new inventory %s is in force: %zu peers", d->options->file, fresh->n_peers);

	chronicle_reload(d->chronicle, text, &now);
}

static const char *somebody(const char *names)
{
	return strcmp(names, "nobody") ? names : NULL;
}

static void tell_moves(const struct reload *r)
{
	struct when now = say_now();

	for (size_t i = 0; i < r->changes.moves.n; i++) {
		const struct changes_move *m = &r->changes.moves.items[i];
		struct chronicle_move told = {
			.from = somebody(m->from),
			.to = somebody(m->to),
			.first = m->first,
			.n = (unsigned)m->n,
		};

		chronicle_reload_moved(r->daemon->chronicle, &told, &now);
	}
}

static void tell_end(const struct reload *r, const char *state, const char *text)
{
	struct when now = say_now();

	chronicle_reload_end(r->daemon->chronicle, state, text, &now);
}

/* From here on the new generation counts, whatever the device says. */
static void put_in_force(struct reload *r, const struct generation *fresh)
{
	struct daemon *d = r->daemon;
	struct engine_event e = {.type = ENGINE_GENERATION, .u.generation = fresh};

	r->phase = IN_FORCE;
	r->is_synced = false;
	r->err = 0;
	r->counts = (struct fib_counts){0};
	r->mtu_before = d->gen->self->mtu;
	d->fib.apart.n = 0;
	tell_in_force(d, fresh);
	d->feed(d, &e);
	daemon_set_sysctls(d);
}

bool reload_is_told(const struct reload *r)
{
	return r->phase == IN_FORCE;
}

void reload_on_synced(
	struct reload *r, int err, const struct fib_counts *counts, struct changes *changes)
{
	/* One that failed may be followed by one of the device made anew. */
	if (r->phase != IN_FORCE || (r->is_synced && !r->err))
		return;
	r->is_synced = true;
	r->err = err;
	r->counts = *counts;
	changes_done(&r->changes);
	r->changes = *changes;
	*changes = (struct changes){0};
	r->changes.before = NULL;
	if (!err)
		tell_moves(r);
}

void reload_on_endpoint(
	struct reload *r, const char *peer, const sock_addr *before, const sock_addr *after)
{
	if (r->phase != IN_FORCE || !r->is_synced)
		return;
	changes_endpoint(&r->changes, peer, before, after);
	r->counts.endpoints_set++;
}

void reload_settle(struct reload *r)
{
	struct daemon *d = r->daemon;
	AUTO_BUF why = {0};
	AUTO_FREE char *done = NULL;

	if (r->phase != IN_FORCE || !r->is_synced || daemon_is_syncing(d))
		return;
	report_mtu(r);
	report_stale(r);
	done = mem_printf("reloaded %s: %zu peers", d->options->file, d->gen->n_peers);
	log_info("%s", done);
	if (r->err) {
		buf_printf(&why,
			"the new inventory is in force, but the device refused a part of it (%s); "
			"trying again",
			strerror(-r->err));
		log_error("%s", buf_str(&why));
	}
	tell_end(r, r->err ? "failed" : "done", r->err ? buf_str(&why) : done);
	end(r, r->err ? buf_str(&why) : NULL);
}

/* --- loading -------------------------------------------------------------------------------------
 */

static int same_interface(const struct daemon *d, const struct generation *fresh, struct buf *why)
{
	if (!strcmp(d->gen->self->interface, fresh->self->interface))
		return 0;
	buf_printf(why,
		"%s's interface is %s in the new inventory and %s now: restart shuntd for that",
		fresh->self->name, fresh->self->interface, d->gen->self->interface);
	return -EINVAL;
}

static int judge(const struct daemon *d, struct loading *l)
{
	int err = l->err;

	if (!err)
		err = same_interface(d, l->fresh, &l->why);
	if (!err && l->fresh->self->listen_port != d->gen->self->listen_port)
		err = listen_port_check(l->fresh, d->mirror.listen_port, &l->why);
	return err;
}

static void load(uv_work_t *req)
{
	struct loading *l = container_of(req, struct loading, req);

	process_set_nice(PROCESS_NICE_BULK);
	l->err = generation_load(l->file, l->node, l->before, &l->fresh, &l->why);
}

static void tell_refused(const struct reload *r, const char *why)
{
	AUTO_FREE char *text =
		mem_printf("the new inventory is refused, the old one stays: %s", why);

	log_error("%s", text);
	tell_end(r, "refused", text);
}

static void after_load(uv_work_t *req, int status)
{
	struct loading *l = container_of(req, struct loading, req);
	struct reload *r = l->owner;

	if (status && !l->err)
		l->err = status;
	if (!r->daemon) {
		generation_put(l->fresh);
		free(r);
	} else if (judge(r->daemon, l)) {
		tell_refused(r, buf_str(&l->why));
		generation_put(l->fresh);
		end(r, buf_str(&l->why));
	} else {
		put_in_force(r, l->fresh);
	}
	generation_put(l->before);
	buf_done(&l->why);
	free(l);
}

static void notify_reloading(void)
{
	char text[64];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	process_notify(text);
}

static void begin(struct reload *r)
{
	struct loading *l = mem_zalloc(1, sizeof(*l));
	struct daemon *d = r->daemon;
	int err;

	r->phase = LOADING;
	r->asked = r->waiting;
	r->waiting = (askers){0};
	notify_reloading();
	l->owner = r;
	l->file = d->options->file;
	l->node = d->options->node;
	l->before = generation_get(d->gen);
	err = uv_queue_work(&d->loop, &l->req, load, after_load);
	assert(!err); /* it fails only without a function */
}

struct reload *reload_new(struct daemon *d)
{
	struct reload *r = mem_zalloc(1, sizeof(*r));

	r->daemon = d;
	return r;
}

void reload_free(struct reload *r)
{
	static const char why[] = "shuntd is about to end";

	if (!r)
		return;
	r->daemon = NULL;
	tell(&r->asked, why, NULL, NULL);
	tell(&r->waiting, why, NULL, NULL);
	changes_done(&r->changes);
	if (r->phase != LOADING) /* else after_load() does it */
		free(r);
}

void reload_ask(struct reload *r, control_reloaded_fn *done, void *arg)
{
	if (r->daemon->stopping) {
		if (done)
			done("shuntd is about to end", NULL, NULL, arg);
		return;
	}
	vec_push(&r->waiting, ((struct asker){done, arg}));
	if (r->phase == IDLE)
		begin(r);
}

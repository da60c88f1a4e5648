/* SPDX-License-Identifier: MIT */
#include "daemon/actions.h"

#include "daemon/log.h"
#include "daemon/peers.h"
#include "daemon/sync.h"
#include "sys/clock.h"
#include <assert.h>
#include <string.h>

typedef VEC(struct engine_event) outcomes;

static struct engine_event outcome_of(const struct engine_action *a, enum engine_event_type type)
{
	return (struct engine_event){.type = type, .generation = a->generation};
}

static struct engine_event move(struct daemon *d, const struct engine_action *a)
{
	struct engine_event done = outcome_of(a, ENGINE_MOVED);

	d->fib.gen = d->gen;
	done.u.err = fib_apply(&d->fib, a->u.move);
	return done;
}

static struct engine_event set_endpoint(struct daemon *d, const struct engine_action *a)
{
	const struct generation_peer *p = generation_peer_by_id(d->gen, a->u.endpoint.peer);
	struct engine_event done = outcome_of(a, ENGINE_ENDPOINT_SET);

	done.u.endpoint_set.peer = a->u.endpoint.peer;
	done.u.endpoint_set.endpoint = a->u.endpoint.endpoint;
	d->fib.gen = d->gen;
	done.u.endpoint_set.err =
		fib_set_endpoint(&d->fib, &p->node->public_key, &a->u.endpoint.endpoint);
	if (d->report && !done.u.endpoint_set.err) {
		changes_endpoint(&d->report->changes, p->node->name, &a->u.endpoint.before,
			&a->u.endpoint.endpoint);
		d->report->counts.endpoints_set++;
	}
	return done;
}

static struct engine_event remember(struct daemon *d, const struct engine_action *a)
{
	struct engine_event done = outcome_of(a, ENGINE_REMEMBERED);

	done.u.remembered.drained = a->u.drained;
	done.u.remembered.err = d->remember_error = state_set_drained(d->state, a->u.drained);
	return done;
}

static void resolve(struct daemon *d, const struct engine_action *a)
{
	struct resolver_tag tag = {a->u.resolve.peer, a->generation};

	resolver_ask(d->resolver, &tag, a->u.resolve.host, a->u.resolve.port);
}

static void say(const struct daemon *d, const struct engine_line *l)
{
	AUTO_BUF text = {0};

	engine_line_text(d->engine, l, &text);
	log_line((enum log_level)engine_line_severity(l), "%s", buf_str(&text));
}

/* Who ends leaves the device as it is. */
static bool is_refused(const struct daemon *d, enum engine_action_type type)
{
	return d->stopping && (type == ENGINE_SYNC || type == ENGINE_REOPEN);
}

static void carry_out(struct daemon *d, const struct engine_action *a, outcomes *ret)
{
	if (is_refused(d, a->type))
		return;
	switch (a->type) {
	case ENGINE_MOVE:
		vec_push(ret, move(d, a));
		break;
	case ENGINE_SYNC:
		vec_push(ret, sync_device(d, a));
		break;
	case ENGINE_REOPEN:
		vec_push(ret, sync_reopen(d, a));
		break;
	case ENGINE_SET_ENDPOINT:
		vec_push(ret, set_endpoint(d, a));
		break;
	case ENGINE_RESOLVE:
		resolve(d, a);
		break;
	case ENGINE_PROBE_SET:
		vec_push(ret, peers_probe(d, a));
		break;
	case ENGINE_PROBE_REOPEN:
		prober_reopen(d->prober);
		break;
	case ENGINE_PROBE_REPORT:
		prober_handshake(d->prober, a->u.report.peer, a->u.report.handshake_age_ns,
			a->u.report.rx_bytes);
		break;
	case ENGINE_PROBE_DRAIN:
		prober_drain(d->prober, a->u.drained);
		break;
	case ENGINE_HOLD_CLEAR:
		prober_hold_clear(d->prober);
		break;
	case ENGINE_REMEMBER_DRAIN:
		vec_push(ret, remember(d, a));
		break;
	case ENGINE_LET_GO:
		generation_put(a->u.generation);
		break;
	case ENGINE_LINE:
		say(d, &a->u.line);
		break;
	}
}

/* --- the engine's turn ---------------------------------------------------------------------------
 */

static void step(struct daemon *d, const struct engine_event *event, outcomes *ret)
{
	engine_actions todo = {0};

	engine_step(d->engine, event, sys_now(), &todo);
	d->gen = engine_generation(d->engine);
	d->rib = engine_rib(d->engine);
	for (size_t i = 0; i < todo.n; i++)
		carry_out(d, &todo.items[i], ret);
	vec_done(&todo);
}

static void on_engine_timer(uv_timer_t *t)
{
	actions_feed_type(t->data, ENGINE_TIME);
}

static void wait_for_deadline(struct daemon *d)
{
	instant at = engine_deadline(d->engine);
	int64_t ns = instant_diff(at, sys_now());

	if (d->stopping || instant_is_never(at)) {
		uv_timer_stop(&d->engine_timer);
		return;
	}
	uv_update_time(&d->loop); /* what was done may have taken long */
	uv_timer_start(&d->engine_timer, on_engine_timer,
		ns <= 0 ? 0 : (uint64_t)((ns + NS_PER_MS - 1) / NS_PER_MS), 0);
}

void actions_feed(struct daemon *d, const struct engine_event *event)
{
	outcomes queue = {0};

	assert(!d->is_feeding);
	d->is_feeding = true;
	vec_push(&queue, *event);
	for (size_t i = 0; i < queue.n; i++) {
		struct engine_event next = queue.items[i];

		step(d, &next, &queue);
	}
	d->is_feeding = false;
	vec_done(&queue);
	wait_for_deadline(d);
}

void actions_feed_type(struct daemon *d, enum engine_event_type type)
{
	actions_feed(d, &(struct engine_event){.type = type});
}

int actions_drain(struct daemon *d, bool drained)
{
	actions_feed(d, &(struct engine_event){.type = ENGINE_DRAIN, .u.drained = drained});
	return d->remember_error;
}

void actions_on_resolved(const struct resolver_tag *tag, const char *host, const sock_addr *addrs,
	size_t n, int err, void *daemon)
{
	struct engine_event e = {.type = ENGINE_RESOLVED, .generation = tag->generation};

	if (err)
		log_debug("the endpoint %s can't be resolved: %s", host, uv_strerror(err));
	e.u.resolved.peer = tag->peer;
	e.u.resolved.addrs = addrs;
	e.u.resolved.n = n;
	actions_feed(daemon, &e);
}

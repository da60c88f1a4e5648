/* SPDX-License-Identifier: MIT */
#include "daemon/actions.h"

#include "daemon/discard.h"
#include "daemon/kernel_feed.h"
#include "daemon/peers.h"
#include "daemon/reload.h"
#include "daemon/say.h"
#include "daemon/sync.h"
#include "daemon/turns.h"
#include "sys/clock.h"
#include <assert.h>
#include <string.h>

typedef VEC(struct engine_event) outcomes;

/* --- what goes to the FIB thread -----------------------------------------------------------------
 */

static struct engine_event outcome_of(const struct engine_action *a, enum engine_event_type type)
{
	return (struct engine_event){.type = type, .generation = a->generation};
}

static uint64_t order(struct daemon *d, struct fib_plan *plan, const struct daemon_order *what)
{
	struct daemon_order o = *what;

	o.seq = fib_thread_order(d->fib_thread, plan);
	vec_push(&d->orders, o);
	return o.seq;
}

static void move(struct daemon *d, const struct engine_action *a)
{
	struct turns_facts facts = {
		.gen = d->gen,
		.before = engine_generation_before(d->engine),
		.has_many_owners = d->device.max_owners > 1,
		.foreign = d->fib.foreign.items,
		.n_foreign = d->fib.foreign.n,
	};
	struct fib_plan plan = {0}, first = {0};

	generation_facts(d->gen, &facts.want);
	facts.want.apart = d->fib.apart.items;
	facts.want.n_apart = d->fib.apart.n;
	facts.want.mark = d->fib.fwmark;
	facts.want.ifindex = d->fib.ifindex;
	memcpy(facts.want.no_rules, d->fib.no_rules, sizeof(d->fib.no_rules));
	d->fib.moves_cut |= !turns_plan(&facts, a->u.move, &plan);
	if (turns_split(&plan, &first))
		order(d, &first, &(struct daemon_order){.is_part = true});
	chronicle_ordered(d->chronicle,
		order(d, &plan, &(struct daemon_order){.outcome = outcome_of(a, ENGINE_MOVED)}));
}

static void set_endpoint(struct daemon *d, const struct engine_action *a)
{
	const struct generation_peer *p = generation_peer_by_id(d->gen, a->u.endpoint.peer);
	struct daemon_order o = {.outcome = outcome_of(a, ENGINE_ENDPOINT_SET),
		.endpoint_before = a->u.endpoint.before};
	struct fib_plan plan = {0};

	o.outcome.u.endpoint_set.peer = a->u.endpoint.peer;
	o.outcome.u.endpoint_set.endpoint = a->u.endpoint.endpoint;
	fib_plan_endpoint(&plan, FIB_DIFFERS, d->gen->self->interface, &p->node->public_key,
		&a->u.endpoint.endpoint);
	d->endpoint_orders++;
	order(d, &plan, &o);
}

static struct daemon_order take_order(struct daemon *d, uint64_t seq)
{
	size_t i = 0;
	struct daemon_order o;

	while (d->orders.items[i].seq != seq)
		i++;
	o = d->orders.items[i];
	d->orders.n--;
	memmove(&d->orders.items[i], &d->orders.items[i + 1],
		(d->orders.n - i) * sizeof(*d->orders.items));
	return o;
}

/* Of the generation in force. */
static void report_endpoint(struct daemon *d, const struct daemon_order *o)
{
	const struct generation_peer *p =
		generation_peer_by_id(d->gen, o->outcome.u.endpoint_set.peer);

	if (p && o->outcome.generation == d->gen->number)
		reload_on_endpoint(d->reload, p->node->name, &o->endpoint_before,
			&o->outcome.u.endpoint_set.endpoint);
}

void actions_on_order_done(uint64_t seq, int err, instant at, fib_troubles *troubles, void *daemon)
{
	struct daemon *d = daemon;
	struct daemon_order o = take_order(d, seq);

	fib_troubles_move(&d->fib.problems, troubles);
	if (o.is_part) {
		d->fib.part_error = err ? err : d->fib.part_error;
		return;
	}
	if (o.outcome.type == ENGINE_ENDPOINT_SET) {
		d->endpoint_orders--;
		o.outcome.u.endpoint_set.err = err;
		if (!err)
			report_endpoint(d, &o);
	} else {
		o.outcome.u.err = err ? err : d->fib.part_error;
		d->fib.part_error = 0;
		say_order_done(d, seq, o.outcome.u.err, at);
	}
	actions_feed(d, &o.outcome);
	if (o.outcome.type == ENGINE_ENDPOINT_SET && d->routes.reader)
		kernel_feed_update(d);
	kernel_feed_on_order(d, seq);
	reload_settle(d->reload);
}

static void resolve(struct daemon *d, const struct engine_action *a)
{
	struct resolver_tag tag = {a->u.resolve.peer, a->generation};

	resolver_ask(d->resolver, &tag, a->u.resolve.host, a->u.resolve.port);
}

static void put_generation(void *generation)
{
	generation_put(generation);
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
		move(d, a);
		break;
	case ENGINE_SYNC:
		sync_begin(d, a);
		break;
	case ENGINE_REOPEN:
		sync_reopen(d, a);
		break;
	case ENGINE_SET_ENDPOINT:
		set_endpoint(d, a);
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
	case ENGINE_TELL:
		if (d->prober) /* it may not have come up */
			prober_tell(d->prober, a->u.tell);
		break;
	case ENGINE_PROBE_DRAIN:
		if (d->prober) /* it begins with what is remembered */
			prober_drain(d->prober, a->u.drained || d->leave.is_leaving);
		break;
	case ENGINE_HOLD_CLEAR:
		prober_hold_clear(d->prober);
		break;
	case ENGINE_REMEMBER_DRAIN:
		remember_drain(d->remember, d->state, &a->u.drain, a->generation);
		break;
	case ENGINE_LET_GO:
		discard(&d->loop, put_generation, (void *)(uintptr_t)a->u.generation);
		break;
	case ENGINE_LINE:
		say_line(d, &a->u.line);
		break;
	case ENGINE_MOVED_LINES:
		say_moves(d, a->u.move);
		break;
	}
}

/* --- the engine's turn ---------------------------------------------------------------------------
 */

static void step(struct daemon *d, const struct engine_event *event, outcomes *ret)
{
	const struct generation *before = d->gen;
	engine_actions todo = {0};

	say_step(d, event);
	engine_step(d->engine, event, sys_now(), &todo);
	d->gen = engine_generation(d->engine);
	d->rib = engine_rib(d->engine);
	if (before && d->gen != before)
		kernel_feed_update(d);
	if (event->type == ENGINE_VERDICTS || event->type == ENGINE_PROBED)
		kernel_feed_verdicts(d, event);
	for (size_t i = 0; i < todo.n; i++)
		carry_out(d, &todo.items[i], ret);
	say_step_end(d);
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

void actions_on_remembered(
	struct daemon *d, const struct engine_drain *drain, uint64_t generation, int err)
{
	struct engine_event e = {.type = ENGINE_REMEMBERED, .generation = generation};

	e.u.remembered.drain = *drain;
	e.u.remembered.err = err;
	actions_feed(d, &e);
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

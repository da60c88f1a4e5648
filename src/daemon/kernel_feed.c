/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_feed.h"

#include "daemon/log.h"
#include "mesh/routing.h"
#include <net/if.h>
#include <string.h>

/* Longer than any dump; then the start goes on, and removes nothing until all is known. */
#define AWAIT_MS 5000

/* --- words ---------------------------------------------------------------------------------------
 */

/* Copies, with their candidates. */
static void gather(struct kernel_words *to, const struct kernel_words *words)
{
	for (size_t i = 0; i < words->events.n; i++) {
		struct rib_event e = words->events.items[i];
		size_t n = e.u.prefix.n;
		struct rib_candidate *copy = arena_array(&to->candidates, struct rib_candidate, n);

		if (n)
			memcpy(copy, e.u.prefix.candidates, n * sizeof(*copy));
		e.u.prefix.candidates = copy;
		vec_push(&to->events, e);
	}
}

/* The next portion is asked for at once while the FIB thread has few. */
static void note_order(struct daemon *d)
{
	struct daemon_routes *r = &d->routes;

	if (d->orders.n)
		r->orders[r->n_orders++] = fib_thread_last(d->fib_thread);
	r->is_full = r->n_orders == DAEMON_PORTIONS;
	if (!r->is_full)
		route_reader_taken(r->reader);
}

void kernel_feed_on_order(struct daemon *d, uint64_t seq)
{
	struct daemon_routes *r = &d->routes;
	unsigned n = 0;

	for (unsigned i = 0; i < r->n_orders; i++)
		if (r->orders[i] != seq)
			r->orders[n++] = r->orders[i];
	if (n == r->n_orders)
		return;
	r->n_orders = n;
	if (r->is_full && r->reader)
		route_reader_taken(r->reader);
	r->is_full = false;
}

static void on_words(
	const struct kernel_words *words, uint64_t generation, bool is_first, void *daemon)
{
	struct daemon *d = daemon;
	struct engine_event e = {.type = ENGINE_ROUTES, .generation = generation};

	if (!d->routes.is_begun) {
		gather(&d->routes.first, words);
		d->routes.is_all |= is_first;
		route_reader_taken(d->routes.reader);
		return;
	}
	e.u.routes.events = words->events.items;
	e.u.routes.n = words->events.n;
	e.u.routes.is_all = is_first;
	d->feed(d, &e);
	note_order(d);
}

/* --- what it goes by -----------------------------------------------------------------------------
 */

static int ifindex_of(const struct daemon *d)
{
	return d->fib.ifindex ? d->fib.ifindex : (int)if_nametoindex(d->gen->self->interface);
}

typedef VEC(ip_addr) addresses;

static void add_endpoint(addresses *to, const sock_addr *endpoint)
{
	if (endpoint->sa.sa_family != AF_UNSPEC)
		vec_push(to, sock_addr_ip(endpoint));
}

static void tell_facts(struct daemon *d)
{
	const struct mesh_routing *routing = &d->gen->self->routing;
	const sock_addr *resolved = endpoints_of_peers(engine_endpoints(d->engine));
	struct kernel_source_facts facts = {.gen = d->gen, .ifindex = ifindex_of(d)};
	struct route_mirror_config c = {0};
	addresses endpoints = {0};

	for (size_t i = 0; i < d->gen->n_peers; i++)
		add_endpoint(&endpoints, &resolved[i]);
	for (size_t i = 0; i < d->mirror.n_peers; i++)
		add_endpoint(&endpoints, &d->mirror.peers[i].endpoint);
	facts.endpoints = endpoints.items;
	facts.n_endpoints = endpoints.n;
	if (mesh_has_engine(d->gen->self))
		c = (struct route_mirror_config){routing->tables, routing->n_tables,
			routing->protocols, routing->n_protocols};
	route_reader_set(d->routes.reader, &facts, &c);
	vec_done(&endpoints);
}

static void tell_peer(struct daemon *d, uint32_t peer)
{
	route_reader_peer(d->routes.reader, peer, rib_peer_state(d->rib, peer) != RIB_DOWN);
}

/* Once a generation; from then on by verdicts. */
static void tell_peers(struct daemon *d)
{
	if (!d->rib || d->routes.told_peers_of == d->gen->number)
		return;
	d->routes.told_peers_of = d->gen->number;
	for (size_t i = 0; i < d->gen->n_peers; i++)
		tell_peer(d, d->gen->peers[i].id);
}

void kernel_feed_verdicts(struct daemon *d, const struct engine_event *event)
{
	for (size_t i = 0; d->routes.reader && i < event->u.verdicts.n; i++)
		if (event->u.verdicts.events[i].type == LIVE_EVENT_PEER)
			tell_peer(d, event->u.verdicts.events[i].peer);
}

/* What the engine writes is nothing to look for. */
static void ignore_news(struct daemon *d, bool of_engine)
{
	const struct mesh_routing *routing = &d->gen->self->routing;
	int err = rtnl_monitor_ignore(
		d->monitor, routing->protocols, of_engine ? routing->n_protocols : 0);

	if (err)
		log_debug("the kernel's news of the routing engine's routes can't be left out: %s",
			strerror(-err));
}

static void start(struct daemon *d)
{
	struct route_reader_hooks hooks = {on_words, d};
	int err = route_reader_start(&d->loop, &hooks, &d->routes.reader);

	if (err && err != d->routes.err)
		log_error("can't read the kernel's routes: %s; it is tried again", strerror(-err));
	d->routes.err = err;
	d->routes.told_peers_of = 0;
}

void kernel_feed_update(struct daemon *d)
{
	bool has = mesh_has_engine(d->gen->self);

	if (d->stopping || !d->routes.is_on)
		return;
	if (!d->routes.reader && has)
		start(d);
	if (d->monitor)
		ignore_news(d, has && d->routes.reader);
	if (!d->routes.reader)
		return;
	tell_facts(d);
	tell_peers(d);
}

/* --- start and end -------------------------------------------------------------------------------
 */

static void on_timer(uv_timer_t *t)
{
	*(bool *)t->data = true;
}

struct engine_routes kernel_feed_await(struct daemon *d)
{
	struct daemon_routes *r = &d->routes;
	bool over = false;

	r->is_on = true;
	kernel_feed_update(d);
	d->stop_timer.data = &over;
	uv_timer_start(&d->stop_timer, on_timer, AWAIT_MS, 0);
	while (!over && r->reader && !r->is_all)
		uv_run(&d->loop, UV_RUN_ONCE);
	uv_timer_stop(&d->stop_timer);
	d->stop_timer.data = d;
	if (over)
		log_warning("the kernel's routes couldn't be read yet: nothing is removed until "
			    "they are");
	r->is_begun = true;
	return (struct engine_routes){r->first.events.items, r->first.events.n, r->is_all};
}

void kernel_feed_begun(struct daemon *d)
{
	kernel_words_done(&d->routes.first);
	kernel_feed_update(d);
}

void kernel_feed_stop(struct daemon *d)
{
	route_reader_stop(d->routes.reader);
	d->routes.reader = NULL;
	kernel_words_done(&d->routes.first);
}

/* Of a node that has no engine any more, once the RIB has heard of all that went. */
static bool is_over(struct daemon *d)
{
	struct route_reader_view v;
	bool over = false;

	if (mesh_has_engine(d->gen->self) || !kernel_feed_look(d, &v))
		return false;
	over = v.counts.generation == d->gen->number && !v.counts.n_prefixes && !v.counts.n_waiting;
	vec_done(&v.troubles);
	return over;
}

void kernel_feed_second(struct daemon *d)
{
	if (d->routes.err)
		kernel_feed_update(d);
	if (!is_over(d))
		return;
	kernel_feed_stop(d);
	d->routes.n_orders = 0;
	d->routes.is_full = false;
}

bool kernel_feed_look(struct daemon *d, struct route_reader_view *ret)
{
	if (!d->routes.reader)
		return false;
	route_reader_look(d->routes.reader, ret);
	return true;
}

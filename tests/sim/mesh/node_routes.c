/* SPDX-License-Identifier: MIT */
#include "node_routes.h"

#include "base/mem.h"
#include "daemon/kernel_source.h"
#include "mesh/routing.h"
#include "routing_engine.h"
#include <linux/rtnetlink.h>

#define READ_NS (4 * NS_PER_MS) /* from news to words, at most */
#define AT_ONCE 16		/* prefixes; as if there were very many */

struct node_routes {
	struct daemon *d;
	struct route_mirror *mirror;
	struct kernel_source *source;
	struct kernel_words words;
	const struct generation *gen; /* that the source goes by */
	int ifindex;
	instant read_at;
};

static instant in_a_while(const struct node_routes *r)
{
	struct world *w = r->d->w;

	return instant_add(w->now, 1 + (int64_t)(chance_u64(&w->chance) % (uint64_t)READ_NS));
}

static void forget_words(struct node_routes *r)
{
	kernel_words_done(&r->words);
	r->words = (struct kernel_words){0};
}

/* --- from the kernel to words --------------------------------------------------------------------
 */

static void take_view(const struct route_view *v, void *data)
{
	struct node_routes *r = data;

	kernel_source_take(r->source, v, r->d->w->now, &r->words);
}

static void take_dumped(const struct route_news *news, void *data)
{
	route_mirror_dumped(data, news);
}

static void dump(struct node_routes *r)
{
	route_mirror_dump_begins(r->mirror);
	routing_dump(r->d->w, r->d->node, take_dumped, r->mirror);
	route_mirror_dump_ends(r->mirror, true, r->d->w->now);
}

static void read_all(struct node_routes *r)
{
	if (route_mirror_wants_dump(r->mirror))
		dump(r);
	while (route_mirror_take_changes(r->mirror, AT_ONCE, take_view, r))
		;
	kernel_source_settle(r->source, r->d->w->now, &r->words);
}

static void set_facts(struct node_routes *r)
{
	struct kernel_source_facts f = {
		.gen = engine_generation(r->d->engine), .ifindex = r->ifindex};

	generation_put(r->gen);
	r->gen = generation_get(f.gen);
	kernel_source_set(r->source, &f);
}

/* --- from words to the engine --------------------------------------------------------------------
 */

static void feed(struct node_routes *r)
{
	struct engine_event e = {.type = ENGINE_ROUTES,
		.generation = engine_generation(r->d->engine)->number,
		.u.routes = {r->words.events.items, r->words.events.n, true}};

	if (r->words.events.n && engine_rib(r->d->engine))
		daemon_feed(r->d, &e);
	forget_words(r);
}

struct engine_routes node_routes_first(struct node_routes *r)
{
	if (!r)
		return (struct engine_routes){0};
	forget_words(r);
	read_all(r);
	return (struct engine_routes){r->words.events.items, r->words.events.n, true};
}

static int ifindex_of(const struct daemon *d)
{
	const struct model *m = daemon_self(d)->model;

	return m->exists ? m->ifindex : 0;
}

void node_routes_renew(struct node_routes *r)
{
	if (!r)
		return;
	r->ifindex = ifindex_of(r->d);
	set_facts(r);
	route_mirror_each(r->mirror, take_view, r);
	read_all(r);
	feed(r);
}

void node_routes_peers(struct node_routes *r)
{
	const struct generation *g;

	if (!r || !engine_rib(r->d->engine))
		return;
	g = engine_generation(r->d->engine);
	for (size_t i = 0; i < g->n_peers; i++)
		kernel_source_peer(r->source, g->peers[i].id,
			rib_peer_state(engine_rib(r->d->engine), g->peers[i].id) != RIB_DOWN,
			r->d->w->now, &r->words);
	feed(r);
}

void node_route_news(struct world *w, unsigned node, const struct route_news *news)
{
	struct daemon *d = w->nodes[node].daemon;

	if (!d || !d->routes)
		return;
	route_mirror_take(d->routes->mirror, news, w->now);
	d->routes->read_at = instant_min(d->routes->read_at, in_a_while(d->routes));
}

/* --- its time ------------------------------------------------------------------------------------
 */

instant node_routes_deadline(const struct node_routes *r)
{
	if (!r)
		return INSTANT_NEVER;
	return instant_min(r->read_at, kernel_source_deadline(r->source));
}

void node_routes_step(struct node_routes *r)
{
	instant now;

	if (!r)
		return;
	now = r->d->w->now;
	if (r->ifindex != ifindex_of(r->d))
		node_routes_renew(r);
	if (instant_before(now, node_routes_deadline(r)))
		return;
	r->read_at = INSTANT_NEVER;
	kernel_source_time(r->source, now, &r->words);
	read_all(r);
	feed(r);
}

bool node_routes_are_settled(const struct node_routes *r)
{
	return instant_is_never(node_routes_deadline(r));
}

/* --- begin and end -------------------------------------------------------------------------------
 */

struct node_routes *node_routes_new(struct daemon *d)
{
	static const uint32_t tables[] = {RT_TABLE_MAIN};
	static const uint8_t protocols[] = {RTPROT_BIRD};
	struct route_mirror_config c = {tables, 1, protocols, 1};
	struct node_routes *r;

	if (!mesh_has_engine(engine_generation(d->engine)->self))
		return NULL;
	r = mem_zalloc(1, sizeof(*r));
	r->d = d;
	r->mirror = route_mirror_new(&c);
	r->source = kernel_source_new();
	r->read_at = INSTANT_NEVER;
	r->ifindex = ifindex_of(d);
	set_facts(r);
	return r;
}

void node_routes_free(struct node_routes *r)
{
	if (!r)
		return;
	forget_words(r);
	kernel_source_free(r->source);
	route_mirror_free(r->mirror);
	generation_put(r->gen);
	free(r);
}

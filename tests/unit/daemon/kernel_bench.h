/* SPDX-License-Identifier: MIT */
/*
 * The source of the kernel's routes on site-1, without a kernel: views are told to it as the mirror
 * would tell them, and what it says is compared in words.
 *
 *	hub-a (metric 10, 10.30.0.0/24) \
 *	                                 > site-1        site-2 (10.20.2.0/24), behind the hubs
 *	hub-b (metric 20) --------------/  |
 *	                                   site-3 (10.20.3.0/24, may announce 10.40.0.0/16)
 *
 * All of them run an engine; each has 10.9.0.N and fd09::N, N from 1 on.
 */
#ifndef SHUNT_TESTS_KERNEL_BENCH_H
#define SHUNT_TESTS_KERNEL_BENCH_H

#include "daemon/kernel_candidates.h"
#include "daemon/kernel_source.h"

#include "base/buf.h"
#include "mesh/routing.h"
#include "mesh_build.h"
#include "unit.h"

enum { HUB_A, HUB_B, SITE_1, SITE_2, SITE_3, NODES };

#define WG 5
#define ETH 2

struct bench {
	VEC(struct mesh_build *) builds;
	struct mesh_build *build; /* the last */
	const struct generation *gen;
	VEC(const struct generation *) old;
	struct kernel_source *source;
	struct kernel_source_facts facts;
	ip_addr endpoints[4];
	instant now, writes_since;
	struct kernel_words words;
	struct buf text;
};

static inline instant at(double s)
{
	return (instant){(int64_t)(s * 1e9)};
}

static inline ip_addr addr_of(const char *text)
{
	ip_addr a;

	assert_true(ip_addr_parse(&a, text));
	return a;
}

static inline void bench_node(
	struct mesh_build *m, const char *name, enum mesh_role role, unsigned number)
{
	struct mesh_address *a = arena_array(&m->arena, struct mesh_address, 2);
	unsigned n = mesh_build_node(m, name, role, NULL);
	struct mesh_node *node = &m->nodes.items[n];
	char text[32];

	snprintf(text, sizeof(text), "10.9.0.%u", number);
	a[0].addr = addr_of(text);
	snprintf(text, sizeof(text), "fd09::%u", number);
	a[1].addr = addr_of(text);
	node->addresses = a;
	node->n_addresses = 2;
	node->routing.engine = MESH_ENGINE_BIRD;
	node->routing.distance = RIB_DISTANCE_KERNEL;
}

static inline void bench_may_announce(struct mesh_build *m, unsigned node, const char *prefix)
{
	struct mesh_node *n = &m->nodes.items[node];
	struct mesh_overlay *list =
		arena_array(&m->arena, struct mesh_overlay, n->n_may_announce + 1);

	if (n->n_may_announce)
		memcpy(list, n->may_announce, n->n_may_announce * sizeof(*list));
	list[n->n_may_announce++].prefix = mesh_build_prefix(prefix);
	n->may_announce = list;
}

/* An inventory; nothing counts before bench_take. */
static inline struct mesh_build *bench_inventory(struct bench *b)
{
	struct mesh_build *m = mem_zalloc(1, sizeof(*m));

	mesh_build_begin(m, MESH_HUB_AND_SPOKE, "10.9.0.0/24");
	vec_push(&m->overlays, ((struct mesh_overlay){.prefix = mesh_build_prefix("fd09::/64")}));
	bench_node(m, "hub-a", MESH_HUB, 1);
	bench_node(m, "hub-b", MESH_HUB, 2);
	bench_node(m, "site-1", MESH_SPOKE, 3);
	bench_node(m, "site-2", MESH_SPOKE, 4);
	bench_node(m, "site-3", MESH_SPOKE, 5);
	m->nodes.items[HUB_A].metric = 10;
	m->nodes.items[HUB_B].metric = 20;
	mesh_build_network(m, HUB_A, "10.30.0.0/24", 0);
	mesh_build_network(m, SITE_1, "10.20.1.0/24", 0);
	mesh_build_network(m, SITE_2, "10.20.2.0/24", 0);
	mesh_build_network(m, SITE_2, "fd20:2::/48", 0);
	mesh_build_network(m, SITE_3, "10.20.3.0/24", 0);
	bench_may_announce(m, SITE_3, "10.40.0.0/16");
	mesh_build_link(m, SITE_1, SITE_3);
	vec_push(&b->builds, m);
	b->build = m;
	return m;
}

/* It comes into force, and the source is told. */
static inline void bench_take(struct bench *b)
{
	wg_key key = {{1}};
	const struct mesh_inventory *inv = mesh_build_end(b->build);
	struct generation_parts parts = {.topology = mesh_topology_new(inv),
		.self = &inv->nodes[SITE_1],
		.private_key = &key,
		.before = b->gen};

	if (b->gen)
		vec_push(&b->old, b->gen);
	b->gen = generation_make(&parts);
	b->facts.gen = b->gen;
	kernel_source_set(b->source, &b->facts);
}

static inline int bench_begin(void **state)
{
	struct bench *b = mem_zalloc(1, sizeof(*b));

	b->now = at(1000);
	b->facts.ifindex = WG;
	b->facts.endpoints = b->endpoints;
	b->source = kernel_source_new();
	bench_inventory(b);
	bench_take(b);
	*state = b;
	return 0;
}

static inline int bench_end(void **state)
{
	struct bench *b = *state;

	kernel_source_free(b->source);
	kernel_words_done(&b->words);
	generation_put(b->gen);
	for (size_t i = 0; i < b->old.n; i++)
		generation_put(b->old.items[i]);
	for (size_t i = 0; i < b->builds.n; i++) {
		mesh_build_done(b->builds.items[i]);
		free(b->builds.items[i]);
	}
	vec_done(&b->old);
	vec_done(&b->builds);
	buf_done(&b->text);
	free(b);
	return 0;
}

/* --- views --- */

static inline void bench_view(struct bench *b, const char *prefix, enum route_state state,
	const struct route_hop *hops, size_t n)
{
	struct route_view v = {.prefix = mesh_build_prefix(prefix),
		.state = state,
		.protocol = 12,
		.table = 254,
		.writes_since = b->writes_since,
		.hops = hops,
		.n_hops = n};

	kernel_source_take(b->source, &v, b->now, &b->words);
}

/* Hops as "10.9.0.1 10.9.0.2*3": through our device, with weights. "eth": straight to another
 * device, "dev": to ours. */
static inline size_t bench_hops(const char *text, struct route_hop ret[static ROUTE_HOPS_MAX])
{
	char *copy = mem_strdup(text), *save = NULL;
	size_t n = 0;

	for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
		char *star = strchr(t, '*');

		ret[n] = (struct route_hop){.ifindex = WG, .weight = 1};
		if (star) {
			*star = '\0';
			ret[n].weight = (uint16_t)atoi(star + 1);
		}
		if (!strcmp(t, "eth"))
			ret[n].ifindex = ETH;
		else if (strcmp(t, "dev"))
			ret[n].via = addr_of(t);
		n++;
	}
	free(copy);
	return n;
}

static inline void stands(struct bench *b, const char *prefix, const char *hops)
{
	struct route_hop list[ROUTE_HOPS_MAX];
	size_t n = bench_hops(hops, list);

	bench_view(b, prefix, ROUTE_STANDS, list, n);
}

static inline void goes(struct bench *b, const char *prefix, enum route_state state)
{
	bench_view(b, prefix, state, NULL, 0);
}

/* From now on another process writes. */
static inline void starts(struct bench *b)
{
	b->writes_since = b->now;
}

/* All that went so far counts; time stands still. */
static inline void settles(struct bench *b)
{
	instant later = instant_add(b->now, KERNEL_SOURCE_LEAVES6);

	kernel_source_settle(b->source, later, &b->words);
	kernel_source_settle(b->source, instant_add(later, KERNEL_SOURCE_LEAVES6), &b->words);
}

static inline uint32_t bench_id(const struct bench *b, unsigned node)
{
	return b->gen->ids[node];
}

static inline void dies(struct bench *b, unsigned node)
{
	kernel_source_peer(b->source, bench_id(b, node), false, b->now, &b->words);
}

static inline void lives(struct bench *b, unsigned node)
{
	kernel_source_peer(b->source, bench_id(b, node), true, b->now, &b->words);
}

/* Time goes on to what is due then. */
static inline void passes(struct bench *b, double s)
{
	b->now = instant_add(b->now, (int64_t)(s * 1e9));
	kernel_source_time(b->source, b->now, &b->words);
}

/* --- words --- */

static inline void put_candidate(struct bench *b, const struct rib_candidate *c)
{
	buf_printf(&b->text, " %s", names_text(&b->gen->names, c->peer));
	if (c->transit)
		buf_printf(&b->text, ">%s", names_text(&b->gen->names, c->origin));
	if (c->weight != 1)
		buf_printf(&b->text, "*%u", c->weight);
	if (c->distance == KERNEL_DISTANCE_LINGERS)
		buf_puts(&b->text, "~");
}

/* What was said since the last time: "10.20.2.0/24 hub-a>site-2 hub-b>site-2\n", without anybody
 * where nobody has it any more; "hub-a>site-2~" lingers. */
static inline void says_at(struct bench *b, const char *words, int line)
{
	buf_reset(&b->text);
	for (size_t i = 0; i < b->words.events.n; i++) {
		const struct rib_event *e = &b->words.events.items[i];
		char text[IP_PREFIX_STRLEN];

		assert_int_equal(e->type, RIB_EVENT_PREFIX);
		assert_int_equal(e->u.prefix.source, RIB_KERNEL);
		buf_puts(&b->text, ip_prefix_format(&e->u.prefix.prefix, text));
		for (size_t k = 0; k < e->u.prefix.n; k++)
			put_candidate(b, &e->u.prefix.candidates[k]);
		buf_puts(&b->text, "\n");
	}
	kernel_words_done(&b->words);
	if (strcmp(buf_str(&b->text), words) != 0)
		fail_msg("line %d:\n%swas said, and not\n%s", line, buf_str(&b->text), words);
}
#define says(b, words) says_at(b, words, __LINE__)

static inline int bench_trouble_cmp(const void *a, const void *b)
{
	const struct kernel_trouble *x = a, *y = b;

	return ip_prefix_cmp(&x->first, &y->first);
}

/* What is refused: "no-gateway 1 10.20.2.0/24\n", by kind, with the peer's name if it has one. */
static inline void refuses_at(struct bench *b, const char *words, int line)
{
	static const char *const kinds[] = {
		"no-gateway", "unknown-hop", "overlay", "endpoint", "default", "may-not", "swept"};
	kernel_troubles list = {0};

	kernel_source_troubles(b->source, &list);
	if (list.n)
		qsort(list.items, list.n, sizeof(*list.items), bench_trouble_cmp);
	buf_reset(&b->text);
	for (unsigned kind = 0; kind < KERNEL_N_TROUBLES; kind++)
		for (size_t i = 0; i < list.n; i++) {
			const struct kernel_trouble *t = &list.items[i];
			char text[IP_PREFIX_STRLEN];

			if (t->kind != kind)
				continue;
			buf_printf(&b->text, "%s %zu %s", kinds[kind], t->n,
				ip_prefix_format(&t->first, text));
			if (t->peer != KERNEL_SOURCE_NOBODY)
				buf_printf(&b->text, " %s", names_text(&b->gen->names, t->peer));
			buf_puts(&b->text, "\n");
		}
	vec_done(&list);
	if (strcmp(buf_str(&b->text), words) != 0)
		fail_msg("line %d:\n%sis refused, and not\n%s", line, buf_str(&b->text), words);
}
#define refuses(b, words) refuses_at(b, words, __LINE__)

#define BENCH_TEST(f) cmocka_unit_test_setup_teardown(f, bench_begin, bench_end)

#endif

/* SPDX-License-Identifier: MIT */
#include "mesh/routing.h"

#include "base/buf.h"
#include "mesh_build.h"
#include "mesh_random.h"
#include "unit.h"

#define NONE MESH_METRIC_NONE

static struct mesh_overlay permit(const char *prefix)
{
	return (struct mesh_overlay){.prefix = mesh_build_prefix(prefix)};
}

/* --- numbers and names ---------------------------------------------------------------------------
 */

/* A node of these addresses, without regard to any mesh. */
static struct mesh_node node_at(
	struct mesh_build *b, const char *name, const char *first, const char *second)
{
	struct mesh_address *a = arena_array(&b->arena, struct mesh_address, 2);

	assert_true(ip_addr_parse(&a[0].addr, first));
	assert_true(!second || ip_addr_parse(&a[1].addr, second));
	return (struct mesh_node){.name = name, .addresses = a, .n_addresses = second ? 2 : 1};
}

static void assert_addr(ip_addr a, const char *want)
{
	char text[IP_ADDR_STRLEN];

	assert_string_equal(ip_addr_format(&a, text), want);
}

static void numbers_follow_from_addresses(void **state)
{
	struct mesh_build b = {0};
	struct mesh_node in4 = node_at(&b, "a", "10.10.0.11", NULL);
	struct mesh_node both = node_at(&b, "b", "fd10::b", "10.10.0.12");
	struct mesh_node in6 = node_at(&b, "c", "fd10::c", NULL);
	struct mesh_node other = node_at(&b, "c", "fd10::d", NULL);
	ip_addr id;

	assert_int_equal(mesh_asn(&in4), 4200000000 + 0x0a000b);
	assert_int_equal(mesh_asn(&both), 4200000000 + 0x0a000c);
	assert_addr(mesh_router_id(&in4), "10.10.0.11");
	assert_addr(mesh_router_id(&both), "10.10.0.12");
	id = mesh_router_id(&in6);
	assert_int_equal(id.family, AF_INET);
	assert_int_equal(id.bytes[0], 0);
	assert_int_equal(mesh_asn(&in6),
		4200000000 +
			((uint32_t)id.bytes[1] << 16 | (uint32_t)id.bytes[2] << 8 | id.bytes[3]));
	assert_true(mesh_asn(&in6) != mesh_asn(&other));
	/* The same on every machine, in every release. */
	assert_int_equal(mesh_asn(&in6), 4205834132);
	in4.routing.asn = 65001;
	assert_int_equal(mesh_asn(&in4), 65001);
	arena_done(&b.arena);
}

static void link_locals_follow_from_names(void **state)
{
	struct mesh_node a = {.name = "hub-a"}, b = {.name = "hub-b"};
	ip_addr of_a = mesh_link_local(&a), of_b = mesh_link_local(&b);

	assert_addr(of_a, "fe80::7cf9:4594:6d6b:a9cf");
	assert_false(ip_addr_eq(&of_a, &of_b));
}

/* --- sessions ------------------------------------------------------------------------------------
 */

/* Two hubs, three sites, a laptop: hub-b without an engine; site-1 and site-2 are linked. */
enum { HUB_A, HUB_B, SITE_1, SITE_2, SITE_3, LAPTOP };

static struct mesh_topology_index *start(struct mesh_build *b, enum mesh_topology topology)
{
	mesh_build_begin(b, topology, "10.10.0.0/24");
	mesh_build_node(b, "hub-a", MESH_HUB, "10.10.0.1");
	mesh_build_node(b, "hub-b", MESH_HUB, "10.10.0.2");
	mesh_build_node(b, "site-1", MESH_SPOKE, "10.10.0.11");
	mesh_build_node(b, "site-2", MESH_SPOKE, "10.10.0.12");
	mesh_build_node(b, "site-3", MESH_SPOKE, "10.10.0.13");
	mesh_build_node(b, "laptop", MESH_CLIENT, "10.10.0.100");
	mesh_build_link(b, SITE_1, SITE_2);
	for (unsigned i = 0; i < b->nodes.n; i++)
		b->nodes.items[i].routing.engine = i == HUB_B ? MESH_ENGINE_NONE : MESH_ENGINE_BIRD;
	return mesh_topology_new(mesh_build_end(b));
}

/* All sessions: "hub-a-site-1 ...". */
static void assert_sessions(
	struct mesh_build *b, const struct mesh_topology_index *t, const char *want)
{
	AUTO_BUF got = {0};

	for (unsigned x = 0; x < b->nodes.n; x++)
		for (unsigned y = 0; y < b->nodes.n; y++) {
			assert_int_equal(mesh_has_session(t, x, y), mesh_has_session(t, y, x));
			if (x < y && mesh_has_session(t, x, y))
				buf_printf(&got, "%s%s-%s", got.n ? " " : "", b->inv.nodes[x].name,
					b->inv.nodes[y].name);
		}
	assert_string_equal(buf_str(&got), want);
}

static void sessions(void **state)
{
	struct mesh_build b;
	struct mesh_topology_index *t = start(&b, MESH_HUB_AND_SPOKE);
	const unsigned by_site_2[] = {SITE_2}, by_laptop[] = {LAPTOP};

	assert_false(mesh_has_engine(&b.inv.nodes[HUB_B]));
	assert_false(mesh_has_engine(&b.inv.nodes[LAPTOP]));
	assert_sessions(&b, t, "hub-a-site-1 hub-a-site-2 hub-a-site-3 site-1-site-2");
	assert_true(mesh_is_reflector_of(t, HUB_A, SITE_1));
	assert_false(mesh_is_reflector_of(t, SITE_1, HUB_A));
	assert_false(mesh_is_reflector_of(t, HUB_A, HUB_A));
	b.nodes.items[HUB_B].routing.engine = MESH_ENGINE_OTHER;
	assert_sessions(&b, t,
		"hub-a-hub-b hub-a-site-1 hub-a-site-2 hub-a-site-3 hub-b-site-1 hub-b-site-2 "
		"hub-b-site-3 site-1-site-2");
	/* What a node states counts instead of the hubs, where there is a tunnel at all. */
	b.nodes.items[SITE_1].routing.reflectors = by_site_2;
	b.nodes.items[SITE_1].routing.n_reflectors = 1;
	b.nodes.items[SITE_3].routing.reflectors = by_site_2;
	b.nodes.items[SITE_3].routing.n_reflectors = 1;
	assert_sessions(&b, t, "hub-a-hub-b hub-a-site-2 hub-b-site-2 site-1-site-2");
	assert_true(mesh_is_reflector_of(t, SITE_2, SITE_1));
	assert_false(mesh_is_reflector_of(t, HUB_A, SITE_1));
	b.nodes.items[SITE_3].routing.reflectors = by_laptop;
	assert_sessions(&b, t, "hub-a-hub-b hub-a-site-2 hub-b-site-2 site-1-site-2");
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static void sessions_without_hubs(void **state)
{
	struct mesh_build b;
	struct mesh_topology_index *t = start(&b, MESH_HUB_AND_SPOKE);

	b.nodes.items[HUB_A].routing.engine = MESH_ENGINE_NONE;
	assert_sessions(&b, t, "site-1-site-2");
	mesh_topology_free(t);
	mesh_build_done(&b);
	t = start(&b, MESH_FULL_MESH);
	assert_sessions(&b, t, "hub-a-site-1 hub-a-site-2 hub-a-site-3 site-1-site-2");
	b.nodes.items[HUB_A].routing.engine = MESH_ENGINE_NONE;
	assert_sessions(&b, t, "site-1-site-2 site-1-site-3 site-2-site-3");
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static void addresses_of_sessions(void **state)
{
	struct mesh_build b;
	struct mesh_topology_index *t = start(&b, MESH_HUB_AND_SPOKE);
	struct mesh_node both = node_at(&b, "", "fd10::b", "10.10.0.12");
	ip_addr x, y;

	b.nodes.items[SITE_2].addresses = both.addresses;
	b.nodes.items[SITE_2].n_addresses = 2;
	assert_true(mesh_session_addresses(t, HUB_A, SITE_2, AF_INET, &x, &y));
	assert_addr(x, "10.10.0.1");
	assert_addr(y, "10.10.0.12");
	assert_false(mesh_session_addresses(t, HUB_A, SITE_2, AF_INET6, &x, &y));
	b.nodes.items[SITE_1].addresses = both.addresses;
	b.nodes.items[SITE_1].n_addresses = 1;
	assert_false(mesh_session_addresses(t, HUB_A, SITE_1, AF_INET, &x, &y));
	assert_true(mesh_session_addresses(t, SITE_1, SITE_2, AF_INET6, &x, &y));
	assert_addr(x, "fd10::b");
	mesh_topology_free(t);
	mesh_build_done(&b);
}

/* --- who may announce what -----------------------------------------------------------------------
 */

/* SITE_1: 10.20.1.0/24, besides 10.40.0.0/16; SITE_2: 10.40.1.0/24, a default route; HUB_B, without
 * engine: 10.50.0.0/16; SITE_3: 10.40.0.0/16 and fd20::/48 besides. */
static void give_networks(struct mesh_build *b)
{
	static struct mesh_overlay of_site_1[1], of_site_3[2];

	of_site_1[0] = permit("10.40.0.0/16");
	of_site_3[0] = permit("10.40.0.0/16");
	of_site_3[1] = permit("fd20::/48");
	mesh_build_network(b, SITE_1, "10.20.1.0/24", NONE);
	mesh_build_network(b, SITE_2, "10.40.1.0/24", NONE);
	mesh_build_network(b, SITE_2, "0.0.0.0/0", NONE);
	mesh_build_network(b, HUB_B, "10.50.0.0/16", NONE);
	b->nodes.items[SITE_1].may_announce = of_site_1;
	b->nodes.items[SITE_1].n_may_announce = 1;
	b->nodes.items[SITE_3].may_announce = of_site_3;
	b->nodes.items[SITE_3].n_may_announce = 2;
	mesh_build_end(b);
}

/* Names of who may, and "N" if there are more than max. */
static void assert_announcers(struct mesh_build *b, const struct mesh_announcers *a,
	const char *prefix, size_t max, const char *want)
{
	ip_prefix p = mesh_build_prefix(prefix);
	AUTO_BUF got = {0};
	unsigned nodes[8];
	size_t n = mesh_announcers_of(a, &p, nodes, max);

	for (size_t i = 0; i < n && i < max; i++)
		buf_printf(&got, "%s%s", i ? " " : "", b->inv.nodes[nodes[i]].name);
	if (n > max)
		buf_printf(&got, " %zu", n);
	assert_string_equal(buf_str(&got), want);
}

static void announcers(void **state)
{
	static const struct {
		const char *prefix, *want;
	} table[] = {
		{"10.20.1.0/24", "site-1"},
		{"10.20.1.128/25", "site-1"},
		{"10.20.1.7/32", "site-1"},
		{"10.20.0.0/23", ""},
		{"10.40.0.0/16", "site-1 site-3"},
		{"10.40.1.0/24", "site-2 site-1 site-3"},
		{"10.40.1.64/26", "site-2 site-1 site-3"},
		{"10.40.0.0/15", ""},
		{"10.50.0.0/16", ""}, /* without an engine nobody announces */
		{"0.0.0.0/0", "site-2"},
		{"198.51.100.0/24", ""}, /* within a default route, but not it */
		{"::/0", ""},
		{"fd20::/48", "site-3"},
		{"fd20:0:0:7::/64", "site-3"},
		{"fd20::/47", ""},
	};
	struct mesh_build b;
	struct mesh_topology_index *t = start(&b, MESH_HUB_AND_SPOKE);
	struct mesh_announcers *a;

	give_networks(&b);
	a = mesh_announcers_new(&b.inv);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++)
		assert_announcers(&b, a, table[i].prefix, 8, table[i].want);
	assert_announcers(&b, a, "10.40.1.0/24", 3, "site-2 site-1 site-3");
	assert_announcers(&b, a, "10.40.1.0/24", 1, "site-2 2");
	assert_announcers(&b, a, "10.40.1.0/24", 0, " 1");
	mesh_announcers_free(a);
	mesh_announcers_free(NULL);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static void nearest_announcers(void **state)
{
	static const struct {
		const char *prefix, *want;
	} table[] = {
		{"10.40.1.0/24", "site-2"},
		{"10.40.1.64/26", "site-2"},
		{"10.40.2.0/24", "site-1 site-3"},
		{"10.40.0.0/15", ""},
		{"0.0.0.0/0", "site-2"},
		{"198.51.100.0/24", ""},
	};
	struct mesh_build b;
	struct mesh_topology_index *t = start(&b, MESH_HUB_AND_SPOKE);
	struct mesh_announcers *a;
	unsigned nodes[8];

	give_networks(&b);
	a = mesh_announcers_new(&b.inv);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		ip_prefix p = mesh_build_prefix(table[i].prefix);
		size_t n = mesh_announcers_nearest(a, &p, nodes, ARRAY_SIZE(nodes));
		AUTO_BUF got = {0};

		for (size_t k = 0; k < n; k++) {
			buf_printf(&got, "%s%s", k ? " " : "", b.inv.nodes[nodes[k]].name);
			assert_true(mesh_is_nearest_announcer(a, &p, nodes[k]));
		}
		assert_string_equal(buf_str(&got), table[i].want);
		assert_false(mesh_is_nearest_announcer(a, &p, HUB_A));
		assert_int_equal(mesh_announcers_nearest(a, &p, nodes, 1), n > 2 ? 2 : n);
	}
	mesh_announcers_free(a);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static void guarded(void **state)
{
	static const struct {
		unsigned self;
		const char *want;
	} table[] = {
		{HUB_A, "10.20.1.0/24 10.40.0.0/16 fd20::/48 "},
		{SITE_1, "10.40.0.0/16 fd20::/48 "},
		{SITE_2, "10.20.1.0/24 10.40.0.0/16 fd20::/48 "},
		{SITE_3, "10.20.1.0/24 10.40.0.0/16 "},
	};
	struct mesh_build b;
	struct mesh_topology_index *t = start(&b, MESH_HUB_AND_SPOKE);
	char text[IP_PREFIX_STRLEN];
	ip_prefix *list;

	assert_int_equal(mesh_guarded(&b.inv, HUB_A, &list), 0);
	free(list);
	give_networks(&b);
	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		size_t n = mesh_guarded(&b.inv, table[i].self, &list);
		AUTO_BUF got = {0};

		for (size_t k = 0; k < n; k++)
			buf_printf(&got, "%s ", ip_prefix_format(&list[k], text));
		assert_string_equal(buf_str(&got), table[i].want);
		free(list);
	}
	/* An own network of another's, and what lies in it. */
	mesh_build_network(&b, SITE_2, "10.40.0.0/16", NONE);
	mesh_build_network(&b, HUB_A, "10.40.0.0/16", NONE);
	mesh_build_end(&b);
	assert_int_equal(mesh_guarded(&b.inv, HUB_A, &list), 3);
	assert_string_equal(ip_prefix_format(&list[1], text), "10.40.1.0/24");
	free(list);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

/* --- against a naive twin ------------------------------------------------------------------------
 */

static void random_permits(struct mesh_build *b, struct chance *c)
{
	for (size_t i = 0; i < b->nodes.n; i++) {
		struct mesh_overlay *o = arena_array(&b->arena, struct mesh_overlay, 3);
		size_t n = chance_below(c, 4);

		for (size_t k = 0; k < n; k++) {
			ip_prefix p = mesh_build_prefix("10.20.0.0/32");

			p.bytes[2] = (uint8_t)chance_below(c, 4);
			p.len = (uint8_t)(8 + 4 * chance_below(c, 6));
			o[k].prefix = ip_prefix_masked(&p);
		}
		b->nodes.items[i].may_announce = o;
		b->nodes.items[i].n_may_announce = n;
	}
}

static void assert_as_asked_one_by_one(
	struct mesh_build *b, const struct mesh_announcers *a, const ip_prefix *p)
{
	unsigned got[64];
	size_t n = mesh_announcers_of(a, p, got, ARRAY_SIZE(got)), want = 0;

	for (unsigned i = 0; i < b->nodes.n; i++) {
		bool may =
			mesh_has_engine(&b->inv.nodes[i]) && mesh_may_announce(&b->inv.nodes[i], p);
		size_t times = 0;

		for (size_t k = 0; k < n; k++)
			times += got[k] == i;
		assert_int_equal(times, may);
		want += may;
	}
	assert_int_equal(n, want);
}

static bool is_guarded(const ip_prefix *list, size_t n, const ip_prefix *p)
{
	for (size_t i = 0; i < n; i++)
		if (ip_prefix_contains(&list[i], p))
			return true;
	return false;
}

static bool is_own(const struct mesh_node *node, const ip_prefix *p)
{
	for (size_t i = 0; i < node->n_networks; i++)
		if (ip_prefix_eq(&node->networks[i].prefix, p))
			return true;
	return false;
}

/* What another may announce is guarded, and of guards none lies in another. */
static void assert_guards(struct mesh_build *b, unsigned self)
{
	ip_prefix *list;
	size_t n = mesh_guarded(&b->inv, self, &list);

	for (size_t i = 0; i < b->networks.n; i++) {
		const struct mesh_build_network *w = &b->networks.items[i];
		const ip_prefix *p = &w->network.prefix;

		if (w->node != self && mesh_has_engine(&b->inv.nodes[w->node]) &&
			!ip_prefix_is_default(p) && !is_own(&b->inv.nodes[self], p))
			assert_true(is_guarded(list, n, p));
	}
	for (size_t i = 0; i < n; i++) {
		assert_false(ip_prefix_is_default(&list[i]));
		assert_true(i == 0 || !ip_prefix_contains(&list[i - 1], &list[i]));
	}
	free(list);
}

static void random_announcers_as_asked_one_by_one(void **state)
{
	struct chance c = chance_start("announcers");

	for (int i = 0; i < 200; i++) {
		struct mesh_build b;
		struct mesh_topology_index *t = mesh_topology_new(mesh_random(&b, &c));
		struct mesh_announcers *a;

		mesh_random_engines(&b, &c);
		random_permits(&b, &c);
		a = mesh_announcers_new(&b.inv);
		for (int k = 0; k < 100; k++) {
			ip_prefix p = mesh_build_prefix("10.20.0.0/32");

			p.bytes[1] = (uint8_t)(19 + chance_below(&c, 3));
			p.bytes[2] = (uint8_t)chance_below(&c, 8);
			p.len = (uint8_t)chance_below(&c, 33);
			p = ip_prefix_masked(&p);
			assert_as_asked_one_by_one(&b, a, &p);
		}
		for (unsigned node = 0; node < b.nodes.n; node++)
			assert_guards(&b, node);
		mesh_announcers_free(a);
		mesh_topology_free(t);
		mesh_build_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_follow_from_addresses),
		cmocka_unit_test(link_locals_follow_from_names),
		cmocka_unit_test(sessions),
		cmocka_unit_test(sessions_without_hubs),
		cmocka_unit_test(addresses_of_sessions),
		cmocka_unit_test(announcers),
		cmocka_unit_test(nearest_announcers),
		cmocka_unit_test(guarded),
		cmocka_unit_test(random_announcers_as_asked_one_by_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

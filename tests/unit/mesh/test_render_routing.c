/* SPDX-License-Identifier: MIT */
#include "mesh/render_routing.h"

#include "base/map.h"
#include "mesh/render_routing_internal.h"
#include "mesh_build.h"
#include "unit.h"
#include <ctype.h>

static void build_begin(struct mesh_build *b)
{
	mesh_build_begin(b, MESH_HUB_AND_SPOKE, "10.10.0.0/24");
	vec_push(&b->overlays,
		(struct mesh_overlay){mesh_build_prefix("fd10::/64"), false, mesh_build_pos(b)});
}

/* A node with an engine and these addresses, NULL: none. */
static unsigned build_node(struct mesh_build *b, const char *name, enum mesh_role role,
	enum mesh_engine engine, const char *v4, const char *v6)
{
	unsigned i = mesh_build_node(b, name, role, v4);
	struct mesh_node *n = &b->nodes.items[i];
	struct mesh_address *a = arena_array(&b->arena, struct mesh_address, 2);

	if (v4)
		a[0] = n->addresses[0];
	if (v6)
		assert_true(ip_addr_parse(&a[n->n_addresses++].addr, v6));
	n->addresses = a;
	n->routing.engine = engine;
	return i;
}

static char *rendered(const struct mesh_topology_index *t, unsigned node, enum mesh_engine_file f)
{
	struct mesh_engine_renderer *r = mesh_engine_renderer_new(t);
	struct buf out = {0};

	mesh_render_engine(r, node, f, &out);
	mesh_engine_renderer_free(r);
	return buf_steal(&out);
}

static size_t count(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)); text++)
		n++;
	return n;
}

static void assert_count(const char *text, const char *part, size_t n)
{
	if (count(text, part) != n)
		fail_msg("\"%s\" is there %zu times, not %zu:\n%s", part, count(text, part), n,
			text);
}

/* --- names ----------------------------------------------------------------------------------- */

static void names_are_safe(void **state)
{
	static const char *const names[][2] = {{"site-1", "site_1"}, {"ms", "ms"},
		{"a--b", "a__2d__2db"}, {"a.b+c=1", "a__2eb__2bc__3d1"}, {"a_b", "a__5fb"},
		{"a-", "a__2d"}, {"a-.b", "a__2d__2eb"}};
	char got[ROUTING_NAME_MAX];

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		assert_string_equal(routing_safe_name(names[i][0], got), names[i][1]);
}

/* All names of up to four of these characters, and long ones. */
static void names_stay_different(void **state)
{
	static const char letters[] = "a2-_.+";
	struct map *seen = map_new();
	char name[64], *safe;
	VEC(char *) all = {0};

	for (unsigned i = 1; i < 7 * 7 * 7 * 7; i++) {
		char *to = name;

		for (unsigned rest = i; rest; rest /= 7)
			if (rest % 7)
				*to++ = letters[rest % 7 - 1];
			else
				*to++ = 'z';
		*to = '\0';
		safe = mem_alloc(ROUTING_NAME_MAX);
		routing_safe_name(name, safe);
		vec_push(&all, safe);
		assert_null(map_put_str(seen, safe, safe));
	}
	memset(name, '=', 63);
	name[63] = '\0';
	for (unsigned i = 0; i < 63; i++) {
		name[i] = 'x';
		safe = mem_alloc(ROUTING_NAME_MAX);
		assert_true(strlen(routing_safe_name(name, safe)) <= 41);
		for (const char *c = safe; *c; c++)
			assert_true(isalnum((unsigned char)*c) || *c == '_');
		vec_push(&all, safe);
		assert_null(map_put_str(seen, safe, safe));
		name[i] = '=';
	}
	for (size_t i = 0; i < all.n; i++)
		free(all.items[i]);
	vec_done(&all);
	map_free(seen);
}

static void files_have_names(void **state)
{
	struct mesh_node n = {.name = "x", .interface = "wg0"};

	n.routing.engine = MESH_ENGINE_BIRD;
	assert_string_equal(mesh_engine_file_name(&n, MESH_ENGINE_WHOLE), "bird.conf");
	assert_string_equal(mesh_engine_file_name(&n, MESH_ENGINE_INCLUDE), "shunt-bird.conf");
	assert_null(mesh_engine_file_name(&n, MESH_ENGINE_DAEMONS));
	/* Never that of the file for wg-quick. */
	strcpy(n.interface, "bird");
	assert_string_equal(
		mesh_engine_file_name(&n, MESH_ENGINE_WHOLE), "routing-engine-bird.conf");
	assert_string_equal(mesh_engine_file_name(&n, MESH_ENGINE_INCLUDE), "shunt-bird.conf");
	n.routing.engine = MESH_ENGINE_FRR;
	assert_string_equal(mesh_engine_file_name(&n, MESH_ENGINE_WHOLE), "frr.conf");
	assert_string_equal(mesh_engine_file_name(&n, MESH_ENGINE_INCLUDE), "shunt-frr.conf");
	assert_string_equal(mesh_engine_file_name(&n, MESH_ENGINE_DAEMONS), "daemons");
	n.routing.engine = MESH_ENGINE_OTHER;
	for (int f = 0; f < MESH_N_ENGINE_FILES; f++)
		assert_null(mesh_engine_file_name(&n, f));
	n.routing.engine = MESH_ENGINE_NONE;
	assert_null(mesh_engine_file_name(&n, MESH_ENGINE_WHOLE));
	n.routing.engine = MESH_ENGINE_BIRD;
	n.role = MESH_CLIENT;
	assert_null(mesh_engine_file_name(&n, MESH_ENGINE_WHOLE));
}

static void signal_tables_are_apart(void **state)
{
	assert_int_equal(mesh_signal_table("wg0"), mesh_signal_table("wg0"));
	assert_int_not_equal(mesh_signal_table("wg0"), mesh_signal_table("wg1"));
	assert_int_equal(mesh_signal_table("wg0") >> 24, 'T');
}

/* --- sessions -------------------------------------------------------------------------------- */

static const struct neighbour_group *group_of(const neighbour_groups *groups,
	enum neighbour_kind kind, int family, bool internal, bool both)
{
	for (size_t i = 0; i < groups->n; i++) {
		const struct neighbour_group *g = &groups->items[i];

		if (g->kind == kind && g->family == family && g->internal == internal &&
			g->both == both)
			return g;
	}
	fail_msg("no such group");
	return NULL;
}

static void sessions_by_family(void **state)
{
	struct mesh_build b;
	neighbour_groups groups;

	build_begin(&b);
	unsigned hub_a =
		build_node(&b, "hub-a", MESH_HUB, MESH_ENGINE_BIRD, "10.10.0.1", "fd10::1");
	unsigned hub_b = build_node(&b, "hub-b", MESH_HUB, MESH_ENGINE_FRR, "10.10.0.2", "fd10::2");
	unsigned dual =
		build_node(&b, "site-1", MESH_SPOKE, MESH_ENGINE_FRR, "10.10.0.11", "fd10::11");
	unsigned v6 = build_node(&b, "site-2", MESH_SPOKE, MESH_ENGINE_BIRD, NULL, "fd10::12");
	unsigned v4 = build_node(&b, "site-3", MESH_SPOKE, MESH_ENGINE_BIRD, "10.10.0.13", NULL);
	build_node(&b, "site-4", MESH_SPOKE, MESH_ENGINE_NONE, "10.10.0.14", "fd10::14");
	b.nodes.items[v4].routing.asn = b.nodes.items[hub_a].routing.asn = 65000;
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));

	neighbours_of(t, hub_a, &groups);
	const struct neighbour_group *g = group_of(&groups, NEIGHBOUR_HUB, AF_INET, false, false);
	assert_int_equal(g->members.n, 1);
	assert_int_equal(g->members.items[0].node, hub_b);
	g = group_of(&groups, NEIGHBOUR_SITE, AF_INET, false, false);
	assert_int_equal(g->members.n, 1);
	assert_int_equal(g->members.items[0].node, dual);
	g = group_of(&groups, NEIGHBOUR_SITE, AF_INET, true, false);
	assert_int_equal(g->members.items[0].node, v4);
	/* Where IPv4 is not in common, IPv6 carries both. */
	g = group_of(&groups, NEIGHBOUR_SITE, AF_INET6, false, true);
	assert_int_equal(g->members.n, 1);
	assert_int_equal(g->members.items[0].node, v6);
	g = group_of(&groups, NEIGHBOUR_SITE, AF_INET6, false, false);
	assert_int_equal(g->members.items[0].node, dual);
	/* Of who comes later: external as soon as one is, with IPv4 as soon as one needs it so. */
	group_of(&groups, NEIGHBOUR_NEW, AF_INET, false, false);
	group_of(&groups, NEIGHBOUR_NEW, AF_INET6, false, true);
	neighbours_done(&groups);

	neighbours_of(t, v6, &groups);
	assert_int_equal(groups.n, 1);
	g = group_of(&groups, NEIGHBOUR_HUB, AF_INET6, false, true);
	assert_int_equal(g->members.n, 2);
	neighbours_done(&groups);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

/* --- files ----------------------------------------------------------------------------------- */

static void a_mesh(struct mesh_build *b, enum mesh_engine engine)
{
	build_begin(b);
	unsigned hub_a = build_node(b, "hub-a", MESH_HUB, engine, "10.10.0.1", "fd10::1");
	build_node(b, "hub-b", MESH_HUB, engine, "10.10.0.2", "fd10::2");
	unsigned site_1 = build_node(b, "site-1", MESH_SPOKE, engine, "10.10.0.11", "fd10::11");
	unsigned ms = build_node(b, "ms", MESH_SPOKE, engine, "10.10.0.12", "fd10::12");

	mesh_build_network(b, hub_a, "0.0.0.0/0", MESH_METRIC_NONE);
	mesh_build_network(b, site_1, "10.20.1.0/24", MESH_METRIC_NONE);
	mesh_build_network(b, ms, "10.20.2.0/24", MESH_METRIC_NONE);
	mesh_build_network(b, ms, "fd20:0:0:2::/64", MESH_METRIC_NONE);
}

static void bird_files(void **state)
{
	struct mesh_build b;

	a_mesh(&b, MESH_ENGINE_BIRD);
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	AUTO_FREE char *hub = rendered(t, 0, MESH_ENGINE_WHOLE);
	AUTO_FREE char *site = rendered(t, 2, MESH_ENGINE_WHOLE);
	AUTO_FREE char *include = rendered(t, 2, MESH_ENGINE_INCLUDE);

	assert_true(!strncmp(hub, "# shunt render: node hub-a of mesh test. ", 41));
	assert_count(hub, "protocol bgp shunt_site4_ms from shunt_site4 {", 1);
	assert_count(hub, "protocol bgp shunt_site6_ms from shunt_site6 {", 1);
	assert_count(hub, "neighbor range 10.10.0.0/24 external;", 1);
	assert_count(hub, "ipv4 { import where !shunt_never4() && net ~ [ 10.20.2.0/24+ ]; };", 1);
	assert_count(hub, "proto ~ \"shunt_site*\"", 2);
	assert_count(site, "proto ~ \"shunt_site*\"", 0);
	assert_count(site, "neighbor range", 0);
	/* A default route permits itself, and 0.0.0.0/0+ would be everything. */
	assert_count(site, "[ 0.0.0.0/0, 10.20.1.0/24+, 10.20.2.0/24+ ]", 1);
	assert_count(site, "0.0.0.0/0+", 0);
	assert_count(site, "bfd", 0);
	assert_count(site, "multihop 1;", 2);
	assert_count(site, "router id", 1);
	assert_count(site, "kernel table", 2); /* of signals */
	/* Of what may stand once in a configuration nothing is in the include file. */
	assert_count(include, "router id", 0);
	assert_count(include, "protocol device", 0);
	assert_count(include, "protocol kernel", 2);
	assert_count(include, "graceful restart wait", 0);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static void bird_works_on_the_first_table(void **state)
{
	static const uint32_t tables[] = {100, 254};
	struct mesh_build b;

	a_mesh(&b, MESH_ENGINE_BIRD);
	b.nodes.items[2].routing.tables = tables;
	b.nodes.items[2].routing.n_tables = 2;
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	AUTO_FREE char *site = rendered(t, 2, MESH_ENGINE_WHOLE);

	assert_count(site, "\tkernel table 100;\n", 2);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static void frr_files(void **state)
{
	struct mesh_build b;

	a_mesh(&b, MESH_ENGINE_FRR);
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	AUTO_FREE char *hub = rendered(t, 0, MESH_ENGINE_WHOLE);
	AUTO_FREE char *site = rendered(t, 2, MESH_ENGINE_WHOLE);
	AUTO_FREE char *daemons = rendered(t, 2, MESH_ENGINE_DAEMONS);

	assert_count(hub, " bgp listen range 10.10.0.0/24 peer-group SHUNT-NEWS4\n", 1);
	assert_count(hub, " neighbor 10.10.0.12 peer-group SHUNT-SITES4\n", 1);
	assert_count(hub, "ip prefix-list SHUNT4-ms seq 5 permit 10.20.2.0/24 le 32\n", 1);
	/* Nothing is announced by it, and an empty list would permit all. */
	assert_count(hub, "ipv6 prefix-list SHUNT6-site_1 seq 5 deny any\n", 1);
	assert_count(hub, " match large-community SHUNT-SITE\n", 2);
	assert_count(site, " match large-community SHUNT-SITE\n", 0);
	assert_count(site, "listen range", 0);
	assert_count(site, "bfd", 0);
	assert_count(site, "ip prefix-list SHUNT-MESH4 seq 5 permit 0.0.0.0/0\n", 1);
	assert_count(daemons, "bfdd=no\n", 1);
	assert_count(daemons, "-K 30", 1);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

/* One AS: hubs reflect to sites, and hubs among themselves are plain. */
static void one_as_for_all(void **state)
{
	for (int engine = MESH_ENGINE_BIRD; engine <= MESH_ENGINE_FRR; engine++) {
		bool is_bird = engine == MESH_ENGINE_BIRD;
		struct mesh_build b;

		a_mesh(&b, engine);
		for (size_t i = 0; i < b.nodes.n; i++)
			b.nodes.items[i].routing.asn = 65000;
		struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
		AUTO_FREE char *hub = rendered(t, 0, MESH_ENGINE_INCLUDE);
		AUTO_FREE char *site = rendered(t, 2, MESH_ENGINE_INCLUDE);

		/* Two sites and the range, two families; in FRR it is said of the groups. */
		assert_count(
			hub, is_bird ? "rr client" : "route-reflector-client", is_bird ? 6 : 4);
		assert_count(hub, is_bird ? " internal;" : "remote-as internal", 2);
		assert_count(site, is_bird ? "rr client" : "route-reflector-client", 0);
		mesh_topology_free(t);
		mesh_build_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_safe),
		cmocka_unit_test(names_stay_different),
		cmocka_unit_test(files_have_names),
		cmocka_unit_test(signal_tables_are_apart),
		cmocka_unit_test(sessions_by_family),
		cmocka_unit_test(bird_files),
		cmocka_unit_test(bird_works_on_the_first_table),
		cmocka_unit_test(frr_files),
		cmocka_unit_test(one_as_for_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

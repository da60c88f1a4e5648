/* SPDX-License-Identifier: MIT */
#include "mesh/render.h"

#include "mesh/aggregate.h"
#include "mesh/allowed.h"
#include "mesh/routing.h"
#include "mesh/view.h"
#include "mesh_build.h"
#include "mesh_random.h"
#include "unit.h"

#define NONE MESH_METRIC_NONE

static char *render(struct mesh_renderer *r, unsigned node)
{
	struct buf b = {0};

	mesh_render_node(r, node, &b);
	return buf_steal(&b);
}

static void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part))
		fail_msg("\"%s\" isn't in:\n%s", part, text);
}

/* The value of a key in the peer's section, "" if it has none there. */
static char *value_of(const char *text, const char *peer, const char *key)
{
	AUTO_FREE char *mark = mem_printf("\n\n# %s\n[Peer]\n", peer);
	AUTO_FREE char *wanted = mem_printf("\n%s = ", key);
	const char *section = strstr(text, mark);

	if (!section)
		fail_msg("peer %s isn't in:\n%s", peer, text);
	section += strlen(mark) - 1;
	const char *end = strstr(section, "\n\n");
	const char *value = strstr(section, wanted);
	if (!value || (end && value > end))
		return mem_strdup("");
	value += strlen(wanted);
	size_t n = strcspn(value, "\n");
	char *copy = mem_alloc(n + 1);
	memcpy(copy, value, n);
	copy[n] = '\0';
	return copy;
}

static void assert_value(const char *text, const char *peer, const char *key, const char *want)
{
	AUTO_FREE char *got = value_of(text, peer, key);

	assert_string_equal(got, want);
}

static void a_whole_file(void **state)
{
	struct mesh_build b;

	mesh_build_begin(&b, MESH_HUB_AND_SPOKE, "10.10.0.0/24");
	unsigned hub = mesh_build_node(&b, "hub-a", MESH_HUB, "10.10.0.1");
	unsigned site = mesh_build_node(&b, "site-1", MESH_SPOKE, "10.10.0.11");
	mesh_build_node(&b, "site-2", MESH_SPOKE, "10.10.0.12");
	mesh_build_network(&b, hub, "10.30.0.0/24", NONE);
	mesh_build_network(&b, site, "10.20.1.0/24", NONE);
	mesh_build_link(&b, hub, site);
	b.links.items[0].preshared_key_file = "/etc/wireguard/the psk";
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	struct mesh_renderer *r = mesh_renderer_new(t);
	AUTO_FREE char *got = render(r, site);

	assert_string_equal(got,
		"# shunt render: node site-1 of mesh test. Change the inventory, not this file.\n"
		"#\n"
		"# Start and stop (in /etc/wireguard): wg-quick up wg0, wg-quick down wg0\n"
		"# Reload peers and allowed IPs of the running interface, in bash as root:\n"
		"#   wg syncconf wg0 <(printf '[Interface]\\nFwMark = %s\\nPrivateKey = ' "
		"\"$(wg show wg0 fwmark)\"; cat /etc/wireguard/wg0.key; wg-quick strip wg0)\n"
		"# Never give this file to wg syncconf or wg setconf by itself: it holds no "
		"private key, and\n"
		"# they would erase the running one. New prefixes may need a route: ip route add "
		"PREFIX dev wg0\n"
		"\n"
		"[Interface]\n"
		"Address = 10.10.0.11/24\n"
		"ListenPort = 51820\n"
		"MTU = 1420\n"
		"PostUp = wg set %i private-key /etc/wireguard/wg0.key\n"
		"PostUp = wg set %i peer AAAAAEJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI= "
		"preshared-key $'/etc/wireguard/the psk'\n"
		"\n"
		"# hub-a\n"
		"[Peer]\n"
		"PublicKey = AAAAAEJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkJCQkI=\n"
		"Endpoint = hub-a.example.net:51820\n"
		"AllowedIPs = 10.10.0.1/32, 10.10.0.12/32, 10.30.0.0/24\n"
		"PersistentKeepalive = 25\n");
	mesh_renderer_free(r);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

/* Whether node's file says that it shares nothing among equal hubs. */
static bool has_note(enum mesh_topology topology, uint32_t metric, unsigned node)
{
	struct mesh_build b;

	mesh_build_begin(&b, topology, "10.10.0.0/24");
	mesh_build_node(&b, "hub-a", MESH_HUB, "10.10.0.1");
	mesh_build_node(&b, "hub-b", MESH_HUB, "10.10.0.2");
	mesh_build_node(&b, "site-1", MESH_SPOKE, "10.10.0.11");
	mesh_build_node(&b, "laptop", MESH_CLIENT, "10.10.0.12");
	b.nodes.items[0].metric = 10;
	b.nodes.items[1].metric = metric;
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	struct mesh_renderer *r = mesh_renderer_new(t);
	AUTO_FREE char *got = render(r, node);
	bool found = strstr(got, "\n# Hubs of equal metric: hub-a, hub-b. shuntd on shunt-wg "
				 "shares flows among them "
				 "by weight; this file can't,\n# and gives all that is relayed to "
				 "hub-a.\n\n[Interface]\n");

	mesh_renderer_free(r);
	mesh_topology_free(t);
	mesh_build_done(&b);
	return found;
}

static void equal_hubs_are_told_of(void **state)
{
	assert_true(has_note(MESH_HUB_AND_SPOKE, 10, 2));
	assert_false(has_note(MESH_HUB_AND_SPOKE, 20, 2));
	assert_false(has_note(MESH_HUB_AND_SPOKE, 10, 0));
	assert_false(has_note(MESH_HUB_AND_SPOKE, 10, 3));
	assert_false(has_note(MESH_FULL_MESH, 10, 2));
}

static void odd_texts(void **state)
{
	static const struct {
		const char *path, *word;
	} cases[] = {
		{"/etc/wireguard/wg0.key", "private-key /etc/wireguard/wg0.key\n"},
		{"/k/a b", "private-key $'/k/a b'\n"},
		{"/k/#1", "private-key $'/k/\\x231'\n"},
		{"/k/%i", "private-key $'/k/\\x25i'\n"},
		{"/k/it's", "private-key $'/k/it\\x27s'\n"},
		{"/k/$(reboot);`x`", "private-key $'/k/\\x24\\x28reboot\\x29\\x3b\\x60x\\x60'\n"},
		{"/k/a\nPostUp = b", "private-key $'/k/a\\x0aPostUp = b'\n"},
		{"/k/\\", "private-key $'/k/\\x5c'\n"},
		{"/k/\xc3\xa9", "private-key $'/k/\\xc3\\xa9'\n"},
		{"-k", "private-key ./-k\n"},
		{"", "private-key $''\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mesh_build b;

		mesh_build_begin(&b, MESH_HUB_AND_SPOKE, "10.10.0.0/24");
		mesh_build_node(&b, "site-1", MESH_SPOKE, "10.10.0.11");
		b.nodes.items[0].private_key_file = cases[i].path;
		b.inv.name = "a\nb";
		struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
		struct mesh_renderer *r = mesh_renderer_new(t);
		AUTO_FREE char *got = render(r, 0);
		assert_has(got, cases[i].word);
		assert_has(got, " of mesh a?b. ");
		mesh_renderer_free(r);
		mesh_topology_free(t);
		mesh_build_done(&b);
	}
}

static void endpoints_and_addresses(void **state)
{
	struct mesh_build b;

	mesh_build_begin(&b, MESH_FULL_MESH, "fd10::/64");
	mesh_build_node(&b, "a", MESH_SPOKE, "fd10::1");
	mesh_build_node(&b, "b", MESH_SPOKE, NULL);
	mesh_build_node(&b, "c", MESH_SPOKE, "192.0.2.7");
	b.nodes.items[0].endpoint.host = "2001:db8::1";
	b.nodes.items[0].endpoint.port = 7;
	b.nodes.items[1].keepalive = 9;
	b.nodes.items[1].mtu = 1380;
	b.nodes.items[1].listen_port = 4;
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	struct mesh_renderer *r = mesh_renderer_new(t);
	AUTO_FREE char *first = render(r, 0), *second = render(r, 1), *third = render(r, 2);

	assert_has(first, "\nAddress = fd10::1/64\n");
	assert_value(first, "b", "AllowedIPs", "");
	assert_value(first, "b", "PersistentKeepalive", "");
	assert_has(second, "\nMTU = 1380\n");
	assert_has(second, "\nListenPort = 4\n");
	assert_value(second, "a", "Endpoint", "[2001:db8::1]:7");
	assert_value(second, "c", "PersistentKeepalive", "9");
	/* In no overlay: by itself. */
	assert_has(third, "\nAddress = 192.0.2.7/32\n");
	assert_value(third, "a", "PersistentKeepalive", "25");
	mesh_renderer_free(r);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static void the_longest_overlay_gives_the_length(void **state)
{
	static const char *const orders[][2] = {
		{"10.10.0.0/16", "10.10.0.0/24"}, {"10.10.0.0/24", "10.10.0.0/16"}};

	for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
		struct mesh_build b;

		mesh_build_begin(&b, MESH_FULL_MESH, orders[i][0]);
		vec_push(&b.overlays,
			(struct mesh_overlay){mesh_build_prefix(orders[i][1]), false, {1, 9}});
		mesh_build_node(&b, "a", MESH_SPOKE, "10.10.0.1");
		mesh_build_node(&b, "b", MESH_SPOKE, "10.10.1.1");
		struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
		struct mesh_renderer *r = mesh_renderer_new(t);
		AUTO_FREE char *inner = render(r, 0), *outer = render(r, 1);
		assert_has(inner, "\nAddress = 10.10.0.1/24\n");
		assert_has(outer, "\nAddress = 10.10.1.1/16\n");
		mesh_renderer_free(r);
		mesh_topology_free(t);
		mesh_build_done(&b);
	}
}

static void nodes_with_engines_have_a_link_local_address(void **state)
{
	struct mesh_build b;
	char text[IP_ADDR_STRLEN];

	mesh_build_begin(&b, MESH_HUB_AND_SPOKE, "10.10.0.0/24");
	mesh_build_node(&b, "hub-a", MESH_HUB, "10.10.0.1");
	mesh_build_node(&b, "site-1", MESH_SPOKE, "10.10.0.11");
	mesh_build_node(&b, "site-2", MESH_SPOKE, "10.10.0.12");
	mesh_build_network(&b, 1, "10.20.1.0/24", NONE);
	mesh_build_network(&b, 2, "10.20.2.0/24", NONE);
	b.nodes.items[0].routing.engine = MESH_ENGINE_BIRD;
	b.nodes.items[1].routing.engine = MESH_ENGINE_FRR;
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	struct mesh_renderer *r = mesh_renderer_new(t);
	AUTO_FREE char *hub = render(r, 0), *site = render(r, 1), *plain = render(r, 2);
	ip_addr of_hub = mesh_link_local(&b.inv.nodes[0]);
	ip_addr of_site = mesh_link_local(&b.inv.nodes[1]);
	AUTO_FREE char *own =
		mem_printf("\nAddress = 10.10.0.1/24, %s/64\n", ip_addr_format(&of_hub, text));
	AUTO_FREE char *peer = mem_printf("10.10.0.11/32, %s/128", ip_addr_format(&of_site, text));

	assert_has(hub, own);
	assert_value(hub, "site-1", "AllowedIPs", peer);
	assert_value(hub, "site-2", "AllowedIPs", "10.10.0.12/32, 10.20.2.0/24");
	assert_has(hub, "\n# It runs bird: ");
	assert_has(site, "\n# It runs frr: ");
	assert_has(plain, "\nAddress = 10.10.0.12/24\n");
	assert_value(plain, "hub-a", "AllowedIPs", "10.10.0.1/32, 10.10.0.11/32, 10.20.1.0/24");
	mesh_renderer_free(r);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

/* Only in the file of the link's other end. */
static void endpoints_of_links(void **state)
{
	struct mesh_build b;

	mesh_build_begin(&b, MESH_FULL_MESH, "10.10.0.0/24");
	mesh_build_node(&b, "a", MESH_HUB, "10.10.0.1");
	mesh_build_node(&b, "b", MESH_HUB, "10.10.0.2");
	mesh_build_node(&b, "c", MESH_HUB, "10.10.0.3");
	mesh_build_link(&b, 1, 0);
	mesh_build_link_endpoint(&b, 0, "fe80::5%eth0", 7);
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	struct mesh_renderer *r = mesh_renderer_new(t);
	AUTO_FREE char *first = render(r, 0), *second = render(r, 1), *third = render(r, 2);
	assert_value(first, "b", "Endpoint", "b.example.net:51820");
	assert_value(second, "a", "Endpoint", "[fe80::5%eth0]:7");
	assert_value(second, "c", "Endpoint", "c.example.net:51820");
	assert_value(third, "a", "Endpoint", "a.example.net:51820");
	mesh_renderer_free(r);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static bool is_in_mesh(const ip_prefix *p, const void *data)
{
	const struct mesh_inventory *inv = data;

	for (size_t i = 0; i < inv->n_nodes; i++) {
		for (size_t k = 0; k < inv->nodes[i].n_networks; k++)
			if (ip_prefix_eq(&inv->nodes[i].networks[k].prefix, p))
				return true;
		for (size_t k = 0; k < inv->nodes[i].n_addresses; k++) {
			ip_prefix host = ip_prefix_host(&inv->nodes[i].addresses[k].addr);

			if (ip_prefix_eq(&host, p))
				return true;
		}
	}
	return false;
}

/* The winners of the view that go through the peer, as they should stand in a file. */
static char *winners(const struct mesh_view *v, unsigned peer)
{
	VEC(ip_prefix) list = {0};
	struct mesh_aggregate *a;
	struct buf b = {0};
	char text[IP_PREFIX_STRLEN];

	buf_puts(&b, "");
	for (size_t i = 0; i < v->n_candidates; i++) {
		const struct mesh_candidate *c = &v->candidates[i];

		if ((!i || !ip_prefix_eq(&c->prefix, &c[-1].prefix)) && c->via == peer)
			vec_push(&list, c->prefix);
	}
	for (size_t i = 0; list.n <= MESH_ALLOWED_PLAIN_MAX && i < list.n; i++)
		buf_printf(&b, "%s%s", i ? ", " : "", ip_prefix_format(&list.items[i], text));
	if (list.n > MESH_ALLOWED_PLAIN_MAX) {
		a = mesh_aggregate_new(list.items, list.n, is_in_mesh, v->inv);
		mesh_aggregate_print(a, &b);
		mesh_aggregate_free(a);
	}
	vec_done(&list);
	return buf_steal(&b);
}

/* Files know a client at the first of its servers. */
static void keep_first_servers(const struct mesh_topology_index *t, struct mesh_view *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n_candidates; i++) {
		const struct mesh_candidate *c = &v->candidates[i];
		unsigned server = c->transit ? c->via : v->self;

		if (v->inv->nodes[c->origin].role != MESH_CLIENT ||
			v->inv->nodes[v->self].role == MESH_CLIENT ||
			v->inv->nodes[server].role != MESH_HUB ||
			v->inv->topology == MESH_FULL_MESH ||
			mesh_client_hub(t, c->origin) == (int)server)
			v->candidates[n++] = *c;
	}
	v->n_candidates = n;
}

static void assert_as_view(const struct mesh_topology_index *t, unsigned node, const char *text)
{
	const struct mesh_inventory *inv = mesh_topology_inventory(t);
	struct mesh_view v;
	size_t n_sections = 0;

	mesh_view_build(t, node, &v);
	keep_first_servers(t, &v);
	for (size_t i = 0; i < v.n_peers; i++) {
		const char *peer = inv->nodes[v.peers[i].node].name;
		AUTO_FREE char *want = winners(&v, v.peers[i].node);
		AUTO_FREE char *keepalive = mem_printf("%d", v.peers[i].keepalive);

		assert_value(text, peer, "AllowedIPs", want);
		assert_value(
			text, peer, "PersistentKeepalive", v.peers[i].keepalive ? keepalive : "");
	}
	for (const char *p = text; (p = strstr(p, "\n[Peer]\n")); p++)
		n_sections++;
	assert_int_equal(n_sections, v.n_peers);
	mesh_view_done(&v);
}

static void random_meshes_as_their_views(void **state)
{
	struct chance c = chance_start("render");

	for (int i = 0; i < 400; i++) {
		struct mesh_build b;
		struct mesh_topology_index *t = mesh_topology_new(mesh_random(&b, &c));
		struct mesh_renderer *r;

		if (i % 2)
			mesh_random_engines(&b, &c);
		if (i % 3)
			mesh_random_takers(&b, &c);
		r = mesh_renderer_new(t);
		for (unsigned node = 0; node < b.nodes.n; node++) {
			struct mesh_renderer *alone = mesh_renderer_new(t);
			AUTO_FREE char *text = render(r, node);
			AUTO_FREE char *text_alone = render(alone, node);

			assert_as_view(t, node, text);
			assert_string_equal(text, text_alone);
			mesh_renderer_free(alone);
		}
		mesh_renderer_free(r);
		mesh_topology_free(t);
		mesh_build_done(&b);
	}
}

/* Some 150 spokes on two or three hubs, whose networks of several lengths are crammed into one /18,
 * so that there is much to merge, much in the way of it, and nesting. */
static const struct mesh_inventory *random_large(struct mesh_build *b, struct chance *c)
{
	mesh_build_begin(b, MESH_HUB_AND_SPOKE, "10.10.0.0/16");
	for (unsigned i = 0; i < 160; i++) {
		static const enum mesh_role rare[] = {MESH_HUB, MESH_CLIENT};
		enum mesh_role role = i < 3 ? MESH_HUB : MESH_SPOKE;
		AUTO_FREE char *address = mem_printf("10.10.%u.%u", i / 100, i % 100);
		AUTO_FREE char *name = mem_printf("node-%u", i);

		if (chance_below(c, 100) == 0)
			role = rare[chance_below(c, 2)];
		mesh_build_node(b, name, role, address);
		for (unsigned n = chance_below(c, 4); n; n--) {
			unsigned len = 22 + chance_below(c, 4);
			AUTO_FREE char *text = mem_printf("10.20.%u.%u/%u", chance_below(c, 64),
				64 * chance_below(c, 4), len);
			ip_prefix p = mesh_build_prefix(text);

			p = ip_prefix_masked(&p);
			if (!mesh_random_carries(b, i, &p))
				mesh_build_network(b, i, text, 10 * chance_below(c, 2));
		}
	}
	for (unsigned i = chance_below(c, 30); i; i--) {
		unsigned x = mesh_random_node(b, c), y = mesh_random_node(b, c);

		if (x != y && !mesh_random_has_link(b, x, y))
			mesh_build_link(b, x, y);
	}
	return mesh_build_end(b);
}

static void random_large_meshes_as_their_views(void **state)
{
	struct chance c = chance_start("render, large");

	for (int i = 0; i < 6; i++) {
		struct mesh_build b;
		struct mesh_topology_index *t = mesh_topology_new(random_large(&b, &c));
		struct mesh_renderer *r;

		if (i % 2)
			mesh_random_engines(&b, &c);
		r = mesh_renderer_new(t);
		for (unsigned node = chance_below(&c, 3); node < b.nodes.n;
			node += 1 + chance_below(&c, 8)) {
			AUTO_FREE char *text = render(r, node);
			assert_as_view(t, node, text);
		}
		mesh_renderer_free(r);
		mesh_topology_free(t);
		mesh_build_done(&b);
	}
}

/* One hub, n sites of one network each: 10.32.0.0/24, 10.32.1.0/24... with a second hub's network
 * in the way of the merge. */
static void build_large(struct mesh_build *b, unsigned n)
{
	mesh_build_begin(b, MESH_HUB_AND_SPOKE, "10.10.0.0/16");
	mesh_build_node(b, "hub-a", MESH_HUB, "10.10.255.1");
	mesh_build_node(b, "hub-b", MESH_HUB, "10.10.255.2");
	mesh_build_network(b, 1, "10.32.0.0/17", NONE);
	for (unsigned i = 0; i < n; i++) {
		AUTO_FREE char *name = mem_printf("site-%u", i);
		AUTO_FREE char *network = mem_printf("10.32.%u.0/24", i);
		unsigned at = mesh_build_node(b, name, MESH_SPOKE, NULL);

		mesh_build_network(b, at, network, NONE);
	}
}

static void assert_allowed(unsigned n_sites, unsigned site, const char *want)
{
	struct mesh_build b;

	build_large(&b, n_sites);
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	struct mesh_renderer *r = mesh_renderer_new(t);
	/* Another site first: it shares the tree. */
	free(render(r, 2 + (site + 1) % n_sites));
	AUTO_FREE char *text = render(r, 2 + site);
	assert_value(text, "hub-a", "AllowedIPs", want);
	assert_value(text, "hub-b", "AllowedIPs", "10.10.255.2/32, 10.32.0.0/17");
	mesh_renderer_free(r);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static void long_lists_are_merged(void **state)
{
	struct buf plain = {0};

	buf_puts(&plain, "10.10.255.1/32");
	for (unsigned i = 1; i <= 127; i++)
		buf_printf(&plain, ", 10.32.%u.0/24", i);
	/* 128 prefixes stand as they are, 129 don't; hub-b's /17 is never taken. */
	assert_allowed(128, 0, buf_str(&plain));
	assert_allowed(129, 0,
		"10.10.255.1/32, 10.32.1.0/24, 10.32.2.0/23, 10.32.4.0/22, 10.32.8.0/21, "
		"10.32.16.0/20, 10.32.32.0/19, 10.32.64.0/18, 10.32.128.0/24");
	assert_allowed(256, 5,
		"10.10.255.1/32, 10.32.0.0/22, 10.32.4.0/24, 10.32.6.0/23, 10.32.8.0/21, "
		"10.32.16.0/20, 10.32.32.0/19, 10.32.64.0/18, 10.32.128.0/17");
	assert_allowed(256, 255,
		"10.10.255.1/32, 10.32.0.0/18, 10.32.64.0/18, 10.32.128.0/18, 10.32.192.0/19, "
		"10.32.224.0/20, 10.32.240.0/21, 10.32.248.0/22, 10.32.252.0/23, 10.32.254.0/24");
	buf_done(&plain);
}

static void a_merge_is_told(void **state)
{
	struct mesh_build b;

	build_large(&b, 256);
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	struct mesh_renderer *r = mesh_renderer_new(t);
	AUTO_FREE char *text = render(r, 2);
	assert_has(text, "\n# 256 prefixes in 9 entries: ");
	mesh_renderer_free(r);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_whole_file),
		cmocka_unit_test(equal_hubs_are_told_of),
		cmocka_unit_test(odd_texts),
		cmocka_unit_test(endpoints_and_addresses),
		cmocka_unit_test(the_longest_overlay_gives_the_length),
		cmocka_unit_test(nodes_with_engines_have_a_link_local_address),
		cmocka_unit_test(endpoints_of_links),
		cmocka_unit_test(random_meshes_as_their_views),
		cmocka_unit_test(random_large_meshes_as_their_views),
		cmocka_unit_test(long_lists_are_merged),
		cmocka_unit_test(a_merge_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Every kind of finding by example, with what is almost one; then random meshes against references
 * that compare all pairs.
 */
#include "check_expect.h"
#include "mesh_paths.h"
#include "mesh_random.h"
#include "unit.h"

#define ROUNDS 3000

static void nothing_is_wrong(void **state)
{
	struct mesh_build b;

	start(&b);
	mesh_build_network(&b, SITE_1, "10.20.1.0/24", NONE);
	mesh_build_network(&b, SITE_2, "10.20.2.0/24", NONE);
	mesh_build_network(&b, HUB_A, "0.0.0.0/0", NONE);
	mesh_build_link(&b, HUB_A, SITE_2);
	expect(&b, "");
}

static void duplicate_prefixes(void **state)
{
	struct mesh_build b;

	start(&b);
	mesh_build_network(&b, SITE_1, "10.20.1.0/24", NONE); /* 12 */
	mesh_build_network(&b, SITE_2, "10.20.1.0/24", NONE);
	mesh_build_network(&b, SITE_1, "10.20.2.0/24", NONE); /* 14 */
	mesh_build_network(&b, SITE_2, "10.20.2.0/24", 10);
	mesh_build_network(&b, SITE_1, "10.20.3.0/24", 20); /* 16 */
	mesh_build_network(&b, SITE_2, "10.20.3.0/24", 10);
	mesh_build_network(&b, SITE_3, "10.20.4.0/24", 10); /* 18 */
	mesh_build_network(&b, SITE_3, "10.20.4.0/24", 20);
	mesh_build_network(&b, SITE_3, "10.20.5.0/24", 20); /* 20 */
	mesh_build_network(&b, SITE_3, "10.20.5.0/25", 20);
	expect(&b, "13 duplicate-prefix: site-1 site-2 10.20.1.0/24\n"
		   "14 duplicate-prefix: site-1 site-2 10.20.2.0/24\n"
		   "19 duplicate-prefix: site-3 10.20.4.0/24\n");
}

static void nested_prefixes(void **state)
{
	struct mesh_build b;

	start(&b);
	mesh_build_network(&b, HUB_B, "10.20.0.0/16", NONE); /* 12 */
	mesh_build_network(&b, SITE_1, "10.20.1.0/24", NONE);
	mesh_build_network(&b, SITE_2, "10.20.2.0/24", NONE); /* 14 */
	mesh_build_network(&b, SITE_3, "10.20.2.128/25", NONE);
	mesh_build_network(&b, HUB_B, "10.20.3.0/24", NONE); /* 16 */
	expect(&b, "12 nested-prefix: hub-b site-1 site-2 10.20.0.0/16 10.20.1.0/24 10.20.2.0/24\n"
		   "14 nested-prefix: site-2 site-3 10.20.2.0/24 10.20.2.128/25\n");
}

static void networks_against_the_overlay(void **state)
{
	struct mesh_build b;

	start(&b);
	mesh_build_network(&b, SITE_1, "10.10.0.128/25", NONE); /* 12 */
	mesh_build_network(&b, SITE_2, "10.10.0.0/24", NONE);
	mesh_build_network(&b, SITE_3, "10.10.1.0/24", NONE);
	mesh_build_network(&b, SITE_3, "10.20.1.7/24", NONE); /* 15 */
	b.overlays.items[0].had_host_bits = true;
	expect(&b, "1 host-bits: 10.10.0.0/24\n"
		   "12 network-in-overlay: site-1 10.10.0.128/25\n"
		   "13 nested-prefix: site-2 site-1 10.10.0.0/24 10.10.0.128/25\n"
		   "13 network-in-overlay: site-2 10.10.0.0/24\n"
		   "15 host-bits: site-3 10.20.1.0/24\n");
}

static void keys(void **state)
{
	struct mesh_build b;

	start(&b);
	b.nodes.items[SITE_3].public_key = b.nodes.items[HUB_B].public_key;
	b.nodes.items[SITE_1].key_valid = false;
	memset(&b.nodes.items[SITE_1].public_key, 0, sizeof(wg_key));
	memset(&b.nodes.items[SITE_2].public_key, 0, sizeof(wg_key));
	b.nodes.items[SITE_2].public_key.bytes[0] = 1;
	expect(&b, "6 weak-key: site-1\n"
		   "8 weak-key: site-2\n"
		   "10 duplicate-key: hub-b site-3\n");
}

static void addresses(void **state)
{
	struct mesh_build b;

	start(&b);
	mesh_build_node(&b, "site-4", MESH_SPOKE, "10.10.0.12"); /* 12 */
	mesh_build_node(&b, "site-5", MESH_SPOKE, "10.10.1.5");	 /* 14 */
	expect(&b, "13 duplicate-address: site-2 site-4 10.10.0.12/32\n"
		   "15 address-outside-overlay: site-5 10.10.1.5/32\n");
}

static void endpoints_inside_networks(void **state)
{
	struct mesh_build b;

	start(&b);
	mesh_build_network(&b, SITE_1, "10.20.1.0/24", NONE);
	mesh_build_network(&b, SITE_3, "198.51.100.0/24", NONE);
	mesh_build_network(&b, SITE_2, "0.0.0.0/0", NONE);
	b.nodes.items[HUB_A].endpoint.host = "10.20.1.5";
	b.nodes.items[HUB_B].endpoint.host = "10.10.0.77";
	b.nodes.items[SITE_2].endpoint.host = "203.0.113.5";
	b.nodes.items[SITE_3].endpoint.host = "198.51.100.1";
	expect(&b, "2 endpoint-inside-network: hub-a site-1 10.20.1.0/24\n"
		   "4 endpoint-inside-network: hub-b 10.10.0.0/24\n"
		   "10 endpoint-inside-network: site-3 198.51.100.0/24\n");
}

static void links_without_endpoints(void **state)
{
	struct mesh_build b;

	start(&b);
	b.nodes.items[HUB_B].endpoint.host = NULL;
	b.nodes.items[SITE_3].endpoint.host = "192.0.2.3";
	mesh_build_node(&b, "laptop", MESH_CLIENT, "10.10.0.100");
	b.nodes.items[HUB_B].metric = 30;
	mesh_build_link(&b, SITE_1, SITE_2); /* 14 */
	mesh_build_link(&b, SITE_1, SITE_3);
	expect(&b, "2 single-point-of-failure: hub-a laptop\n"
		   "4 no-endpoint: hub-b site-1 site-2\n"
		   "14 no-endpoint: site-1 site-2\n");
}

static void a_full_mesh_without_endpoints(void **state)
{
	struct mesh_build b;

	start(&b);
	b.inv.topology = MESH_FULL_MESH;
	expect(&b, "8 no-endpoint: site-1 site-2 site-3\n");
}

static void keepalives(void **state)
{
	struct mesh_build b;

	start(&b);
	b.nodes.items[SITE_1].nat = true;
	b.nodes.items[SITE_1].keepalive = 0;
	b.nodes.items[SITE_2].nat = true;
	b.nodes.items[SITE_3].keepalive = 0;
	expect(&b, "6 nat-without-keepalive: site-1\n");
}

static void one_hub_or_none(void **state)
{
	struct mesh_build b;

	start(&b);
	b.nodes.items[HUB_B].role = MESH_SPOKE;
	expect(&b, "2 single-point-of-failure: hub-a hub-b site-1 site-2 site-3\n");
	start(&b);
	b.nodes.items[HUB_A].role = b.nodes.items[HUB_B].role = MESH_SPOKE;
	mesh_build_network(&b, HUB_A, "10.20.1.0/24", NONE);
	mesh_build_network(&b, SITE_1, "10.20.2.0/24", NONE);
	for (unsigned i = HUB_A; i <= SITE_2; i++)
		mesh_build_link(&b, i, SITE_3);
	mesh_build_link(&b, HUB_A, HUB_B);
	expect(&b, "2 unreachable: hub-a hub-b site-1 site-2 10.20.1.0/24 10.20.2.0/24\n"
		   "16 no-endpoint: site-1 site-3\n"
		   "17 no-endpoint: site-2 site-3\n");
}

static void clients_have_one_hub(void **state)
{
	struct mesh_build b;

	start(&b);
	mesh_build_node(&b, "laptop", MESH_CLIENT, "10.10.0.100");
	mesh_build_node(&b, "phone", MESH_CLIENT, "10.10.0.101");
	mesh_build_link(&b, 6, HUB_B);
	expect(&b, "2 single-point-of-failure: hub-a laptop\n"
		   "4 single-point-of-failure: hub-b phone\n");
}

static void mtus(void **state)
{
	struct mesh_build b;

	start(&b);
	b.nodes.items[SITE_2].mtu = 1380;
	expect(&b, "8 mtu-mismatch: site-2 hub-a hub-b\n");
	start(&b);
	b.nodes.items[HUB_A].mtu = 1380;
	expect(&b, "2 mtu-mismatch: hub-a hub-b site-1 site-2 site-3\n");
	start(&b);
	for (unsigned i = 0; i < 40; i++)
		mesh_build_node(&b, "other", MESH_SPOKE, NULL);
	for (unsigned i = 5; i < 25; i++)
		b.nodes.items[i].mtu = 1500;
	b.nodes.items[30].mtu = 9000;
	AUTO_BUF want = {0};
	buf_puts(&want, "12 mtu-mismatch:");
	for (unsigned i = 0; i < 20; i++)
		buf_puts(&want, " other");
	buf_puts(&want, " hub-a hub-b\n37 mtu-mismatch: other hub-a hub-b\n");
	expect(&b, buf_str(&want));
}

static void metrics_of_hubs(void **state)
{
	struct mesh_build b;

	start(&b);
	b.nodes.items[HUB_B].metric = 10;
	expect(&b, "4 asymmetric-path: hub-a hub-b\n");
	start(&b);
	b.nodes.items[HUB_A].metric = NONE;
	expect(&b, "2 asymmetric-path: hub-a\n");
}

/* site-3 doesn't see that site-1 is down and sends by way of hub-a; site-2 expects it directly. */
static void a_second_origin_that_is_linked_directly(void **state)
{
	struct mesh_build b;

	start(&b);
	b.nodes.items[SITE_2].endpoint.host = "192.0.2.2";
	mesh_build_network(&b, SITE_1, "192.0.2.53/32", 10);
	mesh_build_network(&b, SITE_2, "192.0.2.53/32", 20); /* 13 */
	mesh_build_link(&b, SITE_2, SITE_3);
	expect(&b, "13 asymmetric-path: site-1 hub-a site-2 site-3 192.0.2.53/32\n");
	start(&b);
	mesh_build_network(&b, SITE_1, "192.0.2.53/32", 10);
	mesh_build_network(&b, HUB_B, "192.0.2.53/32", 20);
	expect(&b, "13 asymmetric-path: site-1 hub-a hub-b site-2 192.0.2.53/32\n");
	start(&b);
	mesh_build_network(&b, SITE_1, "192.0.2.53/32", 10);
	mesh_build_network(&b, HUB_A, "192.0.2.53/32", 20);
	mesh_build_network(&b, SITE_3, "192.0.2.53/32", 30);
	expect(&b, "");
}

/* --- random meshes against references that compare all pairs --- */

static bool names(const struct mesh_finding *f, unsigned node)
{
	for (size_t i = 0; i < f->n_nodes; i++)
		if (f->nodes[i] == node)
			return true;
	return false;
}

/* True if there is a finding of the code that names a, and b too unless that is NAIVE_NONE. With
 * first, a is the one that the finding is about. */
static bool found(
	const struct mesh_findings *all, const char *code, unsigned a, unsigned b, bool first)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct mesh_finding *f = &all->items[i];

		if (!strcmp(f->code, code) && (first ? f->nodes[0] == a : names(f, a)) &&
			(b == NAIVE_NONE || names(f, b)))
			return true;
	}
	return false;
}

/* Every pair without a path stands in the one finding, and who stands there lacks a path. */
static void compare_unreachable(const struct mesh_inventory *inv, const struct mesh_findings *all)
{
	for (unsigned a = 0; a < inv->n_nodes; a++) {
		bool apart = false;

		for (unsigned b = 0; b < inv->n_nodes; b++)
			apart |= a != b && !naive_path(inv, NAIVE_NONE, a, b);
		assert_true(found(all, "unreachable", a, NAIVE_NONE, false) == apart);
	}
}

static bool cuts(const struct mesh_inventory *inv, unsigned lost, unsigned a, unsigned b)
{
	return a != b && a != lost && b != lost && naive_path(inv, NAIVE_NONE, a, b) &&
	       !naive_path(inv, lost, a, b);
}

/* Of every pair that a loss cuts apart one is named at least, and all who are named are cut off
 * from somebody. */
static void compare_losses(const struct mesh_inventory *inv, const struct mesh_findings *all)
{
	static const char code[] = "single-point-of-failure";

	for (unsigned lost = 0; lost < inv->n_nodes; lost++)
		for (unsigned a = 0; a < inv->n_nodes; a++) {
			bool suffers = false;

			for (unsigned b = 0; b < inv->n_nodes; b++) {
				if (!cuts(inv, lost, a, b))
					continue;
				suffers = true;
				assert_true(found(all, code, lost, a, true) ||
					    found(all, code, lost, b, true));
			}
			if (a != lost && found(all, code, lost, a, true))
				assert_true(suffers);
		}
}

static void compare_endpoints(const struct mesh_inventory *inv, const struct mesh_findings *all)
{
	for (unsigned a = 0; a < inv->n_nodes; a++)
		for (unsigned b = 0; b < inv->n_nodes; b++) {
			bool mute = a != b && !inv->nodes[a].endpoint.host &&
				    !inv->nodes[b].endpoint.host;

			if (mute && naive_tunnel(inv, NAIVE_NONE, a, b))
				assert_true(found(all, "no-endpoint", a, b, false));
			else if (!mute && a != b)
				assert_false(found(all, "no-endpoint", a, b, false));
		}
}

static void compare_mtus(const struct mesh_inventory *inv, const struct mesh_findings *all)
{
	for (unsigned a = 0; a < inv->n_nodes; a++) {
		bool differs = false;

		for (unsigned b = 0; b < inv->n_nodes; b++)
			if (a != b && naive_tunnel(inv, NAIVE_NONE, a, b) &&
				inv->nodes[a].mtu != inv->nodes[b].mtu) {
				differs = true;
				assert_true(found(all, "mtu-mismatch", a, NAIVE_NONE, false) ||
					    found(all, "mtu-mismatch", b, NAIVE_NONE, false));
			}
		if (found(all, "mtu-mismatch", a, NAIVE_NONE, false))
			assert_true(differs);
	}
}

static bool has_network(const struct mesh_node *n, const ip_prefix *p)
{
	for (size_t i = 0; i < n->n_networks; i++)
		if (ip_prefix_eq(&n->networks[i].prefix, p))
			return true;
	return false;
}

/* True if another prefix of the mesh lies between the two. */
static bool is_between(
	const struct mesh_inventory *inv, const ip_prefix *outer, const ip_prefix *inner)
{
	for (size_t i = 0; i < inv->n_nodes; i++)
		for (size_t k = 0; k < inv->nodes[i].n_networks; k++) {
			const ip_prefix *p = &inv->nodes[i].networks[k].prefix;

			if (!ip_prefix_eq(p, outer) && !ip_prefix_eq(p, inner) &&
				ip_prefix_contains(outer, p) && ip_prefix_contains(p, inner))
				return true;
		}
	return false;
}

static bool same_carriers(const struct mesh_inventory *inv, const ip_prefix *x, const ip_prefix *y)
{
	for (size_t i = 0; i < inv->n_nodes; i++)
		if (has_network(&inv->nodes[i], x) != has_network(&inv->nodes[i], y))
			return false;
	return true;
}

static bool says_nested(
	const struct mesh_findings *all, const ip_prefix *outer, const ip_prefix *inner)
{
	for (size_t i = 0; i < all->n; i++) {
		const struct mesh_finding *f = &all->items[i];

		if (strcmp(f->code, "nested-prefix") != 0 || !ip_prefix_eq(&f->prefixes[0], outer))
			continue;
		for (size_t k = 1; k < f->n_prefixes; k++)
			if (ip_prefix_eq(&f->prefixes[k], inner))
				return true;
	}
	return false;
}

static void compare_nested(const struct mesh_inventory *inv, const struct mesh_findings *all)
{
	for (size_t a = 0; a < inv->n_nodes; a++)
		for (size_t b = 0; b < inv->n_nodes; b++)
			for (size_t i = 0; i < inv->nodes[a].n_networks; i++)
				for (size_t k = 0; k < inv->nodes[b].n_networks; k++) {
					const ip_prefix *x = &inv->nodes[a].networks[i].prefix;
					const ip_prefix *y = &inv->nodes[b].networks[k].prefix;
					bool want =
						!ip_prefix_eq(x, y) && ip_prefix_contains(x, y) &&
						!ip_prefix_is_default(x) &&
						!is_between(inv, x, y) && !same_carriers(inv, x, y);

					assert_true(says_nested(all, x, y) == want);
				}
}

static void random_meshes(void **state)
{
	static const uint16_t some_mtus[] = {1280, 1420, 1500};
	struct chance c = chance_start("check");

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct mesh_build b;
		struct mesh_findings findings = {0};

		mesh_random(&b, &c);
		for (size_t k = 0; k < b.nodes.n; k++) {
			struct mesh_node *n = &b.nodes.items[k];

			n->endpoint.host = chance_below(&c, 2) ? "node.example.net" : NULL;
			if (chance_below(&c, 4) == 0)
				n->mtu = some_mtus[chance_below(&c, ARRAY_SIZE(some_mtus))];
		}
		struct mesh_topology_index *t = mesh_topology_new(&b.inv);
		mesh_check(t, &findings);
		compare_unreachable(&b.inv, &findings);
		compare_losses(&b.inv, &findings);
		compare_endpoints(&b.inv, &findings);
		compare_mtus(&b.inv, &findings);
		compare_nested(&b.inv, &findings);
		mesh_findings_done(&findings);
		mesh_topology_free(t);
		mesh_build_done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_wrong),
		cmocka_unit_test(duplicate_prefixes),
		cmocka_unit_test(nested_prefixes),
		cmocka_unit_test(networks_against_the_overlay),
		cmocka_unit_test(keys),
		cmocka_unit_test(addresses),
		cmocka_unit_test(endpoints_inside_networks),
		cmocka_unit_test(links_without_endpoints),
		cmocka_unit_test(a_full_mesh_without_endpoints),
		cmocka_unit_test(keepalives),
		cmocka_unit_test(one_hub_or_none),
		cmocka_unit_test(clients_have_one_hub),
		cmocka_unit_test(mtus),
		cmocka_unit_test(metrics_of_hubs),
		cmocka_unit_test(a_second_origin_that_is_linked_directly),
		cmocka_unit_test(random_meshes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

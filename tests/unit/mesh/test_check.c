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

static void give_devices(struct mesh_build *b, const enum mesh_device *devices, size_t n)
{
	for (size_t i = 0; i < n; i++)
		b->nodes.items[i].device = devices[i];
}

#define UNKNOWN MESH_DEVICE_UNKNOWN
#define KERNEL MESH_DEVICE_KERNEL
#define SHUNT_WG MESH_DEVICE_SHUNT_WG
#define OTHER MESH_DEVICE_OTHER

/* Hubs of equal metric, or of none, and what devices make of them: hub-a, hub-b, site-1 to 3. */
static void equal_hubs_and_devices(void **state)
{
	static const struct {
		enum mesh_device devices[5];
		const char *want;
	} rows[] = {
		{{UNKNOWN, UNKNOWN, SHUNT_WG, SHUNT_WG, SHUNT_WG}, ""},
		{{KERNEL, OTHER, SHUNT_WG, SHUNT_WG, SHUNT_WG}, ""},
		{{SHUNT_WG, SHUNT_WG, SHUNT_WG, SHUNT_WG, UNKNOWN},
			"asymmetric-path: hub-a hub-b\n"},
		{{SHUNT_WG, SHUNT_WG, UNKNOWN, UNKNOWN, UNKNOWN}, "asymmetric-path: hub-a hub-b\n"},
		{{SHUNT_WG, SHUNT_WG, KERNEL, KERNEL, KERNEL}, "asymmetric-path: hub-a hub-b\n"},
		{{SHUNT_WG, SHUNT_WG, SHUNT_WG, SHUNT_WG, KERNEL}, "cut-set: hub-a hub-b site-3\n"},
		{{SHUNT_WG, SHUNT_WG, OTHER, SHUNT_WG, KERNEL},
			"cut-set: hub-a hub-b site-1 site-3\n"},
		{{UNKNOWN, UNKNOWN, UNKNOWN, SHUNT_WG, OTHER}, "cut-set: hub-a hub-b site-3\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		for (int stated = 0; stated < 2; stated++) {
			struct mesh_build b;
			AUTO_BUF want = {0};

			start(&b);
			b.nodes.items[HUB_A].metric = b.nodes.items[HUB_B].metric =
				stated ? 10 : NONE;
			give_devices(&b, rows[i].devices, 5);
			if (*rows[i].want)
				buf_printf(&want, "%d %s", stated ? 4 : 2, rows[i].want);
			expect(&b, buf_str(&want));
		}
}

/* Hubs that metrics tell apart share nothing, and all that is a client's goes by its one hub. */
static void devices_that_share_nothing(void **state)
{
	static const enum mesh_device mixed[] = {SHUNT_WG, SHUNT_WG, KERNEL, SHUNT_WG, OTHER};
	static const enum mesh_device many[] = {SHUNT_WG, SHUNT_WG, SHUNT_WG, SHUNT_WG, SHUNT_WG};
	struct mesh_build b;

	start(&b);
	give_devices(&b, mixed, 5);
	expect(&b, "");
	start(&b);
	b.nodes.items[HUB_B].metric = 10;
	give_devices(&b, many, 5);
	mesh_build_node(&b, "laptop", MESH_CLIENT, "10.10.0.100");
	expect(&b, "2 single-point-of-failure: hub-a laptop\n");
}

/* Three hubs, of which two are equal and come first or last. */
static void some_hubs_are_equal(void **state)
{
	static const enum mesh_device mixed[] = {
		SHUNT_WG, SHUNT_WG, KERNEL, SHUNT_WG, SHUNT_WG, KERNEL};
	struct mesh_build b;

	for (uint32_t metric = 10; metric <= 20; metric += 10) {
		start(&b);
		mesh_build_node(&b, "hub-c", MESH_HUB, "10.10.0.3"); /* 12 */
		b.nodes.items[5].metric = metric;
		give_devices(&b, mixed, 6);
		expect(&b, metric == 10 ? "12 cut-set: hub-a hub-c site-1\n"
					: "12 cut-set: hub-b hub-c site-1\n");
	}
}

/* site-3's flows go by either hub to site-1 or site-2, which answer by either; a hub of one owner
 * takes the answers from site-1 only. */
static void a_hub_of_one_owner_before_equal_origins(void **state)
{
	enum mesh_device devices[] = {SHUNT_WG, KERNEL, SHUNT_WG, SHUNT_WG, SHUNT_WG};
	struct mesh_build b;

	for (uint32_t other = 10; other <= 20; other += 10) {
		start(&b);
		b.nodes.items[HUB_B].metric = 10;
		give_devices(&b, devices, 5);
		mesh_build_network(&b, SITE_1, "2001:db8::53/128", 10);
		mesh_build_network(&b, SITE_2, "2001:db8::53/128", other);
		expect(&b, other == 10 ? "4 asymmetric-path: hub-b 2001:db8::53/128\n" : "");
	}
	devices[HUB_B] = SHUNT_WG;
	start(&b);
	b.nodes.items[HUB_B].metric = 10;
	give_devices(&b, devices, 5);
	mesh_build_network(&b, SITE_1, "192.0.2.53/32", 10);
	mesh_build_network(&b, SITE_2, "192.0.2.53/32", 10);
	expect(&b, "");
}

/* As in the next test, but who drops there takes it, and the answer is taken, too. */
static void a_second_origin_that_takes_from_any_hub(void **state)
{
	const char *want = "13 asymmetric-path: site-1 hub-a hub-b site-2 192.0.2.53/32\n";
	struct mesh_build b;

	for (int taker = 0; taker < 2; taker++)
		for (int sender = 0; sender < 2; sender++) {
			start(&b);
			b.nodes.items[HUB_B].device = taker ? SHUNT_WG : UNKNOWN;
			b.nodes.items[SITE_2].device = sender ? SHUNT_WG : UNKNOWN;
			b.nodes.items[SITE_3].device = SHUNT_WG;
			mesh_build_network(&b, SITE_1, "192.0.2.53/32", 10);
			mesh_build_network(&b, HUB_B, "192.0.2.53/32", 20);
			expect(&b, taker && sender ? "" : want);
		}
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

static bool is_equal_hub(const struct mesh_node *h, const struct mesh_node *k)
{
	return h != k && h->role == MESH_HUB && k->role == MESH_HUB && h->metric == k->metric;
}

/* Whoever has one owner, and another spoke with several, stands with each pair of equal hubs. */
static void compare_sets(const struct mesh_inventory *inv, const struct mesh_findings *all)
{
	for (unsigned h = 0; h < inv->n_nodes; h++)
		for (unsigned a = 0; a < inv->n_nodes; a++) {
			bool equal = false, sender = false;

			for (unsigned k = 0; k < inv->n_nodes; k++) {
				const struct mesh_node *n = &inv->nodes[k];

				equal |= is_equal_hub(&inv->nodes[h], n);
				sender |= n->role == MESH_SPOKE && n->device == SHUNT_WG;
			}
			if (inv->nodes[a].role == MESH_HUB || inv->nodes[h].role != MESH_HUB)
				continue;
			assert_true(found(all, "cut-set", h, a, false) ==
				    (equal && sender && inv->nodes[a].role == MESH_SPOKE &&
					    (inv->nodes[a].device == KERNEL ||
						    inv->nodes[a].device == OTHER)));
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

			n->device = (enum mesh_device)chance_below(&c, 4);
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
		compare_sets(&b.inv, &findings);
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
		cmocka_unit_test(equal_hubs_and_devices),
		cmocka_unit_test(devices_that_share_nothing),
		cmocka_unit_test(some_hubs_are_equal),
		cmocka_unit_test(a_hub_of_one_owner_before_equal_origins),
		cmocka_unit_test(a_second_origin_that_takes_from_any_hub),
		cmocka_unit_test(a_second_origin_that_is_linked_directly),
		cmocka_unit_test(random_meshes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What no mesh can mean: endpoints, addresses, prefixes and names of interfaces, each with what is
 * almost one. */
#include "check_expect.h"

/* One network that every endpoint is compared with, in the eyes of both ends of a link. */
static void endpoints_of_links_inside_networks(void **state)
{
	struct mesh_build b;

	start(&b);
	mesh_build_network(&b, SITE_1, "192.168.1.0/24", NONE); /* 12 */
	mesh_build_network(&b, SITE_3, "192.168.2.0/24", NONE);
	mesh_build_network(&b, SITE_3, "192.168.1.128/25", NONE); /* 14 */
	mesh_build_link(&b, SITE_1, SITE_2);
	mesh_build_link_endpoint(&b, SITE_1, "192.168.1.5", 51820); /* 16: where they meet */
	mesh_build_link_endpoint(&b, SITE_2, "192.168.1.6", 51820);
	mesh_build_link(&b, HUB_A, SITE_2); /* 18 */
	mesh_build_link_endpoint(&b, SITE_2, "192.168.1.6", 51820);
	mesh_build_link(&b, HUB_B, SITE_1); /* 20 */
	mesh_build_link_endpoint(&b, SITE_1, "192.168.1.130", 51820);
	mesh_build_link_endpoint(&b, HUB_B, "10.10.0.99", 51820); /* 22 */
	expect(&b, "12 nested-prefix: site-1 site-3 192.168.1.0/24 192.168.1.128/25\n"
		   "19 endpoint-inside-network: site-2 hub-a site-1 192.168.1.0/24\n"
		   "21 endpoint-inside-network: site-1 hub-b site-3 192.168.1.128/25\n"
		   "22 endpoint-inside-network: hub-b site-1 10.10.0.0/24\n");
}

static void impossible_endpoints(void **state)
{
	static const struct {
		const char *host, *finding; /* NULL: nothing is wrong */
	} cases[] = {
		{"0.0.0.0", "0.0.0.0/32"},
		{"0.1.2.3", "0.1.2.3/32"},
		{"127.0.0.1", "127.0.0.1/32"},
		{"127.255.255.254", "127.255.255.254/32"},
		{"224.0.0.5", "224.0.0.5/32"},
		{"239.255.255.255", "239.255.255.255/32"},
		{"240.0.0.1", "240.0.0.1/32"},
		{"255.255.255.255", "255.255.255.255/32"},
		{"169.254.7.7", "169.254.7.7/32"},
		{"::", "::/128"},
		{"::1", "::1/128"},
		{"0:0::1", "::1/128"},
		{"ff02::1", "ff02::1/128"},
		{"fe80::1", "fe80::1/128"},
		{"febf::1", "febf::1/128"},
		{"::ffff:198.51.100.7", "::ffff:198.51.100.7/128"},
		{"::ffff:7f00:1", "::ffff:127.0.0.1/128"},
		{"::198.51.100.7", "::198.51.100.7/128"},
		{"::1%eth0", "::1/128"},
		{"2001:db8::1%eth0", "2001:db8::1/128"},
		{"fe80::1%0", "fe80::1/128"},
		{"fe80::1%01", "fe80::1/128"},
		{"fe80::1%2147483648", "fe80::1/128"},
		{"fe80::1%4294967297", "fe80::1/128"},
		{"fe80::1%18446744073709551617", "fe80::1/128"},
		{"fe80::1%sixteen-long-nam", "fe80::1/128"},
		{"localhost", ""},
		{"LocalHost.", ""},
		{"hub.localhost", ""},
		{"ip6-loopback", ""},
		{"localhost.localdomain", ""},
		{"localhost6", ""},
		{"fe80::1%eth0", NULL},
		{"fe80::1%3", NULL},
		{"fe80::1%2147483647", NULL},
		{"notlocalhost", NULL},
		{"localhost.example.net", NULL},
		{"126.255.255.255", NULL},
		{"128.0.0.1", NULL},
		{"1.0.0.0", NULL},
		{"223.255.255.255", NULL},
		{"169.253.0.1", NULL},
		{"2001:db8::1", NULL},
		{"64:ff9b::192.0.2.1", NULL},
		{"fec0::1", NULL},
		{"fd00::1", NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		const char *f = cases[i].finding;
		AUTO_BUF want = {0};
		struct mesh_build b;

		start(&b);
		b.nodes.items[HUB_B].endpoint.host = cases[i].host;
		mesh_build_link(&b, SITE_1, SITE_2);
		mesh_build_link_endpoint(&b, SITE_2, cases[i].host, 9);
		if (f)
			buf_printf(&want,
				"4 impossible-endpoint: hub-b%s%s\n"
				"13 impossible-endpoint: site-2 site-1%s%s\n",
				*f ? " " : "", f, *f ? " " : "", f);
		else
			mesh_build_link_endpoint(&b, SITE_1, "203.0.113.9", 9);
		expect(&b, buf_str(&want));
	}
}

static void shared_endpoints(void **state)
{
	static const struct {
		const char *a, *b;
		int port_a, port_b;
		const char *prefix; /* NULL: they differ */
	} cases[] = {
		{"198.51.100.7", "198.51.100.7", 5, 5, " 198.51.100.7/32"},
		{"198.51.100.7", "198.51.100.7", 5, 6, NULL},
		{"198.51.100.7", "198.51.100.8", 5, 5, NULL},
		{"2001:db8::7", "2001:DB8:0:0::0007", 5, 5, " 2001:db8::7/128"},
		{"fe80::7%eth0", "fe80::7%eth0", 5, 5, " fe80::7/128"},
		{"fe80::7%eth0", "fe80::7%eth1", 5, 5, NULL},
		{"vpn.example.net", "VPN.example.NET.", 5, 5, ""},
		{"vpn.example.net", "vpn.example.net", 5, 6, NULL},
		{"vpn.example.net", "vpn2.example.net", 5, 5, NULL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mesh_build b;
		AUTO_BUF want = {0};

		start(&b);
		b.nodes.items[HUB_B].endpoint.host = cases[i].a;
		b.nodes.items[HUB_B].endpoint.port = (uint16_t)cases[i].port_a;
		b.nodes.items[SITE_2].endpoint.host = cases[i].b;
		b.nodes.items[SITE_2].endpoint.port = (uint16_t)cases[i].port_b;
		if (cases[i].prefix)
			buf_printf(
				&want, "8 duplicate-endpoint: hub-b site-2%s\n", cases[i].prefix);
		expect(&b, buf_str(&want));
	}
}

static void a_mapped_endpoint_is_the_ipv4_one(void **state)
{
	struct mesh_build b;

	start(&b);
	b.nodes.items[HUB_B].endpoint.host = "198.51.100.7";
	b.nodes.items[SITE_2].endpoint = (struct mesh_endpoint){"::ffff:c633:6407", 51820, {8, 4}};
	expect(&b, "8 duplicate-endpoint: hub-b site-2 ::ffff:198.51.100.7/128\n"
		   "8 impossible-endpoint: site-2 ::ffff:198.51.100.7/128\n");
}

/* The same private address in two networks is fine; two nodes in one place, for one caller, aren't.
 */
static void shared_endpoints_of_links(void **state)
{
	struct mesh_build b;

	start(&b);
	mesh_build_link(&b, SITE_1, SITE_2);
	mesh_build_link_endpoint(&b, SITE_1, "192.168.1.5", 51820); /* 13 */
	mesh_build_link(&b, SITE_3, HUB_A);
	mesh_build_link_endpoint(&b, SITE_3, "192.168.1.5", 51820); /* 15 */
	expect(&b, "");
	start(&b);
	b.nodes.items[SITE_3].endpoint = (struct mesh_endpoint){"192.168.1.5", 51820, {10, 4}};
	b.nodes.items[HUB_A].endpoint.host = "192.168.1.7";
	mesh_build_link(&b, SITE_1, SITE_2);
	mesh_build_link_endpoint(&b, SITE_1, "192.168.1.5", 51820); /* not linked with site-3 */
	mesh_build_link(&b, SITE_1, SITE_3);			    /* 14 */
	mesh_build_link_endpoint(&b, SITE_1, "192.168.1.5", 51820);
	mesh_build_link(&b, SITE_2, HUB_B); /* 16 */
	mesh_build_link_endpoint(&b, HUB_B, "192.168.1.7", 51820);
	mesh_build_link(&b, SITE_2, HUB_A); /* 18: hub-a is elsewhere for site-2 */
	mesh_build_link_endpoint(&b, HUB_A, "192.168.1.8", 51820);
	mesh_build_link(&b, SITE_3, HUB_B); /* 20 */
	mesh_build_link_endpoint(&b, HUB_B, "192.168.1.7", 51820);
	expect(&b, "15 duplicate-endpoint: site-3 site-1 192.168.1.5/32\n"
		   "21 duplicate-endpoint: hub-a hub-b 192.168.1.7/32\n");
	start(&b);
	mesh_build_link(&b, SITE_1, SITE_2); /* 12 */
	mesh_build_link_endpoint(&b, SITE_1, "192.168.1.5", 51820);
	mesh_build_link(&b, SITE_2, SITE_3); /* 14 */
	mesh_build_link_endpoint(&b, SITE_3, "192.168.1.5", 51820);
	expect(&b, "15 duplicate-endpoint: site-1 site-3 192.168.1.5/32\n");
	/* Each other at one address. */
	start(&b);
	mesh_build_link(&b, SITE_1, SITE_2); /* 12 */
	mesh_build_link_endpoint(&b, SITE_1, "192.168.1.5", 51820);
	mesh_build_link_endpoint(&b, SITE_2, "192.168.1.5", 51820); /* 14 */
	expect(&b, "14 duplicate-endpoint: site-1 site-2 192.168.1.5/32\n");
}

static void addresses_of_no_host(void **state)
{
	static const struct {
		const char *overlay, *address;
		bool fine;
	} cases[] = {
		{"10.10.0.0/24", "10.10.0.255", false},
		{"10.10.0.0/24", "10.10.0.0", false},
		{"10.10.0.0/24", "10.10.0.254", true},
		{"10.10.0.0/23", "10.10.0.255", true},
		{"10.10.0.0/23", "10.10.1.0", true},
		{"10.10.0.0/23", "10.10.1.255", false},
		{"10.10.0.4/30", "10.10.0.4", false},
		{"10.10.0.4/30", "10.10.0.7", false},
		{"10.10.0.4/30", "10.10.0.5", true},
		{"10.10.0.4/31", "10.10.0.4", true},
		{"10.10.0.4/31", "10.10.0.5", true},
		{"10.10.0.4/32", "10.10.0.4", true},
		{"fd10::/64", "fd10::", false},
		{"fd10::/64", "fd10::ffff:ffff:ffff:ffff", true},
		{"fd10::/64", "fd10::1", true},
		{"fd10::/126", "fd10::", false},
		{"fd10::/126", "fd10::3", true},
		{"fd10::/127", "fd10::", true},
		{"fd10::/127", "fd10::1", true},
		{"fd10::/128", "fd10::", true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mesh_build b;
		AUTO_BUF want = {0};

		start(&b);
		b.overlays.items[0].prefix = mesh_build_prefix("10.99.0.0/16");
		for (size_t k = 0; k < b.nodes.n; k++)
			b.nodes.items[k].n_addresses = 0;
		vec_push(&b.overlays,
			(struct mesh_overlay){mesh_build_prefix(cases[i].overlay), false, {1, 9}});
		mesh_build_node(&b, "odd", MESH_SPOKE, cases[i].address); /* 12 and 13 */
		if (!cases[i].fine)
			buf_printf(&want, "13 address-of-no-host: odd %s/%s\n", cases[i].address,
				strchr(cases[i].address, ':') ? "128" : "32");
		expect(&b, buf_str(&want));
	}
}

/* An outer overlay counts where some node has its length, and only there. */
static void addresses_of_no_host_in_nested_overlays(void **state)
{
	for (int outer_used = 0; outer_used < 2; outer_used++) {
		struct mesh_build b;

		mesh_build_begin(&b, MESH_FULL_MESH, "10.10.0.0/16");
		vec_push(&b.overlays, (struct mesh_overlay){mesh_build_prefix("10.10.255.254/31"),
					      false, {1, 9}});
		vec_push(&b.overlays,
			(struct mesh_overlay){mesh_build_prefix("10.10.7.0/24"), false, {1, 19}});
		mesh_build_node(&b, "a", MESH_HUB, "10.10.255.255"); /* 2 and 3 */
		mesh_build_node(&b, "b", MESH_HUB, "10.10.7.255");   /* 4 and 5 */
		b.nodes.items[0].metric = 1;
		b.nodes.items[1].metric = 2;
		if (outer_used)
			mesh_build_node(&b, "c", MESH_SPOKE, "10.10.8.0");
		expect(&b, outer_used ? "3 address-of-no-host: a 10.10.255.255/32\n"
					"5 address-of-no-host: b 10.10.7.255/32\n"
				      : "5 address-of-no-host: b 10.10.7.255/32\n");
	}
}

static void impossible_prefixes(void **state)
{
	static const struct {
		const char *prefix;
		bool as_network, as_overlay;
	} cases[] = {
		{"127.0.0.0/8", false, false},
		{"127.5.0.0/16", false, false},
		{"224.0.0.0/4", false, false},
		{"239.1.0.0/16", false, false},
		{"240.0.0.0/4", false, false},
		{"224.0.0.0/3", false, false},
		{"255.255.255.255/32", false, false},
		{"0.0.0.0/8", false, false},
		{"0.0.0.0/32", false, false},
		{"::/128", false, false},
		{"::1/128", false, false},
		{"::ffff:0.0.0.0/96", false, false},
		{"::ffff:10.0.0.0/104", false, false},
		{"::/96", false, false},
		{"ff00::/8", false, false},
		{"ff05::/16", false, false},
		{"fe80::/64", false, false},
		{"fe80::/10", false, false},
		{"0.0.0.0/0", true, false},
		{"::/0", true, false},
		{"0.0.0.0/1", true, false},
		{"128.0.0.0/1", true, false},
		{"8000::/1", true, false},
		{"126.0.0.0/7", true, false},
		{"100.64.0.0/10", true, true},
		{"169.254.0.0/16", true, true},
		{"2000::/3", true, true},
		{"64:ff9b::/96", true, true},
		{"fc00::/7", true, true},
		{"1.0.0.0/8", true, true},
		{"223.0.0.0/8", true, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct mesh_build b;
		AUTO_BUF want = {0};

		start(&b);
		mesh_build_network(&b, SITE_3, cases[i].prefix, NONE); /* 12 */
		if (!cases[i].as_network)
			buf_printf(&want, "12 impossible-prefix: site-3 %s\n", cases[i].prefix);
		expect(&b, buf_str(&want));
		buf_reset(&want);
		start(&b);
		vec_push(&b.overlays,
			(struct mesh_overlay){mesh_build_prefix(cases[i].prefix), false, {1, 9}});
		if (!cases[i].as_overlay)
			buf_printf(&want, "1 impossible-prefix: %s\n", cases[i].prefix);
		expect(&b, buf_str(&want));
	}
}

static void impossible_interfaces(void **state)
{
	static const char *const bad[] = {"-x", "--help", "-", "all", "default", "lo"};
	static const char *const good[] = {"x-", "wg-", "all0", "defaults", "lo0", "...", "ALL"};
	struct mesh_build b;

	for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
		start(&b);
		strcpy(b.nodes.items[SITE_2].interface, bad[i]);
		strcpy(b.nodes.items[HUB_B].interface, bad[i]);
		strcpy(b.nodes.items[SITE_1].interface, bad[i]);
		/* Two of them have it from `defaults`. */
		b.nodes.items[HUB_B].interface_pos = b.nodes.items[SITE_1].interface_pos =
			(struct mesh_pos){1, 30};
		expect(&b, "1 impossible-interface: hub-b site-1\n"
			   "8 impossible-interface: site-2\n");
	}
	for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
		start(&b);
		strcpy(b.nodes.items[SITE_2].interface, good[i]);
		expect(&b, "");
	}
}

/* A daemon goes on with what harms none but the nodes that are named. */
static void what_is_contained(void **state)
{
	struct mesh_build b;
	struct mesh_findings findings = {0};
	size_t n_contained = 0;

	start(&b);
	mesh_build_node(&b, "site-4", MESH_SPOKE, "10.10.0.255");
	b.nodes.items[HUB_B].endpoint.host = "localhost";
	b.nodes.items[SITE_1].endpoint = b.nodes.items[SITE_2].endpoint =
		(struct mesh_endpoint){"h", 1, {8, 1}};
	mesh_build_network(&b, SITE_3, "127.0.0.0/8", NONE);
	strcpy(b.nodes.items[SITE_2].interface, "all");
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(&b));
	mesh_check(t, &findings);
	assert_int_equal(findings.n, 5);
	for (size_t i = 0; i < findings.n; i++) {
		n_contained += findings.items[i].contained;
		assert_int_equal(findings.items[i].contained,
			!!strcmp(findings.items[i].code, "impossible-prefix") &&
				!!strcmp(findings.items[i].code, "impossible-interface"));
	}
	assert_int_equal(n_contained, 3);
	mesh_findings_done(&findings);
	mesh_topology_free(t);
	mesh_build_done(&b);
}

static void links_that_name_the_only_endpoint(void **state)
{
	struct mesh_build b;

	start(&b);
	b.inv.topology = MESH_FULL_MESH;
	mesh_build_link(&b, SITE_1, SITE_2);
	mesh_build_link_endpoint(&b, SITE_1, "192.168.1.5", 51820);
	expect(&b, "8 no-endpoint: site-1 site-2 site-3\n");
	start(&b);
	b.inv.topology = MESH_FULL_MESH;
	mesh_build_link(&b, SITE_1, SITE_2);
	mesh_build_link_endpoint(&b, SITE_1, "192.168.1.5", 51820);
	mesh_build_link(&b, SITE_3, SITE_2);
	mesh_build_link_endpoint(&b, SITE_3, "192.168.1.6", 51820);
	expect(&b, "10 no-endpoint: site-1 site-3\n");
	start(&b);
	b.nodes.items[HUB_B].endpoint.host = NULL;
	for (unsigned i = SITE_1; i <= SITE_3; i++) {
		mesh_build_link(&b, i, HUB_B);
		if (i != SITE_2)
			mesh_build_link_endpoint(&b, i == SITE_1 ? HUB_B : i, "h", (uint16_t)i);
	}
	mesh_build_link(&b, SITE_1, SITE_2);
	mesh_build_link_endpoint(&b, SITE_1, "192.168.1.5", 51820);
	expect(&b, "4 no-endpoint: hub-b site-2\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(endpoints_of_links_inside_networks),
		cmocka_unit_test(impossible_endpoints),
		cmocka_unit_test(shared_endpoints),
		cmocka_unit_test(a_mapped_endpoint_is_the_ipv4_one),
		cmocka_unit_test(shared_endpoints_of_links),
		cmocka_unit_test(addresses_of_no_host),
		cmocka_unit_test(addresses_of_no_host_in_nested_overlays),
		cmocka_unit_test(impossible_prefixes),
		cmocka_unit_test(impossible_interfaces),
		cmocka_unit_test(what_is_contained),
		cmocka_unit_test(links_that_name_the_only_endpoint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Which routes and rules of others take packets from the mesh. */
#include "daemon/shadows.h"

#include "base/buf.h"
#include "unit.h"
#include <linux/rtnetlink.h>
#include <string.h>

#define MARK 51820u
#define WG 5
#define ETH 2

static ip_prefix P(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

struct list {
	struct want_prefix carried[16];
	ip_prefix prefixes[16];
	ip_addr addrs[16];
	size_t n;
};

static struct list list_of(const char *texts)
{
	char *copy = mem_strdup(texts), *save = NULL;
	struct list l = {.n = 0};

	for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
		l.prefixes[l.n] = P(t);
		l.addrs[l.n] = ip_prefix_addr(&l.prefixes[l.n]);
		l.carried[l.n] = (struct want_prefix){l.prefixes[l.n], true, false};
		l.n++;
	}
	free(copy);
	return l;
}

static struct rtnl_rule lookup(int family, uint32_t priority, uint32_t table)
{
	return (struct rtnl_rule){
		.family = family, .priority = priority, .table = table, .suppress_prefixlen = -1};
}

/* A machine's own rules, ours, and one of somebody else's. */
static void put_rules(rule_vec *out, const struct want_facts *w, const struct rtnl_rule *foreign)
{
	static const int families[] = {AF_INET, AF_INET6};
	rule_vec ours = {0};

	want_rules(w, &ours);
	for (size_t i = 0; i < 2; i++) {
		bool done = !foreign->family || foreign->family != families[i];

		vec_push(out, lookup(families[i], 0, RT_TABLE_LOCAL));
		for (size_t k = 0; k < ours.n; k++) {
			if (ours.items[k].family != families[i])
				continue;
			if (!done && foreign->priority < ours.items[k].priority) {
				vec_push(out, *foreign);
				done = true;
			}
			vec_push(out, ours.items[k]);
		}
		if (!done)
			vec_push(out, *foreign);
		vec_push(out, lookup(families[i], 32766, RT_TABLE_MAIN));
		vec_push(out, lookup(families[i], 32767, RT_TABLE_DEFAULT));
	}
	vec_done(&ours);
}

static void say(struct buf *out, const struct shadow *s)
{
	char text[IP_PREFIX_STRLEN];

	buf_printf(out, "%s%s", out->n ? ", " : "", ip_prefix_format(&s->ours, text));
	if (s->others)
		buf_printf(out, " +%zu", s->others);
	if (s->by_rule)
		buf_printf(out, " by rule %u", s->rule.priority);
	else
		buf_printf(out, " by %s", ip_prefix_format(&s->route.dst, text));
}

struct given {
	const char *carried, *apart, *own, *endpoints;
	struct rtnl_rule rule;
};

static void find(const struct given *g, const struct rtnl_route *routes, size_t n, struct buf *out)
{
	struct list carried = list_of(g->carried), apart = list_of(g->apart), own = list_of(g->own);
	struct list ends = list_of(g->endpoints), overlays = list_of("10.10.0.0/24 fd10::/64");
	struct want_facts w = {carried.carried, carried.n, overlays.prefixes, 2, apart.prefixes,
		apart.n, apart.n ? MARK : 0, 777, WG};
	shadow_vec found = {0};
	rule_vec rules = {0};

	put_rules(&rules, &w, &g->rule);
	shadows_find(&(struct shadow_facts){&w, own.prefixes, own.n, ends.addrs, ends.n,
			     rules.items, rules.n, routes, n},
		&found);
	for (size_t i = 0; i < found.n; i++)
		say(out, &found.items[i]);
	vec_done(&found);
	vec_done(&rules);
}

/* type and table 0: to an interface of others, in the main table. */
static void routes(void **state)
{
	static const struct {
		const char *carried, *apart, *own, *endpoints;
		const char *dst;
		uint32_t table, metric;
		uint8_t type;
		const char *found;
	} cases[] = {
		{"10.20.2.0/24", "", "", "", "10.20.2.0/28", 0, 0, 0,
			"10.20.2.0/24 by 10.20.2.0/28"},
		{"10.20.2.0/24", "", "", "", "10.20.2.0/25", 0, 50, 0,
			"10.20.2.0/24 by 10.20.2.0/25"},
		{"10.20.2.0/24", "", "", "", "10.20.2.0/25", 0, 0, RTN_BLACKHOLE,
			"10.20.2.0/24 by 10.20.2.0/25"},
		{"10.20.2.0/24", "", "", "", "10.20.2.0/25", 0, 0, RTN_THROW,
			"10.20.2.0/24 by 10.20.2.0/25"},
		{"fd20::/48", "", "", "", "fd20:0:0:1::/64", 0, 0, RTN_PROHIBIT,
			"fd20::/48 by fd20:0:0:1::/64"},
		/* The same prefix: the metric decides, and what was there first has EEXIST. */
		{"10.20.2.0/24", "", "", "", "10.20.2.0/24", 0, 50, 0, ""},
		{"10.20.2.0/24", "", "", "", "10.20.2.0/24", 0, 0, 0, ""},
		{"fd20::/48", "", "", "", "fd20::/48", 0, 256, 0, "fd20::/48 by fd20::/48"},
		{"fd20::/48", "", "", "", "fd20::/48", 0, 0, 0, ""},
		/* Shorter ones lose in the same table, and win where ours stand apart. */
		{"10.20.2.0/24", "", "", "", "10.20.0.0/16", 0, 0, 0, ""},
		{"10.20.2.0/24", "", "", "", "0.0.0.0/1", 0, 0, 0, ""},
		{"10.20.2.0/24", "10.20.2.0/24", "", "10.20.2.9", "10.20.0.0/16", 0, 0, 0,
			"10.20.2.0/24 by 10.20.0.0/16"},
		{"10.20.2.0/24", "10.20.2.0/24", "", "10.20.2.9", "10.20.2.0/24", 0, 0, 0,
			"10.20.2.0/24 by 10.20.2.0/24"},
		{"10.20.2.0/24", "10.20.2.0/24", "", "10.20.2.9", "0.0.0.0/0", 0, 0, 0, ""},
		{"fd20::/48", "fd20::/48", "", "fd20::9", "fd00::/8", 0, 0, 0,
			"fd20::/48 by fd00::/8"},
		{"10.20.2.0/24 10.20.3.0/24", "10.20.2.0/24", "", "10.20.2.9", "10.20.0.0/16", 0, 0,
			0, "10.20.2.0/24 by 10.20.0.0/16"},
		/* A default route is for what nobody else has; but two halves take all. */
		{"0.0.0.0/0", "0.0.0.0/0", "", "", "192.168.1.0/24", 0, 0, 0, ""},
		{"0.0.0.0/0", "0.0.0.0/0", "", "", "0.0.0.0/0", 0, 0, 0, ""},
		{"0.0.0.0/0", "0.0.0.0/0", "", "", "128.0.0.0/1", 0, 0, 0,
			"0.0.0.0/0 by 128.0.0.0/1"},
		{"0.0.0.0/1", "", "", "", "10.0.0.0/8", 0, 0, 0, ""},
		{"0.0.0.0/0 10.20.2.0/24", "0.0.0.0/0", "", "", "10.20.2.0/28", 0, 0, 0,
			"10.20.2.0/24 by 10.20.2.0/28"},
		/* Within an own network, or on the way to a peer. */
		{"10.0.0.0/8", "", "10.20.1.0/24", "", "10.20.1.0/24", 0, 0, 0, ""},
		{"10.0.0.0/8", "", "10.20.1.0/24", "", "10.20.1.128/25", 0, 0, 0, ""},
		{"10.0.0.0/8 10.20.1.64/26", "", "10.20.1.0/24", "", "10.20.1.64/28", 0, 0, 0,
			"10.20.1.64/26 by 10.20.1.64/28"},
		{"10.0.0.0/8", "10.0.0.0/8", "", "10.1.2.1", "10.1.2.0/24", 0, 0, 0, ""},
		{"10.0.0.0/8", "10.0.0.0/8", "", "10.1.2.1", "10.1.3.0/24", 0, 0, 0,
			"10.0.0.0/8 by 10.1.3.0/24"},
		/* The overlay. */
		{"", "", "", "", "10.10.0.128/25", 0, 0, 0, "10.10.0.0/24 by 10.10.0.128/25"},
		{"", "", "", "", "10.0.0.0/8", 0, 0, 0, ""},
		/* Our own backstop, another's route into our device, addresses. */
		{"10.20.2.0/24", "", "", "", "10.20.2.0/24", 0, UINT32_MAX, RTN_UNREACHABLE, ""},
		{"10.20.2.0/24", "", "", "", "10.20.2.1/32", RT_TABLE_LOCAL, 0, RTN_LOCAL,
			"10.20.2.0/24 by 10.20.2.1/32"},
		{"10.10.0.2/32", "", "10.10.0.1/32", "", "10.10.0.1/32", RT_TABLE_LOCAL, 0,
			RTN_LOCAL, ""},
		{"0.0.0.0/0", "0.0.0.0/0", "", "", "192.0.2.1/32", RT_TABLE_LOCAL, 0, RTN_LOCAL,
			""},
		{"10.20.2.0/24", "", "", "", "10.20.2.255/32", RT_TABLE_LOCAL, 0, RTN_BROADCAST,
			""},
		/* Nobody asks that table. */
		{"10.20.2.0/24", "", "", "", "10.20.2.0/28", 100, 0, 0, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct given g = {
			cases[i].carried, cases[i].apart, cases[i].own, cases[i].endpoints, {0}};
		struct rtnl_route r = {P(cases[i].dst), cases[i].type == RTN_UNREACHABLE ? 0 : ETH,
			cases[i].table, cases[i].type == RTN_UNREACHABLE ? RTNL_PROTO_SHUNT : 4,
			cases[i].metric, cases[i].type};
		AUTO_BUF text = {0};

		find(&g, &r, 1, &text);
		if (strcmp(buf_str(&text), cases[i].found))
			fail_msg("case %zu: %s and not %s", i, buf_str(&text), cases[i].found);
		/* Into our own device all of them are fine. */
		if (r.type && r.type != RTN_LOCAL)
			continue;
		r.ifindex = WG;
		find(&g, &r, 1, &text);
		assert_string_equal(buf_str(&text), cases[i].found);
	}
}

/* Two nodes that meet in a network which one of them carries: the other is in it, too. */
/* What the node's routing engine chose leads where it is to lead. */
static void routes_of_an_engine(void **state)
{
	static const uint8_t protocols[] = {12, 186};
	struct list carried = list_of("10.20.2.0/24"), none = list_of("");
	struct list overlays = list_of("10.10.0.0/24");
	struct rtnl_route routes[] = {{P("10.20.2.0/28"), ETH, 0, 12, 0, 0},
		{P("10.20.2.16/28"), 0, 0, 186, 0, RTN_UNREACHABLE},
		{P("10.20.2.32/28"), ETH, 0, 4, 0, 0}};
	struct want_facts w = {.carried = carried.carried,
		.n_carried = 1,
		.overlays = overlays.prefixes,
		.n_overlays = 1,
		.overlay_table = 777,
		.ifindex = WG,
		.engine_protocols = protocols,
		.n_engine_protocols = 2};
	shadow_vec found = {0};
	rule_vec rules = {0};

	put_rules(&rules, &w, &(struct rtnl_rule){0});
	shadows_find(&(struct shadow_facts){.want = &w,
			     .own = none.prefixes,
			     .rules = rules.items,
			     .n_rules = rules.n,
			     .routes = routes,
			     .n_routes = ARRAY_SIZE(routes)},
		&found);
	assert_int_equal(found.n, 1);
	assert_true(ip_prefix_eq(&found.items[0].route.dst, &routes[2].dst));
	vec_done(&found);
	vec_done(&rules);
}

static void the_network_that_two_meet_in(void **state)
{
	static const struct {
		const char *dst, *endpoint;
		uint8_t protocol;
		const char *found;
	} cases[] = {
		{"192.168.1.0/24", "192.168.1.5", RTPROT_KERNEL, ""},
		{"192.168.1.0/24", "192.168.1.5", RTPROT_STATIC,
			"192.168.1.0/24 by 192.168.1.0/24"},
		{"192.168.1.0/24", "198.51.100.5", RTPROT_KERNEL,
			"192.168.1.0/24 by 192.168.1.0/24"},
		{"192.168.0.0/16", "192.168.1.5", RTPROT_KERNEL,
			"192.168.1.0/24 by 192.168.0.0/16"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct given g = {"192.168.1.0/24", "192.168.1.0/24", "", cases[i].endpoint, {0}};
		struct rtnl_route r = {P(cases[i].dst), ETH, 0, cases[i].protocol, 0, 0};
		AUTO_BUF text = {0};

		find(&g, &r, 1, &text);
		if (strcmp(buf_str(&text), cases[i].found))
			fail_msg("case %zu: %s and not %s", i, buf_str(&text), cases[i].found);
	}
}

/* Another's table before ours: all that overlaps, where the rule is for all packets. */
static void rules(void **state)
{
	static const struct {
		const char *carried, *apart, *to, *dst;
		uint32_t priority;
		enum rtnl_rule_action action;
		bool selective;
		int suppress;
		const char *found;
	} cases[] = {
		{"10.20.2.0/24", "", "", "10.20.0.0/16", 5270, 0, false, -1,
			"10.20.2.0/24 by 10.20.0.0/16"},
		{"10.20.2.0/24 10.20.3.0/24", "", "", "0.0.0.0/0", 5270, 0, false, -1,
			"10.10.0.0/24 +2 by 0.0.0.0/0"},
		{"10.20.2.0/24", "", "", "0.0.0.0/0", 5270, 0, false, 0, ""},
		{"10.20.2.0/24", "", "", "0.0.0.0/0", 5270, 0, true, -1, ""},
		{"10.20.2.0/24", "", "10.30.0.0/16", "0.0.0.0/0", 5270, 0, false, -1, ""},
		{"10.20.2.0/24", "", "10.20.2.0/25", "10.20.2.0/24", 5270, 0, false, -1,
			"10.20.2.0/24 by 10.20.2.0/24"},
		/* Behind ours. */
		{"10.20.2.0/24", "10.20.2.0/24", "", "10.20.0.0/16", 32764, 0, false, -1, ""},
		{"10.20.2.0/24", "", "", "10.20.0.0/16", 32764, 0, false, -1,
			"10.20.2.0/24 by 10.20.0.0/16"},
		{"fd20::/48", "", "", "fd00::/8", 5270, 0, false, -1, "fd10::/64 +1 by fd00::/8"},
		/* Without a table. */
		{"10.20.2.0/24 10.20.3.0/24", "", "10.20.2.0/24", "192.0.2.0/24", 99,
			RTNL_RULE_UNREACHABLE, false, -1, "10.20.2.0/24 by rule 99"},
		{"10.20.2.0/24 10.20.3.0/24", "", "10.20.0.0/16", "192.0.2.0/24", 99,
			RTNL_RULE_BLACKHOLE, false, -1, "10.20.2.0/24 +1 by rule 99"},
		{"fd20::/48", "", "fd20:0:0:7::/64", "192.0.2.0/24", 99, RTNL_RULE_PROHIBIT, false,
			-1, "fd20::/48 by rule 99"},
		{"10.20.2.0/24", "", "10.20.2.0/24", "192.0.2.0/24", 99, RTNL_RULE_PROHIBIT, true,
			-1, ""},
		{"10.20.2.0/24", "", "10.30.0.0/16", "192.0.2.0/24", 99, RTNL_RULE_PROHIBIT, false,
			-1, ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool six = strchr(cases[i].carried, ':') != NULL;
		struct given g = {cases[i].carried, cases[i].apart, "", "",
			lookup(six ? AF_INET6 : AF_INET, cases[i].priority, 100)};
		struct rtnl_route r = {P(cases[i].dst), ETH, 100, 4};
		AUTO_BUF text = {0};

		if (cases[i].to[0])
			g.rule.to = P(cases[i].to);
		g.rule.action = cases[i].action;
		g.rule.selective = cases[i].selective;
		g.rule.suppress_prefixlen = cases[i].suppress;
		find(&g, &r, 1, &text);
		if (strcmp(buf_str(&text), cases[i].found))
			fail_msg("case %zu: %s and not %s", i, buf_str(&text), cases[i].found);
	}
}

/* An address of a subnet comes with the subnet's route. */
static void an_address_with_its_subnet(void **state)
{
	struct rtnl_route list[] = {{P("10.20.2.0/28"), ETH, 0, RTPROT_KERNEL},
		{P("10.20.2.2/32"), ETH, RT_TABLE_LOCAL, RTPROT_KERNEL, 0, RTN_LOCAL}};
	struct given g = {"10.20.2.0/24", "", "", "", {0}};
	AUTO_BUF text = {0};

	find(&g, list, 2, &text);
	assert_string_equal(buf_str(&text), "10.20.2.0/24 by 10.20.2.0/28");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),
		cmocka_unit_test(routes_of_an_engine),
		cmocka_unit_test(the_network_that_two_meet_in),
		cmocka_unit_test(rules),
		cmocka_unit_test(an_address_with_its_subnet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

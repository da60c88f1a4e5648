/* SPDX-License-Identifier: MIT */
/* Rules of sys/rtnl against the running kernel. */
#include "rtnl_fixture.h"

static const struct rtnl_rule *rule_at(
	const struct rtnl_rule *list, size_t n, uint32_t priority, int family)
{
	for (size_t i = 0; i < n; i++)
		if (list[i].priority == priority && list[i].family == family)
			return &list[i];
	fail_msg("no rule %u of %zu", priority, n);
	return NULL;
}

static void rules_of_everybody(void **state)
{
	static const int families[] = {AF_INET, AF_INET6};
	static const struct {
		const char *before, *after; /* the prefix stands between, if there is room */
		bool selective;
	} cases[] = {
		{"to ", " lookup 77", false},
		{"not fwmark 7 lookup 77", NULL, false},
		{"fwmark 7 lookup 77", NULL, true},
		{"not to ", " lookup 77", true},
		{"from ", " lookup 77", true},
		{"iif d0 lookup 77", NULL, true},
		{"oif d0 lookup 77", NULL, true},
		{"ipproto udp dport 5 lookup 77", NULL, true},
		{"to ", " unreachable", false},
		{"to ", " prohibit", false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases) * 2; i++) {
		int family = families[i % 2];
		const char *in = i % 2 ? "fd30::/64" : "10.30.0.0/24";
		AUTO_FREE struct rtnl_rule *list = NULL;
		const char *after = cases[i / 2].after;
		char command[160];
		const struct rtnl_rule *r;
		size_t n;

		snprintf(command, sizeof(command), "ip %s rule add priority 99 %s%s%s",
			i % 2 ? "-6" : "", cases[i / 2].before, after ? in : "",
			after ? after : "");
		run(command);
		assert_int_equal(rtnl_rule_list_all(rt, family, &list, &n), 0);
		r = rule_at(list, n, 99, family);
		assert_int_equal(r->selective, cases[i / 2].selective);
		assert_int_not_equal(r->protocol, RTNL_PROTO_SHUNT);
		assert_false(rule_at(list, n, 32766, family)->selective);
		assert_int_equal(list[0].table, RT_TABLE_LOCAL);
		run(i % 2 ? "ip -6 rule del priority 99" : "ip rule del priority 99");
	}
}

/* By where packets go to. */
static void rules_of_destinations(void **state)
{
	static const char *const prefixes[] = {"10.30.0.0/24", "fd30::/64"};

	for (size_t i = 0; i < 2; i++) {
		ip_prefix to = P(prefixes[i]);
		struct rtnl_rule rule = {.family = to.family,
			.table = 779,
			.suppress_prefixlen = -1,
			.priority = 98,
			.to = to};
		AUTO_FREE struct rtnl_rule *list = NULL;
		size_t n;

		for (int twice = 0; twice < 2; twice++)
			assert_int_equal(rtnl_rule_add(rt, &rule), 0);
		assert_int_equal(rtnl_rule_list(rt, to.family, &list, &n), 0);
		assert_int_equal(n, 1);
		assert_true(rtnl_rule_is(&list[0], &rule));
		rule.to.len--;
		assert_false(rtnl_rule_is(&list[0], &rule));
		rule.to.len++;
		assert_int_equal(rtnl_rule_del(rt, &rule), 0);
		assert_int_equal(rtnl_rule_del(rt, &rule), 0);
	}
}

static void rules(void **state)
{
	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET;
		struct rtnl_rule all = {family, 51820, true, 51820, -1, 0};
		struct rtnl_rule main_but_default = {family, 0, false, 254, 0, 0};
		AUTO_FREE struct rtnl_rule *list = NULL, *empty = NULL;
		size_t n;

		for (int j = 0; j < 2; j++) {
			assert_int_equal(rtnl_rule_add(rt, &all), 0);
			assert_int_equal(rtnl_rule_add(rt, &main_but_default), 0);
		}
		assert_int_equal(rtnl_rule_list(rt, family, &list, &n), 0);
		assert_int_equal(n, 2);
		/* The second asked for comes first: the kernel counts down. */
		assert_int_equal(list[0].suppress_prefixlen, 0);
		assert_int_equal(list[0].table, 254);
		assert_true(list[1].invert);
		assert_int_equal(list[1].fwmark, 51820);
		assert_int_equal(list[1].suppress_prefixlen, -1);
		assert_true(list[1].priority > list[0].priority);
		run(i ? "ip -6 rule | grep -q 'not from all fwmark 0xca6c lookup 51820 proto 213'"
		      : "ip rule | grep -q 'not from all fwmark 0xca6c lookup 51820 proto 213'");
		for (int j = 0; j < 2; j++) {
			assert_int_equal(rtnl_rule_del(rt, &all), 0);
			assert_int_equal(rtnl_rule_del(rt, &main_but_default), 0);
		}
		assert_int_equal(rtnl_rule_list(rt, family, &empty, &n), 0);
		assert_int_equal(n, 0);
	}
}

/* What may not enter by a device, with an exception that goes on behind it. */
static void rules_of_sources(void **state)
{
	for (int i = 0; i < 2; i++) {
		int family = i ? AF_INET6 : AF_INET;
		ip_prefix wide = P(i ? "fd30::/16" : "10.30.0.0/16");
		ip_prefix narrow = P(i ? "fd30:5::/32" : "10.30.5.0/24");
		struct rtnl_rule place = {
			family, .suppress_prefixlen = -1, .priority = 900, .action = RTNL_RULE_NOP};
		struct rtnl_rule past = {family, .suppress_prefixlen = -1, .priority = 700,
			.action = RTNL_RULE_GOTO, .target = 900, .from = narrow, .iif = "d0"};
		struct rtnl_rule drop = {family, .suppress_prefixlen = -1, .priority = 800,
			.action = RTNL_RULE_BLACKHOLE, .from = wide, .iif = "not-there"};
		struct rtnl_rule *all[] = {&past, &drop, &place};
		AUTO_FREE struct rtnl_rule *list = NULL, *fewer = NULL;
		struct rtnl_rule other = drop;
		size_t n;

		for (int j = 0; j < 6; j++)
			assert_int_equal(rtnl_rule_add(rt, all[j % 3]), 0);
		assert_int_equal(rtnl_rule_list(rt, family, &list, &n), 0);
		assert_int_equal(n, 3);
		for (int j = 0; j < 3; j++)
			assert_true(rtnl_rule_is(&list[j], all[j]));
		run(i ? "ip -6 rule | grep -q 'from fd30::/16 iif not-there .*blackhole proto 213'"
		      : "ip rule | grep -q 'from 10.30.0.0/16 iif not-there .*blackhole proto "
			"213'");
		run(i ? "ip -6 rule | grep -q 'from fd30:5::/32 iif d0 goto 900 proto 213'"
		      : "ip rule | grep -q 'from 10.30.5.0/24 iif d0 goto 900 proto 213'");
		/* Of another source or another interface: another rule. */
		snprintf(other.iif, sizeof(other.iif), "d0");
		assert_false(rtnl_rule_is(&list[1], &other));
		assert_int_equal(rtnl_rule_del(rt, &other), 0);
		other = drop;
		other.from = narrow;
		assert_false(rtnl_rule_is(&list[1], &other));
		assert_int_equal(rtnl_rule_del(rt, &other), 0);
		run(i ? "ip -6 rule | grep -c 'proto 213' | grep -qx 3"
		      : "ip rule | grep -c 'proto 213' | grep -qx 3");
		for (int j = 0; j < 6; j++)
			assert_int_equal(rtnl_rule_del(rt, all[j % 3]), 0);
		assert_int_equal(rtnl_rule_list(rt, family, &fewer, &n), 0);
		assert_int_equal(n, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_of_everybody),
		cmocka_unit_test(rules_of_destinations),
		cmocka_unit_test(rules),
		cmocka_unit_test(rules_of_sources),
	};

	return run_in_a_namespace("rtnl_rules", tests, ARRAY_SIZE(tests));
}

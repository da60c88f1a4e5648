/* SPDX-License-Identifier: MIT */
/*
 * A plan as JSON: one operation of every stage, as plan.golden has it, one line each. Who reads it
 * goes by these names, so a line there may get members and lose none.
 */
#include "fib/tell_json.h"

#include "../unit.h"
#include "base/secret.h"
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#define GOLDEN SHUNT_SOURCE_ROOT "/tests/unit/fib/plan.golden"
#define MARK 51820u
#define WG 5
#define SHARED (RIB_OWNER_SET_MARK + 100)

static const wg_key hub_a = {{1}}, hub_b = {{2}}, site = {{3}}, stranger = {{4}};
static const struct fib_home at_a = {{{1}}, 0}, at_b = {{{2}}, 0}, nowhere;

static ip_prefix prefix(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

static sock_addr endpoint(const char *text)
{
	ip_addr a;

	assert_true(ip_addr_parse(&a, text));
	return sock_addr_make(&a, 51820);
}

static void add_peers(struct device_state *wg, const wg_key *a, const wg_key *b)
{
	wg->n_peers = 2;
	wg->peers = secret_zalloc(2, sizeof(*wg->peers));
	wg->peers[0].key = *a;
	wg->peers[1].key = *b;
}

static void make_states(struct fib_state *is, struct fib_state *shall)
{
	struct fib_device was = {.name = "wg0", .ifindex = WG};
	struct fib_device will = {.name = "wg0", .ifindex = WG, .up = true, .mtu = 1420};
	struct fib_sysctl s = {.path = "net/ipv4/conf/all/src_valid_mark",
		.value = 1,
		.is_needed = true,
		.why = "answers must pass"};

	add_peers(&was.wg, &hub_a, &site);
	add_peers(&will.wg, &hub_a, &hub_b);
	will.wg.peers[0].keepalive = 25;
	will.wg.peers[1].has_psk = true;
	will.wg.peers[1].psk = (wg_key){{0x5e}};
	will.wg.peers[1].endpoint = endpoint("2001:db8::2");
	will.wg.listen_port = 51821;
	will.wg.fwmark = MARK;
	will.mark = (struct nft_mark){51821, MARK};
	vec_push(&is->devices, was);
	vec_push(&shall->devices, will);
	vec_push(&shall->sysctls, s);
	s.value = 0;
	vec_push(&is->sysctls, s);
}

static struct rtnl_route route(const char *dst, uint32_t table, uint8_t type)
{
	return (struct rtnl_route){.dst = prefix(dst),
		.table = table,
		.type = type,
		.protocol = RTNL_PROTO_SHUNT,
		.ifindex = type ? 0 : WG,
		.metric = type ? KERNEL_BACKSTOP_METRIC : 0};
}

static void add_kernel(struct fib_plan *p)
{
	static const struct {
		enum fib_stage stage;
		enum fib_reason reason;
		const char *dst;
		uint32_t table;
		uint8_t type;
	} routes[] = {
		{FIB_AT_ROUTE_PART, FIB_MOVES, "10.20.3.0/24", 0, 0},
		{FIB_AT_ROUTE_WITHDRAW, FIB_UNWANTED, "fd20:4::/48", 0, 0},
		{FIB_AT_ROUTE_ADD, FIB_MISSING, "::/0", MARK, 0},
		{FIB_AT_ROUTE_DEL, FIB_UNWANTED, "10.20.4.0/24", 0, RTN_UNREACHABLE},
	};
	struct rtnl_rule r = {.family = AF_INET6,
		.table = RT_TABLE_MAIN,
		.suppress_prefixlen = 63,
		.priority = KERNEL_PRIORITY_OVERLAY,
		.to = prefix("fd09::/64")};

	for (size_t i = 0; i < ARRAY_SIZE(routes); i++) {
		struct rtnl_route x = route(routes[i].dst, routes[i].table, routes[i].type);

		fib_plan_route(p, routes[i].stage, routes[i].reason, "wg0", &x);
	}
	fib_plan_add(p, FIB_AT_RULE_DEL, FIB_UNWANTED, "wg0")->u.rule = r;
	r = (struct rtnl_rule){.family = AF_INET,
		.fwmark = MARK,
		.invert = true,
		.table = MARK,
		.suppress_prefixlen = -1,
		.priority = KERNEL_PRIORITY_MARK};
	fib_plan_add(p, FIB_AT_RULE_ADD, FIB_MISSING, "wg0")->u.rule = r;
}

/* The first yields to its cover, the second is new. */
static void add_sets(struct fib_plan *p)
{
	struct device_owner owners[2] = {{hub_b, 0, 100, true}, {site, 1, 0, false}};
	struct fib_home shared = fib_home_set(SHARED), shadow = fib_home_set(SHARED + 1);
	ip_prefix taken = prefix("10.30.1.0/24"), covered = prefix("fd30:1::/48");

	fib_plan_level(p, "wg0", &hub_a, DEVICE_LAST_RESORT);
	fib_plan_owners(p, FIB_DIFFERS, "wg0", SHARED - 2, &owners[1], 1);
	fib_plan_owners(p, FIB_MISSING, "wg0", SHARED, owners, 2);
	fib_plan_owner(p, "wg0", &taken, &at_a, &shared);
	fib_plan_owner(p, "wg0", &covered, &shared, &shadow);
	fib_plan_owner(p, "wg0", &taken, &shared, &nowhere);
	fib_plan_owners_gone(p, "wg0", SHARED - 4);
}

static void make_plan(struct fib_plan *p)
{
	ip_prefix moved = prefix("10.20.2.0/24"), gone = prefix("fd20:4::/48");
	ip_prefix fresh = prefix("fd20:2::/48");
	sock_addr to = endpoint("192.0.2.1");
	struct fib_op *op = fib_plan_add(p, FIB_AT_SYSCTL, FIB_DIFFERS, "");

	strcpy(op->u.sysctl, "net/ipv4/conf/all/src_valid_mark");
	fib_plan_add(p, FIB_AT_LINK, FIB_DIFFERS, "wg0");
	fib_plan_add(p, FIB_AT_ADDRESS_ADD, FIB_MISSING, "wg0")->u.address = prefix("fd09::1/64");
	fib_plan_add(p, FIB_AT_ADDRESS_DEL, FIB_UNWANTED, "wg0")->u.address = prefix("10.8.0.1/24");
	add_kernel(p);
	op = fib_plan_add(p, FIB_AT_DEVICE, FIB_DIFFERS, "wg0");
	op->u.settings.key = op->u.settings.port = op->u.settings.fwmark = true;
	op = fib_plan_add(p, FIB_AT_UNMARK, FIB_UNWANTED, "wg0");
	op->u.settings.key = op->u.settings.port = false;
	op->u.settings.fwmark = true;
	fib_plan_add(p, FIB_AT_PEER_SET, FIB_MISSING, "wg0")->u.peer.key = hub_b;
	fib_plan_add(p, FIB_AT_PEER_SET, FIB_DIFFERS, "wg0")->u.peer.key = hub_a;
	fib_plan_endpoint(p, FIB_MISSING, "wg0", &hub_a, &to);
	fib_plan_owner(p, "wg0", &moved, &at_a, &at_b);
	fib_plan_owner(p, "wg0", &fresh, &nowhere, &at_b);
	fib_plan_owner(p, "wg0", &gone, &at_a, &nowhere);
	add_sets(p);
	fib_plan_add(p, FIB_AT_PEER_DEL, FIB_UNWANTED, "wg0")->u.peer.key = site;
	fib_plan_add(p, FIB_AT_MARK, FIB_DIFFERS, "wg0");
	vec_push(&p->conflicts,
		((struct fib_conflict){prefix("10.20.5.0/24"), fib_home_peer(&stranger)}));
	vec_push(&p->conflicts, ((struct fib_conflict){prefix("fd20:5::/48"), fib_home_set(7)}));
	vec_push(&p->leftover, route("10.20.6.0/24", 0, 0));
	fib_plan_order(p);
}

static const char *name_of(const wg_key *key, void *data)
{
	return wg_key_eq(key, &hub_a) ? "hub-a" : wg_key_eq(key, &hub_b) ? "hub-b" : "site-1";
}

static void add_lines(struct buf *to, const char *what, const json_t *list)
{
	size_t i;
	json_t *x;

	json_array_foreach(list, i, x)
	{
		AUTO_FREE char *line = json_dumps(x, JSON_COMPACT);

		buf_printf(to, "%s %s\n", what, line);
	}
}

static void read_golden(struct buf *ret)
{
	FILE *f = fopen(GOLDEN, "r");
	size_t n;

	assert_non_null(f);
	while ((n = fread(buf_room(ret, 4096), 1, 4096, f)))
		ret->n += n;
	fclose(f);
}

static void a_plan_as_json(void **state)
{
	struct fib_state is = {0}, shall = {0};
	struct fib_plan plan = {0};
	struct fib_teller teller = {.name = name_of};
	AUTO_BUF got = {0}, golden = {0};
	json_t *told;

	make_states(&is, &shall);
	make_plan(&plan);
	told = fib_tell_json(&plan, &is, &shall, &teller);
	assert_int_equal(json_object_size(told), 3);
	add_lines(&got, "operation", json_object_get(told, "operations"));
	add_lines(&got, "conflict", json_object_get(told, "conflicts"));
	add_lines(&got, "leftover", json_object_get(told, "leftovers"));
	read_golden(&golden);
	if (strcmp(buf_str(&got), buf_str(&golden)) != 0) {
		fprintf(stderr, "%s", buf_str(&got)); /* too long for a message */
		fail_msg("plan.golden has something else");
	}
	json_decref(told);
	fib_plan_done(&plan);
	fib_state_done(&is);
	fib_state_done(&shall);
}

/* A plan of one event, of which nothing is known but its operations. */
static void without_states(void **state)
{
	struct fib_state none = {0};
	struct fib_plan plan = {0};
	struct fib_teller teller = {.name = name_of};
	json_t *told, *op;

	make_plan(&plan);
	told = fib_tell_json(&plan, &none, &none, &teller);
	assert_int_equal(json_array_size(json_object_get(told, "operations")), plan.ops.n);
	op = json_array_get(json_object_get(told, "operations"), 0);
	assert_true(json_is_null(json_object_get(op, "was")));
	json_decref(told);
	fib_plan_done(&plan);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plan_as_json),
		cmocka_unit_test(without_states),
	};

	return cmocka_run_group_tests_name("tell", tests, NULL, NULL);
}

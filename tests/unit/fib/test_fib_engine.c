/* SPDX-License-Identifier: MIT */
/*
 * What stands in the kernel of a node with a routing engine, and every way from one layout to
 * another, done one operation after another: no packet of the mesh is refused or leaves in clear
 * that goes into the device before and after, also where a daemon is killed in between.
 */
#include "fib_engine_world.h"

#include "base/buf.h"
#include "fib/tell.h"

enum engine { NONE, BIRD, FRR, N_ENGINES };

#define N_PEERS 2

/* A layout. */
struct layout {
	enum engine engine;
	bool lives[N_PEERS];
	bool carries; /* the inventory has a network of each family */
	bool no_rules;
};

static const char *const own[] = {"10.10.0.11", "fd10::11"};
static const char *const peers[][2] = {{"10.10.0.1", "fd10::1"}, {"10.10.0.2", "fd10::2"}};
static const char *const networks[] = {"10.20.2.0/24", "fd20:2::/48"};
static const char *const guards[] = {"10.20.0.0/16", "10.40.0.0/16", "fd20::/16"};

/* What is made of one. */
struct made {
	struct want_prefix carried[2];
	ip_prefix overlays[2], guarded[3];
	ip_addr sources[2];
	struct want_signal signals[2 * N_PEERS];
	struct want_facts facts;
	struct fib_state shall;
	struct fib_ours ours;
};

/* --- what is ours --- */

static bool any_prefix(const ip_prefix *p, void *data)
{
	return true;
}

static bool is_carried(const ip_prefix *p, void *data)
{
	return want_carried(&((const struct made *)data)->facts, p);
}

/* --- a layout, made --- */

static void add_addresses(const struct layout *l, struct fib_device *d)
{
	static const unsigned short_len[] = {24, 64};

	for (size_t i = 0; i < ARRAY_SIZE(own); i++) {
		ip_addr a = A(own[i]);
		ip_prefix p = ip_prefix_host(&a);

		if (l->engine == NONE)
			p.len = (uint8_t)short_len[i];
		vec_push(&d->addresses, p);
	}
	if (l->engine != NONE)
		vec_push(&d->addresses, P("fe80::11/64"));
}

static void make(const struct layout *l, struct made *m)
{
	struct fib_device d = {
		.name = "wg0", .ifindex = WG, .up = true, .makes_link_local = l->engine == NONE};

	*m = (struct made){.overlays = {P("10.10.0.0/24"), P("fd10::/64")}};
	for (size_t i = 0; i < 2; i++) {
		m->carried[i] = (struct want_prefix){P(networks[i]), true, false, false};
		m->sources[i] = A(own[i]);
	}
	for (size_t i = 0; i < ARRAY_SIZE(guards); i++)
		m->guarded[i] = P(guards[i]);
	for (size_t i = 0; i < N_PEERS * 2; i++)
		m->signals[i] = (struct want_signal){A(peers[i / 2][i % 2]), l->lives[i / 2]};
	m->facts = (struct want_facts){
		.carried = m->carried,
		.n_carried = l->carries ? 2 : 0,
		.overlays = m->overlays,
		.n_overlays = 2,
		.sources = m->sources,
		.overlay_table = OVERLAY_TABLE,
		.signal_table = SIGNAL_TABLE,
		.has_engine = l->engine != NONE,
		.is_bird = l->engine == BIRD,
		.no_rules = {l->no_rules, l->no_rules},
		.guarded = m->guarded,
		.n_guarded = l->engine != NONE ? ARRAY_SIZE(guards) : 0,
		.signals = m->signals,
		.n_signals = l->engine != NONE ? 2 * N_PEERS : 0,
		.ifindex = WG,
		.ifname = "wg0",
	};
	add_addresses(l, &d);
	vec_push(&m->shall.devices, d);
	want_routes(&m->facts, &m->shall.routes);
	want_rules(&m->facts, &m->shall.rules);
	m->ours = (struct fib_ours){
		.facts = &m->facts,
		.has_address = any_prefix,
		.has_backstop = any_prefix,
		.has_prefix = any_prefix,
		.is_carried = is_carried,
		.data = m,
	};
}

/* --- as it stands --- */

static void say_route(struct buf *out, const struct rtnl_route *r)
{
	char text[IP_PREFIX_STRLEN];

	buf_printf(out, "%s%s", r->type ? "no " : "", ip_prefix_format(&r->dst, text));
	if (r->via.family)
		buf_printf(out, " via %s", ip_addr_format(&r->via, text));
	if (r->src.family)
		buf_printf(out, " src %s", ip_addr_format(&r->src, text));
	if (r->table)
		buf_printf(out, " %s", r->table == OVERLAY_TABLE ? "own" : "signal");
	if (!r->type && r->metric)
		buf_printf(out, " at %x", r->metric);
	buf_putc(out, '\n');
	assert_int_equal(r->protocol, RTNL_PROTO_SHUNT);
	assert_int_equal(r->type, r->metric == UINT32_MAX ? RTN_UNREACHABLE : 0);
}

static void routes(void **state)
{
	static const struct {
		struct layout l;
		const char *routes;
	} cases[] = {
		{{FRR, {true, false}, true, false},
			"no 10.10.0.0/24\n10.10.0.0/24 src 10.10.0.11 own\n"
			"no 10.10.0.0/24 own\n10.10.0.1/32\n"
			"10.20.0.0/16 at ff000000\nno 10.20.0.0/16\n10.20.2.0/24 at ff000000\n"
			"10.40.0.0/16 at ff000000\nno 10.40.0.0/16\n"
			"no fd10::/64\nfd10::/64 own\nno fd10::/64 own\nfd10::1/128\n"
			"fd20::/16 at ff000000\nno fd20::/16\nfd20:2::/48 at ff000000\n"},
		{{BIRD, {false, true}, false, false},
			"no 10.10.0.0/24\n10.10.0.0/24 src 10.10.0.11 own\n"
			"no 10.10.0.0/24 own\n10.10.0.2/32 via 10.10.0.2 signal\n"
			"10.20.0.0/16 at ff000000\nno 10.20.0.0/16\n"
			"10.40.0.0/16 at ff000000\nno 10.40.0.0/16\n"
			"no fd10::/64\nfd10::/64 own\nno fd10::/64 own\nfd10::2/128\nfd10::2/128 "
			"via fd10::2 "
			"signal\n"
			"fd20::/16 at ff000000\nno fd20::/16\n"},
		/* One table for all: what the rule would lead to has to give way to others there.
		 */
		{{BIRD, {true, false}, false, true},
			"10.10.0.0/24 src 10.10.0.11 at ff000000\nno 10.10.0.0/24\n"
			"10.20.0.0/16 at ff000000\nno 10.20.0.0/16\n"
			"10.40.0.0/16 at ff000000\nno 10.40.0.0/16\n"
			"fd10::/64 at ff000000\nno fd10::/64\n"
			"fd10::1/128\nfd20::/16 at ff000000\nno fd20::/16\n"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_BUF text = {0};
		struct made m;

		make(&cases[i].l, &m);
		for (size_t k = 0; k < m.shall.routes.n; k++)
			say_route(&text, &m.shall.routes.items[k]);
		assert_string_equal(buf_str(&text), cases[i].routes);
		assert_int_equal(m.shall.rules.n, 2);
		for (size_t k = 0; k < 2; k++) {
			const struct rtnl_rule *r = &m.shall.rules.items[k];

			assert_int_equal(r->priority, KERNEL_PRIORITY_OVERLAY);
			assert_int_equal(r->table, OVERLAY_TABLE);
			assert_int_equal(r->suppress_prefixlen, -1);
		}
		fib_state_done(&m.shall);
	}
}

/* What an engine alone tells of has no route of ours; a default route of its stands apart. */
static void what_an_engine_tells_of(void **state)
{
	struct layout l = {FRR, {true, true}, true, false};
	prefix_vec none = {0}, apart = {0};
	ip_addr endpoint = A("10.40.0.1");
	route_vec got = {0};
	struct made m;

	make(&l, &m);
	m.carried[0].engines = m.carried[1].engines = true;
	m.carried[0].route = m.carried[1].route = false;
	want_routes(&m.facts, &got);
	for (size_t i = 0; i < got.n; i++)
		for (size_t k = 0; k < ARRAY_SIZE(networks); k++) {
			ip_prefix p = P(networks[k]);

			assert_false(ip_prefix_eq(&got.items[i].dst, &p));
		}
	/* An endpoint within what others may announce: what refuses that stands apart. */
	want_apart(&m.facts, &endpoint, 1, &none, &apart);
	assert_int_equal(apart.n, 1);
	assert_true(ip_prefix_eq(&apart.items[0], &m.guarded[1]));
	vec_done(&apart);
	vec_done(&got);
	fib_state_done(&m.shall);
}

/* --- from one to another --- */

#define N_TARGETS (2 * N_PEERS + 2)

static ip_addr target(size_t i)
{
	ip_prefix network;

	if (i < 2 * N_PEERS)
		return A(peers[i / 2][i % 2]);
	network = P(networks[i - 2 * N_PEERS]);
	return ip_prefix_addr(&network);
}

static void all_fates(enum fate ret[N_TARGETS])
{
	for (size_t i = 0; i < N_TARGETS; i++) {
		ip_addr a = target(i);

		ret[i] = fate_of(&a);
	}
}

struct change {
	enum fate was[N_TARGETS], will[N_TARGETS];
	bool had[2];
};

static void check(const struct change *c)
{
	enum fate now[N_TARGETS];

	all_fates(now);
	for (size_t i = 0; i < N_TARGETS; i++) {
		ip_addr a = target(i);
		char text[IP_ADDR_STRLEN];

		if (c->was[i] == INTO && c->will[i] == INTO && now[i] != INTO)
			fail_msg("%s has no way for a moment", ip_addr_format(&a, text));
		if (c->was[i] != CLEAR && c->will[i] != CLEAR && now[i] == CLEAR)
			fail_msg("%s leaves in clear", ip_addr_format(&a, text));
	}
	for (size_t i = 0; i < 2; i++) {
		ip_addr a = A(own[i]);

		assert_true(!c->had[i] || has_addr(&a));
	}
}

static void do_ops(
	struct fib_plan *p, struct made *m, struct fib_state *is, size_t n, const struct change *c)
{
	fib_failures failures = {0};

	for (size_t i = 0; i < n && i < p->ops.n; i++) {
		struct fib_plan one = {0};

		vec_push(&one.ops, p->ops.items[i]);
		assert_int_equal(fib_do(&world_io, &one, &m->shall, is, &failures), 0);
		assert_int_equal(failures.n, 0);
		if (c)
			check(c);
		vec_done(&one.ops);
	}
	vec_done(&failures);
}

/* Returns how many operations it took; a daemon is killed after so many of them, and another one
 * goes on. */
static size_t go_to(struct made *m, size_t killed_after, const struct change *c)
{
	struct fib_state is = {0};
	struct fib_plan plan = {0}, rest = {0}, again = {0};
	size_t n;

	world_look(&is);
	fib_plan_make(&is, &m->shall, &m->ours, &plan);
	n = plan.ops.n;
	do_ops(&plan, m, &is, killed_after, c);
	if (killed_after < n) {
		world_look(&is);
		fib_plan_make(&is, &m->shall, &m->ours, &rest);
		do_ops(&rest, m, &is, SIZE_MAX, c);
	}
	/* The mirror is what is, and there is nothing left to do. */
	fib_plan_make(&is, &m->shall, &m->ours, &again);
	assert_int_equal(again.ops.n, 0);
	world_look(&is);
	fib_plan_make(&is, &m->shall, &m->ours, &again);
	assert_int_equal(again.ops.n, 0);
	fib_plan_done(&plan);
	fib_plan_done(&rest);
	fib_plan_done(&again);
	fib_state_done(&is);
	return n;
}

static struct layout layout_of(unsigned number)
{
	return (struct layout){.engine = number % N_ENGINES,
		.lives = {number / N_ENGINES & 1, number / N_ENGINES & 2},
		.carries = number / N_ENGINES & 4};
}

#define N_LAYOUTS (N_ENGINES * 8)

/* How it is with the layout from the start. */
static void fates_in(const struct layout *l, enum fate ret[N_TARGETS])
{
	struct kernel k;
	struct made m;

	world_begin(&k);
	make(l, &m);
	go_to(&m, SIZE_MAX, NULL);
	all_fates(ret);
	for (size_t i = 0; i < 2 * N_PEERS; i++) /* whoever is dead */
		assert_int_equal(ret[i], INTO);
	fib_state_done(&m.shall);
	world_end(&k);
}

static enum fate fates[N_LAYOUTS][N_TARGETS];

static size_t change_between(unsigned before, unsigned after, size_t killed_after)
{
	struct layout from = layout_of(before), to = layout_of(after);
	struct change c = {.had = {true, false}}; /* an IPv6 one turns in two requests */
	struct made old, fresh;
	struct kernel k;
	size_t n;

	memcpy(c.was, fates[before], sizeof(c.was));
	memcpy(c.will, fates[after], sizeof(c.will));
	world_begin(&k);
	make(&from, &old);
	go_to(&old, SIZE_MAX, NULL);
	make(&to, &fresh);
	n = go_to(&fresh, killed_after, &c);
	assert_int_equal(world->makes_link_local, from.engine == NONE && to.engine == NONE);
	fib_state_done(&old.shall);
	fib_state_done(&fresh.shall);
	world_end(&k);
	return n;
}

/* Every other one, for want of time: of each kind of layout to each. */
static void from_one_to_another(void **state)
{
	for (unsigned i = 0; i < N_LAYOUTS; i++) {
		struct layout l = layout_of(i);

		fates_in(&l, fates[i]);
	}
	for (unsigned from = 0; from < N_LAYOUTS; from++)
		for (unsigned to = from / 2 % 2; to < N_LAYOUTS; to += 2) {
			size_t n = change_between(from, to, SIZE_MAX);

			for (size_t k = 0; k < n && (7 * from + to) % 41 == 0; k++)
				change_between(from, to, k);
		}
}

/* From the first address on, and whoever is killed meanwhile, nothing leaves in clear that shall
 * not in the end: a peer that is answered, and an engine that has started already. */
static void a_bare_device_comes_up(void **state)
{
	for (unsigned number = 0; number < N_LAYOUTS; number++) {
		struct layout l = layout_of(number);
		struct fib_state is = {0};
		struct fib_plan plan = {0};
		fib_failures failures = {0};
		struct kernel k;
		struct made m;

		if (l.engine == NONE)
			continue;
		world_begin(&k);
		make(&l, &m);
		world_look(&is);
		fib_plan_make(&is, &m.shall, &m.ours, &plan);
		for (size_t i = 0; i < plan.ops.n; i++) {
			struct fib_plan one = {0};

			vec_push(&one.ops, plan.ops.items[i]);
			assert_int_equal(fib_do(&world_io, &one, &m.shall, &is, &failures), 0);
			for (size_t t = 0; k.addresses.n && t < N_TARGETS; t++) {
				ip_addr a = target(t);

				assert_true(fates[number][t] == CLEAR || fate_of(&a) != CLEAR);
			}
			vec_done(&one.ops);
		}
		vec_done(&failures);
		fib_plan_done(&plan);
		fib_state_done(&is);
		fib_state_done(&m.shall);
		world_end(&k);
	}
}

/* The device goes with its addresses and routes; what refuses stays, and nothing leaves in clear.
 */
static void the_device_goes(void **state)
{
	for (unsigned number = 0; number < N_LAYOUTS; number++) {
		struct layout l = layout_of(number);
		enum fate now[N_TARGETS];
		struct kernel k;
		struct made m;

		if (l.engine == NONE)
			continue;
		world_begin(&k);
		make(&l, &m);
		go_to(&m, SIZE_MAX, NULL);
		for (size_t i = k.routes.n; i-- > 0;)
			if (k.routes.items[i].ifindex == WG)
				drop_route(i);
		all_fates(now);
		for (size_t i = 0; i < N_TARGETS; i++)
			assert_int_equal(now[i], REFUSED);
		fib_state_done(&m.shall);
		world_end(&k);
	}
}

/* Until they are back packets may be refused, and none leaves in clear. */
static void rules_are_flushed(void **state)
{
	for (unsigned number = 0; number < N_LAYOUTS; number++) {
		struct layout l = layout_of(number);
		enum fate now[N_TARGETS];
		struct kernel k;
		struct made m;

		if (l.engine == NONE)
			continue;
		world_begin(&k);
		make(&l, &m);
		go_to(&m, SIZE_MAX, NULL);
		k.rules.n = 0;
		all_fates(now);
		for (size_t i = 0; i < N_TARGETS; i++)
			assert_int_not_equal(now[i], CLEAR);
		fib_state_done(&m.shall);
		world_end(&k);
	}
}

/* What couldn't be had is said, once for the kind of kernel that hasn't it. */
static void what_fails_is_told(void **state)
{
	struct fib_op op = {.type = FIB_RULE_ADD, .device = "wg0"};
	char *fix, *what;

	op.u.rule = (struct rtnl_rule){.family = AF_INET,
		.table = OVERLAY_TABLE,
		.suppress_prefixlen = -1,
		.priority = KERNEL_PRIORITY_OVERLAY,
		.to = P("10.10.0.0/24")};
	what = fib_tell_failure(&op, -EAFNOSUPPORT, NULL, &fix);
	assert_non_null(strstr(what, "the rule that leads 10.10.0.0/24 into wg0"));
	free(what);
	op.u.rule.family = AF_INET6; /* it has no packets, either */
	assert_null(fib_tell_failure(&op, -EAFNOSUPPORT, NULL, &fix));
	op = (struct fib_op){.type = FIB_ADDRESS_ADD, .u.address = P("fe80::11/64")};
	assert_null(fib_tell_failure(&op, -EACCES, NULL, &fix));
	what = fib_tell_failure(&op, -EEXIST, NULL, &fix);
	assert_non_null(strstr(what, "fe80::11/64"));
	free(what);
}

/* What is taken down is all that would stay. */
static void it_is_taken_down(void **state)
{
	struct layout l = {BIRD, {true, true}, true, false};
	struct fib_state is = {0};
	fib_failures failures = {0};
	struct fib_plan plan = {0};
	struct kernel k;
	struct made m;

	world_begin(&k);
	make(&l, &m);
	go_to(&m, SIZE_MAX, NULL);
	world_look(&is);
	fib_plan_removal(&is, &m.ours, &plan);
	/* As of a generation that has none of it any more. */
	m.facts.n_carried = m.facts.n_guarded = m.facts.n_signals = 0;
	assert_int_equal(fib_do(&world_io, &plan, NULL, &is, &failures), 0);
	for (size_t i = 0; i < k.routes.n; i++)
		assert_true(!k.routes.items[i].type);
	assert_int_equal(k.rules.n, 0);
	vec_done(&failures);
	fib_plan_done(&plan);
	fib_state_done(&is);
	fib_state_done(&m.shall);
	world_end(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(routes),
		cmocka_unit_test(what_an_engine_tells_of),
		cmocka_unit_test(from_one_to_another),
		cmocka_unit_test(a_bare_device_comes_up),
		cmocka_unit_test(the_device_goes),
		cmocka_unit_test(rules_are_flushed),
		cmocka_unit_test(what_fails_is_told),
		cmocka_unit_test(it_is_taken_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

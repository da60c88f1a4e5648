/* SPDX-License-Identifier: MIT */
/*
 * The order of a plan, tried out: every way from what two prefixes may be to what they may become,
 * done one operation after another, and after each one it is asked whether there is a hole. A
 * daemon that is killed there goes on from there with a plan made anew, without one, too.
 *
 * That this finds a wrong order is shown by trying some (orders_that_are_wrong).
 */
#include "fib_model.h"

enum { A = 0, B = 1, OLD = 4, FOREIGN = 6 }; /* peers; A and B shall be, OLD was ours */
enum way { NO_WAY, IN_MAIN, APART };

/* What one prefix is, or shall be. */
struct case_of {
	int owner;
	bool carried;
	enum way way;
};

static const struct case_of befores[] = {
	{NOBODY, false, NO_WAY},
	{A, true, NO_WAY}, /* half done */
	{NOBODY, true, IN_MAIN},
	{A, true, IN_MAIN},
	{B, true, IN_MAIN},
	{OLD, true, IN_MAIN},
	{FOREIGN, true, IN_MAIN},
	{A, true, APART},
	{B, true, APART},
	{FOREIGN, true, APART},
};
static const struct case_of afters[] = {
	{NOBODY, false, NO_WAY},
	{NOBODY, true, NO_WAY}, /* released */
	{NOBODY, true, IN_MAIN},
	{A, true, IN_MAIN},
	{B, true, IN_MAIN},
	{A, true, APART},
	{B, true, APART},
};

static const char *const pairs[][2] = {
	{"0.0.0.0/0", "10.1.0.0/16"},
	{"10.1.0.0/16", "10.2.0.0/16"},
	{"10.1.0.0/16", "fd01::/32"},
	{"fd01::/32", "fd01:1::/48"},
};

#define N 2 /* prefixes */

/* One case. */
struct story {
	const struct case_of *before[N], *after[N];
	bool marked; /* the device has the mark, and the rules are there */
	bool fresh;  /* B isn't there unless it owns something */
	bool gone;   /* the device was made anew: no owners, no routes into it, no mark */
	struct model then, now;
	prefix_vec apart_then, apart_now;
	struct want_prefix carried_then[N], carried_now[N];
	struct want_facts facts;
	struct fib_state shall;
	struct fib_ours ours;
	bool was_new[N]; /* its owner is the new one */
	const char *fault;
};

static const uint32_t marks[] = {MARK};

/* --- what is ours -------------------------------------------------------------------------------
 */

static bool ours_peer(const wg_key *key, void *data)
{
	return index_of(key) != FOREIGN;
}

static bool ours_any(const ip_prefix *p, void *data)
{
	return true;
}

static bool carried_now(const ip_prefix *p, void *data)
{
	return want_carried(&((const struct story *)data)->facts, p);
}

/* --- before and after ---------------------------------------------------------------------------
 */

static struct want_facts facts_of(
	const struct case_of *const c[N], struct want_prefix *carried, prefix_vec *apart)
{
	struct want_facts f = {
		.carried = carried, .overlay_table = 7, .ifindex = WG, .ifname = "wg0"};

	for (int j = 0; j < N; j++) {
		if (!c[j]->carried)
			continue;
		carried[f.n_carried++] =
			(struct want_prefix){prefixes[j], c[j]->way != NO_WAY, c[j]->way == NO_WAY};
		if (c[j]->way == APART)
			vec_push(apart, prefixes[j]);
	}
	f.apart = apart->items;
	f.n_apart = apart->n;
	f.mark = apart->n ? MARK : 0;
	return f;
}

static int owner_before(const struct story *s, int j)
{
	return s->gone ? NOBODY : s->before[j]->owner;
}

static void remove_ways(route_vec *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->n; i++)
		if (v->items[i].type)
			v->items[n++] = v->items[i];
	v->n = n;
}

static void make_before(struct story *s)
{
	struct want_facts f = facts_of(s->before, s->carried_then, &s->apart_then);
	struct model *m = &s->then;

	m->has[A] = m->has[OLD] = m->has[FOREIGN] = true;
	m->has[B] = !s->fresh;
	m->up = true;
	m->mtu = 1420;
	for (int j = 0; j < N_PREFIXES; j++)
		m->owner[j] = NOBODY;
	for (int j = 0; j < N; j++) {
		m->owner[j] = owner_before(s, j);
		m->has[B] |= m->owner[j] == B;
	}
	want_routes(&f, &m->routes);
	if (s->gone)
		remove_ways(&m->routes);
	if (s->marked) {
		f.mark = MARK;
		m->fwmark = s->gone ? 0 : MARK;
		want_rules(&f, &m->rules);
	}
}

static void make_peer(const struct story *s, int peer, struct device_peer *ret)
{
	*ret = (struct device_peer){.key = keys[peer]};
	ret->allowed = mem_zalloc(N, sizeof(*ret->allowed));
	for (int j = 0; j < N; j++)
		if (s->after[j]->owner == peer)
			ret->allowed[ret->n_allowed++] = prefixes[j];
}

static void make_after(struct story *s)
{
	struct fib_device d = {.name = "wg0", .ifindex = WG, .up = true, .mtu = 1420};

	s->facts = facts_of(s->after, s->carried_now, &s->apart_now);
	d.wg.fwmark = s->facts.mark;
	d.leave_fwmark = !s->facts.mark && !s->marked;
	d.mark.mark = s->facts.mark;
	d.wg.n_peers = 2;
	d.wg.peers = secret_zalloc(2, sizeof(*d.wg.peers));
	make_peer(s, A, &d.wg.peers[0]);
	make_peer(s, B, &d.wg.peers[1]);
	qsort(d.wg.peers, 2, sizeof(*d.wg.peers), by_key);
	want_routes(&s->facts, &s->shall.routes);
	want_rules(&s->facts, &s->shall.rules);
	vec_push(&s->shall.devices, d);
	s->ours = (struct fib_ours){
		.facts = &s->facts,
		.marks = marks,
		.n_marks = 1,
		.has_peer = ours_peer,
		.has_address = ours_any,
		.has_backstop = ours_any,
		.has_prefix = ours_any,
		.is_carried = carried_now,
		.data = s,
	};
}

static void story_begin(struct story *s)
{
	make_before(s);
	make_after(s);
	s->now = copy_of(&s->then);
	world = &s->now;
}

static void story_end(struct story *s)
{
	fib_state_done(&s->shall);
	vec_done(&s->apart_then);
	vec_done(&s->apart_now);
	model_done(&s->then);
	model_done(&s->now);
}

/* --- no hole ------------------------------------------------------------------------------------
 */

/* What a foreign peer has it keeps. */
static int owner_after(const struct story *s, int j)
{
	return owner_before(s, j) == FOREIGN ? FOREIGN : s->after[j]->owner;
}

enum fate { CLEAR, REFUSED, INTO }; /* of an unmarked packet */

/* By the longest route of a table that holds the prefix, longer than min. */
static bool look_in(const route_vec *routes, uint32_t table, int j, int min, enum fate *ret)
{
	const struct rtnl_route *best = NULL;

	for (size_t i = 0; i < routes->n; i++) {
		const struct rtnl_route *r = &routes->items[i];

		if (r->table != table || r->dst.len <= min ||
			!ip_prefix_contains(&r->dst, &prefixes[j]))
			continue;
		if (!best || r->dst.len > best->dst.len ||
			(r->dst.len == best->dst.len && r->metric < best->metric))
			best = r;
	}
	if (best)
		*ret = best->type ? REFUSED : INTO;
	return best;
}

static bool has_rule(const rule_vec *rules, uint32_t priority, int family)
{
	for (size_t i = 0; i < rules->n; i++)
		if (rules->items[i].priority == priority && rules->items[i].family == family)
			return true;
	return false;
}

static enum fate fate_of(const route_vec *routes, const rule_vec *rules, int j)
{
	int family = prefixes[j].family;
	enum fate f = CLEAR;

	if (has_rule(rules, KERNEL_PRIORITY_SPECIFIC, family) && look_in(routes, 0, j, 0, &f))
		return f;
	if (has_rule(rules, KERNEL_PRIORITY_MARK, family) && look_in(routes, MARK, j, -1, &f))
		return f;
	look_in(routes, 0, j, -1, &f);
	return f;
}

static int owner_of(int own, int other, int j)
{
	return own == NOBODY && ip_prefix_contains(&prefixes[1 - j], &prefixes[j]) ? other : own;
}

/* The tunnel's own packets must pass by the table that is asked for all others. */
static bool own_packets_are_caught(const struct model *m)
{
	for (size_t i = 0; i < m->routes.n; i++)
		if (!m->routes.items[i].type && m->routes.items[i].table == MARK &&
			has_rule(&m->rules, KERNEL_PRIORITY_MARK, m->routes.items[i].dst.family) &&
			m->fwmark != MARK)
			return true;
	return false;
}

static void fault(struct story *s, const char *what)
{
	s->fault = s->fault ? s->fault : what;
}

static void check_owner(struct story *s, int j)
{
	int was = owner_before(s, j), now = world->owner[j], will = owner_after(s, j);

	if (now != was && now != will)
		fault(s, "an owner that it neither had nor shall have");
	if (s->was_new[j] && now != will)
		fault(s, "back to the old owner");
	s->was_new[j] |= was != will && now == will;
}

/* Its part comes by the mark, for which it stays. */
static bool stays_for_part(const struct story *s, int j)
{
	return s->after[1 - j]->way == APART && ip_prefix_contains(&prefixes[j], &prefixes[1 - j]);
}

static void check_way(struct story *s, int j)
{
	enum fate was = fate_of(&s->then.routes, &s->then.rules, j);
	enum fate now = fate_of(&world->routes, &world->rules, j);
	enum fate will = fate_of(&s->shall.routes, &s->shall.rules, j);
	int had = owner_of(owner_before(s, j), owner_before(s, 1 - j), j);
	int has = owner_of(world->owner[j], world->owner[1 - j], j);
	int shall = owner_of(owner_after(s, j), owner_after(s, 1 - j), j);

	if (had != NOBODY && shall != NOBODY && has == NOBODY)
		fault(s, "nobody between two owners");
	if (was == INTO && will == INTO && now != INTO)
		fault(s, "no route between two that it has");
	if (was != CLEAR && will != CLEAR && now == CLEAR)
		fault(s, "in clear for a moment");
	if (now == INTO && was != INTO && shall != NOBODY && has == NOBODY)
		fault(s, "a route ahead of its owner");
	if (now == INTO && will != INTO && had != NOBODY && has == NOBODY && !stays_for_part(s, j))
		fault(s, "a route behind its owner");
}

static void check_step(struct story *s)
{
	for (int j = 0; j < N; j++) {
		check_owner(s, j);
		check_way(s, j);
	}
	if (own_packets_are_caught(world) && !own_packets_are_caught(&s->then))
		fault(s, "the tunnel's own packets go into the tunnel");
}

static void check_end(struct story *s)
{
	for (int j = 0; j < N; j++) {
		if (world->owner[j] != owner_after(s, j))
			fault(s, "not the owner in the end");
	}
	if (world->has[OLD] || !world->has[A] || !world->has[B] || !world->has[FOREIGN])
		fault(s, "not the peers in the end");
	if (world->rules.n != s->shall.rules.n || world->routes.n != s->shall.routes.n)
		fault(s, "something is left over");
}

/* --- doing --------------------------------------------------------------------------------------
 */

/* One by one, so that each is seen alone. */
static void do_plan(struct story *s, struct fib_plan *p, struct fib_state *is, size_t n)
{
	fib_failures failures = {0};

	for (size_t i = 0; i < n && i < p->ops.n && !s->fault; i++) {
		struct fib_plan one = {0};

		vec_push(&one.ops, p->ops.items[i]);
		if (fib_do(&io, &one, &s->shall, is, &failures) || failures.n)
			fault(s, "an operation that fails");
		check_step(s);
		vec_done(&one.ops);
	}
	vec_done(&failures);
}

static void look(struct fib_state *ret)
{
	fib_state_done(ret);
	*ret = (struct fib_state){0};
	look_at(world, ret);
}

/* Changes the order that a plan has; NULL: it stays. */
typedef void reorder_fn(struct fib_plan *p, const void *data);

/* Killed after so many operations; the number of those that there were. */
static size_t run(struct story *s, size_t killed_after, reorder_fn *reorder, const void *data)
{
	struct fib_state is = {0};
	struct fib_plan plan = {0}, rest = {0};
	size_t n;

	look(&is);
	fib_plan_make(&is, &s->shall, &s->ours, &plan);
	if (reorder)
		reorder(&plan, data);
	n = plan.ops.n;
	do_plan(s, &plan, &is, killed_after);
	if (killed_after < n) {
		look(&is);
		fib_plan_make(&is, &s->shall, &s->ours, &rest);
		do_plan(s, &rest, &is, SIZE_MAX);
	}
	if (!s->fault)
		check_end(s);
	fib_plan_done(&plan);
	fib_plan_done(&rest);
	fib_state_done(&is);
	return n;
}

/* --- all of them --------------------------------------------------------------------------------
 */

typedef bool story_fn(const struct story *s, const void *data); /* false: enough */

static bool all_of(const char *const pair[N], story_fn *fn, const void *data)
{
	size_t nb = ARRAY_SIZE(befores), na = ARRAY_SIZE(afters);

	for (int j = 0; j < N; j++)
		assert_true(ip_prefix_parse(&prefixes[j], pair[j]));
	for (size_t i = 0; i < nb * nb * na * na * 4; i++) {
		struct story s = {
			.before = {&befores[i / 4 % nb], &befores[i / 4 / nb % nb]},
			.after = {&afters[i / 4 / nb / nb % na], &afters[i / 4 / nb / nb / na]},
			.marked = i % 4 == 1 || i % 4 == 3,
			.fresh = i % 4 == 2,
			.gone = i % 4 == 3,
		};

		if (!fn(&s, data))
			return false;
	}
	return true;
}

static const char *way_word(enum way w)
{
	return w == NO_WAY ? "no route" : w == IN_MAIN ? "main" : "apart";
}

static void must_be_whole(const struct story *s, size_t killed_after)
{
	if (!s->fault)
		return;
	for (int j = 0; j < N; j++) {
		char text[IP_PREFIX_STRLEN];

		fprintf(stderr, "%s: owner %d, %s -> owner %d, %s\n",
			ip_prefix_format(&prefixes[j], text), s->before[j]->owner,
			way_word(s->before[j]->way), s->after[j]->owner,
			way_word(s->after[j]->way));
	}
	fail_msg("%s%s%s%s, killed after %zu operations", s->fault, s->marked ? ", marked" : "",
		s->fresh ? ", B is new" : "", s->gone ? ", the device is new" : "", killed_after);
}

static bool undisturbed(const struct story *example, const void *data)
{
	struct story s = *example;

	story_begin(&s);
	run(&s, SIZE_MAX, NULL, NULL);
	must_be_whole(&s, SIZE_MAX);
	story_end(&s);
	return true;
}

static void no_way_has_a_hole(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		all_of(pairs[i], undisturbed, NULL);
}

/* One prefix turns, the other one stays: all else of it is in the test above. */
static bool killed_at_each(const struct story *example, const void *data)
{
	size_t n = 1;

	if (example->before[1] != &befores[3] || example->after[1] != &afters[3])
		return true;
	for (size_t k = 0; k < n; k++) {
		struct story s = *example;

		story_begin(&s);
		n = run(&s, k, NULL, NULL);
		must_be_whole(&s, k);
		story_end(&s);
	}
	return true;
}

static void nor_when_it_is_killed(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(pairs); i++)
		all_of(pairs[i], killed_at_each, NULL);
}

/* --- orders that are wrong ----------------------------------------------------------------------
 */

/* Two stages (or one, twice) go behind another one, which they have to precede. */
struct wrong {
	enum fib_stage early, late, too;
};

static bool is_late(const struct wrong *w, const struct fib_op *op)
{
	return op->stage == w->late || op->stage == w->too;
}

static void put_behind(struct fib_plan *p, const void *data)
{
	const struct wrong *w = data;
	struct fib_plan fresh = {0};
	size_t last = 0;

	for (size_t i = 0; i < p->ops.n; i++)
		last = p->ops.items[i].stage == w->early ? i : last;
	for (size_t i = 0; i < p->ops.n; i++) {
		if (i > last || !is_late(w, &p->ops.items[i]))
			vec_push(&fresh.ops, p->ops.items[i]);
		if (i == last)
			for (size_t k = 0; k <= i; k++)
				if (is_late(w, &p->ops.items[k]))
					vec_push(&fresh.ops, p->ops.items[k]);
	}
	assert_int_equal(fresh.ops.n, p->ops.n);
	vec_done(&p->ops);
	p->ops.items = fresh.ops.items;
	p->ops.n = fresh.ops.n;
	p->ops.cap = fresh.ops.cap;
}

static bool fails_somewhere(const struct story *example, const void *data)
{
	struct story s = *example;
	bool whole;

	story_begin(&s);
	run(&s, SIZE_MAX, put_behind, data);
	whole = !s.fault;
	story_end(&s);
	return whole;
}

static void orders_that_are_wrong(void **state)
{
	static const struct wrong cases[] = {
		{FIB_AT_ROUTE_WITHDRAW, FIB_AT_ROUTE_PART, FIB_AT_ROUTE_PART},
		{FIB_AT_PREFIX_DEL, FIB_AT_ROUTE_WITHDRAW, FIB_AT_ROUTE_WITHDRAW},
		{FIB_AT_PEER_DEL, FIB_AT_ROUTE_WITHDRAW, FIB_AT_ROUTE_WITHDRAW},
		{FIB_AT_RULE_ADD, FIB_AT_DEVICE, FIB_AT_DEVICE},
		{FIB_AT_PREFIX_ADD, FIB_AT_PEER_SET, FIB_AT_PEER_SET},
		{FIB_AT_PEER_DEL, FIB_AT_PREFIX_ADD, FIB_AT_PREFIX_ADD},
		{FIB_AT_ROUTE_ADD, FIB_AT_PREFIX_ADD, FIB_AT_PREFIX_ADD},
		{FIB_AT_ROUTE_DEL, FIB_AT_ROUTE_ADD, FIB_AT_ROUTE_ADD},
		{FIB_AT_RULE_DEL, FIB_AT_ROUTE_ADD, FIB_AT_ROUTE_PART},
		{FIB_AT_ROUTE_DEL, FIB_AT_RULE_ADD, FIB_AT_RULE_ADD},
		{FIB_AT_UNMARK, FIB_AT_RULE_DEL, FIB_AT_ROUTE_DEL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		bool whole = true;

		for (size_t k = 0; k < ARRAY_SIZE(pairs) && whole; k++)
			whole = all_of(pairs[k], fails_somewhere, &cases[i]);
		if (whole)
			fail_msg("nobody finds stages %d and %d behind stage %d", cases[i].late,
				cases[i].too, cases[i].early);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_way_has_a_hole),
		cmocka_unit_test(nor_when_it_is_killed),
		cmocka_unit_test(orders_that_are_wrong),
	};

	return cmocka_run_group_tests_name("order", tests, prepare, NULL);
}

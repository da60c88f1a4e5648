/* SPDX-License-Identifier: MIT */
/*
 * Plans on a device of many owners: from any mixture of prefixes that are one peer's, a set's,
 * foreign or nobody's to any other, done one operation after another. After each one a packet is
 * tried for every prefix, by the rule of wg/cryptokey.h, written here once more: whoever could be
 * reached before and after can be reached in between. A daemon that is killed there goes on with a
 * plan made anew, without a hole, too.
 *
 * Who can be reached: a strict owner, and who of a set is sent to if he lives, which is what the
 * levels say in the end (of a peer that goes, what his level was).
 *
 * That this finds a wrong order is shown by trying some.
 */
#include "fib_sets_story.h"

static void fault(struct story *s, const char *what)
{
	s->fault = s->fault ? s->fault : what;
}

static void check_step(struct story *s)
{
	for (int j = 0; j < N_PREFIXES; j++)
		if (reaches(s, &s->then, j) && reaches(s, &s->shall, j) && !reaches(s, world, j))
			fault(s, "a hole");
	for (int j = 0; j < N_PREFIXES; j++)
		if (s->then.owner[j] != NOBODY && s->shall.owner[j] != NOBODY &&
			world->owner[j] == NOBODY)
			fault(s, "nobody's between two homes");
}

static bool same_set(const struct model_set *a, const struct model_set *b)
{
	size_t same = 0;

	for (size_t i = 0; i < a->n; i++)
		for (size_t k = 0; k < b->n; k++)
			same += !memcmp(&a->owners[i], &b->owners[k], sizeof(a->owners[i]));
	return a->there == b->there && a->n == b->n && same == a->n;
}

static void check_end(struct story *s)
{
	for (int j = 0; j < N_PREFIXES; j++)
		if (world->owner[j] != s->shall.owner[j])
			fault(s, "not the home in the end");
	for (int i = 0; i < N_PEERS; i++)
		if (world->has[i] != s->shall.has[i] ||
			(world->has[i] && world->level[i] != s->shall.level[i]))
			fault(s, "not the peer in the end");
	for (int k = 0; k < N_SETS; k++)
		if (!same_set(&world->sets[k], &s->shall.sets[k]))
			fault(s, "not the set in the end");
}

/* --- doing -------------------------------------------------------------------------------------
 */

static void look(struct fib_state *ret)
{
	fib_state_done(ret);
	*ret = (struct fib_state){0};
	look_at(world, ret);
}

/* One by one, so that each is seen alone. */
static void do_plan(struct story *s, struct fib_plan *p, struct fib_state *is, size_t n)
{
	fib_failures failures = {0};

	for (size_t i = 0; i < n && i < p->ops.n && !s->fault; i++) {
		struct fib_plan one = {0};

		vec_push(&one.ops, p->ops.items[i]);
		if (fib_do(&io, &one, &s->want, is, &failures) || failures.n)
			fault(s, "an operation that fails");
		check_step(s);
		check_mirror(is, world);
		vec_done(&one.ops);
	}
	vec_done(&failures);
}

typedef void reorder_fn(struct fib_plan *p, const void *data);

/* Killed after so many operations. */
static void run(struct story *s, size_t killed_after, reorder_fn *reorder, const void *data)
{
	struct fib_state is = {0};
	struct fib_plan plan = {0}, rest = {0};

	look(&is);
	fib_plan_make(&is, &s->want, &s->ours, &plan);
	if (reorder)
		reorder(&plan, data);
	do_plan(s, &plan, &is, killed_after);
	if (killed_after < plan.ops.n) {
		look(&is);
		fib_plan_make(&is, &s->want, &s->ours, &rest);
		do_plan(s, &rest, &is, SIZE_MAX);
	}
	if (!s->fault)
		check_end(s);
	fib_plan_done(&plan);
	fib_plan_done(&rest);
	fib_state_done(&is);
}

static void no_way_has_a_hole(void **state)
{
	struct chance c = chance_start("sets");

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t seed = c.state;
		struct story s;

		story_begin(&s, &c);
		run(&s, chance_below(&c, 2) ? SIZE_MAX : chance_below(&c, 20), NULL, NULL);
		if (s.fault)
			fail_msg("%s: SHUNT_TEST_SEED=%llu", s.fault, (unsigned long long)seed);
		story_end(&s);
	}
}

/* As it is done in earnest: neighbours are one change, and what a look finds then is the mirror. */
static void whole_plans(void **state)
{
	struct chance c = chance_start("whole plans");

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct fib_state is = {0};
		struct fib_plan plan = {0}, again = {0};
		fib_failures failures = {0};
		struct story s;

		story_begin(&s, &c);
		look(&is);
		fib_plan_make(&is, &s.want, &s.ours, &plan);
		assert_int_equal(fib_do(&io, &plan, &s.want, &is, &failures), 0);
		check_mirror(&is, world);
		check_end(&s);
		assert_null(s.fault);
		fib_plan_make(&is, &s.want, &s.ours, &again);
		assert_int_equal(again.ops.n, 0);
		fib_plan_done(&plan);
		fib_plan_done(&again);
		fib_state_done(&is);
		story_end(&s);
	}
}

/* --- orders that are wrong ----------------------------------------------------------------------
 */

/* One goes behind another one, which it has to precede. */
struct wrong {
	enum fib_stage early, late;
};

static void put_behind(struct fib_plan *p, const void *data)
{
	const struct wrong *w = data;

	for (size_t i = 0; i < p->ops.n; i++)
		if (p->ops.items[i].stage == w->late)
			p->ops.items[i].stage = w->early;
	for (size_t i = 0; i < p->ops.n; i++)
		if (p->ops.items[i].type == FIB_LEVEL && w->early == FIB_AT_LEVEL) {
			/* The better first. */
			p->ops.items[i].type = FIB_MARK;
			p->ops.items[i].seq = p->ops.items[i].u.level.to;
		}
	fib_plan_order(p);
	for (size_t i = 0; i < p->ops.n; i++)
		if (p->ops.items[i].type == FIB_MARK)
			p->ops.items[i].type = FIB_LEVEL;
}

/* Numbered so that among one stage the late ones come last. */
static void number(struct fib_plan *p, const struct wrong *w)
{
	for (size_t i = 0; i < p->ops.n; i++)
		p->ops.items[i].seq += p->ops.items[i].stage == w->late ? 1000 : 0;
}

static void reorder(struct fib_plan *p, const void *data)
{
	number(p, data);
	put_behind(p, data);
}

static bool is_found(const struct wrong *w, struct chance *c)
{
	for (unsigned i = 0; i < 20 * ROUNDS; i++) {
		bool found;
		struct story s;

		story_begin(&s, c);
		run(&s, SIZE_MAX, reorder, w);
		found = s.fault;
		story_end(&s);
		if (found)
			return true;
	}
	return false;
}

static void orders_that_are_wrong(void **state)
{
	static const struct wrong cases[] = {
		{FIB_AT_LEVEL, FIB_AT_LEVEL},
		{FIB_AT_OWNERS_YIELD, FIB_AT_LEVEL},
		{FIB_AT_PREFIX_YIELD, FIB_AT_PREFIX_ADD},
		{FIB_AT_PREFIX_YIELD, FIB_AT_OWNERS_SET},
		{FIB_AT_OWNERS_YIELD, FIB_AT_OWNERS_SET},
		{FIB_AT_OWNERS_YIELD, FIB_AT_PREFIX_ADD},
		{FIB_AT_OWNERS_DEL, FIB_AT_PREFIX_ADD},
		{FIB_AT_OWNERS_DEL, FIB_AT_PREFIX_YIELD},
		{FIB_AT_PREFIX_ADD, FIB_AT_OWNERS_SET},
		{FIB_AT_PEER_DEL, FIB_AT_OWNERS_SET},
	};
	struct chance c = chance_start("wrong orders");

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (!is_found(&cases[i], &c))
			fail_msg("nobody finds stage %d behind stage %d", cases[i].late,
				cases[i].early);
}

static int prepare_nested(void **state)
{
	int err = prepare(state);

	for (int j = 0; !err && j < N_PREFIXES; j++)
		if (!ip_prefix_parse(&prefixes[j], nested[j]))
			return -1;
	qsort(prefixes, N_PREFIXES, sizeof(*prefixes), prefix_order);
	return err;
}

/* --- by hand ------------------------------------------------------------------------------------
 */

static void name_foreign_sets(void **state)
{
	struct story s = {0};
	struct fib_state is = {0};
	struct fib_plan plan = {0};

	s.then.is_shared = s.then.sets[4].there = s.then.up = true;
	s.then.mtu = 1420;
	for (int j = 0; j < N_PREFIXES; j++)
		s.then.owner[j] = s.shall.owner[j] = NOBODY;
	s.then.has[0] = s.wanted[0] = s.shall.has[0] = true;
	s.then.owner[1] = s.then.owner[9] = AT_SET + 4;
	s.shall.owner[1] = s.shall.owner[2] = 0;
	make_wish(&s);
	look_at(&s.then, &is);
	fib_plan_make(&is, &s.want, &s.ours, &plan);
	assert_int_equal(plan.ops.n, 1);
	assert_true(ip_prefix_eq(&plan.ops.items[0].u.owner.prefix, &prefixes[2]));
	assert_int_equal(plan.conflicts.n, 1);
	assert_true(ip_prefix_eq(&plan.conflicts.items[0].prefix, &prefixes[1]));
	assert_true(fib_home_is_nowhere(&plan.conflicts.items[0].foreign));
	assert_int_equal(plan.foreign.n, 2);
	fib_plan_done(&plan);
	fib_state_done(&is);
	story_end(&s);
}

static const char *name_of(const wg_key *key, void *data)
{
	static const char *const names[N_PEERS] = {"hub-a", "hub-b", "site-1", "site-2"};

	return names[index_of(key)];
}

static void join(const char *text, void *data)
{
	buf_printf(data, "%s\n", text);
}

static void add_owner(struct model_set *s, int peer, unsigned rank, unsigned weight)
{
	s->there = true;
	s->owners[s->n].peer = peer;
	s->owners[s->n].rank = (uint16_t)rank;
	s->owners[s->n].weight = (uint16_t)weight;
	s->n++;
}

/* A set of two that one of is left, for one prefix and for another that had a peer; a third goes to
 * a set of the same order and tells nobody anything. */
static void told_in_names(void **state)
{
	struct story s = {0};
	struct fib_state is = {0};
	struct fib_plan plan = {0};
	AUTO_BUF text = {0};
	struct fib_teller teller = {name_of, join, &text};
	struct fib_counts n;

	s.then.is_shared = true;
	for (int j = 0; j < N_PREFIXES; j++)
		s.then.owner[j] = s.shall.owner[j] = NOBODY;
	for (int i = 0; i < 3; i++)
		s.then.has[i] = s.wanted[i] = s.shall.has[i] = true;
	s.then.level[1] = DEVICE_DOWN;
	add_owner(&s.then.sets[0], 0, 0, 1);
	add_owner(&s.then.sets[0], 1, 1, 1);
	add_owner(&s.then.sets[0], 2, 2, 0);
	s.then.sets[1] = s.shall.sets[2] = s.then.sets[0];
	add_owner(&s.shall.sets[0], 1, 0, 1);
	s.then.owner[1] = s.shall.owner[1] = s.then.owner[2] = s.shall.owner[2] = AT_SET;
	s.then.owner[3] = 2;
	s.shall.owner[3] = AT_SET;
	s.then.owner[4] = AT_SET + 1;
	s.shall.owner[4] = AT_SET + 2;
	make_wish(&s);
	look_at(&s.then, &is);
	fib_plan_make(&is, &s.want, &s.ours, &plan);
	fib_tell(&plan, &is, &s.want, &teller);
	assert_string_equal(buf_str(&text),
		"hub-b's level: down -> up\n10.0.0.0/8 and 1 other: hub-a, hub-b -> hub-b\n"
		"10.1.1.0/24: site-1 -> hub-b\n");
	for (size_t i = 0; i < plan.ops.n; i++)
		plan.ops.items[i].done = true;
	n = fib_tell_counts(&plan);
	assert_int_equal(n.levels_set, 1);
	assert_int_equal(n.owner_sets_set, 2);
	assert_int_equal(n.owner_sets_removed, 1);
	assert_int_equal(n.prefixes_moved, 2);
	assert_int_equal(n.peers_changed, 0);
	fib_plan_done(&plan);
	fib_state_done(&is);
	story_end(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_way_has_a_hole),
		cmocka_unit_test(whole_plans),
		cmocka_unit_test(orders_that_are_wrong),
		cmocka_unit_test(name_foreign_sets),
		cmocka_unit_test(told_in_names),
	};

	return cmocka_run_group_tests_name("sets", tests, prepare_nested, NULL);
}

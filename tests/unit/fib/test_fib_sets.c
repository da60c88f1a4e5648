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
#include "fib_model.h"

#define ROUNDS 3000
#define N_OURS 8 /* prefixes, peers and sets that may be wanted */
#define N_WANTED 4
#define N_OUR_SETS 4

static const char *const nested[N_PREFIXES] = {"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16",
	"10.1.1.0/24", "10.2.0.0/16", "fd00::/16", "fd00:1::/32", "fd00:1:1::/48", "10.1.2.0/24",
	"10.3.0.0/16", "172.16.0.0/12", "fd00:2::/32"};

/* One case. */
struct story {
	struct chance *chance;
	struct model then, now, shall;
	bool wanted[N_PEERS];
	bool lives[N_PEERS];
	struct want_facts facts;
	struct fib_state want;
	struct fib_ours ours;
	const char *fault;
};

static bool ours_peer(const wg_key *key, void *data)
{
	return index_of(key) < 6;
}

static bool ours_prefix(const ip_prefix *p, void *data)
{
	return prefix_index(p) < N_OURS;
}

static bool ours_any(const ip_prefix *p, void *data)
{
	return true;
}

/* --- worlds ------------------------------------------------------------------------------------
 */

/* n peers below max, each once. */
static void random_owners(struct model_set *s, size_t n, const bool *there, struct chance *c)
{
	for (int i = 0; i < N_PEERS && s->n < n; i++) {
		if (!there[i] || chance_below(c, 2))
			continue;
		s->owners[s->n].peer = i;
		s->owners[s->n].rank = (uint16_t)chance_below(c, 3);
		s->owners[s->n].weight = (uint16_t)chance_below(c, 3);
		s->n++;
	}
}

static int random_home(const struct model *m, int n_peers, int n_sets, struct chance *c)
{
	int k = (int)chance_below(c, (unsigned)(n_peers + n_sets + 1)) - 1;

	if (k >= n_peers)
		return m->sets[k - n_peers].there ? AT_SET + k - n_peers : NOBODY;
	return k >= 0 && m->has[k] ? k : NOBODY;
}

static void random_before(struct story *s)
{
	struct model *m = &s->then;
	struct chance *c = s->chance;

	m->is_shared = m->up = true;
	m->mtu = 1420;
	for (int i = 0; i < N_PEERS; i++) {
		m->has[i] = chance_below(c, 4);
		m->level[i] = m->has[i] ? (enum device_level)chance_below(c, 3) : DEVICE_UP;
	}
	for (int k = 0; k < N_SETS; k++) {
		m->sets[k].there = chance_below(c, 3);
		if (m->sets[k].there)
			random_owners(&m->sets[k], chance_below(c, N_OWNERS + 1), m->has, c);
	}
	for (int j = 0; j < N_PREFIXES; j++)
		m->owner[j] = random_home(m, N_PEERS, N_SETS, c);
}

/* The RIB's word: nobody of a set is sent to, or one who lives is. */
static bool is_sound(const struct model_set *s, const struct model *m)
{
	bool sends = false;

	for (size_t i = 0; i < s->n; i++) {
		sends |= s->owners[i].weight;
		if (s->owners[i].weight && m->level[s->owners[i].peer] != DEVICE_DOWN)
			return true;
	}
	return s->n && !sends;
}

static void random_set(struct story *s, int k)
{
	struct model_set *set = &s->shall.sets[k];

	/* The same as before, often. */
	if (s->then.sets[k].there && chance_below(s->chance, 2))
		*set = s->then.sets[k];
	else
		random_owners(set, N_OWNERS, s->wanted, s->chance);
	for (size_t i = 0; i < set->n; i++) {
		if (k == 3) /* a shadow */
			set->owners[i].weight = 0;
		if (!s->wanted[set->owners[i].peer])
			set->n = 0;
	}
	set->there = is_sound(set, &s->shall);
	if (!set->there)
		*set = (struct model_set){0};
}

static void random_after(struct story *s)
{
	struct model *m = &s->shall;
	struct chance *c = s->chance;

	*m = copy_of(&s->then);
	memset(m->sets, 0, sizeof(m->sets));
	for (int i = 0; i < N_WANTED; i++) {
		s->wanted[i] = chance_below(c, 4);
		m->has[i] = s->wanted[i];
		if (s->wanted[i] && !chance_below(c, 3))
			m->level[i] = (enum device_level)chance_below(c, 3);
	}
	for (int k = 0; k < N_OUR_SETS; k++)
		random_set(s, k);
	for (int j = 0; j < N_OURS; j++) {
		int was = s->then.owner[j], at;

		at = was >= AT_SET && was < AT_SET + N_OUR_SETS && m->sets[was - AT_SET].there &&
				     chance_below(c, 2)
			     ? was
			     : random_home(m, N_WANTED, N_OUR_SETS, c);
		m->owner[j] = at;
	}
}

/* --- as states ---------------------------------------------------------------------------------
 */

static void want_peers(const struct story *s, struct device_state *ret)
{
	struct device_peer peers[N_WANTED] = {0};
	size_t n = 0;

	for (int i = 0; i < N_WANTED; i++) {
		struct device_peer *p = &peers[n];

		if (!s->wanted[i])
			continue;
		n++;
		p->key = keys[i];
		p->level = s->shall.level[i];
		p->allowed = mem_zalloc(N_OURS, sizeof(*p->allowed));
		for (int j = 0; j < N_OURS; j++)
			if (s->shall.owner[j] == i)
				p->allowed[p->n_allowed++] = prefixes[j];
	}
	qsort(peers, n, sizeof(*peers), by_key);
	ret->n_peers = n;
	ret->peers = n ? secret_zalloc(n, sizeof(*peers)) : NULL;
	if (n)
		memcpy(ret->peers, peers, n * sizeof(*peers));
}

static void want_sets(struct story *s, struct device_state *ret)
{
	ret->sets = mem_zalloc(N_SETS, sizeof(*ret->sets));
	world = &s->shall;
	for (int k = 0; k < N_OUR_SETS; k++) {
		struct device_owner_set *set = &ret->sets[ret->n_sets];

		if (!s->shall.sets[k].there)
			continue;
		get_set(k, set);
		while (set->n_allowed && prefix_index(&set->allowed[set->n_allowed - 1]) >= N_OURS)
			set->n_allowed--;
		ret->n_sets++;
	}
}

static void make_wish(struct story *s)
{
	struct fib_device d = {.name = "wg0", .ifindex = WG, .up = true, .mtu = 1420};

	want_peers(s, &d.wg);
	want_sets(s, &d.wg);
	vec_push(&s->want.devices, d);
	s->facts = (struct want_facts){.overlay_table = 7, .ifindex = WG, .ifname = "wg0"};
	s->ours = (struct fib_ours){
		.facts = &s->facts,
		.has_peer = ours_peer,
		.has_address = ours_any,
		.has_backstop = ours_any,
		.has_prefix = ours_prefix,
		.data = s,
	};
}

static bool is_foreign_home(int home)
{
	return home == 6 || home == 7 || home == AT_SET + 4;
}

/* What is foreign stays, and what is foreign of ours goes with it. */
static int home_after(const struct story *s, int j)
{
	int was = s->then.owner[j];

	if (j < N_OURS)
		return is_foreign_home(was) ? was : s->shall.owner[j];
	if (was >= AT_SET && was < AT_SET + N_OUR_SETS)
		return s->shall.sets[was - AT_SET].there ? was : NOBODY;
	return was >= 0 && was < 6 && !s->wanted[was] ? NOBODY : was;
}

static void story_begin(struct story *s, struct chance *c)
{
	*s = (struct story){.chance = c};
	random_before(s);
	random_after(s);
	make_wish(s);
	for (int j = 0; j < N_PREFIXES; j++)
		s->shall.owner[j] = home_after(s, j);
	s->shall.sets[4] = s->then.sets[4];
	for (int i = N_WANTED; i < 6; i++) {
		s->shall.has[i] = false;
		leave_set(&s->shall.sets[4], i);
	}
	for (int i = 0; i < N_WANTED; i++)
		if (!s->wanted[i])
			leave_set(&s->shall.sets[4], i);
	for (int i = 0; i < N_PEERS; i++)
		s->lives[i] = s->shall.level[i] != DEVICE_DOWN;
	s->now = copy_of(&s->then);
	world = &s->now;
}

static void story_end(struct story *s)
{
	fib_state_done(&s->want);
	model_done(&s->then);
	model_done(&s->now);
	model_done(&s->shall);
}

/* --- a packet ----------------------------------------------------------------------------------
 */

/* Of a set: the best level, then the lowest rank. False: nobody is usable. */
static bool choose(const struct model *m, const struct model_set *s, bool ret[N_PEERS])
{
	int best = DEVICE_DOWN, rank = UINT16_MAX + 1;

	for (size_t i = 0; i < s->n; i++)
		if (s->owners[i].weight && (int)m->level[s->owners[i].peer] < best)
			best = m->level[s->owners[i].peer];
	for (size_t i = 0; i < s->n && best != DEVICE_DOWN; i++)
		if (s->owners[i].weight && (int)m->level[s->owners[i].peer] == best &&
			s->owners[i].rank < rank)
			rank = s->owners[i].rank;
	for (size_t i = 0; i < s->n && best != DEVICE_DOWN; i++)
		ret[s->owners[i].peer] = s->owners[i].weight && s->owners[i].rank == rank &&
					 (int)m->level[s->owners[i].peer] == best;
	return best != DEVICE_DOWN;
}

static int preferred(const struct model_set *s)
{
	int best = -1;

	for (size_t i = 0; i < s->n; i++)
		if (s->owners[i].weight && (best < 0 || s->owners[i].rank < s->owners[best].rank))
			best = (int)i;
	return best < 0 ? NOBODY : s->owners[best].peer;
}

/* The next shorter one that holds prefix j. */
static int cover_of(int j, int len)
{
	int best = NOBODY;

	for (int i = 0; i < N_PREFIXES; i++)
		if (prefixes[i].len < len && ip_prefix_contains(&prefixes[i], &prefixes[j]) &&
			(best == NOBODY || prefixes[i].len > prefixes[best].len))
			best = i;
	return best;
}

/* Whoever a packet to prefix j may be sent to lives. */
static bool reaches(const struct story *s, const struct model *m, int j)
{
	int fallback = NOBODY;

	for (int at = j; at != NOBODY; at = cover_of(j, prefixes[at].len)) {
		bool chosen[N_PEERS] = {false};
		int home = m->owner[at];
		const struct model_set *set;

		if (home == NOBODY)
			continue;
		if (home < AT_SET)
			return true;
		set = &m->sets[home - AT_SET];
		if (choose(m, set, chosen)) {
			for (int i = 0; i < N_PEERS; i++)
				if (chosen[i] && !s->lives[i])
					return false;
			return true;
		}
		fallback = fallback == NOBODY ? preferred(set) : fallback;
	}
	return fallback != NOBODY && s->lives[fallback];
}

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

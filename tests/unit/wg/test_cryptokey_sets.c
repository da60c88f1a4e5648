/* SPDX-License-Identifier: MIT */
/* Changes of owners, sets and states: what each does, and random ones against the naive twin. */
#include "../../support/cryptokey_whose.h"
#include "cryptokey_scene.h"

#include <errno.h>

static struct scene scene;

static const struct twin_member ab[] = {{0, 0, 1, false}, {1, 1, 1, true}};
static const struct twin_member cd[] = {{2, 0, 1, false}, {3, 0, 1, false}};

static struct cryptokey_owner *whose(const char *text)
{
	ip_prefix p = parse(text);

	return whose_address(scene.t, p.family, p.bytes);
}

static int count_prefix(const ip_prefix *p, void *data)
{
	++*(unsigned *)data;
	return 0;
}

static unsigned n_of(const struct cryptokey_set *s)
{
	unsigned n = 0;

	assert_int_equal(cryptokey_walk(s, count_prefix, &n), 0);
	assert_int_equal(n, s->n_entries);
	return n;
}

/* --- what each does ------------------------------------------------------------------------------
 */

static void a_set_and_its_prefixes(void **state)
{
	ip_prefix p[] = {parse("10.0.0.0/8"), parse("10.1.2.0/24"), parse("fd00::/48")};
	struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS];
	bool is_strict = true;

	scene_init(&scene);
	scene_define(&scene, 0, ab, 2);
	for (unsigned i = 0; i < 3; i++)
		scene_bind(&scene, &p[i], 0);
	scene_bind(&scene, &p[0], 0);
	assert_int_equal(n_of(scene.sets[0]), 3);
	assert_int_equal(cryptokey_count(scene.t), 3);
	assert_ptr_equal(whose("10.1.2.3"), &scene.peers[0]);
	assert_ptr_equal(whose("fd00::3"), &scene.peers[0]);
	assert_int_equal(cryptokey_set_members(scene.sets[0], m), 2);
	assert_ptr_equal(m[1].owner, &scene.peers[1]);
	assert_true(m[1].rank == 1 && m[1].weight == 1 && m[1].is_relay);
	assert_ptr_equal(cryptokey_set_preferred(scene.sets[0]), &scene.peers[0]);
	assert_ptr_equal(cryptokey_holder(scene.t, &p[1], &is_strict), scene.sets[0]);
	assert_false(is_strict);
	/* Another definition, for all of them. */
	scene_define(&scene, 0, cd, 2);
	assert_in_range(whose("10.1.2.3") - scene.peers, 2, 3);
	assert_int_equal(scene.peers[0].n_sets, 0);
	assert_int_equal(scene.peers[2].n_sets, 1);
	cryptokey_set_remove(scene.t, scene.sets[0]);
	assert_int_equal(cryptokey_count(scene.t), 0);
	assert_null(whose("10.1.2.3"));
	assert_null(cryptokey_set_next(scene.t, NULL));
	assert_int_equal(scene.peers[2].n_sets, 0);
	scene_done(&scene);
}

static void what_no_set_can_be(void **state)
{
	struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS + 1];
	struct cryptokey_owner owners[CRYPTOKEY_MAX_OWNERS + 1];

	scene_init(&scene);
	scene_define(&scene, 0, ab, 2);
	for (unsigned i = 0; i <= CRYPTOKEY_MAX_OWNERS; i++) {
		cryptokey_owner_init(&owners[i], i);
		m[i] = (struct cryptokey_member){&owners[i], 0, 1, false};
	}
	assert_int_equal(
		cryptokey_set_define(scene.t, scene.sets[0], m, CRYPTOKEY_MAX_OWNERS + 1), -EINVAL);
	m[5].owner = m[2].owner;
	assert_int_equal(cryptokey_set_define(scene.t, scene.sets[0], m, 6), -EINVAL);
	assert_int_equal(cryptokey_set_members(scene.sets[0], m), 2);
	scene_done(&scene);
}

static void prefixes_move_between_owners_and_sets(void **state)
{
	ip_prefix p = parse("10.0.0.0/8");

	scene_init(&scene);
	scene_define(&scene, 0, ab, 2);
	scene_define(&scene, 1, cd, 2);
	scene_insert(&scene, &p, 5);
	assert_false(cryptokey_unbind(scene.t, &p, scene.sets[0]));
	scene_bind(&scene, &p, 0);
	assert_int_equal(scene.peers[5].own.n_entries, 0);
	/* Strict and shared are different holds, even of one peer. */
	assert_false(cryptokey_remove(scene.t, &p, &scene.peers[0]));
	scene_bind(&scene, &p, 1);
	assert_int_equal(n_of(scene.sets[0]), 0);
	assert_int_equal(n_of(scene.sets[1]), 1);
	scene_insert(&scene, &p, 2);
	assert_ptr_equal(whose("10.0.0.1"), &scene.peers[2]);
	assert_int_equal(n_of(scene.sets[1]), 0);
	scene_bind(&scene, &p, 1);
	assert_true(cryptokey_unbind(scene.t, &p, scene.sets[1]));
	assert_int_equal(cryptokey_count(scene.t), 0);
	scene_done(&scene);
}

static void found_by_its_owners(void **state)
{
	struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS], swap;
	size_t n;

	scene_init(&scene);
	scene_define(&scene, 0, ab, 2);
	scene_define(&scene, 1, cd, 2);
	scene_define(&scene, 2, ab, 1);
	n = cryptokey_set_members(scene.sets[0], m);
	swap = m[0];
	m[0] = m[1];
	m[1] = swap;
	assert_ptr_equal(cryptokey_set_find(scene.t, m, n), scene.sets[0]);
	m[0].is_relay = false;
	assert_null(cryptokey_set_find(scene.t, m, n));
	m[0].is_relay = true;
	m[0].weight++;
	assert_null(cryptokey_set_find(scene.t, m, n));
	assert_ptr_equal(cryptokey_set_find(scene.t, &m[1], 1), scene.sets[2]);
	assert_null(cryptokey_set_find(scene.t, m, 0));
	scene_done(&scene);
}

/* He is in none any more; a set of his alone has nobody, and its prefixes pass. */
static void an_owner_leaves_all_sets(void **state)
{
	ip_prefix p[] = {parse("10.0.0.0/8"), parse("10.1.0.0/16"), parse("10.1.2.0/24")};

	scene_init(&scene);
	scene_define(&scene, 0, ab, 2);
	scene_define(&scene, 1, ab, 1);
	scene_bind(&scene, &p[0], 0);
	scene_bind(&scene, &p[1], 1);
	scene_insert(&scene, &p[2], 0);
	assert_int_equal(scene.peers[0].n_sets, 2);
	cryptokey_remove_owner(scene.t, &scene.peers[0]);
	assert_int_equal(scene.peers[0].n_sets, 0);
	assert_int_equal(scene.peers[1].n_sets, 1);
	assert_int_equal(cryptokey_count(scene.t), 2);
	assert_null(cryptokey_set_preferred(scene.sets[1]));
	assert_ptr_equal(whose("10.1.2.3"), &scene.peers[1]);
	scene_done(&scene);
}

/* --- replacing what an owner has -----------------------------------------------------------------
 */

static void replaced_without_a_gap(void **state)
{
	ip_prefix p[] = {parse("10.1.0.0/16"), parse("10.2.0.0/16"), parse("10.3.0.0/16"),
		parse("10.4.0.0/16")};
	struct cryptokey_owner *o = &scene.peers[0];

	scene_init(&scene);
	scene_define(&scene, 0, ab, 2);
	scene_bind(&scene, &p[3], 0);
	for (unsigned i = 0; i < 3; i++)
		scene_insert(&scene, &p[i], 0);
	cryptokey_replace_begin(o);
	for (unsigned i = 0; i < 3; i++)
		assert_ptr_equal(whose_address(scene.t, AF_INET, p[i].bytes), o);
	scene_insert(&scene, &p[1], 0);
	scene_insert(&scene, &p[2], 5); /* somebody else's now */
	assert_ptr_equal(whose("10.1.0.1"), o);
	assert_ptr_equal(whose("10.4.0.1"), o);
	cryptokey_replace_end(scene.t, o);
	assert_null(whose("10.1.0.1"));
	assert_ptr_equal(whose("10.2.0.1"), o);
	assert_ptr_equal(whose("10.3.0.1"), &scene.peers[5]);
	assert_ptr_equal(whose("10.4.0.1"), &scene.peers[1]);
	assert_int_equal(n_of(&o->own), 1);
	assert_int_equal(cryptokey_count(scene.t), 3);
	/* Without a beginning there is no end. */
	cryptokey_replace_end(scene.t, o);
	assert_int_equal(n_of(&o->own), 1);
	scene_done(&scene);
}

/* Begun twice, or removed in the middle. */
static void replaced_twice(void **state)
{
	ip_prefix p[] = {parse("10.1.0.0/16"), parse("10.2.0.0/16")};
	struct cryptokey_owner *o = &scene.peers[0];

	scene_init(&scene);
	scene_insert(&scene, &p[0], 0);
	cryptokey_replace_begin(o);
	scene_insert(&scene, &p[0], 0);
	cryptokey_replace_begin(o);
	scene_insert(&scene, &p[1], 0);
	cryptokey_replace_end(scene.t, o);
	assert_null(whose("10.1.0.1"));
	assert_ptr_equal(whose("10.2.0.1"), o);
	cryptokey_replace_begin(o);
	assert_true(cryptokey_remove(scene.t, &p[1], o));
	scene_insert(&scene, &p[0], 0);
	cryptokey_remove_owner(scene.t, o);
	assert_int_equal(cryptokey_count(scene.t), 0);
	assert_int_equal(o->own.n_entries, 0);
	cryptokey_replace_end(scene.t, o);
	scene_done(&scene);
}

/* --- against the naive twin ----------------------------------------------------------------------
 */

#define STEPS 20000
#define SETS 6

static unsigned random_members(struct chance *c, struct twin_member *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TWIN_PEERS; i++)
		if (chance_below(c, 2))
			ret[n++] = (struct twin_member){
				i, chance_below(c, 3), chance_below(c, 3), chance_below(c, 3) == 0};
	return n;
}

static void change_set(struct scene *s, struct chance *c, unsigned set)
{
	struct twin_member m[TWIN_PEERS];

	if (s->sets[set] && chance_below(c, 4) == 0) {
		cryptokey_set_remove(s->t, s->sets[set]);
		s->sets[set] = NULL;
		twin_take_all(&s->w, false, set);
		s->w.sets[set].n = 0;
	} else {
		scene_define(s, set, m, random_members(c, m));
	}
}

static void take_away(struct scene *s, const ip_prefix *p, unsigned peer, unsigned set)
{
	struct twin_entry *e = twin_find(&s->w, p);

	if (e && e->is_strict)
		peer = e->who;
	else if (e)
		set = e->who;
	assert_int_equal(
		cryptokey_remove(s->t, p, &s->peers[peer]), twin_take(&s->w, p, true, peer));
	if (s->sets[set])
		assert_int_equal(
			cryptokey_unbind(s->t, p, s->sets[set]), twin_take(&s->w, p, false, set));
}

static void replace_some(struct scene *s, struct chance *c, unsigned peer)
{
	ip_prefix kept[4];

	for (unsigned i = 0; i < 4; i++)
		kept[i] = s->w.n && i & 1 ? s->w.entries[chance_below(c, s->w.n)].p
					  : random_prefix(c);
	cryptokey_replace_begin(&s->peers[peer]);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(cryptokey_insert(s->t, &kept[i], &s->peers[peer]), 0);
	cryptokey_replace_end(s->t, &s->peers[peer]);
	twin_take_all(&s->w, true, peer);
	twin_leave_sets(&s->w, peer);
	for (unsigned i = 0; i < 4; i++)
		twin_put(&s->w, &kept[i], true, peer);
}

static void remove_peer(struct scene *s, unsigned peer)
{
	cryptokey_remove_owner(s->t, &s->peers[peer]);
	twin_take_all(&s->w, true, peer);
	twin_leave_sets(&s->w, peer);
}

static void step(struct scene *s, struct chance *c)
{
	unsigned what = chance_below(c, 1000), peer = chance_below(c, TWIN_PEERS);
	unsigned set = chance_below(c, SETS);
	bool has_room = s->w.n + 4 < TWIN_ENTRIES / 2;
	ip_prefix p = s->w.n && chance_below(c, 2) ? s->w.entries[chance_below(c, s->w.n)].p
						   : random_prefix(c);

	if (what < 10)
		remove_peer(s, peer);
	else if (what < 20 && has_room)
		replace_some(s, c, peer);
	else if (what < 100)
		change_set(s, c, set);
	else if (what < 300)
		scene_state(s, peer, (enum cryptokey_level)chance_below(c, 3), chance_below(c, 2));
	else if (what < 450 && has_room)
		scene_insert(s, &p, peer);
	else if (what < 700 && has_room && s->sets[set])
		scene_bind(s, &p, set);
	else
		take_away(s, &p, peer, set);
}

static int check_held(const ip_prefix *p, void *data)
{
	const struct twin_entry *want = data, *e = twin_find(&scene.w, p);

	assert_non_null(e);
	assert_true(e->is_strict == want->is_strict && e->who == want->who);
	return 0;
}

static void check_held_by(const struct cryptokey_set *s, bool is_strict, unsigned who, unsigned *n)
{
	struct twin_entry want = {.is_strict = is_strict, .who = who};

	cryptokey_walk(s, check_held, &want);
	*n += n_of(s);
}

static void check_holders(struct scene *s)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TWIN_PEERS; i++)
		check_held_by(&s->peers[i].own, true, i, &n);
	for (unsigned i = 0; i < SETS; i++)
		if (s->sets[i])
			check_held_by(s->sets[i], false, i, &n);
	assert_int_equal(n, s->w.n);
	assert_int_equal(cryptokey_count(s->t), s->w.n);
}

static void against_twin(void **state)
{
	struct chance c = chance_start("against_twin");

	scene_init(&scene);
	for (unsigned i = 0; i < STEPS; i++) {
		step(&scene, &c);
		for (unsigned j = 0; j < 3; j++) {
			ip_addr a = random_addr(&c);

			scene_check_send(&scene, &a, (uint16_t)chance_u64(&c));
			scene_check_receive(&scene, &a, TWIN_PEERS);
		}
		if (i % 500 == 0)
			check_holders(&scene);
		qsbr_reclaim(scene.q);
	}
	check_holders(&scene);
	for (unsigned i = 0; i < TWIN_PEERS; i++)
		remove_peer(&scene, i);
	check_holders(&scene);
	scene_done(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_set_and_its_prefixes),
		cmocka_unit_test(what_no_set_can_be),
		cmocka_unit_test(prefixes_move_between_owners_and_sets),
		cmocka_unit_test(found_by_its_owners),
		cmocka_unit_test(an_owner_leaves_all_sets),
		cmocka_unit_test(replaced_without_a_gap),
		cmocka_unit_test(replaced_twice),
		cmocka_unit_test(against_twin),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

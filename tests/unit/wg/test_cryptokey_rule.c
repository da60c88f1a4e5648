/* SPDX-License-Identifier: MIT */
/*
 * The rule of sending and receiving, gone through whole: nested prefixes, each strict, shared or
 * not there, four peers and all of their states, against the naive twin.
 */
#include "cryptokey_scene.h"

#define PEERS 4
#define STATES 81 /* three for each of four */
#define MAX_NESTED 3

enum { A, B, C, D };

static struct scene scene;

/* Up, last resort or unusable; there are several ways to be the last, and each gets its turn. */
static void set_state(struct scene *s, unsigned peer, unsigned state, unsigned turn)
{
	if (state < 2)
		scene_state(s, peer, state ? CRYPTOKEY_LAST_RESORT : CRYPTOKEY_UP, true);
	else
		scene_state(
			s, peer, (enum cryptokey_level)(turn % 3), turn % 4 == 0 && turn % 3 == 0);
}

static void set_states(struct scene *s, unsigned all, unsigned turn)
{
	for (unsigned i = 0; i < PEERS; i++, all /= 3)
		set_state(s, i, all % 3, turn + i);
}

/* All states of all peers; the sets are what they are. */
static void check_all_states(struct scene *s, const ip_addr *a)
{
	static unsigned turn;

	for (unsigned all = 0; all < STATES; all++) {
		set_states(s, all, turn++);
		scene_check_send(s, a, (uint16_t)turn);
		scene_check_receive(s, a, PEERS);
	}
}

/* --- one shared prefix ---------------------------------------------------------------------------
 *
 * Each peer is not in the set, or in it with rank 0 or 1, weight 0 or not, a relay or not.
 */

#define PLACES 9

static unsigned members_of(unsigned shape, struct twin_member *ret)
{
	unsigned n = 0;

	for (unsigned i = 0; i < PEERS; i++, shape /= PLACES) {
		unsigned place = shape % PLACES;

		if (place--)
			ret[n++] = (struct twin_member){
				i, place & 1, place & 2 ? 0 : 1 + i, (place & 4) != 0};
	}
	return n;
}

static void every_set(void **state)
{
	ip_prefix p = parse("10.1.2.0/24"), host = parse("10.1.2.3/32");
	ip_addr a = ip_prefix_addr(&host);
	struct twin_member members[PEERS];

	scene_init(&scene);
	for (unsigned shape = 0; shape < PLACES * PLACES * PLACES * PLACES; shape++) {
		scene_define(&scene, 0, members, members_of(shape, members));
		if (!shape)
			scene_bind(&scene, &p, 0);
		check_all_states(&scene, &a);
		qsbr_reclaim(scene.q);
	}
	scene_done(&scene);
}

/* --- nested prefixes -----------------------------------------------------------------------------
 */

/* Peer, rank, weight, relay. */
static const struct {
	struct twin_member members[PEERS];
	unsigned n;
} shapes[] = {
	{{{A}}, 0},
	{{{A, 0, 1, false}}, 1},
	{{{B, 0, 1, false}, {A, 1, 1, false}}, 2},
	{{{A, 0, 1, false}, {B, 0, 3, false}}, 2},
	{{{A, 0, 0, false}}, 1},
	{{{A, 0, 0, false}, {B, 5, 1, false}}, 2},
	{{{A, 0, 1, true}}, 1},
	{{{A, 0, 1, false}, {B, 1, 1, true}}, 2},
	{{{A, 0, 1, false}, {B, 0, 1, true}}, 2},
	{{{A, 0, 1, true}, {B, 1, 1, true}}, 2},
	{{{A, 1, 1, false}, {B, 0, 1, true}}, 2},
	{{{B, 0, 1, false}, {A, 0, 0, true}}, 2},
	{{{C, 0, 1, false}, {D, 1, 1, false}}, 2},
	{{{C, 0, 1, true}, {D, 0, 1, true}}, 2},
	{{{A, 0, 1, false}, {B, 1, 1, false}, {C, 2, 1, false}}, 3},
	{{{A, 0, 1, false}, {B, 0, 1, false}, {C, 0, 1, false}}, 3},
	{{{A, 0, 1, false}, {B, 1, 1, true}, {C, 2, 1, true}}, 3},
	{{{A, 1, 1, false}, {B, 1, 1, false}, {C, 0, 1, true}, {D, 0, 0, false}}, 4},
	{{{D, 7, 1, false}, {C, 7, 2, false}, {B, 2, 1, false}, {A, 2, 9, false}}, 4},
};
#define SHAPES ARRAY_SIZE(shapes)
#define KINDS (1 + PEERS + SHAPES) /* not there, strict, shared */

static void put_kind(struct scene *s, const ip_prefix *p, size_t kind)
{
	bool is_strict;
	struct cryptokey_set *holder = cryptokey_holder(s->t, p, &is_strict);

	if (kind > PEERS) {
		scene_bind(s, p, (unsigned)(kind - PEERS - 1));
	} else if (kind) {
		scene_insert(s, p, (unsigned)kind - 1);
	} else if (holder) {
		struct twin_entry *e = twin_find(&s->w, p);

		assert_int_equal(e->is_strict, is_strict);
		assert_true(is_strict ? cryptokey_remove(s->t, p, &s->peers[e->who])
				      : cryptokey_unbind(s->t, p, s->sets[e->who]));
		twin_take(&s->w, p, is_strict, e->who);
	}
}

static void check_nested(const char *const *texts, unsigned n, const char *address)
{
	ip_prefix p[MAX_NESTED], host = parse(address);
	ip_addr a = ip_prefix_addr(&host);
	size_t n_all = 1;

	scene_init(&scene);
	for (unsigned i = 0; i < SHAPES; i++)
		scene_define(&scene, i, shapes[i].members, shapes[i].n);
	for (unsigned i = 0; i < n; i++) {
		p[i] = parse(texts[i]);
		n_all *= KINDS;
	}
	for (size_t all = 0; all < n_all; all++) {
		/* What changes seldom stays where it is. */
		for (size_t i = 0, rest = all; i < n; i++, rest /= KINDS) {
			put_kind(&scene, &p[i], rest % KINDS);
			if (rest % KINDS)
				break;
		}
		check_all_states(&scene, &a);
		qsbr_reclaim(scene.q);
	}
	assert_true(cryptokey_count(scene.t) == n);
	scene_done(&scene);
}

static void three_nested_ipv4(void **state)
{
	static const char *const texts[] = {"10.0.0.0/8", "10.1.2.0/24", "10.1.0.0/16"};

	check_nested(texts, 3, "10.1.2.3");
}

static void two_nested_ipv6(void **state)
{
	static const char *const texts[] = {"fd00::/48", "fd00:0:0:1::/64"};

	check_nested(texts, 2, "fd00:0:0:1::7");
}

/* In one node of the trie. */
static void two_neighbours(void **state)
{
	static const char *const texts[] = {"0.0.0.0/0", "10.0.0.0/8"};

	check_nested(texts, 2, "10.255.255.255");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_set),
		cmocka_unit_test(three_nested_ipv4),
		cmocka_unit_test(two_nested_ipv6),
		cmocka_unit_test(two_neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

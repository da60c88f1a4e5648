/* SPDX-License-Identifier: MIT */
#include "../../support/cryptokey_whose.h"
#include "base/mem.h"
#include "unit.h"
#include "wg/cryptokey.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct scene {
	struct qsbr *q;
	struct cryptokey_table *t;
};

static struct scene scene_new(struct cryptokey_owner *owners, size_t n)
{
	struct scene s = {.q = qsbr_new()};

	s.t = cryptokey_new(s.q, 1);
	for (size_t i = 0; i < n; i++)
		cryptokey_owner_init(&owners[i], i);
	return s;
}

static void scene_done(struct scene *s)
{
	cryptokey_free(s->t);
	qsbr_free(s->q);
}

static ip_prefix parse(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

static void insert(struct scene *s, const char *text, struct cryptokey_owner *o)
{
	ip_prefix p = parse(text);

	assert_int_equal(cryptokey_insert(s->t, &p, o), 0);
}

static bool take(struct scene *s, const char *text, struct cryptokey_owner *o)
{
	ip_prefix p = parse(text);

	return cryptokey_remove(s->t, &p, o);
}

static struct cryptokey_owner *lookup(const struct cryptokey_table *t, const ip_addr *a)
{
	return whose_address(t, a->family, a->bytes);
}

static struct cryptokey_owner *whose(struct scene *s, const char *text)
{
	ip_prefix p = parse(text);
	ip_addr a = ip_prefix_addr(&p);

	return lookup(s->t, &a);
}

static void empty(void **state)
{
	struct cryptokey_owner o[1];
	struct scene s = scene_new(o, 1);

	assert_null(whose(&s, "0.0.0.0"));
	assert_null(whose(&s, "255.255.255.255"));
	assert_null(whose(&s, "::"));
	assert_false(take(&s, "0.0.0.0/0", &o[0]));
	cryptokey_remove_owner(s.t, &o[0]);
	assert_int_equal(cryptokey_count(s.t), 0);
	scene_done(&s);
	cryptokey_free(NULL);
}

/* The order in which they come doesn't matter, and what is removed uncovers what is behind. */
static void longest_wins(void **state)
{
	static const char *const prefixes[][5] = {
		{"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "10.1.2.3/32"},
		{"::/0", "2001::/16", "2001:db8::/32", "2001:db8:1::/48", "2001:db8:1::1/128"},
	};
	static const char *const addresses[][5] = {
		{"11.0.0.0", "10.2.0.0", "10.1.1.0", "10.1.2.4", "10.1.2.3"},
		{"3000::", "2001:db9::", "2001:db8:2::", "2001:db8:1::2", "2001:db8:1::1"},
	};
	struct cryptokey_owner o[5];

	for (unsigned family = 0; family < 2; family++)
		for (unsigned start = 0; start < 5; start++) {
			struct scene s = scene_new(o, 5);

			for (unsigned i = 0; i < 5; i++)
				insert(&s, prefixes[family][(start + 2 * i) % 5],
					&o[(start + 2 * i) % 5]);
			assert_int_equal(cryptokey_count(s.t), 5);
			for (unsigned top = 5; top--;) {
				for (unsigned i = 0; i < 5; i++)
					assert_ptr_equal(whose(&s, addresses[family][i]),
						&o[i < top ? i : top]);
				assert_true(take(&s, prefixes[family][top], &o[top]));
			}
			for (unsigned i = 0; i < 5; i++)
				assert_null(whose(&s, addresses[family][i]));
			scene_done(&s);
		}
}

/* One peer owns a network, another a host in it: the host's address belongs to the other only. */
static void subset_is_the_others(void **state)
{
	struct cryptokey_owner o[2];
	struct scene s = scene_new(o, 2);

	insert(&s, "192.168.1.0/24", &o[0]);
	insert(&s, "192.168.1.7/32", &o[1]);
	assert_ptr_equal(whose(&s, "192.168.1.7"), &o[1]);
	assert_ptr_equal(whose(&s, "192.168.1.6"), &o[0]);
	insert(&s, "fd00::/64", &o[0]);
	insert(&s, "fd00::7/128", &o[1]);
	assert_ptr_equal(whose(&s, "fd00::7"), &o[1]);
	assert_ptr_equal(whose(&s, "fd00::6"), &o[0]);
	scene_done(&s);
}

static void moves_to_the_new_owner(void **state)
{
	struct cryptokey_owner o[2];
	struct scene s = scene_new(o, 2);

	insert(&s, "10.0.0.0/8", &o[0]);
	insert(&s, "10.0.0.0/8", &o[0]);
	assert_int_equal(o[0].own.n_entries, 1);
	insert(&s, "10.99.0.1/8", &o[1]); /* host bits are masked */
	assert_int_equal(o[0].own.n_entries, 0);
	assert_int_equal(o[1].own.n_entries, 1);
	assert_int_equal(cryptokey_count(s.t), 1);
	assert_ptr_equal(whose(&s, "10.1.1.1"), &o[1]);
	assert_false(take(&s, "10.0.0.0/8", &o[0]));
	assert_false(take(&s, "10.0.0.0/9", &o[1]));
	assert_ptr_equal(whose(&s, "10.1.1.1"), &o[1]);
	assert_true(take(&s, "10.0.0.0/8", &o[1]));
	assert_null(whose(&s, "10.1.1.1"));
	scene_done(&s);
}

/* An IPv4 address is no IPv6 address with zeros. */
static void families_are_apart(void **state)
{
	struct cryptokey_owner o[2];
	struct scene s = scene_new(o, 2);

	insert(&s, "0.0.0.0/0", &o[0]);
	assert_null(whose(&s, "::"));
	insert(&s, "::/0", &o[1]);
	assert_ptr_equal(whose(&s, "0.0.0.0"), &o[0]);
	assert_ptr_equal(whose(&s, "::"), &o[1]);
	assert_ptr_equal(whose(&s, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"), &o[1]);
	assert_ptr_equal(whose(&s, "255.255.255.255"), &o[0]);
	scene_done(&s);
}

/* --- against a naive twin ------------------------------------------------------------------------
 */

#define OWNERS 7
#define TWIN_MAX 300
#define STEPS 15000

struct twin {
	struct {
		ip_prefix p;
		unsigned owner;
	} all[TWIN_MAX];
	unsigned n;
};

static unsigned twin_find(const struct twin *w, const ip_prefix *p)
{
	unsigned i = 0;

	while (i < w->n && !ip_prefix_eq(&w->all[i].p, p))
		i++;
	return i;
}

static int twin_lookup(const struct twin *w, const ip_addr *a)
{
	int best = -1;

	for (unsigned i = 0; i < w->n; i++)
		if (ip_prefix_has_addr(&w->all[i].p, a) &&
			(best < 0 || w->all[i].p.len > w->all[best].p.len))
			best = (int)i;
	return best;
}

static void twin_remove(struct twin *w, unsigned i)
{
	w->all[i] = w->all[--w->n];
}

/* Few different bits, so that prefixes meet: each byte is one of three, and a bit of it flipped now
 * and then. */
static ip_addr random_addr(struct chance *c)
{
	static const uint8_t few[] = {0, 0x0a, 0xff};
	uint8_t bytes[16];

	for (unsigned i = 0; i < 16; i++)
		bytes[i] = few[chance_below(c, 3)];
	bytes[chance_below(c, 16)] ^= (uint8_t)(1u << chance_below(c, 8));
	bytes[chance_below(c, 4)] ^= (uint8_t)(1u << chance_below(c, 8));
	return ip_addr_from_bytes(chance_below(c, 2) ? AF_INET : AF_INET6, bytes);
}

static ip_prefix random_prefix(struct chance *c)
{
	ip_addr a = random_addr(c);

	return ip_prefix_of(&a, chance_below(c, ip_family_bits(a.family) + 1));
}

/* An address near a prefix: in it, or one bit off. */
static ip_addr near(struct chance *c, const ip_prefix *p)
{
	ip_addr noise = random_addr(c), a = ip_prefix_addr(p);
	unsigned bits = ip_family_bits(p->family), flip = chance_below(c, bits);

	for (unsigned i = p->len; i < bits; i++)
		a.bytes[i / 8] ^= noise.bytes[i / 8] & (uint8_t)(0x80 >> i % 8);
	if (chance_below(c, 2))
		a.bytes[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
	return a;
}

static void check_lookup(
	struct scene *s, const struct twin *w, struct cryptokey_owner *owners, const ip_addr *a)
{
	int want = twin_lookup(w, a);

	assert_ptr_equal(lookup(s->t, a), want < 0 ? NULL : &owners[w->all[want].owner]);
}

static int check_owned(const ip_prefix *p, void *data)
{
	const struct twin *w = ((const void **)data)[0];
	const unsigned *owner = ((const void **)data)[1];
	unsigned i = twin_find(w, p);

	assert_true(i < w->n);
	assert_int_equal(w->all[i].owner, *owner);
	return 0;
}

static void check_owners(struct scene *s, const struct twin *w, struct cryptokey_owner *owners)
{
	size_t n = 0;

	for (unsigned i = 0; i < OWNERS; i++) {
		const void *data[] = {w, &i};

		n += owners[i].own.n_entries;
		assert_int_equal(cryptokey_walk(&owners[i].own, check_owned, data), 0);
	}
	assert_int_equal(n, w->n);
	assert_int_equal(cryptokey_count(s->t), w->n);
}

static void step(struct scene *s, struct twin *w, struct cryptokey_owner *owners, struct chance *c)
{
	unsigned owner = chance_below(c, OWNERS), i, what = chance_below(c, 1000);
	ip_prefix p =
		w->n && chance_below(c, 2) ? w->all[chance_below(c, w->n)].p : random_prefix(c);

	i = twin_find(w, &p);
	if (what == 0) {
		cryptokey_remove_owner(s->t, &owners[owner]);
		for (unsigned j = w->n; j--;)
			if (w->all[j].owner == owner)
				twin_remove(w, j);
	} else if (what < 500 && w->n < TWIN_MAX) {
		assert_int_equal(cryptokey_insert(s->t, &p, &owners[owner]), 0);
		if (i == w->n)
			w->all[w->n++].p = p;
		w->all[i].owner = owner;
	} else {
		bool has = i < w->n && w->all[i].owner == owner;

		if (i < w->n && chance_below(c, 2)) {
			owner = w->all[i].owner;
			has = true;
		}
		assert_int_equal(cryptokey_remove(s->t, &p, &owners[owner]), has);
		if (has)
			twin_remove(w, i);
	}
}

static void against_twin(void **state)
{
	struct chance c = chance_start("against_twin");
	static struct twin w;
	struct cryptokey_owner owners[OWNERS];
	struct scene s = scene_new(owners, OWNERS);

	w.n = 0;
	for (unsigned i = 0; i < STEPS; i++) {
		step(&s, &w, owners, &c);
		for (unsigned j = 0; j < 4; j++) {
			ip_addr a = random_addr(&c);

			if (j && w.n)
				a = near(&c, &w.all[chance_below(&c, w.n)].p);
			check_lookup(&s, &w, owners, &a);
		}
		if (i % 1000 == 0)
			check_owners(&s, &w, owners);
	}
	check_owners(&s, &w, owners);
	for (unsigned i = 0; i < OWNERS; i++)
		cryptokey_remove_owner(s.t, &owners[i]);
	assert_int_equal(cryptokey_count(s.t), 0);
	scene_done(&s);
}

/* --- readers and a writer ------------------------------------------------------------------------
 *
 * Some prefixes are always there and only go from one owner to another and back, while others
 * around them, over and under them, come and go. The addresses that are asked for are in the first
 * and in none of the longer ones of the second: no answer may be anything but the two owners.
 */

#define STEADY 24
#define READERS 2
#define CHANGES 20000 /* at least, and as many as the readers need for their rounds */
#define CHANGES_AT_THE_SPOT 60000
#define ROUNDS 50
#define COMING 400
#define TIGHTLY 2

struct race {
	struct scene s;
	unsigned n_steady, n_coming, n_changes;
	ip_prefix steady[STEADY];
	ip_addr asked[STEADY];
	ip_prefix coming[COMING];
	struct cryptokey_owner owners[4]; /* 0 and 1 hold the steady ones, 2 and 3 the others */
	_Atomic bool stop;
	_Atomic unsigned wrong, rounds[READERS];
};

struct reader {
	struct race *race;
	unsigned place;
};

static void *read_on(void *data)
{
	struct reader *me = data;
	struct race *r = me->race;
	unsigned worker = qsbr_register(r->s.q);

	while (!atomic_load_explicit(&r->stop, memory_order_acquire)) {
		qsbr_wake(r->s.q, worker);
		for (unsigned i = 0; i < 64; i++) {
			for (unsigned j = 0; j < STEADY; j++) {
				struct cryptokey_owner *o =
					lookup(r->s.t, &r->asked[j % r->n_steady]);

				if (o != &r->owners[0] && o != &r->owners[1])
					atomic_fetch_add_explicit(
						&r->wrong, 1, memory_order_relaxed);
			}
			qsbr_quiescent(r->s.q, worker);
		}
		qsbr_sleep(r->s.q, worker);
		atomic_fetch_add_explicit(&r->rounds[me->place], 1, memory_order_relaxed);
	}
	qsbr_unregister(r->s.q, worker);
	return NULL;
}

static bool readers_have_run(struct race *r)
{
	for (unsigned i = 0; i < READERS; i++)
		if (atomic_load_explicit(&r->rounds[i], memory_order_relaxed) < ROUNDS)
			return false;
	return true;
}

static void change(struct race *r, struct chance *c)
{
	const ip_prefix *p = &r->coming[chance_below(c, r->n_coming)];
	unsigned what = chance_below(c, 100);

	if (what == 0)
		cryptokey_remove_owner(r->s.t, &r->owners[2 + chance_below(c, 2)]);
	else if (what < 20)
		cryptokey_insert(r->s.t, &r->steady[chance_below(c, r->n_steady)],
			&r->owners[chance_below(c, 2)]);
	else if (what < 60)
		cryptokey_insert(r->s.t, p, &r->owners[2 + chance_below(c, 2)]);
	else
		cryptokey_remove(r->s.t, p, &r->owners[2 + chance_below(c, 2)]);
	qsbr_reclaim(r->s.q);
}

/* With the steady prefixes, their addresses and those that come and go set. */
static void run_race(struct race *r, struct chance *c)
{
	struct reader readers[READERS];
	pthread_t threads[READERS];

	r->s = scene_new(r->owners, ARRAY_SIZE(r->owners));
	for (unsigned i = 0; i < r->n_steady; i++)
		assert_int_equal(cryptokey_insert(r->s.t, &r->steady[i], &r->owners[0]), 0);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){r, i};
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
	}
	for (unsigned i = 0; i < r->n_changes || !readers_have_run(r); i++)
		change(r, c);
	atomic_store_explicit(&r->stop, true, memory_order_release);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(r->wrong, 0);
	scene_done(&r->s);
}

/* Would it be the answer for an address that is asked for? */
static bool is_in_the_way(const struct race *r, const ip_prefix *p)
{
	for (unsigned i = 0; i < r->n_steady; i++)
		if (p->len >= r->steady[i].len && ip_prefix_has_addr(p, &r->asked[i]))
			return true;
	return false;
}

static ip_prefix coming_prefix(const struct race *r, struct chance *c)
{
	ip_prefix p;

	do {
		const ip_prefix *by = &r->steady[chance_below(c, r->n_steady)];
		ip_addr a = near(c, by);

		p = ip_prefix_of(&a, chance_below(c, ip_family_bits(a.family) + 1));
	} while (is_in_the_way(r, &p));
	return p;
}

static void never_missed(void **state)
{
	struct chance c = chance_start("never_missed");
	static struct race r;

	r.n_steady = STEADY;
	r.n_coming = COMING;
	r.n_changes = CHANGES;
	for (unsigned i = 0; i < STEADY; i++) {
		r.asked[i] = random_addr(&c);
		r.steady[i] = ip_prefix_of(
			&r.asked[i], 8 + chance_below(&c, ip_family_bits(r.asked[i].family) - 7));
	}
	for (unsigned i = 0; i < COMING; i++)
		r.coming[i] = coming_prefix(&r, &c);
	run_race(&r, &c);
}

/* One prefix and a few beside, over and under it, each of which makes or unmakes a node: the
 * readers are always at the spot where the change is. */
static void never_missed_at_the_spot(void **state)
{
	static const char *const spots[][1 + TIGHTLY] = {
		{"10.1.2.0/24", "10.1.3.0/24", "10.1.2.128/25"},
		{"10.1.2.0/24", "10.1.40.0/24", "10.1.0.0/20"},
		{"10.1.0.0/16", "10.0.0.0/8", "10.1.128.0/17"},
		{"fd00::/64", "fd00:0:0:1::/64", "fe00::/16"},
		{"fd00::/64", "fd00:0:0:0:8000::/65", "::/0"},
	};
	struct chance c = chance_start("never_missed_at_the_spot");
	static struct race r;

	for (unsigned i = 0; i < ARRAY_SIZE(spots); i++) {
		r = (struct race){
			.n_steady = 1, .n_coming = TIGHTLY, .n_changes = CHANGES_AT_THE_SPOT};
		r.steady[0] = parse(spots[i][0]);
		r.asked[0] = ip_prefix_addr(&r.steady[0]);
		for (unsigned j = 0; j < TIGHTLY; j++)
			r.coming[j] = parse(spots[i][1 + j]);
		run_race(&r, &c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(longest_wins),
		cmocka_unit_test(subset_is_the_others),
		cmocka_unit_test(moves_to_the_new_owner),
		cmocka_unit_test(families_are_apart),
		cmocka_unit_test(against_twin),
		cmocka_unit_test(never_missed),
		cmocka_unit_test(never_missed_at_the_spot),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * The trie against a list that is searched from end to end. The module itself is included, not
 * linked, so that its shape can be checked too: glue that joins nothing would never show outside.
 */
#include "base/trie.c"
#include "unit.h"
#include <stdbool.h>

#define MOST 400

struct naive {
	struct {
		ip_prefix prefix;
		void *value; /* NULL: not in */
	} entries[MOST];
	size_t n, held;
};

static ip_prefix prefix(const char *text)
{
	ip_prefix p;

	if (!ip_prefix_parse(&p, text))
		fail_msg("no prefix: %s", text);
	return p;
}

static ip_addr addr(const char *text)
{
	ip_addr a;

	if (!ip_addr_parse(&a, text))
		fail_msg("no address: %s", text);
	return a;
}

/* Counts the nodes of a subtree after checking each. */
static size_t check_subtree(const struct node *n)
{
	size_t count = 1;

	if (!n)
		return 0;
	assert_true(n->value || (n->child[0] && n->child[1]));
	assert_false(ip_prefix_has_host_bits(&n->prefix));
	for (unsigned i = 0; i < 2; i++) {
		const struct node *child = n->child[i];

		if (!child)
			continue;
		assert_true(child->prefix.len > n->prefix.len);
		assert_true(ip_prefix_contains(&n->prefix, &child->prefix));
		assert_int_equal(bit_at(child->prefix.bytes, n->prefix.len), i);
		count += check_subtree(child);
	}
	return count;
}

static void check_shape(const struct trie *t)
{
	size_t nodes = check_subtree(t->root[0]) + check_subtree(t->root[1]);

	assert_true(t->n ? nodes < 2 * t->n : nodes == 0);
}

static void *naive_longest(const struct naive *l, const ip_prefix *of, int max_len, ip_prefix *ret)
{
	void *value = NULL;
	int best = -1;

	for (size_t i = 0; i < l->n; i++) {
		const ip_prefix *p = &l->entries[i].prefix;

		if (!l->entries[i].value || p->len > max_len || p->len <= best ||
			!ip_prefix_contains(p, of))
			continue;
		best = p->len;
		value = l->entries[i].value;
		*ret = *p;
	}
	return value;
}

static size_t naive_find(struct naive *l, const ip_prefix *p)
{
	size_t i = 0;

	while (i < l->n && !ip_prefix_eq(&l->entries[i].prefix, p))
		i++;
	if (i == l->n) {
		assert_true(l->n < MOST);
		l->entries[l->n++].prefix = *p;
	}
	return i;
}

struct seen {
	const struct naive *naive;
	const ip_prefix *outer; /* NULL: all */
	ip_prefix last;
	size_t n;
	size_t stop_after;
};

static int see(const ip_prefix *p, void *value, void *data)
{
	struct seen *seen = data;
	ip_prefix found;

	if (seen->n)
		assert_true(ip_prefix_cmp(&seen->last, p) < 0);
	assert_true(!seen->outer || ip_prefix_contains(seen->outer, p));
	assert_ptr_equal(naive_longest(seen->naive, p, p->len, &found), value);
	assert_true(ip_prefix_eq(&found, p));
	seen->last = *p;
	return ++seen->n == seen->stop_after ? 42 : 0;
}

static void check_walks(const struct trie *t, const struct naive *l, const ip_prefix *outer)
{
	struct seen all = {.naive = l}, within = {.naive = l, .outer = outer};
	size_t want = 0, behind = 0;

	for (size_t i = 0; i < l->n; i++)
		behind += l->entries[i].value && ip_prefix_cmp(outer, &l->entries[i].prefix) < 0;
	all.last = *outer;
	assert_int_equal(trie_walk_after(t, outer, see, &all), 0);
	assert_int_equal(all.n, behind);
	if (behind) {
		all = (struct seen){.naive = l, .stop_after = behind};
		assert_int_equal(trie_walk_after(t, outer, see, &all), 42);
	}
	all = (struct seen){.naive = l};
	for (size_t i = 0; i < l->n; i++)
		want += l->entries[i].value && ip_prefix_contains(outer, &l->entries[i].prefix);
	assert_int_equal(trie_walk(t, see, &all), 0);
	assert_int_equal(all.n, l->held);
	assert_int_equal(trie_walk_within(t, outer, see, &within), 0);
	assert_int_equal(within.n, want);
	for (size_t stop = 1; stop <= want && stop < 4; stop++) {
		within = (struct seen){.naive = l, .outer = outer, .stop_after = stop};
		assert_int_equal(trie_walk_within(t, outer, see, &within), 42);
		assert_int_equal(within.n, stop);
	}
	if (l->held) {
		all = (struct seen){.naive = l, .stop_after = l->held};
		assert_int_equal(trie_walk(t, see, &all), 42);
	}
}

/* Something near what is there already: a cover, a part, or a neighbour of it; or anything. */
static ip_prefix random_prefix(struct chance *c, const struct naive *l)
{
	ip_prefix p = {.family = chance_below(c, 2) ? AF_INET : AF_INET6};
	unsigned bits, flip;

	for (unsigned i = 0; i < ip_family_bits(p.family) / 8; i++)
		p.bytes[i] = (uint8_t)chance_u64(c);
	if (l->n && chance_below(c, 20))
		p = l->entries[chance_below(c, (unsigned)l->n)].prefix;
	bits = ip_family_bits(p.family);
	flip = chance_below(c, bits);
	if (chance_below(c, 2))
		p.bytes[flip / 8] ^= (uint8_t)(0x80 >> flip % 8);
	if (chance_below(c, 2))
		p.len = (uint8_t)chance_below(c, bits + 1);
	return ip_prefix_masked(&p);
}

static void change(struct chance *c, struct trie *t, struct naive *l, const ip_prefix *p)
{
	size_t i = naive_find(l, p);
	void *value = &l->entries[chance_below(c, MOST)];
	void **slot;

	assert_ptr_equal(trie_get(t, p), l->entries[i].value);
	if (chance_below(c, 2)) {
		slot = trie_slot(t, p);
		assert_ptr_equal(*slot, l->entries[i].value);
		*slot = value;
		l->held += !l->entries[i].value;
		l->entries[i].value = value;
	} else {
		assert_ptr_equal(trie_remove(t, p), l->entries[i].value);
		l->held -= !!l->entries[i].value;
		l->entries[i].value = NULL;
	}
	assert_int_equal(trie_count(t), l->held);
}

static void query(const struct trie *t, const struct naive *l, const ip_prefix *p)
{
	const ip_prefix untouched = {.family = 99};
	ip_prefix got = untouched, want = untouched;
	ip_addr a = ip_prefix_addr(p);
	ip_prefix host = ip_prefix_host(&a);

	assert_ptr_equal(trie_lookup(t, &a, &got), naive_longest(l, &host, 128, &want));
	assert_memory_equal(&got, &want, sizeof(got));
	got = want = untouched;
	assert_ptr_equal(trie_cover(t, p, &got), naive_longest(l, p, p->len - 1, &want));
	assert_memory_equal(&got, &want, sizeof(got));
	assert_ptr_equal(trie_lookup(t, &a, NULL), naive_longest(l, &host, 128, &want));
}

static void random_against_naive(void **state)
{
	struct chance c = chance_start("trie");
	static struct naive l;

	for (int round = 0; round < 20; round++) {
		struct trie *t = trie_new();

		l.n = l.held = 0;
		for (int i = 0; i < MOST; i++) /* values of the round before */
			l.entries[i].value = NULL;
		for (int step = 0; step < 2000; step++) {
			ip_prefix p = random_prefix(&c, &l), q = random_prefix(&c, &l);

			if (l.n == MOST)
				p = l.entries[chance_below(&c, MOST)].prefix;
			change(&c, t, &l, &p);
			query(t, &l, &q);
			if (step % 50 == 0) {
				check_shape(t);
				check_walks(t, &l, &q);
			}
		}
		for (size_t i = 0; i < l.n; i++)
			assert_ptr_equal(trie_remove(t, &l.entries[i].prefix), l.entries[i].value);
		check_shape(t);
		assert_null(t->root[0]);
		assert_null(t->root[1]);
		trie_free(t);
	}
}

static void empty(void **state)
{
	struct trie *t = trie_new();
	const ip_prefix all4 = prefix("0.0.0.0/0"), all6 = prefix("::/0"), unset = {0};
	const ip_addr a = addr("192.0.2.1"), no_addr = {0};
	struct seen seen = {0};

	assert_null(trie_get(t, &all4));
	assert_null(trie_remove(t, &all6));
	assert_null(trie_lookup(t, &a, NULL));
	assert_null(trie_cover(t, &all4, NULL));
	assert_int_equal(trie_walk(t, see, &seen), 0);
	assert_int_equal(trie_walk_within(t, &all6, see, &seen), 0);
	assert_int_equal(trie_count(t), 0);
	*trie_slot(t, &all4) = t;
	assert_null(trie_lookup(t, &no_addr, NULL));
	assert_null(trie_get(t, &unset));
	assert_null(trie_remove(t, &unset));
	trie_free(t);
	trie_free(NULL);
}

static void families_are_apart(void **state)
{
	struct trie *t = trie_new();
	const ip_prefix all4 = prefix("0.0.0.0/0"), all6 = prefix("::/0");
	const ip_addr a4 = addr("192.0.2.1"), a6 = addr("2001:db8::1");
	int v4, v6;

	*trie_slot(t, &all6) = &v6;
	assert_null(trie_lookup(t, &a4, NULL));
	*trie_slot(t, &all4) = &v4;
	assert_ptr_equal(trie_lookup(t, &a4, NULL), &v4);
	assert_ptr_equal(trie_lookup(t, &a6, NULL), &v6);
	assert_ptr_equal(trie_remove(t, &all6), &v6);
	assert_null(trie_lookup(t, &a6, NULL));
	assert_int_equal(trie_count(t), 1);
	trie_free(t);
}

/* A slot stays where it is while other prefixes come and go around it. */
static void slot_is_stable(void **state)
{
	static const char *const others[] = {"10.0.0.0/8", "10.1.0.0/17", "10.1.128.0/17",
		"10.0.0.0/16", "11.0.0.0/8", "10.1.2.3/32", "0.0.0.0/0"};
	struct trie *t = trie_new();
	const ip_prefix p = prefix("10.1.0.0/16");
	void **slot = trie_slot(t, &p);
	int mine, other;

	*slot = &mine;
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		ip_prefix q = prefix(others[i]);

		*trie_slot(t, &q) = &other;
		assert_ptr_equal(trie_slot(t, &p), slot);
	}
	for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
		ip_prefix q = prefix(others[i]);

		assert_ptr_equal(trie_remove(t, &q), &other);
		assert_ptr_equal(trie_slot(t, &p), slot);
		check_shape(t);
	}
	assert_ptr_equal(*slot, &mine);
	assert_int_equal(trie_count(t), 1);
	trie_free(t);
}

/* A prefix of every length along one path, and beside each its sibling: the longest path there can
 * be and the most that a walk can have pending. */
static void deepest(void **state)
{
	static struct naive l;
	struct trie *t = trie_new();
	const ip_addr zero = addr("::"), beside = addr("0:0:0:1::");
	const ip_prefix all = prefix("::/0");
	ip_prefix found;

	for (unsigned len = 0; len <= 128; len++) {
		ip_prefix p = ip_prefix_of(&zero, len);

		l.entries[naive_find(&l, &p)].value = &l.entries[len];
		if (len) {
			p.bytes[(len - 1) / 8] ^= (uint8_t)(0x80 >> (len - 1) % 8);
			l.entries[naive_find(&l, &p)].value = &l.entries[MOST - 1 - len];
		}
	}
	l.held = l.n;
	for (size_t i = l.n; i-- > 0;)
		*trie_slot(t, &l.entries[i].prefix) = l.entries[i].value;
	check_shape(t);
	check_walks(t, &l, &all);
	assert_ptr_equal(trie_lookup(t, &zero, &found), &l.entries[128]);
	assert_int_equal(found.len, 128);
	assert_ptr_equal(trie_lookup(t, &beside, &found), &l.entries[MOST - 1 - 64]);
	assert_int_equal(found.len, 64);
	trie_free(t);
}

/* Dense IPv4 /24s and scattered IPv6 /56s by turns, all different. */
static ip_prefix numbered(uint32_t i)
{
	ip_prefix p = {.family = i % 2 ? AF_INET : AF_INET6, .len = i % 2 ? 24 : 56};
	uint32_t number = i % 2 ? i / 2 << 8 : i * 2654435761U;

	p.bytes[0] = (uint8_t)(number >> 24);
	p.bytes[1] = (uint8_t)(number >> 16);
	p.bytes[2] = (uint8_t)(number >> 8);
	p.bytes[3] = (uint8_t)number;
	return p;
}

static int count(const ip_prefix *p, void *value, void *data)
{
	++*(size_t *)data;
	return 0;
}

static void a_million(void **state)
{
	const uint32_t n = 1000000;
	struct trie *t = trie_new();
	size_t walked = 0;

	for (uint32_t i = 0; i < n; i++) {
		ip_prefix p = numbered(i);

		*trie_slot(t, &p) = t;
	}
	assert_int_equal(trie_count(t), n);
	check_shape(t);
	assert_int_equal(trie_walk(t, count, &walked), 0);
	assert_int_equal(walked, n);
	for (uint32_t i = 0; i < n; i++) {
		ip_prefix p = numbered(i), found;
		ip_addr a = ip_prefix_addr(&p);

		a.bytes[p.len / 8] = 0xff;
		assert_ptr_equal(trie_lookup(t, &a, &found), t);
		assert_true(ip_prefix_eq(&found, &p));
		assert_ptr_equal(trie_remove(t, &p), t);
	}
	check_shape(t);
	trie_free(t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty),
		cmocka_unit_test(families_are_apart),
		cmocka_unit_test(slot_is_stable),
		cmocka_unit_test(deepest),
		cmocka_unit_test(random_against_naive),
		cmocka_unit_test(a_million),
	};

	return cmocka_run_group_tests_name("trie", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "mesh/aggregate.h"

#include "base/vec.h"
#include "unit.h"
#include <string.h>

/* A set of prefixes so small that everything may be done the slow way. */
struct set {
	VEC(ip_prefix) items;
};

static int cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static int place(const struct set *s, const ip_prefix *p)
{
	for (size_t i = 0; i < s->items.n; i++)
		if (ip_prefix_eq(&s->items.items[i], p))
			return (int)i;
	return -1;
}

static void add(struct set *s, const ip_prefix *p)
{
	if (place(s, p) < 0)
		vec_push(&s->items, *p);
}

static void drop(struct set *s, const ip_prefix *p)
{
	int at = place(s, p);

	if (at >= 0)
		s->items.items[at] = s->items.items[--s->items.n];
}

static void sort(struct set *s)
{
	if (s->items.n)
		qsort(s->items.items, s->items.n, sizeof(*s->items.items), cmp);
}

static void add_texts(struct set *s, const char *texts)
{
	char *copy = mem_strdup(texts), *save = NULL;

	for (char *t = strtok_r(copy, ", ", &save); t; t = strtok_r(NULL, ", ", &save)) {
		ip_prefix p;

		assert_true(ip_prefix_parse(&p, t));
		add(s, &p);
	}
	free(copy);
	sort(s);
}

static ip_prefix relative(const ip_prefix *p, unsigned len, bool flip)
{
	ip_prefix r = *p;

	if (flip)
		r.bytes[(len - 1) / 8] ^= (uint8_t)(0x80 >> (len - 1) % 8);
	r.len = (uint8_t)len;
	return ip_prefix_masked(&r);
}

static bool in_set(const ip_prefix *p, const void *data)
{
	return place(data, p) >= 0;
}

/* Merges one pair of siblings of the length; false if there is none left. */
static bool merge_one(struct set *s, const struct set *foreign, unsigned len)
{
	for (size_t i = 0; i < s->items.n; i++) {
		ip_prefix p = s->items.items[i], sibling, parent;

		if (p.len != len)
			continue;
		sibling = relative(&p, p.len, true);
		parent = relative(&p, p.len - 1u, false);
		if (place(s, &sibling) < 0 || place(foreign, &parent) >= 0)
			continue;
		drop(s, &p);
		drop(s, &sibling);
		add(s, &parent);
		return true;
	}
	return false;
}

static void print_naive(struct set s, const struct set *foreign, struct buf *out)
{
	struct set copy = {0};
	char text[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < s.items.n; i++)
		add(&copy, &s.items.items[i]);
	for (unsigned len = 128; len; len--)
		while (merge_one(&copy, foreign, len))
			;
	sort(&copy);
	for (size_t i = 0; i < copy.items.n; i++)
		buf_printf(
			out, "%s%s", i ? ", " : "", ip_prefix_format(&copy.items.items[i], text));
	vec_done(&copy.items);
}

static void assert_merged(const char *own, const char *foreign, const char *want)
{
	struct set o = {0}, f = {0};
	AUTO_BUF got = {0};

	add_texts(&o, own);
	add_texts(&f, foreign);
	struct mesh_aggregate *a = mesh_aggregate_new(o.items.items, o.items.n, in_set, &f);
	mesh_aggregate_print(a, &got);
	assert_string_equal(buf_str(&got), want);
	mesh_aggregate_free(a);
	vec_done(&o.items);
	vec_done(&f.items);
}

static void siblings_become_their_parent(void **state)
{
	static const struct {
		const char *own, *foreign, *want;
	} cases[] = {
		{"", "", ""},
		{"10.0.0.0/24", "", "10.0.0.0/24"},
		{"10.0.0.0/24, 10.0.1.0/24", "", "10.0.0.0/23"},
		/* neighbours, but no siblings */
		{"10.0.1.0/24, 10.0.2.0/24", "", "10.0.1.0/24, 10.0.2.0/24"},
		{"10.0.0.0/24, 10.0.1.0/24, 10.0.2.0/23", "", "10.0.0.0/22"},
		/* the parent is somebody else's */
		{"10.0.0.0/24, 10.0.1.0/24", "10.0.0.0/23", "10.0.0.0/24, 10.0.1.0/24"},
		/* the parent is the owner's own */
		{"10.0.0.0/23, 10.0.0.0/24, 10.0.1.0/24", "", "10.0.0.0/23"},
		/* nested without a sibling: stays */
		{"10.0.0.0/16, 10.0.1.0/24", "", "10.0.0.0/16, 10.0.1.0/24"},
		{"10.0.0.0/17, 10.0.128.0/17, 10.0.1.0/24", "", "10.0.0.0/16, 10.0.1.0/24"},
		/* a hole below a merge belongs to somebody else and stays his */
		{"10.0.0.0/24, 10.0.1.0/24", "10.0.1.128/25", "10.0.0.0/23"},
		{"0.0.0.0/1, 128.0.0.0/1, ::/1, 8000::/1", "", "0.0.0.0/0, ::/0"},
		{"0.0.0.0/1, 128.0.0.0/1", "0.0.0.0/0", "0.0.0.0/1, 128.0.0.0/1"},
		{"fd00::/128, fd00::1/128", "", "fd00::/127"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		assert_merged(cases[i].own, cases[i].foreign, cases[i].want);
}

static ip_prefix random_prefix(struct chance *c)
{
	ip_addr a = {.family = chance_below(c, 4) ? AF_INET : AF_INET6};
	unsigned bits = ip_family_bits(a.family);

	/* A corner of each family, small enough to be filled. */
	a.bytes[0] = 10;
	a.bytes[bits / 8 - 1] = (uint8_t)chance_below(c, 64);
	return ip_prefix_of(&a, bits - chance_below(c, chance_below(c, 4) ? 3 : 9));
}

/* Every variant of a set with some prefixes out, against merging pair by pair. */
static void variants_equal_the_naive_ones(struct chance *c)
{
	struct set own = {0}, foreign = {0}, left = {0};

	for (unsigned n = chance_below(c, 60); n; n--) {
		ip_prefix p = random_prefix(c);

		if (place(&own, &p) < 0 && place(&foreign, &p) < 0)
			add(chance_below(c, 8) ? &own : &foreign, &p);
	}
	sort(&own);
	struct mesh_aggregate *a =
		mesh_aggregate_new(own.items.items, own.items.n, in_set, &foreign);
	for (int round = 0; round < 4; round++) {
		size_t n_foreign = foreign.items.n;
		AUTO_BUF got = {0}, want = {0};

		left.items.n = 0;
		for (size_t i = 0; i < own.items.n; i++) {
			if (round && chance_below(c, 10) == 0) {
				mesh_aggregate_remove(a, &own.items.items[i]);
				add(&foreign, &own.items.items[i]);
			} else {
				add(&left, &own.items.items[i]);
			}
		}
		mesh_aggregate_print(a, &got);
		print_naive(left, &foreign, &want);
		assert_string_equal(buf_str(&got), buf_str(&want));
		mesh_aggregate_restore(a);
		foreign.items.n = n_foreign;
	}
	mesh_aggregate_free(a);
	vec_done(&own.items);
	vec_done(&foreign.items);
	vec_done(&left.items);
}

static void random_sets(void **state)
{
	struct chance c = chance_start("aggregate");

	for (int i = 0; i < 2000; i++)
		variants_equal_the_naive_ones(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siblings_become_their_parent),
		cmocka_unit_test(random_sets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

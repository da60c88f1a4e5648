/* SPDX-License-Identifier: MIT */
#include "mesh/permits.h"

#include "mesh_build.h"
#include "unit.h"

#define MAX 12

static ip_prefix of(const char *text)
{
	return mesh_build_prefix(text);
}

static bool permitted(const struct permits *p, const ip_prefix *x)
{
	if (ip_prefix_is_default(x))
		return p->has_default;
	for (size_t i = 0; i < p->items.n; i++)
		if (x->len >= p->items.items[i].from &&
			ip_prefix_contains(&p->items.items[i].prefix, x))
			return true;
	return false;
}

static void sorted(struct permits *p, const char *const *texts)
{
	permits_init(p, AF_INET);
	for (; *texts; texts++) {
		ip_prefix x = of(*texts);

		permits_add(p, &x);
	}
	permits_sort(p);
}

static void siblings_are_one_entry(void **state)
{
	struct permits p;
	ip_prefix whole = of("10.20.0.0/23"), half = of("10.20.1.0/24");

	sorted(&p, (const char *const[]){"10.20.1.0/24", "10.20.0.0/24", "10.20.0.128/25", NULL});
	assert_int_equal(p.items.n, 1);
	assert_true(ip_prefix_eq(&p.items.items[0].prefix, &whole));
	assert_int_equal(p.items.items[0].from, 24);
	assert_false(permitted(&p, &whole));
	assert_true(permitted(&p, &half));
	permits_done(&p);
}

static void a_default_route_permits_itself(void **state)
{
	struct permits p;
	ip_prefix any = of("0.0.0.0/0"), other = of("10.0.0.0/8");

	sorted(&p, (const char *const[]){"0.0.0.0/0", "192.0.2.0/24", NULL});
	assert_true(permitted(&p, &any));
	assert_false(permitted(&p, &other));
	/* The halves of everything don't become a default route. */
	permits_done(&p);
	sorted(&p, (const char *const[]){"0.0.0.0/1", "128.0.0.0/1", NULL});
	assert_int_equal(p.items.n, 2);
	assert_false(permitted(&p, &any));
	assert_true(permitted(&p, &other));
	permits_done(&p);
}

static void other_families_are_left_out(void **state)
{
	struct permits p;

	sorted(&p, (const char *const[]){"fd20::/48", "::/0", NULL});
	assert_true(permits_is_empty(&p));
	permits_done(&p);
}

/* A prefix of a small corner: much of it meets. */
static ip_prefix random_prefix(struct chance *c)
{
	uint8_t bytes[4] = {10, 0, 0, (uint8_t)(chance_below(c, 16) << 4)};
	ip_addr a = ip_addr_from_bytes(AF_INET, bytes);

	return ip_prefix_of(&a, 22 + chance_below(c, 7));
}

static void random_lists_permit_what_their_entries_do(void **state)
{
	struct chance c = chance_start("permits");

	for (int round = 0; round < 2000; round++) {
		struct permits p;
		ip_prefix all[MAX];
		unsigned n = chance_below(&c, MAX + 1);

		permits_init(&p, AF_INET);
		for (unsigned i = 0; i < n; i++) {
			all[i] = random_prefix(&c);
			permits_add(&p, &all[i]);
		}
		permits_sort(&p);
		for (int k = 0; k < 40; k++) {
			ip_prefix x = random_prefix(&c);
			bool want = false;

			for (unsigned i = 0; i < n; i++)
				want |= ip_prefix_contains(&all[i], &x);
			assert_int_equal(permitted(&p, &x), want);
		}
		permits_done(&p);
	}
}

static bool holds_an_entry(const struct permits *p, const ip_prefix *x)
{
	for (size_t i = 0; i < p->items.n; i++)
		if (x->len < p->items.items[i].prefix.len &&
			ip_prefix_contains(x, &p->items.items[i].prefix))
			return true;
	return false;
}

/* How many prefixes of that length around the corner hold an entry; each is among the covers. */
static size_t expect_covers(
	const struct permits *p, unsigned len, const ip_prefix *covers, size_t n)
{
	unsigned step = len > 24 ? 256u >> (len - 24) : 256;
	size_t count = 0;

	for (unsigned last = 0; last < 256; last += step) {
		uint8_t bytes[4] = {10, 0, 0, (uint8_t)last};
		ip_addr a = ip_addr_from_bytes(AF_INET, bytes);
		ip_prefix at = ip_prefix_of(&a, len);
		bool found = false;

		for (size_t i = 0; i < n; i++)
			found |= ip_prefix_eq(&covers[i], &at);
		assert_int_equal(found, holds_an_entry(p, &at));
		count += found;
	}
	return count;
}

static void covers_are_all_that_hold_an_entry(void **state)
{
	struct chance c = chance_start("covers");

	for (int round = 0; round < 300; round++) {
		struct permits p;
		ip_prefix *covers, at;
		size_t n, seen = 0;

		permits_init(&p, AF_INET);
		for (unsigned i = chance_below(&c, MAX); i > 0; i--) {
			at = random_prefix(&c);
			permits_add(&p, &at);
		}
		permits_sort(&p);
		unsigned from = round % 2 ? permits_shortest(&p) : chance_below(&c, 28);
		n = permits_covers(&p, from, &covers);
		for (size_t i = 0; i + 1 < n; i++)
			assert_true(ip_prefix_cmp(&covers[i], &covers[i + 1]) < 0);
		for (unsigned len = from; len < 29; len++)
			seen += expect_covers(&p, len, covers, n);
		assert_int_equal(seen, n);
		free(covers);
		permits_done(&p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(siblings_are_one_entry),
		cmocka_unit_test(a_default_route_permits_itself),
		cmocka_unit_test(other_families_are_left_out),
		cmocka_unit_test(random_lists_permit_what_their_entries_do),
		cmocka_unit_test(covers_are_all_that_hold_an_entry),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

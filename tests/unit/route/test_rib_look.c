/* SPDX-License-Identifier: MIT */
/* A RIB that is looked at: walks, slices, what it wants programmed, covers and the longest match.
 */
#include "rib_fixture.h"

static int count_until_two(const struct rib_answer *a, void *data)
{
	unsigned *n = data;

	return ++*n == 2 ? 7 : 0;
}

static void test_walk_ends_on_request(void **state)
{
	struct fixture f = fixture_new(1);
	unsigned n = 0;

	assert_int_equal(rib_walk(f.rib, count_until_two, &n), 0);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.2.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.3.0/24", two_hubs, 2, RIB_FALL_BACK);
	assert_int_equal(rib_walk(f.rib, count_until_two, &n), 7);
	assert_int_equal(n, 2);
	fixture_done(&f);
}

static int note_prefix(const struct rib_answer *a, void *data)
{
	*(ip_prefix *)data = a->prefix;
	return 0;
}

static void test_walk_in_slices(void **state)
{
	struct fixture f = fixture_new(1);
	ip_prefix last = prefix("10.20.2.0/24"), want = prefix("10.20.3.0/24");

	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.3.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.4.0/24", two_hubs, 2, RIB_FALL_BACK);
	assert_int_equal(rib_walk_after(f.rib, &last, 1, note_prefix, &last), 0);
	assert_true(ip_prefix_eq(&last, &want));
	assert_int_equal(rib_walk_after(f.rib, NULL, 2, note_prefix, &last), 0);
	assert_true(ip_prefix_eq(&last, &want));
	assert_int_equal(rib_walk_after(f.rib, &last, 9, note_prefix, &last), 0);
	want = prefix("10.20.4.0/24");
	assert_true(ip_prefix_eq(&last, &want));
	fixture_done(&f);
}

struct desires {
	struct rib *rib;
	size_t n;
};

/* The same as the answer that takes longer. */
static int compare_desire(const struct rib_desire *d, void *data)
{
	struct desires *ds = data;
	struct rib_answer a;

	assert_true(rib_explain(ds->rib, &d->prefix, &a));
	assert_int_equal(d->owners.n, a.owners.n);
	for (unsigned i = 0; i < a.owners.n; i++)
		assert_int_equal(d->owners.peer[i], a.owners.peer[i]);
	assert_int_equal(d->home.kind, a.home.kind);
	assert_int_equal(d->home.peer, a.home.peer);
	assert_int_equal(d->route, a.route);
	assert_int_equal(d->on_dead, a.on_dead);
	ds->n++;
	return 0;
}

static void test_desires(void **state)
{
	struct fixture f = fixture_new(1);
	struct desires ds = {.rib = f.rib};
	ip_prefix after = prefix("10.20.1.0/24");

	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.2.0/24", two_hubs, 1, RIB_HOLD);
	set_prefix(&f, "10.20.3.0/24", two_hubs, 2, RIB_RELEASE);
	assert_int_equal(rib_desires_after(f.rib, NULL, 9, compare_desire, &ds), 0);
	assert_int_equal(ds.n, 3);
	assert_int_equal(rib_desires_after(f.rib, &after, 1, compare_desire, &ds), 0);
	assert_int_equal(ds.n, 4);
	fixture_done(&f);
}

static void test_cover(void **state)
{
	struct fixture f = fixture_new(1);
	ip_prefix inner = prefix("10.20.1.0/24"), outer = prefix("10.20.0.0/16");
	struct rib_answer a;

	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	assert_false(rib_cover(f.rib, &inner, &a));
	set_prefix(&f, "10.20.0.0/16", two_hubs, 2, RIB_FALL_BACK);
	assert_true(rib_cover(f.rib, &inner, &a));
	assert_true(ip_prefix_eq(&a.prefix, &outer));
	fixture_done(&f);
}

static void expect_lookup(struct fixture *f, const char *addr, const char *want)
{
	char buf[IP_PREFIX_STRLEN];
	struct rib_answer a;
	ip_addr ip;

	assert_true(ip_addr_parse(&ip, addr));
	if (!rib_lookup(f->rib, &ip, &a)) {
		assert_string_equal("-", want);
		return;
	}
	assert_string_equal(ip_prefix_format(&a.prefix, buf), want);
}

static void test_lookup_falls_back_to_the_cover(void **state)
{
	struct rib_candidate a = direct(HUB_A, 0), b = direct(HUB_B, 0), c = direct(HUB_C, 0);
	struct fixture f = fixture_new(1);

	set_prefix(&f, "10.0.0.0/8", &a, 1, RIB_FALL_BACK);
	set_prefix(&f, "10.20.0.0/16", &b, 1, RIB_FALL_BACK);
	set_prefix(&f, "10.20.1.0/24", &c, 1, RIB_FALL_BACK);
	expect_lookup(&f, "10.20.1.7", "-");
	set_up(&f, HUB_A, HUB_C);
	expect_lookup(&f, "10.20.1.7", "10.20.1.0/24");
	set_peer(&f, HUB_C, RIB_DOWN);
	expect_lookup(&f, "10.20.1.7", "10.20.0.0/16");
	set_peer(&f, HUB_B, RIB_DOWN);
	expect_lookup(&f, "10.20.1.7", "10.0.0.0/8");
	set_prefix(&f, "10.20.0.0/16", &b, 1, RIB_HOLD);
	expect_lookup(&f, "10.20.1.7", "10.20.0.0/16");
	expect_lookup(&f, "192.0.2.1", "-");
	expect_lookup(&f, "fd10::1", "-");
	fixture_done(&f);
}

static uint32_t moved_at(struct fixture *f, const char *text)
{
	struct rib_answer a;
	ip_prefix p = prefix(text);

	assert_true(rib_explain(f->rib, &p, &a));
	return a.moved_at;
}

/* Of a prefix alone and of one in a set: the owners' age, whatever else becomes of it. */
static void test_age(void **state)
{
	const struct rib_candidate other = direct(HUB_C, 5);
	struct rib_candidate dearer[2] = {two_hubs[0], two_hubs[1]};
	struct fixture f = fixture_new(1);

	rib_clock(f.rib, 10);
	set_prefix(&f, "10.20.1.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.2.0/24", two_hubs, 2, RIB_FALL_BACK);
	set_prefix(&f, "10.20.3.0/24", &other, 1, RIB_FALL_BACK);
	rib_clock(f.rib, 20);
	set_up(&f, HUB_A, HUB_B);
	assert_int_equal(moved_at(&f, "10.20.1.0/24"), 20);
	assert_int_equal(moved_at(&f, "10.20.3.0/24"), 10);
	rib_clock(f.rib, 30);
	set_prefix(&f, "10.20.4.0/24", two_hubs, 2, RIB_FALL_BACK); /* joins the set */
	assert_int_equal(moved_at(&f, "10.20.4.0/24"), 30);
	assert_int_equal(moved_at(&f, "10.20.1.0/24"), 20);
	rib_clock(f.rib, 40);
	dearer[1].metric = 7;
	set_prefix(&f, "10.20.1.0/24", dearer, 2, RIB_FALL_BACK); /* another set, the same owner */
	assert_int_equal(moved_at(&f, "10.20.1.0/24"), 20);
	set_peer(&f, HUB_A, RIB_DOWN);
	assert_int_equal(moved_at(&f, "10.20.1.0/24"), 40);
	assert_int_equal(moved_at(&f, "10.20.2.0/24"), 40);
	assert_int_equal(moved_at(&f, "10.20.4.0/24"), 40);
	rib_clock(f.rib, 50);
	set_peer(&f, HUB_C, RIB_UP);
	assert_int_equal(moved_at(&f, "10.20.2.0/24"), 40);
	assert_int_equal(moved_at(&f, "10.20.3.0/24"), 50);
	fixture_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_walk_ends_on_request),
		cmocka_unit_test(test_walk_in_slices),
		cmocka_unit_test(test_desires),
		cmocka_unit_test(test_cover),
		cmocka_unit_test(test_lookup_falls_back_to_the_cover),
		cmocka_unit_test(test_age),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

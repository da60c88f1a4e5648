/* SPDX-License-Identifier: MIT */
/* What isn't followed, in the user's words. */
#include "kernel_bench.h"

#include "daemon/kernel_problems.h"

struct told {
	const char *prefix, *hop;
	enum kernel_trouble_kind kind;
	int peer; /* a node; -1: nobody */
	size_t n;
	const char *what, *fix; /* words in it; fix NULL: there is none */
};

static void put(const char *what, const char *fix, void *text)
{
	buf_printf(text, "%s\n%s\n", what, fix ? fix : "-");
}

static struct kernel_trouble trouble_of(const struct bench *b, const struct told *t)
{
	return (struct kernel_trouble){.kind = t->kind,
		.peer = t->peer < 0 ? KERNEL_SOURCE_NOBODY : bench_id(b, (unsigned)t->peer),
		.n = t->n,
		.first = mesh_build_prefix(t->prefix),
		.protocol = 12,
		.hop = t->hop ? addr_of(t->hop) : (ip_addr){0}};
}

static void tells(struct bench *b, const struct told *t)
{
	struct kernel_trouble trouble = trouble_of(b, t);

	buf_reset(&b->text);
	kernel_problems_of(b->gen, &trouble, 1, put, &b->text);
	if (!strstr(buf_str(&b->text), t->what) || (t->fix && !strstr(buf_str(&b->text), t->fix)))
		fail_msg("%s", buf_str(&b->text));
	if (!t->fix)
		assert_non_null(strstr(buf_str(&b->text), "\n-\n"));
}

static void with_engine(struct bench *b, enum mesh_engine engine)
{
	bench_inventory(b)->nodes.items[SITE_1].routing.engine = engine;
	bench_take(b);
}

static void test_each_kind_says_what_to_do(void **state)
{
	static const struct told all[] = {
		{"10.20.2.0/24", NULL, KERNEL_NO_GATEWAY, -1, 3,
			"BIRD has no gateway in its route to 10.20.2.0/24 and 2 more, so nobody "
			"can "
			"tell which peer of wg0",
			"`multihop 1`"},
		{"10.20.2.0/24", "10.9.0.4", KERNEL_UNKNOWN_HOP, -1, 1,
			"BIRD's route to 10.20.2.0/24 leads by 10.9.0.4, which is the overlay "
			"address of no peer of site-1",
			"`next hop self`"},
		{"10.9.0.3/32", "10.9.0.1", KERNEL_OVERLAY_ADDRESS, HUB_A, 1,
			"BIRD's route to 10.9.0.3/32 isn't followed",
			"leave overlay addresses out"},
		{"198.51.100.1/32", "10.9.0.1", KERNEL_ENDPOINT, HUB_A, 1,
			"a tunnel's own packets go there", "leave endpoints out"},
		{"0.0.0.0/0", "10.9.0.1", KERNEL_DEFAULT_ROUTE, HUB_A, 1,
			"the default route by way of hub-a isn't followed", "`may_announce`"},
		{"10.20.2.128/25", "10.9.0.5", KERNEL_MAY_NOT_ANNOUNCE, SITE_3, 2,
			"site-3 announces 10.20.2.128/25 and 1 more", "`may_announce`"},
		{"10.20.2.0/24", NULL, KERNEL_HELD_SWEPT, -1, 100000,
			"100000 routes went without a word of who made them (the first: "
			"10.20.2.0/24)",
			NULL},
	};
	struct bench *b = *state;

	assert_int_equal(ARRAY_SIZE(all), KERNEL_N_TROUBLES);
	for (size_t i = 0; i < ARRAY_SIZE(all); i++)
		tells(b, &all[i]);
}

static void test_each_engine_has_its_own_cure(void **state)
{
	static const struct told frr[] = {
		{"10.20.2.0/24", NULL, KERNEL_NO_GATEWAY, -1, 1, "FRR has no gateway",
			"`ip route PREFIX ADDRESS wg0 onlink`"},
		{"10.20.2.0/24", "10.9.0.4", KERNEL_UNKNOWN_HOP, -1, 1, "FRR's route",
			"next-hop-self force"},
	};
	static const struct told other[] = {
		{"10.20.2.0/24", NULL, KERNEL_NO_GATEWAY, -1, 1,
			"the routing engine has no gateway",
			"`ip route replace PREFIX via ADDRESS dev wg0 onlink`"},
		{"10.20.2.0/24", "10.9.0.4", KERNEL_UNKNOWN_HOP, -1, 1,
			"the routing engine's route", "the overlay address of a peer"},
	};
	struct bench *b = *state;

	with_engine(b, MESH_ENGINE_FRR);
	for (size_t i = 0; i < ARRAY_SIZE(frr); i++)
		tells(b, &frr[i]);
	with_engine(b, MESH_ENGINE_OTHER);
	for (size_t i = 0; i < ARRAY_SIZE(other); i++)
		tells(b, &other[i]);
}

static void test_they_come_in_one_order(void **state)
{
	static const struct told list[] = {
		{"10.20.3.0/24", "10.9.0.5", KERNEL_MAY_NOT_ANNOUNCE, SITE_3, 1, "", ""},
		{"10.20.2.0/24", "10.9.0.1", KERNEL_MAY_NOT_ANNOUNCE, HUB_A, 1, "", ""},
		{"10.77.0.0/24", NULL, KERNEL_NO_GATEWAY, -1, 1, "", ""},
	};
	struct bench *b = *state;
	struct kernel_trouble troubles[ARRAY_SIZE(list)];
	const char *first, *second, *third;

	for (size_t i = 0; i < ARRAY_SIZE(list); i++)
		troubles[i] = trouble_of(b, &list[i]);
	buf_reset(&b->text);
	kernel_problems_of(b->gen, troubles, ARRAY_SIZE(troubles), put, &b->text);
	first = strstr(buf_str(&b->text), "10.77.0.0/24");
	second = strstr(buf_str(&b->text), "10.20.2.0/24");
	third = strstr(buf_str(&b->text), "10.20.3.0/24");
	assert_true(first && second && third && first < second && second < third);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BENCH_TEST(test_each_kind_says_what_to_do),
		BENCH_TEST(test_each_engine_has_its_own_cure),
		BENCH_TEST(test_they_come_in_one_order),
	};

	return cmocka_run_group_tests_name("kernel_problems", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* A mark that is given up: what its table held is caught by the main one before anything goes. */
#include "../unit.h"
#include "fib/plan.h"
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#define MARK 51820u
#define WG 7

static ip_prefix prefix_of(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

static bool is_ours(const ip_prefix *p, void *data)
{
	return true;
}

struct world {
	struct fib_state is, shall;
	uint32_t marks[1];
	struct want_prefix carried;
	struct want_facts facts;
	struct fib_ours ours;
};

/* The prefix shall stand in the main table; in the mark's there is what refuses, and the way into
 * the device, if it is the one from before. */
static void begin(struct world *w, const char *prefix, bool has_device)
{
	struct fib_device device = {.name = "wg0", .ifindex = WG, .up = true};
	struct want_facts before;
	route_vec was = {0};

	memset(w, 0, sizeof(*w));
	w->marks[0] = MARK;
	w->carried = (struct want_prefix){prefix_of(prefix), true, false};
	w->facts = (struct want_facts){
		.carried = &w->carried, .n_carried = 1, .ifindex = WG, .ifname = "wg0"};
	w->ours = (struct fib_ours){.facts = &w->facts,
		.marks = w->marks,
		.n_marks = 1,
		.has_backstop = is_ours,
		.has_prefix = is_ours,
		.is_carried = is_ours};
	before = w->facts;
	before.apart = &w->carried.prefix;
	before.n_apart = 1;
	before.mark = MARK;
	want_routes(&before, &was);
	for (size_t i = 0; i < was.n; i++)
		if (has_device || rtnl_route_refuses(&was.items[i]))
			vec_push(&w->is.routes, was.items[i]);
	vec_done(&was);
	want_rules(&before, &w->is.rules);
	vec_push(&w->is.devices, device);
	vec_push(&w->shall.devices, device);
	want_routes(&w->facts, &w->shall.routes);
}

static void end(struct world *w)
{
	fib_state_done(&w->is);
	fib_state_done(&w->shall);
}

/* Where the last addition to the main table that refuses, or leads, stands; -1: nowhere. */
static int last_added(const struct fib_plan *p, bool refuses)
{
	int at = -1;

	for (size_t i = 0; i < p->ops.n; i++)
		if (p->ops.items[i].type == FIB_ROUTE_ADD &&
			rtnl_route_refuses(&p->ops.items[i].u.route) == refuses)
			at = (int)i;
	return at;
}

static int first_rule_removed(const struct fib_plan *p)
{
	for (size_t i = 0; i < p->ops.n; i++)
		if (p->ops.items[i].type == FIB_RULE_DEL)
			return (int)i;
	return -1;
}

static void check(const char *prefix, bool has_device)
{
	struct world w;
	struct fib_plan plan = {0};

	begin(&w, prefix, has_device);
	fib_plan_make(&w.is, &w.shall, &w.ours, &plan);
	assert_true(last_added(&plan, true) >= 0 && first_rule_removed(&plan) >= 0);
	assert_true(last_added(&plan, true) < first_rule_removed(&plan));
	/* On a device that is new nobody owns the prefix yet. */
	assert_true(last_added(&plan, false) >= 0);
	assert_int_equal(
		plan.ops.items[last_added(&plan, false)].stage < FIB_AT_PREFIX_ADD, has_device);
	fib_plan_done(&plan);
	end(&w);
}

static void goes_home_from_a_device(void **state)
{
	check("198.51.100.0/24", true);
	check("2001:db8:7::/48", true);
}

static void goes_home_without_the_device(void **state)
{
	check("198.51.100.0/24", false);
	check("2001:db8:7::/48", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goes_home_from_a_device),
		cmocka_unit_test(goes_home_without_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Of levels and of sets of owners the newer word counts, too. */
#include "fib_core_scene.h"

static void the_newer_word_on_a_level_counts(void **state)
{
	begin_job();
	add_level(&job.plan, 1, DEVICE_UP);
	add_level(&job.plan, 2, DEVICE_DOWN);
	order_level(1, DEVICE_DOWN);
	order_level(3, DEVICE_LAST_RESORT);
	run();
	prepared();
	end_job(0);
	assert_int_equal(world.level[1], DEVICE_DOWN);
	assert_int_equal(world.level[2], DEVICE_DOWN);
	assert_int_equal(world.level[3], DEVICE_LAST_RESORT);
}

static void check_set(unsigned k, uint8_t first, uint8_t second)
{
	assert_true(world.sets[k].there);
	assert_int_equal(world.sets[k].n, 2);
	assert_int_equal(world.sets[k].owners[0], first);
	assert_int_equal(world.sets[k].owners[1], second);
}

static void the_newer_word_on_owners_counts(void **state)
{
	for (unsigned k = 0; k < N_SETS; k++)
		order_set(k, 1, 2);
	run();
	begin_job();
	add_set(&job.plan, 0, 2, 1);			      /* an event says otherwise */
	add_set(&job.plan, 1, 2, 1);			      /* it goes by one */
	fib_plan_owners_gone(&job.plan, "wg0", number_of(2)); /* one needs it */
	fib_plan_owners_gone(&job.plan, "wg0", number_of(3)); /* one moves a prefix there */
	order_set(0, 1, 3);
	order_set(0, 3, 1);
	order_set_gone(1);
	order_set(2, 3, 2);
	order_owner(5, AT_SET + 3);
	run();
	prepared();
	end_job(0);
	check_set(0, 3, 1);
	assert_false(world.sets[1].there);
	check_set(2, 3, 2);
	check_set(3, 1, 2);
	assert_int_equal(world.owner[5], AT_SET + 3);
}

/* One that goes again by an event goes. */
static void a_set_that_is_used_no_more(void **state)
{
	order_set(0, 1, 2);
	run();
	begin_job();
	fib_plan_owners_gone(&job.plan, "wg0", number_of(0));
	order_owner(5, AT_SET);
	order_owner(5, 1);
	order_set_gone(0);
	order_set_gone(1);
	run();
	prepared();
	end_job(0);
	assert_false(world.sets[0].there);
	assert_int_equal(world.owner[5], 1);
}

/* A prefix that an order has taken from everybody, and its set with it, is taken from that set no
 * more. */
static void a_set_that_went_is_not_named_again(void **state)
{
	order_set(0, 1, 2);
	order_owner(5, AT_SET);
	run();
	begin_job();
	add_owner(&job.plan, 5, AT_SET, NOBODY);
	fib_plan_owners_gone(&job.plan, "wg0", number_of(0));
	order_owner(5, NOBODY);
	order_set_gone(0);
	run();
	prepared();
	end_job(0);
	assert_false(world.sets[0].there);
	assert_int_equal(world.owner[5], NOBODY);
}

/* The device was made anew: what orders say of it comes to nothing before the job has filled it. */
static void orders_before_their_peers_and_sets_are_there(void **state)
{
	struct device_peer there = {.key = key_of(2)};

	begin_job();
	job.is.devices.items[0].wg.peers = &there;
	job.is.devices.items[0].wg.n_peers = 1;
	world.absent = 3;
	order_set(0, 3, 2);
	run();
	assert_int_equal(seen.order_err, -ENOENT);
	order_owner(0, AT_SET);
	order_level(3, DEVICE_DOWN);
	run();
	assert_int_equal(world.level[3], DEVICE_UP);
	world.absent = NOBODY;
	add_owner(&job.plan, 2, NOBODY, 2);
	add_route(&job.plan, FIB_AT_ROUTE_ADD, 0, 0);
	prepared();
	assert_true(fib_core_step(core));
	assert_true(fib_core_step(core));
	check_set(0, 3, 2); /* before the route */
	assert_false(world.route[0]);
	assert_int_equal(world.owner[0], AT_SET);
	assert_int_equal(world.level[3], DEVICE_DOWN);
	job.is.devices.items[0].wg = (struct device_state){0};
	end_job(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(the_newer_word_on_a_level_counts),
		CASE(the_newer_word_on_owners_counts),
		CASE(a_set_that_is_used_no_more),
		CASE(a_set_that_went_is_not_named_again),
		CASE(orders_before_their_peers_and_sets_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

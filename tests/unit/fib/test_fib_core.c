/* SPDX-License-Identifier: MIT */
/* The step core of the thread that moves prefixes: what goes first, what gives way, and that the
 * newer word counts. */
#include "fib_core_scene.h"

static void an_order_is_done_in_one_step(void **state)
{
	order_owner(3, 2);
	assert_true(fib_core_step(core));
	assert_int_equal(world.owner[3], 2);
	assert_int_equal(seen.order, 1);
	assert_int_equal(seen.order_err, 0);
	assert_false(fib_core_step(core));
}

static void a_job_waits_until_its_input_is_there(void **state)
{
	seen.working = NULL;
	job = (struct fib_job){.basis = seq};
	fib_core_announce(core, &job);
	assert_false(fib_core_step(core));
	assert_null(seen.working);
	fib_core_go(core, &job);
	assert_true(fib_core_step(core));
	assert_ptr_equal(seen.working, &job);
	assert_false(fib_core_step(core));
	worked();
	end_job(0);
}

/* It reads what orders before it have done, not what they are about to do. */
static void orders_go_before_a_job_is_prepared(void **state)
{
	seen.working = NULL;
	order_owner(0, 2);
	order_owner(1, 2);
	job = (struct fib_job){.basis = seq};
	fib_core_announce(core, &job);
	fib_core_go(core, &job);
	fib_core_step(core);
	fib_core_step(core);
	assert_null(seen.working);
	assert_int_equal(world.owner[1], 2);
	fib_core_step(core);
	assert_ptr_equal(seen.working, &job);
	worked();
	end_job(0);
}

static void the_newer_word_on_an_owner_counts(void **state)
{
	begin_job();
	add_owner(&job.plan, 0, 1, 2);
	add_owner(&job.plan, 1, 1, 2);
	add_owner(&job.plan, 2, 1, NOBODY);
	order_owner(0, 3); /* while the worker thinks */
	order_owner(2, 3);
	run();
	prepared();
	end_job(0);
	assert_int_equal(world.owner[0], 3);
	assert_int_equal(world.owner[1], 2);
	assert_int_equal(world.owner[2], 3);
}

/* The device is another one than the orders are for, and the job fills it. */
static void an_order_before_its_peer_is_there(void **state)
{
	begin_job();
	world.absent = 3;
	world.owner[0] = world.owner[1] = NOBODY;
	for (unsigned i = 0; i < 3; i++)
		order_owner(i, 3);
	order_owner(3, NOBODY);
	run();
	assert_int_equal(world.owner[0], NOBODY);
	world.absent = NOBODY;
	add_owner(&job.plan, 0, NOBODY, 2);
	add_owner(&job.plan, 1, NOBODY, 3);
	add_owner(&job.plan, 2, 1, NOBODY);
	add_owner(&job.plan, 3, NOBODY, 2);
	prepared();
	end_job(0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(world.owner[i], 3);
	assert_int_equal(world.owner[3], NOBODY);
}

/* The device has refused to give it to whom the order takes it from. */
static void an_order_that_takes_it_from_another(void **state)
{
	struct fib_plan p = {0};

	begin_job();
	world.owner[0] = 2;
	add_owner(&p, 0, 1, NOBODY);
	order(&p);
	run();
	assert_int_equal(world.owner[0], 2);
	add_owner(&job.plan, 0, 2, 1);
	prepared();
	end_job(0);
	assert_int_equal(world.owner[0], NOBODY);
}

/* Nor does the job's plan name the prefix. Who was there when it looked has what it was given. */
static void an_order_that_the_plan_knows_nothing_of(void **state)
{
	struct device_peer there = {.key = key_of(2)};

	begin_job();
	job.is.devices.items[0].wg.peers = &there;
	job.is.devices.items[0].wg.n_peers = 1;
	world.absent = 3;
	world.owner[0] = NOBODY;
	order_owner(0, 3);
	order_owner(1, 2);
	run();
	world.absent = NOBODY;
	add_owner(&job.plan, 2, NOBODY, 2);
	add_route(&job.plan, FIB_AT_ROUTE_ADD, 0, 0);
	prepared();
	assert_true(fib_core_step(core));
	assert_true(fib_core_step(core));
	assert_int_equal(world.owner[0], 3); /* before the route */
	assert_false(world.route[0]);
	run();
	assert_true(world.route[0]);
	assert_int_equal(job.plan.ops.n, 3);
	job.is.devices.items[0].wg = (struct device_state){0};
	end_job(0);
	assert_int_equal(world.owner[0], 3);
	assert_int_equal(world.owner[1], 2);
}

/* Between the announcement and the start of the work, too. */
static void newer_is_what_its_input_need_not_know(void **state)
{
	job = (struct fib_job){.basis = seq};
	seen.working = NULL;
	fib_core_announce(core, &job);
	order_owner(0, 3);
	run();
	fib_core_go(core, &job);
	run();
	job.is = state_here();
	job.shall = state_here();
	add_owner(&job.plan, 0, 3, 2);
	prepared();
	end_job(0);
	assert_int_equal(world.owner[0], 3);
}

static void an_older_order_doesn_t_void(void **state)
{
	order_owner(0, 3);
	begin_job();
	add_owner(&job.plan, 0, 3, 2);
	prepared();
	end_job(0);
	assert_int_equal(world.owner[0], 2);
}

static void an_order_in_the_middle_of_a_plan(void **state)
{
	begin_job();
	for (unsigned i = 0; i < N; i++)
		add_owner(&job.plan, i, 1, 2);
	prepared();
	assert_true(fib_core_step(core)); /* a chunk */
	assert_int_equal(world.owner[FIB_CHUNK - 1], 2);
	assert_int_equal(world.owner[FIB_CHUNK], 1);
	order_owner(0, 3);     /* was moved by the plan already */
	order_owner(N - 1, 3); /* was not yet */
	fib_core_step(core);
	fib_core_step(core);
	assert_int_equal(seen.orders, 2);
	assert_int_equal(world.owner[FIB_CHUNK], 1);
	end_job(0);
	assert_int_equal(world.owner[0], 3);
	assert_int_equal(world.owner[N - 1], 3);
	assert_int_equal(world.owner[N - 2], 2);
}

static void the_newer_word_on_a_route_counts(void **state)
{
	world.route[1] = true;
	world.other_table[2] = world.route[2] = true;
	begin_job();
	add_route(&job.plan, FIB_AT_ROUTE_ADD, 0, 0);	   /* an event withdraws it */
	add_route(&job.plan, FIB_AT_ROUTE_WITHDRAW, 1, 0); /* an event adds it */
	add_route(&job.plan, FIB_AT_ROUTE_DEL, 2, 7);	   /* a second one, of another table */
	add_owner(&job.plan, 3, 1, 2);			   /* an event speaks of its route only */
	order_route(FIB_AT_ROUTE_WITHDRAW, 0);
	order_route(FIB_AT_ROUTE_ADD, 1);
	order_route(FIB_AT_ROUTE_ADD, 2);
	order_route(FIB_AT_ROUTE_ADD, 3);
	run();
	prepared();
	end_job(0);
	assert_false(world.route[0]);
	assert_true(world.route[1]);
	assert_true(world.route[2] && !world.other_table[2]);
	assert_int_equal(world.owner[3], 2);
}

/* Of a signal what was said last counts, and it is no word on the route to the same prefix. */
static void the_newer_word_on_a_signal_counts(void **state)
{
	world.route[1] = world.route[2] = true;
	begin_job();
	add_route(&job.plan, FIB_AT_SIGNAL_ADD, 0, 0); /* the peer died meanwhile */
	add_route(&job.plan, FIB_AT_SIGNAL_DEL, 1, 0); /* it came back */
	add_route(&job.plan, FIB_AT_ROUTE_WITHDRAW, 2, 0);
	order_route(FIB_AT_SIGNAL_DEL, 0);
	order_route(FIB_AT_SIGNAL_ADD, 1);
	order_route(FIB_AT_SIGNAL_ADD, 2);
	run();
	prepared();
	end_job(0);
	assert_false(world.route[0]);
	assert_true(world.route[1]);
	assert_false(world.route[2]);
}

static void a_large_order_gives_way(void **state)
{
	struct fib_plan p = {0};

	for (unsigned i = 0; i < N; i++)
		add_owner(&p, i, 1, 2);
	order(&p);
	fib_core_step(core);
	order_owner(N - 1, 3);
	fib_core_step(core);
	assert_int_equal(world.owner[N - 1], 3);
	assert_int_equal(seen.order, 2);
	assert_int_equal(world.owner[FIB_CHUNK], 1);
	run();
	assert_int_equal(seen.order, 1);
	assert_int_equal(world.owner[N - 1], 3);
	assert_int_equal(world.owner[N - 2], 2);
	assert_int_equal(fib_core_touched(core), 0);
}

static void what_fails_is_told(void **state)
{
	world.fail_with = -EIO;
	order_owner(0, 2);
	run();
	assert_int_equal(seen.order_err, -EIO);
	begin_job();
	add_owner(&job.plan, 0, 1, 2);
	prepared();
	world.fail_with = -ENODEV;
	end_job(-ENODEV);
	assert_int_equal(job.failures.n, 1);
}

/* Nothing of it is done then. */
static void a_job_that_can_t_be_prepared(void **state)
{
	unsigned before;

	begin_job();
	before = world.changes;
	add_owner(&job.plan, 0, 1, 2);
	job.err = -EAGAIN;
	worked();
	end_job(-EAGAIN);
	assert_int_equal(world.changes, before);
}

static void prepared_again(void **state)
{
	begin_job();
	add_owner(&job.plan, 0, 1, 2);
	job.again = true;
	prepared();
	run();
	assert_ptr_equal(seen.working, &job);
	assert_int_equal(job.phase, FIB_JOB_PREPARING);
	assert_int_equal(world.owner[0], 2);
	fib_plan_done(&job.plan);
	job.again = false;
	add_owner(&job.plan, 1, 1, 2);
	prepared();
	end_job(0);
	assert_int_equal(world.owner[1], 2);
}

/* At the next operation; with the worker when it comes back; before it began at once. */
static void given_up(void **state)
{
	begin_job();
	add_owner(&job.plan, 0, 1, 2);
	fib_core_cancel(core);
	run();
	assert_ptr_not_equal(seen.given_back, NULL);
	seen.given_back = NULL;
	prepared();
	end_job(-ECANCELED);
	assert_int_equal(world.owner[0], 1);
	fib_state_done(&job.is);
	fib_state_done(&job.shall);
	fib_plan_done(&job.plan);
	begin_job();
	for (unsigned i = 0; i < N; i++)
		add_owner(&job.plan, i, 1, 2);
	prepared();
	fib_core_step(core);
	fib_core_cancel(core);
	end_job(-ECANCELED);
	assert_int_equal(world.owner[FIB_CHUNK], 1);
	fib_state_done(&job.is);
	fib_state_done(&job.shall);
	fib_plan_done(&job.plan);
	job = (struct fib_job){.basis = seq};
	fib_core_announce(core, &job);
	fib_core_cancel(core);
	end_job(-ECANCELED);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(an_order_is_done_in_one_step),
		CASE(a_job_waits_until_its_input_is_there),
		CASE(orders_go_before_a_job_is_prepared),
		CASE(the_newer_word_on_an_owner_counts),
		CASE(an_order_before_its_peer_is_there),
		CASE(an_order_that_the_plan_knows_nothing_of),
		CASE(an_order_that_takes_it_from_another),
		CASE(newer_is_what_its_input_need_not_know),
		CASE(an_older_order_doesn_t_void),
		CASE(an_order_in_the_middle_of_a_plan),
		CASE(the_newer_word_on_a_route_counts),
		CASE(the_newer_word_on_a_signal_counts),
		CASE(a_large_order_gives_way),
		CASE(what_fails_is_told),
		CASE(a_job_that_can_t_be_prepared),
		CASE(prepared_again),
		CASE(given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

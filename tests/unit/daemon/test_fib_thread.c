/* SPDX-License-Identifier: MIT */
/* The FIB thread ends at any moment of a task, with its loop closed, and gives it back. */
#include "daemon/fib_thread.h"

#include "../unit.h"
#include <errno.h>
#include <string.h>

struct scene {
	uv_loop_t loop;
	struct fib_thread *thread;
	struct fib_task task;
	struct fib_task *back;
	struct fib_io io; /* nothing of it is called */
};

static unsigned worked;

static void count(struct fib_task *t)
{
	__atomic_add_fetch(&worked, 1, __ATOMIC_SEQ_CST);
}

static void on_order_done(uint64_t seq, int err, instant at, fib_troubles *troubles, void *data)
{
	fail();
}

static void on_task_done(struct fib_task *t, void *data)
{
	((struct scene *)data)->back = t;
}

static void begin(struct scene *s)
{
	struct fib_thread_hooks hooks = {on_order_done, on_task_done, s};

	memset(s, 0, sizeof(*s));
	worked = 0;
	s->task.work = count;
	assert_int_equal(uv_loop_init(&s->loop), 0);
	assert_int_equal(fib_thread_start(&s->loop, &hooks, &s->io, &s->thread), 0);
	fib_thread_announce(s->thread, &s->task);
}

static void close_handle(uv_handle_t *h, void *data)
{
	uv_close(h, NULL);
}

/* As the daemon ends. */
static void end(struct scene *s)
{
	fib_thread_stop(s->thread);
	uv_walk(&s->loop, close_handle, NULL);
	assert_int_equal(uv_run(&s->loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	assert_true(fib_thread_free(s->thread));
	assert_ptr_equal(s->back, &s->task);
	assert_int_equal(s->task.job.err, -ECANCELED);
}

static void test_a_task_that_was_announced_is_given_back(void **state)
{
	struct scene s;

	begin(&s);
	end(&s);
	assert_int_equal(worked, 0);
}

static void test_a_task_of_which_the_loop_never_heard_is_given_back(void **state)
{
	struct scene s;

	begin(&s);
	fib_thread_go(s.thread, &s.task);
	end(&s);
	assert_int_equal(worked, 0);
}

/* Its work is done, but nobody tells the thread any more. */
static void test_a_task_that_was_worked_on_is_given_back(void **state)
{
	struct scene s;

	begin(&s);
	fib_thread_go(s.thread, &s.task);
	while (!uv_loop_alive(&s.loop) || !s.task.req.data)
		uv_run(&s.loop, UV_RUN_ONCE);
	end(&s);
	assert_int_equal(worked, 1);
}

/* In the middle of all that it goes through. */
static void test_a_task_is_given_back_whenever_the_end_comes(void **state)
{
	for (unsigned turns = 0; turns < 200; turns++) {
		struct scene s;

		begin(&s);
		fib_thread_go(s.thread, &s.task);
		for (unsigned i = 0; i < turns % 20 && !s.back; i++)
			uv_run(&s.loop, UV_RUN_NOWAIT);
		fib_thread_stop(s.thread);
		uv_walk(&s.loop, close_handle, NULL);
		uv_run(&s.loop, UV_RUN_DEFAULT);
		assert_int_equal(uv_loop_close(&s.loop), 0);
		assert_true(fib_thread_free(s.thread));
		assert_ptr_equal(s.back, &s.task);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_task_that_was_announced_is_given_back),
		cmocka_unit_test(test_a_task_of_which_the_loop_never_heard_is_given_back),
		cmocka_unit_test(test_a_task_that_was_worked_on_is_given_back),
		cmocka_unit_test(test_a_task_is_given_back_whenever_the_end_comes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

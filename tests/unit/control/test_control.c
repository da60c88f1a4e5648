/* SPDX-License-Identifier: MIT */
/* The control socket as clients meet it: on a loop of the test's, with answers of the test's. */
#include "control/control.h"
#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_LEN (8 << 20) /* more than any socket holds */
#define PATIENCE_MS 20000

static struct server {
	char folder[32], path[64];
	uv_loop_t loop;
	struct control *control;
	unsigned asked;
	size_t answer_len;
} s;

static void on_request(const json_t *request, struct control_call *call, void *data)
{
	char *text = malloc(s.answer_len + 1);

	s.asked++;
	memset(text, ' ', s.answer_len);
	text[0] = '{';
	text[s.answer_len - 1] = '}';
	text[s.answer_len] = '\0';
	control_reply_text(call, text);
}

static void start(unsigned max_clients, size_t answer_len)
{
	struct control_options o = {s.path, on_request, NULL, max_clients};
	struct buf why = {0};

	s.asked = 0;
	s.answer_len = answer_len;
	strcpy(s.folder, "/tmp/control-XXXXXX");
	assert_non_null(mkdtemp(s.folder));
	snprintf(s.path, sizeof(s.path), "%s/sock", s.folder);
	assert_int_equal(uv_loop_init(&s.loop), 0);
	assert_int_equal(control_open(&s.loop, &o, &s.control, &why), 0);
	buf_done(&why);
}

/* Everything has been let go: the loop has nothing left. */
static void stop(void)
{
	control_close(s.control);
	assert_int_equal(uv_run(&s.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&s.loop), 0);
	assert_int_equal(access(s.path, F_OK), -1);
	assert_int_equal(rmdir(s.folder), 0);
}

static int dial(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	strcpy(at.sun_path, s.path);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	return fd;
}

/* Turns of the loop until so many requests came. */
static void serve(unsigned asked)
{
	while (s.asked < asked)
		uv_run(&s.loop, UV_RUN_ONCE);
}

static void ask(int fd)
{
	assert_int_equal(write(fd, "{}\n", 3), 3);
}

/* It ends while answers stand in its memory that nobody reads. */
static void ends_with_unread_answers(void **state)
{
	int fds[3];

	start(8, ANSWER_LEN);
	for (unsigned i = 0; i < 3; i++) {
		fds[i] = dial();
		ask(fds[i]);
	}
	serve(3);
	stop();
	for (unsigned i = 0; i < 3; i++)
		close(fds[i]);
}

static void beat(uv_timer_t *t)
{
}

/* Turns of the loop until there is an answer, or the end, to be read of it. True: an answer. */
static bool is_answered(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};
	uv_timer_t timer;
	char byte = 0;
	int n = 0;

	uv_timer_init(&s.loop, &timer);
	uv_timer_start(&timer, beat, 1, 1);
	for (unsigned i = 0; i < PATIENCE_MS && !n; i++) {
		uv_run(&s.loop, UV_RUN_ONCE);
		n = poll(&p, 1, 0);
	}
	uv_close((uv_handle_t *)&timer, NULL);
	uv_run(&s.loop, UV_RUN_NOWAIT);
	assert_int_equal(n, 1);
	return read(fd, &byte, 1) == 1 && byte == '{';
}

static void drain(int fd)
{
	char rest[8];

	while (read(fd, rest, sizeof(rest)) > 0)
		;
}

/* Of too many the one that was silent longest goes. */
static void most_idle_goes(void **state)
{
	int a, b, c;

	start(2, 2);
	a = dial();
	ask(a);
	assert_true(is_answered(a));
	b = dial();
	ask(b);
	assert_true(is_answered(b));
	drain(a);
	ask(a);
	assert_true(is_answered(a));
	c = dial();
	ask(c);
	assert_true(is_answered(c));
	drain(b);
	assert_false(is_answered(b));
	drain(a);
	ask(a);
	assert_true(is_answered(a));
	stop();
	close(a);
	close(b);
	close(c);
}

/* All descriptors that are left; how many. */
static unsigned take_all(int *fds, unsigned most)
{
	unsigned n = 0;

	while (n < most && (fds[n] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	return n;
}

static void limit_files(rlim_t n, struct rlimit *ret_before)
{
	struct rlimit less;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, ret_before), 0);
	less = (struct rlimit){n, ret_before->rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &less), 0);
}

/* No file is left for one more: the idle one gives its own. */
static void idle_gives_its_file(void **state)
{
	struct rlimit before;
	int fds[64], a, b;
	unsigned n;

	start(8, 2);
	a = dial();
	ask(a);
	assert_true(is_answered(a));
	b = dial();
	ask(b);
	limit_files(64, &before);
	n = take_all(fds, 64);
	assert_true(is_answered(b));
	while (n)
		close(fds[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	drain(a);
	assert_false(is_answered(a));
	stop();
	close(a);
	close(b);
}

/* And where nobody has one to give, all wait until there is one, and the loop doesn't spin. */
static void all_wait_for_a_file(void **state)
{
	struct rlimit before;
	uv_timer_t timer;
	int fds[64], a;
	unsigned n, turns = 0;

	start(8, 2);
	a = dial();
	ask(a);
	limit_files(64, &before);
	n = take_all(fds, 64);
	uv_timer_init(&s.loop, &timer);
	uv_timer_start(&timer, beat, 250, 0);
	while (uv_is_active((uv_handle_t *)&timer) && turns < 1000) {
		uv_run(&s.loop, UV_RUN_ONCE);
		turns++;
	}
	uv_close((uv_handle_t *)&timer, NULL);
	while (n)
		close(fds[--n]);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(turns < 100);
	assert_int_equal(s.asked, 0);
	assert_true(is_answered(a));
	stop();
	close(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_with_unread_answers),
		cmocka_unit_test(most_idle_goes),
		cmocka_unit_test(idle_gives_its_file),
		cmocka_unit_test(all_wait_for_a_file),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}

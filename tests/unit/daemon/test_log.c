/* SPDX-License-Identifier: MIT */
/* The log waits for nobody: what isn't taken is left out and counted, and the count is said. */
#include "daemon/log.h"
#include "unit.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int keep_stderr, reader;

/* Standard error becomes the second of these, and we read the first. */
static void redirect(int ours, int theirs)
{
	assert_true(dup2(theirs, STDERR_FILENO) == STDERR_FILENO);
	close(theirs);
	reader = ours;
	log_init("node", false);
	alarm(60); /* the fault hangs */
}

static int setup_pipe(void **data)
{
	int fds[2];

	keep_stderr = dup(STDERR_FILENO);
	assert_int_equal(pipe(fds), 0);
	redirect(fds[0], fds[1]);
	return 0;
}

static int setup_socket(void **data)
{
	int fds[2];

	keep_stderr = dup(STDERR_FILENO);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	redirect(fds[0], fds[1]);
	return 0;
}

static int teardown(void **data)
{
	alarm(0);
	dup2(keep_stderr, STDERR_FILENO);
	close(keep_stderr);
	close(reader);
	return 0;
}

/* All that waits to be read. */
static char *read_all(void)
{
	static char text[1 << 20];
	size_t n = 0;
	ssize_t r;

	fcntl(reader, F_SETFL, O_NONBLOCK);
	while ((r = read(reader, text + n, sizeof(text) - 1 - n)) > 0)
		n += (size_t)r;
	text[n] = '\0';
	return text;
}

static unsigned lines_of(const char *text, const char *words)
{
	unsigned n = 0;

	for (; (text = strstr(text, words)); text++)
		n++;
	return n;
}

static void left_out_and_counted(void **data)
{
	enum { LINES = 20000 };
	unsigned taken, left_out;
	char *text, *said;

	for (int i = 0; i < LINES; i++)
		log_info("a line that nobody reads");
	assert_false(log_tell_left_out());
	text = read_all();
	taken = lines_of(text, "a line that nobody reads\n");
	assert_in_range(taken, 1, LINES - 1);
	assert_int_equal(lines_of(text, "left out"), 0);
	/* With room again, the count comes before what comes next. */
	log_info("the next one");
	text = read_all();
	said = strstr(text, "warning: ");
	assert_non_null(said);
	left_out = (unsigned)strtoul(said + strlen("warning: "), NULL, 10);
	assert_int_equal(taken + left_out, LINES);
	assert_true(strstr(text, "were left out") < strstr(text, "the next one"));
	log_info("and one more");
	assert_null(strstr(read_all(), "left out"));
}

/* Of itself too, when there is nothing else to say. */
static void said_without_another_line(void **data)
{
	for (int i = 0; i < 20000; i++)
		log_info("a line that nobody reads");
	read_all();
	assert_true(log_tell_left_out());
	assert_int_equal(lines_of(read_all(), "left out"), 1);
	assert_true(log_tell_left_out());
	assert_string_equal(read_all(), "");
}

/* Others who have the same pipe see no change of it. */
static void stays_blocking_for_others(void **data)
{
	int fds[2], other;

	assert_int_equal(pipe(fds), 0);
	other = dup(fds[1]);
	keep_stderr = dup(STDERR_FILENO);
	redirect(fds[0], fds[1]);
	assert_false(fcntl(other, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(STDERR_FILENO, F_GETFL) & O_NONBLOCK);
	close(other);
}

static void nobody_is_there_any_more(void **data)
{
	signal(SIGPIPE, SIG_IGN);
	close(reader);
	reader = -1;
	log_info("to nobody");
	assert_false(log_tell_left_out());
}

static void a_long_line_is_cut(void **data)
{
	char words[4000];
	char *text;

	memset(words, 'x', sizeof(words) - 1);
	words[sizeof(words) - 1] = '\0';
	log_info("%s", words);
	text = read_all();
	assert_in_range(strlen(text), 1000, 1280);
	assert_int_equal(text[strlen(text) - 1], '\n');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(left_out_and_counted, setup_pipe, teardown),
		cmocka_unit_test_setup_teardown(left_out_and_counted, setup_socket, teardown),
		cmocka_unit_test_setup_teardown(said_without_another_line, setup_pipe, teardown),
		cmocka_unit_test_setup_teardown(said_without_another_line, setup_socket, teardown),
		cmocka_unit_test_setup_teardown(stays_blocking_for_others, NULL, teardown),
		cmocka_unit_test_setup_teardown(nobody_is_there_any_more, setup_pipe, teardown),
		cmocka_unit_test_setup_teardown(a_long_line_is_cut, setup_pipe, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

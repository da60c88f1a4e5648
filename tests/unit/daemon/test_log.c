/* SPDX-License-Identifier: MIT */
/* The log waits for nobody: what isn't taken is left out and counted, and the count is said. */
#include "daemon/log.h"
#include "daemon/log_journal.h"
#include "unit.h"
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
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

/* --- the journal --- */

#define JOURNAL "/tmp/test-log-journal.sock"

static int journal;

static int setup_journal(void **data)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = JOURNAL};

	setup_pipe(data);
	unlink(JOURNAL);
	journal = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(journal, (struct sockaddr *)&at, sizeof(at)), 0);
	log_set_journal(JOURNAL);
	return 0;
}

static int teardown_journal(void **data)
{
	log_set_journal(NULL);
	close(journal);
	unlink(JOURNAL);
	return teardown(data);
}

/* The next entry. */
static const char *entry(void)
{
	static char bytes[8192];
	ssize_t n = recv(journal, bytes, sizeof(bytes) - 1, 0);

	bytes[n > 0 ? n : 0] = '\0';
	return bytes;
}

static void the_journal_gets_fields(void **data)
{
	struct log_about about = {"hub-a", "10.20.2.0/24"}, of_peer = {"hub-a", NULL};

	log_about(LOG_LEVEL_INFO, &about, "moved");
	assert_string_equal(entry(),
		"PRIORITY=6\nSYSLOG_IDENTIFIER=shuntd\nMESSAGE=node: moved\nNODE=node\n"
		"PEER=hub-a\nPREFIX=10.20.2.0/24\n");
	log_about(LOG_LEVEL_WARNING, &of_peer, "down");
	assert_string_equal(entry(),
		"PRIORITY=4\nSYSLOG_IDENTIFIER=shuntd\nMESSAGE=node: warning: down\nNODE=node\n"
		"PEER=hub-a\n");
	log_info("ready");
	assert_string_equal(
		entry(), "PRIORITY=6\nSYSLOG_IDENTIFIER=shuntd\nMESSAGE=node: ready\nNODE=node\n");
	assert_string_equal(read_all(), "");
}

/* A newline can't make a field of its own. */
static void a_value_of_several_lines_is_one(void **data)
{
	static const char head[] = "PRIORITY=6\nSYSLOG_IDENTIFIER=shuntd\nMESSAGE\n";
	static const char value[] = "node: one\nPEER=nobody";
	const char *e;

	log_info("one\nPEER=nobody");
	e = entry();
	assert_memory_equal(e, head, strlen(head));
	e += strlen(head);
	assert_int_equal((unsigned char)e[0], strlen(value));
	for (int i = 1; i < 8; i++)
		assert_int_equal(e[i], 0);
	assert_string_equal(e + 8, "node: one\nPEER=nobody\nNODE=node\n");
}

/* Gone, or full: the line goes where lines go, and nothing waits. */
static void without_a_journal_lines_must_do(void **data)
{
	unlink(JOURNAL);
	log_info("nobody listens");
	assert_int_equal(lines_of(read_all(), "nobody listens\n"), 1);
	log_set_journal(NULL);
	log_info("there is none");
	assert_int_equal(lines_of(read_all(), "there is none\n"), 1);
}

static void a_full_journal_holds_up_nobody(void **data)
{
	for (int i = 0; i < 5000; i++)
		log_info("a line that nobody reads");
	assert_true(lines_of(read_all(), "a line that nobody reads\n") > 0);
}

/* Whoever redirected standard error since left the variable behind. */
static void what_is_the_journal_s(void **data)
{
	struct stat st;
	char text[64];

	unsetenv("JOURNAL_STREAM");
	assert_false(log_journal_has_stderr());
	assert_int_equal(fstat(STDERR_FILENO, &st), 0);
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino);
	setenv("JOURNAL_STREAM", text, 1);
	assert_true(log_journal_has_stderr());
	snprintf(text, sizeof(text), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino + 1);
	setenv("JOURNAL_STREAM", text, 1);
	assert_false(log_journal_has_stderr());
	setenv("JOURNAL_STREAM", "garbage", 1);
	assert_false(log_journal_has_stderr());
	unsetenv("JOURNAL_STREAM");
}

#define JOURNAL_TEST(name) cmocka_unit_test_setup_teardown(name, setup_journal, teardown_journal)

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
		JOURNAL_TEST(the_journal_gets_fields),
		JOURNAL_TEST(a_value_of_several_lines_is_one),
		JOURNAL_TEST(without_a_journal_lines_must_do),
		JOURNAL_TEST(a_full_journal_holds_up_nobody),
		cmocka_unit_test(what_is_the_journal_s),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

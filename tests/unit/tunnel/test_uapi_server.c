/* SPDX-License-Identifier: MIT */
/* The UAPI's socket: several clients at once; one that stalls, never reads, sends garbage or goes
 * away in the middle harms nobody. The server runs in a thread, as in the program. */
#include "tunnel_fixture.h"

#include "tunnel/uapi_server.h"

#include <pthread.h>
#include <signal.h>
#include <sys/un.h>

#define KEY_A "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376"

static struct {
	struct device d;
	uv_loop_t loop;
	uv_async_t end;
	struct uapi_server *server;
	pthread_t thread;
	struct sockaddr_un addr;
	socklen_t addr_len;
} s;

static void on_end(uv_async_t *end)
{
	uapi_stop(s.server);
	uv_close((uv_handle_t *)end, NULL);
}

static void *serve(void *data)
{
	uv_run(&s.loop, UV_RUN_DEFAULT);
	return NULL;
}

static int start(void **state)
{
	static unsigned n;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	signal(SIGPIPE, SIG_IGN); /* as the program does */
	device_start(&s.d, false);
	s.addr.sun_family = AF_UNIX;
	/* Abstract: nothing to clear away. */
	s.addr_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 +
				 (size_t)snprintf(s.addr.sun_path + 1, sizeof(s.addr.sun_path) - 1,
					 "shunt-test-%d-%u", getpid(), n++));
	assert_int_equal(bind(fd, (struct sockaddr *)&s.addr, s.addr_len), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(uv_loop_init(&s.loop), 0);
	assert_int_equal(uapi_serve(&s.loop, fd, s.d.t, UAPI_MAX_CLIENTS, &s.server), 0);
	uv_async_init(&s.loop, &s.end, on_end);
	pthread_create(&s.thread, NULL, serve, NULL);
	return 0;
}

static int stop(void **state)
{
	uv_async_send(&s.end);
	pthread_join(s.thread, NULL);
	assert_int_equal(uv_loop_close(&s.loop), 0);
	device_stop(&s.d);
	return 0;
}

/* --- clients -------------------------------------------------------------------------------------
 */

static int client(void)
{
	struct timeval wait = {DEADLINE_MS / 1000, 0};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof(wait));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait));
	assert_int_equal(connect(fd, (struct sockaddr *)&s.addr, s.addr_len), 0);
	return fd;
}

static void say(int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads on to the end of an answer; its length, 0 if the other end closed first. */
static size_t hear(int fd, struct buf *text)
{
	char piece[65536];

	buf_reset(text);
	for (;;) {
		ssize_t n = recv(fd, piece, sizeof(piece), 0);

		if (n <= 0)
			return 0;
		buf_add(text, piece, (size_t)n);
		if (text->n >= 2 && !memcmp(text->data + text->n - 2, "\n\n", 2))
			return text->n;
	}
}

static void check_works(void)
{
	struct buf text = {0};
	int fd = client();

	say(fd, "get=1\n\n");
	assert_true(hear(fd, &text) > 0);
	assert_non_null(strstr(text.data, "errno=0\n\n"));
	close(fd);
	buf_done(&text);
}

static bool is_closed(int fd)
{
	struct buf text = {0};
	bool closed = !hear(fd, &text);

	buf_done(&text);
	return closed;
}

static void configure_many(unsigned n)
{
	struct buf request = {0};

	buf_puts(&request, "set=1\n");
	for (unsigned i = 1; i <= n; i++)
		buf_printf(&request, "public_key=%064x\nallowed_ip=10.%u.%u.%u/32\n", i, i >> 16,
			i >> 8 & 255, i & 255);
	buf_puts(&request, "\n");
	assert_int_equal(uapi_ask(&s.d, request.data, NULL), 0);
	buf_done(&request);
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static void several_requests(void **state)
{
	struct buf text = {0};
	int fd = client();

	say(fd, "set=1\nfwmark=5\n\n");
	assert_true(hear(fd, &text));
	assert_string_equal(text.data, "errno=0\n\n");
	say(fd, "get=1\n\n");
	assert_true(hear(fd, &text));
	assert_non_null(strstr(text.data, "fwmark=5\n"));
	say(fd, "set=1\nfwmark=x\n\n");
	assert_true(hear(fd, &text));
	assert_string_equal(text.data, "errno=-22\n\n");
	close(fd);
	buf_done(&text);
}

/* Sent all at once they are answered one by one, in order. */
static void pipelined(void **state)
{
	struct buf all = {0};
	int fd = client();
	char piece[4096];
	ssize_t n;

	say(fd, "set=1\nfwmark=1\n\nset=1\nfwmark=x\n\nset=1\nlisten_port=7\n\nset=1\n\n");
	shutdown(fd, SHUT_WR);
	while ((n = recv(fd, piece, sizeof(piece), 0)) > 0)
		buf_add(&all, piece, (size_t)n);
	assert_string_equal(buf_str(&all), "errno=0\n\nerrno=-22\n\nerrno=0\n\nerrno=0\n\n");
	close(fd);
	buf_done(&all);
}

static void byte_by_byte(void **state)
{
	static const char request[] = "set=1\npublic_key=" KEY_A "\nallowed_ip=10.0.0.0/8\n\n";
	struct buf text = {0};
	int fd = client();

	for (const char *at = request; *at; at++)
		assert_int_equal(send(fd, at, 1, MSG_NOSIGNAL), 1);
	assert_true(hear(fd, &text));
	assert_string_equal(text.data, "errno=0\n\n");
	close(fd);
	buf_done(&text);
}

/* Half a request, and then nothing: the others don't wait. */
static void stalled_in_the_middle(void **state)
{
	int fds[8];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client();
		say(fds[i], "set=1\npublic_key=");
	}
	check_works();
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	check_works();
}

/* More idle clients than there is room for: who came last is served, the idle go. */
static void too_many_idle(void **state)
{
	int fds[100];

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = client();
	check_works();
	assert_true(is_closed(fds[0]));
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	check_works();
}

static void garbage(void **state)
{
	static const char *const table[] = {"\n\n", "GET / HTTP/1.0\r\n", "set=2\n\n",
		"\xff\xfe\xfd", "get=1 \n\n", "zzzzzzzzzz"};
	char block[4096];

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		int fd = client();

		say(fd, table[i]);
		if (!is_closed(fd))
			fail_msg("%s was answered", table[i]);
		close(fd);
	}
	/* An endless stream isn't kept. */
	memset(block, 'x', sizeof(block));
	for (int fd = client();;) {
		if (send(fd, block, sizeof(block), MSG_NOSIGNAL) < 0) {
			close(fd);
			break;
		}
	}
	check_works();
}

/* Who asks again and again for a large answer and takes none has one waiting, not all. */
static void never_reads(void **state)
{
	enum { PEERS = 20000 };
	struct buf text = {0};
	int fds[4];
	size_t whole;

	configure_many(PEERS);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
		fds[i] = client();
		for (int n = 0; n < 50; n++)
			say(fds[i], "get=1\n\n");
	}
	check_works();
	/* And gone in the middle of the answer. */
	close(fds[0]);
	check_works();
	/* Who reads late gets all that it asked for. */
	assert_true((whole = hear(fds[1], &text)) > PEERS * 200);
	for (size_t i = 1; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	check_works();
	buf_done(&text);
}

struct worker {
	pthread_t thread;
	unsigned n;
};

static void *configure_and_ask(void *data)
{
	struct worker *w = data;
	struct buf text = {0};
	int fd = client();
	char request[256];

	for (unsigned i = 0; i < 50; i++) {
		snprintf(request, sizeof(request),
			"set=1\npublic_key=%063x%x\nallowed_ip=10.%u.%u.0/24\n\n", i + 1, w->n,
			w->n, i);
		say(fd, request);
		assert_true(hear(fd, &text));
		assert_string_equal(text.data, "errno=0\n\n");
		say(fd, "get=1\n\n");
		assert_true(hear(fd, &text));
	}
	close(fd);
	buf_done(&text);
	return NULL;
}

static void at_once(void **state)
{
	struct worker workers[4];
	size_t n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(workers); i++) {
		workers[i].n = i;
		pthread_create(&workers[i].thread, NULL, configure_and_ask, &workers[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(workers); i++)
		pthread_join(workers[i].thread, NULL);
	tunnel_lock(s.d.t);
	for (struct tunnel_peer *p = NULL; (p = tunnel_peer_next(s.d.t, p));)
		n++;
	tunnel_unlock(s.d.t);
	assert_int_equal(n, 4 * 50);
}

static void hundred_thousand(void **state)
{
	enum { PEERS = 100000 };
	struct buf text = {0};
	int fd = client();
	unsigned n = 0;

	configure_many(PEERS);
	say(fd, "get=1\n\n");
	assert_true(hear(fd, &text));
	/* Line by line: sanitizers look at the whole of what strstr and memmem are given. */
	for (const char *at = text.data, *end = at + text.n; at < end;
		at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1)
		n += !strncmp(at, "public_key=", 11);
	assert_int_equal(n, PEERS);
	say(fd, "set=1\nreplace_peers=true\n\n");
	assert_true(hear(fd, &text));
	say(fd, "get=1\n\n");
	assert_true(hear(fd, &text));
	assert_null(strstr(text.data, "public_key="));
	close(fd);
	buf_done(&text);
}

/* Sets that come while a long answer is made and sent get in between, and the answer still shows
 * one moment: what a set did is in it whole or not at all. */
static void set_between(void **state)
{
	enum { PEERS = 100000, SETS = 20 };
	struct buf text = {0};
	int reader = client(), mover = client();
	unsigned n_seen = 0;

	configure_many(PEERS);
	say(reader, "get=1\n\n");
	for (unsigned i = 0; i < SETS; i++) {
		/* More than a socket holds: it can't be there whole. */
		say(mover, "set=1\nfwmark=77\npublic_key=" KEY_A "\n\n");
		assert_true(hear(mover, &text));
		assert_string_equal(text.data, "errno=0\n\n");
	}
	assert_true(hear(reader, &text));
	assert_memory_equal(text.data + text.n - 9, "errno=0\n\n", 9);
	for (const char *at = text.data, *end = at + text.n; at < end;
		at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1)
		n_seen += !strncmp(at, "fwmark=", 7) || !strncmp(at, "public_key=" KEY_A, 75);
	assert_true(n_seen == 0 || n_seen == 2);
	/* And one that goes away in the middle. */
	say(reader, "get=1\n\n");
	close(reader);
	close(mover);
	check_works();
	buf_done(&text);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(several_requests),
		T(pipelined),
		T(byte_by_byte),
		T(stalled_in_the_middle),
		T(too_many_idle),
		T(garbage),
		T(never_reads),
		T(at_once),
		T(hundred_thousand),
		T(set_between),
	};

	return cmocka_run_group_tests_name("uapi_server", tests, NULL, NULL);
}

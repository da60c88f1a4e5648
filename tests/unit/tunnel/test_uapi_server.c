/* SPDX-License-Identifier: MIT */
/* The UAPI's socket: several clients at once; one that stalls, never reads, sends garbage or goes
 * away in the middle harms nobody. The server runs in a thread, as in the program. */
#include "tunnel_fixture.h"

#include "tunnel/uapi_server.h"

#include <pthread.h>
#include <signal.h>
#include <sys/un.h>

#define KEY_A "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376"
#define KEY_B "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33"

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
	enum { PEERS = SANITIZED ? 20000 : 100000 };
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
	enum { PEERS = SANITIZED ? 20000 : 100000, SETS = 20 };
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

/* --- while something long is under way ----------------------------------------------------------
 */

#define LEVEL "set=1\npublic_key=" KEY_A "\nlevel="
#define MANY_PREFIXES 200000

static void add_prefixes(struct buf *request, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		buf_printf(request, "allowed_ip=%u.%u.%u.0/24\n", 20 + (i >> 16), i >> 8 & 255,
			i & 255);
}

static bool has_answer(int fd)
{
	struct pollfd p = {fd, POLLIN, 0};

	return poll(&p, 1, 0) > 0;
}

struct speaker {
	int fd;
	const struct buf *text;
};

static void *speak(void *data)
{
	struct speaker *w = data;

	say(w->fd, w->text->data);
	return NULL;
}

/* How many levels are set, one after the other, between the arrival of a request and its answer. */
static unsigned levels_beside(const struct buf *request)
{
	struct speaker w = {client(), request};
	int quick = client();
	struct buf text = {0};
	unsigned n = 0;
	pthread_t thread;

	pthread_create(&thread, NULL, speak, &w);
	pthread_join(thread, NULL); /* nearly all of it was read by then */
	while (!has_answer(w.fd)) {
		say(quick, n & 1 ? LEVEL "up\n\n" : LEVEL "down\n\n");
		assert_true(hear(quick, &text));
		assert_string_equal(text.data, "errno=0\n\n");
		n++;
	}
	assert_true(hear(w.fd, &text));
	assert_memory_equal(text.data + text.n - 9, "errno=0\n\n", 9);
	close(w.fd);
	close(quick);
	buf_done(&text);
	return n;
}

static void check_levels_beside(const char *what, const char *head, unsigned n_prefixes)
{
	struct buf request = {0};
	unsigned n;

	buf_puts(&request, head);
	add_prefixes(&request, n_prefixes);
	buf_puts(&request, "\n");
	n = levels_beside(&request);
	print_message("%s: %u levels meanwhile\n", what, n);
	if (n < 10)
		fail_msg("%s: only %u levels were set meanwhile", what, n);
	buf_done(&request);
}

/* Whatever a set of many prefixes does, levels are set meanwhile. */
static void levels_wait_for_no_set(void **state)
{
	const char *peer = "set=1\npublic_key=" KEY_B "\n", *owners = "set=1\nowners=1\n";

	assert_int_equal(uapi_ask(&s.d, "set=1\npublic_key=" KEY_A "\n\n", NULL), 0);
	check_levels_beside("prefixes of a peer", peer, MANY_PREFIXES);
	check_levels_beside("prefixes of a set", owners, MANY_PREFIXES);
	check_levels_beside("a set that goes", "set=1\nowners=1\nremove=true\n", 0);
	check_levels_beside("prefixes of a peer again", peer, MANY_PREFIXES);
	check_levels_beside(
		"none of them", "set=1\npublic_key=" KEY_B "\nreplace_allowed_ips=true\n", 0);
	check_levels_beside("once more", peer, MANY_PREFIXES);
	check_levels_beside("a peer that goes", "set=1\npublic_key=" KEY_B "\nremove=true\n", 0);
	assert_int_equal(cryptokey_count(s.d.t->table), 0);
}

/* ... nor for the answer to a get, of which there are a few, since it doesn't take long. */
static void levels_wait_for_no_get(void **state)
{
	struct buf request = {0};
	unsigned n = 0;

	assert_int_equal(uapi_ask(&s.d, "set=1\npublic_key=" KEY_A "\n\n", NULL), 0);
	buf_puts(&request, "set=1\npublic_key=" KEY_A "\n");
	add_prefixes(&request, MANY_PREFIXES);
	buf_puts(&request, "\n");
	assert_int_equal(uapi_ask(&s.d, request.data, NULL), 0);
	buf_reset(&request);
	buf_puts(&request, "get=1\n\n");
	for (unsigned i = 0; i < 50 && n < 10; i++)
		n += levels_beside(&request);
	assert_true(n >= 10);
	buf_done(&request);
}

/* What else is asked while a set is under way is done after it: here it would take away whom the
 * set speaks of. The answers come in that order. */
static void sets_and_gets_wait_for_a_set(void **state)
{
	int first = client(), second = client(), third = client();
	struct buf request = {0}, text = {0};

	buf_puts(&request, "set=1\npublic_key=" KEY_B "\nreplace_allowed_ips=true\n");
	add_prefixes(&request, MANY_PREFIXES);
	buf_puts(&request, "owners=3\nowner=" KEY_B ",0,1\n\n");
	say(first, request.data);
	say(second, "set=1\nreplace_peers=true\n\n");
	say(third, "get=1\n\n");
	assert_true(hear(second, &text));
	assert_string_equal(text.data, "errno=0\n\n");
	assert_true(has_answer(first));
	assert_true(hear(first, &text));
	assert_string_equal(text.data, "errno=0\n\n");
	assert_true(hear(third, &text));
	assert_int_equal(cryptokey_count(s.d.t->table), 0);
	close(first);
	close(second);
	close(third);
	buf_done(&request);
	buf_done(&text);
}

/* Who goes away once it has said all is obeyed; idle ones that crowd in don't end its set. */
static void a_set_is_whole(void **state)
{
	struct buf request = {0};
	int fds[100], first = client();

	buf_puts(&request, "set=1\npublic_key=" KEY_B "\n");
	add_prefixes(&request, MANY_PREFIXES);
	buf_puts(&request, "\n");
	say(first, request.data);
	close(first);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		fds[i] = client();
	check_works(); /* which waits for the set */
	assert_int_equal(cryptokey_count(s.d.t->table), MANY_PREFIXES);
	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		close(fds[i]);
	buf_done(&request);
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
		T(levels_wait_for_no_set),
		T(levels_wait_for_no_get),
		T(sets_and_gets_wait_for_a_set),
		T(a_set_is_whole),
	};

	return cmocka_run_group_tests_name("uapi_server", tests, NULL, NULL);
}

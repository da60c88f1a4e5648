/* SPDX-License-Identifier: MIT */
/* Events: the ring, what passes a filter, and who follows it over the control socket: none of them
 * holds up the daemon, and who is too slow is told so. */
#include "base/mem.h"
#include "control/requests.h"
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define KEPT 8
#define STARTED "2026-11-28T07:04:31.123Z"

static uint64_t add(struct events *s, enum event_kind kind, const char *peer, const char *text)
{
	struct event e = {.kind = kind, .peer = peer, .gap_ns = -1, .text = text};

	return events_add(s, &e);
}

/* --- the ring --- */

static void the_last_ones_stay(void **state)
{
	struct events *s = events_new(KEPT, "site-1", STARTED);

	assert_int_equal(events_first(s), 1);
	assert_int_equal(events_last(s), 0);
	for (unsigned i = 1; i <= 3 * KEPT; i++)
		assert_int_equal(add(s, EVENT_VERDICT, i % 2 ? "hub-a" : "hub-b", "words"), i);
	assert_int_equal(events_first(s), 2 * KEPT + 1);
	assert_int_equal(events_last(s), 3 * KEPT);
	assert_string_equal(events_at(s, 3 * KEPT)->peer, "hub-b");
	assert_string_equal(events_at(s, 2 * KEPT + 1)->peer, "hub-a");
	events_free(s);
}

static void the_tail_is_of_those_that_pass(void **state)
{
	struct events *s = events_new(KEPT, "site-1", STARTED);
	char hub_a[] = "hub-a";
	struct event_filter all = {NULL, 0}, of_hub_a = {hub_a, 0};

	assert_int_equal(events_tail(s, &all, 5), 1);
	for (unsigned i = 1; i <= KEPT; i++)
		add(s, EVENT_VERDICT, i % 4 ? "hub-b" : hub_a, "words");
	assert_int_equal(events_tail(s, &all, 3), KEPT - 2);
	assert_int_equal(events_tail(s, &all, 0), KEPT + 1);
	assert_int_equal(events_tail(s, &all, 100), 1);
	assert_int_equal(events_tail(s, &of_hub_a, 2), 4);
	assert_int_equal(events_tail(s, &of_hub_a, 3), 4);
	events_free(s);
}

static void what_passes(void **state)
{
	static const struct {
		struct event e;
		const char *peer;
		unsigned kinds;
		bool passes;
	} cases[] = {
		{{.kind = EVENT_VERDICT, .peer = "hub-a"}, NULL, 0, true},
		{{.kind = EVENT_VERDICT, .peer = "hub-a"}, "hub-a", 0, true},
		{{.kind = EVENT_VERDICT, .peer = "hub-a"}, "hub", 0, false},
		{{.kind = EVENT_VERDICT, .peer = "hub-a"}, NULL, 1U << EVENT_MOVE, false},
		{{.kind = EVENT_MOVE, .from = "hub-a", .to = "hub-b"}, "hub-b", 1U << EVENT_MOVE,
			true},
		{{.kind = EVENT_MOVE, .from = "hub-a", .to = NULL}, "hub-a", 0, true},
		{{.kind = EVENT_MOVE, .from = NULL, .to = "hub-b"}, "hub-a", 0, false},
		{{.kind = EVENT_RELOAD}, "hub-a", 0, false},
		{{.kind = EVENT_LOST}, "hub-a", 1U << EVENT_MOVE, true},
		{{.kind = EVENT_PROBLEM, .text = "the line of hub-a."}, "hub-a", 0, true},
		{{.kind = EVENT_PROBLEM, .text = "hub-a's port"}, "hub-a", 0, true},
		{{.kind = EVENT_PROBLEM, .text = "hub-a-2's port"}, "hub-a", 0, false},
		{{.kind = EVENT_PROBLEM, .text = "old-hub-a's port"}, "hub-a", 0, false},
		{{.kind = EVENT_PROBLEM, .text = "hub-ab, then hub-a"}, "hub-a", 0, true},
		{{.kind = EVENT_PROBLEM, .text = "hub-a.example"}, "hub-a", 0, false},
		{{.kind = EVENT_PROBLEM, .text = "anything"}, "", 0, false},
		{{.kind = EVENT_REPORT, .peer = "hub-a", .text = "hub-a says that it lost site-2"},
			"site-2", 0, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *peer = cases[i].peer ? mem_strdup(cases[i].peer) : NULL;
		struct event_filter f = {peer, cases[i].kinds};

		if (event_passes(&cases[i].e, &f) != cases[i].passes)
			fail_msg("case %zu", i);
	}
}

static void words_of_kinds(void **state)
{
	enum event_kind k;

	for (unsigned i = 0; i < EVENT_LOST; i++) {
		assert_true(event_kind_parse(&k, event_kind_word((enum event_kind)i)));
		assert_int_equal(k, i);
	}
	assert_false(event_kind_parse(&k, "lost"));
	assert_false(event_kind_parse(&k, ""));
}

/* --- over the socket --- */

static struct server {
	char folder[32], path[64];
	uv_loop_t loop;
	struct events *events;
	struct control_desk *desk;
	struct control *control;
} s;

static struct events *happened(void *data)
{
	return s.events;
}

static const struct control_source source = {.events = happened};

static void start(unsigned max_clients)
{
	struct control_options o = {s.path, control_serve, NULL, max_clients};
	struct buf why = {0};

	strcpy(s.folder, "/tmp/events-XXXXXX");
	assert_non_null(mkdtemp(s.folder));
	snprintf(s.path, sizeof(s.path), "%s/sock", s.folder);
	assert_int_equal(uv_loop_init(&s.loop), 0);
	s.events = events_new(KEPT, "site-1", STARTED);
	s.desk = control_desk_new(&s.loop, &source, NULL);
	o.data = s.desk;
	assert_int_equal(control_open(&s.loop, &o, &s.control, &why), 0);
	buf_done(&why);
}

static void stop(void)
{
	control_desk_flush(s.desk);
	control_close(s.control);
	control_desk_free(s.desk);
	assert_int_equal(uv_run(&s.loop, UV_RUN_DEFAULT), 0);
	assert_int_equal(uv_loop_close(&s.loop), 0);
	events_free(s.events);
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

static void turns(unsigned n)
{
	while (n--)
		uv_run(&s.loop, UV_RUN_NOWAIT);
}

/* Turns of the loop until a whole line is there; NULL: the end. The caller releases it. */
static json_t *next_line(int fd)
{
	static char text[65536];
	size_t n = 0;

	for (unsigned i = 0; i < 20000; i++) {
		ssize_t r = read(fd, text + n, 1);

		if (!r)
			return NULL;
		if (r < 0)
			turns(3);
		else if (text[n++] == '\n')
			return json_loadb(text, n, 0, NULL);
		if (r < 0 && i > 1000)
			usleep(1000);
		i -= r > 0;
	}
	fail_msg("no line came");
	return NULL;
}

static json_int_t number_in(int fd, const char *key)
{
	json_t *line = next_line(fd);
	json_int_t n;

	assert_non_null(line);
	n = json_integer_value(json_object_get(line, key));
	json_decref(line);
	return n;
}

static int follow(const char *request, json_int_t last)
{
	int fd = dial();

	assert_int_equal(write(fd, request, strlen(request)), strlen(request));
	assert_int_equal(number_in(fd, "last"), last);
	return fd;
}

static void who_follows_gets_each(void **state)
{
	json_t *line;
	int fd, moves;
	char byte;

	start(8);
	add(s.events, EVENT_VERDICT, "hub-a", "before");
	fd = follow("{\"op\":\"subscribe\"}\n{\"op\":\"events\"}\n", 1);
	moves = follow("{\"op\":\"subscribe\",\"kind\":\"move\",\"peer\":\"hub-a\"}\n", 1);
	add(s.events, EVENT_VERDICT, "hub-a", "hub-a is down");
	add(s.events, EVENT_MOVE, "hub-a", "moved");
	line = next_line(fd);
	assert_int_equal(json_integer_value(json_object_get(line, "event")), 2);
	assert_string_equal(json_string_value(json_object_get(line, "kind")), "verdict");
	assert_string_equal(json_string_value(json_object_get(line, "node")), "site-1");
	json_decref(line);
	assert_int_equal(number_in(fd, "event"), 3);
	assert_int_equal(number_in(moves, "event"), 3);
	/* What it says meanwhile is no request. */
	assert_int_equal(write(fd, "{\"op\":\"events\"}\n", 16), 16);
	turns(10);
	add(s.events, EVENT_MOVE, "hub-a", "moved");
	assert_int_equal(number_in(fd, "event"), 4);
	close(moves);
	turns(10);
	add(s.events, EVENT_STOP, NULL, "ends");
	stop();
	assert_int_equal(read(fd, &byte, 1), 1); /* the end came through */
	close(fd);
}

/* From where it was, or of another life from the beginning; the last ones first. */
static void where_it_begins(void **state)
{
	static const struct {
		const char *request;
		json_int_t first;
	} cases[] = {
		{"{\"op\":\"subscribe\",\"last\":2}\n", 3},
		{"{\"op\":\"subscribe\",\"started\":\"" STARTED "\",\"after\":1}\n", 2},
		{"{\"op\":\"subscribe\",\"started\":\"earlier\",\"after\":3}\n", 1},
		{"{\"op\":\"subscribe\",\"started\":\"" STARTED "\",\"after\":99}\n", 1},
		{"{\"op\":\"subscribe\",\"started\":\"" STARTED "\",\"after\":4}\n", 5},
	};

	start(8);
	for (unsigned i = 1; i <= 4; i++)
		add(s.events, EVENT_VERDICT, "hub-a", "words");
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		int fd = follow(cases[i].request, (json_int_t)events_last(s.events));

		if (i == ARRAY_SIZE(cases) - 1)
			add(s.events, EVENT_VERDICT, "hub-a", "words");
		assert_int_equal(number_in(fd, "event"), cases[i].first);
		close(fd);
		turns(10);
	}
	stop();
}

/* It never reads: the daemon goes on, keeps no more than the ring, and tells when it does read. */
static void who_is_slow_is_told_what_it_lost(void **state)
{
	AUTO_FREE char *text = mem_alloc(8001);
	json_int_t seen = 0, lost = 0, last;
	int fd;

	memset(text, 'x', 8000);
	text[8000] = '\0';
	start(8);
	fd = follow("{\"op\":\"subscribe\"}\n", 0);
	for (unsigned i = 0; i < 500; i++) {
		add(s.events, EVENT_VERDICT, "hub-a", text);
		turns(3);
	}
	last = (json_int_t)events_last(s.events);
	for (json_int_t at = 0; at < last;) {
		json_t *line = next_line(fd);
		json_int_t n = json_integer_value(json_object_get(line, "lost"));
		json_int_t number = json_integer_value(json_object_get(line, "event"));

		assert_int_equal(number, at + (n ? n : 1));
		assert_int_equal(
			n != 0, !strcmp(json_string_value(json_object_get(line, "kind")), "lost"));
		lost += n;
		seen += !n;
		at = number;
		json_decref(line);
	}
	assert_true(lost > 0);
	assert_int_equal(seen + lost, last);
	close(fd);
	stop();
}

/* As many as may; they aren't closed for others, and don't keep these out. */
static void their_number_is_bounded(void **state)
{
	int fds[3], fd;
	json_t *line;

	start(4);
	for (unsigned i = 0; i < 2; i++)
		fds[i] = follow("{\"op\":\"subscribe\"}\n", 0);
	fds[2] = dial();
	assert_int_equal(write(fds[2], "{\"op\":\"subscribe\"}\n", 19), 19);
	line = next_line(fds[2]);
	assert_true(json_is_false(json_object_get(line, "ok")));
	json_decref(line);
	for (unsigned i = 0; i < 10; i++) {
		fd = dial();
		assert_int_equal(write(fd, "{\"op\":\"events\"}\n", 16), 16);
		assert_int_equal(number_in(fd, "last"), 0);
		if (i < 9)
			turns(2);
		close(fd);
	}
	add(s.events, EVENT_VERDICT, "hub-a", "words");
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(number_in(fds[i], "event"), 1);
		close(fds[i]);
	}
	turns(10);
	fd = follow("{\"op\":\"subscribe\"}\n", 1);
	close(fd);
	close(fds[2]);
	stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_last_ones_stay),
		cmocka_unit_test(the_tail_is_of_those_that_pass),
		cmocka_unit_test(what_passes),
		cmocka_unit_test(words_of_kinds),
		cmocka_unit_test(who_follows_gets_each),
		cmocka_unit_test(where_it_begins),
		cmocka_unit_test(who_is_slow_is_told_what_it_lost),
		cmocka_unit_test(their_number_is_bounded),
	};

	return cmocka_run_group_tests_name("streams", tests, NULL, NULL);
}

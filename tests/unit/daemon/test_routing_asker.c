/* SPDX-License-Identifier: MIT */
/* A routing engine asked over its socket, by a loop in which a made-up one answers: in pieces, not
 * at all, without an end, or no more. Time is what the test says; only answers take real time. */
#include "../unit.h"
#include "daemon/routing_asker.h"
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum mood { ANSWERS, MUTE, FLOODS, HANGS_UP };

struct scene {
	uv_loop_t loop;
	char dir[32], path[64];
	uv_pipe_t server;
	enum mood mood;
	unsigned calls, questions;
	const char *answer;
	struct routing_asker *asker;
	struct mesh_routing routing;
	instant now;
	bool is_over;
	uv_timer_t flood;
};

#define HELLO "0001 BIRD 2.0.12 ready.\n"
#define ONE                                                                \
	"2002-Name Proto Table State Since Info\n"                         \
	"1002-a BGP --- up 1 Established\n1006-  BGP state: Established\n" \
	"     Neighbor address: 10.10.0.1\n     Routes: 3 imported\n \n0000 \n"
#define OTHER                                                \
	"1002-a BGP --- up 1 Idle\n1006-  BGP state: Idle\n" \
	"     Neighbor address: 10.10.0.1\n \n0000 \n"

/* --- the engine ----------------------------------------------------------------------------------
 */

static void on_closed(uv_handle_t *h)
{
	free(h);
}

static void say(uv_stream_t *to, const char *text, size_t n)
{
	uv_buf_t b = uv_buf_init((char *)(uintptr_t)text, (unsigned)n);

	assert_int_equal(uv_try_write(to, &b, 1), n);
}

static void flood(uv_stream_t *to)
{
	static char junk[65536];
	uv_buf_t b = uv_buf_init(junk, sizeof(junk));

	memset(junk, 'x', sizeof(junk));
	while (uv_try_write(to, &b, 1) > 0)
		;
}

static void on_room(uv_handle_t *h, size_t size, uv_buf_t *ret)
{
	static char room[4096];

	*ret = uv_buf_init(room, sizeof(room));
}

static void on_question(uv_stream_t *c, ssize_t n, const uv_buf_t *b)
{
	struct scene *s = c->data;

	if (n < 0) {
		uv_timer_stop(&s->flood);
		uv_close((uv_handle_t *)c, on_closed);
		return;
	}
	assert_int_equal(n, routing_talk_bird.len);
	assert_memory_equal(b->base, routing_talk_bird.question, n);
	s->questions++;
	if (s->mood == HANGS_UP)
		uv_close((uv_handle_t *)c, on_closed);
	if (s->mood != ANSWERS)
		return;
	say(c, s->answer, 20);
	say(c, s->answer + 20, strlen(s->answer) - 20);
}

/* Keeps the flood up while somebody drinks. */
static void on_idle_flood(uv_timer_t *t)
{
	flood(t->data);
}

static void on_call(uv_stream_t *server, int status)
{
	struct scene *s = server->data;
	uv_pipe_t *c = calloc(1, sizeof(*c));

	assert_int_equal(uv_pipe_init(&s->loop, c, 0), 0);
	c->data = s;
	assert_int_equal(uv_accept(server, (uv_stream_t *)c), 0);
	s->calls++;
	say((uv_stream_t *)c, HELLO, strlen(HELLO));
	uv_read_start((uv_stream_t *)c, on_room, on_question);
	if (s->mood == FLOODS) {
		s->flood.data = c;
		uv_timer_start(&s->flood, on_idle_flood, 0, 1);
	}
}

static void serve(struct scene *s)
{
	assert_int_equal(uv_pipe_init(&s->loop, &s->server, 0), 0);
	s->server.data = s;
	assert_int_equal(uv_pipe_bind(&s->server, s->path), 0);
	assert_int_equal(uv_listen((uv_stream_t *)&s->server, 8, on_call), 0);
}

/* --- who asks ------------------------------------------------------------------------------------
 */

static struct routing_said look(struct scene *s)
{
	struct routing_said said;

	routing_asker_look(s->asker, &said);
	return said;
}

/* Until one more outcome is there. */
static struct routing_said await(struct scene *s)
{
	uint64_t n = look(s).n;

	while (look(s).n == n)
		uv_run(&s->loop, UV_RUN_ONCE);
	return look(s);
}

static struct routing_said ask(struct scene *s)
{
	s->now = instant_add(s->now, ROUTING_ASK_PERIOD);
	routing_asker_step(s->asker, s->now);
	return await(s);
}

static struct scene *scene_new(void)
{
	struct scene *s = calloc(1, sizeof(*s));

	strcpy(s->dir, "/tmp/shunt-routing-XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->path, sizeof(s->path), "%s/ctl", s->dir);
	uv_loop_init(&s->loop);
	uv_timer_init(&s->loop, &s->flood);
	s->answer = ONE;
	s->asker = routing_asker_new(&s->loop);
	s->routing = (struct mesh_routing){.engine = MESH_ENGINE_BIRD, .socket = s->path};
	routing_asker_set(s->asker, &s->routing);
	return s;
}

static void close_it(uv_handle_t *h, void *scene)
{
	struct scene *s = scene;
	bool is_ours = h == (uv_handle_t *)&s->server || h == (uv_handle_t *)&s->flood;

	if (!uv_is_closing(h))
		uv_close(h, is_ours ? NULL : on_closed);
}

static void scene_free(struct scene *s)
{
	routing_asker_free(s->asker);
	uv_walk(&s->loop, close_it, s);
	uv_run(&s->loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&s->loop), 0);
	unlink(s->path);
	assert_int_equal(rmdir(s->dir), 0);
	free(s);
}

static void test_an_answer(void **state)
{
	struct scene *s = scene_new();
	struct routing_said said = look(s);
	instant since;

	assert_ptr_equal(said.talk, &routing_talk_bird);
	assert_string_equal(said.socket, s->path);
	assert_int_equal(said.n, 0);
	serve(s);
	said = ask(s);
	assert_int_equal(said.err, 0);
	assert_int_equal(said.sessions->n, 1);
	assert_int_equal(said.sessions->items[0].routes, 3);
	since = said.sessions->items[0].since;
	said = ask(s);
	assert_int_equal(said.sessions->items[0].since.ns, since.ns);
	s->answer = OTHER;
	said = ask(s);
	assert_true(instant_before(since, said.sessions->items[0].since));
	assert_int_equal(said.sessions->items[0].state, ROUTING_IDLE);
	assert_int_equal(said.n, 3);
	assert_int_equal(s->questions, 3);
	assert_int_equal(s->calls, 1); /* the connection is kept */
	scene_free(s);
}

static void test_not_too_often(void **state)
{
	struct scene *s = scene_new();

	serve(s);
	ask(s);
	routing_asker_step(s->asker, instant_add(s->now, ROUTING_ASK_PERIOD - 1));
	uv_run(&s->loop, UV_RUN_NOWAIT);
	assert_int_equal(s->questions, 1);
	scene_free(s);
}

static void test_nobody_there_and_then_somebody(void **state)
{
	struct scene *s = scene_new();
	struct routing_said said = ask(s);
	instant since = said.since;

	assert_int_equal(said.err, -ENOENT);
	said = ask(s);
	assert_int_equal(said.since.ns, since.ns); /* it is the same trouble */
	serve(s);
	said = ask(s);
	assert_int_equal(said.err, 0);
	assert_true(instant_before(since, said.since));
	s->mood = HANGS_UP;
	said = ask(s);
	assert_int_equal(said.err, -ECONNRESET);
	assert_int_equal(said.sessions->n, 0);
	s->mood = ANSWERS;
	assert_int_equal(ask(s).err, 0);
	scene_free(s);
}

static void test_one_that_keeps_silent(void **state)
{
	struct scene *s = scene_new();

	s->mood = MUTE;
	serve(s);
	s->now = instant_add(s->now, ROUTING_ASK_PERIOD);
	routing_asker_step(s->asker, s->now);
	while (!s->questions)
		uv_run(&s->loop, UV_RUN_ONCE);
	routing_asker_step(s->asker, instant_add(s->now, ROUTING_ASK_PATIENCE - 1));
	assert_int_equal(look(s).n, 0);
	routing_asker_step(s->asker, instant_add(s->now, ROUTING_ASK_PATIENCE));
	assert_int_equal(look(s).err, -ETIMEDOUT);
	s->mood = ANSWERS;
	assert_int_equal(ask(s).err, 0);
	assert_int_equal(s->calls, 2);
	scene_free(s);
}

static void test_one_that_never_ends(void **state)
{
	struct scene *s = scene_new();

	s->mood = FLOODS;
	serve(s);
	assert_int_equal(ask(s).err, -EMSGSIZE);
	scene_free(s);
}

static void test_another_engine(void **state)
{
	struct scene *s = scene_new();

	serve(s);
	ask(s);
	routing_asker_set(s->asker, &s->routing);
	assert_int_equal(look(s).n, 1); /* it is the same */
	s->routing.engine = MESH_ENGINE_OTHER;
	routing_asker_set(s->asker, &s->routing);
	assert_null(look(s).talk);
	assert_int_equal(look(s).sessions->n, 0);
	routing_asker_step(s->asker, instant_add(s->now, 2 * ROUTING_ASK_PERIOD));
	s->routing = (struct mesh_routing){.engine = MESH_ENGINE_FRR};
	routing_asker_set(s->asker, &s->routing);
	assert_string_equal(look(s).socket, "/run/frr/bgpd.vty");
	scene_free(s);
}

/* In the middle of an answer, and of its reading. */
static void test_an_end_at_any_time(void **state)
{
	for (unsigned turns = 0; turns < 6; turns++) {
		struct scene *s = scene_new();

		serve(s);
		s->now = instant_add(s->now, ROUTING_ASK_PERIOD);
		routing_asker_step(s->asker, s->now);
		for (unsigned i = 0; i < turns; i++)
			uv_run(&s->loop, UV_RUN_NOWAIT);
		scene_free(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_an_answer),
		cmocka_unit_test(test_not_too_often),
		cmocka_unit_test(test_nobody_there_and_then_somebody),
		cmocka_unit_test(test_one_that_keeps_silent),
		cmocka_unit_test(test_one_that_never_ends),
		cmocka_unit_test(test_another_engine),
		cmocka_unit_test(test_an_end_at_any_time),
	};

	signal(SIGPIPE, SIG_IGN); /* as shuntd does */
	return cmocka_run_group_tests(tests, NULL, NULL);
}

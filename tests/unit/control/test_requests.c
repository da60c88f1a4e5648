/* SPDX-License-Identifier: MIT */
/*
 * What each request declares is what its answer has: member by member, of a daemon that shows all
 * there is to show. answers.golden holds the declarations as they were given out: a member that
 * goes, or becomes something else, needs a new version of its answer. The docs and the command
 * line's help say the same.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "cli/declared.h"
#include "control/requests.h"
#include "control/routes.h"
#include "control/status.h"
#include "unit.h"
#include <errno.h>
#include <string.h>

#define GOLDEN SHUNT_SOURCE_ROOT "/tests/unit/control/answers.golden"
#define DOCS SHUNT_SOURCE_ROOT "/docs/control.md"

#define N_PEERS 150 /* of several pieces */
#define HUB 1
#define SITE 2

/* --- a daemon that shows everything --- */

struct fake {
	struct rib *rib;
	struct events *events;
	bool drained, is_asked, fails;
	int64_t drained_for_ns;
};

static void refresh(void *data, control_ready_fn *ready, void *arg)
{
	((struct fake *)data)->is_asked = true;
	ready(arg);
}

static struct snapshot_peer peer_of(unsigned i)
{
	struct snapshot_peer p = {.node = "hub-a", .role = MESH_HUB, .handshake_age_ns = -1};

	static const char *lost[] = {"site-9"};
	static struct snapshot_session session = {
		.state = "established", .for_ns = NS_PER_S, .routes = 12};

	p.live.hold_until = INSTANT_NEVER;
	p.live.config.probe = i % 2 ? LIVE_PROBE_BFD : LIVE_PROBE_NONE;
	if (!(i % 2))
		return p;
	p.live.hold_until = instant_add((instant){0}, 5 * NS_PER_S);
	p.handshake_age_ns = 7 * NS_PER_S;
	p.has_reported = p.runs_our_inventory = true;
	p.max_owners = 16;
	p.lost = lost;
	p.n_lost = 1;
	assert_true(ip_addr_parse(&session.neighbor, "10.10.0.1"));
	p.sessions = &session;
	p.n_sessions = 1;
	ip_addr a = {.family = AF_INET, .bytes = {192, 0, 2, 1}};
	p.endpoint = sock_addr_make(&a, 51820);
	return p;
}

static struct snapshot *shown(void *data)
{
	struct snapshot *s = snapshot_new();

	s->when = (struct when){{0}, INT64_C(1795849471123000000)};
	s->node = "site-1";
	s->mesh = s->inventory = s->inventory_digest = s->interface = s->device_name = "x";
	s->device_kind = "uapi";
	s->drained = ((struct fake *)data)->drained;
	s->drained_until_ns = INT64_C(1795851271123000000);
	s->routing =
		(struct snapshot_routing){"bird", "/run/bird/bird.ctl", true, true, 5, 2, 1, 12};
	s->peers = arena_array(&s->arena, struct snapshot_peer, N_PEERS);
	for (; s->n_peers < N_PEERS; s->n_peers++)
		s->peers[s->n_peers] = peer_of((unsigned)s->n_peers);
	s->cut_pairs = arena_array(&s->arena, struct snapshot_cut_pair, 1);
	s->cut_pairs[s->n_cut_pairs++] = (struct snapshot_cut_pair){"a", "b", "c"};
	s->problems = arena_array(&s->arena, struct snapshot_problem, 2);
	s->problems[s->n_problems++] = (struct snapshot_problem){"it is so", NULL};
	s->problems[s->n_problems++] = (struct snapshot_problem){"so it is", "mend"};
	s->knows_users = true;
	s->users = arena_array(&s->arena, struct snapshot_user, 1);
	s->users[0] = (struct snapshot_user){"site-1", {0}, "site-2", {0}};
	assert_true(ip_prefix_parse(&s->users[s->n_users++].prefix, "10.20.2.0/24"));
	s->own = arena_array(&s->arena, struct snapshot_own, 2);
	assert_true(ip_prefix_parse(&s->own[s->n_own++].prefix, "10.20.1.0/24"));
	assert_true(ip_prefix_parse(&s->own[s->n_own].prefix, "fd10::1"));
	s->own[s->n_own++].is_address = true;
	return s;
}

static int routes_after(
	void *data, const ip_prefix *after, size_t max, control_route_fn *fn, void *arg)
{
	return rib_walk_after(((struct fake *)data)->rib, after, max, fn, arg);
}

static bool route_of(void *data, const ip_prefix *prefix, struct rib_answer *ret)
{
	struct fake *f = data;

	return rib_explain(f->rib, prefix, ret) || rib_cover(f->rib, prefix, ret);
}

static enum rib_state peer_state(void *data, uint32_t peer)
{
	return rib_peer_state(((struct fake *)data)->rib, peer);
}

static const char *name(void *data, uint32_t peer)
{
	return peer == HUB ? "hub-a" : "site-2";
}

static enum live_line line(void *data, uint32_t peer, uint32_t node)
{
	return LIVE_LINE_UNKNOWN;
}

static void drain(void *data, const struct control_drain *want, control_drained_fn *done, void *arg)
{
	struct fake *f = data;

	if (!f->fails)
		f->drained = want->drained;
	f->drained_for_ns = want->for_ns;
	done(f->fails ? "the disk is full" : NULL, arg);
}

static void reload(void *data, control_reloaded_fn *done, void *arg)
{
	struct fake *f = data;
	json_t *counts = json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}",
		"settings_changed", 1, "peers_added", 1, "peers_changed", 1, "endpoints_set", 1,
		"peers_removed", 1, "prefixes_added", 1, "prefixes_moved", 1, "prefixes_removed", 1,
		"routes_added", 1, "routes_removed", 1, "addresses_added", 1, "addresses_removed",
		1);
	json_t *changes = json_pack("[s]", "a line");

	done(f->fails ? "the device refused a part" : NULL, counts, changes, arg);
	json_decref(counts);
	json_decref(changes);
}

static struct events *happened(void *data)
{
	return ((struct fake *)data)->events;
}

static const struct control_source source = {
	refresh, shown, routes_after, route_of, peer_state, name, line, drain, reload, happened};

/* Each member as something else than null in one of them. */
static struct events *all_events(void)
{
	struct events *s = events_new(100, "site-1", "2026-11-28T07:04:31.123Z");
	struct event e = {.kind = EVENT_MOVE,
		.because = 1,
		.state = "done",
		.cause = "session-up",
		.peer = "hub-a",
		.from = "hub-a",
		.to = "hub-b",
		.n_prefixes = 3,
		.gap_ns = 1234567,
		.lost = 7,
		.text = "words",
		.fix = "command"};

	struct event first = {.kind = EVENT_PROBLEM, .gap_ns = -1, .text = "words"};

	for (unsigned i = 1; i < 100; i++)
		events_add(s, &first);
	assert_true(ip_prefix_parse(&e.prefix, "10.20.2.0/24"));
	events_add(s, &e);
	return s;
}

static void add_route(struct rib *rib, const char *text)
{
	const struct rib_candidate candidates[] = {{.peer = HUB,
							   .origin = SITE,
							   .transit = true,
							   .hub_metric = 10,
							   .place = HUB,
							   .origin_place = SITE},
		{.peer = SITE, .origin = SITE, .place = SITE, .origin_place = SITE}};
	struct rib_event e = {.type = RIB_EVENT_PREFIX,
		.u.prefix = {.candidates = candidates, .n = ARRAY_SIZE(candidates)}};
	struct rib_diff diff = {0};

	assert_true(ip_prefix_parse(&e.u.prefix.prefix, text));
	rib_step(rib, &e, 1, &diff);
	rib_diff_done(&diff);
}

static void set_up(struct rib *rib, uint32_t peer, enum rib_state state)
{
	struct rib_event e = {.type = RIB_EVENT_PEER, .u.peer = {peer, state}};
	struct rib_diff diff = {0};

	rib_step(rib, &e, 1, &diff);
	rib_diff_done(&diff);
}

static struct fake fake_new(void)
{
	struct fake f = {.rib = rib_new(1, NULL, NULL)};

	set_up(f.rib, HUB, RIB_UP);
	for (unsigned i = 0; i < 200; i++) {
		AUTO_FREE char *text = mem_printf("10.30.%u.0/24", i);

		add_route(f.rib, text);
	}
	add_route(f.rib, "fd30::/64");
	return f;
}

/* --- asked --- */

static void on_answer(char *text, void *data)
{
	*(char **)data = text;
}

static json_t *ask_line(struct fake *f, const char *line)
{
	struct control_desk *desk;
	AUTO_FREE char *text = NULL;
	json_t *answer;
	uv_loop_t loop;

	assert_int_equal(uv_loop_init(&loop), 0);
	if (!f->events)
		f->events = all_events();
	desk = control_desk_new(&loop, &source, f);
	control_take_line(
		line, strlen(line), control_call_new(on_answer, &text), control_serve, desk);
	while (!text)
		uv_run(&loop, UV_RUN_ONCE);
	control_desk_free(desk);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	events_free(f->events);
	f->events = NULL;
	answer = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
	assert_non_null(answer);
	return answer;
}

static json_t *ask(struct fake *f, const char *op)
{
	AUTO_FREE char *line = mem_printf("{\"op\":\"%s\"}", op);
	json_t *answer = ask_line(f, line);

	assert_true(json_is_true(json_object_get(answer, "ok")));
	return answer;
}

static bool is_of_type(const json_t *value, const char *type)
{
	static const char *const names[] = {
		[JSON_OBJECT] = "object",
		[JSON_ARRAY] = "array",
		[JSON_STRING] = "string",
		[JSON_INTEGER] = "integer",
		[JSON_REAL] = "number",
		[JSON_TRUE] = "boolean",
		[JSON_FALSE] = "boolean",
		[JSON_NULL] = "null",
	};
	size_t n = strcspn(type, "?");
	const char *is = names[json_typeof(value)];

	return (json_is_null(value) && type[n]) || (!strncmp(is, type, n) && !is[n]);
}

struct seen {
	const struct control_request *request;
	bool *seen; /* each field, as something else than null */
};

static void see(struct seen *s, const char *path, const json_t *value)
{
	for (size_t i = 0; i < s->request->n_fields; i++) {
		const struct control_field *f = &s->request->fields[i];

		if (strcmp(f->path, path))
			continue;
		if (!is_of_type(value, f->type))
			fail_msg("%s: %s is no %s", s->request->op, path, f->type);
		s->seen[i] |= !json_is_null(value);
		return;
	}
	fail_msg("%s: %s isn't declared", s->request->op, path);
}

/* Every member below value. */
static void see_all(struct seen *s, const char *path, json_t *value)
{
	const char *key;
	json_t *member;
	size_t i;

	if (*path)
		see(s, path, value);
	json_object_foreach(value, key, member)
	{
		AUTO_FREE char *at = mem_printf("%s%s%s", path, *path ? "." : "", key);

		if (*path || (strcmp(key, "ok") && strcmp(key, "answer_version")))
			see_all(s, at, member);
	}
	json_array_foreach(value, i, member)
	{
		AUTO_FREE char *at = mem_printf("%s[]", path);

		see_all(s, at, member);
	}
}

static void test_answers_have_what_is_declared(void **state)
{
	size_t n;
	const struct control_request *list = control_requests(&n);
	struct fake f = fake_new();

	for (size_t i = 0; i < n; i++) {
		AUTO_FREE bool *seen = mem_zalloc(list[i].n_fields, sizeof(*seen));
		struct seen s = {&list[i], seen};
		json_t *answer;

		if (list[i].n_lines) /* needs a client that reads: test_streams.c */
			continue;
		answer = ask(&f, list[i].op);
		assert_int_equal(json_integer_value(json_object_get(answer, "answer_version")),
			list[i].version);
		see_all(&s, "", answer);
		for (size_t k = 0; k < list[i].n_fields; k++)
			if (!seen[k])
				fail_msg(
					"%s: no answer has %s", list[i].op, list[i].fields[k].path);
		json_decref(answer);
	}
	assert_true(f.is_asked);
	rib_free(f.rib);
}

static void test_all_pieces_come(void **state)
{
	struct fake f = fake_new();
	json_t *status = ask(&f, "status"), *routes = ask(&f, "routes");
	const json_t *list = json_object_get(routes, "routes");

	assert_int_equal(json_array_size(json_object_get(status, "peers")), N_PEERS);
	assert_int_equal(json_array_size(list), 201);
	assert_string_equal("10.30.100.0/24",
		json_string_value(json_object_get(json_array_get(list, 100), "prefix")));
	assert_string_equal("fd30::/64",
		json_string_value(json_object_get(json_array_get(list, 200), "prefix")));
	json_decref(status);
	json_decref(routes);
	rib_free(f.rib);
}

static void test_the_last_events(void **state)
{
	static const struct {
		const char *line;
		size_t n;
	} cases[] = {
		{"{\"op\":\"events\"}", 20},
		{"{\"op\":\"events\",\"last\":90}", 90}, /* of several pieces */
		{"{\"op\":\"events\",\"last\":1000}", 100},
		{"{\"op\":\"events\",\"last\":0}", 0},
		{"{\"op\":\"events\",\"kind\":\"move\"}", 1},
		{"{\"op\":\"events\",\"kind\":\"move\",\"peer\":\"hub-b\"}", 1},
		{"{\"op\":\"events\",\"peer\":\"hub-c\"}", 0},
	};
	struct fake f = fake_new();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *answer = ask_line(&f, cases[i].line);
		json_t *list = json_object_get(answer, "events");

		assert_int_equal(json_array_size(list), cases[i].n);
		if (cases[i].n)
			assert_int_equal(json_integer_value(json_object_get(
						 json_array_get(list, cases[i].n - 1), "event")),
				100);
		json_decref(answer);
	}
	rib_free(f.rib);
}

static void test_no_routes_at_all(void **state)
{
	struct fake f = {.rib = rib_new(1, NULL, NULL)};
	json_t *routes = ask(&f, "routes");

	assert_int_equal(json_array_size(json_object_get(routes, "routes")), 0);
	json_decref(routes);
	rib_free(f.rib);
}

/* --- one route --- */

struct query_case {
	const char *query;
	bool own;
	const char *prefix; /* NULL: none is told */
};

static void test_queries(void **state)
{
	static const struct query_case cases[] = {
		{"10.30.7.0/24", false, "10.30.7.0/24"},
		{"10.30.7.9", false, "10.30.7.0/24"},
		{"10.30.7.128/25", false, "10.30.7.0/24"},
		{"fd30::9", false, "fd30::/64"},
		{"10.20.1.7", true, NULL},
		{"10.20.1.0/24", true, NULL},
		{"fd10::1", true, NULL},
	};
	struct fake f = fake_new();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		AUTO_FREE char *line =
			mem_printf("{\"op\":\"routes\",\"query\":\"%s\"}", cases[i].query);
		json_t *answer = ask_line(&f, line);
		json_t *first = json_array_get(json_object_get(answer, "routes"), 0);
		const char *found = json_string_value(json_object_get(first, "prefix"));

		assert_int_equal(json_is_true(json_object_get(answer, "own")), cases[i].own);
		if (cases[i].prefix)
			assert_string_equal(found, cases[i].prefix);
		else
			assert_null(first);
		json_decref(answer);
	}
	rib_free(f.rib);
}

/* --- shares of an equal-cost set --- */

static uint64_t tag(uint32_t id, void *data)
{
	return id + 1;
}

/* Two hubs of equal metric to site-3, with weights 3 and 1; peer SITE stands for the second hub. */
static json_t *shared_route(unsigned max_owners, bool takes_many)
{
	const struct rib_candidate candidates[] = {{.peer = HUB,
							   .origin = 3,
							   .transit = true,
							   .hub_metric = 10,
							   .place = HUB,
							   .weight = 3},
		{.peer = SITE, .origin = 3, .transit = true, .hub_metric = 10, .place = SITE}};
	struct rib_event e[] = {
		{.type = RIB_EVENT_PREFIX, .u.prefix = {.candidates = candidates, .n = 2}},
		{.type = RIB_EVENT_TAKES_MANY, .u.takes_many = {3, takes_many}}};
	struct fake f = {.rib = rib_new(max_owners, tag, NULL)};
	struct rib_diff diff = {0};
	json_t *answer, *route;

	assert_true(ip_prefix_parse(&e[0].u.prefix.prefix, "10.30.0.0/24"));
	set_up(f.rib, HUB, RIB_UP);
	set_up(f.rib, SITE, RIB_UP);
	rib_step(f.rib, e, 2, &diff);
	rib_diff_done(&diff);
	answer = ask(&f, "routes");
	route = json_incref(json_array_get(json_object_get(answer, "routes"), 0));
	json_decref(answer);
	rib_free(f.rib);
	return route;
}

static const json_t *member(const json_t *route, size_t candidate, const char *key)
{
	return json_object_get(
		json_array_get(json_object_get(route, "candidates"), candidate), key);
}

static void test_shares(void **state)
{
	json_t *route = shared_route(16, true);

	assert_int_equal(json_array_size(json_object_get(route, "owners")), 2);
	assert_true(json_number_value(member(route, 0, "share")) == 75);
	assert_true(json_number_value(member(route, 1, "share")) == 25);
	assert_int_equal(json_integer_value(member(route, 0, "weight")), 3);
	assert_int_equal(json_integer_value(member(route, 1, "weight")), 1);
	assert_int_equal(json_integer_value(member(route, 0, "rank")), 0);
	assert_int_equal(json_integer_value(member(route, 1, "rank")), 0);
	json_decref(route);
}

static void expect_cut(json_t *route, const char *reason, const char *why)
{
	assert_true(json_number_value(member(route, 0, "share")) == 100);
	assert_true(json_number_value(member(route, 1, "share")) == 0);
	assert_string_equal(json_string_value(member(route, 1, "reason")), reason);
	assert_string_equal(json_string_value(member(route, 1, "why")), why);
	json_decref(route);
}

static void test_why_a_set_was_cut(void **state)
{
	expect_cut(shared_route(1, true), "cut-from-set",
		"equal to hub-a, but the device holds one owner per prefix");
	expect_cut(shared_route(16, false), "cut-for-origin",
		"equal to hub-a, but site-2 isn't known to take packets of one source from several "
		"peers");
}

/* --- what is refused --- */

static void test_refusals(void **state)
{
	static const struct {
		const char *line, *error;
	} cases[] = {
		{"{}", "the request has no op"},
		{"{\"op\":\"nope\"}", "unknown op nope"},
		{"{\"op\":7}", "the request has no op"},
		{"[]", "the request is no JSON object"},
		{"{\"op\":\"routes\",\"query\":7}", "query is a prefix or an address, as a string"},
		{"{\"op\":\"routes\",\"query\":\"x\"}", "x is neither a prefix nor an address"},
		{"{\"op\":\"routes\",\"query\":\"192.0.2.1\"}",
			"no candidate for 192.0.2.1 in the RIB of site-1"},
		{"{\"op\":\"drain\"}", "the disk is full"},
		{"{\"op\":\"drain\",\"for\":60}", "for is a time, as a string: 90s, 30m, 2h, 1d"},
		{"{\"op\":\"drain\",\"for\":\"soon\"}",
			"soon is no time from 1s to 366d, as in 90s, 30m, 2h or 1d"},
		{"{\"op\":\"drain\",\"for\":\"999ms\"}",
			"999ms is no time from 1s to 366d, as in 90s, 30m, 2h or 1d"},
		{"{\"op\":\"drain\",\"for\":\"367d\"}",
			"367d is no time from 1s to 366d, as in 90s, 30m, 2h or 1d"},
		{"{\"op\":\"undrain\"}", "the disk is full"},
		{"{\"op\":\"reload\"}", "the device refused a part"},
		{"{\"op\":\"events\",\"last\":\"1\"}",
			"last is a number of events, not below zero"},
		{"{\"op\":\"events\",\"last\":-1}", "last is a number of events, not below zero"},
		{"{\"op\":\"events\",\"peer\":1}", "peer is the name of a node, as a string"},
		{"{\"op\":\"events\",\"kind\":\"lost\"}",
			"lost is no kind of event: " EVENT_KIND_WORDS},
		{"{\"op\":\"subscribe\",\"kind\":[]}", "kind is a kind of event, as a string"},
		{"{\"op\":\"subscribe\",\"after\":1.5}",
			"after is the number of an event, not below zero"},
		{"{\"op\":\"subscribe\"}", "as many follow the events as may (16 at most)"},
	};
	struct fake f = fake_new();

	f.fails = true;
	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *answer = ask_line(&f, cases[i].line);

		assert_true(json_is_false(json_object_get(answer, "ok")));
		assert_string_equal(
			json_string_value(json_object_get(answer, "error")), cases[i].error);
		json_decref(answer);
	}
	rib_free(f.rib);
}

static void test_how_long_a_drain_lasts(void **state)
{
	static const struct {
		const char *line;
		int64_t seconds;
	} cases[] = {
		{"{\"op\":\"drain\"}", 0},
		{"{\"op\":\"drain\",\"for\":\"90s\"}", 90},
		{"{\"op\":\"drain\",\"for\":\"2h\"}", 7200},
		{"{\"op\":\"drain\",\"for\":\"366d\"}", 366 * 86400},
		{"{\"op\":\"undrain\",\"for\":\"2h\"}", 0},
	};
	struct fake f = fake_new();

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		json_t *answer = ask_line(&f, cases[i].line);

		assert_true(json_is_true(json_object_get(answer, "ok")));
		assert_int_equal(f.drained_for_ns, cases[i].seconds * NS_PER_S);
		assert_string_equal(json_string_value(json_object_get(answer, "drained_until")),
			"2026-11-28T07:34:31.123Z");
		json_decref(answer);
	}
	rib_free(f.rib);
}

/* Who has gone gets no answer, and nobody makes one: neither before nor while it is made. */
static void test_who_has_gone(void **state)
{
	struct fake f = fake_new();
	struct control_desk *desk;
	uv_loop_t loop;

	f.events = all_events();
	assert_int_equal(uv_loop_init(&loop), 0);
	desk = control_desk_new(&loop, &source, &f);
	control_take_line(
		"{\"op\":\"routes\"}", 15, control_call_new(NULL, NULL), control_serve, desk);
	control_take_line(
		"{\"op\":\"events\"}", 15, control_call_new(NULL, NULL), control_serve, desk);
	control_take_line(
		"{\"op\":\"subscribe\"}", 18, control_call_new(NULL, NULL), control_serve, desk);
	control_take_line(
		"{\"op\":\"status\"}", 15, control_call_new(NULL, NULL), control_serve, desk);
	uv_run(&loop, UV_RUN_ONCE);
	control_desk_free(desk);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	events_free(f.events);
	rib_free(f.rib);
}

/* --- what others say of it --- */

static char *whole_file(const char *path)
{
	FILE *file = fopen(path, "re");
	struct buf text = {0};
	size_t n;

	assert_non_null(file);
	do {
		n = fread(buf_room(&text, 65536), 1, 65536, file);
		text.n += n;
	} while (n);
	fclose(file);
	buf_str(&text);
	return buf_steal(&text);
}

static unsigned version_of(const char *op)
{
	size_t n;
	const struct control_request *list = control_requests(&n);

	for (size_t i = 0; i < n; i++)
		if (!strcmp(list[i].op, op))
			return list[i].version;
	return 0; /* the request is gone */
}

/* One line a member: op, version, path, type. Lines of older versions may stay. */
static void test_no_member_goes_without_a_new_version(void **state)
{
	size_t n;
	const struct control_request *list = control_requests(&n);
	AUTO_FREE char *golden = whole_file(GOLDEN);
	AUTO_BUF now = {0};
	char *save, op[32];
	unsigned version;

	for (size_t i = 0; i < n; i++)
		for (size_t k = 0; k < list[i].n_fields; k++) {
			AUTO_FREE char *line = mem_printf("%s %u %s %s\n", list[i].op,
				list[i].version, list[i].fields[k].path, list[i].fields[k].type);

			if (!strstr(golden, line))
				fail_msg("answers.golden lacks: %s", line);
			buf_puts(&now, line);
		}
	for (char *l = strtok_r(golden, "\n", &save); l; l = strtok_r(NULL, "\n", &save)) {
		AUTO_FREE char *line = mem_printf("%s\n", l);

		assert_int_equal(sscanf(l, "%31s %u", op, &version), 2);
		if (!strstr(buf_str(&now), line) && version_of(op) <= version)
			fail_msg("%s's answer has lost or changed a member, and needs a new "
				 "version (control/versions.h): %s",
				op, l);
	}
}

/* The last part of a path: "bfd" of "peers[].bfd"; NULL: a member of a list, without a name. */
static const char *leaf(const char *path)
{
	const char *dot = strrchr(path, '.');
	const char *name_of_it = dot ? dot + 1 : path;

	return strchr(name_of_it, '[') ? NULL : name_of_it;
}

static void expect_in(const char *text, const char *what, const char *op)
{
	if (!strstr(text, what))
		fail_msg("docs/control.md doesn't say %s, of %s", what, op);
}

static void expect_members_in(
	const char *docs, const struct control_field *fields, size_t n, const char *op)
{
	for (size_t k = 0; k < n; k++) {
		const char *last = leaf(fields[k].path);
		AUTO_FREE char *quoted = last ? mem_printf("\"%s\"", last) : NULL;
		AUTO_FREE char *coded = last ? mem_printf("`%s`", last) : NULL;

		if (last && !strstr(docs, coded))
			expect_in(docs, quoted, op);
	}
}

static void test_docs_say_the_same(void **state)
{
	size_t n;
	const struct control_request *list = control_requests(&n);
	AUTO_FREE char *docs = whole_file(DOCS);

	for (size_t i = 0; i < n; i++) {
		AUTO_FREE char *op = mem_printf("`{\"op\": \"%s\"", list[i].op);
		AUTO_FREE char *summary = mem_printf("| %s |", list[i].summary);
		char *row, *end;

		expect_in(docs, op, list[i].op);
		expect_in(docs, summary, list[i].op);
		row = strstr(docs, op);
		end = strchr(row, '\n');
		assert_true(strstr(row, summary) < end);
		assert_memory_equal(end - 7, list[i].changes ? "| yes |" : " | no |", 7);
		for (const struct control_argument *a = list[i].arguments; a->name; a++) {
			AUTO_FREE char *quoted = mem_printf("\"%s\"", a->name);

			assert_true(strstr(row, quoted) && strstr(row, quoted) < end);
		}
		expect_members_in(docs, list[i].fields, list[i].n_fields, list[i].op);
		expect_members_in(docs, list[i].lines, list[i].n_lines, list[i].op);
	}
}

static void test_the_command_line_says_the_same(void **state)
{
	size_t n;
	const struct control_request *list = control_requests(&n);

	for (size_t i = 0; i < n; i++) {
		const struct command_verb *verb =
			command_find(&cli_command, list[i].verb ? list[i].verb : list[i].op);

		assert_non_null(verb);
		assert_string_equal(verb->summary, list[i].summary);
	}
}

/* The words of --kind are the kinds there are. */
static void test_the_command_line_knows_all_kinds_of_events(void **state)
{
	const struct command_verb *verb = command_find(&cli_command, "events");
	const struct command_option *o = verb->options;
	AUTO_BUF words = {0};

	for (unsigned k = 0; k < EVENT_LOST; k++)
		buf_printf(&words, "%s%s", k ? " " : "", event_kind_word((enum event_kind)k));
	assert_string_equal(buf_str(&words), EVENT_KIND_WORDS);
	while (strcmp(o->name, "kind"))
		o++;
	assert_string_equal(o->words, EVENT_KIND_WORDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_have_what_is_declared),
		cmocka_unit_test(test_all_pieces_come),
		cmocka_unit_test(test_the_last_events),
		cmocka_unit_test(test_no_routes_at_all),
		cmocka_unit_test(test_queries),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_why_a_set_was_cut),
		cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_how_long_a_drain_lasts),
		cmocka_unit_test(test_who_has_gone),
		cmocka_unit_test(test_no_member_goes_without_a_new_version),
		cmocka_unit_test(test_docs_say_the_same),
		cmocka_unit_test(test_the_command_line_says_the_same),
		cmocka_unit_test(test_the_command_line_knows_all_kinds_of_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

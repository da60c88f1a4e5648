/* SPDX-License-Identifier: MIT */
#include "control/requests.h"

#include "base/drain_time.h"
#include "base/mem.h"
#include "control/routes.h"
#include "control/status.h"
#include "control/streams.h"
#include "control/versions.h"
#include <stdlib.h>
#include <string.h>

struct control_desk {
	const struct control_source *from;
	void *data; /* from's */
	struct pieces *pieces;
	struct streams *streams;
};

struct waiting {
	struct control_desk *desk;
	struct control_call *call;
};

static struct waiting *waiting_new(struct control_desk *desk, struct control_call *call)
{
	struct waiting *w = mem_zalloc(1, sizeof(*w));

	*w = (struct waiting){desk, call};
	return w;
}

/* --- status --------------------------------------------------------------------------------------
 */

static const struct control_field status_fields[] = {
	{"at", "string"},
	{"node", "string"},
	{"role", "string"},
	{"mesh", "string"},
	{"inventory", "string"},
	{"inventory_digest", "string"},
	{"version", "string"},
	{"started", "string"},
	{"uptime_s", "number"},
	{"device", "object"},
	{"device.interface", "string"},
	{"device.kind", "string"},
	{"device.name", "string"},
	{"device.listen_port", "integer"},
	{"device.max_owners", "integer"},
	{"drained", "boolean"},
	{"drained_until", "string?"},
	{"users", "array?"},
	{"users[]", "object"},
	{"users[].node", "string"},
	{"users[].prefix", "string"},
	{"users[].to", "string"},
	{"users[].last", "string"},
	{"users[].last_s", "number"},
	{"holding", "boolean"},
	{"routing", "object?"},
	{"routing.engine", "string"},
	{"routing.socket", "string?"},
	{"routing.answers", "boolean?"},
	{"routing.since", "string?"},
	{"routing.since_s", "number?"},
	{"routing.sessions", "integer"},
	{"routing.established", "integer"},
	{"routing.routes", "integer"},
	{"peers", "array"},
	{"peers[]", "object"},
	{"peers[].node", "string"},
	{"peers[].role", "string"},
	{"peers[].state", "string"},
	{"peers[].cause", "string"},
	{"peers[].why", "string"},
	{"peers[].since", "string"},
	{"peers[].since_s", "number"},
	{"peers[].hold_left_s", "number?"},
	{"peers[].flaps", "integer"},
	{"peers[].probe", "string"},
	{"peers[].endpoint", "string?"},
	{"peers[].handshake", "string?"},
	{"peers[].handshake_age_s", "integer?"},
	{"peers[].rx_bytes", "integer"},
	{"peers[].tx_bytes", "integer"},
	{"peers[].inventory", "string?"},
	{"peers[].max_owners", "integer?"},
	{"peers[].lost", "array"},
	{"peers[].lost[]", "string"},
	{"peers[].sessions", "array"},
	{"peers[].sessions[]", "object"},
	{"peers[].sessions[].neighbor", "string"},
	{"peers[].sessions[].state", "string"},
	{"peers[].sessions[].since", "string"},
	{"peers[].sessions[].since_s", "number"},
	{"peers[].sessions[].routes", "integer"},
	{"peers[].bfd", "object?"},
	{"peers[].bfd.state", "string"},
	{"peers[].bfd.remote_state", "string"},
	{"peers[].bfd.diag", "string"},
	{"peers[].bfd.remote_diag", "string"},
	{"peers[].bfd.tx_interval_ms", "number"},
	{"peers[].bfd.detection_ms", "number"},
	{"peers[].bfd.authenticated", "boolean"},
	{"peers[].bfd.sent", "integer"},
	{"peers[].bfd.received", "integer"},
	{"peers[].bfd.refused", "integer"},
	{"cut_pairs", "array"},
	{"cut_pairs[]", "object"},
	{"cut_pairs[].a", "string"},
	{"cut_pairs[].b", "string"},
	{"cut_pairs[].effect", "string"},
	{"problems", "array"},
	{"problems[]", "object"},
	{"problems[].what", "string"},
	{"problems[].fix", "string?"},
};

static void on_ready(void *arg)
{
	struct waiting *w = arg;
	struct control_desk *desk = w->desk;

	if (control_call_is_wanted(w->call))
		status_answer(desk->pieces, w->call, desk->from->snapshot(desk->data));
	else
		control_reply(w->call, json_null());
	free(w);
}

static void serve_status(
	struct control_desk *desk, const json_t *request, struct control_call *call)
{
	desk->from->refresh(desk->data, on_ready, waiting_new(desk, call));
}

/* --- routes --------------------------------------------------------------------------------------
 */

static const struct control_field routes_fields[] = {
	{"at", "string"},
	{"node", "string"},
	{"own", "boolean"},
	{"routes", "array"},
	{"routes[]", "object"},
	{"routes[].prefix", "string"},
	{"routes[].owner", "string?"},
	{"routes[].owners", "array"},
	{"routes[].owners[]", "string"},
	{"routes[].since", "string"},
	{"routes[].since_s", "number"},
	{"routes[].kernel_route", "boolean"},
	{"routes[].on_dead", "string"},
	{"routes[].pinned", "boolean"},
	{"routes[].candidates", "array"},
	{"routes[].candidates[]", "object"},
	{"routes[].candidates[].via", "string"},
	{"routes[].candidates[].origin", "string"},
	{"routes[].candidates[].source", "string"},
	{"routes[].candidates[].distance", "integer"},
	{"routes[].candidates[].state", "string"},
	{"routes[].candidates[].metric", "integer"},
	{"routes[].candidates[].transit", "boolean"},
	{"routes[].candidates[].hub_metric", "integer?"},
	{"routes[].candidates[].rank", "integer?"},
	{"routes[].candidates[].weight", "integer"},
	{"routes[].candidates[].share", "number"},
	{"routes[].candidates[].reason", "string"},
	{"routes[].candidates[].why", "string"},
};

static void serve_routes(
	struct control_desk *desk, const json_t *request, struct control_call *call)
{
	const char *query = json_string_value(json_object_get(request, "query"));

	if (query)
		control_reply(call, routes_of_query(desk->from, desk->data, query));
	else
		routes_answer_all(desk->pieces, call, desk->from, desk->data);
}

/* --- drain and undrain ---------------------------------------------------------------------------
 */

static const struct control_field drain_fields[] = {
	{"node", "string"},
	{"drained", "boolean"},
	{"drained_until", "string?"},
	{"users", "array?"},
	{"users[]", "object"},
	{"users[].node", "string"},
	{"users[].prefix", "string"},
	{"users[].to", "string"},
	{"users[].last", "string"},
	{"users[].last_s", "number"},
};

static json_t *drained_answer(struct control_desk *desk)
{
	struct snapshot *s = desk->from->snapshot(desk->data);
	json_t *answer = json_pack("{s:b, s:i, s:s, s:b, s:o, s:o}", "ok", 1, "answer_version",
		(int)CONTROL_DRAIN_VERSION, "node", s->node, "drained", (int)s->drained,
		"drained_until", status_drained_until(s), "users", status_users(s));

	snapshot_put(s);
	return answer;
}

static void on_drained(const char *why, void *arg)
{
	struct waiting *w = arg;

	control_reply(w->call, why ? control_error("%s", why) : drained_answer(w->desk));
	free(w);
}

static void ask_drain(
	struct control_desk *desk, bool drained, int64_t for_ns, struct control_call *call)
{
	struct control_drain want = {drained, for_ns};

	desk->from->drain(desk->data, &want, on_drained, waiting_new(desk, call));
}

static void serve_drain(struct control_desk *desk, const json_t *request, struct control_call *call)
{
	const char *text = json_string_value(json_object_get(request, "for"));
	int64_t for_ns = 0;

	if (text && !drain_time_parse(text, &for_ns))
		control_reply(call, control_error(DRAIN_TIME_ERROR, text));
	else
		ask_drain(desk, true, for_ns, call);
}

static void serve_undrain(
	struct control_desk *desk, const json_t *request, struct control_call *call)
{
	ask_drain(desk, false, 0, call);
}

/* --- reload --------------------------------------------------------------------------------------
 */

static const struct control_field reload_fields[] = {
	{"node", "string"},
	{"changed", "object"},
	{"changed.settings_changed", "integer"},
	{"changed.peers_added", "integer"},
	{"changed.peers_changed", "integer"},
	{"changed.endpoints_set", "integer"},
	{"changed.peers_removed", "integer"},
	{"changed.prefixes_added", "integer"},
	{"changed.prefixes_moved", "integer"},
	{"changed.prefixes_removed", "integer"},
	{"changed.routes_added", "integer"},
	{"changed.routes_removed", "integer"},
	{"changed.addresses_added", "integer"},
	{"changed.addresses_removed", "integer"},
	{"changes", "array"},
	{"changes[]", "string"},
};

static json_t *reloaded_answer(struct control_desk *desk, json_t *counts, json_t *changes)
{
	struct snapshot *s = desk->from->snapshot(desk->data);
	json_t *answer = json_pack("{s:b, s:i, s:s, s:O, s:O}", "ok", 1, "answer_version",
		(int)CONTROL_RELOAD_VERSION, "node", s->node, "changed", counts, "changes",
		changes);

	snapshot_put(s);
	return answer;
}

static void on_reloaded(const char *why, json_t *counts, json_t *changes, void *arg)
{
	struct waiting *w = arg;

	control_reply(w->call,
		why ? control_error("%s", why) : reloaded_answer(w->desk, counts, changes));
	free(w);
}

static void serve_reload(
	struct control_desk *desk, const json_t *request, struct control_call *call)
{
	desk->from->reload(desk->data, on_reloaded, waiting_new(desk, call));
}

/* --- events and subscribe ------------------------------------------------------------------------
 */

#define LAST_USUALLY 20

#define EVENT_FIELDS(X)           \
	X("event", "integer")     \
	X("at", "string")         \
	X("node", "string")       \
	X("kind", "string")       \
	X("because", "integer?")  \
	X("peer", "string?")      \
	X("state", "string?")     \
	X("cause", "string?")     \
	X("prefix", "string?")    \
	X("prefixes", "integer?") \
	X("from", "string?")      \
	X("to", "string?")        \
	X("gap_ms", "number?")    \
	X("lost", "integer?")     \
	X("text", "string")       \
	X("fix", "string?")

#define AS_LINE(path, type) {path, type},
#define IN_ANSWER(path, type) {"events[]." path, type},

static const struct control_field event_fields[] = {EVENT_FIELDS(AS_LINE)};

static const struct control_field events_fields[] = {{"node", "string"}, {"started", "string"},
	{"last", "integer"}, {"events", "array"}, {"events[]", "object"}, EVENT_FIELDS(IN_ANSWER)};

static const struct control_field subscribe_fields[] = {
	{"node", "string"},
	{"started", "string"},
	{"last", "integer"},
};

static bool take_kind(unsigned *ret, const char *word, struct control_call *call)
{
	enum event_kind kind;

	if (word && !event_kind_parse(&kind, word)) {
		control_reply(
			call, control_error("%.40s is no kind of event: " EVENT_KIND_WORDS, word));
		return false;
	}
	*ret = word ? 1U << kind : 0;
	return true;
}

/* False: it is refused, and told so. */
static bool take_wish(
	const json_t *request, size_t last, struct streams_wish *ret, struct control_call *call)
{
	const json_t *wanted = json_object_get(request, "last");
	const char *peer = json_string_value(json_object_get(request, "peer"));
	unsigned kinds;

	if (!take_kind(&kinds, json_string_value(json_object_get(request, "kind")), call))
		return false;
	*ret = (struct streams_wish){
		.filter = {peer ? mem_strdup(peer) : NULL, kinds},
		.last = wanted ? (size_t)json_integer_value(wanted) : last,
		.started = json_string_value(json_object_get(request, "started")),
		.after = (uint64_t)json_integer_value(json_object_get(request, "after")),
	};
	return true;
}

static void serve_events(
	struct control_desk *desk, const json_t *request, struct control_call *call)
{
	struct streams_wish wish;

	if (take_wish(request, LAST_USUALLY, &wish, call))
		streams_answer_last(desk->streams, desk->pieces, call, &wish);
}

static void serve_subscribe(
	struct control_desk *desk, const json_t *request, struct control_call *call)
{
	struct streams_wish wish;

	if (take_wish(request, 0, &wish, call))
		streams_begin(desk->streams, call, &wish);
}

/* --- all of them ---------------------------------------------------------------------------------
 */

#define ARGUMENT_LAST                                                           \
	{                                                                       \
		"last", "integer", "last is a number of events, not below zero" \
	}
#define ARGUMENT_PEER                                                       \
	{                                                                   \
		"peer", "string", "peer is the name of a node, as a string" \
	}
#define ARGUMENT_KIND                                                    \
	{                                                                \
		"kind", "string", "kind is a kind of event, as a string" \
	}

#define FIELDS(of) .fields = of, .n_fields = ARRAY_SIZE(of)
#define LINES(of) .lines = of, .n_lines = ARRAY_SIZE(of)

static const struct control_request requests[] = {
	{.op = "status",
		.summary = "show this node's peers, who is alive and why, and what is wrong",
		.version = CONTROL_STATUS_VERSION,
		FIELDS(status_fields),
		.serve = serve_status},
	{.op = "routes",
		.summary = "show every candidate of a prefix, the winner, and why the others lose",
		.arguments = {{"query", "string", "query is a prefix or an address, as a string"}},
		.version = CONTROL_ROUTES_VERSION,
		FIELDS(routes_fields),
		.serve = serve_routes},
	{.op = "drain",
		.summary = "make this node the last resort of its peers, losing nothing",
		.arguments = {{"for", "string", "for is a time, as a string: 90s, 30m, 2h, 1d"}},
		.changes = true,
		.version = CONTROL_DRAIN_VERSION,
		FIELDS(drain_fields),
		.serve = serve_drain},
	{.op = "undrain",
		.summary = "put this node back in service",
		.changes = true,
		.version = CONTROL_DRAIN_VERSION,
		FIELDS(drain_fields),
		.serve = serve_undrain},
	{.op = "reload",
		.summary = "make the daemon read its inventory again",
		.changes = true,
		.version = CONTROL_RELOAD_VERSION,
		FIELDS(reload_fields),
		.serve = serve_reload},
	{.op = "events",
		.summary = "show what happened lately, cause before effect, or as it comes",
		.arguments = {ARGUMENT_LAST, ARGUMENT_PEER, ARGUMENT_KIND},
		.version = CONTROL_EVENTS_VERSION,
		FIELDS(events_fields),
		.serve = serve_events},
	{.op = "subscribe",
		.summary = "show what happened lately, cause before effect, or as it comes",
		.verb = "events",
		.arguments = {ARGUMENT_LAST, ARGUMENT_PEER, ARGUMENT_KIND,
			{"started", "string", "started is that of an earlier answer, as a string"},
			{"after", "integer", "after is the number of an event, not below zero"}},
		.version = CONTROL_EVENTS_VERSION,
		FIELDS(subscribe_fields),
		LINES(event_fields),
		.serve = serve_subscribe},
};

const struct control_request *control_requests(size_t *ret_n)
{
	*ret_n = ARRAY_SIZE(requests);
	return requests;
}

static const struct control_request *find(const char *op)
{
	for (size_t i = 0; i < ARRAY_SIZE(requests); i++)
		if (!strcmp(requests[i].op, op))
			return &requests[i];
	return NULL;
}

static bool is_of_type(const json_t *value, const char *type)
{
	if (!strcmp(type, "integer"))
		return json_is_integer(value) && json_integer_value(value) >= 0;
	return json_is_string(value);
}

/* The first that isn't what it should be; NULL: all are. */
static const struct control_argument *find_wrong(
	const struct control_request *r, const json_t *request)
{
	for (const struct control_argument *a = r->arguments; a->name; a++) {
		const json_t *value = json_object_get(request, a->name);

		if (value && !is_of_type(value, a->type))
			return a;
	}
	return NULL;
}

void control_serve(const json_t *request, struct control_call *call, void *desk)
{
	const char *op = json_string_value(json_object_get(request, "op"));
	const struct control_request *r = op ? find(op) : NULL;
	const struct control_argument *wrong = r ? find_wrong(r, request) : NULL;

	if (!op)
		control_reply(call, control_error("the request has no op"));
	else if (!r)
		control_reply(call, control_error("unknown op %.40s", op));
	else if (wrong)
		control_reply(call, control_error("%s", wrong->error));
	else
		r->serve(desk, request, call);
}

struct control_desk *control_desk_new(
	uv_loop_t *loop, const struct control_source *from, void *data)
{
	struct control_desk *desk = mem_zalloc(1, sizeof(*desk));

	desk->from = from;
	desk->data = data;
	desk->pieces = pieces_new(loop);
	desk->streams = streams_new(loop, from->events(data));
	return desk;
}

void control_desk_free(struct control_desk *desk)
{
	if (!desk)
		return;
	pieces_free(desk->pieces);
	streams_free(desk->streams);
	free(desk);
}

void control_desk_flush(struct control_desk *desk)
{
	streams_flush(desk->streams);
}

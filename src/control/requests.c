/* SPDX-License-Identifier: MIT */
#include "control/requests.h"

#include "base/drain_time.h"
#include "base/mem.h"
#include "control/routes.h"
#include "control/status.h"
#include "control/versions.h"
#include <stdlib.h>
#include <string.h>

struct control_desk {
	const struct control_source *from;
	void *data; /* from's */
	struct pieces *pieces;
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

static void serve_status(struct control_desk *desk, const char *argument, struct control_call *call)
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

static void serve_routes(struct control_desk *desk, const char *argument, struct control_call *call)
{
	if (argument)
		control_reply(call, routes_of_query(desk->from, desk->data, argument));
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

static void serve_drain(struct control_desk *desk, const char *argument, struct control_call *call)
{
	int64_t for_ns = 0;

	if (argument && !drain_time_parse(argument, &for_ns))
		control_reply(call, control_error(DRAIN_TIME_ERROR, argument));
	else
		ask_drain(desk, true, for_ns, call);
}

static void serve_undrain(
	struct control_desk *desk, const char *argument, struct control_call *call)
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

static void serve_reload(struct control_desk *desk, const char *argument, struct control_call *call)
{
	desk->from->reload(desk->data, on_reloaded, waiting_new(desk, call));
}

/* --- all of them ---------------------------------------------------------------------------------
 */

#define FIELDS(of) .fields = of, .n_fields = ARRAY_SIZE(of)

static const struct control_request requests[] = {
	{.op = "status",
		.summary = "show this node's peers, who is alive and why, and what is wrong",
		.version = CONTROL_STATUS_VERSION,
		FIELDS(status_fields),
		.serve = serve_status},
	{.op = "routes",
		.summary = "show every candidate of a prefix, the winner, and why the others lose",
		.argument = "query",
		.argument_error = "query is a prefix or an address, as a string",
		.version = CONTROL_ROUTES_VERSION,
		FIELDS(routes_fields),
		.serve = serve_routes},
	{.op = "drain",
		.summary = "make this node the last resort of its peers, losing nothing",
		.argument = "for",
		.argument_error = "for is a time, as a string: 90s, 30m, 2h, 1d",
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

void control_serve(const json_t *request, struct control_call *call, void *desk)
{
	const char *op = json_string_value(json_object_get(request, "op"));
	const struct control_request *r = op ? find(op) : NULL;
	const json_t *argument = r && r->argument ? json_object_get(request, r->argument) : NULL;

	if (!op)
		control_reply(call, control_error("the request has no op"));
	else if (!r)
		control_reply(call, control_error("unknown op %.40s", op));
	else if (argument && !json_is_string(argument))
		control_reply(call, control_error("%s", r->argument_error));
	else
		r->serve(desk, json_string_value(argument), call);
}

struct control_desk *control_desk_new(
	uv_loop_t *loop, const struct control_source *from, void *data)
{
	struct control_desk *desk = mem_zalloc(1, sizeof(*desk));

	desk->from = from;
	desk->data = data;
	desk->pieces = pieces_new(loop);
	return desk;
}

void control_desk_free(struct control_desk *desk)
{
	if (!desk)
		return;
	pieces_free(desk->pieces);
	free(desk);
}

/* SPDX-License-Identifier: MIT */
#include "control/status.h"

#include "base/mem.h"
#include "control/versions.h"
#include <stdlib.h>

#define PEERS_MAX 64 /* in a piece */

struct status_job {
	struct snapshot *snapshot;
	bool has_head;
	size_t next; /* peer */
};

static json_t *millis(int64_t ns)
{
	return json_real((double)(ns / 1000) / 1e3);
}

static json_t *bfd_json(const struct live_peer_info *info)
{
	if (info->config.probe != LIVE_PROBE_BFD)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:s, s:o, s:o, s:b, s:I, s:I, s:I}", "state",
		bfd_state_name(info->session), "remote_state", bfd_state_name(info->remote_session),
		"diag", bfd_diag_name(info->diag), "remote_diag", bfd_diag_name(info->remote_diag),
		"tx_interval_ms", millis(info->tx_interval_ns), "detection_ms",
		millis(info->detection_time_ns), "authenticated", info->config.authenticates,
		"sent", (json_int_t)info->packets_sent, "received",
		(json_int_t)info->packets_received, "refused", (json_int_t)info->packets_refused);
}

static const char *probe_name(enum live_probe p)
{
	switch (p) {
	case LIVE_PROBE_BFD:
		return "bfd";
	case LIVE_PROBE_ECHO:
		return "echo";
	case LIVE_PROBE_HANDSHAKE:
		return "handshake";
	default:
		return "none";
	}
}

static json_t *endpoint_json(const sock_addr *endpoint)
{
	char text[SOCK_ADDR_STRLEN];

	if (endpoint->sa.sa_family == AF_UNSPEC)
		return json_null();
	return json_string(sock_addr_format(endpoint, text));
}

static json_t *hold_json(const struct live_peer_info *info, instant now)
{
	if (instant_is_never(info->hold_until) || !instant_before(now, info->hold_until))
		return json_null();
	return when_seconds(instant_diff(info->hold_until, now));
}

/* What it told of itself. */
static json_t *inventory_json(const struct snapshot_peer *p)
{
	if (!p->has_reported)
		return json_null();
	return json_string(p->runs_our_inventory ? "same" : "other");
}

static json_t *lost_json(const struct snapshot_peer *p)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->n_lost; i++)
		json_array_append_new(list, json_string(p->lost[i]));
	return list;
}

/* So long ago. */
static json_t *ago(const struct when *now, int64_t ns)
{
	return when_json(now, instant_add(now->at, -ns));
}

static json_t *sessions_json(const struct snapshot_peer *p, const struct when *now)
{
	json_t *list = json_array();

	for (size_t i = 0; i < p->n_sessions; i++) {
		const struct snapshot_session *s = &p->sessions[i];
		char addr[IP_ADDR_STRLEN];

		json_array_append_new(
			list, json_pack("{s:s, s:s, s:o, s:o, s:I}", "neighbor",
				      ip_addr_format(&s->neighbor, addr), "state", s->state,
				      "since", ago(now, s->for_ns), "since_s",
				      when_seconds(s->for_ns), "routes", (json_int_t)s->routes));
	}
	return list;
}

static json_t *peer_json(const struct snapshot_peer *p, const struct when *now)
{
	const struct live_peer_info *live = &p->live;
	/* One in doubt is null, as one that never was: nobody knows when it was. */
	json_t *age = p->handshake_age_ns < 0 ? json_null()
					      : json_integer(p->handshake_age_ns / NS_PER_S);

	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:o, s:i, s:s, s:o, s:o, s:o, s:o, "
			 "s:I, s:I, s:o, s:o, s:o, s:o}",
		"node", p->node, "role", mesh_role_name(p->role), "state",
		live_state_name(live->state), "cause", live_cause_name(live->cause), "why",
		live_cause_text(live->cause), "since", when_json(now, live->since), "since_s",
		when_seconds(instant_diff(now->at, live->since)), "hold_left_s",
		hold_json(live, now->at), "flaps", (int)live->flaps, "probe",
		probe_name(live->config.probe), "bfd", bfd_json(live), "handshake",
		p->handshake_age_ns < 0 ? json_null() : ago(now, p->handshake_age_ns),
		"handshake_age_s", age, "endpoint", endpoint_json(&p->endpoint), "rx_bytes",
		(json_int_t)p->rx_bytes, "tx_bytes", (json_int_t)p->tx_bytes, "inventory",
		inventory_json(p), "max_owners",
		p->has_reported ? json_integer(p->max_owners) : json_null(), "lost", lost_json(p),
		"sessions", sessions_json(p, now));
}

static json_t *cut_pairs_json(const struct snapshot *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_cut_pairs; i++) {
		const struct snapshot_cut_pair *c = &s->cut_pairs[i];

		json_array_append_new(list,
			json_pack("{s:s, s:s, s:s}", "a", c->a, "b", c->b, "effect", c->effect));
	}
	return list;
}

static json_t *problems_json(const struct snapshot *s)
{
	json_t *list = json_array();

	for (size_t i = 0; i < s->n_problems; i++)
		json_array_append_new(list, json_pack("{s:s, s:s?}", "what", s->problems[i].what,
						    "fix", s->problems[i].fix));
	return list;
}

/* Nothing is known yet of one that hasn't been asked. */
static json_t *routing_json(const struct snapshot_routing *r, const struct when *now)
{
	if (!r->engine)
		return json_null();
	return json_pack("{s:s, s:s?, s:o, s:o, s:o, s:I, s:I, s:I}", "engine", r->engine, "socket",
		r->socket, "answers", r->is_known ? json_boolean(r->answers) : json_null(), "since",
		r->is_known ? ago(now, r->for_ns) : json_null(), "since_s",
		r->is_known ? when_seconds(r->for_ns) : json_null(), "sessions",
		(json_int_t)r->n_sessions, "established", (json_int_t)r->n_established, "routes",
		(json_int_t)r->n_routes);
}

json_t *status_drained_until(const struct snapshot *s)
{
	return s->drained_until_ns ? when_wall_json(s->drained_until_ns) : json_null();
}

static json_t *user_json(const struct snapshot_user *u, const struct when *now)
{
	char prefix[IP_PREFIX_STRLEN];

	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "node", u->node, "prefix",
		ip_prefix_format(&u->prefix, prefix), "to", u->to, "last", when_json(now, u->last),
		"last_s", when_seconds(instant_diff(now->at, u->last)));
}

json_t *status_users(const struct snapshot *s)
{
	json_t *list;

	if (!s->knows_users)
		return json_null();
	list = json_array();
	for (size_t i = 0; i < s->n_users; i++)
		json_array_append_new(list, user_json(&s->users[i], &s->when));
	return list;
}

static json_t *head_json(const struct snapshot *s)
{
	return json_pack(
		"{s:b, s:i, s:o, s:s, s:s, s:s, s:s, s:s, s:s, s:o, s:o, s:{s:s, s:s, s:s, s:i, "
		"s:i}, s:b, s:o, s:o, s:b, s:o, s:o, s:o}",
		"ok", 1, "answer_version", (int)CONTROL_STATUS_VERSION, "at",
		when_json(&s->when, s->when.at), "node", s->node, "role", mesh_role_name(s->role),
		"mesh", s->mesh, "inventory", s->inventory, "inventory_digest", s->inventory_digest,
		"version", SHUNT_VERSION, "started", ago(&s->when, s->uptime_ns), "uptime_s",
		when_seconds(s->uptime_ns), "device", "interface", s->interface, "kind",
		s->device_kind, "name", s->device_name, "listen_port", (int)s->listen_port,
		"max_owners", (int)s->max_owners, "drained", (int)s->drained, "drained_until",
		status_drained_until(s), "users", status_users(s), "holding", (int)s->holding,
		"routing", routing_json(&s->routing, &s->when), "cut_pairs", cut_pairs_json(s),
		"problems", problems_json(s));
}

bool status_next(struct buf *text, void *status_job)
{
	struct status_job *j = status_job;
	const struct snapshot *s = j->snapshot;

	if (!j->has_head) {
		pieces_put(text, head_json(s), true);
		text->n--; /* the closing brace comes behind the peers */
		buf_puts(text, ",\"peers\":[");
		j->has_head = true;
		return true;
	}
	for (size_t i = 0; i < PEERS_MAX && j->next < s->n_peers; i++, j->next++)
		pieces_put(text, peer_json(&s->peers[j->next], &s->when), !j->next);
	if (j->next < s->n_peers)
		return true;
	buf_puts(text, "]}");
	return false;
}

struct status_job *status_job_new(struct snapshot *s)
{
	struct status_job *j = mem_zalloc(1, sizeof(*j));

	j->snapshot = s;
	return j;
}

void status_job_free(void *status_job)
{
	struct status_job *j = status_job;

	snapshot_put(j->snapshot);
	free(j);
}

void status_answer(struct pieces *p, struct control_call *call, struct snapshot *s)
{
	pieces_add(p, call, status_next, status_job_free, status_job_new(s));
}

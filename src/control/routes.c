/* SPDX-License-Identifier: MIT */
#include "control/routes.h"

#include "base/mem.h"
#include "control/versions.h"
#include "mesh/inventory.h"
#include <stdlib.h>

#define ROUTES_MAX 64 /* in a piece */

/* Who is asked. */
struct asked {
	const struct control_source *from;
	void *data;
	struct when now;
};

static const char *name_of(const struct asked *q, uint32_t peer)
{
	return q->from->name(q->data, peer);
}

static const char *rib_state_word(enum rib_state s)
{
	return s == RIB_UP ? "up" : s == RIB_LAST_RESORT ? "last-resort" : "down";
}

static const char *source_word(uint8_t source)
{
	return source == RIB_KERNEL ? "kernel" : "inventory";
}

static const char *on_dead_word(enum rib_on_dead d)
{
	return d == RIB_HOLD ? "hold" : d == RIB_RELEASE ? "release" : "fall-back";
}

/* What of the way from the hub to the node behind it decided: its own word, else what is seen from
 * here. */
static char *origin_down_text(const struct asked *q, const struct rib_candidate *c)
{
	const char *via = name_of(q, c->peer), *origin = name_of(q, c->origin);

	if (q->from->line(q->data, c->peer, c->origin) == LIVE_LINE_LOST)
		return mem_printf("%s says that its line to %s is down", via, origin);
	return mem_printf(
		"%s is down as seen from here, so %s may not reach it either", origin, via);
}

static char *origin_last_resort_text(const struct asked *q, const struct rib_candidate *c)
{
	const char *via = name_of(q, c->peer), *origin = name_of(q, c->origin);

	if (q->from->line(q->data, c->peer, c->origin) == LIVE_LINE_POOR)
		return mem_printf("%s says that its line to %s loses packets", via, origin);
	return mem_printf(
		"%s is last resort (drained or holding); a detour through %s spares it nothing",
		origin, via);
}

static char *hub_metric_text(
	const struct asked *q, const struct rib_candidate *c, const struct rib_candidate *w)
{
	const char *via = name_of(q, c->peer), *winner = name_of(q, w->peer);

	if (c->hub_metric == MESH_METRIC_NONE)
		return mem_printf("hub %s has no metric, %s has %u", via, winner, w->hub_metric);
	return mem_printf(
		"hub metric %u is higher than %s's %u", c->hub_metric, winner, w->hub_metric);
}

/* What the runner-up lacks; NULL: nothing that can be said in a word. */
static const char *won_by(enum rib_reason runner_up)
{
	switch (runner_up) {
	case RIB_HIGHER_DISTANCE:
		return "by lower distance";
	case RIB_HIGHER_METRIC:
		return "by lower metric";
	case RIB_HIGHER_HUB_METRIC:
		return "by lower hub metric";
	case RIB_LATER_IN_FILE:
		return "by its place in the inventory";
	case RIB_PEER_DOWN:
	case RIB_PEER_LAST_RESORT:
	case RIB_ORIGIN_DOWN:
	case RIB_ORIGIN_LAST_RESORT:
		return "as the others are down or last resort";
	default:
		return NULL;
	}
}

/* "wins, direct", "wins, the only candidate", "wins by lower hub metric". */
static char *wins_text(const struct rib_answer *a, size_t i)
{
	const char *by = a->n > 1 && a->reasons[1] != RIB_WINS ? won_by(a->reasons[1]) : NULL;
	bool is_direct = !a->candidates[i].transit;

	if (a->n == 1)
		return mem_printf(is_direct ? "direct, the only candidate" : "the only candidate");
	if (a->owners.n > 1)
		return mem_printf("%s, one of %u that share", is_direct ? "direct" : "wins",
			(unsigned)a->owners.n);
	if (by)
		return mem_printf(is_direct ? "direct, wins %s" : "wins %s", by);
	return mem_printf(is_direct ? "direct" : "wins");
}

/* The reason as a sentence, with the values that decided: "metric 30 is higher than hub-a's 20". */
static char *why_text(const struct asked *q, const struct rib_answer *a, size_t i)
{
	const struct rib_candidate *c = &a->candidates[i], *w = &a->candidates[0];
	const char *via = name_of(q, c->peer), *winner = name_of(q, w->peer);

	switch (a->reasons[i]) {
	case RIB_WINS:
		return wins_text(a, i);
	case RIB_PEER_DOWN:
		return mem_printf("%s is down", via);
	case RIB_PEER_LAST_RESORT:
		return mem_printf("%s is last resort (drained, holding, or its line is poor)", via);
	case RIB_ORIGIN_DOWN:
		return origin_down_text(q, c);
	case RIB_ORIGIN_LAST_RESORT:
		return origin_last_resort_text(q, c);
	case RIB_HIGHER_DISTANCE:
		return mem_printf("distance %u is higher than %u", c->distance, w->distance);
	case RIB_HIGHER_METRIC:
		return mem_printf("metric %u is higher than %u", c->metric, w->metric);
	case RIB_IS_TRANSIT:
		return mem_printf("goes through a hub, %s is direct", winner);
	case RIB_HIGHER_HUB_METRIC:
		return hub_metric_text(q, c, w);
	case RIB_LATER_IN_FILE:
		return mem_printf("stands later in the inventory than %s", winner);
	case RIB_CUT_FROM_SET:
		return mem_printf("equal to %s, but the device holds one owner per prefix", winner);
	case RIB_CUT_FOR_ORIGIN:
		return mem_printf("equal to %s, but %s isn't known to take packets of one source "
				  "from several peers",
			winner, name_of(q, c->origin));
	case RIB_PINNED:
		return mem_printf(
			"is an address of %s, which the inventory alone gives away", winner);
	default:
		return mem_printf("not usable, but kept (%s)",
			a->pinned ? "it never moves" : "on_dead: hold");
	}
}

/* Of its next hop, whose best candidate it is; NULL: another one is. */
static const struct rib_owner *place_of(const struct rib_answer *a, size_t i)
{
	uint32_t peer = a->candidates[i].peer;

	for (size_t k = 0; k < i; k++)
		if (a->candidates[k].peer == peer)
			return NULL;
	for (size_t k = 0; k < a->n_order; k++)
		if (a->order[k].peer == peer)
			return &a->order[k];
	return NULL;
}

static unsigned weight_of(const struct rib_answer *a, uint32_t peer)
{
	for (size_t k = 0; k < a->n_order; k++)
		if (a->order[k].peer == peer)
			return a->order[k].weight ? a->order[k].weight : 1;
	return 1;
}

/* Percent of the prefix's flows that go by the peer now. */
static double share_of(const struct rib_answer *a, uint32_t peer)
{
	unsigned all = 0, its = 0;

	for (unsigned k = 0; k < a->owners.n; k++) {
		unsigned w = weight_of(a, a->owners.peer[k]);

		all += w;
		if (a->owners.peer[k] == peer)
			its = w;
	}
	return all ? 100.0 * its / all : 0;
}

static json_t *candidate_json(const struct asked *q, const struct rib_answer *a, size_t i)
{
	const struct rib_candidate *c = &a->candidates[i];
	const struct rib_owner *place = place_of(a, i);
	AUTO_FREE char *why = why_text(q, a, i);
	bool has_hub_metric = c->transit && c->hub_metric != MESH_METRIC_NONE;

	return json_pack("{s:s, s:s, s:s, s:i, s:s, s:I, s:b, s:o, s:o, s:i, s:f, s:s, s:s}", "via",
		name_of(q, c->peer), "origin", name_of(q, c->origin), "source",
		source_word(c->source), "distance", (int)c->distance, "state",
		rib_state_word(q->from->peer_state(q->data, c->peer)), "metric",
		(json_int_t)c->metric, "transit", (int)c->transit, "hub_metric",
		has_hub_metric ? json_integer(c->hub_metric) : json_null(), "rank",
		place ? json_integer(place->rank) : json_null(), "weight",
		c->weight ? (int)c->weight : 1, "share", place ? share_of(a, c->peer) : 0.0,
		"reason", rib_reason_name(a->reasons[i]), "why", why);
}

static json_t *route_json(const struct asked *q, const struct rib_answer *a)
{
	char prefix[IP_PREFIX_STRLEN];
	json_t *candidates = json_array(), *owners = json_array();

	for (size_t i = 0; i < a->n; i++)
		json_array_append_new(candidates, candidate_json(q, a, i));
	for (unsigned i = 0; i < a->owners.n; i++)
		json_array_append_new(owners, json_string(name_of(q, a->owners.peer[i])));
	instant since = {(int64_t)a->moved_at * RIB_TICK_NS};

	/* A tick may begin before the answer's own time. */
	since = instant_min(since, q->now.at);
	return json_pack("{s:s, s:s?, s:o, s:o, s:o, s:b, s:s, s:b, s:o}", "prefix",
		ip_prefix_format(&a->prefix, prefix), "owner",
		a->owners.n ? name_of(q, a->owners.peer[0]) : NULL, "owners", owners, "since",
		when_json(&q->now, since), "since_s", when_seconds(instant_diff(q->now.at, since)),
		"kernel_route", (int)a->route, "on_dead", on_dead_word(a->on_dead), "pinned",
		(int)a->pinned, "candidates", candidates);
}

/* The length of our own network or address that holds p, or -1. Ours are in no RIB: they always win
 * and are never programmed. */
static int own_length(const struct snapshot *s, const ip_prefix *p)
{
	int longest = -1;

	for (size_t i = 0; i < s->n_own; i++) {
		const struct snapshot_own *own = &s->own[i];
		bool holds = own->is_address ? ip_prefix_eq(&own->prefix, p)
					     : ip_prefix_contains(&own->prefix, p);

		if (holds && own->prefix.len > longest)
			longest = own->prefix.len;
	}
	return longest;
}

static json_t *head_json(const struct snapshot *s, bool own)
{
	return json_pack("{s:b, s:i, s:o, s:s, s:b}", "ok", 1, "answer_version",
		(int)CONTROL_ROUTES_VERSION, "at", when_json(&s->when, s->when.at), "node", s->node,
		"own", (int)own);
}

static json_t *one_route(
	const struct asked *q, const struct snapshot *s, const ip_prefix *prefix, const char *query)
{
	int own = own_length(s, prefix);
	json_t *answer, *list;
	struct rib_answer a;
	bool found = q->from->route_of(q->data, prefix, &a) && a.prefix.len > own;

	if (!found && own < 0)
		return control_error("no candidate for %s in the RIB of %s", query, s->node);
	answer = head_json(s, !found);
	list = json_array();
	if (found)
		json_array_append_new(list, route_json(q, &a));
	json_object_set_new(answer, "routes", list);
	return answer;
}

json_t *routes_of_query(const struct control_source *from, void *data, const char *query)
{
	struct asked q = {.from = from, .data = data};
	struct snapshot *s;
	ip_prefix prefix;
	json_t *answer;

	if (!ip_prefix_parse(&prefix, query))
		return control_error("%s is neither a prefix nor an address", query);
	prefix = ip_prefix_masked(&prefix);
	s = from->snapshot(data);
	q.now = s->when;
	answer = one_route(&q, s, &prefix, query);
	snapshot_put(s);
	return answer;
}

/* --- all of them ---------------------------------------------------------------------------------
 */

struct routes_job {
	struct asked asked;
	bool has_head;
	ip_prefix last; /* family 0: none yet */
	struct buf *text;
	size_t n; /* of this piece */
};

static int add_route(const struct rib_answer *a, void *arg)
{
	struct routes_job *j = arg;

	pieces_put(j->text, route_json(&j->asked, a), !j->last.family);
	j->last = a->prefix;
	j->n++;
	return 0;
}

static void put_head(struct routes_job *j, struct buf *text)
{
	struct snapshot *s = j->asked.from->snapshot(j->asked.data);

	j->asked.now = s->when;
	pieces_put(text, head_json(s, false), true);
	text->n--; /* the closing brace comes behind the routes */
	buf_puts(text, ",\"routes\":[");
	snapshot_put(s);
	j->has_head = true;
}

bool routes_next(struct buf *text, void *routes_job)
{
	struct routes_job *j = routes_job;

	if (!j->has_head)
		put_head(j, text);
	j->text = text;
	j->n = 0;
	j->asked.from->routes_after(
		j->asked.data, j->last.family ? &j->last : NULL, ROUTES_MAX, add_route, j);
	if (j->n == ROUTES_MAX)
		return true;
	buf_puts(text, "]}");
	return false;
}

struct routes_job *routes_job_new(const struct control_source *from, void *data)
{
	struct routes_job *j = mem_zalloc(1, sizeof(*j));

	j->asked = (struct asked){.from = from, .data = data};
	return j;
}

void routes_job_free(void *routes_job)
{
	free(routes_job);
}

void routes_answer_all(
	struct pieces *p, struct control_call *call, const struct control_source *from, void *data)
{
	pieces_add(p, call, routes_next, routes_job_free, routes_job_new(from, data));
}

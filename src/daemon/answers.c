/* SPDX-License-Identifier: MIT */
#include "daemon/answers.h"

#include "sys/clock.h"
#include <math.h>
#include <string.h>

static json_t *seconds(int64_t ns)
{
	return json_real(round((double)ns / 1e6) / 1e3);
}

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

/* One in doubt is null, as one that never was: nobody knows when it was. */
static json_t *handshake_age(const struct daemon *d, const struct generation_peer *p, instant now)
{
	int64_t age = handshakes_age(d->handshakes, &p->node->public_key, now);

	return age == HANDSHAKE_NEVER || age == HANDSHAKE_UNKNOWN ? json_null()
								  : json_integer(age / NS_PER_S);
}

static void add_mirror(json_t *peer, const struct device_peer *m)
{
	char text[SOCK_ADDR_STRLEN];

	json_object_set_new(peer, "endpoint",
		m && m->endpoint.sa.sa_family != AF_UNSPEC
			? json_string(sock_addr_format(&m->endpoint, text))
			: json_null());
	json_object_set_new(peer, "rx_bytes", json_integer(m ? (json_int_t)m->rx_bytes : 0));
	json_object_set_new(peer, "tx_bytes", json_integer(m ? (json_int_t)m->tx_bytes : 0));
}

static json_t *peer_json(struct daemon *d, const struct generation_peer *p, instant now)
{
	struct live_peer_info info = {0};
	json_t *peer = json_object();

	prober_info(d->prober, p->id, &info);
	json_object_set_new(peer, "node", json_string(p->node->name));
	json_object_set_new(peer, "role", json_string(mesh_role_name(p->node->role)));
	json_object_set_new(peer, "state", json_string(live_state_name(info.state)));
	json_object_set_new(peer, "cause", json_string(live_cause_name(info.cause)));
	json_object_set_new(peer, "why", json_string(live_cause_text(info.cause)));
	json_object_set_new(peer, "since_s", seconds(instant_diff(now, info.since)));
	json_object_set_new(peer, "hold_left_s",
		instant_is_never(info.hold_until) || !instant_before(now, info.hold_until)
			? json_null()
			: seconds(instant_diff(info.hold_until, now)));
	json_object_set_new(peer, "flaps", json_integer(info.flaps));
	json_object_set_new(peer, "probe", json_string(probe_name(info.config.probe)));
	json_object_set_new(peer, "bfd", bfd_json(&info));
	json_object_set_new(peer, "handshake_age_s", handshake_age(d, p, now));
	add_mirror(peer, device_state_peer(&d->mirror, &p->node->public_key));
	return peer;
}

static bool self_holds(struct daemon *d)
{
	bool drained, holding;

	prober_self(d->prober, &drained, &holding);
	return holding;
}

json_t *answer_status(struct daemon *d)
{
	instant now = sys_now();
	json_t *peers = json_array();
	const struct mesh_node *self = d->gen->self;

	daemon_refresh_mirror(d, NS_PER_S);
	for (size_t i = 0; i < d->gen->n_peers; i++)
		json_array_append_new(peers, peer_json(d, &d->gen->peers[i], now));
	return json_pack("{s:b, s:s, s:s, s:s, s:s, s:s, s:o, s:{s:s, s:s, s:s, s:i}, s:b, s:b, "
			 "s:o, s:o, s:o}",
		"ok", 1, "node", self->name, "role", mesh_role_name(self->role), "mesh",
		d->gen->inv->name, "inventory", d->options->file, "version", SHUNT_VERSION,
		"uptime_s", seconds(instant_diff(now, d->started_at)), "device", "interface",
		self->interface, "kind",
		device_kind_of(d->fib.device) == DEVICE_KERNEL ? "kernel" : "uapi", "name",
		device_name(d->fib.device), "listen_port", (int)d->mirror.listen_port, "drained",
		(int)state_is_drained(d->state), "holding", (int)self_holds(d), "peers", peers,
		"cut_pairs", answer_cut_pairs(d), "problems", answer_problems(d));
}

/* --- routes --------------------------------------------------------------------------------------
 */

static const char *rib_state_word(enum rib_state s)
{
	return s == RIB_UP ? "up" : s == RIB_LAST_RESORT ? "last-resort" : "down";
}

static const char *on_dead_word(enum rib_on_dead d)
{
	return d == RIB_HOLD ? "hold" : d == RIB_RELEASE ? "release" : "fall-back";
}

/* The reason as a sentence, with the values that decided: "metric 30 is higher than hub-a's 20". */
static char *why_text(const struct daemon *d, const struct rib_answer *a, size_t i)
{
	const struct rib_candidate *c = &a->candidates[i], *w = &a->candidates[0];
	const char *via = engine_name(d->engine, c->peer),
		   *winner = engine_name(d->engine, w->peer);

	switch (a->reasons[i]) {
	case RIB_WINS:
		return mem_printf("wins");
	case RIB_PEER_DOWN:
		return mem_printf("%s is down", via);
	case RIB_PEER_LAST_RESORT:
		return mem_printf("%s is last resort (drained or holding)", via);
	case RIB_ORIGIN_DOWN:
		return mem_printf("%s is down as seen from here, so %s may not reach it either",
			engine_name(d->engine, c->origin), via);
	case RIB_ORIGIN_LAST_RESORT:
		return mem_printf("%s is last resort (drained or holding); a detour through %s "
				  "spares it nothing",
			engine_name(d->engine, c->origin), via);
	case RIB_HIGHER_DISTANCE:
		return mem_printf("distance %u is higher than %u", c->distance, w->distance);
	case RIB_HIGHER_METRIC:
		return mem_printf("metric %u is higher than %u", c->metric, w->metric);
	case RIB_IS_TRANSIT:
		return mem_printf("goes through a hub, %s is direct", winner);
	case RIB_HIGHER_HUB_METRIC:
		return c->hub_metric == MESH_METRIC_NONE
			       ? mem_printf("hub %s has no metric, %s has %u", via, winner,
					 w->hub_metric)
			       : mem_printf("hub metric %u is higher than %s's %u", c->hub_metric,
					 winner, w->hub_metric);
	case RIB_LATER_IN_FILE:
		return mem_printf("stands later in the inventory than %s", winner);
	case RIB_CUT_FROM_SET:
		return mem_printf("equal to %s, but the device holds one owner per prefix", winner);
	default:
		return mem_printf("not usable, but kept (%s)",
			a->pinned ? "it never moves" : "on_dead: hold");
	}
}

static json_t *candidate_json(const struct daemon *d, const struct rib_answer *a, size_t i)
{
	const struct rib_candidate *c = &a->candidates[i];
	AUTO_FREE char *why = why_text(d, a, i);
	bool has_hub_metric = c->transit && c->hub_metric != MESH_METRIC_NONE;

	return json_pack("{s:s, s:s, s:s, s:I, s:b, s:o, s:s, s:s}", "via",
		engine_name(d->engine, c->peer), "origin", engine_name(d->engine, c->origin),
		"state", rib_state_word(rib_peer_state(d->rib, c->peer)), "metric",
		(json_int_t)c->metric, "transit", (int)c->transit, "hub_metric",
		has_hub_metric ? json_integer(c->hub_metric) : json_null(), "reason",
		rib_reason_name(a->reasons[i]), "why", why);
}

static json_t *route_json(const struct daemon *d, const struct rib_answer *a)
{
	char prefix[IP_PREFIX_STRLEN];
	json_t *candidates = json_array(), *owners = json_array();

	for (size_t i = 0; i < a->n; i++)
		json_array_append_new(candidates, candidate_json(d, a, i));
	for (unsigned i = 0; i < a->owners.n; i++)
		json_array_append_new(
			owners, json_string(engine_name(d->engine, a->owners.peer[i])));
	return json_pack("{s:s, s:s?, s:o, s:b, s:s, s:b, s:o}", "prefix",
		ip_prefix_format(&a->prefix, prefix), "owner",
		a->owners.n ? engine_name(d->engine, a->owners.peer[0]) : NULL, "owners", owners,
		"kernel_route", (int)a->route, "on_dead", on_dead_word(a->on_dead), "pinned",
		(int)a->pinned, "candidates", candidates);
}

struct route_list {
	const struct daemon *daemon;
	json_t *list;
};

static int add_route(const struct rib_answer *a, void *data)
{
	struct route_list *l = data;

	json_array_append_new(l->list, route_json(l->daemon, a));
	return 0;
}

/* The length of our own network or address that holds p, or -1. Ours are in no RIB: they always win
 * and are never programmed. */
static int own_length(const struct daemon *d, const ip_prefix *p)
{
	const struct mesh_node *self = d->gen->self;
	int longest = -1;

	for (size_t i = 0; i < self->n_networks; i++) {
		const ip_prefix *own = &self->networks[i].prefix;

		if (ip_prefix_contains(own, p) && own->len > longest)
			longest = own->len;
	}
	for (size_t i = 0; i < self->n_addresses; i++) {
		ip_prefix host = ip_prefix_host(&self->addresses[i].addr);

		if (ip_prefix_eq(&host, p))
			longest = host.len;
	}
	return longest;
}

struct longest {
	const ip_prefix *of;
	ip_prefix found;
};

static int keep_longest(const struct rib_answer *a, void *data)
{
	struct longest *l = data;

	if (ip_prefix_contains(&a->prefix, l->of) &&
		(!l->found.family || a->prefix.len > l->found.len))
		l->found = a->prefix;
	return 0;
}

/* The prefix itself; else the one that a packet to it takes; else, where nobody can carry it, the
 * longest that would. */
static bool explain(struct daemon *d, const ip_prefix *prefix, struct rib_answer *ret)
{
	struct longest l = {.of = prefix};
	ip_addr addr = ip_prefix_addr(prefix);

	if (rib_explain(d->rib, prefix, ret))
		return true;
	if (prefix->len == ip_family_bits(prefix->family) && rib_lookup(d->rib, &addr, ret))
		return true;
	rib_walk(d->rib, keep_longest, &l);
	return l.found.family && rib_explain(d->rib, &l.found, ret);
}

static json_t *one_route(struct daemon *d, const char *query, json_t *list)
{
	struct rib_answer a;
	ip_prefix prefix;
	bool found;
	int own;

	if (!ip_prefix_parse(&prefix, query)) {
		json_decref(list);
		return control_error("%s is neither a prefix nor an address", query);
	}
	prefix = ip_prefix_masked(&prefix);
	own = own_length(d, &prefix);
	found = explain(d, &prefix, &a);
	if (found && a.prefix.len > own) {
		own = -1;
		json_array_append_new(list, route_json(d, &a));
	} else if (own < 0) {
		json_decref(list);
		return control_error(
			"no candidate for %s in the RIB of %s", query, d->gen->self->name);
	}
	return json_pack("{s:b, s:s, s:b, s:o}", "ok", 1, "node", d->gen->self->name, "own",
		own >= 0, "routes", list);
}

json_t *answer_routes(struct daemon *d, const char *query)
{
	struct route_list l = {d, json_array()};

	if (query)
		return one_route(d, query, l.list);
	rib_walk(d->rib, add_route, &l);
	return json_pack("{s:b, s:s, s:b, s:o}", "ok", 1, "node", d->gen->self->name, "own", 0,
		"routes", l.list);
}

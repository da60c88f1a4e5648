/* SPDX-License-Identifier: MIT */
#include "daemon/snapshot_make.h"

#include "daemon/problems.h"
#include "daemon/routing_status.h"
#include "daemon/transit_watch.h"
#include "sys/clock.h"
#include <stdio.h>

/* Some problems are looked for in the kernel and among files: not oftener than this. */
#define PROBLEMS_AGE NS_PER_S

static void take_report(
	struct snapshot *s, const struct daemon *d, uint32_t id, struct snapshot_peer *to)
{
	const struct reports *r = engine_reports(d->engine);
	struct reports_heard h;
	const uint32_t *lost;
	size_t n = reports_lost(r, id, &lost);

	to->has_reported = reports_heard(r, id, &h);
	if (!to->has_reported)
		return;
	to->runs_our_inventory = h.is_of_our_inventory;
	to->max_owners = h.max_owners;
	to->lost = arena_array(&s->arena, const char *, n);
	for (; to->n_lost < n; to->n_lost++)
		to->lost[to->n_lost] =
			arena_strdup(&s->arena, engine_name(d->engine, lost[to->n_lost]));
}

static void take_peer(struct snapshot *s, struct daemon *d, const struct generation_peer *p)
{
	const struct device_peer *m = device_state_peer(&d->mirror, &p->node->public_key);
	int64_t age = handshakes_age(d->handshakes, &p->node->public_key, s->when.at);
	struct snapshot_peer *to = &s->peers[s->n_peers++];

	to->node = arena_strdup(&s->arena, p->node->name);
	to->role = p->node->role;
	prober_info(d->prober, p->id, &to->live);
	take_report(s, d, p->id, to);
	to->handshake_age_ns = age == HANDSHAKE_NEVER || age == HANDSHAKE_UNKNOWN ? -1 : age;
	if (!m)
		return;
	to->endpoint = m->endpoint;
	to->rx_bytes = m->rx_bytes;
	to->tx_bytes = m->tx_bytes;
}

struct cut_pairs {
	struct snapshot *snapshot;
	VEC(struct snapshot_cut_pair) list;
};

static void add_cut_pair(const struct lines_trouble *t, void *data)
{
	struct cut_pairs *c = data;
	struct arena *arena = &c->snapshot->arena;

	if (t->kind == LINES_DEAD)
		vec_push(&c->list,
			((struct snapshot_cut_pair){arena_strdup(arena, t->a),
				arena_strdup(arena, t->b), arena_strdup(arena, t->what)}));
}

static void take_cut_pairs(struct snapshot *s, struct daemon *d)
{
	struct cut_pairs c = {.snapshot = s};

	problems_of_lines(d, add_cut_pair, &c);
	s->cut_pairs = arena_array(&s->arena, struct snapshot_cut_pair, c.list.n);
	for (size_t i = 0; i < c.list.n; i++)
		s->cut_pairs[s->n_cut_pairs++] = c.list.items[i];
	vec_done(&c.list);
}

/* What was found lately stands, unless another inventory came. */
static const json_t *young_problems(struct daemon *d, struct when now)
{
	const struct daemon_problems *known = &d->problems;

	if (!known->list || known->generation != d->gen->number ||
		instant_diff(now.at, known->at) >= PROBLEMS_AGE)
		problems_look(d, now);
	return known->list;
}

static void take_problems(struct snapshot *s, const json_t *list)
{
	size_t i;
	json_t *p;

	s->problems = arena_array(&s->arena, struct snapshot_problem, json_array_size(list));
	json_array_foreach(list, i, p)
	{
		const char *fix = json_string_value(json_object_get(p, "fix"));

		s->problems[s->n_problems++] = (struct snapshot_problem){
			arena_strdup(&s->arena, json_string_value(json_object_get(p, "what"))),
			fix ? arena_strdup(&s->arena, fix) : NULL};
	}
}

static void take_own(struct snapshot *s, const struct mesh_node *self)
{
	s->own = arena_array(&s->arena, struct snapshot_own, self->n_networks + self->n_addresses);
	for (size_t i = 0; i < self->n_networks; i++)
		s->own[s->n_own++] = (struct snapshot_own){self->networks[i].prefix, false};
	for (size_t i = 0; i < self->n_addresses; i++)
		s->own[s->n_own++] =
			(struct snapshot_own){ip_prefix_host(&self->addresses[i].addr), true};
}

static const char *digest_text(struct snapshot *s, const uint8_t *digest)
{
	char *text = arena_array(&s->arena, char, 2 * MESH_DIGEST_LEN + 1);

	for (size_t i = 0; i < MESH_DIGEST_LEN; i++)
		sprintf(text + 2 * i, "%02x", digest[i]);
	return text;
}

static void take_drain(struct snapshot *s, const struct daemon *d)
{
	int64_t until = state_drained_until(d->state);

	s->drained = until != STATE_NOT_DRAINED;
	s->drained_until_ns = s->drained && until != STATE_NO_END ? until : 0;
}

static const char *user_name(
	struct snapshot *s, const struct daemon *d, const struct transit_use *u)
{
	char address[IP_ADDR_STRLEN];

	if (u->from != TRANSIT_NOBODY)
		return arena_strdup(&s->arena, engine_name(d->engine, u->from));
	return arena_strdup(&s->arena, ip_addr_format(&u->source, address));
}

/* Who was seen counts at once, that nobody was seen only after a while. */
static void take_users(struct snapshot *s, const struct daemon *d)
{
	struct transit *seen = transit_watch_seen(d->transit);
	const struct transit_use *list;
	size_t n;

	if (!seen)
		return;
	list = transit_list(seen, s->when.at, &n);
	s->knows_users = n || transit_is_known(seen, s->when.at);
	s->users = arena_array(&s->arena, struct snapshot_user, n);
	for (size_t i = 0; i < n; i++)
		s->users[s->n_users++] = (struct snapshot_user){user_name(s, d, &list[i]),
			list[i].prefix, arena_strdup(&s->arena, engine_name(d->engine, list[i].to)),
			list[i].last};
}

static void take_self(struct snapshot *s, struct daemon *d)
{
	const struct mesh_node *self = d->gen->self;
	bool is_drained;

	s->node = arena_strdup(&s->arena, self->name);
	s->role = self->role;
	s->mesh = arena_strdup(&s->arena, d->gen->inv->name);
	s->inventory = arena_strdup(&s->arena, d->options->file);
	s->inventory_digest = digest_text(s, d->gen->digest);
	s->uptime_ns = instant_diff(s->when.at, d->started_at);
	s->interface = arena_strdup(&s->arena, self->interface);
	s->device_kind = d->device.kind == DEVICE_KERNEL ? "kernel" : "uapi";
	s->device_name = arena_strdup(&s->arena, d->device.name);
	s->listen_port = d->mirror.listen_port;
	s->max_owners = d->device.max_owners;
	take_drain(s, d);
	take_users(s, d);
	prober_self(d->prober, &is_drained, &s->holding);
}

struct snapshot *snapshot_make(struct daemon *d)
{
	struct snapshot *s = snapshot_new();

	s->when = (struct when){sys_now(), sys_wall_ns()};
	take_self(s, d);
	s->peers = arena_array(&s->arena, struct snapshot_peer, d->gen->n_peers);
	for (size_t i = 0; i < d->gen->n_peers; i++)
		take_peer(s, d, &d->gen->peers[i]);
	routing_status_show(d, s);
	take_cut_pairs(s, d);
	take_problems(s, young_problems(d, s->when));
	take_own(s, d->gen->self);
	return s;
}

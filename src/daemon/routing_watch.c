/* SPDX-License-Identifier: MIT */
#include "daemon/routing_watch.h"

#include "mesh/routing.h"
#include <errno.h>
#include <string.h>

#define NAMED_MAX 3 /* sessions that are told one by one */

void routing_watch_done(struct routing_watch *w)
{
	vec_done(&w->list);
}

/* --- what is missing -----------------------------------------------------------------------------
 */

static int missing_cmp(const void *a, const void *b)
{
	const struct routing_missing *x = a, *y = b;

	if (x->peer != y->peer)
		return x->peer < y->peer ? -1 : 1;
	return ip_addr_cmp(&x->neighbor, &y->neighbor);
}

static bool is_well(const struct routing_said *s)
{
	return s->talk && s->n && !s->err;
}

static bool stands(const struct routing_said *said, const ip_addr *neighbor)
{
	const struct routing_session *s = routing_session_with(said->sessions, neighbor);

	return s && s->state == ROUTING_ESTABLISHED;
}

/* Since when, given what was missing before. */
static instant since(
	const struct routing_watch *before, const struct routing_missing *m, instant now)
{
	const struct routing_missing *was = NULL;

	if (before->list.n)
		was = bsearch(m, before->list.items, before->list.n, sizeof(*m), missing_cmp);
	return was ? was->since : now;
}

static void look_at(const struct routing_watch_facts *f, const struct generation_peer *p,
	const struct routing_watch *before, instant now, struct routing_watch *ret)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct routing_missing m = {.peer = p->id};
	unsigned self = f->gen->self->index;
	ip_addr ours;

	if (!mesh_has_session(f->gen->topology, self, p->node->index) || !f->lives(p->id, f->data))
		return;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		if (!mesh_session_addresses(f->gen->topology, self, p->node->index, families[i],
			    &ours, &m.neighbor) ||
			stands(&f->said, &m.neighbor))
			continue;
		m.since = since(before, &m, now);
		vec_push(&ret->list, m);
	}
}

void routing_watch_step(struct routing_watch *w, const struct routing_watch_facts *f, instant now)
{
	struct routing_watch before = *w;

	*w = (struct routing_watch){0};
	for (size_t i = 0; is_well(&f->said) && i < f->gen->n_peers; i++)
		look_at(f, &f->gen->peers[i], &before, now, w);
	if (w->list.n)
		qsort(w->list.items, w->list.n, sizeof(*w->list.items), missing_cmp);
	routing_watch_done(&before);
}

/* --- what is told --------------------------------------------------------------------------------
 */

static const char *engine_name_of(const struct routing_watch_facts *f)
{
	return mesh_engine_name(f->gen->self->routing.engine);
}

static bool is_frr(const struct routing_watch_facts *f)
{
	return f->gen->self->routing.engine == MESH_ENGINE_FRR;
}

static const char *mute_fix(const struct routing_watch_facts *f)
{
	switch (f->said.err) {
	case -ENOENT:
	case -ECONNREFUSED:
		return is_frr(f) ? "systemctl start frr, with bgpd=yes in /etc/frr/daemons; if it "
				   "listens elsewhere, state that (routing: {socket: ...})"
				 : "systemctl start bird; if it listens elsewhere, state that "
				   "(routing: {socket: ...})";
	case -EACCES:
	case -EPERM:
		return "restart shuntd: it joins the engine's group as it starts";
	default:
		return is_frr(f) ? "systemctl status frr" : "systemctl status bird";
	}
}

static const char *mute_word(int err)
{
	switch (err) {
	case -EPROTO:
		return "its answer isn't understood";
	case -EMSGSIZE:
		return "its answer is too long";
	case -ETIMEDOUT:
		return "no answer within two seconds";
	default:
		return strerror(-err);
	}
}

static void tell_mute(const struct routing_watch_facts *f, routing_watch_fn *fn, void *data)
{
	AUTO_FREE char *what = mem_printf("%s can't be asked for its sessions at %s: %s; the "
					  "kernel's routes count as ever",
		engine_name_of(f), f->said.socket, mute_word(f->said.err));

	fn(what, mute_fix(f), data);
}

/* What the engine says of it. */
static char *state_text(const struct routing_watch_facts *f, const struct routing_missing *m)
{
	const struct routing_session *s = routing_session_with(f->said.sessions, &m->neighbor);

	if (!s)
		return mem_printf("%s has no such session", engine_name_of(f));
	return mem_printf("%s says %s%s%s", engine_name_of(f), routing_state_name(s->state),
		s->error[0] ? ", and last " : "", s->error);
}

/* A listener of the engine's has no session until the other side calls. */
static char *fix_text(const struct routing_watch_facts *f, const struct routing_missing *m)
{
	char addr[IP_ADDR_STRLEN];

	ip_addr_format(&m->neighbor, addr);
	if (!routing_session_with(f->said.sessions, &m->neighbor))
		return mem_printf("see whether the engines of both have what `shunt render` wrote, "
				  "and what the other one says");
	return is_frr(f) ? mem_printf("vtysh -c 'show bgp neighbors %s'", addr)
			 : mem_printf("birdc show protocols all");
}

static void tell_missing(const struct routing_watch_facts *f, const struct routing_missing *m,
	routing_watch_fn *fn, void *data)
{
	const struct generation_peer *p = generation_peer_by_id(f->gen, m->peer);
	AUTO_FREE char *state = NULL, *what = NULL, *fix = NULL;
	char addr[IP_ADDR_STRLEN];

	if (!p) /* it left since */
		return;
	state = state_text(f, m);
	what = mem_printf("%s lives, but the BGP session with it (%s) isn't established: %s",
		p->node->name, ip_addr_format(&m->neighbor, addr), state);
	fix = fix_text(f, m);
	fn(what, fix, data);
}

static void tell_more(
	const struct routing_watch_facts *f, size_t n, routing_watch_fn *fn, void *data)
{
	AUTO_FREE char *what = mem_printf("%zu more BGP sessions with peers that live aren't "
					  "established",
		n);

	fn(what, "shunt status --json", data);
}

void routing_watch_check(const struct routing_watch *w, const struct routing_watch_facts *f,
	instant now, routing_watch_fn *fn, void *data)
{
	const struct routing_said *s = &f->said;
	size_t n = 0;

	if (s->talk && s->err && instant_diff(now, s->since) >= ROUTING_MUTE_AFTER)
		tell_mute(f, fn, data);
	for (size_t i = 0; is_well(s) && i < w->list.n; i++) {
		if (instant_diff(now, w->list.items[i].since) < ROUTING_QUIET)
			continue;
		if (n++ < NAMED_MAX)
			tell_missing(f, &w->list.items[i], fn, data);
	}
	if (n > NAMED_MAX)
		tell_more(f, n - NAMED_MAX, fn, data);
}

/* SPDX-License-Identifier: MIT */
#include "daemon/shadows.h"

#include "base/trie.h"
#include <linux/rtnetlink.h>
#include <string.h>

/* A prefix of the mesh. */
struct entry {
	ip_prefix prefix;
	uint32_t table; /* where its route stands */
	bool own;
};

struct finder {
	const struct shadow_facts *facts;
	struct entry *entries;
	struct trie *mesh;	/* -> struct entry */
	struct trie *endpoints; /* host prefixes */
	size_t latest[2]; /* by family: the last rule that reaches one of ours, and one more */
	shadow_vec *found;
};

static size_t family_index(int family)
{
	return family == AF_INET6;
}

/* Default routes, and what people halve them into. */
static bool is_world(const ip_prefix *p)
{
	return p->len <= (p->family == AF_INET6 ? 3 : 1);
}

static bool overlap(const ip_prefix *a, const ip_prefix *b)
{
	return ip_prefix_contains(a, b) || ip_prefix_contains(b, a);
}

static uint32_t number_of(uint32_t table)
{
	return table ? table : RT_TABLE_MAIN;
}

static bool is_for(const struct rtnl_rule *r, const ip_prefix *p)
{
	return r->family == p->family && !r->selective && (!r->to.len || overlap(&r->to, p));
}

/* The place of the first rule that finds the route to p in the table, for packets to `to`;
 * SIZE_MAX: none does. */
static size_t reach_to(
	const struct finder *f, uint32_t table, const ip_prefix *p, const ip_prefix *to)
{
	for (size_t i = 0; i < f->facts->n_rules; i++) {
		const struct rtnl_rule *r = &f->facts->rules[i];

		if (r->action == RTNL_RULE_TABLE && number_of(r->table) == number_of(table) &&
			is_for(r, to) && (int)p->len > r->suppress_prefixlen)
			return i;
	}
	return SIZE_MAX;
}

static size_t reach(const struct finder *f, uint32_t table, const ip_prefix *p)
{
	return reach_to(f, table, p, p);
}

/* --- the prefixes of the mesh --------------------------------------------------------------------
 */

static void add_entry(struct finder *f, size_t *n, const ip_prefix *p, uint32_t table, bool own)
{
	struct entry *e = &f->entries[(*n)++];
	size_t at;

	*e = (struct entry){*p, table, own};
	*trie_slot(f->mesh, p) = e;
	at = own ? SIZE_MAX : reach(f, table, p);
	if (at != SIZE_MAX && at >= f->latest[family_index(p->family)])
		f->latest[family_index(p->family)] = at + 1;
}

static void prepare(struct finder *f)
{
	const struct want_facts *w = f->facts->want;
	size_t n = 0;

	f->entries =
		mem_zalloc(w->n_carried + w->n_overlays + f->facts->n_own + 1, sizeof(*f->entries));
	f->mesh = trie_new();
	f->endpoints = trie_new();
	for (size_t i = 0; i < w->n_overlays; i++)
		add_entry(f, &n, &w->overlays[i],
			w->has_engine ? want_overlay_table(w, w->overlays[i].family) : 0, false);
	for (size_t i = 0; i < w->n_carried; i++)
		if (w->carried[i].route && !want_is_connected(w, &w->carried[i].prefix))
			add_entry(f, &n, &w->carried[i].prefix,
				want_route(w, &w->carried[i].prefix).table, false);
	for (size_t i = 0; i < f->facts->n_own; i++)
		add_entry(f, &n, &f->facts->own[i], 0, true);
	for (size_t i = 0; i < f->facts->n_endpoints; i++) {
		ip_prefix host = ip_prefix_host(&f->facts->endpoints[i]);

		*trie_slot(f->endpoints, &host) = f;
	}
}

/* The longest that has all of p. */
static const struct entry *innermost(const struct finder *f, const ip_prefix *p)
{
	const struct entry *same = trie_get(f->mesh, p);

	return same ? same : trie_cover(f->mesh, p, NULL);
}

static int stop_at_first(const ip_prefix *p, void *value, void *data)
{
	return 1;
}

/* Longer than e, or the very network that this node and the one that carries it meet in. */
static bool leads_to_endpoint(
	const struct finder *f, const struct rtnl_route *r, const struct entry *e)
{
	bool meets = r->dst.len == e->prefix.len && r->protocol == RTPROT_KERNEL;

	return (r->dst.len > e->prefix.len || meets) &&
	       trie_walk_within(f->endpoints, &r->dst, stop_at_first, NULL) != 0;
}

/* --- one against one -----------------------------------------------------------------------------
 */

/* Lower wins. IPv6 has 1024 where nothing is stated. */
static uint32_t metric_of(const struct rtnl_route *r)
{
	return !r->metric && r->dst.family == AF_INET6 ? 1024 : r->metric;
}

static uint32_t our_metric(const struct finder *f, const struct entry *e)
{
	if (f->facts->want->has_engine && !e->table)
		return KERNEL_ENGINE_METRIC;
	return e->prefix.family == AF_INET6 ? 1024 : 0;
}

static bool takes(const struct finder *f, const struct rtnl_route *r, const struct entry *e)
{
	const ip_prefix *both = r->dst.len > e->prefix.len ? &r->dst : &e->prefix;
	size_t theirs = reach_to(f, r->table, &r->dst, both);
	size_t ours = reach_to(f, e->table, &e->prefix, both);

	if (e->own || theirs == SIZE_MAX || theirs > ours)
		return false;
	if (is_world(&e->prefix) && !is_world(&r->dst))
		return false;
	if (leads_to_endpoint(f, r, e))
		return false;
	if (theirs < ours)
		return r->type != RTN_THROW;
	return r->dst.len > e->prefix.len ||
	       (r->dst.len == e->prefix.len && metric_of(r) < our_metric(f, e));
}

static bool refuses(const struct finder *f, size_t rule, const struct entry *e)
{
	return !e->own && is_for(&f->facts->rules[rule], &e->prefix) &&
	       rule < reach(f, e->table, &e->prefix);
}

/* --- one against all -----------------------------------------------------------------------------
 */

struct tally {
	const struct finder *f;
	const struct rtnl_route *route; /* NULL: the rule */
	size_t rule;
	struct shadow shadow;
	size_t n;
};

static int count_loser(const ip_prefix *p, void *value, void *data)
{
	struct tally *t = data;
	const struct entry *e = value;

	if (t->route ? takes(t->f, t->route, e) : refuses(t->f, t->rule, e)) {
		if (!t->n++)
			t->shadow.ours = e->prefix;
	}
	return 0;
}

/* What has all of dst, else what is within it. */
static void tell(struct finder *f, struct tally *t, const ip_prefix *dst, bool wide)
{
	const struct entry *e = innermost(f, dst);

	if (e)
		count_loser(&e->prefix, (void *)(uintptr_t)e, t);
	if (!t->n && wide)
		trie_walk_within(f->mesh, dst, count_loser, t);
	if (!t->n || f->found->n == SHADOWS_MAX)
		return;
	t->shadow.others = t->n - 1;
	vec_push(f->found, t->shadow);
}

/* An address by itself: those of a subnet come with its route, which is told. */
static bool is_lone_address(const struct finder *f, const struct rtnl_route *local)
{
	const struct entry *e = innermost(f, &local->dst);

	if (!e || e->own || is_world(&e->prefix) ||
		local->dst.len != ip_family_bits(local->dst.family))
		return false;
	for (size_t i = 0; i < f->facts->n_routes; i++) {
		const struct rtnl_route *r = &f->facts->routes[i];

		if (!r->type && r->dst.len && r->ifindex == local->ifindex &&
			ip_prefix_contains(&r->dst, &local->dst))
			return false;
	}
	return true;
}

static bool is_foreign(const struct finder *f, const struct rtnl_route *r)
{
	if (want_is_engines(f->facts->want, r))
		return false;
	if (rtnl_route_refuses(r)) /* our backstops stand behind */
		return r->protocol != RTNL_PROTO_SHUNT || r->metric != KERNEL_BACKSTOP_METRIC ||
		       !(trie_get(f->mesh, &r->dst) || want_is_apart(f->facts->want->guarded,
							       f->facts->want->n_guarded, &r->dst));
	if (r->ifindex == f->facts->want->ifindex)
		return false;
	if (r->type == RTN_LOCAL)
		return is_lone_address(f, r);
	return !r->type || r->type == RTN_THROW;
}

static void judge_route(struct finder *f, const struct rtnl_route *r)
{
	struct tally t = {.f = f, .route = r, .shadow = {.route = *r}};
	size_t at;

	if (!is_foreign(f, r))
		return;
	at = reach(f, r->table, &r->dst);
	if (at >= f->latest[family_index(r->dst.family)])
		return;
	/* Only a table that is asked before ours may take by a shorter match. */
	tell(f, &t, &r->dst, at + 1 < f->latest[family_index(r->dst.family)]);
}

static void judge_rule(struct finder *f, size_t i)
{
	const struct rtnl_rule *r = &f->facts->rules[i];
	struct tally t = {.f = f, .rule = i, .shadow = {.by_rule = true, .rule = *r}};
	ip_prefix dst = r->to.len ? r->to : (ip_prefix){.family = (uint8_t)r->family};

	if (r->protocol != RTNL_PROTO_SHUNT && !r->selective &&
		(r->action == RTNL_RULE_BLACKHOLE || r->action == RTNL_RULE_UNREACHABLE ||
			r->action == RTNL_RULE_PROHIBIT))
		tell(f, &t, &dst, true);
}

void shadows_find(const struct shadow_facts *facts, shadow_vec *ret)
{
	struct finder f = {.facts = facts, .found = ret};

	ret->n = 0;
	prepare(&f);
	for (size_t i = 0; i < facts->n_rules; i++)
		judge_rule(&f, i);
	for (size_t i = 0; i < facts->n_routes && ret->n < SHADOWS_MAX; i++)
		judge_route(&f, &facts->routes[i]);
	trie_free(f.mesh);
	trie_free(f.endpoints);
	free(f.entries);
}

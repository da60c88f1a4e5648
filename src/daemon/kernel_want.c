/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_want.h"

#include <assert.h>
#include <linux/rtnetlink.h>
#include <string.h>

static int by_prefix(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

bool want_is_connected(const struct want_facts *f, const ip_prefix *p)
{
	for (size_t i = 0; i < f->n_overlays; i++)
		if (ip_prefix_contains(&f->overlays[i], p))
			return true;
	return false;
}

/* --- what stands apart ---------------------------------------------------------------------------
 */

bool want_is_apart(const ip_prefix *apart, size_t n, const ip_prefix *p)
{
	return n && bsearch(p, apart, n, sizeof(*apart), by_prefix);
}

static const struct want_prefix *carried_at(const struct want_facts *f, const ip_prefix *p)
{
	size_t from = 0, to = f->n_carried;

	while (from < to) {
		size_t at = from + (to - from) / 2;
		int c = ip_prefix_cmp(p, &f->carried[at].prefix);

		if (!c)
			return &f->carried[at];
		if (c < 0)
			to = at;
		else
			from = at + 1;
	}
	return NULL;
}

/* The lengths that occur: few, so that an endpoint needs few searches. */
struct lengths {
	bool of4[33], of6[129];
};

static struct lengths lengths_of(const struct want_facts *f)
{
	struct lengths l = {0};

	for (size_t i = 0; i < f->n_carried; i++) {
		const ip_prefix *p = &f->carried[i].prefix;

		if (p->family == AF_INET)
			l.of4[p->len] = true;
		else
			l.of6[p->len] = true;
	}
	return l;
}

static void add_covers(
	const struct want_facts *f, const struct lengths *l, const ip_addr *a, prefix_vec *out)
{
	const bool *has = a->family == AF_INET ? l->of4 : l->of6;

	for (unsigned len = 0; len <= ip_family_bits(a->family); len++) {
		ip_prefix p;

		if (!has[len])
			continue;
		p = ip_prefix_of(a, len);
		if (carried_at(f, &p) && !want_is_connected(f, &p))
			vec_push(out, p);
	}
}

static void sort_and_unite(prefix_vec *v)
{
	size_t n = 0;

	if (v->n)
		qsort(v->items, v->n, sizeof(*v->items), by_prefix);
	for (size_t i = 0; i < v->n; i++)
		if (!n || !ip_prefix_eq(&v->items[n - 1], &v->items[i]))
			v->items[n++] = v->items[i];
	v->n = n;
}

void want_apart(const struct want_facts *f, const ip_addr *endpoints, size_t n_endpoints,
	const prefix_vec *before, prefix_vec *ret)
{
	struct lengths l = lengths_of(f);

	ret->n = 0;
	for (size_t i = 0; i < f->n_carried; i++)
		if (ip_prefix_is_default(&f->carried[i].prefix))
			vec_push(ret, f->carried[i].prefix);
	for (size_t i = 0; i < n_endpoints; i++)
		if (endpoints[i].family)
			add_covers(f, &l, &endpoints[i], ret);
	for (size_t i = 0; i < before->n; i++)
		if (carried_at(f, &before->items[i]))
			vec_push(ret, before->items[i]);
	sort_and_unite(ret);
}

/* --- routes --------------------------------------------------------------------------------------
 */

static uint32_t table_of(const struct want_facts *f, const ip_prefix *p)
{
	if (!want_is_apart(f->apart, f->n_apart, p))
		return 0;
	assert(f->mark);
	return f->mark;
}

struct rtnl_route want_route(const struct want_facts *f, const ip_prefix *p)
{
	return (struct rtnl_route){
		.dst = *p,
		.ifindex = f->ifindex,
		.table = table_of(f, p),
		.protocol = RTNL_PROTO_SHUNT,
	};
}

static struct rtnl_route backstop(const ip_prefix *p, uint32_t table)
{
	return (struct rtnl_route){
		.dst = *p,
		.table = table,
		.protocol = RTNL_PROTO_SHUNT,
		.metric = KERNEL_BACKSTOP_METRIC,
		.type = RTN_UNREACHABLE,
	};
}

int want_route_cmp(const void *a, const void *b)
{
	const struct rtnl_route *x = a, *y = b;
	int c = ip_prefix_cmp(&x->dst, &y->dst);

	if (c)
		return c;
	if (x->table != y->table)
		return x->table < y->table ? -1 : 1;
	if (x->metric != y->metric)
		return x->metric < y->metric ? -1 : 1;
	if (x->type != y->type)
		return x->type < y->type ? -1 : 1;
	return (x->ifindex > y->ifindex) - (x->ifindex < y->ifindex);
}

void want_routes(const struct want_facts *f, route_vec *ret)
{
	/* The last outermost one of the main table, and of the mark's. */
	const ip_prefix *outermost[2] = {NULL, NULL};

	ret->n = 0;
	for (size_t i = 0; i < f->n_carried; i++) {
		const struct want_prefix *c = &f->carried[i];
		const ip_prefix **outer;
		struct rtnl_route r;

		assert(!i || ip_prefix_cmp(&f->carried[i - 1].prefix, &c->prefix) < 0);
		if (want_is_connected(f, &c->prefix))
			continue;
		r = want_route(f, &c->prefix);
		if (c->route)
			vec_push(ret, r);
		outer = &outermost[r.table != 0];
		if (c->release || (*outer && ip_prefix_contains(*outer, &c->prefix)))
			continue;
		*outer = &c->prefix;
		vec_push(ret, backstop(&c->prefix, r.table));
	}
	for (size_t i = 0; i < f->n_overlays; i++)
		vec_push(ret, backstop(&f->overlays[i], f->overlay_table));
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), want_route_cmp);
}

/* --- rules ---------------------------------------------------------------------------------------
 */

static struct rtnl_rule rule(int family, uint32_t table, int suppress, uint32_t priority)
{
	return (struct rtnl_rule){
		.family = family,
		.table = table,
		.suppress_prefixlen = suppress,
		.priority = priority,
	};
}

static void add_overlay_rules(const struct want_facts *f, const ip_prefix *o, rule_vec *out)
{
	struct rtnl_rule has = rule(o->family, RT_TABLE_MAIN, o->len - 1, KERNEL_PRIORITY_OVERLAY);
	struct rtnl_rule none = rule(o->family, f->overlay_table, -1, KERNEL_PRIORITY_REFUSED);

	has.to = none.to = *o;
	vec_push(out, has);
	vec_push(out, none);
}

/* The other way round there would be a moment in which nothing but the tunnel is left. */
static void add_mark_rules(const struct want_facts *f, int family, rule_vec *out)
{
	struct rtnl_rule marked = rule(family, f->mark, -1, KERNEL_PRIORITY_MARK);

	marked.fwmark = f->mark;
	marked.invert = true;
	vec_push(out, rule(family, RT_TABLE_MAIN, 0, KERNEL_PRIORITY_SPECIFIC));
	vec_push(out, marked);
}

static bool has_apart(const struct want_facts *f, int family)
{
	for (size_t i = 0; i < f->n_apart; i++)
		if (f->apart[i].family == family)
			return true;
	return false;
}

void want_rules(const struct want_facts *f, rule_vec *ret)
{
	static const int families[] = {AF_INET, AF_INET6};

	ret->n = 0;
	for (size_t i = 0; i < f->n_overlays; i++)
		if (f->overlays[i].len)
			add_overlay_rules(f, &f->overlays[i], ret);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (has_apart(f, families[i]))
			add_mark_rules(f, families[i], ret);
}

/* --- is and shall be -----------------------------------------------------------------------------
 */

static bool is_own_table(const struct want_ours *ours, uint32_t table)
{
	for (size_t i = 0; i < ours->n_marks; i++)
		if (ours->marks[i] == table)
			return true;
	return false;
}

/* Another daemon's look the same. */
static bool is_own_backstop(const struct want_ours *ours, const struct rtnl_route *r)
{
	if (!rtnl_route_refuses(r) || r->metric != KERNEL_BACKSTOP_METRIC)
		return false;
	if (r->table == ours->facts->overlay_table)
		return true;
	return (!r->table || is_own_table(ours, r->table)) &&
	       ours->has_backstop(&r->dst, ours->data);
}

/* fe80::/64 and ff00::/8 come with every interface. */
static bool is_of_the_link(const ip_prefix *p)
{
	return p->family == AF_INET6 &&
	       (p->bytes[0] == 0xff || (p->bytes[0] == 0xfe && (p->bytes[1] & 0xc0) == 0x80));
}

static bool is_set_by_hand(const struct rtnl_route *r)
{
	return (r->protocol == RTPROT_BOOT || r->protocol == RTPROT_STATIC) &&
	       !is_of_the_link(&r->dst);
}

/* With nothing that somebody has thought about. */
static bool is_plain(const struct rtnl_route *r)
{
	return r->protocol == RTPROT_BOOT && !r->metric && !r->via.family;
}

/* Ours now, whoever made it: no peer has the prefix any more, or the right one stands elsewhere. */
static bool is_taken_over(
	const struct want_ours *ours, const struct rtnl_route *r, const route_vec *want)
{
	bool elsewhere = false;

	for (size_t i = 0; i < ours->n_marks && !elsewhere; i++) {
		struct rtnl_route other = *r;

		other.table = ours->marks[i];
		elsewhere = want->n &&
			    bsearch(&other, want->items, want->n, sizeof(other), want_route_cmp);
	}
	return is_plain(r) && ours->has_prefix(&r->dst, ours->data) &&
	       (elsewhere || !ours->is_carried(&r->dst, ours->data));
}

static void judge_unwanted(const struct want_ours *ours, const struct rtnl_route *r,
	const route_vec *want, struct want_diff *ret)
{
	bool into = !r->type && r->ifindex == ours->facts->ifindex;

	if (r->protocol == RTNL_PROTO_SHUNT) {
		if (into || is_own_backstop(ours, r))
			vec_push(&ret->stale, *r);
	} else if (into && is_set_by_hand(r)) {
		if (is_taken_over(ours, r, want))
			vec_push(&ret->stale, *r);
		else if (!want_is_connected(ours->facts, &r->dst))
			vec_push(&ret->leftover, *r);
	}
}

void want_diff_routes(const struct rtnl_route *have, size_t n_have, const route_vec *want,
	const struct want_ours *ours, struct want_diff *ret)
{
	bool *present = mem_zalloc(want->n + 1, sizeof(*present));

	for (size_t i = 0; i < n_have; i++) {
		const struct rtnl_route *at = want->n ? bsearch(&have[i], want->items, want->n,
								sizeof(*have), want_route_cmp)
						      : NULL;

		if (at)
			present[at - want->items] = true;
		else
			judge_unwanted(ours, &have[i], want, ret);
	}
	for (size_t i = 0; i < want->n; i++)
		if (!present[i])
			vec_push(&ret->missing, want->items[i]);
	free(present);
}

void want_diff_done(struct want_diff *d)
{
	vec_done(&d->missing);
	vec_done(&d->stale);
	vec_done(&d->leftover);
}

static bool has_rule(const rule_vec *list, const struct rtnl_rule *r)
{
	for (size_t i = 0; i < list->n; i++)
		if (rtnl_rule_is(r, &list->items[i]))
			return true;
	return false;
}

static bool is_own_lookup(const struct want_ours *ours, const struct rtnl_rule *r)
{
	return (r->priority == KERNEL_PRIORITY_MARK && is_own_table(ours, r->table)) ||
	       (r->priority == KERNEL_PRIORITY_REFUSED && r->table == ours->facts->overlay_table);
}

/* The rule before a look-up, which may serve another daemon's look-up as well. */
static bool serves_another(const struct rtnl_rule *have, size_t n, const rule_vec *stale,
	const struct rtnl_rule *before)
{
	for (size_t i = 0; i < n; i++)
		if (have[i].priority == before->priority + 1 && !has_rule(stale, &have[i]) &&
			have[i].to.len == before->to.len &&
			(!before->to.len || ip_prefix_eq(&have[i].to, &before->to)))
			return true;
	return false;
}

void want_stale_rules(const struct rtnl_rule *have, size_t n_have, const rule_vec *want,
	const struct want_ours *ours, rule_vec *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < n_have; i++)
		if (is_own_lookup(ours, &have[i]) && !has_rule(want, &have[i]))
			vec_push(ret, have[i]);
	for (size_t i = 0; i < n_have; i++) {
		uint32_t priority = have[i].priority;

		if ((priority == KERNEL_PRIORITY_SPECIFIC || priority == KERNEL_PRIORITY_OVERLAY) &&
			!has_rule(want, &have[i]) && !serves_another(have, n_have, ret, &have[i]))
			vec_push(ret, have[i]);
	}
}

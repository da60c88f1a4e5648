/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_plan.h"

#include "daemon/kernel_routes.h"
#include "daemon/kernel_table.h"
#include "daemon/log.h"
#include "sys/process.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <string.h>

/* So many left by others are named one by one. */
#define LEFTOVERS_NAMED 8

void kernel_plan_done(struct kernel_plan *p)
{
	vec_done(&p->overlays);
	vec_done(&p->backstops);
	vec_done(&p->routes);
	vec_done(&p->rules);
	vec_done(&p->marks);
	want_diff_done(&p->diff);
}

/* --- what shall be -------------------------------------------------------------------------------
 */

/* Each once: two addresses may be of the same overlay. */
static void find_overlays(const struct generation *g, prefix_vec *ret)
{
	for (size_t i = 0; i < g->n_addresses; i++) {
		ip_prefix o = ip_prefix_masked(&g->addresses[i]);
		bool known = false;

		for (size_t k = 0; k < ret->n; k++)
			known |= ip_prefix_eq(&ret->items[k], &o);
		if (!known)
			vec_push(ret, o);
	}
}

/* Resolved, or as the device reports them. */
static ip_addr *all_endpoints(const struct fib *f, const struct device_state *mirror, size_t *ret_n)
{
	ip_addr *all = mem_zalloc(f->gen->n_peers + mirror->n_peers + 1, sizeof(*all));
	size_t n = 0;

	for (size_t i = 0; i < f->gen->n_peers; i++)
		if (f->endpoints[i].sa.sa_family != AF_UNSPEC)
			all[n++] = sock_addr_ip(&f->endpoints[i]);
	for (size_t i = 0; i < mirror->n_peers; i++)
		if (mirror->peers[i].endpoint.sa.sa_family != AF_UNSPEC)
			all[n++] = sock_addr_ip(&mirror->peers[i].endpoint);
	*ret_n = n;
	return all;
}

static void log_apart(const struct fib *f, const prefix_vec *fresh)
{
	char text[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < fresh->n; i++)
		if (!ip_prefix_is_default(&fresh->items[i]) &&
			!want_is_apart(f->apart.items, f->apart.n, &fresh->items[i]))
			log_info("%s holds an endpoint: its route stands in a table that the "
				 "tunnel's own packets don't ask",
				ip_prefix_format(&fresh->items[i], text));
}

static void decide_apart(
	struct fib *f, const struct want_facts *facts, const struct device_state *mirror)
{
	prefix_vec fresh = {0};
	size_t n;
	AUTO_FREE ip_addr *endpoints = all_endpoints(f, mirror, &n);

	want_apart(facts, endpoints, n, &f->apart, &fresh);
	log_apart(f, &fresh);
	vec_done(&f->apart);
	f->apart = fresh;
}

static void add_mark(struct kernel_plan *p, uint32_t mark)
{
	for (size_t i = 0; i < p->marks.n; i++)
		if (p->marks.items[i] == mark)
			return;
	if (mark)
		vec_push(&p->marks, mark);
}

static void add_known_marks(struct fib *f, uint32_t now, struct kernel_plan *p)
{
	const uint32_t *known;
	size_t n = state_marks(f->state, &known);

	for (size_t i = 0; i < n; i++)
		add_mark(p, known[i]);
	add_mark(p, f->fwmark);
	if (kernel_mark_is_chosen(now))
		add_mark(p, now);
}

static int decide_mark(struct fib *f, uint32_t now, struct kernel_plan *p)
{
	uint32_t mark = 0;
	int err = f->apart.n ? kernel_mark_choose(f, now, &mark) : 0;

	if (err)
		return err;
	add_known_marks(f, now, p);
	add_mark(p, mark);
	p->clear_mark =
		!mark && kernel_mark_is_chosen(now) && !kernel_mark_is_used_by_others(f, now);
	f->fwmark = mark;
	return 0;
}

static void fill_facts(
	struct fib *f, const struct want_prefix *carried, size_t n, struct kernel_plan *p)
{
	find_overlays(f->gen, &p->overlays);
	p->facts = (struct want_facts){
		.carried = carried,
		.n_carried = n,
		.overlays = p->overlays.items,
		.n_overlays = p->overlays.n,
		.overlay_table = kernel_overlay_table(f->gen->self->interface),
		.ifindex = f->ifindex,
		.ifname = f->gen->self->interface,
	};
}

/* Journaled before it is done. What can't be written is tried again at the end of the sync, and
 * told then. */
static void note_backstops(struct fib *f, struct kernel_plan *p)
{
	struct state_journal j = {.mark = f->fwmark};

	for (size_t i = 0; i < p->routes.n; i++)
		if (rtnl_route_refuses(&p->routes.items[i]) &&
			p->routes.items[i].table != p->facts.overlay_table)
			vec_push(&p->backstops, p->routes.items[i].dst);
	j.backstops = p->backstops.items;
	j.n_backstops = p->backstops.n;
	(void)state_journal(f->state, &j, false);
}

/* --- what is -------------------------------------------------------------------------------------
 */

static bool has_backstop(const ip_prefix *p, void *data)
{
	return state_has_backstop(((struct fib *)data)->state, p);
}

static bool has_prefix(const ip_prefix *p, void *data)
{
	return state_has_prefix(((struct fib *)data)->state, p);
}

static bool is_carried(const ip_prefix *p, void *data)
{
	struct rib_answer a;

	return rib_explain(((struct fib *)data)->rib, p, &a);
}

static struct want_ours ours_of(struct fib *f, const struct kernel_plan *p)
{
	return (struct want_ours){
		.facts = &p->facts,
		.marks = p->marks.items,
		.n_marks = p->marks.n,
		.has_backstop = has_backstop,
		.has_prefix = has_prefix,
		.is_carried = is_carried,
		.data = f,
	};
}

static int list_routes(
	struct fib *f, const struct rtnl_route *only, struct rtnl_route **ret, size_t *ret_n)
{
	int err = rtnl_route_list_where(f->rtnl, only, ret, ret_n);

	if (err) {
		*ret = NULL;
		*ret_n = 0;
	}
	return err;
}

static int look_at_routes(struct fib *f, struct kernel_plan *p)
{
	struct rtnl_route into = {.ifindex = f->ifindex};
	struct rtnl_route refusing = {.protocol = RTNL_PROTO_SHUNT, .type = RTN_UNREACHABLE};
	AUTO_FREE struct rtnl_route *ways = NULL;
	AUTO_FREE struct rtnl_route *backstops = NULL;
	struct want_ours ours = ours_of(f, p);
	route_vec have = {0};
	size_t n_ways, n_backstops;
	int err = list_routes(f, &into, &ways, &n_ways);

	if (!err)
		err = list_routes(f, &refusing, &backstops, &n_backstops);
	if (err)
		return err;
	vec_reserve(&have, n_ways + n_backstops);
	for (size_t i = 0; i < n_ways; i++)
		vec_push(&have, ways[i]);
	for (size_t i = 0; i < n_backstops; i++)
		vec_push(&have, backstops[i]);
	want_diff_routes(have.items, have.n, &p->routes, &ours, &p->diff);
	vec_done(&have);
	return 0;
}

int kernel_plan_make(struct fib *f, const struct want_prefix *carried, size_t n,
	const struct device_state *mirror, struct kernel_plan *ret)
{
	int err;

	fill_facts(f, carried, n, ret);
	decide_apart(f, &ret->facts, mirror);
	err = decide_mark(f, mirror->fwmark, ret);
	if (err)
		return err;
	ret->facts.apart = f->apart.items;
	ret->facts.n_apart = f->apart.n;
	ret->facts.mark = f->fwmark;
	want_routes(&ret->facts, &ret->routes);
	want_rules(&ret->facts, &ret->rules);
	note_backstops(f, ret);
	return look_at_routes(f, ret);
}

/* --- rules ---------------------------------------------------------------------------------------
 */

/* A kernel without the family has none of its packets either. */
static int remove_stale_rules(struct fib *f, int family, const struct kernel_plan *p)
{
	struct want_ours ours = ours_of(f, p);
	AUTO_FREE struct rtnl_rule *have = NULL;
	rule_vec stale = {0};
	size_t n;
	int err = rtnl_rule_list(f->rtnl, family, &have, &n);

	if (err)
		return err == -EAFNOSUPPORT ? 0 : err;
	want_stale_rules(have, n, &p->rules, &ours, &stale);
	for (size_t i = 0; i < stale.n && !err; i++)
		err = rtnl_rule_del(f->rtnl, &stale.items[i]);
	vec_done(&stale);
	return err;
}

static int remove_all_stale_rules(struct fib *f, const struct kernel_plan *p)
{
	int err = remove_stale_rules(f, AF_INET, p);

	return err ? err : remove_stale_rules(f, AF_INET6, p);
}

/* Without the overlay's rules the mesh works all the same, without the mark's it doesn't. */
static int add_rule(struct fib *f, const struct rtnl_rule *r)
{
	char text[IP_PREFIX_STRLEN];
	int err = rtnl_rule_add(f->rtnl, r);

	if (!err || !r->to.len)
		return err;
	if (err != -EAFNOSUPPORT && r->priority == KERNEL_PRIORITY_REFUSED)
		fib_problem(f, NULL,
			"the rule that refuses %s while %s is gone could not be set: %s; packets "
			"for "
			"it would leave in clear",
			ip_prefix_format(&r->to, text), f->gen->self->interface, strerror(-err));
	return 0;
}

static int add_rules(struct fib *f, const struct kernel_plan *p)
{
	int err = 0;

	for (size_t i = 0; i < p->rules.n && !err; i++)
		err = add_rule(f, &p->rules.items[i]);
	return err;
}

/* --- routes --------------------------------------------------------------------------------------
 */

/* Where IPv6 is switched off no packet of it leaves. */
static int add_backstop(struct fib *f, const struct rtnl_route *r)
{
	char text[IP_PREFIX_STRLEN];
	int err = rtnl_route_add(f->rtnl, r);

	if (err && err != -ENODEV && !(r->dst.family == AF_INET6 && err == -EACCES))
		fib_problem(f, NULL,
			"the unreachable route behind %s could not be set: %s; packets for it "
			"would "
			"leave in clear while %s is gone",
			ip_prefix_format(&r->dst, text), strerror(-err), f->gen->self->interface);
	return err == -ENODEV ? err : 0;
}

static int add_missing(struct fib *f, const struct kernel_plan *p, struct fib_counts *counts)
{
	int err = 0;

	for (size_t i = 0; i < p->diff.missing.n && !err; i++) {
		const struct rtnl_route *r = &p->diff.missing.items[i];

		if (rtnl_route_refuses(r)) {
			err = add_backstop(f, r);
			continue;
		}
		err = kernel_route_add(f, r);
		counts->routes_added += err == 0;
		err = err < 0 ? err : 0;
	}
	return err;
}

static int remove_stale(struct fib *f, const struct kernel_plan *p, struct fib_counts *counts)
{
	int err = 0;

	for (size_t i = 0; i < p->diff.stale.n && !err; i++) {
		const struct rtnl_route *r = &p->diff.stale.items[i];

		err = rtnl_route_del(f->rtnl, r);
		counts->routes_removed += !err && !rtnl_route_refuses(r);
	}
	return err;
}

static void name_leftover(struct fib *f, const struct rtnl_route *r)
{
	const char *ifname = f->gen->self->interface;
	AUTO_BUF fix = {0};
	char text[IP_PREFIX_STRLEN];

	ip_prefix_format(&r->dst, text);
	buf_printf(&fix, "ip %sroute del %s dev %s", r->dst.family == AF_INET6 ? "-6 " : "", text,
		ifname);
	if (r->metric)
		buf_printf(&fix, " metric %u", r->metric);
	if (r->table)
		buf_printf(&fix, " table %u", r->table);
	fib_problem(f, mem_strdup(buf_str(&fix)),
		"a route to %s that isn't ours leads into %s, where nobody carries it", text,
		ifname);
}

static void name_leftovers(struct fib *f, const route_vec *leftover)
{
	for (size_t i = 0; i < leftover->n && i < LEFTOVERS_NAMED; i++)
		name_leftover(f, &leftover->items[i]);
	if (leftover->n > LEFTOVERS_NAMED)
		fib_problem(f, mem_printf("ip route show dev %s", f->gen->self->interface),
			"%zu more such routes lead into %s", leftover->n - LEFTOVERS_NAMED,
			f->gen->self->interface);
}

/* Replies to marked packets must pass the reverse path check by the mark's route. */
static void set_valid_mark(struct fib *f)
{
	for (size_t i = 0; i < f->apart.n; i++) {
		if (f->apart.items[i].family != AF_INET)
			continue;
		if (sysctl_write_int("net/ipv4/conf/all/src_valid_mark", 1))
			fib_problem(f, mem_strdup("sysctl -w net/ipv4/conf/all/src_valid_mark=1"),
				"net.ipv4.conf.all.src_valid_mark could not be set to 1, which a "
				"route through the tunnel that holds an endpoint needs");
		return;
	}
}

/* --- in which order ------------------------------------------------------------------------------
 */

static bool stands_apart(const struct kernel_plan *p, const ip_prefix *dst)
{
	for (size_t i = 0; i < p->diff.stale.n; i++)
		if (p->diff.stale.items[i].table && !p->diff.stale.items[i].type &&
			ip_prefix_eq(&p->diff.stale.items[i].dst, dst))
			return true;
	return false;
}

int kernel_plan_begin(struct fib *f, struct kernel_plan *p)
{
	int err = 0;

	if (f->fwmark || !p->marks.n)
		return 0;
	for (size_t i = 0; i < p->diff.missing.n && err >= 0; i++) {
		const struct rtnl_route *r = &p->diff.missing.items[i];

		if (!r->type && stands_apart(p, &r->dst))
			err = kernel_route_add(f, r);
	}
	return err < 0 ? err : remove_all_stale_rules(f, p);
}

int kernel_plan_finish(struct fib *f, struct kernel_plan *p, struct fib_counts *counts)
{
	int err = add_missing(f, p, counts);

	if (!err)
		err = add_rules(f, p);
	if (!err)
		err = remove_all_stale_rules(f, p);
	if (!err)
		err = remove_stale(f, p, counts);
	if (!err) {
		name_leftovers(f, &p->diff.leftover);
		set_valid_mark(f);
	}
	return err;
}

void kernel_plan_remove(struct fib *f)
{
	struct kernel_plan none = {0};

	if (!f->gen || !f->state)
		return;
	none.facts.overlay_table = kernel_overlay_table(f->gen->self->interface);
	none.facts.ifindex = f->ifindex;
	none.facts.ifname = f->gen->self->interface;
	add_known_marks(f, 0, &none);
	remove_all_stale_rules(f, &none);
	if (!look_at_routes(f, &none))
		for (size_t i = 0; i < none.diff.stale.n; i++)
			if (rtnl_route_refuses(&none.diff.stale.items[i]))
				rtnl_route_del(f->rtnl, &none.diff.stale.items[i]);
	kernel_plan_done(&none);
}

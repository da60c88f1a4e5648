/* SPDX-License-Identifier: MIT */
/* Which prefixes stand apart, by which mark, and what of the kernel's settings that takes; and what
 * belongs to nobody since it is behind this node. */
#include "daemon/shall_internal.h"

#include "daemon/kernel_table.h"
#include "fib/want_own.h"
#include <errno.h>
#include <stdio.h>

/* Our networks, and our IPv6 addresses. */
static void own_sources(const struct generation *g, prefix_vec *ret)
{
	for (size_t i = 0; i < g->self->n_networks; i++)
		vec_push(ret, g->self->networks[i].prefix);
	for (size_t i = 0; i < g->n_addresses; i++) {
		ip_addr a = ip_prefix_addr(&g->addresses[i]);

		if (a.family == AF_INET6)
			vec_push(ret, ip_prefix_host(&a));
	}
}

void shall_decide_own(struct shall *s)
{
	prefix_vec sources = {0};

	own_sources(s->in->gen, &sources);
	want_own(&s->facts, sources.items, sources.n, &s->own);
	vec_done(&sources);
}

/* --- apart --- */

/* Resolved, or as the device reports them. */
static ip_addr *all_endpoints(
	const struct shall_input *in, const struct device_state *is, size_t *ret_n)
{
	ip_addr *all = mem_zalloc(in->gen->n_peers + is->n_peers + 1, sizeof(*all));
	size_t n = 0;

	for (size_t i = 0; i < in->gen->n_peers; i++)
		if (in->endpoints[i].sa.sa_family != AF_UNSPEC)
			all[n++] = sock_addr_ip(&in->endpoints[i]);
	for (size_t i = 0; i < is->n_peers; i++)
		if (is->peers[i].endpoint.sa.sa_family != AF_UNSPEC)
			all[n++] = sock_addr_ip(&is->peers[i].endpoint);
	*ret_n = n;
	return all;
}

static void say_apart(struct shall *s)
{
	const struct shall_input *in = s->in;
	char text[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < s->apart.n; i++) {
		const ip_prefix *p = &s->apart.items[i];

		if (ip_prefix_is_default(p) || want_is_apart(in->apart, in->n_apart, p))
			continue;
		vec_push(&s->lines,
			mem_printf("%s holds an endpoint: its route stands in a table that the "
				   "tunnel's own packets don't ask",
				ip_prefix_format(p, text)));
	}
}

void shall_decide_apart(struct shall *s, const struct device_state *is)
{
	prefix_vec before = {0};
	size_t n;
	AUTO_FREE ip_addr *endpoints = all_endpoints(s->in, is, &n);

	for (size_t i = 0; i < s->in->n_apart; i++)
		vec_push(&before, s->in->apart[i]);
	want_apart(&s->facts, endpoints, n, &before, &s->apart);
	vec_done(&before);
	say_apart(s);
}

/* --- the mark --- */

/* Somebody else's route on our device stands in that table: wg-quick's, say. */
static bool is_used_by_others(const struct fib_state *is, int ifindex, uint32_t mark)
{
	for (size_t i = 0; i < is->routes.n; i++) {
		const struct rtnl_route *r = &is->routes.items[i];

		if (r->table == mark && r->ifindex == ifindex && r->protocol != RTNL_PROTO_SHUNT)
			return true;
	}
	return false;
}

static void ask_table(struct shall *s)
{
	const struct journal *j = s->in->journal;

	s->table.first = KERNEL_MARK_FIRST;
	s->table.last = KERNEL_MARK_LAST;
	s->table.ifindex = s->facts.ifindex;
	for (size_t i = 0; i < j->marks.n; i++)
		vec_push(&s->table.ours, j->marks.items[i]);
}

int shall_decide_mark(struct shall *s, const struct fib_state *is, bool *ret_clear)
{
	uint32_t now = is->devices.items[0].wg.fwmark;

	if (s->apart.n)
		s->mark = s->in->mark ? s->in->mark : now ? now : is->free_table;
	if (s->apart.n && !s->mark) {
		ask_table(s);
		return -EAGAIN;
	}
	shall_add_known_marks(s, now);
	*ret_clear = !s->mark && kernel_mark_is_chosen(now) &&
		     !is_used_by_others(is, s->facts.ifindex, now);
	return 0;
}

/* --- settings of the kernel --- */

static void add_sysctl(fib_sysctls *s, const char *path, int value, bool is_needed, const char *why)
{
	struct fib_sysctl y = {.value = value, .is_needed = is_needed, .why = why};

	snprintf(y.path, sizeof(y.path), "%s", path);
	vec_push(s, y);
}

/* A hub sends out by the interface by which it came in, and the kernel would tell the sender a
 * better way that there isn't. It takes either setting for both. */
static void add_redirects(const struct generation *g, fib_sysctls *ret)
{
	static const char why[] = "the hub sends ICMP redirects for what it relays";
	AUTO_FREE char *own = mem_printf("net/ipv4/conf/%s/send_redirects", g->self->interface);

	if (g->self->role != MESH_HUB)
		return;
	add_sysctl(ret, "net/ipv4/conf/all/send_redirects", 0, false, why);
	add_sysctl(ret, own, 0, false, why);
}

void shall_add_sysctls(
	const struct generation *g, const ip_prefix *apart, size_t n_apart, fib_sysctls *ret)
{
	add_redirects(g, ret);
	for (size_t i = 0; i < n_apart; i++)
		if (apart[i].family == AF_INET) {
			add_sysctl(ret, "net/ipv4/conf/all/src_valid_mark", 1, true,
				"answers to marked packets must pass the reverse path check by "
				"the mark's route, as a route through the tunnel holds an "
				"endpoint");
			return;
		}
}

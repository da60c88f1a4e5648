/* SPDX-License-Identifier: MIT */
#include "daemon/forward_probe.h"

#include "daemon/forward_policy.h"
#include "sys/clock.h"
#include <linux/netfilter.h>
#include <stdlib.h>
#include <string.h>

#define PERIOD (10 * NS_PER_S)
/* A ruleset that takes long to read is read less often: at most a hundredth of the time. */
#define COST_FACTOR 100

typedef VEC(struct forward_path) path_list;

/* --- the ways through this node ------------------------------------------------------------------
 */

static bool uses_family(const struct daemon *d, int family)
{
	for (size_t i = 0; i < d->gen->self->n_addresses; i++)
		if (d->gen->self->addresses[i].addr.family == family)
			return true;
	return false;
}

static void add_path(path_list *paths, const struct daemon *d, int family, unsigned out_index)
{
	struct forward_path p = {.family = family, .out_index = out_index};

	p.in_index = (unsigned)d->fib.ifindex;
	if (!if_indextoname(p.in_index, p.in) || !if_indextoname(out_index, p.out))
		return;
	for (size_t i = 0; i < paths->n; i++)
		if (paths->items[i].family == family && paths->items[i].out_index == out_index)
			return;
	vec_push(paths, p);
}

static void add_network(path_list *paths, const struct daemon *d, const ip_prefix *p)
{
	ip_addr first = ip_prefix_addr(p);
	struct rtnl_route r;

	/* An address of the node's own (an anycast service, say) isn't forwarded to. */
	if (ip_prefix_is_default(p) || p->len == ip_family_bits(p->family) ||
		rtnl_route_get(d->rtnl, &first, d->fib.fwmark, &r) || r.ifindex == d->fib.ifindex)
		return;
	add_path(paths, d, p->family, (unsigned)r.ifindex);
}

static void list_paths(path_list *paths, const struct daemon *d)
{
	const struct mesh_node *self = d->gen->self;

	if (self->role == MESH_HUB) {
		if (uses_family(d, AF_INET))
			add_path(paths, d, AF_INET, (unsigned)d->fib.ifindex);
		if (uses_family(d, AF_INET6))
			add_path(paths, d, AF_INET6, (unsigned)d->fib.ifindex);
	}
	for (size_t i = 0; i < self->n_networks; i++)
		add_network(paths, d, &self->networks[i].prefix);
}

/* --- chains --------------------------------------------------------------------------------------
 */

static const char *family_word(const struct nft_base_chain *c)
{
	return c->family == NFPROTO_IPV4 ? "ip" : c->family == NFPROTO_IPV6 ? "ip6" : "inet";
}

static void note(
	struct forward_probe *p, const struct nft_base_chain *c, const struct forward_path *path)
{
	char *what = mem_printf("the forward chain %s %s %s of nftables lets no new %s connection "
				"pass from %s to %s: what comes through the tunnel for others ends "
				"here",
		family_word(c), c->table, c->name, path->family == AF_INET ? "IPv4" : "IPv6",
		path->in, path->out);
	char *fix = mem_printf("nft insert rule %s %s %s iifname '\"%s\"' oifname '\"%s\"' accept",
		family_word(c), c->table, c->name, path->in, path->out);

	vec_push(&p->found, ((struct fib_trouble){what, fix}));
}

static void judge(struct forward_probe *p, const struct nft_base_chain *c, const path_list *paths)
{
	struct nft_rule *rules;
	size_t n;

	if (nft_rules(p->nft, c->family, c->table, &rules, &n))
		return;
	for (size_t i = 0; i < paths->n; i++)
		if (forward_chain_sees(c, paths->items[i].family) &&
			forward_is_refused(c, rules, n, &paths->items[i]))
			note(p, c, &paths->items[i]);
	free(rules);
}

static void look(struct forward_probe *p, const struct daemon *d)
{
	struct nft_base_chain *chains;
	path_list paths = {0};
	size_t n;

	fib_troubles_done(&p->found);
	list_paths(&paths, d);
	if (paths.n && (p->nft || !nft_open(&p->nft)) && !nft_forward_chains(p->nft, &chains, &n)) {
		for (size_t i = 0; i < n; i++)
			judge(p, &chains[i], &paths);
		free(chains);
	}
	vec_done(&paths);
}

void forward_probe_step(struct forward_probe *p, const struct daemon *d, instant now)
{
	int64_t pause = PERIOD, cost;

	if (instant_before(now, p->look_at))
		return;
	look(p, d);
	cost = instant_diff(sys_now(), now) * COST_FACTOR;
	p->look_at = instant_add(now, cost > pause ? cost : pause);
}

void forward_probe_name(const struct forward_probe *p,
	void (*fn)(const char *what, const char *fix, void *data), void *data)
{
	for (size_t i = 0; i < p->found.n; i++)
		fn(p->found.items[i].what, p->found.items[i].fix, data);
}

void forward_probe_done(struct forward_probe *p)
{
	fib_troubles_done(&p->found);
	nft_close(p->nft);
}

/* SPDX-License-Identifier: MIT */
/* What a routing engine has in the kernel of its machine. */
#include "node_routes.h"
#include "routing_internal.h"
#include <linux/rtnetlink.h>

#define METRIC 32

static void hop_of(
	const struct world *w, unsigned node, unsigned next, int family, struct route_hop *ret)
{
	const struct mesh_node *n = &w->inv->nodes[next];

	*ret = (struct route_hop){.ifindex = w->nodes[node].model->ifindex, .weight = 1};
	for (size_t i = 0; i < n->n_addresses; i++)
		if (n->addresses[i].addr.family == family)
			ret->via = n->addresses[i].addr;
}

static struct route_news news_of(const struct world *w, unsigned node, size_t i)
{
	const struct written *k = &speaker(w, node)->kernel[i];
	struct route_news n = {.type = ROUTE_NEWS_ROUTE, .port = speaker(w, node)->port};
	struct kernel_route *r = &n.u.route;

	r->dst = w->routing->prefixes.items[i];
	r->table = RT_TABLE_MAIN;
	r->priority = METRIC;
	r->protocol = RTPROT_BIRD;
	r->type = RTN_UNICAST;
	for (unsigned next = 0; next < w->n_nodes; next++)
		if (k->hops >> next & 1)
			hop_of(w, node, next, r->dst.family, &r->hops[r->n_hops++]);
	return n;
}

static struct rtnl_route model_route(const struct world *w, unsigned node, size_t i)
{
	return (struct rtnl_route){.dst = w->routing->prefixes.items[i],
		.ifindex = w->nodes[node].model->ifindex,
		.metric = METRIC,
		.protocol = RTPROT_BIRD};
}

static void withdraw(struct world *w, unsigned node, size_t i)
{
	struct route_news news = news_of(w, node, i);
	struct rtnl_route r = model_route(w, node, i);

	news.gone = true;
	model_route_withdraw(w->nodes[node].model, &r);
	speaker(w, node)->kernel[i] = (struct written){0};
	watch_node(w, node);
	node_route_news(w, node, &news);
}

void routing_write(struct world *w, unsigned node, size_t i, uint32_t hops)
{
	struct speaker *s = speaker(w, node);
	struct rtnl_route r = model_route(w, node, i);
	bool was = s->kernel[i].hops != 0;
	struct route_news news;

	if (!hops) {
		withdraw(w, node, i);
		return;
	}
	if (model_route_add(w->nodes[node].model, &r, true))
		return;
	s->kernel[i] = (struct written){hops, s->port};
	news = news_of(w, node, i);
	news.flags = was ? ROUTE_REPLACES : 0;
	watch_node(w, node);
	node_route_news(w, node, &news);
}

void routing_sweep(struct world *w, unsigned node)
{
	for (size_t i = 0; i < w->routing->prefixes.n; i++)
		if (speaker(w, node)->kernel[i].hops &&
			speaker(w, node)->kernel[i].port != speaker(w, node)->port)
			withdraw(w, node, i);
}

/* IPv4 routes go with it without a word. */
void routing_on_device(struct world *w, unsigned node)
{
	struct route_news news = {.type = ROUTE_NEWS_LINK};

	if (!routing_is_on(w, node))
		return;
	memset(speaker(w, node)->kernel, 0, sizeof(speaker(w, node)->kernel));
	news.u.link.ifindex = 0;
	node_route_news(w, node, &news);
}

uint32_t routing_hops(const struct world *w, unsigned node, const ip_prefix *p)
{
	for (size_t i = 0; i < w->routing->prefixes.n; i++)
		if (ip_prefix_eq(&w->routing->prefixes.items[i], p))
			return speaker(w, node)->kernel[i].hops;
	return 0;
}

void routing_dump(const struct world *w, unsigned node, routing_fn *fn, void *data)
{
	for (size_t i = 0; i < w->routing->prefixes.n; i++) {
		struct route_news news;

		if (!speaker(w, node)->kernel[i].hops)
			continue;
		news = news_of(w, node, i);
		news.port = 0;
		fn(&news, data);
	}
}

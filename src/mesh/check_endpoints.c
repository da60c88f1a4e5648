/* SPDX-License-Identifier: MIT */
/*
 * Findings about where nodes are called: whether anybody can be reached there at all, whether the
 * tunnel would swallow its own packets, and whether two nodes are looked for in one place.
 *
 * A node's own endpoint is what everybody calls, one of a link only the other end of that link. So
 * two links may well use one private address, each in a network of its own, while two nodes at the
 * same place in the eyes of a third are a fault. Names are judged by their letters: what they
 * resolve to is known at run time only.
 */
#include "base/buf.h"
#include "base/vec.h"
#include "mesh/check_parts.h"
#include "mesh/special.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define EVERYBODY UINT32_MAX

/* An endpoint of a node, as the caller or everybody uses it. */
struct called {
	const struct mesh_node *node;
	unsigned caller; /* EVERYBODY: the node's own */
	const struct mesh_endpoint *endpoint;
	ip_addr addr;	   /* family 0: a name */
	const char *zone;  /* of addr; NULL: none */
	const char *place; /* the same text for whatever leads to the same place */
};

typedef VEC(struct called) called_list;

/* "198.51.100.7:51820 of pc1", and whom it is for. */
static const char *text_of(struct check *c, const struct called *e)
{
	bool in6 = e->addr.family == AF_INET6;
	const char *text = check_text(c, "%s%s%s of %s", in6 ? "[" : "", e->endpoint->host,
		in6 ? "]" : "", e->node->name);

	if (e->caller == EVERYBODY)
		return text;
	return check_text(c, "%s for %s", text, check_name(c, e->caller));
}

/* --- what no host is reached at --- */

static const char *zone_fault(struct check *c, const char *zone)
{
	size_t n = strlen(zone);

	if (strspn(zone, "0123456789") != n)
		return n < IFNAMSIZ ? NULL
				    : check_text(c,
					      "has the zone %s, longer than the name of any "
					      "interface",
					      zone);
	/* Interfaces are numbered by positive ints, and a leading zero is eight to some. */
	if (zone[0] != '0' && (n < 10 || (n == 10 && strcmp(zone, "2147483647") <= 0)))
		return NULL;
	return check_text(c, "has the zone %s, which can't be the number of an interface", zone);
}

/* What follows "the endpoint ... of x"; NULL: nothing is wrong with it. */
static const char *fault_of(struct check *c, const struct called *e)
{
	bool in6 = e->addr.family == AF_INET6;
	const char *what;

	if (!e->addr.family)
		return special_is_own_name(e->endpoint->host)
			       ? "is whatever machine asks for it, so everybody calls itself"
			       : NULL;
	what = special_address(&e->addr);
	if (what)
		return check_text(c, "is %s: no packet from another node gets there", what);
	if (e->zone && !special_is_link_local(&e->addr))
		return "has a zone, which only a link-local address can have";
	if (e->zone)
		return zone_fault(c, e->zone);
	if (special_is_link_local(&e->addr))
		return in6 ? "is a link-local address without a zone: nobody knows on which "
			     "interface to look for it"
			   : "is a link-local address, which means something on one link only";
	return NULL;
}

static void report_impossible(struct check *c, const struct called *e, const char *fault)
{
	unsigned nodes[] = {e->node->index, e->caller};
	char text[IP_ADDR_STRLEN];
	ip_prefix host = {0};
	ip_addr v4;

	if (e->addr.family)
		host = ip_prefix_host(&e->addr);
	check_add(c,
		&(struct mesh_finding){
			.code = "impossible-endpoint",
			.severity = MESH_ERROR,
			.contained = true,
			.nodes = nodes,
			.n_nodes = e->caller == EVERYBODY ? 1 : 2,
			.prefixes = &host,
			.n_prefixes = e->addr.family ? 1 : 0,
			.pos = e->endpoint->pos,
			.effect = check_text(c, "The endpoint %s %s.", text_of(c, e), fault),
			.fix = special_mapped_ipv4(&e->addr, &v4)
				       ? check_text(c, "Write it as %s.", ip_addr_format(&v4, text))
				       : check_text(c,
						 "State where other nodes reach %s, or "
						 "nothing if it has to call them.",
						 e->node->name),
		});
}

/* --- endpoints inside what the tunnels carry --- */

static void report_inside(
	struct check *c, const struct called *e, const ip_prefix *p, const node_list *carriers)
{
	const char *where = carriers->n ? check_text(c, "%s, which %s carr%s", check_prefix(c, p),
						  check_names(c, carriers->items, carriers->n),
						  carriers->n == 1 ? "ies" : "y")
					: check_text(c, "the overlay %s", check_prefix(c, p));
	node_list nodes = {0};

	vec_push(&nodes, e->node->index);
	if (e->caller != EVERYBODY)
		vec_push(&nodes, e->caller);
	for (size_t i = 0; i < carriers->n; i++)
		if (carriers->items[i] != e->node->index && carriers->items[i] != e->caller)
			vec_push(&nodes, carriers->items[i]);
	check_add(c, &(struct mesh_finding){
			     .code = "endpoint-inside-network",
			     .severity = MESH_ERROR,
			     .nodes = nodes.items,
			     .n_nodes = nodes.n,
			     .prefixes = p,
			     .n_prefixes = 1,
			     .pos = e->endpoint->pos,
			     .effect = check_text(c,
				     "The endpoint %s lies in %s: nodes route it into the tunnel, "
				     "which would have to carry its own packets and never comes "
				     "up.",
				     text_of(c, e), where),
			     .fix = check_text(c,
				     "Give %s an endpoint outside of %s, or carry smaller parts of "
				     "the prefix that leave the endpoint out; what nodes of one "
				     "network call each other there is said under links.",
				     e->node->name, check_prefix(c, p)),
		     });
	vec_done(&nodes);
}

/* A network of either end is where the two meet: the one that carries it has it at hand, and so has
 * the other, or it couldn't call there. */
static bool meet_inside(const struct called *e, const node_list *carriers)
{
	for (size_t i = 0; i < carriers->n && e->caller != EVERYBODY; i++)
		if (carriers->items[i] == e->caller || carriers->items[i] == e->node->index)
			return true;
	return false;
}

static void check_inside(struct check *c, const struct called *e)
{
	ip_prefix p;
	const struct carried *found = trie_lookup(c->networks, &e->addr, &p);
	node_list carriers = {0};

	if (found && ip_prefix_is_default(&p))
		found = NULL;
	if (found) {
		size_t first = (size_t)(found - c->carried), end = check_same_prefix(c, first);

		for (size_t i = first; i < end; i++)
			vec_push(&carriers, c->carried[i].node);
		if (!meet_inside(e, &carriers))
			report_inside(c, e, &p, &carriers);
	} else if (trie_lookup(c->overlays, &e->addr, &p)) {
		report_inside(c, e, &p, &carriers);
	}
	vec_done(&carriers);
}

/* --- two nodes in one place --- */

static void report_shared(struct check *c, const struct called *last, const unsigned *nodes,
	size_t n, const char *callers)
{
	ip_prefix host = {0};

	if (last->addr.family)
		host = ip_prefix_host(&last->addr);
	check_add(c, &(struct mesh_finding){
			     .code = "duplicate-endpoint",
			     .severity = MESH_ERROR,
			     .contained = true,
			     .nodes = nodes,
			     .n_nodes = n,
			     .prefixes = &host,
			     .n_prefixes = last->addr.family ? 1 : 0,
			     .pos = last->endpoint->pos,
			     .effect = check_text(c,
				     "%s have the same endpoint %s%s: one of them at most answers "
				     "there, and the handshakes that are meant for the others "
				     "fail.",
				     check_names(c, nodes, n), last->place, callers),
			     .fix = check_text(c,
				     "Behind one address each needs a port of its own; give %s "
				     "another, or no endpoint if it has to call others.",
				     last->node->name),
		     });
}

/* The nodes whose own endpoints are places [from, to). */
static void check_own(struct check *c, const called_list *l, size_t from, size_t to)
{
	node_list nodes = {0};
	const struct called *last = NULL;

	for (size_t i = from; i < to; i++)
		if (l->items[i].caller == EVERYBODY) {
			last = &l->items[i];
			vec_push(&nodes, last->node->index);
		}
	if (nodes.n > 1)
		report_shared(c, last, nodes.items, nodes.n, "");
	vec_done(&nodes);
}

/* True if the caller of x calls y there too, or is y itself. The two ends of one link meet in one
 * network. */
static bool collide(const struct check *c, const struct called *x, const struct called *y)
{
	if (y->node == x->node)
		return false;
	if (y->caller != EVERYBODY)
		return y->caller == x->caller ||
		       (y->node->index == x->caller && y->caller == x->node->index);
	if (y->node->index == x->caller)
		return true;
	return mesh_linked(c->t, x->caller, y->node->index) &&
	       mesh_endpoint_of(c->t, x->caller, y->node->index) == &y->node->endpoint;
}

/* The endpoint of a link at place i, against all that leads to the same place. */
static void check_of_link(struct check *c, const called_list *l, size_t i, size_t from, size_t to)
{
	const struct called *x = &l->items[i];

	for (size_t k = from; k < to; k++) {
		const struct called *y = &l->items[k];
		unsigned nodes[] = {y->node->index, x->node->index};

		/* Two of links are told at the later one. */
		if ((y->caller != EVERYBODY && k >= i) || !collide(c, x, y))
			continue;
		report_shared(c, x, nodes, 2, check_text(c, " for %s", check_name(c, x->caller)));
		return;
	}
}

static int place_cmp(const void *a, const void *b)
{
	const struct called *x = a, *y = b;
	int d = strcmp(x->place, y->place);

	if (d)
		return d;
	if (x->caller != y->caller && (x->caller == EVERYBODY || y->caller == EVERYBODY))
		return x->caller == EVERYBODY ? -1 : 1;
	if (x->endpoint->pos.line != y->endpoint->pos.line)
		return x->endpoint->pos.line < y->endpoint->pos.line ? -1 : 1;
	return (x->endpoint->pos.column > y->endpoint->pos.column) -
	       (x->endpoint->pos.column < y->endpoint->pos.column);
}

static void check_places(struct check *c, called_list *l)
{
	if (l->n)
		qsort(l->items, l->n, sizeof(*l->items), place_cmp);
	for (size_t i = 0, end; i < l->n; i = end) {
		for (end = i + 1; end < l->n && !strcmp(l->items[end].place, l->items[i].place);)
			end++;
		check_own(c, l, i, end);
		for (size_t k = i; k < end; k++)
			if (l->items[k].caller != EVERYBODY)
				check_of_link(c, l, k, i, end);
	}
}

/* --- all of them --- */

/* One spelling for all that leads to the same place. */
static const char *place_of(struct check *c, const struct called *e)
{
	char text[IP_ADDR_STRLEN];
	ip_addr a = e->addr;
	size_t n = strlen(e->endpoint->host);
	char *place;

	special_mapped_ipv4(&e->addr, &a);
	if (a.family == AF_INET)
		return check_text(c, "%s:%u", ip_addr_format(&a, text), e->endpoint->port);
	if (a.family)
		return check_text(c, "[%s%s%s]:%u", ip_addr_format(&a, text), e->zone ? "%" : "",
			e->zone ? e->zone : "", e->endpoint->port);
	if (n && e->endpoint->host[n - 1] == '.')
		n--;
	place = arena_printf(
		&c->out->arena, "%.*s:%u", (int)n, e->endpoint->host, e->endpoint->port);
	for (char *s = place; *s; s++)
		*s = (char)tolower((unsigned char)*s);
	return place;
}

static void add_called(struct check *c, called_list *l, const struct mesh_node *node,
	unsigned caller, const struct mesh_endpoint *endpoint)
{
	struct called e = {.node = node, .caller = caller, .endpoint = endpoint};
	char address[IP_ADDR_STRLEN];
	size_t n;

	if (!endpoint->host)
		return;
	e.zone = strchr(endpoint->host, '%');
	n = e.zone ? (size_t)(e.zone - endpoint->host) : strlen(endpoint->host);
	if (n < sizeof(address)) {
		memcpy(address, endpoint->host, n);
		address[n] = '\0';
		ip_addr_parse(&e.addr, address);
	}
	e.zone = e.zone && e.addr.family ? e.zone + 1 : NULL;
	e.place = place_of(c, &e);
	vec_push(l, e);
}

static void collect(struct check *c, called_list *ret)
{
	const struct mesh_inventory *inv = c->inv;

	for (size_t i = 0; i < inv->n_nodes; i++)
		add_called(c, ret, &inv->nodes[i], EVERYBODY, &inv->nodes[i].endpoint);
	for (size_t i = 0; i < inv->n_links; i++) {
		const struct mesh_link *link = &inv->links[i];

		add_called(c, ret, &inv->nodes[link->a], link->b, &link->endpoints[0]);
		add_called(c, ret, &inv->nodes[link->b], link->a, &link->endpoints[1]);
	}
}

/* What is impossible for another reason isn't counted as shared too; a mapped IPv4 address is a
 * place like others, written oddly. Where parts of the file couldn't be read, a port or the network
 * that two nodes meet in may be among them. */
void check_endpoints(struct check *c)
{
	called_list all = {0};
	size_t kept = 0;

	collect(c, &all);
	for (size_t i = 0; i < all.n; i++) {
		const struct called *e = &all.items[i];
		const char *fault = fault_of(c, e);
		ip_addr v4;

		if (fault)
			report_impossible(c, e, fault);
		else if (e->addr.family && !(c->partial && e->caller != EVERYBODY))
			check_inside(c, e);
		if (!fault || special_mapped_ipv4(&e->addr, &v4))
			all.items[kept++] = *e;
	}
	all.n = kept;
	if (!c->partial)
		check_places(c, &all);
	vec_done(&all);
}

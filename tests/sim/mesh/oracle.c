/* SPDX-License-Identifier: MIT */
/* Whether what must arrive does, once things are quiet, and by whom the rules say. */
#include "rules.h"

#include "mesh_paths.h"
#include "routing_engine.h"

/* NULL: it is as the rules say. */
static const char *unsettled(const struct world *w, unsigned n, unsigned *ret_peer)
{
	*ret_peer = n;
	if (!w->nodes[n].daemon)
		return "has no daemon";
	if (node_is_holding(&w->nodes[n]))
		return "holds";
	if (!node_knows_routes(w, n))
		return "doesn't know the kernel's routes";
	for (unsigned p = 0; p < w->n_nodes; p++) {
		if (p == n || !rules_are_peers(w, n, p))
			continue;
		*ret_peer = p;
		if (node_verdict(&w->nodes[n], p) != rules_verdict(w, n, p))
			return "takes for what he isn't";
		if (node_finds_poor(&w->nodes[n], p))
			return "finds poor the line to";
	}
	if (w->nodes[n].daemon && w->nodes[n].drain.drained && w->nodes[n].drain.has_end) {
		*ret_peer = n;
		return "is drained for a while";
	}
	return NULL;
}

bool oracle_is_settled(const struct world *w)
{
	unsigned peer;

	for (unsigned n = 0; n < w->n_nodes; n++)
		if (w->nodes[n].is_on && !node_is_client(w, n) && unsettled(w, n, &peer))
			return false;
	return true;
}

void oracle_say_unsettled(struct world *w)
{
	unsigned peer;

	for (unsigned n = 0; n < w->n_nodes; n++) {
		const char *what =
			w->nodes[n].is_on && !node_is_client(w, n) ? unsettled(w, n, &peer) : NULL;

		if (what)
			world_say(w, "%s %s %s", world_name(w, n), what,
				peer == n ? "" : world_name(w, peer));
	}
}

/* A packet on its way. */
struct packet {
	unsigned from, at;
	const ip_prefix *to;
	bool from_relay;
	unsigned hops;
};

static bool must_go_on(const struct world *w, struct packet x);

static bool must_pass(const struct world *w, struct packet x, unsigned next)
{
	enum model_verdict v;

	if (next == x.from || !rules_is_in_service(w, next) || !world_line_is_up(w, x.at, next))
		return false;
	v = rules_accept(w, next, x.from, x.to->family, x.at);
	if (v < MODEL_ACCEPT)
		return false;
	if (world_carries(w, next, x.to))
		return true;
	x.at = next;
	x.from_relay = v == MODEL_ACCEPT_RELAY;
	x.hops++;
	return must_go_on(w, x);
}

static bool must_go_on(const struct world *w, struct packet x)
{
	struct choice c = rules_choose(w, x.at, x.to);
	bool must = c.hops && x.hops <= w->n_nodes && !(x.from_relay && c.is_relayed);

	for (unsigned next = 0; next < w->n_nodes && must; next++)
		must = !(c.hops >> next & 1) || must_pass(w, x, next);
	return must;
}

bool oracle_must_arrive(const struct world *w, unsigned from, const ip_prefix *to)
{
	return must_go_on(w, (struct packet){.from = from, .at = from, .to = to});
}

bool oracle_is_whole(const struct world *w)
{
	for (unsigned a = 0; a < w->n_nodes; a++)
		for (unsigned b = 0; b < w->n_nodes; b++)
			if (w->cut[a][b] && rules_are_peers(w, a, b))
				return false;
	return true;
}

bool oracle_has_same_lines(const struct world *w)
{
	bool same = true;

	for (unsigned i = 1; i < WORLD_EDITIONS; i++)
		for (unsigned a = 0; a < w->n_nodes; a++)
			for (unsigned b = 0; b < a; b++)
				same &= naive_tunnel(&w->builds[i].inv, NAIVE_NONE, a, b) ==
					naive_tunnel(&w->builds[0].inv, NAIVE_NONE, a, b);
	return same;
}

static bool is_alive(const struct world *w, unsigned a, unsigned b)
{
	return rules_are_peers(w, a, b) && rules_is_in_service(w, a) && rules_is_in_service(w, b) &&
	       world_line_is_up(w, a, b);
}

/* Known: between routing engines hubs pass on what they learned from sites, and so no networks of
 * other hubs. */
static bool is_direct_only(const struct world *w, unsigned a, unsigned b)
{
	return routing_is_on(w, a) && routing_is_on(w, b) &&
	       (w->inv->nodes[a].role == MESH_HUB || w->inv->nodes[b].role == MESH_HUB);
}

/* By a line that carries, or a hub that has one with both. */
static bool has_path(const struct world *w, unsigned from, unsigned to)
{
	if (is_alive(w, from, to) && routing_may_say(w, from, to))
		return true;
	if (is_direct_only(w, from, to))
		return false;
	for (unsigned h = 0; h < w->n_nodes; h++)
		if (w->inv->nodes[h].role == MESH_HUB && h != from && h != to &&
			is_alive(w, h, from) && is_alive(w, h, to))
			return true;
	return false;
}

static bool complain(
	struct world *w, unsigned from, const ip_prefix *to, const char *what, unsigned at)
{
	char text[IP_PREFIX_STRLEN];

	world_say(w, "from %s to %s: %s at %s", world_name(w, from), ip_prefix_format(to, text),
		what, world_name(w, at));
	return false;
}

/* Names for the trace. */
static void say_hops(struct world *w, const char *what, uint32_t hops)
{
	AUTO_BUF names = {0};

	for (unsigned i = 0; i < w->n_nodes; i++)
		if (hops >> i & 1)
			buf_printf(&names, " %s", world_name(w, i));
	world_say(w, "%s:%s", what, hops ? buf_str(&names) : " nobody");
}

/* The device finds the next one by itself, within what the rules leave open. */
static bool is_as_chosen(const struct world *w, unsigned n, const struct choice *c, uint32_t hops)
{
	if (!node_has_many(w, n) || !c->hops || (!c->is_last_resort && !c->is_open))
		return hops == c->hops;
	return hops && !(hops & ~c->hops);
}

/* Each flow is somebody's by chance; of how many is its weight's share. */
static bool are_shared_by_weight(
	const struct world *w, unsigned n, const struct choice *c, const ip_addr *to)
{
	struct model_hops hops;
	unsigned is = 0, shall = 0;
	bool good = true;

	model_send(w->nodes[n].model, to, NULL, &hops);
	for (unsigned i = 0; i < hops.n; i++) {
		is += hops.items[i].weight;
		shall += c->weight[node_of_key(w, &hops.items[i].peer->key)];
	}
	for (unsigned i = 0; i < hops.n; i++)
		good &= hops.items[i].weight * shall ==
			c->weight[node_of_key(w, &hops.items[i].peer->key)] * is;
	return good;
}

static bool all_carry(const struct world *w, uint32_t nodes, const ip_prefix *p)
{
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (nodes >> i & 1 && !world_carries(w, i, p))
			return false;
	return true;
}

static bool check_flow(struct world *w, unsigned from, const ip_prefix *to)
{
	ip_addr src = world_sample_of(world_network(w, from, to->family));
	ip_addr dst = world_sample_of(to);
	bool must = oracle_must_arrive(w, from, to);
	struct choice wanted = rules_choose(w, from, to);
	uint32_t hops = node_hops(w, from, &dst);
	struct path path;

	path_follow(w, from, &src, &dst, &path);
	if (!is_as_chosen(w, from, &wanted, hops)) {
		say_hops(w, "handed to", hops);
		say_hops(w, "and not to", wanted.hops);
		node_say_why(w, from, to);
		return complain(w, from, to, "handed to another than the rules say", from);
	}
	if (hops && !are_shared_by_weight(w, from, &wanted, &dst))
		return complain(w, from, to, "not shared by weight", from);
	if (path.fate == CIRCLES ||
		(must && (path.fate != ARRIVED || !all_carry(w, path.ends, to)))) {
		path_say(w, &path);
		return complain(w, from, to, fate_name(path.fate), path.at);
	}
	return true;
}

/* A node's own network, which nobody else has. */
static bool check_pair(struct world *w, unsigned from, unsigned to, int family)
{
	const ip_prefix *p = world_network(w, to, family);

	if (!p)
		return true;
	if (has_path(w, from, to) && !routing_withholds(w, from, to) &&
		!oracle_must_arrive(w, from, p))
		return complain(w, from, p, "lost by the rules themselves", from);
	return check_flow(w, from, p);
}

/* What several nodes may carry. */
static bool check_shared(struct world *w, unsigned from, const char *text)
{
	ip_prefix p = mesh_build_prefix(text);
	bool exists = false;

	for (unsigned i = 0; i < w->n_nodes; i++)
		exists |= world_carries(w, i, &p) != NULL;
	return !exists || world_carries(w, from, &p) || check_flow(w, from, &p);
}

static bool check_from(struct world *w, unsigned from, unsigned *ret_n_checked)
{
	bool good = true;

	for (unsigned to = 0; to < w->n_nodes && good; to++)
		if (from != to && w->nodes[to].is_on) {
			good = check_pair(w, from, to, AF_INET) &&
			       check_pair(w, from, to, AF_INET6);
			++*ret_n_checked;
		}
	for (size_t i = 0; i < story_n_shared && good; i++)
		good = check_shared(w, from, story_shared[i]);
	return good;
}

/* Both ends name a line that is dead though both live, if others hear the other end; nobody names
 * one that isn't, unless nobody could tell it from a dead node. */
static bool is_told_right(const struct world *w, unsigned n, unsigned a, unsigned b)
{
	bool says = node_names_line(&w->nodes[n], a, b);
	bool both_live = rules_is_in_service(w, a) && rules_is_in_service(w, b);
	unsigned other = n == a ? b : a;

	if (!rules_are_peers(w, a, b) || is_alive(w, a, b) || !both_live)
		return !says || (rules_are_peers(w, a, b) && !both_live &&
					!rules_is_told_of(w, n, rules_is_in_service(w, a) ? b : a));
	return says || (n != a && n != b) || node_is_client(w, a) || node_is_client(w, b) ||
	       !rules_is_known_alive(w, n, other);
}

static bool check_line(struct world *w, unsigned a, unsigned b)
{
	for (unsigned n = 0; n < w->n_nodes; n++) {
		if (node_is_client(w, n) || is_told_right(w, n, a, b))
			continue;
		world_say(w, "%s %s that the line from %s to %s is dead", world_name(w, n),
			node_names_line(&w->nodes[n], a, b) ? "says" : "doesn't say",
			world_name(w, a), world_name(w, b));
		return false;
	}
	return true;
}

static bool check_told(struct world *w)
{
	bool good = true;

	for (unsigned a = 0; a < w->n_nodes && good; a++) {
		for (unsigned b = 0; b < a && good; b++)
			good = check_line(w, a, b);
		if (good && node_names_inventory(&w->nodes[a])) {
			world_say(w, "%s says that somebody runs another inventory",
				world_name(w, a));
			good = false;
		}
	}
	return good;
}

bool oracle_check(struct world *w, unsigned *ret_n_checked)
{
	bool good = check_told(w);

	/* Known: two ends that both drain go on believing each other that their line is poor. */
	for (unsigned n = 0; n < w->n_nodes; n++)
		if (node_says_poor(&w->nodes[n]))
			return good;

	for (unsigned from = 0; from < w->n_nodes && good; from++)
		if (w->nodes[from].is_on)
			good = check_from(w, from, ret_n_checked);
	return good;
}

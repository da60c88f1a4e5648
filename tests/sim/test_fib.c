/* SPDX-License-Identifier: MIT */
/*
 * Random small meshes, packet by packet. Every node's FIB comes from its view by way of the RIB,
 * with everything up and after every single loss of a node; clients keep what they were given with
 * everything up. With everything up the same is tried with what the rendered files say. A packet
 * goes from node to node as the kernel and WireGuard would take it: the longest route decides
 * between here and the device, the longest allowed IP names the peer, and the peer drops it unless
 * its longest allowed IP for the source names the sender.
 *
 * What must come out is said by a reference written from the prose alone: whether there is a path
 * at all. Where there is one, a request from every node to every prefix must arrive at a living
 * origin of that prefix, and the answer must come back. What doesn't was announced: by a finding
 * asymmetric-path with that prefix and that loss. No packet may circle, whatever it is for.
 *
 * Nobody takes a packet from the device whose source is behind himself. For his own addresses the
 * kernel sees to that (martian sources), for his networks it takes a rule. Without one, a packet of
 * a hub for a dead site goes to and fro between two hubs until its TTL ends, if one of them carries
 * a cover of the other's networks; with it nothing can circle, since of one source a node takes
 * packets from one peer only.
 */
#include "base/buf.h"
#include "base/trie.h"
#include "daemon/candidates.h"
#include "mesh/check.h"
#include "mesh/render.h"
#include "mesh/view.h"
#include "mesh_paths.h"
#include "mesh_random.h"
#include "route/rib.h"
#include "unit.h"

#define ROUNDS 300
#define NOBODY NAIVE_NONE

/* Values of the tries: a node's index plus one, so that none is NULL. */
static void *to_value(unsigned node)
{
	return (void *)(uintptr_t)(node + 1);
}

static unsigned from_value(void *value)
{
	return (unsigned)((uintptr_t)value - 1);
}

struct fib {
	struct trie
		*routes; /* the kernel's: the node itself for what is its own, else NOBODY - 1 */
	struct trie *owners; /* WireGuard's allowed IPs */
};

#define DEVICE (NOBODY - 1)

struct world {
	struct mesh_build build;
	const struct mesh_inventory *inv;
	struct mesh_topology_index *topology;
	struct mesh_findings findings;
	bool *witnessed;		/* per finding: a flow suffers as it says */
	size_t n_musts;			/* flows that had to work */
	struct mesh_renderer *renderer; /* the FIBs are those of the rendered files */
	struct fib *fibs;
	unsigned lost; /* NOBODY: everything is up */
};

/* --- the FIBs --- */

static int add_answer(const struct rib_answer *a, void *data)
{
	struct fib *fib = data;

	if (a->route)
		*trie_slot(fib->routes, &a->prefix) = to_value(DEVICE);
	if (a->owners.n)
		*trie_slot(fib->owners, &a->prefix) = to_value(a->owners.peer[0]);
	return 0;
}

static void push_reach(
	struct candidate_events *events, unsigned peer, unsigned client, enum rib_reach reach)
{
	struct rib_event e = {.type = RIB_EVENT_REACH, .u.reach = {peer, client, reach}};

	vec_push(&events->events, e);
}

/* A client is at the first of its servers, or nowhere, and these say so to each other and to all.
 */
static void place_clients(
	const struct world *w, unsigned node, unsigned lost, struct candidate_events *events)
{
	for (unsigned client = 0; client < w->inv->n_nodes; client++) {
		AUTO_FREE unsigned *servers = NULL;
		size_t n = mesh_servers_of(w->topology, client, &servers);

		for (size_t i = 0; n > 1 && i < n; i++)
			push_reach(events, servers[i] == node ? client : servers[i], client,
				i || servers[0] == lost ? RIB_REACH_LOST
				: servers[i] == node	? RIB_REACH_UNKNOWN
							: RIB_REACH_HAS);
	}
}

static struct rib *rib_of(const struct world *w, unsigned node, unsigned lost)
{
	struct rib *rib = rib_new(1, NULL, NULL);
	struct rib_diff diff = {0};
	struct mesh_view view;
	struct candidate_events events;

	mesh_view_build(w->topology, node, &view);
	candidate_events_of_view(&view, NULL, &events);
	for (size_t i = 0; i < view.n_peers; i++) {
		unsigned peer = view.peers[i].node;
		struct rib_event e = {.type = RIB_EVENT_PEER};

		/* Nobody probes another hub's client. */
		e.u.peer.id = peer;
		e.u.peer.state = peer == lost && view.peers[i].remote.family ? RIB_DOWN : RIB_UP;
		vec_push(&events.events, e);
	}
	place_clients(w, node, lost, &events);
	rib_step(rib, events.events.items, events.events.n, &diff);
	rib_diff_done(&diff);
	candidate_events_done(&events);
	mesh_view_done(&view);
	return rib;
}

/* What wg-quick makes of the node's rendered file. */
static void read_rendered(const struct world *w, unsigned node, struct fib *ret)
{
	AUTO_BUF text = {0};
	unsigned peer = NOBODY;
	char *rest = NULL;

	mesh_render_node(w->renderer, node, &text);
	buf_putc(&text, '\n');
	for (char *word = strtok_r(text.data, " ,=\n", &rest); word;
		word = strtok_r(NULL, " ,=\n", &rest)) {
		ip_prefix p;
		wg_key key;
		char padded[WG_KEY_BASE64_LEN];

		/* The separator took the key's padding. */
		snprintf(padded, sizeof(padded), "%.43s=", word);
		if (strlen(word) == 43 && wg_key_from_base64(&key, padded))
			memcpy(&peer, key.bytes, sizeof(peer));
		if (peer == NOBODY || !strchr(word, '/') || !ip_prefix_parse(&p, word))
			continue;
		assert_null(trie_get(ret->owners, &p));
		*trie_slot(ret->routes, &p) = to_value(DEVICE);
		*trie_slot(ret->owners, &p) = to_value(peer);
	}
}

static void read_rib(const struct world *w, unsigned node, struct fib *ret)
{
	bool chooses = w->inv->nodes[node].role != MESH_CLIENT;
	struct rib *rib = rib_of(w, node, chooses ? w->lost : NOBODY);

	rib_walk(rib, add_answer, ret);
	rib_free(rib);
}

static void make_fib(const struct world *w, unsigned node, struct fib *ret)
{
	const struct mesh_node *n = &w->inv->nodes[node];

	ret->routes = trie_new();
	ret->owners = trie_new();
	if (w->renderer)
		read_rendered(w, node, ret);
	else
		read_rib(w, node, ret);
	for (size_t i = 0; i < n->n_networks; i++)
		*trie_slot(ret->routes, &n->networks[i].prefix) = to_value(node);
	for (size_t i = 0; i < n->n_addresses; i++) {
		ip_prefix p = ip_prefix_host(&n->addresses[i].addr);

		*trie_slot(ret->routes, &p) = to_value(node);
	}
}

static void make_fibs(struct world *w)
{
	w->fibs = mem_zalloc(w->inv->n_nodes, sizeof(*w->fibs));
	for (unsigned i = 0; i < w->inv->n_nodes; i++)
		make_fib(w, i, &w->fibs[i]);
}

static void drop_fibs(struct world *w)
{
	for (unsigned i = 0; i < w->inv->n_nodes; i++) {
		trie_free(w->fibs[i].routes);
		trie_free(w->fibs[i].owners);
	}
	free(w->fibs);
}

/* --- packets --- */

static unsigned look_up(const struct trie *t, const ip_addr *a)
{
	void *value = trie_lookup(t, a, NULL);

	return value ? from_value(value) : NOBODY;
}

enum fate { ARRIVED, NO_ROUTE, PEER_LOST, WRONG_SOURCE, OWN_SOURCE, CIRCLES };

static const char *const fate_names[] = {"arrived", "no route", "next hop lost",
	"dropped by the source check", "dropped by its own origin", "circles"};

/* Sends one packet; *at is where it ended. */
static enum fate send_packet(
	const struct world *w, unsigned from, const ip_addr *src, const ip_addr *dst, unsigned *at)
{
	*at = from;
	for (unsigned hops = 0; hops <= 2 * w->inv->n_nodes; hops++) {
		const struct fib *fib = &w->fibs[*at];
		unsigned next, route = look_up(fib->routes, dst);

		if (route == *at)
			return ARRIVED;
		next = route == DEVICE ? look_up(fib->owners, dst) : NOBODY;
		if (next == NOBODY)
			return NO_ROUTE;
		if (next == w->lost)
			return PEER_LOST;
		if (look_up(w->fibs[next].routes, src) == next)
			return OWN_SOURCE;
		if (look_up(w->fibs[next].owners, src) != *at)
			return WRONG_SOURCE;
		*at = next;
	}
	return CIRCLES;
}

static const struct mesh_node *node_at(const struct world *w, unsigned i)
{
	return &w->inv->nodes[i];
}

/* --- who talks to whom --- */

static bool carries(const struct world *w, unsigned node, const ip_prefix *p)
{
	const struct mesh_node *n = node_at(w, node);

	for (size_t i = 0; i < n->n_networks; i++)
		if (ip_prefix_eq(&n->networks[i].prefix, p))
			return true;
	for (size_t i = 0; i < n->n_addresses; i++) {
		ip_prefix host = ip_prefix_host(&n->addresses[i].addr);

		if (ip_prefix_eq(&host, p))
			return true;
	}
	return false;
}

/* An address of the prefix that no longer prefix of this mesh holds. */
static ip_addr sample(const ip_prefix *p)
{
	ip_addr a = ip_prefix_addr(p);

	if (p->len < 32)
		a.bytes[3] = 77;
	if (p->len < 24)
		a.bytes[2] = 200;
	if (p->len < 8)
		a.bytes[0] = 8;
	return a;
}

static void print_mesh(const struct world *w)
{
	char text[IP_PREFIX_STRLEN];

	print_message("%s, lost: %s\n", mesh_topology_name(w->inv->topology),
		w->lost == NOBODY ? "none" : node_at(w, w->lost)->name);
	for (unsigned i = 0; i < w->inv->n_nodes; i++) {
		const struct mesh_node *n = node_at(w, i);

		print_message("  %s metric %d:", n->name, (int)n->metric);
		for (size_t k = 0; k < n->n_networks; k++)
			print_message(" %s@%d", ip_prefix_format(&n->networks[k].prefix, text),
				(int)n->networks[k].metric);
		print_message("\n");
	}
	for (size_t i = 0; i < w->inv->n_links; i++)
		print_message("  link %s %s\n", node_at(w, w->inv->links[i].a)->name,
			node_at(w, w->inv->links[i].b)->name);
}

static void fail_flow(const struct world *w, const char *what, unsigned from, const ip_prefix *to,
	enum fate fate, unsigned at)
{
	char text[IP_PREFIX_STRLEN];

	print_mesh(w);
	fail_msg("%s from %s with %s: %s at %s", what, node_at(w, from)->name,
		ip_prefix_format(to, text), fate_names[fate], node_at(w, at)->name);
}

static bool is_shared(const struct world *w, const ip_prefix *p)
{
	unsigned n = 0;

	for (unsigned i = 0; i < w->inv->n_nodes; i++)
		n += carries(w, i, p);
	return n > 1;
}

/* True if the finding says that flows with the prefix suffer from this loss. */
static bool announces(const struct world *w, const struct mesh_finding *f, const ip_prefix *p)
{
	const char *when = "With everything up";
	char text[80];

	if (w->lost != NOBODY) {
		snprintf(text, sizeof(text), "When %s is down", node_at(w, w->lost)->name);
		when = text;
	}
	for (size_t i = 0; i < f->n_prefixes; i++)
		if (ip_prefix_eq(&f->prefixes[i], p))
			return !strcmp(f->code, "asymmetric-path") &&
			       !strncmp(f->effect, when, strlen(when));
	return false;
}

static bool is_announced(const struct world *w, const ip_prefix *p)
{
	for (size_t i = 0; i < w->findings.n; i++)
		if (announces(w, &w->findings.items[i], p))
			return true;
	return false;
}

static void bear_witness(struct world *w, unsigned from, const ip_prefix *p)
{
	for (size_t i = 0; i < w->findings.n; i++)
		for (size_t k = 0; k < w->findings.items[i].n_nodes; k++)
			if (w->findings.items[i].nodes[k] == from &&
				announces(w, &w->findings.items[i], p))
				w->witnessed[i] = true;
}

/* A client doesn't choose again: with several origins, what it sends to a peer that is lost stays
 * lost. */
static bool is_stuck(const struct world *w, unsigned from, const ip_prefix *to)
{
	return node_at(w, from)->role == MESH_CLIENT && w->lost != NOBODY && is_shared(w, to) &&
	       (carries(w, w->lost, to) || w->lost == naive_home(w->inv, from));
}

/* Answers whether the flow works both ways; if it must, it does or the test fails. */
static bool try_flow(
	const struct world *w, unsigned from, const ip_addr *src, const ip_prefix *to, bool must)
{
	ip_addr dst = sample(to);
	unsigned at, back;
	enum fate fate = send_packet(w, from, src, &dst, &at);

	if (fate == CIRCLES || (must && (fate != ARRIVED || !carries(w, at, to))))
		fail_flow(w, "request", from, to, fate, at);
	if (fate != ARRIVED)
		return false;
	fate = send_packet(w, at, &dst, src, &back);
	if (fate == CIRCLES || (must && (fate != ARRIVED || back != from)))
		fail_flow(w, "answer", from, to, fate, back);
	return fate == ARRIVED;
}

/* A request from an address of `from` alone to the prefix, and the answer. */
static void check_flow(struct world *w, unsigned from, const ip_addr *src, const ip_prefix *to)
{
	bool has_path = false;
	bool is_named = is_announced(w, to);

	for (unsigned o = 0; o < w->inv->n_nodes; o++)
		has_path |=
			o != w->lost && carries(w, o, to) && naive_path(w->inv, w->lost, from, o);
	if (has_path && !is_named && !is_stuck(w, from, to)) {
		w->n_musts++;
		try_flow(w, from, src, to, true);
	} else if (!try_flow(w, from, src, to, false) && has_path && is_named) {
		bear_witness(w, from, to);
	}
}

static void check_flows_from(struct world *w, unsigned from, const ip_addr *src)
{
	for (unsigned o = 0; o < w->inv->n_nodes; o++) {
		const struct mesh_node *n = node_at(w, o);

		for (size_t i = 0; i < n->n_networks; i++)
			if (!carries(w, from, &n->networks[i].prefix))
				check_flow(w, from, src, &n->networks[i].prefix);
		for (size_t i = 0; i < n->n_addresses && o != from; i++) {
			ip_prefix host = ip_prefix_host(&n->addresses[i].addr);

			check_flow(w, from, src, &host);
		}
	}
}

static void check_all_flows(struct world *w)
{
	for (unsigned from = 0; from < w->inv->n_nodes; from++) {
		const struct mesh_node *n = node_at(w, from);

		if (from == w->lost)
			continue;
		check_flows_from(w, from, &n->addresses[0].addr);
		for (size_t i = 0; i < n->n_networks; i++) {
			ip_addr src = sample(&n->networks[i].prefix);

			if (!is_shared(w, &n->networks[i].prefix))
				check_flows_from(w, from, &src);
		}
	}
}

/* A finding that no flow suffers from is a false alarm. */
static void check_findings(const struct world *w)
{
	for (size_t i = 0; i < w->findings.n; i++) {
		const struct mesh_finding *f = &w->findings.items[i];

		if (strcmp(f->code, "asymmetric-path") != 0 || f->n_prefixes == 0 ||
			w->witnessed[i])
			continue;
		print_mesh(w);
		fail_msg("nothing happens as announced: %s", f->effect);
	}
}

static void check_world(struct world *w, unsigned lost)
{
	w->lost = lost;
	make_fibs(w);
	check_all_flows(w);
	drop_fibs(w);
}

static size_t one_round(struct chance *c)
{
	struct world w = {.lost = NOBODY};

	w.inv = mesh_random(&w.build, c);
	w.topology = mesh_topology_new(w.inv);
	mesh_check(w.topology, &w.findings);
	w.witnessed = mem_zalloc(w.findings.n + 1, sizeof(*w.witnessed));
	for (unsigned i = 0; i < w.inv->n_nodes; i++)
		check_world(&w, i);
	check_world(&w, NOBODY);
	w.renderer = mesh_renderer_new(w.topology);
	check_world(&w, NOBODY);
	mesh_renderer_free(w.renderer);
	check_findings(&w);
	free(w.witnessed);
	mesh_findings_done(&w.findings);
	mesh_topology_free(w.topology);
	mesh_build_done(&w.build);
	return w.n_musts;
}

static void every_path_is_used_both_ways(void **state)
{
	struct chance c = chance_start("fib");
	size_t n = 0;

	for (unsigned i = 0; i < ROUNDS; i++)
		n += one_round(&c);
	print_message("%zu flows both ways\n", n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_path_is_used_both_ways),
	};

	naive_taps = false;
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Findings about links: whether they can come up, and whether both ends fit each other. */
#include "mesh/check_parts.h"

/* See check_nodes.c. */
#define TOGETHER_FROM 20
/* More peers than that aren't listed with the node that doesn't fit them. */
#define PEERS_MAX 8

/* --- links without any endpoint --- */

static void report_no_endpoint(
	struct check *c, struct mesh_pos pos, const unsigned *nodes, size_t n, const char *effect)
{
	check_add(c, &(struct mesh_finding){
			     .code = "no-endpoint",
			     .severity = MESH_ERROR,
			     .nodes = nodes,
			     .n_nodes = n,
			     .pos = pos,
			     .effect = effect,
			     .fix = check_text(c,
				     "State an endpoint for one side at least (%s), or drop the "
				     "link.",
				     check_name(c, nodes[0])),
		     });
}

static bool is_mute(const struct check *c, unsigned node)
{
	return !c->inv->nodes[node].endpoint.host;
}

/* Neither of the two knows where to call the other. */
static bool are_mute(const struct check *c, unsigned a, unsigned b)
{
	return !mesh_endpoint_of(c->t, a, b)->host && !mesh_endpoint_of(c->t, b, a)->host;
}

/* How many of those that have no endpoint of their own node meets by one that a link names. */
static size_t met_by_links(const struct check *c, unsigned node)
{
	const struct mesh_explicit *ends;
	size_t n = mesh_explicit_of(c->t, node, &ends), met = 0;

	for (size_t i = 0; i < n; i++)
		met += is_mute(c, ends[i].peer) && !are_mute(c, node, ends[i].peer);
	return met;
}

static void check_all_pairs(struct check *c)
{
	node_list mute = {0};
	size_t n_mute = 0;

	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		n_mute += is_mute(c, i);
	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		if (is_mute(c, i) && met_by_links(c, i) + 1 < n_mute)
			vec_push(&mute, i);
	if (mute.n > 1)
		report_no_endpoint(c, c->inv->nodes[mute.items[1]].pos, mute.items, mute.n,
			check_text(c,
				"%s have no endpoint, and the full mesh links them: neither side "
				"of these links knows where to send, so they never come up.",
				check_names(c, mute.items, mute.n)));
	vec_done(&mute);
}

static void check_mute_hub(struct check *c, size_t rank)
{
	const unsigned *hubs;
	node_list mute = {0};

	mesh_hubs(c->t, &hubs);
	vec_push(&mute, hubs[rank]);
	for (unsigned i = 0; i < c->inv->n_nodes; i++) {
		bool done = false; /* a pair of hubs is reported at the first */

		for (size_t k = 0; k < rank; k++)
			done |= hubs[k] == i;
		if (!done && mesh_direct(c->t, hubs[rank], i) && are_mute(c, hubs[rank], i))
			vec_push(&mute, i);
	}
	if (mute.n > 1)
		report_no_endpoint(c, c->inv->nodes[hubs[rank]].pos, mute.items, mute.n,
			check_text(c,
				"Hub %s has no endpoint, and neither %s %s: nobody on these links "
				"knows where to send, so they never come up.",
				check_name(c, hubs[rank]), mute.n == 2 ? "has" : "have",
				check_names(c, mute.items + 1, mute.n - 1)));
	vec_done(&mute);
}

static void check_mute_link(struct check *c, const struct mesh_link *l)
{
	const unsigned ends[] = {l->a, l->b};

	if (!are_mute(c, l->a, l->b))
		return;
	if (c->inv->nodes[l->a].role == MESH_HUB || c->inv->nodes[l->b].role == MESH_HUB)
		return; /* linked anyway, and reported at the hub */
	report_no_endpoint(c, l->pos, ends, 2,
		check_text(c,
			"Neither %s nor %s has an endpoint: nobody on this link knows where to "
			"send, so it never comes up.",
			check_name(c, l->a), check_name(c, l->b)));
}

void check_missing_endpoints(struct check *c)
{
	const unsigned *hubs;
	size_t n_hubs = mesh_hubs(c->t, &hubs);

	if (c->inv->topology == MESH_FULL_MESH) {
		check_all_pairs(c);
		return;
	}
	for (size_t i = 0; i < n_hubs; i++)
		if (is_mute(c, hubs[i]))
			check_mute_hub(c, i);
	for (size_t i = 0; i < c->inv->n_links; i++)
		check_mute_link(c, &c->inv->links[i]);
}

/* --- MTU --- */

/* The MTU of most nodes; of two as frequent, the larger. */
static uint16_t usual_mtu(const struct check *c)
{
	AUTO_FREE unsigned *count = mem_zalloc(UINT16_MAX + 1, sizeof(*count));
	uint16_t usual = 0;

	for (size_t i = 0; i < c->inv->n_nodes; i++)
		count[c->inv->nodes[i].mtu]++;
	for (unsigned m = 0; m <= UINT16_MAX; m++)
		if (count[m] >= count[usual])
			usual = (uint16_t)m;
	return usual;
}

/* The direct peers that have another MTU than node. A path that goes through different MTUs has
 * such a link on it. */
static void misfits_of(const struct check *c, unsigned node, node_list *ret)
{
	AUTO_FREE unsigned *peers = NULL;
	size_t n = mesh_peers_of(c->t, node, &peers);

	for (size_t i = 0; i < n; i++)
		if (c->inv->nodes[peers[i]].mtu != c->inv->nodes[node].mtu &&
			mesh_direct(c->t, node, peers[i]))
			vec_push(ret, peers[i]);
}

/* nodes: those that stand out, all with the same MTU; misfits: the peers of the first. */
static void report_mtu(
	struct check *c, const unsigned *nodes, size_t n, uint16_t usual, const node_list *misfits)
{
	const struct mesh_node *first = &c->inv->nodes[nodes[0]];
	node_list named = {0};

	for (size_t i = 0; i < n; i++)
		vec_push(&named, nodes[i]);
	for (size_t i = 0; i < misfits->n && misfits->n <= PEERS_MAX; i++)
		vec_push(&named, misfits->items[i]);
	check_add(c, &(struct mesh_finding){
			     .code = "mtu-mismatch",
			     .severity = MESH_WARNING,
			     .nodes = named.items,
			     .n_nodes = named.n,
			     .pos = first->mtu_pos,
			     .effect = check_text(c,
				     "The MTU of %s is %u, at the other end of the link (%s) it "
				     "is %u: what one end sends whole doesn't fit the other, and "
				     "is fragmented, or lost where ICMP is filtered.",
				     check_names(c, nodes, n), first->mtu,
				     check_names(c, misfits->items, misfits->n),
				     c->inv->nodes[misfits->items[0]].mtu),
			     .fix = check_text(c,
				     "Set one mtu for all, the smallest that some line needs "
				     "(most nodes have %u).",
				     usual),
		     });
	vec_done(&named);
}

static int by_mtu(const void *a, const void *b, void *nodes)
{
	const struct mesh_node *x = (const struct mesh_node *)nodes + *(const unsigned *)a;
	const struct mesh_node *y = (const struct mesh_node *)nodes + *(const unsigned *)b;

	if (x->mtu != y->mtu)
		return x->mtu < y->mtu ? -1 : 1;
	return x->index < y->index ? -1 : 1;
}

/* A run of nodes of one unusual MTU, those whose peers all agree with them left out. */
static void check_mtu_run(struct check *c, unsigned *run, size_t n, uint16_t usual)
{
	node_list misfits = {0}, first_misfits = {0};
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		misfits.n = 0;
		misfits_of(c, run[i], &misfits);
		if (misfits.n && n < TOGETHER_FROM)
			report_mtu(c, &run[i], 1, usual, &misfits);
		if (misfits.n && kept == 0)
			misfits_of(c, run[i], &first_misfits);
		if (misfits.n)
			run[kept++] = run[i];
	}
	if (kept && n >= TOGETHER_FROM)
		report_mtu(c, run, kept, usual, &first_misfits);
	vec_done(&misfits);
	vec_done(&first_misfits);
}

void check_mtus(struct check *c)
{
	uint16_t usual = usual_mtu(c);
	node_list odd = {0};

	for (unsigned i = 0; i < c->inv->n_nodes; i++)
		if (c->inv->nodes[i].mtu != usual)
			vec_push(&odd, i);
	if (odd.n)
		qsort_r(odd.items, odd.n, sizeof(*odd.items), by_mtu,
			(void *)(uintptr_t)c->inv->nodes);
	for (size_t i = 0, end; i < odd.n; i = end) {
		for (end = i + 1; end < odd.n && c->inv->nodes[odd.items[end]].mtu ==
							 c->inv->nodes[odd.items[i]].mtu;
			end++)
			;
		check_mtu_run(c, odd.items + i, end - i, usual);
	}
	vec_done(&odd);
}

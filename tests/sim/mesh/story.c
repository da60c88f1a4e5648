/* SPDX-License-Identifier: MIT */
#include "story.h"

#include "base/mem.h"

enum happening {
	POWER,
	DAEMON,
	DRAIN,
	CUT_BOTH,
	CUT_ONE_WAY,
	LOSS,
	RELOAD,
	EDIT,
	NOTHING,
	N_HAPPENINGS
};

struct incident {
	enum happening what;
	unsigned a, b;
	int64_t pause_ns; /* before the next one */
	bool settles;	  /* everything is mended but what is off or cut, and then judged */
};

struct story {
	uint64_t seed;
	VEC(struct incident) incidents;
};

/* --- the mesh --- */

static const char *text(struct mesh_build *b, const char *kind, unsigned i)
{
	return arena_printf(&b->arena, "%s%u", kind, i);
}

static void add_node(struct mesh_build *b, struct chance *c, enum mesh_role role, const char *name,
	unsigned edition)
{
	unsigned i = (unsigned)b->nodes.n;
	unsigned node = mesh_build_node(b, name, role, text(b, "10.10.0.", i + 1));
	struct mesh_node *n = &b->nodes.items[node];
	unsigned metric = 1 + (chance_below(c, 3) + edition * (i + 1)) % 3;

	n->metric = role == MESH_HUB ? 10 * metric : MESH_METRIC_NONE;
	n->liveness.hold_ns = (int64_t)(1 + chance_below(c, 5)) * NS_PER_S;
	mesh_build_network(b, node, arena_printf(&b->arena, "10.20.%u.0/24", i), MESH_METRIC_NONE);
}

/* Chance is the same for all editions. */
static void make_edition(struct mesh_build *b, struct chance c, unsigned edition)
{
	unsigned hubs = 1 + chance_below(&c, 3), sites = 2 + chance_below(&c, 4);
	bool linked;

	mesh_build_begin(
		b, chance_below(&c, 6) ? MESH_HUB_AND_SPOKE : MESH_FULL_MESH, "10.10.0.0/24");
	for (unsigned i = 0; i < hubs; i++)
		add_node(b, &c, MESH_HUB, text(b, "hub-", i + 1), edition);
	for (unsigned i = 0; i < sites; i++)
		add_node(b, &c, MESH_SPOKE, text(b, "site-", i + 1), edition);
	linked = chance_below(&c, 3) == edition;
	if (linked)
		mesh_build_link(b, hubs, hubs + 1);
	if (chance_below(&c, 2))
		for (unsigned i = 0; i < 2; i++)
			mesh_build_network(b, hubs + i, STORY_ANYCAST,
				10 * ((chance_below(&c, 3) + edition * i) % 3));
	if (chance_below(&c, 3) == 0)
		mesh_build_network(
			b, chance_below(&c, hubs + sites), STORY_COVER, MESH_METRIC_NONE);
	mesh_build_end(b);
}

static void make_mesh(struct world *w, struct chance *c)
{
	for (unsigned i = 0; i < WORLD_EDITIONS; i++)
		make_edition(&w->builds[i], *c, i);
	for (unsigned i = 0; i < 64; i++) /* past what the editions took */
		chance_u64(c);
}

/* --- what happens --- */

static void write_story(struct story *s, unsigned n, struct chance *c, unsigned n_nodes)
{
	for (unsigned i = 0; i < n; i++) {
		struct incident x = {
			.what = (enum happening)chance_below(c, N_HAPPENINGS),
			.a = chance_below(c, n_nodes),
			.b = chance_below(c, n_nodes),
			.settles = chance_below(c, 4) == 0 || i + 1 == n,
		};

		x.pause_ns = (int64_t)chance_below(c, chance_below(c, 3) ? 5000 : 400) * NS_PER_MS;
		vec_push(&s->incidents, x);
	}
}

static void flip_daemon(struct world *w, unsigned n)
{
	if (!w->nodes[n].is_on)
		return;
	if (w->nodes[n].daemon)
		node_kill(w, n);
	else
		node_start(w, n);
}

static void flip_power(struct world *w, unsigned n)
{
	node_power(w, n, !w->nodes[n].is_on);
	if (w->nodes[n].is_on)
		node_start(w, n);
}

static void flip_line(struct world *w, unsigned a, unsigned b, bool both)
{
	bool cut = !w->cut[a][b];

	w->cut[a][b] = cut;
	if (both || !cut)
		w->cut[b][a] = cut;
	world_say(w, "(the line from %s to %s is %s%s)", world_name(w, a), world_name(w, b),
		cut ? "cut" : "mended", both || !cut ? ", and back" : "");
}

static void flip_loss(struct world *w, unsigned a, unsigned b)
{
	w->loss_permille[a][b] = w->loss_permille[a][b] ? 0 : 150;
	world_say(w, "(from %s to %s %u in a thousand are lost)", world_name(w, a),
		world_name(w, b), w->loss_permille[a][b]);
}

static void happen(struct world *w, const struct incident *x)
{
	switch (x->what) {
	case POWER:
		flip_power(w, x->a);
		break;
	case DAEMON:
		flip_daemon(w, x->a);
		break;
	case DRAIN:
		node_drain(w, x->a, !w->nodes[x->a].is_drained);
		break;
	case CUT_BOTH:
	case CUT_ONE_WAY:
		if (x->a != x->b)
			flip_line(w, x->a, x->b, x->what == CUT_BOTH);
		break;
	case RELOAD:
		if (w->nodes[x->a].daemon)
			node_reload(w, x->a);
		break;
	case EDIT:
		world_edit(w);
		break;
	case LOSS:
		if (x->a != x->b)
			flip_loss(w, x->a, x->b);
		break;
	default:
		break;
	}
}

/* --- and is judged --- */

/* Longer than any hold. */
#define SETTLE_MAX_NS (200 * NS_PER_S)

static bool settle(struct world *w)
{
	instant end = instant_add(w->now, SETTLE_MAX_NS);

	for (unsigned i = 0; i < w->n_nodes; i++) {
		if (w->nodes[i].is_on && !w->nodes[i].daemon)
			node_start(w, i);
		else if (w->nodes[i].daemon && w->nodes[i].edition != w->edition)
			node_reload(w, i);
		for (unsigned k = 0; k < w->n_nodes; k++)
			w->loss_permille[i][k] = 0;
	}
	world_say(w, "(nothing more happens)");
	world_run(w, 5 * NS_PER_S);
	while (!oracle_is_settled(w)) {
		if (instant_before(end, w->now)) {
			world_say(w, "it never becomes quiet");
			return false;
		}
		world_run(w, NS_PER_S);
	}
	world_run(w, 10 * WORLD_FIB_NS);
	return true;
}

/* Whatever is known by whom: no packet goes round and round. */
static bool check_no_circles(struct world *w)
{
	for (unsigned from = 0; from < w->n_nodes; from++)
		for (unsigned to = 0; to < w->n_nodes; to++) {
			ip_addr src = ip_prefix_addr(&w->inv->nodes[from].networks[0].prefix);
			ip_addr dst = ip_prefix_addr(&w->inv->nodes[to].networks[0].prefix);
			unsigned at;

			if (from != to && w->nodes[from].is_on &&
				path_try(w, from, &src, &dst, &at) == CIRCLES) {
				world_say(w, "from %s to %s a packet circles", world_name(w, from),
					world_name(w, to));
				return false;
			}
		}
	return true;
}

/* --- what loses nothing ---
 *
 * From a quiet mesh with all its lines, a drain, its end, a daemon that is killed or started, and a
 * node that returns cost no packets between nodes that have been there all along, but for those
 * under way while word of it travels, which takes some lines longer than others.
 */

#define WATCH_NS (8 * NS_PER_S)
#define LOOK_EVERY_NS (5 * NS_PER_MS)
#define WORD_NS (25 * NS_PER_MS) /* the slowest line, and the FIB */

struct flows {
	bool watched[WORLD_NODES][WORLD_NODES];
	int64_t silent_ns[WORLD_NODES][WORLD_NODES];
};

static bool arrives(const struct world *w, unsigned from, unsigned to)
{
	ip_addr src = ip_prefix_addr(&w->inv->nodes[from].networks[0].prefix);
	ip_addr dst = ip_prefix_addr(&w->inv->nodes[to].networks[0].prefix);
	unsigned at;

	return w->nodes[from].is_on && path_try(w, from, &src, &dst, &at) == ARRIVED;
}

static void choose_flows(const struct world *w, struct flows *f)
{
	for (unsigned from = 0; from < w->n_nodes; from++)
		for (unsigned to = 0; to < w->n_nodes; to++)
			f->watched[from][to] = from != to && arrives(w, from, to);
}

static bool look_at_flows(struct world *w, struct flows *f, int64_t limit_ns)
{
	for (unsigned from = 0; from < w->n_nodes; from++)
		for (unsigned to = 0; to < w->n_nodes; to++) {
			if (!f->watched[from][to] || arrives(w, from, to))
				continue;
			f->silent_ns[from][to] += LOOK_EVERY_NS;
			if (f->silent_ns[from][to] > limit_ns) {
				world_say(w, "%s to %s was silent for more than %lld ms",
					world_name(w, from), world_name(w, to),
					(long long)(limit_ns / NS_PER_MS));
				return false;
			}
		}
	return true;
}

static bool any_is_drained(const struct world *w)
{
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (w->nodes[i].is_drained)
			return true;
	return false;
}

/* One that returns holds, and beside one that is drained that makes no difference: docs/liveness.md
 * says so. */
static bool is_harmless(const struct world *w, const struct incident *x)
{
	return x->what == DRAIN || x->what == RELOAD ||
	       (x->what == DAEMON && w->nodes[x->a].is_on) ||
	       (x->what == POWER && !w->nodes[x->a].is_on && !any_is_drained(w));
}

static bool watch(struct world *w, const struct incident *x)
{
	struct flows f = {0};
	bool good = true;
	int64_t limit_ns = x->what == DAEMON || x->what == RELOAD
				   ? 0
				   : WORD_NS; /* a restart is not an event */

	choose_flows(w, &f);
	happen(w, x);
	for (int64_t t = 0; t < WATCH_NS && good; t += LOOK_EVERY_NS) {
		if (t == WATCH_NS / 2 && w->nodes[x->a].is_on && !w->nodes[x->a].daemon)
			node_start(w, x->a);
		good = look_at_flows(w, &f, limit_ns);
		world_run(w, LOOK_EVERY_NS);
	}
	return good;
}

static bool play(const struct story *s, struct story_figures *figures, struct buf *trace)
{
	struct world w = {0};
	struct chance c = {s->seed};
	unsigned flows = 0;
	bool good = true, is_quiet = false;

	make_mesh(&w, &c);
	world_begin(&w, s->seed);
	for (unsigned i = 0; i < w.n_nodes; i++)
		flip_power(&w, i);
	for (size_t i = 0; i < s->incidents.n && good; i++) {
		const struct incident *x = &s->incidents.items[i];

		if (is_quiet && oracle_is_whole(&w) && is_harmless(&w, x))
			good = watch(&w, x);
		else
			happen(&w, x);
		world_run(&w, x->pause_ns);
		good = good && check_no_circles(&w);
		if (good && x->settles)
			good = settle(&w) && oracle_check(&w, &flows);
		is_quiet = x->settles;
	}
	figures->incidents += s->incidents.n;
	figures->packets += w.n_packets;
	figures->flows += flows;
	figures->simulated_ns += instant_diff(w.now, w.start);
	if (trace) {
		trace->n = 0;
		buf_add(trace, w.trace.data, w.trace.n);
	}
	world_end(&w);
	return good;
}

/* Leaves out whatever isn't needed to fail. */
static void shorten(struct story *s, struct buf *trace)
{
	struct story_figures unused = {0};
	bool shorter = true;

	while (shorter) {
		shorter = false;
		for (size_t i = s->incidents.n; i-- > 0;) {
			struct story less = {.seed = s->seed};

			for (size_t k = 0; k < s->incidents.n; k++)
				if (k != i)
					vec_push(&less.incidents, s->incidents.items[k]);
			if (less.incidents.n && !play(&less, &unused, trace)) {
				vec_done(&s->incidents);
				*s = less;
				shorter = true;
			} else {
				vec_done(&less.incidents);
			}
		}
	}
	play(s, &unused, trace);
}

static unsigned nodes_of(uint64_t seed, struct chance *c)
{
	struct world w = {0};
	unsigned n;

	*c = (struct chance){seed};
	make_mesh(&w, c);
	n = (unsigned)w.builds[0].inv.n_nodes;
	for (unsigned i = 0; i < WORLD_EDITIONS; i++)
		mesh_build_done(&w.builds[i]);
	return n;
}

bool story_play(uint64_t seed, unsigned n, struct story_figures *figures, struct buf *trace)
{
	struct story s = {.seed = seed};
	struct chance c;
	unsigned n_nodes = nodes_of(seed, &c);
	bool good;

	write_story(&s, n, &c, n_nodes);
	good = play(&s, figures, NULL);
	if (!good && trace)
		shorten(&s, trace);
	vec_done(&s.incidents);
	return good;
}

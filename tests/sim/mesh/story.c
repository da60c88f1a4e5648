/* SPDX-License-Identifier: MIT */
#include "story.h"

#include "base/mem.h"
#include "story_mesh.h"

enum happening {
	POWER,
	DAEMON,
	DRAIN,
	CUT_BOTH,
	CUT_ONE_WAY,
	LOSS,
	RELOAD,
	EDIT,
	UNPLUG,
	REPLUG,
	KILL_AMID,
	REFUSE,
	FOREIGN,
	STEAL,
	NOTHING,
	N_HAPPENINGS
};

struct incident {
	enum happening what;
	unsigned a, b;
	int64_t pause_ns; /* before the next one */
	unsigned ops;	  /* of KILL_AMID and REFUSE: so many go well before */
	bool settles;	  /* everything is mended but what is off or cut, and then judged */
};

struct story {
	uint64_t seed;
	VEC(struct incident) incidents;
};

/* --- what happens --- */

static void write_story(struct story *s, unsigned n, struct chance *c, unsigned n_nodes)
{
	for (unsigned i = 0; i < n; i++) {
		struct incident x = {
			.what = (enum happening)chance_below(c, N_HAPPENINGS),
			.a = chance_below(c, n_nodes),
			.b = chance_below(c, n_nodes),
			.ops = chance_below(c, 4) ? chance_below(c, 40) : chance_below(c, 6),
			.settles = chance_below(c, 4) == 0 || i + 1 == n,
		};

		x.pause_ns = (int64_t)chance_below(c, chance_below(c, 3) ? 5000 : 400) * NS_PER_MS;
		vec_push(&s->incidents, x);
	}
}

static void flip_daemon(struct world *w, unsigned n)
{
	if (w->nodes[n].daemon)
		node_kill(w, n);
	else
		node_start(w, n);
}

static void flip_power(struct world *w, unsigned n)
{
	node_power(w, n, !w->nodes[n].is_on);
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

/* Its daemon dies before one of the operations that a reload, a start or whatever comes makes. */
static void kill_amid(struct world *w, unsigned n, unsigned ops)
{
	struct world_node *node = &w->nodes[n];

	if (!node->is_on || node_is_client(w, n))
		return;
	world_say(w, "(%s's daemon dies before its operation %u from now on)", world_name(w, n),
		ops + 1);
	node->model->fuse = ops + 1;
	if (node->daemon)
		node_reload(w, n);
	else
		node_start(w, n);
}

static void refuse(struct world *w, unsigned n, unsigned ops)
{
	if (!w->nodes[n].is_on || node_is_client(w, n))
		return;
	world_say(w, "(%s: operation %u from now on is refused)", world_name(w, n), ops + 1);
	w->nodes[n].model->fails = ops + 1;
}

static void happen(struct world *w, const struct incident *x)
{
	switch (x->what) {
	case UNPLUG:
		node_unplug(w, x->a, false);
		break;
	case REPLUG:
		node_unplug(w, x->a, true);
		break;
	case KILL_AMID:
		kill_amid(w, x->a, x->ops);
		break;
	case REFUSE:
		refuse(w, x->a, x->ops);
		break;
	case FOREIGN:
		if (!node_is_client(w, x->a))
			foreign_arrive(w, x->a);
		break;
	case STEAL:
		if (!node_is_client(w, x->a))
			foreign_steal(w, x->a, x->b);
		break;
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
/* Until all that was refused, or taken by others, has been looked at again. */
#define LOOK_AGAIN_NS (11 * NS_PER_S)

/* Nothing stands in its way any more. */
static void mend_node(struct world *w, unsigned n)
{
	struct world_node *node = &w->nodes[n];

	for (unsigned k = 0; k < w->n_nodes; k++)
		w->loss_permille[n][k] = 0;
	if (!node->is_on || node_is_client(w, n))
		return;
	node->model->fuse = node->model->fails = 0;
	if (node->stolen.family)
		foreign_give_back(w, n);
	if (!node->daemon)
		node_start(w, n);
	else if (node->edition != w->edition)
		node_reload(w, n);
}

static bool settle(struct world *w)
{
	instant end = instant_add(w->now, SETTLE_MAX_NS);

	for (unsigned i = 0; i < w->n_nodes; i++)
		mend_node(w, i);
	world_say(w, "(nothing more happens)");
	world_run(w, LOOK_AGAIN_NS);
	while (!w->has_failed && !oracle_is_settled(w)) {
		if (instant_before(end, w->now)) {
			world_fail(w, "it never becomes quiet");
			return false;
		}
		world_run(w, NS_PER_S);
	}
	world_run(w, 10 * WORLD_FIB_NS);
	return !w->has_failed;
}

/* Whatever is known by whom: no packet goes round and round. */
static bool check_no_circles(struct world *w)
{
	static const int families[] = {AF_INET, AF_INET6};

	for (unsigned from = 0; from < w->n_nodes; from++)
		for (unsigned i = 0; i < 2 * w->n_nodes; i++) {
			const ip_prefix *a = world_network(w, from, families[i % 2]);
			const ip_prefix *b = world_network(w, i / 2, families[i % 2]);
			ip_addr src, dst;
			struct path path;

			if (from == i / 2 || !a || !w->nodes[from].is_on)
				continue;
			src = ip_prefix_addr(a);
			dst = ip_prefix_addr(b);
			path_follow(w, from, &src, &dst, &path);
			if (path.fate == CIRCLES)
				world_fail(w, "from %s to %s a packet circles", world_name(w, from),
					world_name(w, i / 2));
		}
	return !w->has_failed;
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
	bool watched[2][WORLD_NODES][WORLD_NODES]; /* by family */
	bool lost[2][WORLD_NODES][WORLD_NODES];	   /* at the last look */
	int64_t silent_ns[2][WORLD_NODES][WORLD_NODES];
	int64_t limit_ns;
	uint64_t seen; /* operations until then, without which nothing changes */
};

typedef void flow_fn(struct world *w, struct flows *f, unsigned k, unsigned from, unsigned to);

static const int families[] = {AF_INET, AF_INET6};

static void each_flow(struct world *w, struct flows *f, flow_fn *fn)
{
	for (unsigned k = 0; k < 2; k++)
		for (unsigned from = 0; from < w->n_nodes; from++)
			for (unsigned to = 0; to < w->n_nodes; to++)
				if (from != to)
					fn(w, f, k, from, to);
}

static void choose_flow(struct world *w, struct flows *f, unsigned k, unsigned from, unsigned to)
{
	f->watched[k][from][to] = path_arrives(w, from, to, families[k]);
}

static void look_at_flow(struct world *w, struct flows *f, unsigned k, unsigned from, unsigned to)
{
	f->lost[k][from][to] = f->watched[k][from][to] && !path_arrives(w, from, to, families[k]);
}

static void count_flow(struct world *w, struct flows *f, unsigned k, unsigned from, unsigned to)
{
	if (!f->lost[k][from][to])
		return;
	f->silent_ns[k][from][to] += LOOK_EVERY_NS;
	if (f->silent_ns[k][from][to] > f->limit_ns)
		world_fail(w, "%s to %s was silent for more than %lld ms", world_name(w, from),
			world_name(w, to), (long long)(f->limit_ns / NS_PER_MS));
}

static void look_at_flows(struct world *w, struct flows *f)
{
	if (f->seen != w->n_ops)
		each_flow(w, f, look_at_flow);
	f->seen = w->n_ops;
	each_flow(w, f, count_flow);
}

/* Between two operations a packet is lost at once, however short the moment. */
static void look_between(struct world *w, void *flows)
{
	look_at_flows(w, flows);
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
	return x->what == DRAIN || x->what == RELOAD || x->what == FOREIGN ||
	       ((x->what == DAEMON || x->what == KILL_AMID) && w->nodes[x->a].is_on) ||
	       (x->what == POWER && !w->nodes[x->a].is_on && !any_is_drained(w));
}

/* A restart is not an event, wherever the daemon died; and a reload is none. */
static bool may_lose_nothing(const struct incident *x)
{
	return x->what == DAEMON || x->what == RELOAD || x->what == KILL_AMID || x->what == FOREIGN;
}

static bool watch(struct world *w, const struct incident *x)
{
	struct flows f = {.limit_ns = may_lose_nothing(x) ? 0 : WORD_NS};

	each_flow(w, &f, choose_flow);
	w->watcher = f.limit_ns ? NULL : look_between;
	w->watcher_data = &f;
	happen(w, x);
	for (int64_t t = 0; t < WATCH_NS && !w->has_failed; t += LOOK_EVERY_NS) {
		if (t == WATCH_NS / 2)
			node_start(w, x->a);
		look_at_flows(w, &f);
		world_run(w, LOOK_EVERY_NS);
	}
	w->watcher = NULL;
	return !w->has_failed;
}

static bool play(const struct story *s, struct story_figures *figures, struct buf *trace)
{
	struct world w = {0};
	struct chance c = {s->seed};
	unsigned flows = 0;
	bool good = true, is_quiet = false;

	story_make_mesh(w.builds, WORLD_EDITIONS, &c);
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
		good = good && !w.has_failed && check_no_circles(&w);
		if (good && x->settles)
			good = settle(&w) && oracle_check(&w, &flows);
		is_quiet = x->settles;
	}
	figures->incidents += s->incidents.n;
	figures->packets += w.n_packets;
	figures->operations += w.n_ops;
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
	story_make_mesh(w.builds, WORLD_EDITIONS, c);
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

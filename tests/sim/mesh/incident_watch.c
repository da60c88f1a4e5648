/* SPDX-License-Identifier: MIT */
#include "incident.h"
#include "routing_engine.h"
#include "rules.h"

/* --- what never circles --- */

static const int families[] = {AF_INET, AF_INET6};

/* Its devices take each source from whoever may have it: no matter whom the other end chose. */
static bool is_all_many(const struct world *w)
{
	for (unsigned i = 0; i < w->n_nodes; i++)
		if (!node_is_client(w, i) && !node_has_many(w, i))
			return false;
	return true;
}

/* Known: a node with one owner a prefix that carries what is around the destination hands on to a
 * hub what that one leaves to the cover, and keeps no mark of it. As long as the hub hears nothing
 * of the source itself, it takes that from the cover's owner, again and again. */
static bool passes_own_cover(const struct world *w, const struct path *path, const ip_prefix *to)
{
	for (unsigned i = 0; i < path->n_trail; i++)
		for (size_t k = 0; k < story_n_shared; k++) {
			ip_prefix wider = mesh_build_prefix(story_shared[k]);

			if (!node_has_many(w, path->trail[i]) && ip_prefix_contains(&wider, to) &&
				world_carries(w, path->trail[i], &wider))
				return true;
		}
	return false;
}

/* Where a device has one owner, what came to another twice is refused there. */
static void check_circles(struct world *w, unsigned from, unsigned to, int family)
{
	const ip_prefix *a = world_network(w, from, family), *b = world_network(w, to, family);
	ip_addr src, dst;
	struct path path;

	if (from == to || !a || !b || !w->nodes[from].is_on)
		return;
	src = ip_prefix_addr(a);
	dst = ip_prefix_addr(b);
	path_follow(w, from, &src, &dst, &path);
	if (path.fate != CIRCLES && !(path.is_twice && is_all_many(w)))
		return;
	if (passes_own_cover(w, &path, b))
		return;
	path_say(w, &path);
	world_fail(w, "from %s to %s a packet %s", world_name(w, from), world_name(w, to),
		path.is_twice ? "comes to the same hub again" : "circles");
}

bool incident_check_circles(struct world *w)
{
	for (unsigned from = 0; from < w->n_nodes; from++)
		for (unsigned to = 0; to < w->n_nodes; to++)
			for (unsigned k = 0; k < 2; k++)
				check_circles(w, from, to, families[k]);
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
/* Detection, the report, and what keeps it from being told twice in a moment. */
#define HEARD_NS (1000 * NS_PER_MS)

struct flows {
	bool watched[2][WORLD_NODES][WORLD_NODES]; /* by family */
	bool lost[2][WORLD_NODES][WORLD_NODES];	   /* at the last look */
	int64_t silent_ns[2][WORLD_NODES][WORLD_NODES];
	int64_t limit_ns;
	bool only_to; /* to: others lose what their own kernel doesn't lead anywhere */
	unsigned to;
	bool only_musts; /* what must arrive as things are, and not what arrived before */
	uint64_t seen;	 /* operations until then, without which nothing changes */
};

typedef void flow_fn(struct world *w, struct flows *f, unsigned k, unsigned from, unsigned to);

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
	f->watched[k][from][to] =
		(!f->only_to || to == f->to) && path_arrives(w, from, to, families[k]);
}

static void look_at_flow(struct world *w, struct flows *f, unsigned k, unsigned from, unsigned to)
{
	const ip_prefix *p = world_network(w, to, families[k]);
	bool counts = f->only_musts ? p && world_network(w, from, families[k]) &&
					      w->nodes[from].is_on && oracle_must_arrive(w, from, p)
				    : f->watched[k][from][to];

	f->lost[k][from][to] = counts && !path_arrives(w, from, to, families[k]);
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
		if (w->nodes[i].drain.drained)
			return true;
	return false;
}

/* One that returns holds, and beside one that is drained that makes no difference: docs/liveness.md
 * says so. */
bool incident_is_harmless(const struct world *w, const struct incident *x)
{
	return x->what == DRAIN || x->what == RELOAD || x->what == FOREIGN ||
	       ((x->what == DAEMON || x->what == KILL_AMID) && w->nodes[x->a].is_on) ||
	       (x->what == POWER && !w->nodes[x->a].is_on && !any_is_drained(w)) ||
	       (x->what == ROLL_OUT && is_all_many(w) && oracle_has_same_lines(w));
}

/* An engine that sweeps leaves its own machine without routes; what comes to it is still taken. A
 * hub passes nothing on meanwhile, and a daemon that wasn't there knows of nothing that was swept.
 */
static bool is_sweep(const struct incident *x)
{
	return x->what == ENGINE_RESTARTS && x->ops % 2 == 0;
}

bool incident_is_kept(const struct world *w, const struct incident *x)
{
	if (x->what == ENGINE_RESTARTS)
		return routing_is_on(w, x->a) && !incident_is_of_all(x) &&
		       !(is_sweep(x) && (w->inv->nodes[x->a].role == MESH_HUB || x->a == x->b));
	return x->what == DRAIN || x->what == RELOAD || x->what == FOREIGN ||
	       ((x->what == DAEMON || x->what == KILL_AMID) && w->nodes[x->a].is_on);
}

/* A restart is not an event, wherever the daemon died; and a reload is none. */
static bool may_lose_nothing(const struct incident *x)
{
	return x->what == DAEMON || x->what == RELOAD || x->what == KILL_AMID ||
	       x->what == FOREIGN || x->what == ROLL_OUT || x->what == ENGINE_RESTARTS;
}

/* Both know it: what else there is can do without that line, or that node. */
bool incident_is_loss(const struct world *w, const struct incident *x)
{
	switch (x->what) {
	case POWER:
		return w->nodes[x->a].is_on && w->nodes[x->a].daemon;
	case CUT_BOTH:
	case CUT_ONE_WAY:
		return !w->cut[x->a][x->b];
	case LOSE_SITE:
		return true;
	default:
		return false;
	}
}

bool incident_is_special(const struct world *w, const struct incident *x)
{
	return (x->what == POOR_LINE && incident_is_line(w, x->a, x->b) && !any_is_drained(w)) ||
	       (x->what == KEEP_OLD && rules_is_in_service(w, x->a) && !node_is_client(w, x->a));
}

static void watch_for(struct world *w, struct flows *f, int64_t ns)
{
	for (int64_t t = 0; t < ns && !w->has_failed; t += LOOK_EVERY_NS) {
		look_at_flows(w, f);
		world_run(w, LOOK_EVERY_NS);
	}
}

static void watch_harmless(struct world *w, const struct incident *x)
{
	/* A drain for a time is a word, and another one that it is over. */
	int64_t words = incident_drain_ns(w, x) ? 2 : 1;
	struct flows f = {.limit_ns = may_lose_nothing(x) ? 0 : words * WORD_NS,
		.only_to = is_sweep(x),
		.to = x->a};

	each_flow(w, &f, choose_flow);
	w->watcher = f.limit_ns ? NULL : look_between;
	w->watcher_data = &f;
	incident_happen(w, x);
	watch_for(w, &f, WATCH_NS / 2);
	node_start(w, x->a);
	watch_for(w, &f, WATCH_NS / 2);
	w->watcher = NULL;
}

/* Until all who lean on it have heard. */
static void watch_loss(struct world *w, const struct incident *x)
{
	struct flows f = {.only_musts = true};

	incident_happen(w, x);
	for (int64_t t = 0; t < HEARD_NS && incident_check_circles(w); t += LOOK_EVERY_NS)
		world_run(w, LOOK_EVERY_NS);
	f.seen = w->n_ops - 1;
	watch_for(w, &f, WATCH_NS);
}

bool incident_watch(struct world *w, const struct incident *x)
{
	if (x->what == POOR_LINE)
		incident_watch_poor(w, x->a, x->b);
	else if (x->what == KEEP_OLD)
		incident_watch_old(w, x->a);
	else if (incident_is_harmless(w, x) || (w->routing && incident_is_kept(w, x)))
		watch_harmless(w, x);
	else
		watch_loss(w, x);
	return !w->has_failed;
}

/* SPDX-License-Identifier: MIT */
#include "story.h"

#include "base/mem.h"
#include "incident.h"
#include "routing_engine.h"
#include "story_mesh.h"

struct story {
	uint64_t seed;
	VEC(struct incident) incidents;
};

/* --- what happens --- */

static void write_story(struct story *s, unsigned n, struct chance *c, unsigned n_nodes)
{
	bool has_many = story_devices_of(s->seed) != STORY_ONE_OWNER;

	for (unsigned i = 0; i < n; i++) {
		struct incident x = {
			.what = (enum happening)chance_below(
				c, has_many ? N_HAPPENINGS : N_OF_ONE_OWNER),
			.a = chance_below(c, n_nodes),
			.b = chance_below(c, n_nodes),
			.ops = chance_below(c, 4) ? chance_below(c, 40) : chance_below(c, 6),
			.settles = chance_below(c, 4) == 0 || i + 1 == n,
		};

		if (story_has_engines(s->seed) && chance_below(c, 3) == 0)
			x.what = (enum happening)(
				N_HAPPENINGS + chance_below(c, N_WITH_ENGINES - N_HAPPENINGS));
		x.pause_ns = (int64_t)chance_below(c, chance_below(c, 3) ? 5000 : 400) * NS_PER_MS;
		vec_push(&s->incidents, x);
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
	routing_start(w, n, false);
	if (node->stolen.family)
		foreign_give_back(w, n);
	if (!node->daemon)
		node_start(w, n);
	else if (node->edition != w->edition)
		node_reload(w, n);
}

/* The last hub's word of it is under way. */
#define WORDS_S 2

static bool settle(struct world *w)
{
	instant end = instant_add(w->now, SETTLE_MAX_NS);

	for (unsigned i = 0; i < w->n_nodes; i++)
		mend_node(w, i);
	world_say(w, "(nothing more happens)");
	world_run(w, LOOK_AGAIN_NS);
	for (unsigned quiet = 0; !w->has_failed && quiet < WORDS_S; quiet++) {
		if (!oracle_is_settled(w) || !routing_is_settled(w))
			quiet = 0;
		if (instant_before(end, w->now)) {
			oracle_say_unsettled(w);
			world_fail(w, "it never becomes quiet");
			return false;
		}
		world_run(w, NS_PER_S);
	}
	world_run(w, 10 * WORLD_FIB_NS);
	return !w->has_failed;
}

static void choose_devices(struct world *w, uint64_t seed)
{
	enum story_devices kind = story_devices_of(seed);
	struct chance c = {seed};

	for (unsigned i = 0; i < w->n_nodes && kind != STORY_ONE_OWNER; i++) {
		bool is_many = kind == STORY_MANY_OWNERS || chance_below(&c, 2);

		w->nodes[i].max_owners = is_many && !node_is_client(w, i) ? MODEL_MAX_OWNERS : 1;
		w->silence_at = w->now;
		world_say(w, "(%s's device has %s)", world_name(w, i),
			w->nodes[i].max_owners > 1 ? "many owners" : "one owner");
	}
}

static bool is_watched(const struct world *w, const struct incident *x, bool has_many)
{
	/* What an engine does meanwhile takes its time. */
	if (w->routing)
		return incident_is_kept(w, x);
	return incident_is_harmless(w, x) ||
	       (has_many && (incident_is_loss(w, x) || incident_is_special(w, x)));
}

static bool play(const struct story *s, struct story_figures *figures, struct buf *trace)
{
	struct world w = {0};
	struct chance c = {s->seed};
	unsigned flows = 0;
	bool good = true, is_quiet = false;
	bool has_many = story_devices_of(s->seed) != STORY_ONE_OWNER;

	story_make_mesh(w.builds, WORLD_EDITIONS, s->seed, &c);
	world_begin(&w, s->seed);
	w.has_reports = true;
	choose_devices(&w, s->seed);
	for (unsigned i = 0; i < w.n_nodes; i++) {
		node_power(&w, i, true);
		node_start(&w, i);
	}
	for (size_t i = 0; i < s->incidents.n && good; i++) {
		const struct incident *x = &s->incidents.items[i];

		if (is_quiet && oracle_is_whole(&w) && is_watched(&w, x, has_many))
			good = incident_watch(&w, x);
		else
			incident_happen(&w, x);
		world_run(&w, x->pause_ns);
		good = good && !w.has_failed && incident_check_circles(&w);
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
	story_make_mesh(w.builds, WORLD_EDITIONS, seed, c);
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

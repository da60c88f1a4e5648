/* SPDX-License-Identifier: MIT */
/*
 * Random weeks of small worlds: lines are cut in one direction or both, lose and delay packets,
 * daemons are killed and started, machines switched off and on, nodes drained, intervals changed.
 * What must hold whatever happens:
 *
 *   truth      a peer isn't counted as up or last resort for longer than a detection time after
 *		the last instant at which a packet could come from it, but for the grace of a start
 *   patience   a peer whose machine, daemon and lines are well for a while, without loss, isn't
 *		down
 *   restarts	one that is up over good lines doesn't go down, whatever daemons do
 *   the word   what a peer that signals says of itself, or of the line, is the verdict on it; no
 *		other hold of ours is on it
 *   an end     when everything is mended, all are up in the end and nobody holds
 *
 * SHUNT_TEST_TRACE=1 prints what happens.
 */
#include "base/mem.h"
#include "live_world.h"

#define MS NS_PER_MS
#define S NS_PER_S
#define ROUNDS 60
#define EVENTS 150

struct round {
	struct world w;
	instant healthy_since[WORLD_NODES][WORLD_NODES];    /* both ways and both machines */
	instant lines_well_since[WORLD_NODES][WORLD_NODES]; /* the same without the daemons */
	instant reachable_at[WORLD_NODES][WORLD_NODES];	    /* to, from: the last time */
	instant started_at[WORLD_NODES];
	bool broken[WORLD_NODES][WORLD_NODES]; /* no session can be had just now */
	instant began_at[WORLD_NODES]
			[WORLD_NODES]; /* when a session between the two last had to begin */
	int64_t slowest_ns;	       /* the slowest interval that was ever asked for */
	unsigned n;
};

static bool is_path(const struct world *w, unsigned from, unsigned to)
{
	return w->nodes[from].is_on && w->nodes[to].is_on && !w->cut[from][to];
}

static bool are_lines_well(const struct world *w, unsigned a, unsigned b)
{
	return is_path(w, a, b) && is_path(w, b, a) && w->loss_permille == 0;
}

static bool is_healthy(const struct world *w, unsigned a, unsigned b)
{
	return are_lines_well(w, a, b) && w->nodes[a].live && w->nodes[b].live;
}

static void note_since(instant *since, bool is, instant now)
{
	if (!is)
		*since = INSTANT_NEVER;
	else if (instant_is_never(*since))
		*since = now;
}

static void note_health(struct round *r)
{
	for (unsigned a = 0; a < r->n; a++)
		for (unsigned b = 0; b < r->n; b++) {
			if (is_path(&r->w, b, a))
				r->reachable_at[a][b] = r->w.now;
			if (!is_path(&r->w, b, a) || !is_path(&r->w, a, b) || !r->w.nodes[a].live ||
				!r->w.nodes[b].live || r->w.loss_permille)
				r->broken[a][b] = true;
			else if (r->broken[a][b]) {
				r->broken[a][b] = false;
				r->began_at[a][b] = r->w.now;
			}
			note_since(
				&r->lines_well_since[a][b], are_lines_well(&r->w, a, b), r->w.now);
			note_since(&r->healthy_since[a][b], is_healthy(&r->w, a, b), r->w.now);
		}
}

/* The longest that silence may go unnoticed: a session that runs out on echoes answered just
 * before the end, then the detection time of the echoes; in flight things are late. Until the
 * intervals of a changed session are agreed on the slowest ones count, and of a session that has
 * only begun it is the second that RFC 5880 section 6.8.3 wants of whoever isn't up: also the
 * echoes keep that pace, if a daemon dies before another is agreed on. */
static int64_t detection(const struct round *r, unsigned a, unsigned b)
{
	bool is_new = instant_diff(r->w.now, r->began_at[a][b]) < 20 * S;
	enum live_cause cause = r->w.nodes[a].verdicts[b].cause;
	bool is_by_echoes = cause == LIVE_CAUSE_DAEMON_SILENT || cause == LIVE_CAUSE_NO_SESSION;
	int64_t interval = r->slowest_ns;

	if ((is_new || is_by_echoes) && interval < 1 * S)
		interval = 1 * S;
	return 2 * interval * r->w.multiplier + 4 * (r->w.delay_ns + r->w.jitter_ns);
}

static void check_verdict(struct round *r, unsigned a, unsigned b)
{
	struct world *w = &r->w;
	int64_t silent = instant_diff(w->now, r->reachable_at[a][b]);
	int64_t age = instant_diff(w->now, r->started_at[a]);
	struct live_peer_info i;

	assert_true(live_peer_info(w->nodes[a].live, b, &i));
	assert_int_equal(i.state, w->nodes[a].verdicts[b].state);
	assert_int_equal(i.cause, w->nodes[a].verdicts[b].cause);
	if (i.state != LIVE_DOWN && silent > detection(r, a, b) && age > detection(r, a, b))
		fail_msg("%s counts %s as %s (%s), which was silent for %lld ms", w->nodes[a].name,
			w->nodes[b].name, live_state_name(i.state), live_cause_name(i.cause),
			(long long)(silent / MS));
	if (!instant_is_never(r->healthy_since[a][b]) && i.state == LIVE_DOWN &&
		instant_diff(w->now, r->healthy_since[a][b]) > 4 * S)
		fail_msg("%s counts %s as down (%s), which is well for %lld ms", w->nodes[a].name,
			w->nodes[b].name, live_cause_name(i.cause),
			(long long)(instant_diff(w->now, r->healthy_since[a][b]) / MS));
	assert_false(w->nodes[b].signals && i.cause == LIVE_CAUSE_HELD);
	assert_true(i.is_poor || i.cause != LIVE_CAUSE_POOR_LINE);
}

/* Whatever daemons do, a peer that is up over good lines doesn't go down. */
static void check_restarts(struct round *r, unsigned a, unsigned b)
{
	instant down = r->w.nodes[a].verdicts[b].went_down_at;

	if (instant_is_never(down) || instant_is_never(r->lines_well_since[a][b]))
		return;
	if (instant_diff(down, r->lines_well_since[a][b]) > 8 * S)
		fail_msg("%s took %s down over good lines", r->w.nodes[a].name, r->w.nodes[b].name);
}

static bool is_poor(const struct world *w, unsigned a, unsigned b)
{
	struct live_peer_info i;

	return live_peer_info(w->nodes[a].live, b, &i) && i.is_poor;
}

static bool takes_at_its_word(const struct world *w, unsigned a, unsigned b)
{
	const struct live *other = w->nodes[b].live;
	enum live_state want = live_is_drained(other) || live_is_holding(other) ||
					       is_poor(w, a, b) || is_poor(w, b, a)
				       ? LIVE_LAST_RESORT
				       : LIVE_UP;

	return w->nodes[a].verdicts[b].state == want;
}

/* With a path well for a while, b's word about itself has arrived at a, or is on its way. */
static void check_word(struct round *r, unsigned a, unsigned b)
{
	struct world *w = &r->w;

	if (instant_is_never(r->healthy_since[a][b]) || !w->nodes[b].signals ||
		instant_diff(w->now, r->healthy_since[a][b]) < 20 * S || takes_at_its_word(w, a, b))
		return;
	world_run(w, 50 * MS);
	if (!takes_at_its_word(w, a, b))
		fail_msg("%s counts %s as %s, which says otherwise", w->nodes[a].name,
			w->nodes[b].name, live_state_name(w->nodes[a].verdicts[b].state));
}

static void check_all(struct round *r, bool settled)
{
	for (unsigned a = 0; a < r->n; a++)
		for (unsigned b = 0; b < r->n && r->w.nodes[a].live; b++) {
			if (a == b)
				continue;
			check_verdict(r, a, b);
			check_restarts(r, a, b);
			if (settled)
				check_word(r, a, b);
		}
}

static void restart(struct round *r, unsigned node)
{
	bool adopted = chance_below(&r->w.chance, 2);

	if (!r->w.nodes[node].is_on)
		world_power(&r->w, node, true);
	if (r->w.nodes[node].live)
		world_kill(&r->w, node);
	else
		world_start(&r->w, node, !adopted, adopted);
	r->started_at[node] = r->w.now;
	for (unsigned i = 0; i < r->n; i++)
		r->began_at[node][i] = r->began_at[i][node] = r->w.now;
}

static void change_interval(struct round *r, unsigned node)
{
	r->w.interval_ns = (50 + chance_below(&r->w.chance, 150)) * MS;
	if (r->w.interval_ns > r->slowest_ns)
		r->slowest_ns = r->w.interval_ns;
	for (unsigned i = 0; i < r->n && r->w.nodes[node].live; i++)
		if (i != node)
			world_set_peer(&r->w, node, i, false);
}

static void happen(struct round *r)
{
	struct world *w = &r->w;
	unsigned a = chance_below(&w->chance, r->n);
	unsigned b = (a + 1 + chance_below(&w->chance, r->n - 1)) % r->n;
	bool on = chance_below(&w->chance, 2);

	switch (chance_below(&w->chance, 11)) {
	case 0:
		world_cut(w, a, b, on);
		break;
	case 1:
		world_cut_both(w, a, b, on);
		break;
	case 2:
		world_isolate(w, a, on);
		break;
	case 3:
		w->loss_permille = on ? 0 : chance_below(&w->chance, 500);
		break;
	case 4:
		w->jitter_ns = on ? 0 : chance_below(&w->chance, 40) * MS;
		break;
	case 5:
	case 9:
	case 10:
		restart(r, a);
		break;
	case 6:
		world_power(w, a, on);
		break;
	case 7:
		if (w->nodes[a].live)
			world_drain(w, a, on);
		break;
	case 8:
		change_interval(r, a);
		break;
	}
}

/* Everything well again: nobody may stay behind. */
static void mend_all(struct round *r)
{
	struct world *w = &r->w;

	w->loss_permille = 0;
	w->jitter_ns = 0;
	for (unsigned a = 0; a < r->n; a++) {
		world_isolate(w, a, false);
		world_power(w, a, true);
		if (!w->nodes[a].live)
			restart(r, a);
		world_drain(w, a, false);
	}
	world_run(w, 70 * S);
	for (unsigned a = 0; a < r->n; a++) {
		assert_false(live_is_holding(w->nodes[a].live));
		for (unsigned b = 0; b < r->n; b++)
			if (a != b)
				assert_int_equal(w->nodes[a].verdicts[b].state, LIVE_UP);
	}
}

static void begin(struct round *r, uint64_t seed)
{
	static const char *const names[] = {"a", "b", "c", "d", "e"};
	struct world *w = &r->w;

	world_init(w, seed);
	w->is_loud = getenv("SHUNT_TEST_TRACE") != NULL;
	r->n = 2 + chance_below(&w->chance, 4);
	r->slowest_ns = w->interval_ns;
	for (unsigned i = 0; i < r->n; i++)
		world_add(w, i, names[i], LIVE_PROBE_BFD, chance_below(&w->chance, 4) > 0);
	for (unsigned i = 0; i < r->n; i++)
		w->nodes[i].is_transit = chance_below(&w->chance, 2);
	for (unsigned i = 0; i < r->n; i++) {
		r->started_at[i] = w->now;
		world_start(w, i, chance_below(&w->chance, 2), false);
	}
	for (unsigned a = 0; a < WORLD_NODES; a++)
		for (unsigned b = 0; b < WORLD_NODES; b++) {
			r->healthy_since[a][b] = r->lines_well_since[a][b] = INSTANT_NEVER;
			r->reachable_at[a][b] = r->began_at[a][b] = w->now;
		}
}

static void run_checked(struct round *r, int64_t ns)
{
	instant end = instant_add(r->w.now, ns);

	while (instant_before(r->w.now, end)) {
		note_health(r);
		world_run(&r->w, 50 * MS);
		/* The word is on its way for a moment. */
		check_all(r, false);
	}
}

static void play(uint64_t seed)
{
	struct round r = {0};

	begin(&r, seed);
	for (int i = 0; i < EVENTS; i++) {
		happen(&r);
		run_checked(&r, chance_below(&r.w.chance, 4) ? chance_below(&r.w.chance, 1000) * MS
							     : 8 * S);
		note_health(&r);
		world_run(&r.w, 300 * MS);
		check_all(&r, r.w.jitter_ns == 0);
	}
	mend_all(&r);
	world_done(&r.w);
}

static void test_random(void **state)
{
	struct chance c = chance_start("live");

	for (int i = 0; i < ROUNDS; i++)
		play(chance_u64(&c));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_random)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

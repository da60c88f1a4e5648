/* SPDX-License-Identifier: MIT */
/*
 * What nodes tell each other, in a star of two hubs and three sites over lines that lose, repeat
 * and reorder packets: in the end every peer has the last word of every other, whole, and nothing
 * that anybody plays again brings back an older one.
 */
#include "base/mem.h"
#include "base/vec.h"
#include "live/report_codec.h"
#include "live_world.h"
#include <string.h>

#define MS NS_PER_MS
#define S NS_PER_S

enum { HUB_A, HUB_B, SITE_1, SITE_2, SITE_3, NODES };

static bool are_linked(unsigned a, unsigned b)
{
	return a != b && (a <= HUB_B || b <= HUB_B);
}

static void begin(struct world *w, uint64_t seed)
{
	static const char *const names[] = {"hub-a", "hub-b", "site-1", "site-2", "site-3"};

	world_init(w, seed);
	w->is_loud = getenv("SHUNT_TEST_TRACE") != NULL;
	w->is_star = true;
	for (unsigned i = 0; i < NODES; i++) {
		world_add(w, i, names[i], LIVE_PROBE_BFD, true);
		w->nodes[i].is_transit = i <= HUB_B;
	}
	for (unsigned i = 0; i < NODES; i++)
		world_start(w, i, false, false);
	world_run(w, 5 * S);
}

/* The n-th report of a node in a mesh of that size. */
static struct live_report make(unsigned node, unsigned n, uint32_t size)
{
	struct live_report r = {.inventory_time = n, .max_owners = 1 + node};
	struct chance c = {node * 1000 + n};

	memset(r.digest, (int)n, sizeof(r.digest));
	live_report_init_nodes(&r, size);
	for (uint32_t i = 0; i < size; i++) {
		r.lines[i] = (uint8_t)chance_below(&c, 4);
		r.takes_many[i] = chance_below(&c, 2);
		r.by_word[i] = chance_below(&c, 2);
	}
	return r;
}

static void tell(struct world *w, unsigned node, unsigned n, uint32_t size)
{
	struct live_report r = make(node, n, size);

	live_tell_report(w->nodes[node].live, &r, w->now);
	live_report_done(&r);
}

static bool has_heard(struct world *w, unsigned node, unsigned peer, unsigned n, uint32_t size)
{
	const struct live_report *is = live_peer_report(w->nodes[node].live, peer);
	struct live_report r = make(peer, n, size);
	bool same = is && live_report_eq(is, &r);

	live_report_done(&r);
	return same;
}

static void assert_all_heard(struct world *w, unsigned n, uint32_t size)
{
	for (unsigned a = 0; a < NODES; a++)
		for (unsigned b = 0; b < NODES; b++)
			if (are_linked(a, b))
				assert_true(has_heard(w, a, b, n, size));
}

static void test_at_once(void **state)
{
	struct world w;

	begin(&w, 1);
	for (unsigned i = 0; i < NODES; i++)
		tell(&w, i, 1, 3);
	world_run(&w, 20 * MS);
	assert_all_heard(&w, 1, 3);
	/* The next change waits for a moment, and of several in it only the last is told. */
	for (unsigned k = 2; k < 10; k++)
		tell(&w, HUB_A, k, 3);
	world_run(&w, 20 * MS);
	assert_true(has_heard(&w, SITE_1, HUB_A, 1, 3));
	world_run(&w, LIVE_REPORT_APART);
	assert_true(has_heard(&w, SITE_1, HUB_A, 9, 3));
	assert_int_equal(w.nodes[SITE_1].reports_heard[HUB_A], 2);
	/* What is said again is no event, nor what is the same as before. */
	world_run(&w, 30 * S);
	tell(&w, HUB_A, 9, 3);
	world_run(&w, 30 * S);
	assert_int_equal(w.nodes[SITE_1].reports_heard[HUB_A], 2);
	/* Once it is known it is said rarely. */
	w.reports = 0;
	world_run(&w, 100 * S);
	assert_in_range(w.reports, 20 * 14, 27 * 14 + 14);
	world_done(&w);
}

static void test_bad_lines(void **state)
{
	struct chance c = chance_start("bad lines");

	for (unsigned k = 0; k < 10; k++) {
		uint32_t size = 1 + chance_below(&c, 3 * REPORT_PART_NODES);
		struct world w;

		begin(&w, chance_u64(&c));
		w.loss_permille = 50;
		w.twice_permille = 200;
		w.jitter_ns = 20 * MS;
		w.is_disorderly = true;
		for (unsigned n = 1; n < 20; n++) {
			for (unsigned i = 0; i < NODES; i++)
				if (chance_below(&c, 2))
					tell(&w, i, n, size);
			world_run(&w, (int64_t)chance_below(&c, 400) * MS);
		}
		for (unsigned i = 0; i < NODES; i++)
			tell(&w, i, 20, size);
		w.loss_permille = 0;
		world_run(&w, 2 * LIVE_REPORT_EVERY);
		assert_all_heard(&w, 20, size);
		world_done(&w);
	}
}

/* A peer that is down is forgotten with what it said; one whose daemon alone died is not. */
static void test_forgotten(void **state)
{
	struct world w;

	begin(&w, 3);
	for (unsigned i = 0; i < NODES; i++)
		tell(&w, i, 1, 3);
	world_run(&w, 1 * S);
	world_cut_both(&w, HUB_A, SITE_1, true);
	world_run(&w, 2 * S);
	assert_null(live_peer_report(w.nodes[SITE_1].live, HUB_A));
	assert_null(live_peer_report(w.nodes[HUB_A].live, SITE_1));
	world_cut_both(&w, HUB_A, SITE_1, false);
	world_run(&w, 4 * S);
	assert_all_heard(&w, 1, 3);
	world_kill(&w, HUB_A);
	world_run(&w, 5 * S);
	assert_true(has_heard(&w, SITE_1, HUB_A, 1, 3));
	world_start(&w, HUB_A, false, true);
	tell(&w, HUB_A, 1, 3);
	world_run(&w, 5 * S);
	assert_all_heard(&w, 1, 3);
	/* It counts its reports from one again, and yet is heard. */
	tell(&w, HUB_A, 2, 3);
	world_run(&w, 1 * S);
	assert_true(has_heard(&w, SITE_1, HUB_A, 2, 3));
	world_done(&w);
}

/* A mesh much larger than ours is heard of, but not its nodes; when ours has grown they are. */
static void test_sizes(void **state)
{
	struct world w;
	const struct live_report *r;

	begin(&w, 4);
	tell(&w, SITE_1, 1, 10);
	tell(&w, HUB_A, 2, 5000);
	world_run(&w, 1 * S);
	r = live_peer_report(w.nodes[SITE_1].live, HUB_A);
	assert_non_null(r);
	assert_int_equal(r->n_nodes, 0);
	assert_int_equal(r->inventory_time, 2);
	tell(&w, SITE_1, 2, 5000);
	world_run(&w, 2 * LIVE_REPORT_EVERY);
	assert_true(has_heard(&w, SITE_1, HUB_A, 2, 5000));
	/* Larger than any may be. */
	tell(&w, HUB_A, 3, LIVE_REPORT_NODES_MAX + 1);
	world_run(&w, 1 * S);
	r = live_peer_report(w.nodes[SITE_1].live, HUB_A);
	assert_int_equal(r->n_nodes, 0);
	assert_int_equal(r->inventory_time, 3);
	tell(&w, SITE_1, 4, LIVE_REPORT_NODES_MAX);
	tell(&w, HUB_A, 4, LIVE_REPORT_NODES_MAX);
	world_run(&w, 2 * S);
	assert_true(has_heard(&w, SITE_1, HUB_A, 4, LIVE_REPORT_NODES_MAX));
	world_done(&w);
}

/* --- who repeats what was said, or makes something up --- */

struct caught {
	unsigned from, to;
	size_t len;
	uint8_t bytes[LIVE_REPORT_DATAGRAM];
};

struct record {
	VEC(struct caught) all;
};

static void on_report(unsigned from, unsigned to, const uint8_t *bytes, size_t len, void *data)
{
	struct record *r = data;
	struct caught c = {from, to, len, {0}};

	memcpy(c.bytes, bytes, len);
	vec_push(&r->all, c);
}

static void replay(struct world *w, const struct record *r, struct chance *c)
{
	for (size_t k = 0; k < 200; k++) {
		struct caught p = r->all.items[chance_below(c, (unsigned)r->all.n)];

		/* To whom it was sent, or back to its sender; as it was, or a little different. */
		if (chance_below(c, 2))
			p.bytes[chance_below(c, (unsigned)p.len)] ^=
				(uint8_t)(1 << chance_below(c, 8));
		if (chance_below(c, 2))
			world_inject_report(w, p.from, p.to, p.bytes, p.len);
		else
			world_inject_report(w, p.to, p.from, p.bytes, p.len);
	}
}

static void test_replayed(void **state)
{
	struct chance c = chance_start("replayed");
	struct record r = {0};
	struct world w;

	begin(&w, chance_u64(&c));
	w.on_report = on_report;
	w.on_report_data = &r;
	for (unsigned n = 1; n <= 12; n++) {
		unsigned heard;

		if (n == 6) {
			world_kill(&w, HUB_B);
			world_start(&w, HUB_B, false, true);
			world_run(&w, 4 * S);
		}
		for (unsigned i = 0; i < NODES; i++)
			tell(&w, i, n, 2 * REPORT_PART_NODES);
		world_run(&w, 1 * S);
		assert_all_heard(&w, n, 2 * REPORT_PART_NODES);
		heard = w.nodes[SITE_1].reports_heard[HUB_A];
		replay(&w, &r, &c);
		assert_all_heard(&w, n, 2 * REPORT_PART_NODES);
		assert_int_equal(w.nodes[SITE_1].reports_heard[HUB_A], heard);
	}
	/* Nor does it bring back one that is down. */
	world_power(&w, HUB_A, false);
	world_run(&w, 2 * S);
	replay(&w, &r, &c);
	assert_null(live_peer_report(w.nodes[SITE_1].live, HUB_A));
	vec_done(&r.all);
	world_done(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_bad_lines),
		cmocka_unit_test(test_forgotten),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_replayed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

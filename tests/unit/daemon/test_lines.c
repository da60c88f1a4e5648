/* SPDX-License-Identifier: MIT */
/*
 * What a node names of lines and inventories, as site-1, site-2, or hub-a of
 *
 *	hub-a (metric 10) --- hub-b (metric 20)
 *	each with site-1 (10.20.1.0/24) and site-2 (10.20.2.0/24)
 */
#include "daemon/lines.h"

#include "daemon/candidates.h"
#include "mesh_build.h"
#include "unit.h"

enum { HUB_A, HUB_B, SITE_1, SITE_2, NODES };

struct mesh {
	struct mesh_build build;
	struct generation *g;
	struct reports *r;
	struct rib *rib;
	instant now;
	uint32_t heard; /* who is, though it is down; NAMES_NONE: nobody */
	struct buf text;
};

static instant at(double s)
{
	return (instant){(int64_t)(s * 1e9)};
}

static uint64_t tag(uint32_t id, void *data)
{
	return id + 1;
}

static int begin_as(void **state, unsigned self)
{
	struct mesh *m = mem_zalloc(1, sizeof(*m));
	const struct mesh_inventory *inv;
	wg_key key = {{1}};
	struct generation_parts parts = {.private_key = &key, .inventory_time = 100000};
	struct candidate_events c;
	struct rib_diff diff = {0};

	mesh_build_begin(&m->build, MESH_HUB_AND_SPOKE, "10.9.0.0/24");
	mesh_build_node(&m->build, "hub-a", MESH_HUB, "10.9.0.1");
	mesh_build_node(&m->build, "hub-b", MESH_HUB, "10.9.0.2");
	mesh_build_node(&m->build, "site-1", MESH_SPOKE, "10.9.0.3");
	mesh_build_node(&m->build, "site-2", MESH_SPOKE, "10.9.0.4");
	m->build.nodes.items[HUB_A].metric = 10;
	m->build.nodes.items[HUB_B].metric = 20;
	mesh_build_network(&m->build, SITE_1, "10.20.1.0/24", 0);
	mesh_build_network(&m->build, SITE_2, "10.20.2.0/24", 0);
	inv = mesh_build_end(&m->build);
	parts.topology = mesh_topology_new(inv);
	parts.self = &inv->nodes[self];
	m->g = generation_make(&parts);
	m->now = at(1000);
	m->heard = NAMES_NONE;
	m->r = reports_new();
	reports_set(m->r, m->g, m->now);
	m->rib = rib_new(16, tag, NULL);
	candidate_events_of_view(&m->g->view, m->g->ids, &c);
	rib_step(m->rib, c.events.items, c.events.n, &diff);
	candidate_events_done(&c);
	rib_diff_done(&diff);
	*state = m;
	return 0;
}

static int begin_site_1(void **state)
{
	return begin_as(state, SITE_1);
}

static int begin_site_2(void **state)
{
	return begin_as(state, SITE_2);
}

static int begin_hub_a(void **state)
{
	return begin_as(state, HUB_A);
}

static int end(void **state)
{
	struct mesh *m = *state;

	rib_free(m->rib);
	reports_free(m->r);
	generation_put(m->g);
	mesh_build_done(&m->build);
	buf_done(&m->text);
	free(m);
	return 0;
}

/* --- what happens --- */

static void tell_rib(struct mesh *m)
{
	struct rib_event e[8];
	struct rib_diff diff = {0};

	for (size_t n; (n = reports_take(m->r, e, ARRAY_SIZE(e)));)
		rib_step(m->rib, e, n, &diff);
	rib_diff_done(&diff);
}

static void verdict(struct mesh *m, unsigned node, enum live_state state, enum live_cause cause)
{
	struct live_event v = {
		.type = LIVE_EVENT_PEER, .peer = m->g->ids[node], .state = state, .cause = cause};
	struct rib_event e = {.type = RIB_EVENT_PEER,
		.u.peer = {m->g->ids[node], state == LIVE_UP	 ? RIB_UP
					    : state == LIVE_DOWN ? RIB_DOWN
								 : RIB_LAST_RESORT}};
	struct rib_diff diff = {0};

	reports_on_verdict(m->r, &v, m->now);
	rib_step(m->rib, &e, 1, &diff);
	rib_diff_done(&diff);
	tell_rib(m);
}

static void up(struct mesh *m, unsigned node)
{
	verdict(m, node, LIVE_UP, LIVE_CAUSE_SESSION_UP);
}

static void down(struct mesh *m, unsigned node)
{
	verdict(m, node, LIVE_DOWN, LIVE_CAUSE_EXPIRED);
}

/* Its lines, as letters: u p l, and - for unknown. */
static struct live_report make(const struct mesh *m, const char *lines)
{
	struct live_report r = {.inventory_time = 100000, .max_owners = 1};

	memcpy(r.digest, m->g->digest, sizeof(r.digest));
	live_report_init_nodes(&r, NODES);
	for (size_t i = 0; i < NODES; i++)
		r.lines[i] = (uint8_t)(strchr("-upl", lines[i]) - "-upl");
	return r;
}

static void report(struct mesh *m, unsigned node, struct live_report r)
{
	reports_on_report(m->r, m->g->ids[node], &r, m->now);
	live_report_done(&r);
	tell_rib(m);
}

static void says(struct mesh *m, unsigned node, const char *lines)
{
	report(m, node, make(m, lines));
}

static void runs_another(struct mesh *m, unsigned node, int64_t time)
{
	struct live_report r = make(m, "uuuu");

	r.digest[0] ^= 1;
	r.inventory_time = time;
	report(m, node, r);
}

/* --- what is named --- */

static bool is_heard(uint32_t peer, void *data)
{
	const struct mesh *m = data;

	return peer == m->heard;
}

static void put(const struct lines_trouble *t, void *data)
{
	struct mesh *m = data;

	buf_printf(&m->text, "%s\n", t->what);
	assert_non_null(t->fix);
}

#define expect(m, words) expect_at(m, words, __LINE__)
static void expect_at(struct mesh *m, const char *words, int line)
{
	struct lines_facts f = {m->g, "/etc/mesh.yaml", m->r, m->rib, is_heard, m};

	buf_reset(&m->text);
	lines_find(&f, m->now, put, m);
	if (strcmp(buf_str(&m->text), words) != 0)
		fail_msg("line %d:\n%swas named, and not\n%s", line, buf_str(&m->text), words);
}

static void wait_quiet(struct mesh *m)
{
	m->now = instant_add(m->now, LINES_QUIET);
}

/* --- lines --- */

static void test_a_dead_line_as_its_site_sees_it(void **state)
{
	struct mesh *m = *state;

	up(m, HUB_A);
	up(m, HUB_B);
	says(m, HUB_A, "-uuu");
	says(m, HUB_B, "u-uu");
	expect(m, "");
	down(m, HUB_A);
	expect(m, "");
	wait_quiet(m);
	expect(m, "the line between hub-a and site-1 is down, though both live\n");
	says(m, HUB_B, "l-uu");
	expect(m, ""); /* it is dead for all */
}

static void test_a_dead_line_as_its_hub_sees_it(void **state)
{
	struct mesh *m = *state;

	up(m, HUB_B);
	up(m, SITE_2);
	down(m, SITE_1);
	says(m, HUB_B, "u-uu");
	wait_quiet(m);
	expect(m, "the line between hub-a and site-1 is down, though both live; from here site-1 "
		  "is reached by way of hub-b\n");
	says(m, HUB_B, "u-lu");
	expect(m, "");
}

static void test_a_dead_line_as_another_site_sees_it(void **state)
{
	struct mesh *m = *state;

	up(m, HUB_A);
	up(m, HUB_B);
	says(m, HUB_A, "-ulu");
	says(m, HUB_B, "u-uu");
	wait_quiet(m);
	expect(m, "the line between hub-a and site-1 is down, though both live; from here site-1 "
		  "is reached by way of hub-b\n");
	says(m, HUB_B, "u-lu");
	expect(m, "");
}

static void test_a_line_between_hubs_is_named_once(void **state)
{
	struct mesh *m = *state;

	up(m, HUB_A);
	up(m, HUB_B);
	says(m, HUB_A, "-luu");
	says(m, HUB_B, "l-uu");
	wait_quiet(m);
	expect(m, "the line between hub-a and hub-b is down, though both live\n");
}

/* Without another hub's word nobody can tell. */
static void test_a_lone_hub_can_not_tell(void **state)
{
	struct mesh *m = *state;

	up(m, SITE_2);
	down(m, SITE_1);
	expect(m, "the line between hub-a and site-1 is down, or the latter is; nobody here could "
		  "tell; from here nothing reaches site-1\n");
	down(m, SITE_2);
	expect(m, ""); /* we are cut off ourselves */
}

static void test_a_peer_that_speaks_but_does_not_hear(void **state)
{
	struct mesh *m = *state;

	up(m, HUB_B);
	down(m, HUB_A);
	wait_quiet(m);
	expect(m, "");
	m->heard = m->g->ids[HUB_A];
	expect(m, "the line between hub-a and site-1 is down, though both live\n");
}

static void test_a_poor_line(void **state)
{
	struct mesh *m = *state;

	up(m, HUB_A);
	up(m, HUB_B);
	says(m, HUB_A, "-upu");
	says(m, HUB_B, "u-uu");
	wait_quiet(m);
	expect(m,
		"the line between hub-a and site-1 loses packets, or breaks down again and again: "
		"it is the last resort of both until it has been clean for a while; from here "
		"site-1 is reached by way of hub-b\n");
}

static void test_our_own_poor_line(void **state)
{
	struct mesh *m = *state;

	up(m, HUB_B);
	verdict(m, HUB_A, LIVE_LAST_RESORT, LIVE_CAUSE_POOR_LINE);
	says(m, HUB_A, "-upu");
	wait_quiet(m);
	expect(m,
		"the line between hub-a and site-1 loses packets, or breaks down again and again: "
		"it is the last resort of both until it has been clean for a while\n");
}

/* --- inventories --- */

static void test_another_inventory_is_named_after_a_minute(void **state)
{
	struct mesh *m = *state;

	up(m, HUB_A);
	up(m, HUB_B);
	runs_another(m, HUB_A, 100000 - 7200);
	says(m, HUB_B, "u-uu");
	m->now = at(1059);
	expect(m, "");
	m->now = at(1060);
	expect(m, "hub-a runs another inventory than this node, older by 2 hours: what the two say "
		  "differently may lose packets\n");
	runs_another(m, HUB_B, 100000 - 60);
	expect(m, "hub-a runs another inventory than this node, older by 2 hours: what the two say "
		  "differently may lose packets\n");
	m->now = at(1120);
	expect(m, "hub-a, hub-b run another inventory than this node, older by 2 hours: what the "
		  "two say differently may lose packets\n");
	says(m, HUB_A, "-uuu");
	expect(m, "hub-b runs another inventory than this node, older by 1 minute: what the two "
		  "say differently may lose packets\n");
}

static void test_ours_may_be_the_older_one(void **state)
{
	struct mesh *m = *state;

	up(m, HUB_A);
	runs_another(m, HUB_A, 100045);
	m->now = at(1060);
	expect(m, "hub-a runs another inventory than this node, newer by 45 seconds: what the two "
		  "say differently may lose packets\n");
	runs_another(m, HUB_A, 0);
	m->now = at(1120);
	expect(m, "hub-a runs another inventory than this node: what the two say differently may "
		  "lose packets\n");
	down(m, HUB_A);
	expect(m, "");
}

#define TEST(name, begin) cmocka_unit_test_setup_teardown(test_##name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_dead_line_as_its_site_sees_it, begin_site_1),
		TEST(a_dead_line_as_its_hub_sees_it, begin_hub_a),
		TEST(a_dead_line_as_another_site_sees_it, begin_site_2),
		TEST(a_line_between_hubs_is_named_once, begin_site_2),
		TEST(a_lone_hub_can_not_tell, begin_hub_a),
		TEST(a_peer_that_speaks_but_does_not_hear, begin_site_1),
		TEST(a_poor_line, begin_site_2),
		TEST(our_own_poor_line, begin_site_1),
		TEST(another_inventory_is_named_after_a_minute, begin_site_1),
		TEST(ours_may_be_the_older_one, begin_site_1),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

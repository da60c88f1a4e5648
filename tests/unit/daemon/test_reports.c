/* SPDX-License-Identifier: MIT */
/*
 * What site-1 makes of what its peers report, and what it reports itself. The mesh is
 * engine_bench.h's; hub-a and hub-b are its peers.
 */
#include "daemon/reports.h"

#include "mesh_build.h"
#include "unit.h"

enum { HUB_A, HUB_B, SITE_1, SITE_2, LAPTOP, NODES };

struct mesh {
	VEC(struct mesh_build *) builds;
	VEC(struct generation *) generations;
	struct generation *g; /* the newest */
	struct reports *r;
	instant now;
	struct live_report own;
	unsigned n_own;
};

static instant at(double s)
{
	return (instant){(int64_t)(s * 1e9)};
}

/* --- generations --- */

struct variant {
	unsigned self;
	uint32_t metric_b;	 /* of hub-b: another inventory by it */
	bool is_turned;		 /* site-2 stands before site-1 */
	enum mesh_device device; /* of site-2 */
};

static const struct mesh_inventory *build(struct mesh *m, const struct variant *v)
{
	struct mesh_build *b = mem_zalloc(1, sizeof(*b));

	mesh_build_begin(b, MESH_HUB_AND_SPOKE, "10.9.0.0/24");
	mesh_build_node(b, "hub-a", MESH_HUB, "10.9.0.1");
	mesh_build_node(b, "hub-b", MESH_HUB, "10.9.0.2");
	mesh_build_node(b, v->is_turned ? "site-2" : "site-1", MESH_SPOKE, "10.9.0.3");
	mesh_build_node(b, v->is_turned ? "site-1" : "site-2", MESH_SPOKE, "10.9.0.4");
	mesh_build_node(b, "laptop", MESH_CLIENT, "10.9.0.5");
	b->nodes.items[HUB_B].metric = v->metric_b;
	b->nodes.items[v->is_turned ? SITE_1 : SITE_2].device = v->device;
	vec_push(&m->builds, b);
	return mesh_build_end(b);
}

static void take(struct mesh *m, struct variant v)
{
	const struct mesh_inventory *inv = build(m, &v);
	wg_key key = {{1}};
	struct generation_parts parts = {.topology = mesh_topology_new(inv),
		.self = &inv->nodes[v.self],
		.private_key = &key,
		.inventory_time = 1000,
		.before = m->g};

	m->g = generation_make(&parts);
	vec_push(&m->generations, m->g);
	reports_set(m->r, m->g, m->now);
}

static uint32_t id(const struct mesh *m, const char *name)
{
	return names_find(&m->g->names, name);
}

static int begin_as(void **state, unsigned self)
{
	struct mesh *m = mem_zalloc(1, sizeof(*m));

	m->now = at(1000);
	m->r = reports_new();
	take(m, (struct variant){.self = self, .metric_b = 20});
	reports_set_max_owners(m->r, 16);
	*state = m;
	return 0;
}

static int begin(void **state)
{
	return begin_as(state, SITE_1);
}

static int begin_hub(void **state)
{
	return begin_as(state, HUB_A);
}

static int end(void **state)
{
	struct mesh *m = *state;

	reports_free(m->r);
	for (size_t i = 0; i < m->generations.n; i++) {
		generation_put(m->generations.items[i]);
		mesh_build_done(m->builds.items[i]);
		free(m->builds.items[i]);
	}
	vec_done(&m->generations);
	vec_done(&m->builds);
	live_report_done(&m->own);
	free(m);
	return 0;
}

/* --- what happens --- */

static void verdict(struct mesh *m, const char *peer, enum live_state state, enum live_cause cause)
{
	struct live_event v = {.type = LIVE_EVENT_PEER,
		.peer = id(m, peer),
		.state = state,
		.cause = cause,
		.at = m->now};

	reports_on_verdict(m->r, &v, m->now);
}

static void up(struct mesh *m, const char *peer)
{
	verdict(m, peer, LIVE_UP, LIVE_CAUSE_SESSION_UP);
}

static void down(struct mesh *m, const char *peer)
{
	verdict(m, peer, LIVE_DOWN, LIVE_CAUSE_EXPIRED);
}

/* Lines by place, as letters: u p l, w for poor by the other end's word, and - for unknown;
 * takes_many: 1 and 0. */
static struct live_report make(const struct mesh *m, const char *lines, const char *many)
{
	struct live_report r = {.inventory_time = 1000, .max_owners = 1};

	memcpy(r.digest, m->g->digest, sizeof(r.digest));
	live_report_init_nodes(&r, (uint32_t)strlen(lines));
	for (size_t i = 0; lines[i]; i++) {
		r.lines[i] = lines[i] == 'u'   ? LIVE_LINE_UP
			     : lines[i] == 'p' ? LIVE_LINE_POOR
			     : lines[i] == 'w' ? LIVE_LINE_POOR
			     : lines[i] == 'l' ? LIVE_LINE_LOST
					       : LIVE_LINE_UNKNOWN;
		r.takes_many[i] = many && many[i] == '1';
		r.by_word[i] = lines[i] == 'w';
	}
	return r;
}

static void report(struct mesh *m, const char *peer, struct live_report r)
{
	reports_on_report(m->r, id(m, peer), &r, m->now);
	live_report_done(&r);
}

static void says(struct mesh *m, const char *peer, const char *lines)
{
	report(m, peer, make(m, lines, NULL));
}

/* --- what follows --- */

static void put_event(const struct mesh *m, const struct rib_event *e, struct buf *text)
{
	static const char *const words[] = {"unknown", "has", "clean", "poor", "lost"};

	if (e->type == RIB_EVENT_TAKES_MANY)
		buf_printf(text, "%s takes %s\n", names_text(&m->g->names, e->u.takes_many.id),
			e->u.takes_many.takes_many ? "many" : "one");
	else
		buf_printf(text, "%s %s %s\n", names_text(&m->g->names, e->u.reach.peer),
			words[e->u.reach.reach], names_text(&m->g->names, e->u.reach.origin));
}

#define expect(m, words) expect_at(m, words, __LINE__)
static void expect_at(struct mesh *m, const char *words, int line)
{
	struct rib_event events[2];
	AUTO_BUF text = {0};

	for (size_t n; (n = reports_take(m->r, events, 2));)
		for (size_t i = 0; i < n; i++)
			put_event(m, &events[i], &text);
	if (strcmp(buf_str(&text), words) != 0)
		fail_msg("line %d:\n%swas told, and not\n%s", line, buf_str(&text), words);
}

#define expect_own(m, lines) expect_own_at(m, lines, __LINE__)
static void expect_own_at(struct mesh *m, const char *lines, int line)
{
	static const char letters[] = "-upl";
	const struct live_report *news = reports_news(m->r);
	char is[NODES + 1] = "";

	if (news) {
		live_report_done(&m->own);
		live_report_copy(news, &m->own);
		m->n_own++;
	}
	for (size_t i = 0; i < m->own.n_nodes; i++)
		is[i] = m->own.by_word[i] ? 'w' : letters[m->own.lines[i]];
	if (strcmp(is, lines) != 0)
		fail_msg("line %d: we say %s, not %s", line, is, lines);
}

static void time_goes_to(struct mesh *m, double s)
{
	m->now = at(s);
	reports_on_time(m->r, m->now);
}

/* --- a hub's word --- */

static void test_what_a_hub_says_of_its_lines(void **state)
{
	struct mesh *m = *state;

	up(m, "hub-a");
	says(m, "hub-a", "-uulu");
	expect(m,
		"hub-a has hub-b\nhub-a lost site-2\n"); /* of us and of clients it says nothing */
	says(m, "hub-a", "-uupu");
	expect(m, "hub-a poor site-2\n");
	says(m, "hub-a", "-uuuu");
	expect(m, "hub-a has site-2\n");
	says(m, "hub-a", "-uuuu");
	expect(m, "");
	assert_true(instant_is_never(reports_deadline(m->r)));
}

/* Our own line to hub-b is poor: that is all we have against it, and by hub-a it is up. */
static void test_a_clean_way_around_our_own_poor_line(void **state)
{
	struct mesh *m = *state;

	up(m, "hub-a");
	up(m, "hub-b");
	says(m, "hub-a", "-uuuu");
	expect(m, "hub-a has hub-b\nhub-a has site-2\n");
	verdict(m, "hub-b", LIVE_LAST_RESORT, LIVE_CAUSE_POOR_LINE);
	expect(m, "hub-a clean hub-b\n");
	verdict(m, "hub-b", LIVE_LAST_RESORT, LIVE_CAUSE_PEER_SIGNALS); /* it drains */
	expect(m, "hub-a has hub-b\n");
	verdict(m, "hub-b", LIVE_LAST_RESORT, LIVE_CAUSE_POOR_LINE);
	expect(m, "hub-a clean hub-b\n");
	up(m, "hub-b");
	expect(m, "hub-a has hub-b\n");
}

static void test_who_is_no_hub_relays_to_nobody(void **state)
{
	struct mesh *m = *state;

	up(m, "site-1");
	says(m, "site-1", "uu-l-");
	expect(m, "");
}

static void test_who_is_no_peer_says_nothing(void **state)
{
	struct mesh *m = *state;

	says(m, "site-2", "ll---");
	expect(m, "");
	assert_false(reports_heard(m->r, id(m, "site-2"), &(struct reports_heard){0}));
}

/* What it had lost is its own again a moment later, not with the verdict. */
static void test_a_lost_hub_is_forgotten_later(void **state)
{
	struct mesh *m = *state;

	up(m, "hub-a");
	says(m, "hub-a", "-uulu");
	expect(m, "hub-a has hub-b\nhub-a lost site-2\n");
	down(m, "hub-a");
	expect(m, "");
	assert_int_equal(reports_deadline(m->r).ns, at(1002).ns);
	time_goes_to(m, 1002);
	expect(m, "hub-a unknown hub-b\nhub-a unknown site-2\n");
	assert_true(instant_is_never(reports_deadline(m->r)));
}

static void test_a_hub_that_is_back_speaks_for_itself(void **state)
{
	struct mesh *m = *state;

	up(m, "hub-a");
	says(m, "hub-a", "-uulu");
	expect(m, "hub-a has hub-b\nhub-a lost site-2\n");
	down(m, "hub-a");
	up(m, "hub-a");
	says(m, "hub-a", "-uuuu");
	time_goes_to(m, 1010);
	expect(m, "hub-a has site-2\n");
}

/* --- inventories --- */

static void test_another_inventory_is_not_understood(void **state)
{
	struct mesh *m = *state;
	struct live_report other = make(m, "-ulll", NULL);
	struct reports_heard h;

	up(m, "hub-a");
	says(m, "hub-a", "-uulu");
	expect(m, "hub-a has hub-b\nhub-a lost site-2\n");
	other.digest[0] ^= 1;
	other.inventory_time = 900;
	m->now = at(1005);
	report(m, "hub-a", other);
	expect(m, "hub-a unknown hub-b\n"); /* the warning stands */
	assert_true(reports_heard(m->r, id(m, "hub-a"), &h));
	assert_false(h.is_of_our_inventory);
	assert_int_equal(h.other_since.ns, at(1005).ns);
	assert_int_equal(h.inventory_time, 900);
}

/* Ours of before is understood by its own places. */
static void test_the_inventory_of_before_is_understood(void **state)
{
	struct mesh *m = *state;
	struct live_report of_before = make(m, "-uulu", NULL);
	struct reports_heard h;

	up(m, "hub-a");
	m->now = at(1005);
	take(m, (struct variant){.self = SITE_1 + 1, .metric_b = 30, .is_turned = true});
	report(m, "hub-a", of_before);
	expect(m, "hub-a has hub-b\nhub-a lost site-2\n");
	assert_true(reports_heard(m->r, id(m, "hub-a"), &h));
	assert_false(h.is_of_our_inventory);
	says(m, "hub-a", "-uluu"); /* it reloads, and there site-2 stands third */
	expect(m, "");
	assert_true(reports_heard(m->r, id(m, "hub-a"), &h));
	assert_true(h.is_of_our_inventory);
}

static void test_a_difference_counts_from_its_last_change(void **state)
{
	struct mesh *m = *state;
	struct live_report of_before = make(m, "-uuuu", NULL);
	struct reports_heard h;

	up(m, "hub-a");
	m->now = at(1005);
	take(m, (struct variant){.self = SITE_1, .metric_b = 30});
	report(m, "hub-a", of_before);
	m->now = at(1010);
	report(m, "hub-a", make(m, "-uuuu", NULL));
	assert_true(reports_heard(m->r, id(m, "hub-a"), &h));
	assert_true(instant_is_never(h.other_since));
	m->now = at(1020);
	take(m, (struct variant){.self = SITE_1, .metric_b = 40});
	assert_true(reports_heard(m->r, id(m, "hub-a"), &h));
	assert_int_equal(h.other_since.ns, at(1020).ns);
}

/* --- who takes many --- */

static void test_hubs_tell_who_takes_many(void **state)
{
	struct mesh *m = *state;

	struct live_report many = make(m, "-uuuu", "01110");

	up(m, "hub-a");
	many.max_owners = 16; /* its own it tells so */
	report(m, "hub-a", many);
	expect(m, "hub-a takes many\nhub-b takes many\nsite-2 takes many\n"
		  "hub-a has hub-b\nhub-a has site-2\n");
}

static void test_what_was_known_of_many_stands(void **state)
{
	struct mesh *m = *state;
	struct live_report other = make(m, "-uuuu", "00000");

	up(m, "hub-a");
	report(m, "hub-a", make(m, "-uuuu", "00010"));
	assert_true(reports_takes_many(m->r, id(m, "site-2")));
	other.digest[0] ^= 1;
	report(m, "hub-a", other);
	assert_true(reports_takes_many(m->r, id(m, "site-2")));
	down(m, "hub-a");
	time_goes_to(m, 1100);
	assert_true(reports_takes_many(m->r, id(m, "site-2")));
	up(m, "hub-a");
	report(m, "hub-a", make(m, "-uuuu", "00000"));
	assert_false(reports_takes_many(m->r, id(m, "site-2")));
}

static void test_one_hub_that_knows_is_enough(void **state)
{
	struct mesh *m = *state;

	up(m, "hub-a");
	up(m, "hub-b");
	report(m, "hub-a", make(m, "-uuuu", "00010"));
	report(m, "hub-b", make(m, "u-uuu", "00000"));
	assert_true(reports_takes_many(m->r, id(m, "site-2")));
}

static void test_a_lost_hub_has_no_say_in_who_takes_many(void **state)
{
	struct mesh *m = *state;

	up(m, "hub-a");
	up(m, "hub-b");
	report(m, "hub-a", make(m, "-uuuu", "00010"));
	down(m, "hub-a");
	report(m, "hub-b", make(m, "u-uuu", "00000"));
	time_goes_to(m, 1100);
	assert_false(reports_takes_many(m->r, id(m, "site-2")));
}

/* Its line to the node is dead, and the node's device may be another since. */
static void test_a_hub_without_a_line_has_no_say_either(void **state)
{
	struct mesh *m = *state;

	up(m, "hub-a");
	up(m, "hub-b");
	report(m, "hub-a", make(m, "-uulu", "00010"));
	assert_false(reports_takes_many(m->r, id(m, "site-2")));
	report(m, "hub-b", make(m, "u-uuu", "00010"));
	report(m, "hub-a", make(m, "-uulu", "00000"));
	assert_true(reports_takes_many(m->r, id(m, "site-2")));
}

/* A node that dies or flaps makes no flow of others move for it. */
static void test_its_own_word_outlives_a_node(void **state)
{
	struct mesh *m = *state;
	struct live_report many = make(m, "uu---", NULL);

	many.max_owners = 16;
	up(m, "site-1");
	report(m, "site-1", many);
	assert_true(reports_takes_many(m->r, id(m, "site-1")));
	expect_own(m, "--u--");
	assert_true(m->own.takes_many[SITE_1]);
	down(m, "site-1");
	time_goes_to(m, 1100);
	assert_true(reports_takes_many(m->r, id(m, "site-1")));
	expect_own(m, "--l--");
	assert_true(m->own.takes_many[SITE_1]);
	up(m, "site-1");
	says(m, "site-1", "uu---"); /* its device is another now */
	assert_false(reports_takes_many(m->r, id(m, "site-1")));
	expect_own(m, "--u--");
	assert_false(m->own.takes_many[SITE_1]);
}

static void test_hubs_know_more_than_who_is_lost_said(void **state)
{
	struct mesh *m = *state;
	struct live_report many = make(m, "-uuuu", "00000"), one = make(m, "u-uuu", "00000");

	up(m, "hub-a");
	up(m, "hub-b");
	many.max_owners = 16;
	report(m, "hub-a", many);
	assert_true(reports_takes_many(m->r, id(m, "hub-a")));
	down(m, "hub-a");
	assert_true(reports_takes_many(m->r, id(m, "hub-a")));
	report(m, "hub-b", one);
	assert_false(reports_takes_many(m->r, id(m, "hub-a")));
}

static void test_the_inventory_goes_before_reports(void **state)
{
	struct mesh *m = *state;

	take(m, (struct variant){.self = SITE_1, .metric_b = 20, .device = MESH_DEVICE_KERNEL});
	up(m, "hub-a");
	report(m, "hub-a", make(m, "-uuuu", "00010"));
	assert_false(reports_takes_many(m->r, id(m, "site-2")));
	take(m, (struct variant){.self = SITE_1, .metric_b = 20, .device = MESH_DEVICE_SHUNT_WG});
	assert_true(reports_takes_many(m->r, id(m, "site-2")));
}

/* --- our own --- */

static void test_our_own_lines(void **state)
{
	struct mesh *m = *state;

	expect_own(m, "-----");
	up(m, "hub-a");
	expect_own(m, "u----");
	down(m, "hub-a");
	expect_own(m, "l----");
	verdict(m, "hub-a", LIVE_LAST_RESORT, LIVE_CAUSE_PEER_SIGNALS);
	expect_own(m, "u----");
	verdict(m, "hub-a", LIVE_LAST_RESORT, LIVE_CAUSE_POOR_LINE);
	expect_own(m, "p----");
	assert_int_equal(m->own.max_owners, 16);
	assert_int_equal(m->own.inventory_time, 1000);
	assert_memory_equal(m->own.digest, m->g->digest, sizeof(m->own.digest));
	assert_true(m->own.takes_many[SITE_1]);
}

static void test_what_does_not_change_is_no_news(void **state)
{
	struct mesh *m = *state;

	up(m, "hub-a");
	expect_own(m, "u----");
	verdict(m, "hub-a", LIVE_UP, LIVE_CAUSE_DAEMON_SILENT);
	assert_null(reports_news(m->r));
}

/* Who was never heard may have had no time yet. */
static void test_who_is_never_heard_is_lost_in_the_end(void **state)
{
	struct mesh *m = *state;

	verdict(m, "hub-b", LIVE_DOWN, LIVE_CAUSE_NEW);
	time_goes_to(m, 1050);
	expect_own(m, "-----");
	reports_probing(m->r, m->now);
	assert_int_equal(reports_deadline(m->r).ns, at(1053).ns);
	time_goes_to(m, 1052.9);
	expect_own(m, "-----");
	up(m, "hub-a");
	time_goes_to(m, 1053);
	expect_own(m, "ul---");
	assert_true(instant_is_never(reports_deadline(m->r)));
}

/* It was lost before our restart, and still is. */
static void test_what_was_found_lost_is_lost(void **state)
{
	struct mesh *m = *state;

	reports_found(m->r, id(m, "hub-a"), LIVE_UP, true);
	reports_found(m->r, id(m, "hub-b"), LIVE_DOWN, true);
	reports_probing(m->r, m->now);
	expect_own(m, "ul---");
	verdict(m, "hub-b", LIVE_DOWN, LIVE_CAUSE_NEW);
	expect_own(m, "ul---");
	up(m, "hub-b");
	expect_own(m, "uu---");
}

/* A client is silent for as long as it likes. */
static void test_of_clients_nothing_is_said(void **state)
{
	struct mesh *m = *state;

	down(m, "laptop");
	reports_probing(m->r, m->now);
	time_goes_to(m, 1060);
	expect_own(m, "-lll-");
}

/* The end that measures says so, and the other with it, while it signals: never each because the
 * other does. */
static void test_a_poor_line_by_the_other_end(void **state)
{
	struct mesh *m = *state;

	up(m, "site-1");
	says(m, "site-1", "pu---");
	expect_own(m, "--u--");
	verdict(m, "site-1", LIVE_LAST_RESORT, LIVE_CAUSE_PEER_SIGNALS);
	expect_own(m, "--w--");
	up(m, "site-1");
	expect_own(m, "--u--");
	verdict(m, "site-1", LIVE_LAST_RESORT, LIVE_CAUSE_PEER_SIGNALS);
	expect_own(m, "--w--");
	says(m, "site-1", "uu---"); /* it drains now */
	expect_own(m, "--u--");
}

/* A daemon that dies leaves its device as it was: what it said last goes on. */
static void test_a_poor_line_outlives_who_says_so(void **state)
{
	static const enum live_cause silent[] = {LIVE_CAUSE_DAEMON_SILENT, LIVE_CAUSE_ADOPTED};
	struct mesh *m = *state;

	up(m, "site-1");
	says(m, "site-1", "pu---");
	for (size_t i = 0; i < ARRAY_SIZE(silent); i++) {
		verdict(m, "site-1", LIVE_LAST_RESORT, LIVE_CAUSE_PEER_SIGNALS);
		expect_own(m, "--w--");
		verdict(m, "site-1", LIVE_LAST_RESORT, silent[i]);
		assert_null(reports_news(m->r));
		verdict(m, "site-1", LIVE_UP, silent[i]);
		expect_own(m, "--u--");
	}
	verdict(m, "site-1", LIVE_LAST_RESORT, LIVE_CAUSE_DAEMON_SILENT);
	expect_own(m, "--w--");
	down(m, "site-1");
	expect_own(m, "--l--");
}

/* Where both drain, and one of them found the line poor for a while, neither is to have it of the
 * other for ever. */
static void test_our_own_word_does_not_come_back(void **state)
{
	struct mesh *m = *state;

	verdict(m, "site-1", LIVE_LAST_RESORT, LIVE_CAUSE_POOR_LINE);
	expect_own(m, "--p--");
	says(m, "site-1", "wu---");
	expect_own(m, "--p--");
	verdict(m, "site-1", LIVE_LAST_RESORT, LIVE_CAUSE_PEER_SIGNALS);
	expect_own(m, "--u--");
	says(m, "site-1", "pu---"); /* now it finds it so itself */
	expect_own(m, "--w--");
	verdict(m, "site-1", LIVE_LAST_RESORT, LIVE_CAUSE_POOR_LINE);
	expect_own(m, "--p--"); /* and so do we: that is news to it */
}

static void test_a_reload_keeps_our_lines_by_name(void **state)
{
	struct mesh *m = *state;

	up(m, "site-1");
	down(m, "site-2");
	expect_own(m, "--ul-");
	take(m, (struct variant){.self = HUB_A, .metric_b = 20, .is_turned = true});
	expect_own(m, "--lu-");
	assert_memory_equal(m->own.digest, m->g->digest, sizeof(m->own.digest));
}

/* --- what was found on the device --- */

static void test_what_is_recalled_stands_until_its_hub_speaks(void **state)
{
	struct mesh *m = *state;
	struct rib_event lost = {.type = RIB_EVENT_REACH,
		.u.reach = {id(m, "hub-a"), id(m, "site-2"), RIB_REACH_LOST}};
	struct rib_event many = {
		.type = RIB_EVENT_TAKES_MANY, .u.takes_many = {id(m, "site-2"), true}};

	reports_recall(m->r, &lost, m->now);
	reports_recall(m->r, &many, m->now);
	up(m, "hub-a");
	expect(m, "");
	assert_int_equal(reports_deadline(m->r).ns, at(1010).ns);
	says(m, "hub-a", "-uulu");
	expect(m, "hub-a has hub-b\n");
	time_goes_to(m, 1010);
	expect(m, "");
	says(m, "hub-a", "-uuuu");
	expect(m, "site-2 takes one\nhub-a has site-2\n");
}

static void test_what_is_recalled_is_forgotten_in_the_end(void **state)
{
	struct mesh *m = *state;
	struct rib_event has = {.type = RIB_EVENT_REACH,
		.u.reach = {id(m, "hub-b"), id(m, "site-2"), RIB_REACH_HAS}};

	reports_recall(m->r, &has, m->now);
	time_goes_to(m, 1009);
	expect(m, "");
	time_goes_to(m, 1010);
	expect(m, "hub-b unknown site-2\n");
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)
#define HUB_TEST(name) cmocka_unit_test_setup_teardown(test_##name, begin_hub, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_a_hub_says_of_its_lines),
		TEST(a_clean_way_around_our_own_poor_line),
		HUB_TEST(who_is_no_hub_relays_to_nobody),
		TEST(who_is_no_peer_says_nothing),
		TEST(a_lost_hub_is_forgotten_later),
		TEST(a_hub_that_is_back_speaks_for_itself),
		TEST(another_inventory_is_not_understood),
		TEST(the_inventory_of_before_is_understood),
		TEST(a_difference_counts_from_its_last_change),
		TEST(hubs_tell_who_takes_many),
		TEST(what_was_known_of_many_stands),
		TEST(one_hub_that_knows_is_enough),
		TEST(a_lost_hub_has_no_say_in_who_takes_many),
		TEST(hubs_know_more_than_who_is_lost_said),
		TEST(a_hub_without_a_line_has_no_say_either),
		HUB_TEST(its_own_word_outlives_a_node),
		TEST(the_inventory_goes_before_reports),
		TEST(our_own_lines),
		TEST(what_does_not_change_is_no_news),
		TEST(who_is_never_heard_is_lost_in_the_end),
		TEST(what_was_found_lost_is_lost),
		HUB_TEST(of_clients_nothing_is_said),
		HUB_TEST(a_poor_line_by_the_other_end),
		HUB_TEST(a_poor_line_outlives_who_says_so),
		HUB_TEST(our_own_word_does_not_come_back),
		HUB_TEST(a_reload_keeps_our_lines_by_name),
		TEST(what_is_recalled_stands_until_its_hub_speaks),
		TEST(what_is_recalled_is_forgotten_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

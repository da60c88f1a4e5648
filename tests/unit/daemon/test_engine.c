/* SPDX-License-Identifier: MIT */
/*
 * The engine of site-1, in virtual time and without a device: what happens is told to it, and what
 * it wants done is compared in words.
 *
 *	hub-a (metric 10, 10.30.0.0/24) \
 *	                                 > site-1        site-2 (10.20.2.0/24), behind the hubs
 *	hub-b (metric 20) --------------/
 */
#include "daemon/engine.h"

#include "mesh_build.h"
#include "unit.h"
#include <errno.h>

enum { HUB_A, HUB_B, SITE_1, SITE_2, NODES };

#define SITE_2_NET "10.20.2.0/24"
#define HUB_A_NET "10.30.0.0/24"

struct bench {
	VEC(struct mesh_build *) builds;
	struct mesh_build *build; /* the last */
	struct engine *e;
	instant now;
	engine_actions todo;
	struct buf text;
	/* The device, as it would be read. */
	struct device_peer peers[NODES];
	ip_prefix allowed[NODES][2];
	struct device_state device;
};

static instant at(double s)
{
	return (instant){(int64_t)(s * 1e9)};
}

/* --- an inventory --- */

static struct mesh_build *inventory(struct bench *b)
{
	struct mesh_build *m = mem_zalloc(1, sizeof(*m));

	mesh_build_begin(m, MESH_HUB_AND_SPOKE, "10.9.0.0/24");
	mesh_build_node(m, "hub-a", MESH_HUB, "10.9.0.1");
	mesh_build_node(m, "hub-b", MESH_HUB, "10.9.0.2");
	mesh_build_node(m, "site-1", MESH_SPOKE, "10.9.0.3");
	mesh_build_node(m, "site-2", MESH_SPOKE, "10.9.0.4");
	m->nodes.items[HUB_A].metric = 10;
	m->nodes.items[HUB_B].metric = 20;
	mesh_build_network(m, SITE_2, SITE_2_NET, 0);
	mesh_build_network(m, HUB_A, HUB_A_NET, 0);
	vec_push(&b->builds, m);
	b->build = m;
	return m;
}

static void take_generation(struct bench *b)
{
	wg_key key = {{1}};
	const struct mesh_inventory *inv = mesh_build_end(b->build);
	struct generation_parts parts = {.topology = mesh_topology_new(inv),
		.self = &inv->nodes[SITE_1],
		.private_key = &key};
	struct engine_event e = {.type = ENGINE_GENERATION};

	e.u.generation = generation_make(&parts, engine_names(b->e));
	engine_step(b->e, &e, b->now, &b->todo);
}

/* --- what it wants done, in words --- */

static void put_turn(const ip_prefix *p, const struct rib_turn *t, void *data)
{
	struct bench *b = data;
	char text[IP_PREFIX_STRLEN];

	buf_printf(&b->text, " %s to %s", ip_prefix_format(p, text),
		t->owners.n ? engine_name(b->e, t->owners.peer[0]) : "nobody");
}

static void put_endpoint(struct bench *b, const struct engine_action *a)
{
	char now[SOCK_ADDR_STRLEN], before[SOCK_ADDR_STRLEN];

	buf_printf(&b->text, "%s goes to %s", engine_name(b->e, a->u.endpoint.peer),
		sock_addr_format(&a->u.endpoint.endpoint, now));
	if (a->u.endpoint.before.sa.sa_family != AF_UNSPEC)
		buf_printf(&b->text, " from %s", sock_addr_format(&a->u.endpoint.before, before));
}

static void put_probes(struct bench *b, const struct engine_action *a)
{
	buf_puts(&b->text, "probe");
	for (size_t i = 0; i < a->u.probe.n; i++)
		buf_printf(&b->text, " %s=%s", engine_name(b->e, a->u.probe.peers[i].peer),
			live_state_name(a->u.probe.peers[i].adopted_as));
}

static void put(struct bench *b, const struct engine_action *a)
{
	switch (a->type) {
	case ENGINE_MOVE:
		buf_puts(&b->text, "move");
		rib_diff_each(a->u.move, put_turn, b);
		break;
	case ENGINE_SYNC:
		buf_printf(&b->text, "sync: %s", a->u.sync);
		break;
	case ENGINE_REOPEN:
		buf_puts(&b->text, "reopen");
		break;
	case ENGINE_SET_ENDPOINT:
		put_endpoint(b, a);
		break;
	case ENGINE_RESOLVE:
		buf_printf(&b->text, "resolve %s:%u", a->u.resolve.host, a->u.resolve.port);
		break;
	case ENGINE_PROBE_SET:
		put_probes(b, a);
		break;
	case ENGINE_PROBE_REOPEN:
		buf_puts(&b->text, "reopen the prober");
		break;
	case ENGINE_PROBE_DRAIN:
		buf_printf(&b->text, "tell peers: %s", a->u.drained ? "drained" : "not drained");
		break;
	case ENGINE_HOLD_CLEAR:
		buf_puts(&b->text, "clear the hold");
		break;
	case ENGINE_REMEMBER_DRAIN:
		buf_printf(&b->text, "remember: %s", a->u.drained ? "drained" : "not drained");
		break;
	case ENGINE_LINE:
		buf_printf(&b->text, "(%d) ", engine_line_severity(&a->u.line));
		engine_line_text(b->e, &a->u.line, &b->text);
		break;
	case ENGINE_PROBE_REPORT:
		buf_printf(&b->text, "report %s", engine_name(b->e, a->u.report.peer));
		break;
	}
	buf_puts(&b->text, "\n");
}

/* What was wanted since the last time; reports apart, of which there is one for each peer of the
 * device. */
#define expect(b, words) expect_at(b, words, __LINE__)
static void expect_at(struct bench *b, const char *words, int line)
{
	buf_reset(&b->text);
	for (size_t i = 0; i < b->todo.n; i++)
		if (b->todo.items[i].type != ENGINE_PROBE_REPORT)
			put(b, &b->todo.items[i]);
	b->todo.n = 0;
	if (strcmp(buf_str(&b->text), words) != 0)
		fail_msg("line %d:\n%swas wanted, and not\n%s", line, buf_str(&b->text), words);
}

static void forget(struct bench *b)
{
	b->todo.n = 0;
}

/* --- what happens --- */

static uint32_t id(struct bench *b, unsigned node)
{
	static const char *const names[] = {"hub-a", "hub-b", "site-1", "site-2"};

	return names_id(engine_names(b->e), names[node]);
}

static void feed(struct bench *b, struct engine_event e)
{
	e.generation = engine_generation(b->e)->number;
	engine_step(b->e, &e, b->now, &b->todo);
}

static void happens(struct bench *b, enum engine_event_type type)
{
	feed(b, (struct engine_event){.type = type});
}

static void verdict_of(struct bench *b, unsigned node, enum live_state state, uint64_t generation)
{
	struct live_event v = {.type = LIVE_EVENT_PEER,
		.peer = id(b, node),
		.generation = generation,
		.state = state,
		.cause = state == LIVE_UP ? LIVE_CAUSE_SESSION_UP : LIVE_CAUSE_EXPIRED};
	struct engine_event e = {.type = ENGINE_VERDICTS};

	e.u.verdicts.events = &v;
	e.u.verdicts.n = 1;
	feed(b, e);
}

static void verdict(struct bench *b, unsigned node, enum live_state state)
{
	verdict_of(b, node, state, engine_generation(b->e)->number);
}

static void hold_over(struct bench *b)
{
	struct live_event v = {.type = LIVE_EVENT_HOLD_OVER};
	struct engine_event e = {.type = ENGINE_VERDICTS};

	e.u.verdicts.events = &v;
	e.u.verdicts.n = 1;
	feed(b, e);
}

static void moved(struct bench *b, int err)
{
	feed(b, (struct engine_event){.type = ENGINE_MOVED, .u.err = err});
}

static void synced(struct bench *b)
{
	struct engine_event e = {.type = ENGINE_SYNCED};

	e.u.synced.device = &b->device;
	e.u.synced.wall_ns = b->now.ns;
	feed(b, e);
}

static void sync_fails(struct bench *b, int err, const char *trouble)
{
	struct engine_event e = {.type = ENGINE_SYNCED};

	e.u.synced.err = err;
	e.u.synced.trouble = trouble;
	feed(b, e);
}

static void resolved(struct bench *b, unsigned node, const char *addr)
{
	struct engine_event e = {.type = ENGINE_RESOLVED};
	sock_addr a;

	e.u.resolved.peer = id(b, node);
	if (addr) {
		assert_true(sock_addr_parse(&a, addr));
		e.u.resolved.addrs = &a;
		e.u.resolved.n = 1;
	}
	feed(b, e);
}

static void endpoint_set(struct bench *b, unsigned node, const char *addr, int err)
{
	struct engine_event e = {.type = ENGINE_ENDPOINT_SET};

	e.u.endpoint_set.peer = id(b, node);
	e.u.endpoint_set.err = err;
	assert_true(sock_addr_parse(&e.u.endpoint_set.endpoint, addr));
	feed(b, e);
}

/* Time goes to the next deadline, which must be this one. */
#define wait_until(b, s) wait_until_at(b, s, __LINE__)
static void wait_until_at(struct bench *b, double s, int line)
{
	instant due = engine_deadline(b->e);

	if (due.ns != at(s).ns)
		fail_msg("line %d: the deadline is %.3f", line, (double)due.ns / 1e9);
	b->now = due;
	happens(b, ENGINE_TIME);
}

/* Time goes on, and all that falls due is done, in vain or not. */
static void run_until(struct bench *b, double s)
{
	while (!instant_before(at(s), engine_deadline(b->e))) {
		size_t before = b->todo.n;

		b->now = engine_deadline(b->e);
		happens(b, ENGINE_TIME);
		for (size_t i = before, n = b->todo.n; i < n; i++)
			if (b->todo.items[i].type == ENGINE_SYNC)
				synced(b);
	}
	b->now = at(s);
}

/* --- a device --- */

static void device_has(struct bench *b, unsigned node, const char *endpoint, const char *prefix)
{
	struct device_peer *p = &b->peers[node];
	ip_prefix own = ip_prefix_host(&b->build->nodes.items[node].addresses[0].addr);

	*p = (struct device_peer){
		.key = b->build->nodes.items[node].public_key, .allowed = b->allowed[node]};
	if (endpoint)
		assert_true(sock_addr_parse(&p->endpoint, endpoint));
	p->allowed[p->n_allowed++] = own;
	if (prefix)
		p->allowed[p->n_allowed++] = mesh_build_prefix(prefix);
	b->device.peers = b->peers;
	b->device.n_peers = node + 1 > b->device.n_peers ? node + 1 : b->device.n_peers;
}

static void handshake_now(struct bench *b, unsigned node)
{
	b->peers[node].last_handshake.tv_sec = b->now.ns / NS_PER_S;
}

static int begin(void **state)
{
	struct bench *b = mem_zalloc(1, sizeof(*b));

	b->now = at(1000);
	b->e = engine_new(b->now);
	inventory(b);
	*state = b;
	return 0;
}

static int end(void **state)
{
	struct bench *b = *state;

	engine_free(b->e);
	for (size_t i = 0; i < b->builds.n; i++) {
		mesh_build_done(b->builds.items[i]);
		free(b->builds.items[i]);
	}
	vec_done(&b->builds);
	vec_done(&b->todo);
	buf_done(&b->text);
	free(b);
	return 0;
}

static void find(struct bench *b)
{
	struct engine_event e = {.type = ENGINE_FOUND};

	e.u.found.device = &b->device;
	e.u.found.max_owners = 1;
	feed(b, e);
}

/* Both hubs are up, and where the inventory says; hub-a carries all. */
static void start(struct bench *b)
{
	take_generation(b);
	if (endpoints_is_open(engine_endpoints(b->e), id(b, HUB_A)))
		resolved(b, HUB_A, "192.0.2.1:51820");
	resolved(b, HUB_B, "192.0.2.2:51820");
	device_has(b, HUB_A, "192.0.2.1:51820", SITE_2_NET);
	device_has(b, HUB_B, "192.0.2.2:51820", "0.0.0.0/0");
	handshake_now(b, HUB_A);
	handshake_now(b, HUB_B);
	find(b);
	synced(b);
	forget(b);
}

/* --- the start --- */

static void test_a_first_start(void **state)
{
	struct bench *b = *state;

	take_generation(b);
	expect(b, "resolve hub-a.example.net:51820\nresolve hub-b.example.net:51820\n");
	resolved(b, HUB_A, "192.0.2.1:51820");
	resolved(b, HUB_B, NULL);
	expect(b, ""); /* the first sync sets it */
	assert_null(endpoints_unknown(engine_endpoints(b->e), id(b, HUB_A)));
	assert_string_equal(
		endpoints_unknown(engine_endpoints(b->e), id(b, HUB_B)), "hub-b.example.net");
	find(b);
	expect(b, "sync: start\n");
	device_has(b, HUB_A, "192.0.2.1:51820", NULL);
	device_has(b, HUB_B, NULL, NULL);
	synced(b);
	expect(b, "probe hub-a=down hub-b=down\n");
}

static void test_whom_the_device_uses_is_adopted(void **state)
{
	struct bench *b = *state;
	struct rib_answer a;
	ip_prefix net = mesh_build_prefix(SITE_2_NET);

	take_generation(b);
	device_has(b, HUB_A, NULL, SITE_2_NET);
	device_has(b, HUB_B, NULL, NULL); /* its own address never moves, and says nothing */
	forget(b);
	find(b);
	assert_true(rib_explain(engine_rib(b->e), &net, &a));
	assert_int_equal(a.owners.peer[0], id(b, HUB_A));
	synced(b);
	expect(b, "sync: start\nprobe hub-a=up hub-b=down\n");
}

/* hub-a carries its own network, but hub-b what hub-a could: it drained or held. */
static void test_whom_the_device_passes_over_is_last_resort(void **state)
{
	struct bench *b = *state;

	take_generation(b);
	device_has(b, HUB_A, NULL, HUB_A_NET);
	device_has(b, HUB_B, NULL, SITE_2_NET);
	forget(b);
	find(b);
	synced(b);
	expect(b, "sync: start\nprobe hub-a=last-resort hub-b=up\n");
}

static void test_a_start_that_fails_says_why_once(void **state)
{
	struct bench *b = *state;

	take_generation(b);
	find(b);
	forget(b);
	sync_fails(b, -EADDRINUSE, "the port is taken");
	expect(b, ""); /* who starts says it */
	assert_string_equal(engine_trouble(b->e), "the port is taken");
}

/* --- verdicts --- */

static void test_a_peer_that_is_lost_moves_its_prefixes(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	expect(b, "move 10.9.0.4/32 to hub-b 10.20.2.0/24 to hub-b 10.30.0.0/24 to hub-b\n"
		  "(6) 10.9.0.4/32 and 2 others: hub-a -> hub-b\n"
		  "(4) hub-a is down: nothing comes from it and echoes stay unanswered\n");
	moved(b, 0);
	expect(b, "");
	verdict(b, HUB_A, LIVE_UP);
	expect(b, "move 10.9.0.4/32 to hub-a 10.20.2.0/24 to hub-a 10.30.0.0/24 to hub-a\n"
		  "(6) 10.9.0.4/32 and 2 others: hub-b -> hub-a\n"
		  "(6) hub-a is up: its BFD session is up\n");
}

static void test_a_verdict_of_an_old_generation_is_nothing(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict_of(b, HUB_A, LIVE_DOWN, engine_generation(b->e)->number - 1);
	expect(b, "");
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, HUB_A)), RIB_UP);
}

static void test_a_verdict_that_changes_nothing_moves_nothing(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_UP);
	expect(b, "(6) hub-a is up: its BFD session is up\n");
}

static void test_a_move_that_is_refused_is_mended(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	forget(b);
	moved(b, -ENOMEM);
	expect(b, "(4) the device refused a change (Cannot allocate memory); reading it back\n"
		  "sync: mended\n");
}

/* --- the hold --- */

static void test_a_hold_ends_at_once_if_all_is_in_line(void **state)
{
	struct bench *b = *state;

	start(b);
	hold_over(b);
	expect(b, "clear the hold\n");
}

static void test_a_hold_ends_after_the_move(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	hold_over(b);
	forget(b);
	moved(b, 0);
	expect(b, "clear the hold\n");
	moved(b, 0);
	expect(b, "");
}

static void test_a_hold_waits_for_a_device_that_refuses(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	moved(b, -ENOMEM);
	forget(b);
	hold_over(b);
	expect(b, "");
	sync_fails(b, -ENOMEM, "no memory");
	expect(b, "(3) wg0 can't be brought into line: no memory\n");
	verdict(b, HUB_A, LIVE_UP);
	forget(b);
	moved(b, 0); /* one move that works doesn't make up for the other */
	expect(b, "");
	synced(b);
	expect(b, "clear the hold\n");
}

/* --- reloads --- */

static struct mesh_build *other_inventory(struct bench *b)
{
	return inventory(b);
}

static void probed(struct bench *b, enum live_state a, enum live_state hub_b)
{
	struct live_event v[] = {{.type = LIVE_EVENT_PEER, .peer = id(b, HUB_A), .state = a},
		{.type = LIVE_EVENT_PEER, .peer = id(b, HUB_B), .state = hub_b}};
	struct engine_event e = {.type = ENGINE_PROBED};

	v[0].generation = v[1].generation = engine_generation(b->e)->number;
	e.u.verdicts.events = v;
	e.u.verdicts.n = 2;
	feed(b, e);
}

static void test_a_reload_keeps_the_verdicts(void **state)
{
	struct bench *b = *state;

	start(b);
	verdict(b, HUB_B, LIVE_DOWN);
	forget(b);
	other_inventory(b);
	take_generation(b);
	assert_int_equal(engine_generation(b->e)->number, 2);
	assert_int_equal(engine_generation_before(b->e)->number, 1);
	expect(b, "sync: reload\n");
	synced(b);
	assert_null(engine_generation_before(b->e));
	expect(b, "probe hub-a=down hub-b=down\n"); /* read of peers that are new only */
	probed(b, LIVE_UP, LIVE_DOWN);
	expect(b, "");
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, HUB_A)), RIB_UP);
}

/* What was decided by the prober while the reload went on. */
static void test_after_a_reload_all_are_asked(void **state)
{
	struct bench *b = *state;

	start(b);
	other_inventory(b);
	take_generation(b);
	synced(b);
	verdict_of(b, HUB_A, LIVE_DOWN, 1);
	forget(b);
	probed(b, LIVE_DOWN, LIVE_UP);
	expect(b, "move 10.9.0.4/32 to hub-b 10.20.2.0/24 to hub-b 10.30.0.0/24 to hub-b\n"
		  "(6) 10.9.0.4/32 and 2 others: hub-a -> hub-b\n"
		  "(4) hub-a is down: nothing was heard of it yet\n");
}

static void test_a_new_network_is_known_and_an_old_one_gone(void **state)
{
	struct bench *b = *state;
	struct rib_answer a;
	ip_prefix was = mesh_build_prefix(SITE_2_NET), is = mesh_build_prefix("10.20.3.0/24");

	start(b);
	other_inventory(b);
	b->build->networks.items[0].network.prefix = is;
	take_generation(b);
	assert_false(rib_explain(engine_rib(b->e), &was, &a));
	assert_true(rib_explain(engine_rib(b->e), &is, &a));
	assert_int_equal(a.owners.peer[0], id(b, HUB_A));
}

static void test_a_new_peer_is_down_until_it_is_heard(void **state)
{
	struct bench *b = *state;

	start(b);
	other_inventory(b);
	mesh_build_link(b->build, SITE_1, SITE_2);
	take_generation(b);
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, SITE_2)), RIB_DOWN);
	synced(b);
	forget(b);
	other_inventory(b);
	take_generation(b);
	/* Nobody judges it any more, and what hubs carry for it is in no doubt. */
	assert_int_equal(rib_peer_state(engine_rib(b->e), id(b, SITE_2)), RIB_UP);
}

static void test_a_peer_follows_its_endpoint_in_the_inventory(void **state)
{
	struct bench *b = *state;

	start(b);
	other_inventory(b)->nodes.items[HUB_A].endpoint.host = "192.0.2.11";
	take_generation(b);
	expect(b, "sync: reload\n");
	synced(b);
	expect(b, "hub-a goes to 192.0.2.11:51820 from 192.0.2.1:51820\n"
		  "probe hub-a=down hub-b=down\n");
	endpoint_set(b, HUB_A, "192.0.2.11:51820", 0);
	expect(b, "(6) hub-a is looked for at 192.0.2.11:51820\n");
}

static void test_a_peer_follows_even_if_the_sync_fails(void **state)
{
	struct bench *b = *state;

	start(b);
	other_inventory(b)->nodes.items[HUB_A].endpoint.host = "192.0.2.11";
	take_generation(b);
	forget(b);
	sync_fails(b, -EADDRINUSE, "the port is taken");
	expect(b, "(3) wg0 can't be brought into line: the port is taken\n"
		  "hub-a goes to 192.0.2.11:51820 from 192.0.2.1:51820\n"
		  "probe hub-a=down hub-b=down\n");
}

static void test_a_new_name_is_followed_when_it_is_known(void **state)
{
	struct bench *b = *state;

	start(b);
	other_inventory(b)->nodes.items[HUB_A].endpoint.host = "new.example.net";
	take_generation(b);
	expect(b, "resolve new.example.net:51820\nsync: reload\n");
	synced(b);
	forget(b);
	resolved(b, HUB_A, "192.0.2.12:51820");
	expect(b, "hub-a goes to 192.0.2.12:51820 from 192.0.2.1:51820\n");
}

/* --- where peers are --- */

/* It roamed, and works there. */
static void test_roaming_is_kept_while_it_works(void **state)
{
	struct bench *b = *state;

	start(b);
	device_has(b, HUB_A, "198.51.100.7:4000", SITE_2_NET);
	handshake_now(b, HUB_A);
	other_inventory(b)->nodes.items[HUB_A].endpoint.host = "192.0.2.11";
	take_generation(b);
	synced(b);
	expect(b, "sync: reload\nprobe hub-a=down hub-b=down\n");
	run_until(b, 1100);
	expect(b, "sync: drift mended\nsync: drift mended\nsync: drift mended\n"
		  "sync: drift mended\nsync: drift mended\nsync: drift mended\n"
		  "sync: drift mended\nsync: drift mended\nsync: drift mended\n"
		  "sync: drift mended\n");
}

static void test_a_lost_peer_is_looked_for_by_its_name(void **state)
{
	struct bench *b = *state;

	start(b);
	run_until(b, 1005);
	verdict(b, HUB_A, LIVE_DOWN);
	forget(b);
	wait_until(b, 1006);
	expect(b, "sync: drift mended\nresolve hub-a.example.net:51820\n");
	resolved(b, HUB_A, "192.0.2.21:51820");
	expect(b, "hub-a goes to 192.0.2.21:51820 from 192.0.2.1:51820\n");
	endpoint_set(b, HUB_A, "192.0.2.21:51820", -ENODEV);
	expect(b, "(4) hub-a's endpoint could not be set: No such device\n");
	endpoint_set(b, HUB_A, "192.0.2.21:51820", 0);
	forget(b);
	resolved(b, HUB_A, "192.0.2.21:51820"); /* it is there already */
	expect(b, "");
}

/* It came back meanwhile, by roaming. */
static void test_an_answer_that_comes_late_overwrites_nothing(void **state)
{
	struct bench *b = *state;

	start(b);
	run_until(b, 1005);
	verdict(b, HUB_A, LIVE_DOWN);
	forget(b);
	wait_until(b, 1006);
	verdict(b, HUB_A, LIVE_UP);
	forget(b);
	resolved(b, HUB_A, "192.0.2.21:51820");
	expect(b, "");
}

static void test_an_answer_of_an_old_generation_is_nothing(void **state)
{
	struct bench *b = *state;
	struct engine_event e = {.type = ENGINE_RESOLVED, .generation = 1};
	sock_addr a;

	start(b);
	verdict(b, HUB_A, LIVE_DOWN);
	other_inventory(b);
	take_generation(b);
	synced(b);
	forget(b);
	assert_true(sock_addr_parse(&a, "192.0.2.99:51820"));
	e.u.resolved.peer = id(b, HUB_A);
	e.u.resolved.addrs = &a;
	e.u.resolved.n = 1;
	engine_step(b->e, &e, b->now, &b->todo);
	expect(b, "");
	resolved(b, SITE_2, "192.0.2.99:51820"); /* no peer of ours */
	expect(b, "");
}

static void test_names_are_asked_with_a_growing_pause(void **state)
{
	static const double pauses[] = {6, 12, 24, 48, 60, 60};
	struct bench *b = *state;
	double asked = 1006;

	start(b);
	run_until(b, 1005);
	verdict(b, HUB_A, LIVE_DOWN);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
		run_until(b, asked - 0.5);
		forget(b);
		run_until(b, asked);
		buf_reset(&b->text);
		for (size_t k = 0; k < b->todo.n; k++)
			if (b->todo.items[k].type == ENGINE_RESOLVE)
				put(b, &b->todo.items[k]);
		assert_string_equal(buf_str(&b->text), "resolve hub-a.example.net:51820\n");
		asked += pauses[i];
	}
}

/* A peer without probes is known by its handshakes alone. */
static void test_an_old_handshake_is_overdue(void **state)
{
	struct bench *b = *state;

	b->build->nodes.items[HUB_A].liveness.probe = MESH_PROBE_HANDSHAKE;
	start(b);
	run_until(b, 1150);
	buf_reset(&b->text);
	for (size_t i = 0; i < b->todo.n; i++)
		assert_int_not_equal(b->todo.items[i].type, ENGINE_RESOLVE);
	forget(b);
	b->now = at(1151);
	happens(b, ENGINE_TIME);
	assert_int_equal(b->todo.items[b->todo.n - 1].type, ENGINE_RESOLVE);
}

/* Roamed to where it isn't any more, and the inventory gives an address. */
static void test_an_address_is_offered_again(void **state)
{
	struct bench *b = *state;

	b->build->nodes.items[HUB_A].endpoint.host = "2001:db8::1";
	start(b);
	expect(b, "");
	device_has(b, HUB_A, "198.51.100.7:4000", SITE_2_NET);
	synced(b);
	run_until(b, 1005);
	forget(b);
	verdict(b, HUB_A, LIVE_DOWN);
	forget(b);
	wait_until(b, 1006);
	expect(b, "sync: drift mended\nhub-a goes to [2001:db8::1]:51820 from 198.51.100.7:4000\n");
}

/* Each time that the peer is lost at one address the next is tried, and after the last the first.
 */
static void test_the_addresses_of_a_name_take_turns(void **state)
{
	static const char *const turns[] = {
		"192.0.2.2:51820", "[2001:db8::1]:51820", "192.0.2.1:51820", "192.0.2.2:51820"};
	struct bench *b = *state;
	struct engine_event e = {.type = ENGINE_RESOLVED};
	sock_addr addrs[3];

	assert_true(sock_addr_parse(&addrs[0], "192.0.2.1:51820"));
	assert_true(sock_addr_parse(&addrs[1], "192.0.2.2:51820"));
	assert_true(sock_addr_parse(&addrs[2], "[2001:db8::1]:51820"));
	start(b);
	e.u.resolved.peer = id(b, HUB_A);
	e.u.resolved.addrs = addrs;
	e.u.resolved.n = 3;
	for (size_t i = 0; i < sizeof(turns) / sizeof(*turns); i++) {
		sock_addr now, want;

		feed(b, e);
		now = endpoints_of(engine_endpoints(b->e), id(b, HUB_A));
		assert_true(sock_addr_parse(&want, turns[i]));
		assert_true(sock_addr_eq(&now, &want));
	}
}

/* The peer has no endpoint, and nobody asks for one. */
static void test_a_peer_that_only_calls_is_not_looked_for(void **state)
{
	struct bench *b = *state;

	b->build->nodes.items[HUB_A].endpoint.host = NULL;
	take_generation(b);
	expect(b, "resolve hub-b.example.net:51820\n");
	device_has(b, HUB_A, "198.51.100.7:4000", SITE_2_NET);
	find(b);
	synced(b);
	verdict(b, HUB_A, LIVE_DOWN);
	forget(b);
	run_until(b, 1009);
	expect(b, "sync: drift mended\n");
	assert_null(endpoints_unknown(engine_endpoints(b->e), id(b, HUB_A)));
}

static void test_an_endpoint_within_a_carried_prefix_waits_for_its_routes(void **state)
{
	struct bench *b = *state;

	start(b);
	run_until(b, 1005);
	verdict(b, HUB_A, LIVE_DOWN);
	run_until(b, 1006);
	forget(b);
	resolved(b, HUB_A, "10.20.2.7:51820");
	expect(b, "sync: an endpoint within a carried prefix\n");
	synced(b);
	expect(b, "hub-a goes to 10.20.2.7:51820 from 192.0.2.1:51820\n");
	synced(b);
	expect(b, "");
}

/* --- when the device is read back --- */

static void test_it_is_read_now_and_then(void **state)
{
	struct bench *b = *state;

	start(b);
	for (unsigned s = 1000; s < 1010; s++)
		wait_until(b, s);
	expect(b, "");
	wait_until(b, 1010);
	expect(b, "sync: drift mended\n");
	wait_until(b, 1011); /* nothing is planned while it is under way */
	synced(b);
	assert_int_equal(engine_deadline(b->e).ns, at(1012).ns);
}

static void test_handshakes_are_read_more_often(void **state)
{
	struct bench *b = *state;

	b->build->nodes.items[HUB_B].liveness.probe = MESH_PROBE_HANDSHAKE;
	start(b);
	wait_until(b, 1000);
	wait_until(b, 1001);
	wait_until(b, 1002);
	expect(b, "sync: drift mended\n");
}

static void test_news_and_lost_peers_hurry_it(void **state)
{
	struct bench *b = *state;

	start(b);
	run_until(b, 1005.5);
	happens(b, ENGINE_NEWS);
	wait_until(b, 1005.7);
	expect(b, "sync: drift mended\n");
	synced(b);
	verdict(b, HUB_B, LIVE_DOWN);
	forget(b);
	wait_until(b, 1006);
	forget(b);
	wait_until(b, 1006.7);
	expect(b, "sync: drift mended\n");
}

/* Each failure doubles the pause; news of our own vain tries don't hurry it. */
static void test_failures_are_tried_again_ever_later(void **state)
{
	static const double pauses[] = {0.5, 1, 2, 4, 8, 16, 30, 30};
	struct bench *b = *state;

	start(b);
	for (size_t i = 0; i < sizeof(pauses) / sizeof(*pauses); i++) {
		double due = (double)b->now.ns / 1e9 + pauses[i];

		sync_fails(b, -EBUSY, "busy");
		expect(b, i ? "" : "(3) wg0 can't be brought into line: busy\n");
		assert_string_equal(engine_trouble(b->e), "busy");
		while (instant_before(engine_deadline(b->e), at(due))) {
			b->now = engine_deadline(b->e);
			happens(b, ENGINE_TIME);
		}
		expect(b, "");
		wait_until(b, due);
		expect(b, "sync: drift mended\n");
	}
	sync_fails(b, -EBUSY, "something else");
	expect(b, "(3) wg0 can't be brought into line: something else\n");
	happens(b, ENGINE_NEWS);
	assert_true(instant_before(b->now, engine_deadline(b->e)));
	synced(b);
	assert_null(engine_trouble(b->e));
}

static void test_a_device_that_is_gone_is_made_anew(void **state)
{
	struct bench *b = *state;
	struct engine_event e = {.type = ENGINE_REOPENED};

	start(b);
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "reopen\n");
	feed(b, e);
	expect(b, "sync: made anew\nreopen the prober\n");
	hold_over(b);
	expect(b, ""); /* it is empty */
	synced(b);
	expect(b, "clear the hold\n");
	assert_null(engine_trouble(b->e));
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "reopen\n");
	e.u.synced.err = -EPERM;
	e.u.synced.trouble = "may not";
	feed(b, e);
	expect(b, "(3) wg0 can't be made again: may not\n");
	assert_string_equal(engine_trouble(b->e), "may not");
}

static void test_a_device_that_goes_again_at_once_waits(void **state)
{
	struct bench *b = *state;

	start(b);
	sync_fails(b, -ENODEV, "no such device");
	happens(b, ENGINE_REOPENED);
	forget(b);
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "(3) wg0 can't be brought into line: no such device\n");
	run_until(b, 1000.5);
	forget(b);
	sync_fails(b, -ENODEV, "no such device");
	expect(b, "reopen\n");
}

/* --- what peers are told --- */

static void test_a_drain_is_told_once_it_is_remembered(void **state)
{
	struct bench *b = *state;
	struct engine_event ask = {.type = ENGINE_DRAIN, .u.drained = true};
	struct engine_event done = {.type = ENGINE_REMEMBERED};

	start(b);
	feed(b, ask);
	expect(b, "remember: drained\n");
	done.u.remembered.drained = true;
	done.u.remembered.err = -ENOSPC;
	feed(b, done);
	expect(b, "");
	done.u.remembered.err = 0;
	feed(b, done);
	expect(b, "tell peers: drained\n"
		  "(6) drained: peers are told to use others where they can\n");
	done.u.remembered.drained = false;
	feed(b, done);
	expect(b, "tell peers: not drained\n"
		  "(6) no longer drained: peers are told to come back\n");
}

static void test_what_we_signal_is_said(void **state)
{
	struct bench *b = *state;
	struct live_event v = {.type = LIVE_EVENT_SELF, .holding = true};
	struct engine_event e = {.type = ENGINE_VERDICTS};

	start(b);
	e.u.verdicts.events = &v;
	e.u.verdicts.n = 1;
	feed(b, e);
	v.flapping = true;
	feed(b, e);
	v.holding = v.flapping = false;
	feed(b, e);
	v.drained = true;
	feed(b, e);
	expect(b, "(6) signals to peers: holding\n"
		  "(6) signals to peers: holding, since several peers flap\n"
		  "(6) signals to peers: in service\n"
		  "(6) signals to peers: drained\n");
}

static void test_the_prober_hears_what_the_device_says(void **state)
{
	struct bench *b = *state;

	start(b);
	b->now = at(1007);
	b->peers[HUB_B].rx_bytes = 77;
	synced(b);
	assert_int_equal(b->todo.n, 2);
	assert_int_equal(b->todo.items[1].type, ENGINE_PROBE_REPORT);
	assert_int_equal(b->todo.items[1].u.report.peer, id(b, HUB_B));
	assert_int_equal(b->todo.items[1].u.report.rx_bytes, 77);
	assert_int_equal(b->todo.items[1].u.report.handshake_age_ns, 7 * NS_PER_S);
}

#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_first_start),
		TEST(whom_the_device_uses_is_adopted),
		TEST(whom_the_device_passes_over_is_last_resort),
		TEST(a_start_that_fails_says_why_once),
		TEST(a_peer_that_is_lost_moves_its_prefixes),
		TEST(a_verdict_of_an_old_generation_is_nothing),
		TEST(a_verdict_that_changes_nothing_moves_nothing),
		TEST(a_move_that_is_refused_is_mended),
		TEST(a_hold_ends_at_once_if_all_is_in_line),
		TEST(a_hold_ends_after_the_move),
		TEST(a_hold_waits_for_a_device_that_refuses),
		TEST(a_reload_keeps_the_verdicts),
		TEST(after_a_reload_all_are_asked),
		TEST(a_new_network_is_known_and_an_old_one_gone),
		TEST(a_new_peer_is_down_until_it_is_heard),
		TEST(a_peer_follows_its_endpoint_in_the_inventory),
		TEST(a_peer_follows_even_if_the_sync_fails),
		TEST(a_new_name_is_followed_when_it_is_known),
		TEST(roaming_is_kept_while_it_works),
		TEST(a_lost_peer_is_looked_for_by_its_name),
		TEST(an_answer_that_comes_late_overwrites_nothing),
		TEST(an_answer_of_an_old_generation_is_nothing),
		TEST(names_are_asked_with_a_growing_pause),
		TEST(an_old_handshake_is_overdue),
		TEST(an_address_is_offered_again),
		TEST(the_addresses_of_a_name_take_turns),
		TEST(a_peer_that_only_calls_is_not_looked_for),
		TEST(an_endpoint_within_a_carried_prefix_waits_for_its_routes),
		TEST(it_is_read_now_and_then),
		TEST(handshakes_are_read_more_often),
		TEST(news_and_lost_peers_hurry_it),
		TEST(failures_are_tried_again_ever_later),
		TEST(a_device_that_is_gone_is_made_anew),
		TEST(a_device_that_goes_again_at_once_waits),
		TEST(a_drain_is_told_once_it_is_remembered),
		TEST(what_we_signal_is_said),
		TEST(the_prober_hears_what_the_device_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

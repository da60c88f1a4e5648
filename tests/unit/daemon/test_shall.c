/* SPDX-License-Identifier: MIT */
/*
 * What shall be, of values alone. This node is a spoke with an address and a network of each family
 * and two hubs for peers; what the RIB wants is said by hand.
 */
#include "daemon/shall.h"

#include "fib/diff.h"
#include "fib/want_own.h"
#include "mesh_build.h"
#include "unit.h"
#include <errno.h>
#include <linux/rtnetlink.h>

#define WG 5
#define FIRST 51820u /* of the marks that are chosen */
#define PORT 51820

enum { SELF, HUB_A, HUB_B, N_NODES };
enum { NOBODY = -1 };

struct bench {
	struct mesh_build build;
	const struct generation *g;
	struct shall_rib rib;
	sock_addr endpoints[N_NODES];
	struct journal journal;
	prefix_vec before;
	struct shall_input in;
	struct fib_state is;
	struct shall shall;
};

static int read_psk(wg_key *ret, const char *file)
{
	if (strcmp(file, "there"))
		return -EACCES;
	*ret = (wg_key){{7}};
	return 0;
}

static void add_address(struct mesh_build *b, unsigned node, const char *text)
{
	struct mesh_node *n = &b->nodes.items[node];
	struct mesh_address *all = arena_array(&b->arena, struct mesh_address, n->n_addresses + 1);

	memcpy(all, n->addresses, n->n_addresses * sizeof(*all));
	assert_true(ip_addr_parse(&all[n->n_addresses].addr, text));
	n->addresses = all;
	n->n_addresses++;
}

static void begin_as(struct bench *b, enum mesh_role role)
{
	struct mesh_build *m = &b->build;
	wg_key key = {{1}};
	struct generation_parts parts = {.private_key = &key, .read_psk = read_psk};

	*b = (struct bench){0};
	mesh_build_begin(m, MESH_HUB_AND_SPOKE, "10.9.0.0/24");
	vec_push(&m->overlays,
		((struct mesh_overlay){mesh_build_prefix("fd09::/64"), false, mesh_build_pos(m)}));
	mesh_build_node(m, "self", role, "10.9.0.1");
	mesh_build_node(m, "hub-a", MESH_HUB, "10.9.0.2");
	mesh_build_node(m, "hub-b", MESH_HUB, "10.9.0.3");
	add_address(m, SELF, "fd09::1");
	mesh_build_network(m, SELF, "10.20.1.0/24", 0);
	mesh_build_network(m, SELF, "fd20:1::/48", 0);
	mesh_build_link(m, SELF, HUB_A);
	m->links.items[0].preshared_key_file = "there";
	mesh_build_link(m, SELF, HUB_B);
	m->links.items[1].preshared_key_file = "unreadable";
	mesh_build_end(m);
	parts.topology = mesh_topology_new(&m->inv);
	parts.self = &m->inv.nodes[SELF];
	b->g = generation_make(&parts);
	assert_int_equal(b->g->n_peers, 2);
	journal_init(&b->journal);
	vec_push(&b->is.devices,
		((struct fib_device){
			.name = "wg0", .ifindex = WG, .mtu = 1420, .wg.listen_port = PORT}));
}

static int begin(void **state)
{
	struct bench *b = mem_zalloc(1, sizeof(*b));

	begin_as(b, MESH_SPOKE);
	*state = b;
	return 0;
}

static int end(void **state)
{
	struct bench *b = *state;

	shall_done(&b->shall);
	shall_rib_done(&b->rib);
	fib_state_done(&b->is);
	journal_done(&b->journal);
	vec_done(&b->before);
	generation_put(b->g);
	mesh_build_done(&b->build);
	free(b);
	return 0;
}

/* In ip_prefix_cmp order; a peer of the generation, NOBODY, or more than there are: one that left.
 */
static void wants(struct bench *b, const char *prefix, int peer)
{
	struct rib_desire a = {.prefix = mesh_build_prefix(prefix), .route = true};

	if (peer != NOBODY)
		a.home = (struct rib_home){
			.kind = RIB_AT_PEER, .peer = peer < 2 ? b->g->peers[peer].id : 4711};
	shall_rib_add(&b->rib, &a);
}

static sock_addr endpoint(const char *text)
{
	ip_addr a;

	assert_true(ip_addr_parse(&a, text));
	return sock_addr_make(&a, PORT);
}

static void fill_input(struct bench *b)
{
	b->in = (struct shall_input){
		.gen = b->g,
		.rib = &b->rib,
		.endpoints = b->endpoints,
		.journal = &b->journal,
		.apart = b->before.items,
		.n_apart = b->before.n,
		.mark = b->in.mark,
	};
}

static int make(struct bench *b)
{
	fill_input(b);
	shall_done(&b->shall);
	b->shall = (struct shall){0};
	return shall_make(&b->in, &b->is, &b->shall);
}

static const struct fib_device *device(const struct bench *b)
{
	assert_int_equal(b->shall.state.devices.n, 1);
	return &b->shall.state.devices.items[0];
}

static const struct device_peer *peer(const struct bench *b, unsigned i)
{
	return device_state_peer(&device(b)->wg, &b->g->peers[i].node->public_key);
}

static bool holds(const prefix_vec *v, const char *text)
{
	ip_prefix p = mesh_build_prefix(text);

	return want_is_apart(v->items, v->n, &p);
}

/* --- the device --------------------------------------------------------------------------------
 */

static void the_device(void **state)
{
	struct bench *b = *state;
	const struct device_peer *p;

	wants(b, "10.20.2.0/24", 1);
	wants(b, "10.20.3.0/24", 2);
	wants(b, "10.20.4.0/24", NOBODY);
	wants(b, "fd20:2::/48", 1);
	wants(b, "fd20:3::/48", 0);
	b->endpoints[0] = endpoint("192.0.2.7");
	assert_int_equal(make(b), 0);
	assert_true(device(b)->up);
	assert_int_equal(device(b)->wg.listen_port, PORT);
	assert_int_equal(device(b)->addresses.n, 2);
	assert_int_equal(device(b)->addresses.items[0].len, 24);
	assert_int_equal(device(b)->addresses.items[1].len, 64);
	assert_int_equal(device(b)->wg.n_peers, 2);
	p = peer(b, 0);
	assert_int_equal(p->n_allowed, 1);
	assert_int_equal(p->allowed[0].family, AF_INET6);
	assert_int_equal(p->endpoint.sa.sa_family, AF_INET);
	p = peer(b, 1);
	assert_int_equal(p->n_allowed, 2);
	assert_true(ip_prefix_cmp(&p->allowed[0], &p->allowed[1]) < 0);
	assert_int_equal(p->endpoint.sa.sa_family, AF_UNSPEC);
	/* Every prefix has its route, whoever owns it, and what refuses behind it. */
	assert_int_equal(b->shall.backstops.n, 5);
	assert_int_equal(b->shall.problems.n, 0);
	assert_int_equal(device(b)->wg.fwmark, 0);
}

static void an_unreadable_key_stays(void **state)
{
	struct bench *b = *state;

	assert_int_equal(make(b), 0);
	assert_true(peer(b, 0)->has_psk && !peer(b, 0)->leave_psk);
	assert_int_equal(peer(b, 0)->psk.bytes[0], 7);
	assert_true(!peer(b, 1)->has_psk && peer(b, 1)->leave_psk);
}

static void a_port_that_is_taken(void **state)
{
	struct bench *b = *state;
	struct fib_question q = {0};

	fill_input(b);
	shall_ask(&b->in, &q);
	assert_string_equal(q.ifname, "wg0");
	assert_int_equal(q.port, PORT);
	fib_question_done(&q);
	wants(b, "0.0.0.0/0", 0);
	b->is.free_table = FIRST;
	b->is.devices.items[0].wg.listen_port = 40000;
	assert_int_equal(make(b), 0);
	assert_int_equal(device(b)->wg.listen_port, PORT);
	assert_int_equal(device(b)->mark.port, PORT);
	b->is.devices.items[0].port_is_taken = true;
	assert_int_equal(make(b), 0);
	assert_int_equal(device(b)->wg.listen_port, 0); /* left */
	assert_int_equal(device(b)->mark.port, 40000);
	assert_int_equal(b->shall.problems.n, 1);
	assert_non_null(strstr(b->shall.problems.items[0].what, "wg0 stays on port 40000"));
	assert_non_null(strstr(b->shall.problems.items[0].what, "(listen_port of self)"));
}

/* --- sets of owners ----------------------------------------------------------------------------
 */

/* peers: of the generation, or 4711 for one that left. */
static struct rib_owner owner(const struct bench *b, unsigned peer, unsigned rank, bool sends)
{
	return (struct rib_owner){peer < 2 ? b->g->peers[peer].id : peer, (uint16_t)rank,
		(uint16_t)(sends ? 7 : 0), sends, peer == 0};
}

static void wants_set(struct bench *b, const char *prefix, uint64_t number,
	const struct rib_owner *owners, size_t n)
{
	struct rib_desire a = {.prefix = mesh_build_prefix(prefix),
		.home = {.kind = RIB_AT_OWNER_SET, .owner_set = number},
		.owner_set = {number, owners, n},
		.route = true};

	shall_rib_add(&b->rib, &a);
}

static void sets_of_owners(void **state)
{
	const uint64_t first = RIB_OWNER_SET_MARK + 2, second = RIB_OWNER_SET_MARK + 4;
	const uint64_t left = RIB_OWNER_SET_MARK + 6;
	struct bench *b = *state;
	struct rib_owner two[] = {
		owner(b, 1, 0, true), owner(b, 0, 1, false), owner(b, 4711, 2, 1)};
	struct rib_owner gone = owner(b, 4711, 0, true);
	const struct device_owner_set *s;

	b->is.devices.items[0].wg.max_owners = 16;
	wants_set(b, "10.20.2.0/24", second, two, 3);
	wants_set(b, "10.20.3.0/24", first, two, 1);
	wants_set(b, "10.20.4.0/24", left, &gone, 1);
	wants(b, "10.20.5.0/24", 0);
	wants_set(b, "fd20:2::/48", second, two, 1); /* as it was met first */
	vec_push(&b->rib.states, RIB_DOWN);
	vec_push(&b->rib.states, RIB_LAST_RESORT);
	assert_int_equal(make(b), 0);
	assert_int_equal(device(b)->wg.n_sets, 2);
	assert_ptr_equal(device_state_set(&device(b)->wg, first), &device(b)->wg.sets[0]);
	s = device_state_set(&device(b)->wg, second);
	assert_int_equal(s->n_allowed, 2);
	assert_int_equal(s->n_owners, 2);
	assert_true(wg_key_eq(&s->owners[0].key, &b->g->peers[1].node->public_key));
	assert_true(s->owners[0].rank == 0 && s->owners[0].weight == 7 && !s->owners[0].is_relay);
	assert_true(s->owners[1].rank == 1 && s->owners[1].weight == 0 && s->owners[1].is_relay);
	assert_int_equal(device(b)->wg.sets[0].n_allowed, 1);
	assert_int_equal(peer(b, 0)->n_allowed, 1);
	assert_int_equal(peer(b, 1)->n_allowed, 0);
	assert_int_equal(peer(b, 0)->level, DEVICE_DOWN);
	assert_int_equal(peer(b, 1)->level, DEVICE_LAST_RESORT);
	assert_int_equal(b->shall.state.routes.n, 5 + b->shall.backstops.n + 2);
}

/* Where a device has one owner a prefix there are no levels to be set, and no sets: who is sent to
 * first has what is in one. */
static void no_sets_for_one_owner(void **state)
{
	struct bench *b = *state;
	struct rib_owner two[] = {owner(b, 1, 0, true), owner(b, 0, 1, true)};
	struct rib_desire shared = {.prefix = mesh_build_prefix("10.20.2.0/24"),
		.home = {.kind = RIB_AT_OWNER_SET, .owner_set = RIB_OWNER_SET_MARK},
		.owner_set = {RIB_OWNER_SET_MARK, two, 2},
		.owners = {.n = 1, .peer = {b->g->peers[1].id}}};

	shall_rib_add(&b->rib, &shared);
	wants_set(b, "10.20.3.0/24", RIB_OWNER_SET_MARK + 1, two, 2);
	wants(b, "10.20.5.0/24", 0);
	vec_push(&b->rib.states, RIB_DOWN);
	vec_push(&b->rib.states, RIB_DOWN);
	assert_int_equal(make(b), 0);
	assert_int_equal(peer(b, 0)->level, DEVICE_UP);
	assert_int_equal(device(b)->wg.n_sets, 0);
	assert_int_equal(peer(b, 0)->n_allowed, 1);
	assert_int_equal(peer(b, 1)->n_allowed, 1);
}

/* --- what stands apart --------------------------------------------------------------------------
 */

static void who_stands_apart(void **state)
{
	static const struct {
		const char *prefix, *resolved, *reported, *before;
		bool is;
	} cases[] = {
		{"10.20.2.0/24", NULL, NULL, NULL, false},
		{"10.20.2.0/24", "10.20.3.1", NULL, NULL, false},
		{"10.20.2.0/24", "10.20.2.1", NULL, NULL, true},
		{"10.20.2.0/24", NULL, "10.20.2.1", NULL, true},
		{"10.20.2.0/24", NULL, NULL, "10.20.2.0/24", true}, /* roamed away */
		{"10.20.2.0/24", NULL, NULL, "10.20.0.0/16", false},
		{"fd20:2::/48", NULL, NULL, NULL, false},
		{"fd20:2::/48", "fd20:2::1", NULL, NULL, true},
		{"fd20:2::/48", NULL, "fd20:2::1", NULL, true},
		{"fd20:2::/48", NULL, "10.20.2.1", "fd20:2::/48", true},
		{"0.0.0.0/0", NULL, NULL, NULL, true},
		{"::/0", NULL, NULL, NULL, true},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bench *b;
		struct device_peer other = {{{9}}};
		bool says, v4, sysctl;

		begin(state);
		b = *state;
		wants(b, cases[i].prefix, 0);
		if (cases[i].resolved)
			b->endpoints[1] = endpoint(cases[i].resolved);
		if (cases[i].before)
			vec_push(&b->before, mesh_build_prefix(cases[i].before));
		if (cases[i].reported)
			other.endpoint = endpoint(cases[i].reported);
		b->is.devices.items[0].wg.peers = &other; /* a foreign one, even */
		b->is.devices.items[0].wg.n_peers = 1;
		b->is.free_table = FIRST;
		assert_int_equal(make(b), 0);
		assert_int_equal(b->shall.apart.n, cases[i].is);
		assert_int_equal(b->shall.mark, cases[i].is ? FIRST : 0);
		/* Said once, and of a default route never. */
		says = cases[i].is && !cases[i].before && !strstr(cases[i].prefix, "/0");
		assert_int_equal(b->shall.lines.n, says);
		/* The reverse path check is IPv4's. */
		v4 = cases[i].is && !strchr(cases[i].prefix, ':');
		sysctl = b->shall.state.sysctls.n;
		assert_int_equal(sysctl, v4);
		b->is.devices.items[0].wg.peers = NULL;
		b->is.devices.items[0].wg.n_peers = 0;
		end(state);
	}
	begin(state);
}

/* before: the last one decided it; now: the device has it; journal: an earlier life's. */
static void which_mark(void **state)
{
	static const struct {
		bool apart;
		uint32_t before, now, journal, free, others;
		int err;
		uint32_t mark;
		bool leave; /* what the device has */
		size_t marks;
	} cases[] = {
		/* Nothing apart, nothing there. */
		{false, 0, 0, 0, 0, 0, 0, 0, true, 0},
		/* An operator's own stays. */
		{false, 0, 77, 0, 0, 0, 0, 0, true, 0},
		/* Ours of earlier is given up, unless somebody uses it by now. */
		{false, FIRST, FIRST, 0, 0, 0, 0, 0, false, 1},
		{false, 0, FIRST + 3, FIRST + 3, 0, 0, 0, 0, false, 1},
		{false, 0, FIRST + 3, 0, 0, 0, 0, 0, false, 1},
		{false, 0, FIRST, 0, 0, FIRST, 0, 0, true, 1},
		{false, 0, FIRST, 0, 0, FIRST + 1, 0, 0, false, 1},
		/* A number must be looked for, and is found. */
		{true, 0, 0, 0, 0, 0, -EAGAIN, 0, false, 0},
		{true, 0, 0, FIRST + 9, 0, 0, -EAGAIN, 0, false, 0},
		{true, 0, 0, 0, FIRST + 1, 0, 0, FIRST + 1, false, 1},
		{true, 0, 0, FIRST + 9, FIRST + 1, 0, 0, FIRST + 1, false, 2},
		/* The device's is as good, whoever chose it; the last one's comes first. */
		{true, 0, 77, 0, 0, 0, 0, 77, false, 1},
		{true, 0, FIRST + 2, FIRST + 2, 0, 0, 0, FIRST + 2, false, 1},
		{true, FIRST + 1, FIRST + 2, 0, 0, 0, 0, FIRST + 1, false, 2},
		{true, FIRST + 1, 0, 0, FIRST + 4, 0, 0, FIRST + 1, false, 1},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct bench *b;

		begin(state);
		b = *state;
		wants(b, cases[i].apart ? "::/0" : "fd20:2::/48", 0);
		b->in.mark = cases[i].before;
		b->is.devices.items[0].wg.fwmark = cases[i].now;
		b->is.free_table = cases[i].free;
		if (cases[i].journal)
			journal_add_mark(&b->journal, cases[i].journal);
		if (cases[i].others)
			vec_push(&b->is.routes,
				((struct rtnl_route){.dst = mesh_build_prefix("fd77::/64"),
					.table = cases[i].others,
					.ifindex = WG,
					.protocol = RTPROT_STATIC}));
		assert_int_equal(make(b), cases[i].err);
		if (!cases[i].err) {
			assert_int_equal(b->shall.mark, cases[i].mark);
			assert_int_equal(device(b)->wg.fwmark, cases[i].mark);
			assert_int_equal(device(b)->mark.mark, cases[i].mark);
			assert_int_equal(device(b)->leave_fwmark, cases[i].leave);
			assert_int_equal(b->shall.ours.n_marks, cases[i].marks);
		} else {
			assert_int_equal(b->shall.table.first, FIRST);
			assert_int_equal(b->shall.table.ifindex, WG);
			assert_int_equal(b->shall.table.ours.n, cases[i].journal != 0);
		}
		end(state);
	}
	begin(state);
}

/* --- own sources --------------------------------------------------------------------------------
 */

static void own_networks_that_are_covered(void **state)
{
	struct bench *b = *state;
	wg_key key = want_nobody_key();
	const struct device_peer *nobody;

	wants(b, "10.20.0.0/16", 0);
	wants(b, "fd00::/8", NOBODY); /* whoever owns the cover, now or later */
	assert_int_equal(make(b), 0);
	assert_int_equal(device(b)->wg.n_peers, 3);
	nobody = device_state_peer(&device(b)->wg, &key);
	assert_int_equal(nobody->n_allowed, 3);
	assert_true(holds(&b->shall.own, "10.20.1.0/24"));
	assert_true(holds(&b->shall.own, "fd20:1::/48"));
	assert_true(holds(&b->shall.own, "fd09::1/128"));
	assert_int_equal(nobody->endpoint.sa.sa_family, AF_UNSPEC);
	assert_int_equal(b->shall.journaled.n, 5);
	assert_true(b->shall.ours.has_peer(&key, b->shall.ours.data));
}

static void own_networks_that_are_not(void **state)
{
	struct bench *b = *state;

	wants(b, "10.20.1.0/25", 0); /* longer */
	wants(b, "10.20.2.0/24", 0);
	wants(b, "fd20:2::/48", 0);
	assert_int_equal(make(b), 0);
	assert_int_equal(device(b)->wg.n_peers, 2);
	assert_int_equal(b->shall.own.n, 0);
}

/* --- what is ours -------------------------------------------------------------------------------
 */

static void the_journal_names_what_is_gone(void **state)
{
	struct bench *b = *state;
	const struct fib_ours *o = &b->shall.ours;
	ip_prefix four = mesh_build_prefix("10.30.0.0/16"), six = mesh_build_prefix("fd30::/48");
	ip_prefix now = mesh_build_prefix("fd20:2::/48");
	ip_prefix address = mesh_build_prefix("10.8.0.1/24");
	wg_key gone = {{8}}, stranger = {{9}};

	journal_add_peer(&b->journal, &gone);
	journal_add_prefix(&b->journal, &four);
	journal_add_prefix(&b->journal, &six);
	journal_add_backstop(&b->journal, &six);
	journal_add_address(&b->journal, &address);
	wants(b, "fd20:2::/48", 0);
	assert_int_equal(make(b), 0);
	assert_true(o->has_peer(&gone, o->data));
	assert_true(o->has_peer(&b->g->peers[1].node->public_key, o->data));
	assert_false(o->has_peer(&stranger, o->data));
	assert_true(o->has_prefix(&four, o->data) && o->has_prefix(&six, o->data));
	assert_false(o->has_prefix(&now, o->data));
	assert_true(o->is_carried(&now, o->data));
	assert_false(o->is_carried(&six, o->data));
	assert_true(o->has_backstop(&six, o->data));
	assert_false(o->has_backstop(&four, o->data));
	assert_true(o->has_address(&address, o->data));
}

static void what_the_journal_gets(void **state)
{
	struct bench *b = *state;
	struct journal_content c;
	struct journal j;
	ip_prefix carried[] = {mesh_build_prefix("0.0.0.0/0"), mesh_build_prefix("fd20:2::/48")};
	ip_prefix own = mesh_build_prefix("10.20.1.0/24"), overlay = mesh_build_prefix("fd09::/64");

	wants(b, "0.0.0.0/0", 0);
	wants(b, "fd20:2::/48", NOBODY);
	b->is.free_table = FIRST + 5;
	assert_int_equal(make(b), 0);
	c = shall_journal(&b->shall);
	journal_init(&j);
	assert_true(journal_add(&j, &c));
	assert_false(journal_add(&j, &c));
	assert_true(journal_is(&j, &c));
	for (size_t i = 0; i < 2; i++) {
		assert_true(journal_has_prefix(&j, &carried[i]));
		assert_true(journal_has_backstop(&j, &carried[i]));
		assert_true(journal_has_peer(&j, &b->g->peers[i].node->public_key));
		assert_true(journal_has_address(&j, &b->g->addresses[i]));
	}
	assert_true(journal_has_prefix(&j, &own));
	assert_false(journal_has_backstop(&j, &overlay)); /* known by its table */
	assert_true(journal_has_mark(&j, FIRST + 5));
	c.mark = 0;
	assert_false(journal_is(&j, &c));
	journal_done(&j);
}

static void what_is_ours_at_the_end(void **state)
{
	struct bench *b = *state;
	const struct fib_ours *o = &b->shall.ours;
	ip_prefix p = mesh_build_prefix("fd30::/48");

	journal_add_mark(&b->journal, FIRST + 1);
	journal_add_backstop(&b->journal, &p);
	b->in.mark = FIRST + 2;
	vec_push(&b->before, mesh_build_prefix("::/0"));
	fill_input(b);
	b->in.rib = NULL;
	b->in.endpoints = NULL;
	shall_ended(&b->in, WG, &b->shall);
	assert_int_equal(o->n_marks, 2);
	assert_true(diff_is_own_table(o, FIRST + 1) && diff_is_own_table(o, FIRST + 2));
	assert_true(o->has_backstop(&p, o->data));
	assert_false(o->is_carried(&p, o->data));
	assert_int_equal(b->shall.state.devices.n, 0);
}

/* --- settings -----------------------------------------------------------------------------------
 */

static void a_hub_sends_no_redirects(void **state)
{
	struct bench *b = mem_zalloc(1, sizeof(*b));
	struct fib_question q = {0};

	*state = b;
	begin_as(b, MESH_HUB);
	vec_push(&b->before, mesh_build_prefix("0.0.0.0/0"));
	fill_input(b);
	shall_ask(&b->in, &q);
	assert_int_equal(q.sysctls.n, 3); /* with what stood apart the last time */
	fib_question_done(&q);
	vec_done(&b->before);
	assert_int_equal(make(b), 0);
	assert_int_equal(b->shall.state.sysctls.n, 2);
	assert_string_equal(
		b->shall.state.sysctls.items[1].path, "net/ipv4/conf/wg0/send_redirects");
	assert_int_equal(b->shall.state.sysctls.items[1].value, 0);
}

#define UNIT(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(the_device),
		UNIT(an_unreadable_key_stays),
		UNIT(sets_of_owners),
		UNIT(no_sets_for_one_owner),
		UNIT(a_port_that_is_taken),
		cmocka_unit_test_teardown(who_stands_apart, end),
		cmocka_unit_test_teardown(which_mark, end),
		UNIT(own_networks_that_are_covered),
		UNIT(own_networks_that_are_not),
		UNIT(the_journal_names_what_is_gone),
		UNIT(what_the_journal_gets),
		UNIT(what_is_ours_at_the_end),
		cmocka_unit_test_teardown(a_hub_sends_no_redirects, end),
	};

	return cmocka_run_group_tests_name("shall", tests, NULL, NULL);
}

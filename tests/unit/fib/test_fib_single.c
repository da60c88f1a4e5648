/* SPDX-License-Identifier: MIT */
/* Plans of one thing, and what is told of them, by hand. */
#include "fib_model.h"

static struct fib_state device_with(int peers, int owner_of_first)
{
	struct model m = {.up = true, .mtu = 1420};
	struct fib_state s = {0};

	for (int i = 0; i < peers; i++)
		m.has[i] = true;
	for (int j = 0; j < N_PREFIXES; j++)
		m.owner[j] = NOBODY;
	m.owner[0] = owner_of_first;
	look_at(&m, &s);
	return s;
}

static void a_move_is_one_addition(void **state)
{
	struct fib_state is = device_with(2, 0), shall = device_with(2, 1);
	struct want_facts facts = {.ifname = "wg0"};
	struct fib_ours ours = {.facts = &facts};
	struct fib_plan plan = {0};
	struct fib_counts n;

	fib_plan_make(&is, &shall, &ours, &plan);
	assert_int_equal(plan.ops.n, 1);
	assert_int_equal(plan.ops.items[0].type, FIB_PREFIX_ADD);
	assert_int_equal(plan.ops.items[0].reason, FIB_MOVES);
	assert_true(wg_key_eq(&plan.ops.items[0].u.owner.from.peer, &keys[0]));
	n = fib_tell_counts(&plan);
	assert_int_equal(count_of(&n), 0); /* nothing was done yet */
	plan.ops.items[0].done = true;
	n = fib_tell_counts(&plan);
	assert_int_equal(n.prefixes_moved, 1);
	assert_int_equal(n.peers_changed, 1);
	assert_int_equal(count_of(&n), 1);
	fib_plan_done(&plan);
	fib_state_done(&is);
	fib_state_done(&shall);
}

/* Two operations on the device itself, in one change. */
static void a_port_beside_a_mark_that_goes(void **state)
{
	struct model m = {.up = true, .mtu = 1420, .port = 1, .fwmark = MARK};
	struct fib_state is = {0}, shall = device_with(0, NOBODY);
	struct want_facts facts = {.ifname = "wg0"};
	struct fib_ours ours = {.facts = &facts};
	struct fib_plan plan = {0};
	fib_failures failures = {0};

	for (int j = 0; j < N_PREFIXES; j++)
		m.owner[j] = NOBODY;
	world = &m;
	watched = NULL;
	look_at(&m, &is);
	shall.devices.items[0].wg.listen_port = 2;
	fib_plan_make(&is, &shall, &ours, &plan);
	assert_int_equal(plan.ops.n, 2);
	assert_int_equal(fib_do(&io, &plan, &shall, &is, &failures), 0);
	assert_int_equal(m.port, 2);
	assert_int_equal(m.fwmark, 0);
	check_mirror(&is, &m);
	fib_plan_done(&plan);
	fib_state_done(&is);
	fib_state_done(&shall);
}

/* With nothing that shall be; of a peer that is there, or nothing happens. */
static void an_endpoint_alone(void **state)
{
	struct model m = {.up = true, .has = {true}};
	struct fib_state is = {0};
	struct fib_plan plan = {0};
	fib_failures failures = {0};
	struct fib_counts n;
	sock_addr to = somewhere();

	for (int j = 0; j < N_PREFIXES; j++)
		m.owner[j] = NOBODY;
	world = &m;
	watched = NULL;
	look_at(&m, &is);
	for (int i = 0; i < 2; i++)
		fib_plan_endpoint(&plan, FIB_DIFFERS, "wg0", &keys[i], &to);
	fib_plan_order(&plan);
	assert_int_equal(fib_do(&io, &plan, NULL, &is, &failures), 0);
	assert_int_equal(failures.n, 0);
	assert_true(m.endpoint[0] && !m.has[1] && !m.endpoint[1]);
	check_mirror(&is, &m);
	n = fib_tell_counts(&plan);
	assert_int_equal(n.endpoints_set, 2);
	fib_plan_done(&plan);
	fib_state_done(&is);
}

/* A process died between the two steps of a removal: what it left behind goes. */
static void parking_peer_goes(void **state)
{
	struct fib_state is = device_with(1, 0), shall = device_with(2, 1);
	struct device_state *wg = &is.devices.items[0].wg;
	struct want_facts facts = {.ifname = "wg0"};
	struct fib_ours ours = {.facts = &facts};
	struct fib_plan plan = {0};
	wg_key heir = keys[1];

	wg->peers[0].key = device_parking_key(&wg->public_key);
	fib_plan_make(&is, &shall, &ours, &plan);
	assert_int_equal(plan.conflicts.n, 0);
	assert_int_equal(plan.ops.n, 4); /* two peers that are missing, a move, and the end of it */
	assert_int_equal(plan.ops.items[2].type, FIB_PREFIX_ADD);
	assert_true(wg_key_eq(&plan.ops.items[2].u.owner.to.peer, &heir));
	assert_int_equal(plan.ops.items[3].type, FIB_PEER_DEL);
	fib_plan_done(&plan);
	/* The key is another one on another device, and no low-order point. */
	wg->peers[0].key = device_parking_key(&keys[2]);
	assert_false(wg_key_is_low_order(&wg->peers[0].key));
	fib_plan_make(&is, &shall, &ours, &plan);
	assert_int_equal(plan.conflicts.n, 1);
	fib_plan_done(&plan);
	fib_state_done(&is);
	fib_state_done(&shall);
}

static void a_prefix_wanted_twice_rests(void **state)
{
	struct fib_state is = device_with(2, NOBODY), shall = device_with(2, 0);
	struct want_facts facts = {.ifname = "wg0"};
	struct fib_ours ours = {.facts = &facts};
	struct fib_plan plan = {0};
	struct device_state *wg = &shall.devices.items[0].wg;

	for (size_t i = 0; i < 2; i++) {
		wg->peers[i].allowed[0] = prefixes[0];
		wg->peers[i].n_allowed = 1;
	}
	fib_plan_make(&is, &shall, &ours, &plan);
	assert_int_equal(plan.ops.n, 1);
	plan.ops.items[0].done = true;
	mirror_device(&is.devices.items[0].wg, plan.ops.items, 1, &shall.devices.items[0]);
	fib_plan_done(&plan);
	fib_plan_make(&is, &shall, &ours, &plan);
	assert_int_equal(plan.ops.n, 0);
	fib_plan_done(&plan);
	fib_state_done(&is);
	fib_state_done(&shall);
}

/* More than are made one by one: the passes come to the same. */
static void a_mirror_of_many(void **state)
{
	struct device_state is = {0};
	struct fib_plan plan = {0};
	struct fib_home at[2] = {fib_home_peer(&keys[0]), fib_home_peer(&keys[1])}, nowhere = {0};
	ip_addr a = {AF_INET, {10, 0, 0, 0}};

	is.n_peers = 2;
	is.peers = secret_zalloc(2, sizeof(*is.peers));
	is.peers[0].key = keys[0];
	is.peers[1].key = keys[1];
	qsort(is.peers, 2, sizeof(*is.peers), by_key);
	for (unsigned i = 0; i < 200; i++) {
		ip_prefix p;

		a.bytes[3] = (uint8_t)i;
		p = ip_prefix_host(&a);
		fib_plan_owner(&plan, "wg0", &p, &nowhere, &at[0]);
		plan.ops.items[plan.ops.n - 1].done = true;
		if (i % 2)
			fib_plan_owner(&plan, "wg0", &p, &nowhere, &at[1]);
		else
			fib_plan_owner(&plan, "wg0", &p, &at[1], &nowhere);
	}
	mirror_device(&is, plan.ops.items, plan.ops.n, NULL);
	assert_int_equal(device_state_peer(&is, &keys[0])->n_allowed, 200);
	assert_int_equal(device_state_peer(&is, &keys[1])->n_allowed, 0);
	plan.ops.n = 0;
	for (unsigned i = 0; i < 100; i++) {
		ip_prefix p;

		a.bytes[3] = (uint8_t)(2 * i);
		p = ip_prefix_host(&a);
		fib_plan_owner(&plan, "wg0", &p, &at[0], &at[1]);
		plan.ops.items[plan.ops.n - 1].done = true;
	}
	mirror_device(&is, plan.ops.items, plan.ops.n, NULL);
	for (int k = 0; k < 2; k++) {
		const struct device_peer *p = device_state_peer(&is, &keys[k]);

		assert_int_equal(p->n_allowed, 100);
		for (size_t i = 0; i < 100; i++)
			assert_int_equal(p->allowed[i].bytes[3] % 2, k == 0);
	}
	fib_plan_done(&plan);
	device_state_done(&is);
}

static const char *name_of(const wg_key *key, void *data)
{
	static const char *const names[N_PEERS] = {"hub-a", "hub-b", "site-1", "site-2"};

	return names[index_of(key)];
}

static void join(const char *text, void *data)
{
	buf_printf(data, "%s\n", text);
}

static void told_in_names(void **state)
{
	struct fib_state is = device_with(2, 0), shall = device_with(3, 1);
	struct want_facts facts = {.ifname = "wg0"};
	struct fib_ours ours = {.facts = &facts};
	struct fib_plan plan = {0};
	AUTO_BUF text = {0};
	struct fib_teller teller = {name_of, join, &text};
	char prefix[IP_PREFIX_STRLEN], want[256];

	shall.devices.items[0].wg.listen_port = 51820;
	fib_plan_make(&is, &shall, &ours, &plan);
	fib_tell(&plan, &is, &shall, &teller);
	snprintf(want, sizeof(want),
		"listen port: 0 -> 51820\npeer site-1: added\n%s: hub-a -> hub-b\n",
		ip_prefix_format(&prefixes[0], prefix));
	assert_string_equal(buf_str(&text), want);
	fib_plan_done(&plan);
	fib_state_done(&is);
	fib_state_done(&shall);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_move_is_one_addition),
		cmocka_unit_test(a_port_beside_a_mark_that_goes),
		cmocka_unit_test(an_endpoint_alone),
		cmocka_unit_test(parking_peer_goes),
		cmocka_unit_test(a_prefix_wanted_twice_rests),
		cmocka_unit_test(a_mirror_of_many),
		cmocka_unit_test(told_in_names),
	};

	return cmocka_run_group_tests_name("single", tests, prepare, NULL);
}

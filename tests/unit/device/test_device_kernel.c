/* SPDX-License-Identifier: MIT */
/* The kernel back end against a kernel of the test's own. */
#include "fake_kernel.h"

static ip_prefix P(unsigned i)
{
	char text[IP_PREFIX_STRLEN];
	ip_prefix p;

	snprintf(text, sizeof(text), i % 2 ? "10.%u.%u.0/24" : "fd00:%x:%x::/64", i >> 8, i & 255);
	assert_true(ip_prefix_parse(&p, text));
	return p;
}

/* --- dumps ---------------------------------------------------------------------------------- */

/* Peers of 0, 1, .. prefixes, in messages of every size: each peer is whole. */
static void dumps_in_chunks(void **state)
{
	enum { N = 14 };
	struct device *d = open_device();
	wg_key many[N];
	unsigned at = 0;

	wg_key_generate(&k.fake.private_key);
	k.fake.listen_port = 51820;
	for (unsigned i = 0; i < N; i++) {
		wg_key_generate(&many[i]);
		fake_add_peer(&k.fake, &many[i]);
		for (unsigned j = 0; j < i; j++) {
			ip_prefix p = P(at++);

			fake_add_prefix(&k.fake, &many[i], &p);
		}
	}
	for (k.entries_per_chunk = 2; k.entries_per_chunk < 200; k.entries_per_chunk++) {
		struct device_state s;

		assert_int_equal(device_get(d, &s), 0);
		assert_true(s.has_key);
		assert_int_equal(s.listen_port, 51820);
		assert_int_equal(s.n_peers, N);
		for (unsigned i = 0; i < N; i++) {
			const struct device_peer *p = device_state_peer(&s, &many[i]);

			assert_int_equal(p->n_allowed, i);
			assert_int_equal(p->keepalive, 25);
			assert_int_equal(p->rx_bytes, 7);
			for (unsigned j = 0; j < i; j++)
				assert_true(fake_owns(&k.fake, &many[i], &p->allowed[j]));
		}
		device_state_done(&s);
	}
	assert_true(k.dumps > 190);
	device_close(d);
}

static void interrupted_dumps(void **state)
{
	struct device *d = open_device();
	struct device_state s;
	ip_prefix p = P(1);

	fake_add_peer(&k.fake, &keys[0]);
	fake_add_prefix(&k.fake, &keys[0], &p);
	k.interrupt = 3;
	assert_int_equal(device_get(d, &s), 0);
	assert_int_equal(k.dumps, 4);
	/* What the interrupted ones told is forgotten. */
	assert_int_equal(s.n_peers, 1);
	assert_int_equal(s.peers[0].n_allowed, 1);
	device_state_done(&s);
	k.interrupt = UINT32_MAX;
	assert_int_equal(device_get(d, &s), -EAGAIN);
	assert_true(k.dumps < 100);
	k.interrupt = 0;
	k.overrun = 2;
	assert_int_equal(device_get(d, &s), 0);
	device_state_done(&s);
	device_close(d);
}

static void refused_dumps(void **state)
{
	struct device *d = open_device();
	struct device_state s = {.listen_port = 7};

	k.refuse_get = ENODEV;
	assert_int_equal(device_get(d, &s), -ENODEV);
	k.refuse_get = EPERM;
	assert_int_equal(device_get(d, &s), -EPERM);
	k.refuse_get = 0;
	k.cut = true;
	assert_int_equal(device_get(d, &s), -EMSGSIZE);
	assert_int_equal(s.listen_port, 7);
	k.cut = false;
	assert_int_equal(device_get(d, &s), 0);
	device_state_done(&s);
	device_close(d);
}

static void no_wireguard(void **state)
{
	struct device *d;

	k.no_family = true;
	assert_int_equal(kernel_device_new(nl_new(&fake_io), "wg0", &d), -EOPNOTSUPP);
}

/* --- changes -------------------------------------------------------------------------------- */

static int change(struct device *d, const wg_key *key, bool remove, const ip_prefix *p, size_t n)
{
	struct device_peer_change peer = {.key = *key};
	struct device_change c = {.peers = &peer, .n_peers = 1};

	if (remove) {
		peer.del = p;
		peer.n_del = n;
	} else {
		peer.add = p;
		peer.n_add = n;
	}
	return device_set(d, &c);
}

static void removes(enum fake_removal way, const char *name)
{
	struct device *d = open_device();
	ip_prefix mine[3] = {P(1), P(2), P(3)}, theirs = P(4);

	k.fake.removal = way;
	assert_int_equal(change(d, &keys[0], false, mine, 3), 0);
	assert_int_equal(change(d, &keys[1], false, &theirs, 1), 0);
	assert_int_equal(change(d, &keys[0], true, &theirs, 1), 0);
	assert_string_equal(device_removal_way(d), "unknown");
	assert_int_equal(change(d, &keys[0], true, mine, 2), 0);
	assert_string_equal(device_removal_way(d), name);
	assert_null(fake_entry(&k.fake, &mine[0]));
	assert_null(fake_entry(&k.fake, &mine[1]));
	assert_true(fake_owns(&k.fake, &keys[0], &mine[2]));
	assert_int_equal(change(d, &keys[2], true, mine, 3), 0);
	assert_int_equal(k.fake.peers.n, 2);
	assert_int_equal(change(d, &keys[0], true, &theirs, 1), 0);
	assert_true(fake_owns(&k.fake, &keys[1], &theirs));
	assert_int_equal(k.fake.thefts, 0);
	device_close(d);
}

static void a_new_kernel_removes(void **state)
{
	removes(FAKE_REMOVES, "incremental flag");
}

static void an_old_kernel_removes(void **state)
{
	removes(FAKE_REFUSES, "parking peer");
}

static void one_that_overlooks_the_flag_removes(void **state)
{
	removes(FAKE_OVERLOOKS, "parking peer");
}

/* Parked and gone in one message: nobody sees the parking peer in between. */
static void parking_takes_one_message(void **state)
{
	struct device *d = open_device();
	ip_prefix p[2] = {P(1), P(2)};
	unsigned before;

	k.fake.removal = FAKE_REFUSES;
	assert_int_equal(change(d, &keys[0], false, p, 2), 0);
	assert_int_equal(change(d, &keys[0], true, &p[0], 1), 0);
	before = k.sets;
	assert_int_equal(change(d, &keys[0], true, &p[1], 1), 0);
	assert_int_equal(k.sets, before + 1);
	device_close(d);
}

/* As many messages as it takes, none larger than the kernel's buffers, and nothing lost. */
static void large_changes(void **state)
{
	enum { N = 3000 };
	struct device *d = open_device();
	ip_prefix *p = mem_zalloc(N, sizeof(*p));
	struct device_peer_change *peers = mem_zalloc(N, sizeof(*peers));
	struct device_change c = {.peers = peers, .n_peers = N};

	for (unsigned i = 0; i < N; i++)
		p[i] = P(i);
	assert_int_equal(change(d, &keys[0], false, p, N), 0);
	assert_int_equal(k.fake.entries.n, N);
	assert_int_equal(k.fake.peers.n, 1);
	assert_true(k.sets > 2);
	for (unsigned i = 0; i < N; i++) {
		peers[i].key.bytes[0] = (uint8_t)i;
		peers[i].key.bytes[1] = (uint8_t)(i >> 8);
		peers[i].key.bytes[2] = 1;
		peers[i].set_psk = peers[i].set_keepalive = peers[i].set_endpoint = true;
		assert_true(sock_addr_parse(&peers[i].endpoint, "[fe80::1]:51820"));
		peers[i].add = &p[i];
		peers[i].n_add = 1;
	}
	assert_int_equal(device_set(d, &c), 0);
	assert_int_equal(k.fake.peers.n, N + 1);
	for (unsigned i = 0; i < N; i += 97)
		assert_true(fake_owns(&k.fake, &peers[i].key, &p[i]));
	assert_true(k.largest <= NL_MESSAGE_MAX);
	free(peers);
	free(p);
	device_close(d);
}

static void refused_changes(void **state)
{
	struct device *d = open_device();
	struct device_change c = {.set_listen_port = true, .listen_port = 9};
	ip_prefix p = P(1);

	k.refuse_set = EADDRINUSE;
	assert_int_equal(device_set(d, &c), -EADDRINUSE);
	k.refuse_set = ENODEV;
	assert_int_equal(change(d, &keys[0], false, &p, 1), -ENODEV);
	k.refuse_set = 0;
	/* An acknowledgement that got lost: the change is sent again. */
	k.lost_acks = 2;
	assert_int_equal(device_set(d, &c), 0);
	k.lost_acks = 100;
	assert_int_equal(device_set(d, &c), -ENOBUFS);
	assert_true(k.lost_acks > 90);
	device_close(d);
}

/* --- what the parser refuses ---------------------------------------------------------------- */

static void many_owners(void **state)
{
	struct device *d = open_device();
	struct device_owner_set_change set = {.number = 1, .remove = true};
	struct device_change c = {.sets = &set, .n_sets = 1};

	assert_int_equal(device_set(d, &c), -EOPNOTSUPP);
	assert_int_equal(device_max_owners(d), 1);
	device_close(d);
}

static void random_damage(void **state)
{
	struct chance c = chance_start("netlink damage");
	struct device *d = open_device();
	struct device_state s;

	wg_key_generate(&k.fake.private_key);
	fake_add_peer(&k.fake, &keys[0]);
	for (unsigned i = 0; i < 6; i++) {
		ip_prefix p = P(i);

		fake_add_prefix(&k.fake, &keys[0], &p);
	}
	k.entries_per_chunk = 100;
	assert_int_equal(device_get(d, &s), 0);
	device_state_done(&s);
	for (int round = 0; round < 20000; round++) {
		_Alignas(8) char bytes[4096];
		struct state_builder b = {0};
		size_t n = k.queue[0].n;

		assert_true(n < sizeof(bytes));
		memcpy(bytes, k.queue[0].bytes, n);
		for (unsigned j = 1 + chance_below(&c, 4); j; j--)
			bytes[20 + chance_below(&c, (unsigned)n - 20)] = (char)chance_u64(&c);
		if (!kernel_parse_device(&b, (void *)bytes) && !state_builder_finish(&b, &s))
			device_state_done(&s);
		state_builder_reset(&b);
	}
	device_close(d);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)
	const struct CMUnitTest tests[] = {
		T(dumps_in_chunks),
		T(interrupted_dumps),
		T(refused_dumps),
		T(no_wireguard),
		T(a_new_kernel_removes),
		T(an_old_kernel_removes),
		T(one_that_overlooks_the_flag_removes),
		T(parking_takes_one_message),
		T(large_changes),
		T(refused_changes),
		T(many_owners),
		T(random_damage),
	};

	return cmocka_run_group_tests_name("device_kernel", tests, NULL, NULL);
}

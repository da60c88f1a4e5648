/* SPDX-License-Identifier: MIT */
/* How flows are shared among the owners of a set, and which of them move when one is lost, comes
 * back, or the set changes. */
#include "cryptokey_scene.h"

#define FLOWS 100000
#define NOBODY 255

static struct scene scene;

/* Flow i of IPv4 or IPv6, all different. */
static void make_flow(uint8_t packet[PACKET_LEN], unsigned version, unsigned i)
{
	ip_prefix to = parse(version == 4 ? "10.1.2.3/32" : "fd00::3/128");
	ip_addr address = ip_prefix_addr(&to);

	make_packet(packet, &address, &address, (uint16_t)i, (uint16_t)(i >> 16));
}

static void begin(const struct twin_member *m, unsigned n)
{
	ip_prefix v4 = parse("10.0.0.0/8"), v6 = parse("fd00::/16");

	scene_init(&scene);
	scene_define(&scene, 0, m, n);
	scene_bind(&scene, &v4, 0);
	scene_bind(&scene, &v6, 0);
}

/* Who gets each flow. */
static void ask_all(unsigned version, uint8_t *ret)
{
	uint8_t packet[PACKET_LEN];

	for (unsigned i = 0; i < FLOWS; i++) {
		struct cryptokey_owner *o;

		make_flow(packet, version, i);
		o = cryptokey_choose(scene.t, packet, sizeof(packet), NULL).owner;
		ret[i] = o ? (uint8_t)(o - scene.peers) : NOBODY;
	}
}

/* Each within one percentage point of its weight among those of bits. */
static void check_shares(
	const uint8_t *owners, const struct twin_member *m, unsigned n, unsigned bits)
{
	unsigned got[TWIN_PEERS] = {0}, sum = 0;

	for (unsigned i = 0; i < FLOWS; i++) {
		assert_in_range(owners[i], 0, TWIN_PEERS - 1);
		got[owners[i]]++;
	}
	for (unsigned i = 0; i < n; i++)
		sum += bits >> m[i].peer & 1 ? m[i].weight : 0;
	for (unsigned i = 0; i < n; i++) {
		double is = (double)got[m[i].peer] / FLOWS;
		double shall = bits >> m[i].peer & 1 ? (double)m[i].weight / sum : 0;

		assert_true(is > shall - 0.01 && is < shall + 0.01);
	}
}

static const struct {
	struct twin_member members[TWIN_PEERS];
	unsigned n;
} sets[] = {
	{{{0, 0, 1, false}, {1, 0, 1, false}}, 2},
	{{{0, 0, 1, false}, {1, 0, 1, false}, {2, 0, 1, false}}, 3},
	{{{0, 0, 1, false}, {1, 0, 2, false}, {2, 0, 7, false}}, 3},
	{{{0, 0, 100, false}, {1, 0, 1, false}, {2, 0, 33, false}}, 3},
	{{{0, 3, 65535, false}, {1, 3, 65535, false}, {2, 3, 1, false}, {3, 3, 30000, false}}, 4},
	{{{0, 0, 1, false}, {1, 0, 2, false}, {2, 0, 3, false}, {3, 0, 4, false}, {4, 0, 5, false},
		 {5, 0, 6, false}, {6, 0, 7, false}, {7, 0, 8, false}},
		8},
};

static void shares_are_the_weights(void **state)
{
	static uint8_t owners[FLOWS];

	for (size_t i = 0; i < ARRAY_SIZE(sets); i++)
		for (unsigned version = 4; version <= 6; version += 2) {
			begin(sets[i].members, sets[i].n);
			ask_all(version, owners);
			check_shares(owners, sets[i].members, sets[i].n, ~0u);
			scene_done(&scene);
		}
}

/* Only flows of who went or came differ. */
static void check_moved(const uint8_t *before, const uint8_t *after, unsigned lost_bits)
{
	for (unsigned i = 0; i < FLOWS; i++)
		if (before[i] != after[i])
			assert_true(lost_bits >> before[i] & 1);
}

/* One after the other is lost, in either way, until one is left; then they come back. The shares
 * are right all the way, and no flow moves that needn't. */
static void only_the_lost_ones_flows_move(void **state)
{
	static uint8_t at[TWIN_PEERS + 1][FLOWS], now[FLOWS];

	for (size_t s = 0; s < ARRAY_SIZE(sets); s++) {
		unsigned n = sets[s].n, bits = (1u << n) - 1;

		begin(sets[s].members, n);
		ask_all(4, at[0]);
		for (unsigned i = 0; i + 1 < n; i++) {
			bool by_level = i & 1;

			scene_state(&scene, i, by_level ? CRYPTOKEY_DOWN : CRYPTOKEY_UP, by_level);
			bits ^= 1u << i;
			ask_all(4, at[i + 1]);
			check_moved(at[i], at[i + 1], 1u << i);
			check_shares(at[i + 1], sets[s].members, n, bits);
		}
		for (unsigned i = n - 1; i--;) {
			scene_state(&scene, i, CRYPTOKEY_UP, true);
			ask_all(4, now);
			assert_memory_equal(now, at[i], FLOWS);
		}
		scene_done(&scene);
	}
}

/* A drain: the last resort carries nothing while somebody is up, and all if nobody is. */
static void a_drained_ones_flows_move(void **state)
{
	static const struct twin_member m[] = {
		{0, 0, 1, false}, {1, 0, 1, false}, {2, 0, 1, false}};
	static uint8_t before[FLOWS], after[FLOWS];

	begin(m, 3);
	ask_all(6, before);
	scene_state(&scene, 1, CRYPTOKEY_LAST_RESORT, true);
	ask_all(6, after);
	check_moved(before, after, 1u << 1);
	check_shares(after, m, 3, 5);
	scene_state(&scene, 0, CRYPTOKEY_DOWN, true);
	scene_state(&scene, 2, CRYPTOKEY_UP, false);
	ask_all(6, after);
	check_shares(after, m, 3, 2);
	for (unsigned i = 0; i < 3; i++)
		scene_state(&scene, i, CRYPTOKEY_LAST_RESORT, true);
	ask_all(6, after);
	assert_memory_equal(before, after, FLOWS);
	scene_done(&scene);
}

/* The second rank has shares of its own. */
static void the_next_rank_shares_too(void **state)
{
	static const struct twin_member m[] = {{0, 0, 1, false}, {1, 0, 1, false}, {2, 1, 1, false},
		{3, 1, 3, false}, {4, 2, 1, false}, {5, 9, 0, false}};
	static uint8_t owners[FLOWS];

	begin(m, 6);
	ask_all(4, owners);
	check_shares(owners, m, 2, 3);
	scene_state(&scene, 0, CRYPTOKEY_UP, false);
	scene_state(&scene, 1, CRYPTOKEY_DOWN, true);
	ask_all(4, owners);
	check_shares(owners, m, 6, 12);
	scene_state(&scene, 2, CRYPTOKEY_DOWN, true);
	scene_state(&scene, 3, CRYPTOKEY_DOWN, true);
	ask_all(4, owners);
	check_shares(owners, m, 6, 16);
	scene_state(&scene, 4, CRYPTOKEY_DOWN, true);
	ask_all(4, owners); /* nobody is usable: the preferred one, for all */
	check_shares(owners, m, 1, 1);
	scene_done(&scene);
}

/* Who comes gets his share, mostly from where it should come; nor does the order of members or a
 * new table matter. */
static void changes_move_little(void **state)
{
	static const struct twin_member m[] = {
		{0, 0, 2, false}, {1, 0, 2, false}, {2, 0, 2, false}, {3, 0, 2, false}};
	static const struct twin_member turned[] = {
		{3, 0, 2, false}, {1, 0, 2, false}, {0, 0, 2, false}, {2, 0, 2, false}};
	static uint8_t three[FLOWS], four[FLOWS], now[FLOWS];
	unsigned n_needless = 0;

	begin(m, 3);
	ask_all(4, three);
	scene_define(&scene, 0, m, 4);
	ask_all(4, four);
	for (unsigned i = 0; i < FLOWS; i++)
		n_needless += three[i] != four[i] && four[i] != 3;
	assert_true(n_needless < FLOWS / 20);
	scene_define(&scene, 0, turned, 4);
	ask_all(4, now);
	assert_memory_equal(now, four, FLOWS);
	scene_define(&scene, 0, m, 3);
	ask_all(4, now);
	assert_memory_equal(now, three, FLOWS);
	scene_done(&scene);
	begin(turned, 4);
	ask_all(4, now);
	assert_memory_equal(now, four, FLOWS);
	scene_done(&scene);
}

/* Of unequal ones too: each takes from the others by what they have. */
static void unequal_changes_move_little(void **state)
{
	static const struct twin_member m[] = {
		{0, 0, 1, false}, {1, 0, 3, false}, {2, 0, 12, false}, {3, 0, 4, false}};
	static uint8_t before[FLOWS], after[FLOWS];
	unsigned n_needless = 0;

	begin(m, 3);
	ask_all(4, before);
	scene_define(&scene, 0, m, 4);
	ask_all(4, after);
	for (unsigned i = 0; i < FLOWS; i++)
		n_needless += before[i] != after[i] && after[i] != 3;
	assert_true(n_needless < FLOWS / 50);
	scene_done(&scene);
}

/* What doesn't go by flows says so, since it may be remembered by the address alone. */
static void told_what_goes_by_flows(void **state)
{
	static const struct twin_member ranks[] = {{0, 0, 1, false}, {1, 1, 1, false}};
	static const struct twin_member equals[] = {{0, 0, 1, false}, {1, 0, 1, false}};
	ip_prefix strict = parse("10.1.2.0/24");
	uint8_t packet[PACKET_LEN];

	begin(ranks, 2);
	make_flow(packet, 4, 0);
	assert_false(cryptokey_choose(scene.t, packet, sizeof(packet), NULL).is_by_flow);
	scene_define(&scene, 0, equals, 2);
	assert_true(cryptokey_choose(scene.t, packet, sizeof(packet), NULL).is_by_flow);
	scene_insert(&scene, &strict, 0);
	assert_false(cryptokey_choose(scene.t, packet, sizeof(packet), NULL).is_by_flow);
	scene_done(&scene);
}

/* A flow stays where it is, whatever its packets look like apart from what names it. */
static void a_flow_stays_together(void **state)
{
	static const struct twin_member m[] = {
		{0, 0, 1, false}, {1, 0, 1, false}, {2, 0, 1, false}};
	uint8_t packet[PACKET_LEN];

	begin(m, 3);
	for (unsigned i = 0; i < 1000; i++) {
		struct cryptokey_owner *o;

		make_flow(packet, 6, i);
		o = cryptokey_choose(scene.t, packet, sizeof(packet), NULL).owner;
		packet[2] = (uint8_t)i; /* of the label */
		packet[47] = (uint8_t)i;
		assert_ptr_equal(cryptokey_choose(scene.t, packet, sizeof(packet), NULL).owner, o);
	}
	scene_done(&scene);
}

/* Sixteen, the most that there can be, and one of them with nearly nothing. */
static void the_most_owners(void **state)
{
	struct cryptokey_owner owners[CRYPTOKEY_MAX_OWNERS];
	struct cryptokey_member m[CRYPTOKEY_MAX_OWNERS];
	unsigned got[CRYPTOKEY_MAX_OWNERS] = {0};
	uint8_t packet[PACKET_LEN];
	ip_prefix p = parse("0.0.0.0/0");

	scene_init(&scene);
	for (unsigned i = 0; i < CRYPTOKEY_MAX_OWNERS; i++) {
		cryptokey_owner_init(&owners[i], i * 77);
		m[i] = (struct cryptokey_member){&owners[i], 0, i ? 1000 : 1, false};
	}
	scene.sets[0] = cryptokey_set_new(scene.t, NULL);
	assert_int_equal(cryptokey_set_define(scene.t, scene.sets[0], m, CRYPTOKEY_MAX_OWNERS), 0);
	assert_int_equal(cryptokey_bind(scene.t, &p, scene.sets[0]), 0);
	for (unsigned i = 0; i < FLOWS; i++) {
		make_flow(packet, 4, i);
		got[cryptokey_choose(scene.t, packet, sizeof(packet), NULL).owner - owners]++;
	}
	for (unsigned i = 1; i < CRYPTOKEY_MAX_OWNERS; i++)
		assert_in_range(got[i], FLOWS / 15 - FLOWS / 100, FLOWS / 15 + FLOWS / 100);
	scene_done(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(shares_are_the_weights),
		cmocka_unit_test(only_the_lost_ones_flows_move),
		cmocka_unit_test(a_drained_ones_flows_move),
		cmocka_unit_test(the_next_rank_shares_too),
		cmocka_unit_test(changes_move_little),
		cmocka_unit_test(unequal_changes_move_little),
		cmocka_unit_test(told_what_goes_by_flows),
		cmocka_unit_test(a_flow_stays_together),
		cmocka_unit_test(the_most_owners),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

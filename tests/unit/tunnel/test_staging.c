/* SPDX-License-Identifier: MIT */
#include "unit.h"

#include "tunnel/staging.h"
#include "wg/messages.h"

#include <string.h>

#define MTU 1420

static uint8_t packet[STAGING_MAX_PACKET], out[STAGING_MAX_PACKET];

static void fill(unsigned seed, size_t len)
{
	for (size_t i = 0; i < len; i++)
		packet[i] = (uint8_t)(seed * 31 + i * 7 + i / 251);
}

static void check_next(
	struct staging *s, struct staging_queue *q, unsigned seed, size_t len, uint8_t tos)
{
	uint8_t got_tos = 0;

	fill(seed, len);
	assert_int_equal(staging_take(s, q, out, &got_tos), len);
	assert_memory_equal(out, packet, len);
	assert_int_equal(got_tos, tos);
}

static void in_order(void **state)
{
	static const size_t lens[] = {
		1, 20, 447, 448, 449, 500, 951, 952, 953, 1420, 1500, 9000, 65535, 40, 28};
	enum { N = sizeof(lens) / sizeof(lens[0]) };
	struct staging *s = staging_new();
	struct staging_queue q = {0};
	uint8_t tos = 9;

	for (unsigned i = 0; i < N; i++) {
		fill(i, lens[i]);
		assert_int_equal(staging_add(s, &q, packet, lens[i], (uint8_t)i), 0);
	}
	assert_int_equal(q.n, N);
	for (unsigned i = 0; i < N; i++)
		check_next(s, &q, i, lens[i], (uint8_t)i);
	assert_int_equal(staging_take(s, &q, out, &tos), 0);
	assert_int_equal(tos, 9);
	staging_free(s);
	staging_free(NULL);
}

static void oldest_of_a_peer_goes_first(void **state)
{
	struct staging *s = staging_new();
	struct staging_queue q = {0};
	unsigned dropped = 0;

	for (unsigned i = 0; i < WG_MAX_STAGED + 10; i++) {
		fill(i, 100);
		dropped += staging_add(s, &q, packet, 100, 0);
	}
	assert_int_equal(dropped, 10);
	assert_int_equal(q.n, WG_MAX_STAGED);
	for (unsigned i = 10; i < WG_MAX_STAGED + 10; i++)
		check_next(s, &q, i, 100, 0);
	staging_free(s);
}

/* Peers that never answer fill the memory; who comes last still gets in, the oldest go. */
static void oldest_of_all_goes_first(void **state)
{
	enum { PEERS = 100 };
	static struct staging_queue q[PEERS];
	struct staging *s = staging_new();
	unsigned dropped = 0, held = 0, added = 0;

	memset(q, 0, sizeof(q));
	for (unsigned p = 0; p < PEERS; p++)
		for (unsigned i = 0; i < 20; i++, added++) {
			fill(p + i, MTU);
			dropped += staging_add(s, &q[p], packet, MTU, 0);
		}
	for (unsigned p = 0; p < PEERS; p++)
		held += q[p].n;
	assert_true(dropped > 0);
	assert_int_equal(held + dropped, added);
	assert_true(held * (size_t)MTU <= staging_limit(s));
	assert_int_equal(q[0].n, 0);
	assert_int_equal(q[PEERS - 1].n, 20);
	for (unsigned i = 0; i < 20; i++)
		check_next(s, &q[PEERS - 1], PEERS - 1 + i, MTU, 0);
	for (unsigned p = 0; p < PEERS; p++)
		held -= staging_drop_all(s, &q[p]);
	assert_int_equal(held, 20);
	staging_free(s);
}

static void room_follows_peers(void **state)
{
	struct staging *s = staging_new();
	size_t small = staging_limit(s);

	assert_int_equal(staging_set_peers(s, 10000), 0);
	assert_true(staging_limit(s) > small);
	/* Below what a peer may cost without a session. */
	assert_true((staging_limit(s) - small) / 10000 <= 1024);
	assert_int_equal(staging_set_peers(s, 10 * 1000 * 1000), 0);
	assert_true(staging_limit(s) <= (size_t)64 << 20);
	assert_int_equal(staging_set_peers(s, 0), 0);
	assert_int_equal(staging_limit(s), small);
	staging_free(s);
}

static void too_large(void **state)
{
	struct staging *s = staging_new();
	struct staging_queue q = {0};

	assert_int_equal(staging_add(s, &q, packet, STAGING_MAX_PACKET + 1, 0), 1);
	assert_int_equal(staging_add(s, &q, packet, 0, 0), 1);
	assert_int_equal(q.n, 0);
	staging_free(s);
}

/* Against counting, with many queues. */
static void by_chance(void **state)
{
	enum { PEERS = 40, STEPS = 20000 };
	static struct staging_queue q[PEERS];
	struct chance c = chance_start("staging");
	struct staging *s = staging_new();
	uint64_t added = 0, gone = 0, held = 0;
	uint8_t tos;

	memset(q, 0, sizeof(q));
	for (unsigned i = 0; i < STEPS; i++) {
		struct staging_queue *one = &q[chance_below(&c, PEERS)];

		switch (chance_below(&c, 8)) {
		case 0:
			gone += staging_take(s, one, out, &tos) != 0;
			break;
		case 1:
			if (!chance_below(&c, 20))
				gone += staging_drop_all(s, one);
			break;
		default:
			gone += staging_add(s, one, packet,
				1 + chance_below(&c, chance_below(&c, 50) ? 2000 : 65535), 0);
			added++;
		}
		assert_true(one->n <= WG_MAX_STAGED);
		assert_true(!one->n == !one->first && !one->n == !one->last);
	}
	for (unsigned p = 0; p < PEERS; p++)
		held += staging_drop_all(s, &q[p]);
	assert_int_equal(added, gone + held);
	staging_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(in_order),
		cmocka_unit_test(oldest_of_a_peer_goes_first),
		cmocka_unit_test(oldest_of_all_goes_first),
		cmocka_unit_test(room_follows_peers),
		cmocka_unit_test(too_large),
		cmocka_unit_test(by_chance),
	};

	return cmocka_run_group_tests_name("staging", tests, NULL, NULL);
}

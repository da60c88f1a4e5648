/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "unit.h"
#include "wg/relay_memory.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#define ROOM 1024
#define START ((instant){5 * NS_PER_S})

struct packet {
	uint8_t bytes[40];
};

static struct packet packet(unsigned version, uint32_t from, uint32_t to)
{
	struct packet p = {{(uint8_t)(version << 4)}};

	memcpy(p.bytes + (version == 4 ? 12 : 20), &from, 4);
	memcpy(p.bytes + (version == 4 ? 16 : 36), &to, 4);
	return p;
}

static instant later(int64_t ns)
{
	return instant_add(START, ns);
}

static void note(struct relay_memory *m, struct packet p, bool from_relay, instant now)
{
	relay_memory_note(m, p.bytes, from_relay ? m : NULL, now);
}

static bool has(struct relay_memory *m, struct packet p, instant now)
{
	return relay_memory_from(m, p.bytes, now);
}

static void remembers_for_a_second(void **state)
{
	struct relay_memory *m = relay_memory_new(ROOM, 1);

	for (unsigned version = 4; version <= 6; version += 2) {
		struct packet p = packet(version, 1, 2);

		assert_false(has(m, p, START));
		note(m, p, true, START);
		assert_true(has(m, p, START));
		assert_true(has(m, p, later(RELAY_MEMORY_NS - 1)));
		assert_false(has(m, p, later(RELAY_MEMORY_NS)));
		note(m, p, true, later(RELAY_MEMORY_NS - 1));
		assert_true(has(m, p, later(RELAY_MEMORY_NS)));
		assert_false(has(m, p, later(2 * RELAY_MEMORY_NS - 1)));
	}
	assert_int_equal(relay_memory_evicted(m), 0);
	relay_memory_free(m);
	relay_memory_free(NULL);
}

/* Source and destination, each bit, the family, and which is which. */
static void the_key_is_exact(void **state)
{
	for (unsigned version = 4; version <= 6; version += 2) {
		struct relay_memory *m = relay_memory_new(1, 1);
		size_t first = version == 4 ? 12 : 8, end = version == 4 ? 20 : 40;
		struct packet p = packet(version, 1, 2);

		note(m, p, true, START);
		for (size_t bit = first * 8; bit < end * 8; bit++) {
			struct packet other = p;

			other.bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
			assert_false(has(m, other, START));
		}
		assert_false(has(m, packet(version, 2, 1), START));
		assert_true(has(m, p, START));
		relay_memory_free(m);
	}
}

static void families_are_apart(void **state)
{
	struct relay_memory *m = relay_memory_new(1, 1);
	struct packet v4 = {{0x40}}, v6 = {{0x60}};

	note(m, v4, true, START);
	assert_false(has(m, v6, START));
	note(m, v6, false, START);
	assert_true(has(m, v4, START));
	relay_memory_free(m);
}

/* What isn't part of the pair doesn't matter. */
static void other_fields_dont_matter(void **state)
{
	struct relay_memory *m = relay_memory_new(ROOM, 1);
	struct packet p = packet(4, 1, 2), other = p;

	memset(other.bytes + 1, 0x5a, 11);
	memset(other.bytes + 20, 0x5a, 20);
	note(m, p, true, START);
	assert_true(has(m, other, START));
	relay_memory_free(m);
}

static void cleared_from_elsewhere(void **state)
{
	struct relay_memory *m = relay_memory_new(ROOM, 1);
	struct packet p = packet(4, 1, 2), q = packet(4, 1, 3);

	note(m, p, true, START);
	note(m, q, true, START);
	note(m, p, false, later(1));
	assert_false(has(m, p, later(1)));
	assert_true(has(m, q, later(1)));
	note(m, p, true, later(2));
	assert_true(has(m, p, later(2)));
	assert_int_equal(relay_memory_evicted(m), 0);
	relay_memory_free(m);
}

/* More pairs than there is room for: the last ones are there, each one that isn't was counted, and
 * it is the oldest that goes. */
static void the_oldest_is_evicted(void **state)
{
	struct relay_memory *m = relay_memory_new(8, 1);

	for (unsigned i = 0; i < 8; i++)
		note(m, packet(4, 1, i), true, later(i));
	note(m, packet(4, 1, 3), true, later(50)); /* no more the oldest but two */
	assert_int_equal(relay_memory_evicted(m), 0);
	for (unsigned i = 0; i < 4; i++) {
		note(m, packet(6, 1, i), true, later(100 + i));
		assert_int_equal(relay_memory_evicted(m), i + 1);
	}
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(has(m, packet(4, 1, i), later(200)), i == 3 || i > 4);
	/* What had its time, or was cleared, is no loss. */
	note(m, packet(4, 1, 7), false, later(300));
	note(m, packet(4, 2, 0), true, later(300));
	assert_int_equal(relay_memory_evicted(m), 4);
	for (unsigned i = 0; i < 8; i++)
		note(m, packet(4, 3, i), true, later(2 * RELAY_MEMORY_NS));
	assert_int_equal(relay_memory_evicted(m), 4);
	relay_memory_free(m);
}

/* Far fewer are lost than there is room for. */
static void holds_about_its_room(void **state)
{
	struct relay_memory *m = relay_memory_new(4 * ROOM, 7);

	for (unsigned i = 0; i < ROOM; i++)
		note(m, packet(i & 1 ? 4 : 6, i, i * 3), true, START);
	assert_in_range(relay_memory_evicted(m), 0, ROOM / 50);
	relay_memory_free(m);
}

/* --- against a naive twin ------------------------------------------------------------------------
 */

#define PAIRS 40

static void against_twin(void **state)
{
	struct chance c = chance_start("against_twin");
	struct relay_memory *m = relay_memory_new(16 * ROOM, chance_u64(&c));
	int64_t noted[PAIRS], now = START.ns;

	for (unsigned i = 0; i < PAIRS; i++)
		noted[i] = INT64_MIN / 2;
	for (unsigned i = 0; i < 100000; i++) {
		unsigned which = chance_below(&c, PAIRS);
		struct packet p = packet(which & 1 ? 4 : 6, which / 2, which % 7);
		bool from_relay = chance_below(&c, 4);

		now += (int64_t)(chance_u64(&c) % (uint64_t)(RELAY_MEMORY_NS / 10));
		assert_int_equal(has(m, p, (instant){now}), now - noted[which] < RELAY_MEMORY_NS);
		if (chance_below(&c, 2))
			continue;
		note(m, p, from_relay, (instant){now});
		noted[which] = from_relay ? now : INT64_MIN / 2;
	}
	assert_int_equal(relay_memory_evicted(m), 0);
	relay_memory_free(m);
}

/* --- readers and the writer ----------------------------------------------------------------------
 *
 * All pairs are in one set, more than it has room for, so that each takes another's place. One is
 * noted so often that it is always there; the others are from and to the same: no reader may miss
 * the first, or see one from here to there.
 */

#define NOTES 400000
#define OTHERS 12
#define ROOM_FOR 7 /* a pair takes the place of the one that came so many before */

struct race {
	struct relay_memory *m;
	_Atomic bool stop;
	_Atomic unsigned wrong, rounds;
};

static struct packet other_to(unsigned from, unsigned to)
{
	return packet(6, 2 + from % OTHERS, 2 + to % OTHERS);
}

static void *read_on(void *data)
{
	struct race *r = data;
	unsigned i = 0;

	while (!atomic_load_explicit(&r->stop, memory_order_acquire)) {
		bool is_wrong = !has(r->m, packet(4, 1, 1), START);

		is_wrong |= has(r->m, other_to(i, i + OTHERS - ROOM_FOR), START);
		is_wrong |= has(r->m, other_to(i, i + ROOM_FOR), START);
		i++;
		if (is_wrong)
			atomic_fetch_add_explicit(&r->wrong, 1, memory_order_relaxed);
		atomic_fetch_add_explicit(&r->rounds, 1, memory_order_relaxed);
	}
	return NULL;
}

static void never_missed_or_mixed(void **state)
{
	struct race r = {.m = relay_memory_new(1, 1)};
	pthread_t threads[2];

	note(r.m, packet(4, 1, 1), true, START);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &r), 0);
	for (unsigned i = 0; i < NOTES || atomic_load(&r.rounds) < 1000; i++) {
		note(r.m, other_to(i, i), true, later(i));
		if (i % 4 == 0)
			note(r.m, packet(4, 1, 1), true, later(i));
	}
	atomic_store_explicit(&r.stop, true, memory_order_release);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(r.wrong, 0);
	relay_memory_free(r.m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(remembers_for_a_second),
		cmocka_unit_test(the_key_is_exact),
		cmocka_unit_test(families_are_apart),
		cmocka_unit_test(other_fields_dont_matter),
		cmocka_unit_test(cleared_from_elsewhere),
		cmocka_unit_test(the_oldest_is_evicted),
		cmocka_unit_test(holds_about_its_room),
		cmocka_unit_test(against_twin),
		cmocka_unit_test(never_missed_or_mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

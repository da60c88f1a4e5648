/* SPDX-License-Identifier: MIT */
/* Reports: their datagrams, how they are put together of parts, and when they are sent. */
#include "base/mem.h"
#include "live/report_in.h"
#include "live/report_out.h"
#include "unit.h"
#include <string.h>

#define MS NS_PER_MS
#define S NS_PER_S
#define ROOM 10000

static const uint8_t key[BFD_KEY_LEN] = "the key of a session", other_key[BFD_KEY_LEN] = "another";

static instant at(int64_t ns)
{
	return (instant){1000 * S + ns};
}

static struct live_report make(struct chance *c, uint32_t n_nodes)
{
	struct live_report r = {.inventory_time = (int64_t)chance_u64(c),
		.max_owners = 1 + chance_below(c, UINT16_MAX)};

	for (size_t i = 0; i < sizeof(r.digest); i++)
		r.digest[i] = (uint8_t)chance_u64(c);
	live_report_init_nodes(&r, n_nodes);
	for (uint32_t i = 0; i < n_nodes; i++) {
		r.lines[i] = (uint8_t)chance_below(c, 4);
		r.takes_many[i] = chance_below(c, 2);
		r.by_word[i] = chance_below(c, 2);
	}
	return r;
}

static bool take(struct report_in *in, const uint8_t *bytes, size_t len)
{
	struct report_part p;

	assert_true(report_decode(&p, bytes, len));
	assert_true(report_is_right(bytes, len, key));
	return report_in_wants(in, &p) && report_in_take(in, &p, ROOM);
}

static const uint32_t sizes[] = {0, 1, 2, 3, REPORT_PART_NODES - 1, REPORT_PART_NODES,
	REPORT_PART_NODES + 1, 3 * REPORT_PART_NODES, ROOM};

static void test_round_trip(void **state)
{
	struct chance c = chance_start("round trip");
	struct report_address to = {key, 77, 1};

	for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
		struct live_report r = make(&c, sizes[i]);
		struct report_in in = {0};
		uint8_t bytes[LIVE_REPORT_DATAGRAM];
		unsigned n = report_n_parts(sizes[i]);

		/* The last part first. */
		for (unsigned k = n; k-- > 0;) {
			size_t len = report_encode(&r, k, &to, bytes);

			assert_int_equal(report_first_len(bytes, len), len);
			assert_null(report_in_whole(&in));
			assert_int_equal(take(&in, bytes, len), k == 0);
		}
		assert_true(live_report_eq(report_in_whole(&in), &r));
		live_report_done(&r);
		report_in_done(&in);
	}
}

/* The head as it stands in docs/liveness.md, byte by byte. */
static void test_bytes(void **state)
{
	static const uint8_t want[] = {1, 1, 0, 66, 0, 0, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 9, 0, 1,
		0x01, 0x02, 0, 0, 0, 3, 0, 0, 0, 0, 0x65, 0, 0, 1, 0xd1, 0, 0, 0, 0, 0, 0, 0, 0, 0,
		0, 0, 0, 0, 0, 0xd2, 0x71, 0x0a};
	struct live_report r = {
		.digest = {0xd1, [15] = 0xd2}, .inventory_time = 0x65000001, .max_owners = 0x102};
	struct report_address to = {key, 0x1234, 9};
	uint8_t bytes[LIVE_REPORT_DATAGRAM];

	live_report_init_nodes(&r, 3);
	r.lines[0] = LIVE_LINE_UP;
	r.lines[1] = LIVE_LINE_LOST;
	r.takes_many[1] = true;
	r.lines[2] = LIVE_LINE_POOR;
	r.by_word[2] = true;
	assert_int_equal(report_encode(&r, 0, &to, bytes), 66);
	assert_memory_equal(bytes, want, sizeof(want));
	live_report_done(&r);
}

/* One bit more or less anywhere, a byte more or less, another key: it is nothing. */
static void test_wrong(void **state)
{
	struct chance c = chance_start("wrong");
	struct live_report r = make(&c, 5);
	struct report_address to = {key, 77, 1};
	uint8_t bytes[LIVE_REPORT_DATAGRAM + 1] = {0};
	size_t len = report_encode(&r, 0, &to, bytes);
	struct report_part p;

	assert_true(report_decode(&p, bytes, len) && report_is_right(bytes, len, key));
	assert_false(report_is_right(bytes, len, other_key));
	for (size_t n = 0; n < sizeof(bytes); n++)
		assert_true(n == len || !report_decode(&p, bytes, n));
	for (size_t i = 0; i < len * 8; i++) {
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_false(report_decode(&p, bytes, len) && report_is_right(bytes, len, key));
		bytes[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	live_report_done(&r);
}

/* Several datagrams that a device has merged. */
static void test_merged(void **state)
{
	struct chance c = chance_start("merged");
	struct live_report r = make(&c, 2 * REPORT_PART_NODES + 5);
	struct report_address to = {key, 77, 1};
	uint8_t bytes[3 * LIVE_REPORT_DATAGRAM];
	struct report_in in = {0};
	size_t len = 0, n = 0, k;

	for (unsigned part = 0; part < 3; part++)
		len += report_encode(&r, part, &to, bytes + len);
	for (size_t done = 0; (k = report_first_len(bytes + done, len - done)); done += k, n++)
		take(&in, bytes + done, k);
	assert_int_equal(n, 3);
	assert_true(live_report_eq(report_in_whole(&in), &r));
	live_report_done(&r);
	report_in_done(&in);
}

/* Older numbers are nothing, a newer one puts an end to what was coming; only another is told. */
static void test_numbers(void **state)
{
	struct chance c = chance_start("numbers");
	struct live_report r = make(&c, 2 * REPORT_PART_NODES);
	struct report_in in = {0};
	uint8_t bytes[LIVE_REPORT_DATAGRAM];
	struct report_address to = {key, 77, 5};
	static const struct {
		uint64_t number;
		unsigned part;
		bool differs;
	} steps[] = {{5, 0, false}, {4, 1, false}, {5, 0, false}, {6, 1, false}, {5, 1, false},
		{6, 0, true}, {6, 0, false}, {6, 1, false}, {7, 0, false}, {7, 1, false},
		{5, 0, false}};

	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		size_t len;

		to.number = steps[i].number;
		len = report_encode(&r, steps[i].part, &to, bytes);
		assert_int_equal(take(&in, bytes, len), steps[i].differs);
	}
	assert_int_equal(in.heard, 7);
	report_in_renew(&in);
	assert_non_null(report_in_whole(&in));
	report_in_forget(&in);
	assert_null(report_in_whole(&in));
	live_report_done(&r);
}

/* --- handshakes --- */

static struct live_report with_handshakes(struct chance *c, uint32_t n_nodes, uint32_t n)
{
	struct live_report r = make(c, n_nodes);

	r.n_handshakes = n;
	r.handshakes = mem_zalloc(n + 1, sizeof(*r.handshakes));
	for (uint32_t i = 0; i < n; i++)
		r.handshakes[i] = (struct live_handshake){2 * i, at(-(int64_t)i * S)};
	return r;
}

/* Encoded at one time, heard at another. */
static bool hear_ages(struct report_in *in, const struct live_report *r, unsigned which,
	uint64_t number, instant sent, instant heard)
{
	uint8_t bytes[LIVE_REPORT_DATAGRAM];
	struct report_address to = {key, 77, number};
	size_t len = report_encode_ages(r, which, &to, sent, bytes);
	struct report_part p;
	struct report_ages a;

	assert_false(report_decode(&p, bytes, len)); /* nothing to who knows reports alone */
	assert_true(report_is_right(bytes, len, key) && !report_is_right(bytes, len, other_key));
	assert_int_equal(report_first_len(bytes, len), len);
	for (size_t short_by = 1; short_by < len; short_by += 7)
		assert_false(report_decode_ages(&a, bytes, len - short_by));
	assert_true(report_decode_ages(&a, bytes, len));
	assert_int_equal(a.discriminator, 77);
	return report_in_take_ages(in, &a, heard);
}

static void hear_whole(struct report_in *in, const struct live_report *r, uint64_t number)
{
	uint8_t bytes[LIVE_REPORT_DATAGRAM];

	for (unsigned k = 0; k < report_n_parts(r->n_nodes); k++)
		take(in, bytes,
			report_encode(r, k, &(struct report_address){key, 77, number}, bytes));
}

static void test_handshakes_are_told_as_ages(void **state)
{
	struct chance c = chance_start("handshakes");
	struct live_report r = with_handshakes(&c, 600, 300), other;
	struct report_in in = {0};
	const struct live_report *whole;

	assert_int_equal(report_n_ages(&r), 3);
	assert_false(hear_ages(&in, &r, 0, 1, at(0), at(0))); /* of no report that was heard */
	hear_whole(&in, &r, 1);
	for (unsigned k = 3; k-- > 0;)
		assert_true(hear_ages(&in, &r, k, 4 - k, at(0), at(100 * MS)));
	whole = report_in_whole(&in);
	assert_int_equal(whole->n_handshakes, 300);
	for (uint32_t i = 0; i < 300; i++) {
		assert_int_equal(whole->handshakes[i].place, 2 * i);
		assert_int_equal(whole->handshakes[i].at.ns, at(100 * MS - i * S).ns);
	}
	/* Again, with less delay: nearer to what it was, and nothing new. */
	assert_false(hear_ages(&in, &r, 0, 9, at(5 * S), at(5 * S)));
	assert_int_equal(whole->handshakes[0].at.ns, at(0).ns);
	assert_false(hear_ages(&in, &r, 0, 9, at(5 * S), at(5 * S + 900 * MS))); /* heard already */
	/* Later than it was by its way is no other; a really younger one is. */
	assert_false(hear_ages(&in, &r, 0, 10, at(5 * S), at(5 * S + 200 * MS)));
	assert_int_equal(whole->handshakes[0].at.ns, at(0).ns);
	for (unsigned i = 0; i < 2; i++) { /* a client that is started anew has one soon */
		r.handshakes[0].at = at(120 * S + i * 500 * MS);
		assert_true(hear_ages(&in, &r, 0, 11 + i, at(121 * S), at(121 * S)));
		assert_int_equal(whole->handshakes[0].at.ns, r.handshakes[0].at.ns);
	}
	/* The next report has them, too; one of another inventory hasn't. */
	hear_whole(&in, &r, 2);
	assert_int_equal(report_in_whole(&in)->n_handshakes, 300);
	other = make(&c, 600);
	hear_whole(&in, &other, 3);
	assert_int_equal(report_in_whole(&in)->n_handshakes, 0);
	assert_false(hear_ages(&in, &r, 0, 13, at(121 * S), at(121 * S)));
	/* Another session begins its numbers anew. */
	report_in_renew(&in);
	hear_whole(&in, &r, 1);
	assert_true(hear_ages(&in, &r, 0, 1, at(121 * S), at(121 * S)));
	live_report_done(&r);
	live_report_done(&other);
	report_in_done(&in);
}

/* Those that changed go with the next round; nobody is told anew for them alone. */
static void test_handshakes_follow_the_parts(void **state)
{
	struct chance c = chance_start("rounds");
	struct live_report r = with_handshakes(&c, 4, 2);
	struct report_target t = {0};
	struct report_out o;
	uint8_t bytes[LIVE_REPORT_DATAGRAM];
	struct report_part p;
	struct report_ages a;
	size_t len;

	report_out_init(&o);
	report_out_tell(&o, &r, at(0));
	assert_true(report_out_step(&o, at(0)));
	report_out_session(&o, &t, 77, at(0));
	assert_ptr_equal(report_out_due(&o, at(0)), &t);
	len = report_out_encode(&o, &t, key, at(0), bytes);
	assert_true(report_decode(&p, bytes, len));
	assert_ptr_equal(report_out_due(&o, at(0)), &t);
	len = report_out_encode(&o, &t, key, at(0), bytes);
	assert_true(report_decode_ages(&a, bytes, len));
	assert_int_equal(a.n, 2);
	assert_int_equal(a.items[1].age_ns, S);
	assert_null(report_out_due(&o, at(0)));
	r.handshakes[0].at = at(50 * MS);
	report_out_tell(&o, &r, at(100 * MS));
	assert_false(report_out_step(&o, at(150 * MS)));
	assert_ptr_equal(report_out_due(&o, at(250 * MS)), &t);
	report_out_encode(&o, &t, key, at(250 * MS), bytes);
	/* There are none any more, in the middle of a round. */
	r.n_handshakes = 0;
	report_out_tell(&o, &r, at(250 * MS));
	len = report_out_encode(&o, &t, key, at(250 * MS), bytes);
	assert_true(report_decode(&p, bytes, len));
	assert_null(report_out_due(&o, at(250 * MS)));
	live_report_done(&r);
	report_out_forget(&o, &t);
	report_out_done(&o);
}

static void test_budget(void **state)
{
	struct report_in in = {0};
	unsigned n = 0;

	for (int64_t us = 0; us < 10 * S / NS_PER_US; us += 100)
		n += report_in_may(&in, at(us * NS_PER_US));
	assert_in_range(n, 10000, 10300);
}

/* --- when --- */

#define MANY 2000

/* A change is told to all in portions; nobody is told twice, and time passes between. */
static void test_portions(void **state)
{
	static struct report_target targets[MANY];
	static unsigned told[MANY];
	struct chance c = chance_start("portions");
	struct live_report r = make(&c, MANY);
	struct report_target *t;
	struct report_out o;
	uint8_t bytes[LIVE_REPORT_DATAGRAM];
	int64_t ns = 0;
	unsigned n = 0;

	report_out_init(&o);
	for (unsigned i = 0; i < MANY; i++) {
		targets[i].random = i;
		report_out_session(&o, &targets[i], i + 1, at(0));
	}
	assert_true(instant_is_never(report_out_deadline(&o)));
	report_out_tell(&o, &r, at(0));
	assert_true(report_out_step(&o, at(0)));
	for (unsigned i = 0; i < MANY; i++)
		report_out_again(&o, &targets[i], at(0));
	while (n < MANY) {
		unsigned portion = 0;

		while ((t = report_out_due(&o, at(ns)))) {
			report_out_encode(&o, t, key, at(ns), bytes);
			told[t - targets]++;
			n++;
			portion++;
		}
		assert_in_range(portion, 1, 40);
		assert_true(instant_before(at(ns), report_out_deadline(&o)));
		if (n < MANY)
			ns = report_out_deadline(&o).ns - at(0).ns;
	}
	assert_in_range(ns, 50 * MS, 100 * MS);
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(told[i], 1);
	for (unsigned i = 0; i < MANY; i++)
		report_out_forget(&o, &targets[i]);
	assert_true(instant_is_never(report_out_deadline(&o)));
	report_out_done(&o);
	live_report_done(&r);
}

/* In a quiet minute each is told at its own time. */
static void test_spread(void **state)
{
	struct chance c = chance_start("spread");
	struct live_report r = make(&c, 3);
	struct report_target targets[50] = {0}, *t;
	struct report_out o;
	uint8_t bytes[LIVE_REPORT_DATAGRAM];
	unsigned n = 0, most = 0;

	report_out_init(&o);
	report_out_tell(&o, &r, at(0));
	assert_true(report_out_step(&o, at(0)));
	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++) {
		targets[i].random = i;
		report_out_session(&o, &targets[i], i + 1, at(0));
	}
	for (int64_t ms = 0; ms < 60000; ms += 10) {
		unsigned now = 0;

		while ((t = report_out_due(&o, at(ms * MS)))) {
			report_out_encode(&o, t, key, at(ms * MS), bytes);
			now++;
		}
		n += now;
		most = ms > 30000 && now > most ? now : most;
	}
	assert_in_range(n, 50 * (3 + 11), 50 * (3 + 17));
	assert_in_range(most, 1, 10);
	for (unsigned i = 0; i < ARRAY_SIZE(targets); i++)
		report_out_forget(&o, &targets[i]);
	report_out_done(&o);
	live_report_done(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_wrong),
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_handshakes_are_told_as_ages),
		cmocka_unit_test(test_handshakes_follow_the_parts),
		cmocka_unit_test(test_budget),
		cmocka_unit_test(test_portions),
		cmocka_unit_test(test_spread),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

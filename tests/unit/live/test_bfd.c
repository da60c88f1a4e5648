/* SPDX-License-Identifier: MIT */
/* BFD: the codec with every invalid form, and the state machine as tables from RFC 5880. */
#include "base/mem.h"
#include "live/bfd_session.h"
#include "unit.h"
#include <string.h>

#define MS NS_PER_MS

/* --- codec --- */

/* Up, diagnostic 6, Poll, multiplier 3, discriminators 1 and 2, 100 ms, 200 ms, 0. */
static const uint8_t good[BFD_PACKET_LEN] = {
	0x26, 0xe0, 3, 24, 0, 0, 0, 1, 0, 0, 0, 2, 0, 1, 0x86, 0xa0, 0, 3, 0x0d, 0x40, 0, 0, 0, 0};

static void test_decode(void **state)
{
	struct bfd_packet p;

	assert_true(bfd_packet_decode(&p, good, sizeof(good)));
	assert_int_equal(p.state, BFD_UP);
	assert_int_equal(p.diag, BFD_DIAG_CONCATENATED_PATH_DOWN);
	assert_true(p.poll);
	assert_false(p.final);
	assert_false(p.demand);
	assert_false(p.control_plane_independent);
	assert_int_equal(p.detect_mult, 3);
	assert_int_equal(p.my_discriminator, 1);
	assert_int_equal(p.your_discriminator, 2);
	assert_int_equal(p.desired_min_tx, 100000);
	assert_int_equal(p.required_min_rx, 200000);
	assert_int_equal(p.required_min_echo_rx, 0);
}

/* One byte changed, or another length; valid says what RFC 5880 section 6.8.6 thinks of it. */
static const struct {
	const char *what;
	int at;
	uint8_t value;
	size_t len;
	bool valid;
} forms[] = {
	{"as it is", 0, 0x26, 24, true},
	{"nothing", 0, 0x26, 0, false},
	{"one byte short", 0, 0x26, 23, false},
	{"followed by bytes that its length doesn't count", 0, 0x26, 30, true},
	{"version 0", 0, 0x06, 24, false},
	{"version 2", 0, 0x46, 24, false},
	{"a diagnostic of the future", 0, 0x3f, 24, true},
	{"length 23", 3, 23, 24, false},
	{"length 0", 3, 0, 24, false},
	{"length 25, longer than the payload", 3, 25, 24, false},
	{"length 25 in a longer payload", 3, 25, 25, true},
	{"length 255", 3, 255, 24, false},
	{"multiplier 0", 2, 0, 24, false},
	{"multiplier 255", 2, 255, 24, true},
	{"multipoint", 1, 0xe1, 24, false},
	{"demand", 1, 0xe2, 24, true},
	{"authentication without a section", 1, 0xe4, 24, false},
	{"control plane independent", 1, 0xe8, 24, true},
	{"poll and final", 1, 0xf0, 24, true},
	{"my discriminator 0", 7, 0, 24, false},
	{"your discriminator 0 and Up", 11, 0, 24, false},
};

static void test_forms(void **state)
{
	uint8_t bytes[32] = {0};
	struct bfd_packet p;

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
		memcpy(bytes, good, sizeof(good));
		bytes[forms[i].at] = forms[i].value;
		if (bfd_packet_decode(&p, bytes, forms[i].len) != forms[i].valid)
			fail_msg("%s: should be %s", forms[i].what,
				forms[i].valid ? "valid" : "invalid");
	}
}

/* Without a discriminator of the receiver only Down and AdminDown may come. */
static void test_unaddressed(void **state)
{
	struct bfd_packet p = {.detect_mult = 3, .my_discriminator = 1};
	uint8_t bytes[BFD_PACKET_LEN];

	for (int s = BFD_ADMIN_DOWN; s <= BFD_UP; s++) {
		struct bfd_packet got;

		p.state = s;
		bfd_packet_encode(&p, bytes);
		assert_int_equal(bfd_packet_decode(&got, bytes, sizeof(bytes)),
			s == BFD_DOWN || s == BFD_ADMIN_DOWN);
	}
}

/* An invalid packet leaves the result alone. */
static void test_untouched(void **state)
{
	struct bfd_packet p, before;

	memset(&p, 0xa5, sizeof(p));
	before = p;
	assert_false(bfd_packet_decode(&p, good, 23));
	assert_memory_equal(&p, &before, sizeof(p));
}

static void test_round_trip(void **state)
{
	struct chance c = chance_start("round trip");
	uint8_t in[BFD_PACKET_LEN], out[BFD_PACKET_LEN];
	struct bfd_packet p;

	for (int i = 0; i < 100000; i++) {
		for (size_t k = 0; k < sizeof(in); k++)
			in[k] = (uint8_t)chance_u64(&c);
		in[0] = (uint8_t)(0x20 | (in[0] & 0x1f));
		in[1] &= (uint8_t)~0x05;
		in[3] = sizeof(in);
		if (!bfd_packet_decode(&p, in, sizeof(in)))
			continue;
		bfd_packet_encode(&p, out);
		assert_memory_equal(in, out, sizeof(in));
	}
}

static void test_names(void **state)
{
	assert_string_equal(bfd_state_name(BFD_UP), "Up");
	assert_string_equal(bfd_state_name(BFD_ADMIN_DOWN), "AdminDown");
	assert_string_equal(bfd_diag_name(BFD_DIAG_TIME_EXPIRED), "Control Detection Time Expired");
	assert_string_equal(bfd_diag_name(31), "unknown");
	assert_string_equal(bfd_state_name(7), "unknown");
}

/* --- the state machine --- */

static instant at(int64_t ms)
{
	return (instant){1000 * NS_PER_S + ms * MS};
}

static struct bfd_packet from_peer(enum bfd_state s)
{
	return (struct bfd_packet){
		.state = s,
		.detect_mult = 3,
		.my_discriminator = 77,
		.your_discriminator = 5,
		.desired_min_tx = 100000,
		.required_min_rx = 100000,
	};
}

static enum bfd_change hear(struct bfd_session *s, enum bfd_state state, int64_t ms)
{
	struct bfd_packet p = from_peer(state);

	return bfd_session_receive(s, &p, at(ms));
}

/* Sends what is due; returns how many packets, and the last one. */
static int drain_output(struct bfd_session *s, struct bfd_packet *ret, int64_t ms)
{
	struct bfd_packet p;
	int n = 0;

	while (bfd_session_output(s, &p, at(ms))) {
		n++;
		*ret = p;
		assert_true(n < 10);
	}
	return n;
}

/* A session in the state, its output drained. */
static struct bfd_session in_state(enum bfd_state state)
{
	struct bfd_session s;
	struct bfd_packet sent;

	bfd_session_init(&s, 5, 100 * MS, 3, 1, at(0));
	drain_output(&s, &sent, 0);
	if (state == BFD_INIT || state == BFD_UP)
		hear(&s, BFD_DOWN, 0);
	drain_output(&s, &sent, 0);
	if (state == BFD_UP)
		hear(&s, BFD_UP, 0);
	drain_output(&s, &sent, 0);
	assert_int_equal(s.state, state);
	return s;
}

/* The table of section 6.8.6 (the picture in 6.2): ours, theirs, what becomes of ours and why. */
static const struct {
	enum bfd_state ours, theirs, then;
	enum bfd_diag diag;
	enum bfd_change change;
} transitions[] = {
	{BFD_DOWN, BFD_ADMIN_DOWN, BFD_DOWN, BFD_DIAG_NONE, BFD_UNCHANGED},
	{BFD_DOWN, BFD_DOWN, BFD_INIT, BFD_DIAG_NONE, BFD_UNCHANGED},
	{BFD_DOWN, BFD_INIT, BFD_UP, BFD_DIAG_NONE, BFD_CAME_UP},
	{BFD_DOWN, BFD_UP, BFD_DOWN, BFD_DIAG_NONE, BFD_UNCHANGED},
	{BFD_INIT, BFD_ADMIN_DOWN, BFD_DOWN, BFD_DIAG_NEIGHBOR_DOWN, BFD_UNCHANGED},
	{BFD_INIT, BFD_DOWN, BFD_INIT, BFD_DIAG_NONE, BFD_UNCHANGED},
	{BFD_INIT, BFD_INIT, BFD_UP, BFD_DIAG_NONE, BFD_CAME_UP},
	{BFD_INIT, BFD_UP, BFD_UP, BFD_DIAG_NONE, BFD_CAME_UP},
	{BFD_UP, BFD_ADMIN_DOWN, BFD_DOWN, BFD_DIAG_NEIGHBOR_DOWN, BFD_PEER_ADMIN},
	{BFD_UP, BFD_DOWN, BFD_DOWN, BFD_DIAG_NEIGHBOR_DOWN, BFD_PEER_DOWN},
	{BFD_UP, BFD_INIT, BFD_UP, BFD_DIAG_NONE, BFD_UNCHANGED},
	{BFD_UP, BFD_UP, BFD_UP, BFD_DIAG_NONE, BFD_UNCHANGED},
};

static void test_transitions(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(transitions); i++) {
		struct bfd_session s = in_state(transitions[i].ours);
		enum bfd_change change = hear(&s, transitions[i].theirs, 1);

		if (s.state != transitions[i].then || s.diag != transitions[i].diag ||
			change != transitions[i].change)
			fail_msg("%s hears %s: became %s, diagnostic %d, change %d",
				bfd_state_name(transitions[i].ours),
				bfd_state_name(transitions[i].theirs), bfd_state_name(s.state),
				s.diag, change);
	}
}

/* What a Down means in state Up: diagnostic, whether the discriminator is new, how long we were
 * silent. */
static const struct {
	enum bfd_diag diag;
	bool is_new;
	int64_t silent_ms;
	enum bfd_change change;
} downs[] = {
	{BFD_DIAG_NONE, true, 10, BFD_PEER_RESET},
	{BFD_DIAG_NONE, false, 10, BFD_PEER_DOWN},
	{BFD_DIAG_TIME_EXPIRED, true, 10, BFD_PEER_DOWN},
	{BFD_DIAG_TIME_EXPIRED, false, 10, BFD_PEER_DOWN},
	{BFD_DIAG_NEIGHBOR_DOWN, true, 10, BFD_PEER_DOWN},
	{BFD_DIAG_PATH_DOWN, false, 10, BFD_PEER_DOWN},
	/* The peer complains of our own sleep. */
	{BFD_DIAG_TIME_EXPIRED, false, 300, BFD_PEER_RESET},
	{BFD_DIAG_TIME_EXPIRED, false, 299, BFD_PEER_DOWN},
	{BFD_DIAG_NEIGHBOR_DOWN, false, 300, BFD_PEER_DOWN},
};

static void test_downs(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(downs); i++) {
		struct bfd_session s = in_state(BFD_UP);
		struct bfd_packet p = from_peer(BFD_DOWN);

		p.diag = downs[i].diag;
		p.my_discriminator = downs[i].is_new ? 78 : 77;
		if (bfd_session_receive(&s, &p, at(downs[i].silent_ms)) != downs[i].change)
			fail_msg("case %zu", i);
		assert_int_equal(s.remote_discriminator, p.my_discriminator);
	}
}

/* A Down that a fresh daemon sent before its Init, but that arrives after it. */
static void test_straggler(void **state)
{
	struct bfd_session s = in_state(BFD_UP);
	struct bfd_packet p = from_peer(BFD_DOWN);

	p.my_discriminator = 78;
	assert_int_equal(bfd_session_receive(&s, &p, at(1)), BFD_PEER_RESET);
	p.state = BFD_INIT;
	assert_int_equal(bfd_session_receive(&s, &p, at(2)), BFD_CAME_UP);
	p.state = BFD_DOWN;
	assert_int_equal(bfd_session_receive(&s, &p, at(3)), BFD_PEER_RESET);
}

/* A packet that went out late, but before the complaint was read, excuses us for a while too. */
static void test_woken(void **state)
{
	struct bfd_session s = in_state(BFD_UP);
	struct bfd_packet sent, down = from_peer(BFD_DOWN);

	down.diag = BFD_DIAG_TIME_EXPIRED;
	hear(&s, BFD_UP, 400);
	assert_true(drain_output(&s, &sent, 400) > 0);
	assert_int_equal(bfd_session_receive(&s, &down, at(410)), BFD_PEER_RESET);

	s = in_state(BFD_UP);
	for (int64_t ms = 400; ms < 1000; ms += 50) {
		hear(&s, BFD_UP, ms);
		drain_output(&s, &sent, ms);
	}
	assert_int_equal(bfd_session_receive(&s, &down, at(1000)), BFD_PEER_DOWN);
}

static void test_expiry(void **state)
{
	struct bfd_session s = in_state(BFD_UP);
	struct bfd_packet sent;

	assert_int_equal(bfd_session_detection_time(&s), 300 * MS);
	assert_int_equal(bfd_session_step(&s, at(299)), BFD_UNCHANGED);
	assert_int_equal(bfd_session_step(&s, at(300)), BFD_EXPIRED);
	assert_int_equal(s.state, BFD_DOWN);
	assert_int_equal(s.diag, BFD_DIAG_TIME_EXPIRED);
	assert_int_equal(s.remote_discriminator, 0);
	assert_int_equal(drain_output(&s, &sent, 300), 1);
	assert_int_equal(sent.state, BFD_DOWN);
	assert_int_equal(sent.diag, BFD_DIAG_TIME_EXPIRED);
	assert_int_equal(sent.your_discriminator, 0);
	assert_int_equal(bfd_session_step(&s, at(9000)), BFD_UNCHANGED);
}

/* Section 6.8.1: in state Down the peer's discriminator is forgotten as well. */
static void test_forget(void **state)
{
	struct bfd_session s = in_state(BFD_UP);

	hear(&s, BFD_DOWN, 0);
	assert_int_equal(s.state, BFD_DOWN);
	assert_int_equal(bfd_session_step(&s, at(299)), BFD_UNCHANGED);
	assert_int_equal(s.remote_discriminator, 77);
	assert_int_equal(bfd_session_step(&s, at(300)), BFD_UNCHANGED);
	assert_int_equal(s.remote_discriminator, 0);
	assert_true(instant_is_never(bfd_session_miss_at(&s)));
}

/* Not being Up: one second (section 6.8.3), and at once when the state changes. */
static void test_slow_start(void **state)
{
	struct bfd_session s;
	struct bfd_packet p = {0};
	instant before;

	bfd_session_init(&s, 5, 100 * MS, 3, 1, at(0));
	assert_int_equal(drain_output(&s, &p, 0), 1);
	assert_int_equal(p.state, BFD_DOWN);
	assert_int_equal(p.diag, BFD_DIAG_NONE);
	assert_int_equal(p.desired_min_tx, 1000000);
	assert_int_equal(p.required_min_rx, 100000);
	assert_int_equal(p.your_discriminator, 0);
	before = bfd_session_deadline(&s);
	assert_in_range(before.ns, at(750).ns, at(1000).ns);
	hear(&s, BFD_DOWN, 10);
	assert_int_equal(drain_output(&s, &p, 10), 1);
	assert_int_equal(p.state, BFD_INIT);
	assert_int_equal(p.your_discriminator, 77);
	assert_int_equal(p.desired_min_tx, 1000000);
	hear(&s, BFD_UP, 20);
	assert_int_equal(drain_output(&s, &p, 20), 1);
	assert_int_equal(p.state, BFD_UP);
	assert_int_equal(p.desired_min_tx, 100000);
	assert_true(p.poll);
	assert_in_range(bfd_session_deadline(&s).ns, at(95).ns, at(120).ns);
}

/* Section 6.8.7: 75 to 100 percent, to 90 at multiplier 1; all of the range is used. */
static void test_jitter(void **state)
{
	for (unsigned multiplier = 1; multiplier <= 3; multiplier += 2) {
		int64_t most = multiplier == 1 ? 90 : 100;
		int64_t seen_least = INT64_MAX, seen_most = 0;
		struct bfd_session s = in_state(BFD_UP);
		struct bfd_packet p;
		instant now = at(0);

		bfd_session_set(&s, 100 * MS, multiplier);
		bfd_session_output(&s, &p, now);
		for (int i = 0; i < 2000; i++) {
			int64_t gap = instant_diff(s.next_at, now);

			seen_least = gap < seen_least ? gap : seen_least;
			seen_most = gap > seen_most ? gap : seen_most;
			now = s.next_at;
			assert_true(bfd_session_output(&s, &p, now));
			assert_false(bfd_session_output(&s, &p, now));
		}
		assert_in_range(seen_least, 75 * MS, 76 * MS);
		assert_in_range(seen_most, (most - 1) * MS, most * MS);
	}
}

/* The Final answer comes at once, whatever the timer says, and never bears a Poll of our own. */
static void test_final(void **state)
{
	for (int st = BFD_DOWN; st <= BFD_UP; st++) {
		struct bfd_session s = in_state(st);
		struct bfd_packet p = from_peer(BFD_UP);
		struct bfd_packet sent;
		int finals = 0;

		p.poll = true;
		bfd_session_receive(&s, &p, at(1));
		while (bfd_session_output(&s, &sent, at(1))) {
			finals += sent.final;
			assert_false(sent.poll && sent.final);
		}
		assert_int_equal(finals, 1);
	}
}

static void answer_poll(struct bfd_session *s, int64_t ms)
{
	struct bfd_packet p = from_peer(BFD_UP);

	p.final = true;
	bfd_session_receive(s, &p, at(ms));
}

/* Section 6.8.3: the slower transmission and the faster reception wait for the Final. */
static void test_poll_sequence(void **state)
{
	struct bfd_session s = in_state(BFD_UP);
	struct bfd_packet p = {0};

	assert_true(s.poll);
	answer_poll(&s, 1);
	assert_false(s.poll);

	bfd_session_set(&s, 200 * MS, 3);
	assert_int_equal(bfd_session_tx_interval(&s), 100 * MS);
	assert_int_equal(bfd_session_detection_time(&s), 600 * MS);
	assert_int_equal(drain_output(&s, &p, 2), 1);
	assert_true(p.poll);
	assert_int_equal(p.desired_min_tx, 200000);
	answer_poll(&s, 3);
	assert_int_equal(bfd_session_tx_interval(&s), 200 * MS);
	assert_int_equal(drain_output(&s, &p, 3), 0);

	bfd_session_set(&s, 150 * MS, 3);
	assert_int_equal(bfd_session_tx_interval(&s), 150 * MS);
	assert_int_equal(bfd_session_detection_time(&s), 600 * MS);
	drain_output(&s, &p, 4);
	answer_poll(&s, 5);
	assert_int_equal(bfd_session_detection_time(&s), 450 * MS);
}

/* Changed while polling: the first Final may answer the older poll and ends nothing. */
static void test_poll_twice(void **state)
{
	struct bfd_session s = in_state(BFD_UP);
	struct bfd_packet p;

	bfd_session_set(&s, 200 * MS, 3);
	drain_output(&s, &p, 1);
	answer_poll(&s, 2);
	assert_true(s.poll);
	assert_int_equal(bfd_session_tx_interval(&s), 100 * MS);
	answer_poll(&s, 3);
	assert_false(s.poll);
	assert_int_equal(bfd_session_tx_interval(&s), 200 * MS);
}

/* The slower of the two decides in each direction; the peer's multiplier is its own. */
static void test_negotiation(void **state)
{
	struct bfd_session s = in_state(BFD_UP);
	struct bfd_packet p = from_peer(BFD_UP);

	p.desired_min_tx = 250000;
	p.required_min_rx = 400000;
	p.detect_mult = 5;
	p.final = true;
	bfd_session_receive(&s, &p, at(1));
	assert_int_equal(bfd_session_tx_interval(&s), 400 * MS);
	assert_int_equal(bfd_session_detection_time(&s), 1250 * MS);
	assert_true(instant_before(at(1 + 250), bfd_session_miss_at(&s)));
}

/* The first packet is missing before the session is over, whatever the multiplier. */
static void test_miss(void **state)
{
	for (int multiplier = 1; multiplier <= 3; multiplier++) {
		struct bfd_session s = in_state(BFD_UP);
		struct bfd_packet p = from_peer(BFD_UP);

		p.detect_mult = (uint8_t)multiplier;
		bfd_session_receive(&s, &p, at(0));
		assert_in_range(bfd_session_miss_at(&s).ns, at(91).ns, at(115).ns);
		assert_true(instant_before(bfd_session_miss_at(&s), at(100 * multiplier)));
	}
}

/* A peer that wants no packets gets none but news; one in demand mode none but polls. */
static void test_quiet(void **state)
{
	struct bfd_session s = in_state(BFD_UP);
	struct bfd_packet p = from_peer(BFD_UP);

	answer_poll(&s, 1);
	p.required_min_rx = 0;
	bfd_session_receive(&s, &p, at(1));
	assert_int_equal(drain_output(&s, &p, 250), 0);
	s.signalling = true;
	assert_int_equal(drain_output(&s, &p, 250), 1);
	assert_int_equal(p.diag, BFD_DIAG_CONCATENATED_PATH_DOWN);

	s = in_state(BFD_UP);
	p = from_peer(BFD_UP);
	p.demand = true;
	bfd_session_receive(&s, &p, at(1));
	assert_int_equal(drain_output(&s, &p, 100), 1);
	assert_true(p.poll);
	answer_poll(&s, 101);
	p = from_peer(BFD_UP);
	p.demand = true;
	bfd_session_receive(&s, &p, at(101));
	assert_int_equal(drain_output(&s, &p, 350), 0);
}

/* Signalling shows in every packet while Up, at once, and in no other state. */
static void test_signalling(void **state)
{
	struct bfd_session s = in_state(BFD_UP);
	struct bfd_packet p;

	s.signalling = true;
	assert_int_equal(drain_output(&s, &p, 1), 1);
	assert_int_equal(p.diag, BFD_DIAG_CONCATENATED_PATH_DOWN);
	hear(&s, BFD_UP, 90);
	assert_int_equal(drain_output(&s, &p, 110), 1);
	assert_int_equal(p.diag, BFD_DIAG_CONCATENATED_PATH_DOWN);
	s.signalling = false;
	assert_int_equal(drain_output(&s, &p, 111), 1);
	assert_int_equal(p.diag, BFD_DIAG_NONE);
	s.signalling = true;
	bfd_session_step(&s, at(1000));
	assert_int_equal(drain_output(&s, &p, 1000), 1);
	assert_int_equal(p.diag, BFD_DIAG_TIME_EXPIRED);
}

/* What no packet could say is clipped. */
static void test_limits(void **state)
{
	struct bfd_session s;

	bfd_session_init(&s, 5, 0, 0, 1, at(0));
	assert_int_equal(s.required_min_rx, 1000);
	assert_int_equal(s.detect_mult, 1);
	bfd_session_set(&s, INT64_MAX, 1000);
	assert_int_equal(s.required_min_rx, UINT32_MAX);
	assert_int_equal(s.detect_mult, 255);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_unaddressed),
		cmocka_unit_test(test_untouched),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_transitions),
		cmocka_unit_test(test_downs),
		cmocka_unit_test(test_straggler),
		cmocka_unit_test(test_woken),
		cmocka_unit_test(test_expiry),
		cmocka_unit_test(test_forget),
		cmocka_unit_test(test_slow_start),
		cmocka_unit_test(test_jitter),
		cmocka_unit_test(test_final),
		cmocka_unit_test(test_poll_sequence),
		cmocka_unit_test(test_poll_twice),
		cmocka_unit_test(test_negotiation),
		cmocka_unit_test(test_miss),
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_signalling),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

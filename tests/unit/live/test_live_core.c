/* SPDX-License-Identifier: MIT */
/* The live core at its edges: whose packets and replies count, changes of peers, our own sleep. */
#include "base/mem.h"
#include "live/echo.h"
#include "live/live.h"
#include "live/random.h"
#include "unit.h"
#include <string.h>

#define MS NS_PER_MS
#define S NS_PER_S

/* --- echoes --- */

static instant at(int64_t ms)
{
	return (instant){1000 * S + ms * MS};
}

static const struct echo_mark first = {0x1234, 0xfffe, 0x11223344};

static void test_echo_replies(void **state)
{
	struct echo_mark sent[ECHO_WINDOW + 2], wrong;
	struct echo e;

	echo_init(&e, &first);
	echo_start(&e, 100 * MS, at(0));
	for (size_t i = 0; i < ARRAY_SIZE(sent); i++)
		assert_true(echo_output(&e, &sent[i], at((int64_t)i * 100)));
	assert_int_equal((uint16_t)(sent[2].seq - sent[0].seq), 2);
	assert_false(echo_on_reply(&e, &sent[0], at(7000)));
	assert_true(echo_on_reply(&e, &sent[2], at(7000)));
	assert_false(echo_on_reply(&e, &sent[2], at(7000)));
	wrong = sent[3];
	wrong.id++;
	assert_false(echo_on_reply(&e, &wrong, at(7000)));
	wrong = sent[3];
	wrong.nonce++;
	assert_false(echo_on_reply(&e, &wrong, at(7000)));
	wrong = sent[65];
	wrong.seq++;
	assert_false(echo_on_reply(&e, &wrong, at(7000)));
	assert_true(echo_is_answered(&e, 300 * MS, at(7299)));
	assert_false(echo_is_answered(&e, 300 * MS, at(7300)));
	/* What was sent before a new start doesn't count. */
	echo_stop(&e);
	echo_start(&e, 100 * MS, at(8000));
	assert_false(echo_on_reply(&e, &sent[5], at(8000)));
	assert_false(echo_is_answered(&e, 3000 * MS, at(8000)));
}

static void test_echo_sleep(void **state)
{
	struct echo_mark sent;
	struct echo e;

	echo_init(&e, &first);
	echo_start(&e, 100 * MS, at(0));
	assert_true(echo_output(&e, &sent, at(0)));
	assert_true(echo_on_reply(&e, &sent, at(5)));
	echo_excuse_sleep(&e, at(190));
	assert_false(echo_is_answered(&e, 100 * MS, at(190)));
	echo_excuse_sleep(&e, at(2100));
	assert_true(echo_is_answered(&e, 300 * MS, at(2100)));
	/* After a sleep there is one echo, not one for each that was missed. */
	assert_true(echo_output(&e, &sent, at(2100)));
	assert_false(echo_output(&e, &sent, at(2100)));
}

/* --- the core --- */

struct fixture {
	struct live *live;
	struct live_event last[4]; /* by peer */
	unsigned events, packets, echoes;
	struct bfd_packet sent;
	struct echo_mark echo;
	uint64_t random;
};

static void on_send_bfd(uint32_t peer, const uint8_t *packet, size_t len, void *data)
{
	struct fixture *f = data;

	f->packets++;
	assert_true(bfd_packet_decode(&f->sent, packet, len));
}

static void on_send_echo(uint32_t peer, const struct echo_mark *mark, void *data)
{
	struct fixture *f = data;

	f->echoes++;
	f->echo = *mark;
}

static void on_event(const struct live_event *e, void *data)
{
	struct fixture *f = data;

	f->events++;
	if (e->type == LIVE_EVENT_PEER)
		f->last[e->peer] = *e;
}

static uint64_t on_chance(void *data)
{
	struct fixture *f = data;

	return random_next(&f->random);
}

static const struct live_ops ops = {on_send_bfd, on_send_echo, on_event, on_chance};

static ip_addr address(unsigned last)
{
	return ip_addr_from_bytes(AF_INET, (const uint8_t[]){10, 9, 0, (uint8_t)last});
}

static struct live_peer_config peer(uint32_t number, enum live_probe probe)
{
	return (struct live_peer_config){
		.peer = number,
		.probe = probe,
		.local = address(1),
		.remote = address(10 + number),
		.interval_ns = 100 * MS,
		.multiplier = 3,
		.hold_ns = 5 * S,
	};
}

static void begin(struct fixture *f, const struct live_peer_config *c)
{
	struct live_self_config self = {.hold_ns = 5 * S};

	memset(f, 0, sizeof(*f));
	f->live = live_new(&self, &ops, f, at(0));
	if (c)
		live_peer_set(f->live, c, at(0));
}

/* A packet of peer 0 as it would be, but for what the arguments say. */
static void hear_from(struct fixture *f, unsigned src, unsigned dst, unsigned ttl,
	struct bfd_packet p, int64_t ms)
{
	ip_addr from = address(src), to = address(dst);
	uint8_t bytes[BFD_PACKET_LEN];
	struct live_peer_info i;

	if (live_peer_info(f->live, 0, &i) && !p.your_discriminator)
		p.your_discriminator = i.local_discriminator;
	p.detect_mult = 3;
	p.my_discriminator = p.my_discriminator ? p.my_discriminator : 77;
	p.desired_min_tx = p.required_min_rx = 100000;
	bfd_packet_encode(&p, bytes);
	live_on_bfd(f->live, &(struct live_datagram){from, to, 50000, ttl, bytes, sizeof(bytes)},
		at(ms));
}

static void hear(struct fixture *f, enum bfd_state s, enum bfd_diag d, int64_t ms)
{
	hear_from(f, 10, 1, 255, (struct bfd_packet){.state = s, .diag = d}, ms);
}

static void bring_up(struct fixture *f, int64_t ms)
{
	hear(f, BFD_DOWN, BFD_DIAG_NONE, ms);
	hear(f, BFD_UP, BFD_DIAG_NONE, ms);
}

static const struct {
	const char *what;
	unsigned src, dst, ttl;
	uint32_t your_discriminator;
	uint64_t counted;
} strangers[] = {
	{"as it should be", 10, 1, 255, 0, 1},
	{"from afar", 10, 1, 254, 0, 0},
	{"TTL unknown", 10, 1, 0, 0, 0},
	{"from another address", 11, 1, 255, 0, 0},
	{"to another address", 10, 2, 255, 0, 0},
	{"of another session", 10, 1, 255, 12345, 0},
};

static void test_strangers(void **state)
{
	struct live_peer_config c = peer(0, LIVE_PROBE_BFD);
	struct live_peer_info i;
	struct fixture f;

	for (size_t k = 0; k < ARRAY_SIZE(strangers); k++) {
		begin(&f, &c);
		hear_from(&f, strangers[k].src, strangers[k].dst, strangers[k].ttl,
			(struct bfd_packet){.state = BFD_DOWN,
				.your_discriminator = strangers[k].your_discriminator},
			1);
		assert_true(live_peer_info(f.live, 0, &i));
		if (i.packets_received != strangers[k].counted)
			fail_msg("%s", strangers[k].what);
		live_free(f.live);
	}
}

/* A peer that isn't probed by BFD has no session, whoever sends. */
static void test_no_session(void **state)
{
	struct live_peer_config c = peer(0, LIVE_PROBE_ECHO);
	struct live_peer_info i;
	struct fixture f;

	begin(&f, &c);
	bring_up(&f, 1);
	assert_true(live_peer_info(f.live, 0, &i));
	assert_int_equal(i.state, LIVE_DOWN);
	assert_int_equal(f.packets, 0);
	assert_int_equal(i.detection_time_ns, 0);
	assert_false(live_peer_info(f.live, 3, &i));
	live_free(f.live);
}

static void test_echo_source(void **state)
{
	struct live_peer_config c = peer(0, LIVE_PROBE_ECHO);
	ip_addr right = address(10), wrong = address(11);
	struct fixture f;

	begin(&f, &c);
	assert_int_equal(f.echoes, 1);
	assert_false(live_on_echo_reply(f.live, &wrong, &f.echo, at(1)));
	assert_int_equal(f.events, 0);
	assert_true(live_on_echo_reply(f.live, &right, &f.echo, at(1)));
	assert_int_equal(f.last[0].cause, LIVE_CAUSE_ECHO);
	live_free(f.live);
}

/* In use before our start, echoes answered, no session: a dead daemon, unless its packets are seen.
 */
static void test_adopted_without_session(void **state)
{
	for (int is_lost = 0; is_lost < 2; is_lost++) {
		struct live_peer_config c = peer(0, LIVE_PROBE_BFD);
		ip_addr from = address(10);
		struct fixture f;

		c.adopted_as = LIVE_UP;
		begin(&f, &c);
		for (int64_t ms = 0; ms < 15000; ms += 10) {
			unsigned echoes = f.echoes;

			live_step(f.live, at(ms));
			if (f.echoes > echoes)
				live_on_echo_reply(f.live, &from, &f.echo, at(ms));
			if (is_lost && ms % 1000 == 0)
				live_on_bfd_lost(f.live, 0, at(ms));
			if (ms < 9500)
				assert_int_equal(f.last[0].state, LIVE_UP);
		}
		assert_int_equal(f.last[0].cause,
			is_lost ? LIVE_CAUSE_NO_SESSION : LIVE_CAUSE_DAEMON_SILENT);
		assert_int_equal(f.last[0].state, is_lost ? LIVE_LAST_RESORT : LIVE_UP);
		live_on_bfd_lost(f.live, 3, at(15000));
		live_free(f.live);
	}
}

/* Adopted as last resort: whoever can't say that it is over is held, and then it is. */
static void test_adopted_as_last_resort(void **state)
{
	static const enum live_probe probes[] = {LIVE_PROBE_ECHO, LIVE_PROBE_BFD};

	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		struct live_peer_config c = peer(0, probes[i]);
		ip_addr from = address(10);
		struct fixture f;

		c.adopted_as = LIVE_LAST_RESORT;
		c.hold_ns = NS_PER_S;
		begin(&f, &c);
		for (int64_t ms = 0; ms < 2000; ms += 10) {
			unsigned echoes = f.echoes;

			live_step(f.live, at(ms));
			if (f.echoes > echoes)
				live_on_echo_reply(f.live, &from, &f.echo, at(ms));
			if (ms < 900)
				assert_int_equal(f.last[0].state, LIVE_LAST_RESORT);
		}
		assert_int_equal(
			f.last[0].state, probes[i] == LIVE_PROBE_ECHO ? LIVE_UP : LIVE_LAST_RESORT);
		live_free(f.live);
	}
}

/* When an adopted peer goes down that answers echoes up to then (-1: none), stepped each 10 ms but
 * for the time from 0 to asleep_ms. 0: never within ten seconds. */
static int64_t down_after(enum live_probe probe, int64_t last_answer_ms, int64_t asleep_ms)
{
	struct live_peer_config c = peer(0, probe);
	ip_addr from = address(10);
	struct fixture f;
	int64_t ms;

	c.adopted_as = LIVE_UP;
	begin(&f, &c);
	assert_int_equal(f.echoes, 1); /* at once */
	assert_int_equal(f.last[0].cause, LIVE_CAUSE_ADOPTED);
	if (last_answer_ms >= 0)
		live_on_echo_reply(f.live, &from, &f.echo, at(1));
	for (ms = asleep_ms ? asleep_ms : 10; ms < 10000 && f.last[0].state != LIVE_DOWN;
		ms += 10) {
		unsigned echoes = f.echoes;

		live_step(f.live, at(ms));
		if (f.echoes > echoes && ms <= last_answer_ms)
			live_on_echo_reply(f.live, &from, &f.echo, at(ms));
		if (probe == LIVE_PROBE_BFD && ms < 3000)
			assert_int_not_equal(f.last[0].cause, LIVE_CAUSE_DAEMON_SILENT);
	}
	live_free(f.live);
	return ms < 10000 ? ms - 10 : 0;
}

/* An adopted peer is asked by echoes from the start on: silence for a detection time (300 ms) ends
 * it, answers keep it, whether its session comes or not. */
static void test_adopted_is_asked_at_once(void **state)
{
	static const enum live_probe probes[] = {LIVE_PROBE_BFD, LIVE_PROBE_ECHO};

	for (size_t i = 0; i < ARRAY_SIZE(probes); i++) {
		assert_int_equal(down_after(probes[i], -1, 0), 300);
		assert_int_equal(down_after(probes[i], 10000, 0), 0);
		assert_in_range(down_after(probes[i], 1000, 0), 1200, 1300);
		assert_in_range(down_after(probes[i], 5000, 0), 5200, 5300);
		/* While we slept we asked nothing. */
		assert_in_range(down_after(probes[i], -1, 2000), 2200, 2300);
		assert_in_range(down_after(probes[i], -1, 5000), 5000, 5300);
	}
}

static void hear_hub(struct fixture *f, unsigned n, enum bfd_diag d, int64_t ms)
{
	struct live_peer_info i;

	assert_true(live_peer_info(f->live, n, &i));
	for (int s = i.session == BFD_UP; s < 2; s++)
		hear_from(f, 10 + n, 1, 255,
			(struct bfd_packet){.state = s ? BFD_UP : BFD_DOWN,
				.diag = s ? d : BFD_DIAG_NONE,
				.your_discriminator = i.local_discriminator},
			ms);
}

static void begin_with_two_hubs(struct fixture *f)
{
	begin(f, NULL);
	for (unsigned n = 0; n < 2; n++) {
		struct live_peer_config c = peer(n, LIVE_PROBE_BFD);

		c.adopted_as = LIVE_UP;
		c.signals = c.is_transit = true;
		live_peer_set(f->live, &c, at(0));
	}
}

static void expect_states(const struct fixture *f, enum live_state a, enum live_state b)
{
	assert_int_equal(f->last[0].state, a);
	assert_int_equal(f->last[1].state, b);
}

/* After a restart the word of a hub that drains counts when the other has spoken, whatever it says,
 * or has had its time. */
static void test_first_words_of_hubs(void **state)
{
	ip_addr second = address(11);
	struct fixture f;

	begin_with_two_hubs(&f);
	hear_hub(&f, 0, BFD_DIAG_CONCATENATED_PATH_DOWN, 1);
	expect_states(&f, LIVE_UP, LIVE_UP);
	hear_hub(&f, 1, BFD_DIAG_CONCATENATED_PATH_DOWN, 2);
	expect_states(&f, LIVE_LAST_RESORT, LIVE_LAST_RESORT);
	live_free(f.live);

	begin_with_two_hubs(&f);
	hear_hub(&f, 0, BFD_DIAG_CONCATENATED_PATH_DOWN, 1);
	hear_hub(&f, 1, BFD_DIAG_NONE, 2);
	expect_states(&f, LIVE_LAST_RESORT, LIVE_UP);
	live_free(f.live);

	begin_with_two_hubs(&f);
	hear_hub(&f, 0, BFD_DIAG_CONCATENATED_PATH_DOWN, 1);
	for (int64_t ms = 2; ms < 300; ms++) {
		live_step(f.live, at(ms));
		expect_states(&f, LIVE_UP, LIVE_UP);
	}
	live_step(f.live, at(300));
	expect_states(&f, LIVE_LAST_RESORT, LIVE_DOWN);
	live_free(f.live);

	begin_with_two_hubs(&f);
	hear_hub(&f, 0, BFD_DIAG_CONCATENATED_PATH_DOWN, 1);
	for (int64_t ms = 2; ms < 600; ms++) {
		live_on_echo_reply(f.live, &second, &f.echo, at(ms));
		if (ms % 100 == 0)
			hear_hub(&f, 0, BFD_DIAG_CONCATENATED_PATH_DOWN, ms);
		live_step(f.live, at(ms));
		expect_states(&f, LIVE_UP, LIVE_UP);
	}
	live_step(f.live, at(600));
	expect_states(&f, LIVE_LAST_RESORT, LIVE_UP);
	/* What it says later counts at once. */
	hear_hub(&f, 0, BFD_DIAG_NONE, 610);
	hear_hub(&f, 0, BFD_DIAG_CONCATENATED_PATH_DOWN, 620);
	expect_states(&f, LIVE_LAST_RESORT, LIVE_UP);
	live_free(f.live);
}

static void test_unprobed(void **state)
{
	struct live_peer_config c = peer(0, LIVE_PROBE_NONE);
	struct fixture f;

	begin(&f, &c);
	assert_int_equal(f.last[0].state, LIVE_UP);
	assert_int_equal(f.last[0].cause, LIVE_CAUSE_UNPROBED);
	assert_true(instant_is_never(live_deadline(f.live)));
	live_free(f.live);
}

/* A foreign speaker's diagnostic 6, while our hold lies on it: its clearing ends both. */
static void test_foreign_word(void **state)
{
	struct live_peer_config c = peer(0, LIVE_PROBE_BFD);
	struct fixture f;

	begin(&f, &c);
	bring_up(&f, 1);
	assert_int_equal(f.last[0].state, LIVE_UP);
	hear(&f, BFD_DOWN, BFD_DIAG_TIME_EXPIRED, 2);
	assert_int_equal(f.last[0].cause, LIVE_CAUSE_PEER_DOWN);
	bring_up(&f, 3);
	assert_int_equal(f.last[0].cause, LIVE_CAUSE_HELD);
	hear(&f, BFD_UP, BFD_DIAG_CONCATENATED_PATH_DOWN, 4);
	assert_int_equal(f.last[0].cause, LIVE_CAUSE_PEER_SIGNALS);
	hear(&f, BFD_UP, BFD_DIAG_NONE, 5);
	assert_int_equal(f.last[0].state, LIVE_UP);
	live_free(f.live);
}

/* A reload may hand one peer's address to another, in any order. */
static void test_address_moves(void **state)
{
	struct live_peer_config a = peer(0, LIVE_PROBE_BFD), b = peer(1, LIVE_PROBE_BFD);
	struct live_peer_info i;
	struct fixture f;

	begin(&f, &a);
	b.remote = a.remote;
	live_peer_set(f.live, &b, at(1));
	live_peer_remove(f.live, 0, at(1));
	hear_from(&f, 10, 1, 255, (struct bfd_packet){.state = BFD_DOWN}, 2);
	assert_true(live_peer_info(f.live, 1, &i));
	assert_int_equal(i.packets_received, 1);
	assert_int_equal(i.session, BFD_INIT);
	live_free(f.live);
}

/* An address or probe that changes begins anew; who was up stays so for the grace. */
static void test_new_probe(void **state)
{
	struct live_peer_config c = peer(0, LIVE_PROBE_BFD);
	struct live_peer_info before, after;
	struct fixture f;

	begin(&f, &c);
	bring_up(&f, 1);
	assert_true(live_peer_info(f.live, 0, &before));
	c.remote = address(20);
	live_peer_set(f.live, &c, at(10));
	assert_true(live_peer_info(f.live, 0, &after));
	assert_int_not_equal(before.local_discriminator, after.local_discriminator);
	assert_int_equal(after.state, LIVE_UP);
	for (int64_t ms = 10; ms < 3010; ms += 10) {
		live_step(f.live, at(ms));
		assert_int_equal(f.last[0].state, LIVE_UP);
	}
	live_step(f.live, at(3010));
	assert_int_equal(f.last[0].cause, LIVE_CAUSE_EXPIRED);
	live_free(f.live);
}

/* New intervals cost no session, and the same ones nothing at all. */
static void test_same_again(void **state)
{
	struct live_peer_config c = peer(0, LIVE_PROBE_BFD);
	struct fixture f;
	unsigned packets, events;

	begin(&f, &c);
	bring_up(&f, 1);
	packets = f.packets;
	events = f.events;
	live_peer_set(f.live, &c, at(2));
	assert_int_equal(f.packets, packets);
	c.interval_ns = 200 * MS;
	live_peer_set(f.live, &c, at(2));
	assert_int_equal(f.packets, packets + 1);
	assert_true(f.sent.poll);
	assert_int_equal(f.sent.desired_min_tx, 200000);
	assert_int_equal(f.events, events);
	live_free(f.live);
}

static void test_names(void **state)
{
	for (int c = LIVE_CAUSE_NEW; c <= LIVE_CAUSE_STALE; c++) {
		assert_string_not_equal(live_cause_name(c), "unknown");
		assert_true(strlen(live_cause_text(c)) > 10);
	}
	assert_string_equal(live_state_name(LIVE_LAST_RESORT), "last-resort");
	assert_string_equal(live_cause_name(99), "unknown");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_echo_replies),
		cmocka_unit_test(test_echo_sleep),
		cmocka_unit_test(test_strangers),
		cmocka_unit_test(test_no_session),
		cmocka_unit_test(test_echo_source),
		cmocka_unit_test(test_adopted_without_session),
		cmocka_unit_test(test_adopted_as_last_resort),
		cmocka_unit_test(test_adopted_is_asked_at_once),
		cmocka_unit_test(test_first_words_of_hubs),
		cmocka_unit_test(test_unprobed),
		cmocka_unit_test(test_foreign_word),
		cmocka_unit_test(test_address_moves),
		cmocka_unit_test(test_new_probe),
		cmocka_unit_test(test_same_again),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

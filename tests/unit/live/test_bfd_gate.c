/* SPDX-License-Identifier: MIT */
/*
 * Who may speak in a session, as the whole core shows it: a stranger on the peer's machine, who
 * sends from its address and may know everything but the keys, moves neither verdict nor session,
 * and has no answer of ours for the asking. Peer 0 authenticates, peer 1 doesn't.
 */
#include "base/mem.h"
#include "live/bfd_auth.h"
#include "live/budget.h"
#include "live/live.h"
#include "live/random.h"
#include "unit.h"
#include <string.h>

#define MS NS_PER_MS
#define S NS_PER_S
#define THEIR_PORT 50000
#define OTHER_PORT 40000

enum { OURS, FOREIGN, N_PEERS };

struct fixture {
	struct live *live;
	struct live_event last[N_PEERS];
	unsigned events[N_PEERS], packets[N_PEERS], finals[N_PEERS], echoes;
	struct bfd_packet sent[N_PEERS];
	struct echo_mark echo;
	uint64_t random;
	struct bfd_auth theirs;
	instant now;
};

static ip_addr address(unsigned last)
{
	return ip_addr_from_bytes(AF_INET, (const uint8_t[]){10, 9, 0, (uint8_t)last});
}

static void on_send_bfd(uint32_t peer, const uint8_t *packet, size_t len, void *data)
{
	struct fixture *f = data;

	assert_true(bfd_packet_decode(&f->sent[peer], packet, len));
	assert_int_equal(f->sent[peer].is_authenticated, peer == OURS);
	f->packets[peer]++;
	f->finals[peer] += f->sent[peer].final;
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

	if (e->type != LIVE_EVENT_PEER)
		return;
	f->last[e->peer] = *e;
	f->events[e->peer]++;
}

static uint64_t on_chance(void *data)
{
	struct fixture *f = data;

	return random_next(&f->random);
}

static const struct live_ops ops = {on_send_bfd, on_send_echo, on_event, on_chance};

static struct live_peer_config config(unsigned peer)
{
	return (struct live_peer_config){
		.peer = peer,
		.probe = LIVE_PROBE_BFD,
		.signals = peer == OURS,
		.local = address(1),
		.remote = address(10 + peer),
		.interval_ns = 100 * MS,
		.multiplier = 3,
		.hold_ns = 5 * S,
		.authenticates = peer == OURS,
		.keys = {.send = {1}, .receive = {2}},
	};
}

static struct live_peer_info info(const struct fixture *f, unsigned peer)
{
	struct live_peer_info i;

	assert_true(live_peer_info(f->live, peer, &i));
	return i;
}

static struct bfd_packet packet_of(const struct fixture *f, unsigned peer, enum bfd_state s)
{
	return (struct bfd_packet){
		.state = s,
		.detect_mult = 3,
		.my_discriminator = 77 + peer,
		.your_discriminator = info(f, peer).local_discriminator,
		.desired_min_tx = 100000,
		.required_min_rx = 100000,
	};
}

/* From the peer's address; sealed with what is right for the peer, if it should be. */
static bool say(
	struct fixture *f, unsigned peer, const struct bfd_packet *p, uint16_t port, bool seal)
{
	struct live_datagram d = {address(10 + peer), address(1), port, 255, NULL, BFD_PACKET_LEN};
	uint8_t bytes[BFD_PACKET_MAX] = {0};

	bfd_packet_encode(p, bytes);
	if (p->is_authenticated)
		d.len = BFD_PACKET_MAX;
	if (seal && peer == OURS) {
		bfd_auth_seal(&f->theirs, p, bytes);
		d.len = BFD_PACKET_MAX;
	}
	d.bytes = bytes;
	return live_on_bfd(f->live, &d, f->now);
}

/* The peer itself speaks. */
static bool speak(struct fixture *f, unsigned peer, enum bfd_state s)
{
	struct bfd_packet p = packet_of(f, peer, s);

	return say(f, peer, &p, THEIR_PORT, true);
}

static void pass(struct fixture *f, int64_t ms)
{
	instant end = instant_add(f->now, ms * MS);

	while (!instant_before(end, live_deadline(f->live))) {
		f->now = instant_before(f->now, live_deadline(f->live)) ? live_deadline(f->live)
									: f->now;
		live_step(f->live, f->now);
	}
	f->now = end;
	live_step(f->live, f->now);
}

static void begin(struct fixture *f)
{
	struct live_self_config self = {.hold_ns = 5 * S, .sequence = 1000};
	struct bfd_keys keys = {.send = {2}, .receive = {1}};

	*f = (struct fixture){.now = {1000 * S}};
	f->live = live_new(&self, &ops, f, f->now);
	bfd_auth_init(&f->theirs, &keys, 500);
	for (unsigned peer = 0; peer < N_PEERS; peer++) {
		struct live_peer_config c = config(peer);

		live_peer_set(f->live, &c, f->now);
		assert_true(speak(f, peer, BFD_DOWN));
		assert_true(speak(f, peer, BFD_UP));
		assert_int_equal(f->last[peer].state, LIVE_UP);
	}
	pass(f, 10);
	f->echoes = 0;
	memset(f->events, 0, sizeof(f->events));
	memset(f->packets, 0, sizeof(f->packets));
	memset(f->finals, 0, sizeof(f->finals));
}

/* A second in which both peers speak as they should, and the stranger three times as often. */
static void second_beside(struct fixture *f, unsigned peer, const struct bfd_packet *forged)
{
	for (int i = 0; i < 30; i++) {
		if (i % 3 == 0)
			for (unsigned k = 0; k < N_PEERS; k++)
				assert_true(speak(f, k, BFD_UP));
		assert_false(say(f, peer, forged, OTHER_PORT, false));
		live_on_echo_reply(f->live, &(ip_addr){0}, &f->echo, f->now);
		pass(f, 33);
	}
}

/* Every word that there is, addressed or not, with and without the bit that it is authenticated. */
static void test_forged(void **state)
{
	for (unsigned kind = 0; kind < 4 * 2 * 2 * N_PEERS; kind++) {
		unsigned peer = kind & 1;
		struct fixture f;
		struct bfd_packet p;

		begin(&f);
		p = packet_of(&f, peer, kind >> 3);
		p.is_authenticated = kind & 2;
		p.poll = true;
		p.diag =
			p.state == BFD_UP ? BFD_DIAG_CONCATENATED_PATH_DOWN : BFD_DIAG_TIME_EXPIRED;
		p.required_min_rx = 0;
		p.desired_min_tx = UINT32_MAX;
		if (kind & 4)
			p.your_discriminator = 0;
		second_beside(&f, peer, &p);
		for (unsigned k = 0; k < N_PEERS; k++) {
			assert_int_equal(f.events[k], 0);
			assert_int_equal(info(&f, k).session, BFD_UP);
			assert_int_equal(info(&f, k).detection_time_ns, 300 * MS);
			assert_in_range(f.packets[k], 9, 15);
			assert_int_equal(f.finals[k], 0);
		}
		live_free(f.live);
	}
}

/* What isn't addressed to a session of ours isn't even counted; the rest is. */
static void test_refusals_are_counted(void **state)
{
	struct bfd_packet p;
	struct fixture f;

	begin(&f);
	p = packet_of(&f, OURS, BFD_DOWN);
	assert_false(say(&f, OURS, &p, OTHER_PORT, false));
	p = packet_of(&f, FOREIGN, BFD_DOWN);
	assert_false(say(&f, FOREIGN, &p, OTHER_PORT, false));
	assert_int_equal(info(&f, OURS).packets_refused, 1);
	assert_int_equal(info(&f, FOREIGN).packets_refused, 1);
	live_free(f.live);
}

/* The peer's own Down is believed at once, by its digest or by its port. */
static void test_own_word(void **state)
{
	for (unsigned peer = 0; peer < N_PEERS; peer++) {
		struct fixture f;
		struct bfd_packet p;

		begin(&f);
		p = packet_of(&f, peer, BFD_DOWN);
		p.diag = BFD_DIAG_TIME_EXPIRED;
		p.your_discriminator = 0;
		assert_true(say(&f, peer, &p, THEIR_PORT, true));
		assert_int_equal(f.last[peer].cause, LIVE_CAUSE_PEER_DOWN);
		live_free(f.live);
	}
}

/* A Down from another port asks for an echo, and may be a daemon that began anew: once the session
 * has run out, the new port is learned. */
static void test_new_port(void **state)
{
	struct bfd_packet p;
	struct fixture f;
	ip_addr from = address(10 + FOREIGN);

	begin(&f);
	p = packet_of(&f, FOREIGN, BFD_DOWN);
	p.my_discriminator = 99;
	p.your_discriminator = 0;
	assert_false(say(&f, FOREIGN, &p, OTHER_PORT, true));
	assert_int_equal(f.echoes, 1);
	for (int i = 0; i < 4; i++) {
		assert_true(speak(&f, OURS, BFD_UP));
		live_on_echo_reply(f.live, &from, &f.echo, f.now);
		pass(&f, 90);
	}
	assert_int_equal(f.last[FOREIGN].state, LIVE_UP);
	assert_int_equal(f.last[FOREIGN].cause, LIVE_CAUSE_DAEMON_SILENT);
	assert_true(say(&f, FOREIGN, &p, OTHER_PORT, true));
	assert_int_equal(f.sent[FOREIGN].state, BFD_INIT);
	p = packet_of(&f, FOREIGN, BFD_UP);
	assert_true(say(&f, FOREIGN, &p, OTHER_PORT, true));
	assert_int_equal(f.last[FOREIGN].cause, LIVE_CAUSE_SESSION_UP);
	p.state = BFD_DOWN;
	assert_false(say(&f, FOREIGN, &p, THEIR_PORT, true));
	assert_int_equal(f.last[FOREIGN].state, LIVE_UP);
	live_free(f.live);
}

/* Packets that somebody caught while the session was up, played again when the peer is dead. */
static void test_replay(void **state)
{
	uint8_t caught[3][BFD_PACKET_MAX];
	static const enum bfd_state states[] = {BFD_DOWN, BFD_INIT, BFD_UP};
	struct fixture f;

	begin(&f);
	for (int i = 0; i < 3; i++) {
		struct bfd_packet p = packet_of(&f, OURS, states[i]);

		p.your_discriminator = i ? p.your_discriminator : 0;
		bfd_auth_seal(&f.theirs, &p, caught[i]);
	}
	pass(&f, 5000);
	assert_int_equal(f.last[OURS].state, LIVE_DOWN);
	for (int i = 0; i < 30; i++) {
		struct live_datagram d = {
			address(10), address(1), THEIR_PORT, 255, caught[i % 3], BFD_PACKET_MAX};

		live_on_bfd(f.live, &d, f.now);
		assert_int_not_equal(info(&f, OURS).session, BFD_UP);
		pass(&f, 400);
	}
	assert_int_equal(f.last[OURS].state, LIVE_DOWN);
	live_free(f.live);
}

/* Who doesn't know us can't silence us while no session is up. */
static void test_not_silenced(void **state)
{
	struct bfd_packet p;
	struct fixture f;

	begin(&f);
	pass(&f, 5000);
	assert_int_equal(info(&f, FOREIGN).session, BFD_DOWN);
	p = packet_of(&f, FOREIGN, BFD_DOWN);
	p.your_discriminator = 0;
	for (unsigned rx = 0; rx < 2; rx++) {
		p.required_min_rx = rx ? UINT32_MAX : 0;
		assert_true(say(&f, FOREIGN, &p, OTHER_PORT, false));
		f.packets[FOREIGN] = 0;
		pass(&f, 5000);
		assert_in_range(f.packets[FOREIGN], 4, 8);
	}
	live_free(f.live);
}

/* A peer with its keys that polls and polls: what it gets is what was agreed on, and the other peer
 * loses nothing. */
static void test_flood(void **state)
{
	for (unsigned peer = 0; peer < N_PEERS; peer++) {
		struct fixture f;
		struct bfd_packet p;
		unsigned taken = 0;

		begin(&f);
		p = packet_of(&f, peer, BFD_UP);
		p.poll = true;
		for (int i = 0; i < 10000; i++) {
			taken += say(&f, peer, &p, THEIR_PORT, true);
			if (i % 1000 == 0)
				assert_true(speak(&f, !peer, BFD_UP));
			pass(&f, i % 10 == 0);
		}
		assert_in_range(taken, 30, 60);
		assert_in_range(f.finals[peer], 8, 11);
		assert_in_range(f.packets[peer], 10, 30);
		assert_int_equal(f.events[!peer], 0);
		/* The last question that counts is answered, if late. */
		f.finals[peer] = 0;
		while (!say(&f, peer, &p, THEIR_PORT, true))
			pass(&f, 10);
		pass(&f, 110);
		assert_in_range(f.finals[peer], 1, 2);
		live_free(f.live);
	}
}

/* Forged packets use up nothing that the peer needs, even if they are plausible. */
static void test_budgets_are_apart(void **state)
{
	for (unsigned peer = 0; peer < N_PEERS; peer++) {
		struct fixture f;
		struct bfd_packet p;

		begin(&f);
		p = packet_of(&f, peer, BFD_DOWN);
		for (int i = 0; i < 1000; i++) {
			uint8_t bytes[BFD_PACKET_MAX];
			struct bfd_auth copy = f.theirs;
			struct live_datagram d = {address(10 + peer), address(1), OTHER_PORT, 255,
				bytes, peer == OURS ? BFD_PACKET_MAX : BFD_PACKET_LEN};

			bfd_packet_encode(&p, bytes);
			if (peer == OURS)
				bfd_auth_seal(&copy, &p, bytes);
			bytes[BFD_PACKET_MAX - 1] ^= 1;
			assert_false(live_on_bfd(f.live, &d, f.now));
		}
		assert_true(speak(&f, peer, BFD_UP));
		assert_int_equal(f.events[peer], 0);
		live_free(f.live);
	}
}

/* A session that comes up speaks once a second until it may speak a hundred times as often: what it
 * said at the old price is so many words, and not so many seconds of silence. */
static void test_words_at_another_price(void **state)
{
	const int64_t dear = 250 * NS_PER_MS, cheap = 2500 * NS_PER_US;
	struct budget b = {0};
	instant now = {NS_PER_S};

	for (int i = 0; i < 16; i++)
		assert_true(budget_take(&b, dear, 16, now));
	assert_false(budget_take(&b, dear, 16, now));
	assert_false(budget_take(&b, cheap, 16, now));
	for (int i = 0; i < 100; i++) {
		now = instant_add(now, 10 * NS_PER_MS);
		assert_true(budget_take(&b, cheap, 16, now));
	}
	/* Nothing is won by it either. */
	for (int i = 0; i < 15; i++)
		assert_true(budget_take(&b, cheap, 16, now));
	assert_false(budget_take(&b, dear, 16, now));
}

/* No key comes out again. */
static void test_keys_stay(void **state)
{
	static const struct bfd_keys none;
	struct live_peer_config c = config(OURS);
	struct live_peer_info i;
	struct fixture f;

	begin(&f);
	i = info(&f, OURS);
	assert_memory_equal(&i.config.keys, &none, sizeof(none));
	/* The same again costs nothing, others end the session's say. */
	live_peer_set(f.live, &c, f.now);
	assert_true(speak(&f, OURS, BFD_UP));
	c.keys.receive[0] = 3;
	live_peer_set(f.live, &c, f.now);
	assert_false(speak(&f, OURS, BFD_UP));
	live_free(f.live);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_refusals_are_counted),
		cmocka_unit_test(test_own_word),
		cmocka_unit_test(test_new_port),
		cmocka_unit_test(test_replay),
		cmocka_unit_test(test_not_silenced),
		cmocka_unit_test(test_flood),
		cmocka_unit_test(test_budgets_are_apart),
		cmocka_unit_test(test_words_at_another_price),
		cmocka_unit_test(test_keys_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

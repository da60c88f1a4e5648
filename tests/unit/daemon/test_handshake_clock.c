/* SPDX-License-Identifier: MIT */
/* Handshakes on the clock that never steps, whatever the wall clock does. */
#include "base/mem.h"
#include "daemon/handshakes.h"
#include "live/live.h"
#include "unit.h"
#include <string.h>

#define S NS_PER_S
#define HOUR (3600 * S)
#define WALL (1700000000 * S) /* the wall clock when the machine was started */

/* What a device reports at an instant (seconds since the start of the machine), and what is to be
 * made of it. step: how far the wall clock is off by then. */
struct look {
	int64_t at, step, reported; /* reported: by the wall clock, less WALL; -1: never */
	int64_t age;		    /* seconds, HANDSHAKE_NEVER or HANDSHAKE_UNKNOWN */
};

struct story {
	const char *what;
	struct look looks[5];
	size_t n;
};

static const struct story stories[] = {
	{"a steady clock", {{5000, 0, 4990, 10}, {5010, 0, 4990, 20}, {5020, 0, 5015, 5}}, 3},
	{"an hour forth, quiet", {{5000, 0, 4990, 10}, {5002, 3600, 4990, 12}}, 2},
	{"an hour back, quiet", {{5000, 0, 4990, 10}, {5002, -3600, 4990, 12}}, 2},
	{"an hour forth, then a handshake",
		{{5000, 0, 4990, 10}, {5010, 3600, 8608, 2}, {5020, 3600, 8608, 12}}, 3},
	{"a handshake, then an hour forth", {{5000, 0, 4990, 10}, {5010, 3600, 5008, 10}}, 2},
	{"a handshake, then an hour back", {{5000, 0, 4990, 10}, {5010, -3600, 5008, 0}}, 2},
	{"back, and the same reading again by chance",
		{{5000, 0, -1, HANDSHAKE_NEVER}, {5010, -3600, 1405, 5}}, 2},
	{"dead for long, the clock goes back to its handshake",
		{{5000, 0, 4000, 1000}, {5001, -1000, 4000, 1001}, {5300, -1000, 4000, 1300}}, 3},
	{"a start after a step back", {{5000, -3600, 4990, HANDSHAKE_UNKNOWN}}, 1},
	{"a start after a step from 1970", {{50, 1000000, 45, HANDSHAKE_UNKNOWN}}, 1},
	{"a start in doubt, then a handshake",
		{{5000, -3600, 4990, HANDSHAKE_UNKNOWN}, {5002, -3600, 1401, 1}}, 2},
	{"never", {{5000, 0, -1, HANDSHAKE_NEVER}, {6000, 3600, -1, HANDSHAKE_NEVER}}, 2},
	{"the device was made anew", {{5000, 0, 4990, 10}, {5001, 0, -1, HANDSHAKE_NEVER}}, 2},
	{"suspended for an hour", {{5000, 0, 4990, 10}, {8600, 0, 4990, 3610}}, 2},
};

static int64_t seconds_of(int64_t ns)
{
	return ns == HANDSHAKE_NEVER || ns == HANDSHAKE_UNKNOWN ? ns : ns / S;
}

static void test_stories(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(stories); i++) {
		struct handshake_clock h = {0};

		for (size_t k = 0; k < stories[i].n; k++) {
			const struct look *l = &stories[i].looks[k];
			instant now = {l->at * S};
			int64_t age;

			handshake_clock_look(&h, l->reported < 0 ? 0 : WALL + l->reported * S,
				WALL + (l->at + l->step) * S, now);
			age = seconds_of(handshake_clock_age(&h, now));
			if (age != l->age)
				fail_msg("%s: age %lld at %lld", stories[i].what, (long long)age,
					(long long)l->at);
		}
	}
}

/* --- as the daemon has it: a device's peers, and the verdicts of a core --- */

struct fixture {
	struct handshakes *handshakes;
	struct live *live;
	struct device_peer peers[2];
	struct device_state device;
	enum live_state verdict[2];
	int64_t wall;
};

static void on_send_bfd(uint32_t peer, const uint8_t *packet, size_t len, void *data)
{
}

static void on_send_echo(uint32_t peer, const struct echo_mark *mark, void *data)
{
}

static void on_event(const struct live_event *e, void *data)
{
	struct fixture *f = data;

	if (e->type == LIVE_EVENT_PEER)
		f->verdict[e->peer] = e->state;
}

static uint64_t on_chance(void *data)
{
	static uint64_t last;

	return ++last;
}

static const struct live_ops ops = {on_send_bfd, on_send_echo, on_event, on_chance};

static void start_daemon(struct fixture *f, bool adopted, instant now)
{
	struct live_self_config self = {.hold_ns = 0};

	memset(f->verdict, 0, sizeof(f->verdict));
	f->handshakes = handshakes_new();
	f->live = live_new(&self, &ops, f, now);
	for (uint32_t i = 0; i < 2; i++) {
		struct live_peer_config c = {.peer = i,
			.probe = LIVE_PROBE_HANDSHAKE,
			.adopted_as = adopted ? LIVE_UP : LIVE_DOWN};

		live_peer_set(f->live, &c, now);
	}
}

static void end_daemon(struct fixture *f)
{
	live_free(f->live);
	handshakes_free(f->handshakes);
}

/* Two looks a second, as long as it takes. */
static void pass(struct fixture *f, int64_t *at, int64_t seconds)
{
	for (int64_t end = *at + seconds * S; *at < end; *at += S / 2) {
		instant now = {*at};

		handshakes_look(f->handshakes, &f->device, f->wall + *at, now);
		for (uint32_t i = 0; i < 2; i++)
			live_on_handshake(f->live, i,
				handshakes_age(f->handshakes, &f->peers[i].key, now),
				f->peers[i].rx_bytes, now);
		live_step(f->live, now);
	}
}

static void shake(struct fixture *f, unsigned peer, int64_t at)
{
	f->peers[peer].last_handshake.tv_sec = (f->wall + at) / S;
	f->peers[peer].last_handshake.tv_nsec = (f->wall + at) % S;
}

/* Peer 0 lives and is quiet, peer 1 is dead for ten minutes. */
static void begin(struct fixture *f, int64_t *at)
{
	memset(f, 0, sizeof(*f));
	f->wall = WALL;
	f->device = (struct device_state){.peers = f->peers, .n_peers = 2};
	f->peers[0].key.bytes[0] = 1;
	f->peers[1].key.bytes[0] = 2;
	*at = 5 * HOUR;
	shake(f, 1, *at - 600 * S);
	shake(f, 0, *at - 30 * S);
	start_daemon(f, false, (instant){*at});
	pass(f, at, 5);
	assert_int_equal(f->verdict[0], LIVE_UP);
	assert_int_equal(f->verdict[1], LIVE_DOWN);
}

static const int64_t steps[] = {HOUR, -HOUR, -600 * S, 170 * S, -24 * 365 * HOUR};

static void test_verdicts_when_the_clock_steps(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct fixture f;
		int64_t at;

		begin(&f, &at);
		f.wall += steps[i];
		pass(&f, &at, 100);
		assert_int_equal(f.verdict[0], LIVE_UP);
		assert_int_equal(f.verdict[1], LIVE_DOWN);
		/* What really happens is seen as before. */
		shake(&f, 1, at);
		pass(&f, &at, 100);
		assert_int_equal(f.verdict[0], LIVE_DOWN);
		assert_int_equal(f.verdict[1], LIVE_UP);
		end_daemon(&f);
	}
}

/* The daemon starts anew after the step: whom it used it trusts until bytes could have come. */
static void test_restart_after_a_step(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
		struct fixture f;
		int64_t at;

		begin(&f, &at);
		f.wall += steps[i];
		end_daemon(&f);
		start_daemon(&f, true, (instant){at});
		f.peers[0].rx_bytes = f.peers[1].rx_bytes = 1000;
		pass(&f, &at, 25);
		assert_int_equal(f.verdict[0], LIVE_UP);
		f.peers[0].rx_bytes += 32; /* a keepalive */
		pass(&f, &at, 55);
		assert_int_equal(f.verdict[0], LIVE_UP);
		/* It may be young by the new clock; no handshake is younger than 0 s. */
		pass(&f, &at, 200);
		assert_int_equal(f.verdict[1], LIVE_DOWN);
		end_daemon(&f);
	}
}

/* Not in use and in doubt: down until something comes. */
static void test_strangers_in_doubt(void **state)
{
	struct fixture f;
	int64_t at;

	begin(&f, &at);
	f.wall -= HOUR;
	end_daemon(&f);
	start_daemon(&f, false, (instant){at});
	pass(&f, &at, 5);
	assert_int_equal(f.verdict[0], LIVE_DOWN);
	f.peers[0].rx_bytes += 32;
	pass(&f, &at, 1);
	assert_int_equal(f.verdict[0], LIVE_UP);
	assert_int_equal(f.verdict[1], LIVE_DOWN);
	end_daemon(&f);
}

static void test_any_report(void **state)
{
	const time_t reports[] = {-1, 0, 1, INT64_MAX, INT64_MIN, INT64_MAX / NS_PER_S};
	struct fixture f;
	int64_t at;

	begin(&f, &at);
	for (size_t i = 0; i < ARRAY_SIZE(reports); i++) {
		f.peers[0].last_handshake.tv_sec = reports[i];
		pass(&f, &at, 1);
	}
	/* One that is gone is forgotten. */
	f.device.n_peers = 1;
	pass(&f, &at, 1);
	assert_int_equal(
		handshakes_age(f.handshakes, &f.peers[1].key, (instant){at}), HANDSHAKE_NEVER);
	end_daemon(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_stories),
		cmocka_unit_test(test_verdicts_when_the_clock_steps),
		cmocka_unit_test(test_restart_after_a_step),
		cmocka_unit_test(test_strangers_in_doubt),
		cmocka_unit_test(test_any_report),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * What a peer costs: at most 4 KiB resident without a session, 8 KiB with one, measured as the
 * growth of this process. Sanitizers have memory of their own; with them it is only run.
 */
#include "hand_peer.h"
#include "wg/pool.h"

#include <malloc.h>

#define IDLE_PEERS 10000
#define IDLE_LIMIT 2048 /* with a margin below 4,096 */
#define PEERS (SANITIZED ? 100 : 1000)
#define SESSION_LIMIT 6144 /* with a margin below 8,192 */
#define GROWTH_LIMIT (512 * 1024)
#define IN_USE_LIMIT (8000 * 24) /* of a peer: less than the least that malloc gives */

static size_t resident(void)
{
	unsigned long all, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_int_equal(fscanf(f, "%lu %lu", &all, &pages), 2);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void check(const char *what, size_t before, size_t n, size_t limit)
{
	size_t each = (resident() - before) / n;

	print_message("%s: %zu bytes per peer\n", what, each);
	if (!SANITIZED)
		assert_true(each <= limit);
}

/* As a configuration file makes them: key, endpoint, interval, two allowed IPs. */
static void configure(struct device *d, unsigned n)
{
	struct buf request = {0};

	buf_puts(&request, "set=1\n");
	for (unsigned i = 1; i <= n; i++)
		buf_printf(&request,
			"public_key=%064x\nendpoint=192.0.2.%u:%u\n"
			"persistent_keepalive_interval=0\nallowed_ip=10.%u.%u.%u/32\n"
			"allowed_ip=fd00::%x/128\n",
			i, i % 250 + 1, i % 60000 + 1, i >> 16, i >> 8 & 255, i & 255, i);
	buf_puts(&request, "\n");
	assert_int_equal(uapi_ask(d, request.data, NULL), 0);
	buf_done(&request);
}

static void idle(void **state)
{
	struct device d;
	size_t before;

	device_start(&d, false);
	/* What is there for the first peer alone. */
	configure(&d, 10);
	before = resident();
	configure(&d, IDLE_PEERS);
	check("without a session", before, IDLE_PEERS, IDLE_LIMIT);
	device_stop(&d);
}

/* A hand that shares the first one's socket. */
static void hand_beside(struct hand *h, const struct hand *first, const struct device *d)
{
	*h = *first;
	wg_key_generate(&h->private);
	h->public = wg_key_public(&h->private);
	noise_identity_set(&h->identity, &h->private);
	noise_peer_init(&h->noise, &d->public);
	cookie_maker_init(&h->maker, &d->public);
}

/* Two handshakes each: current and previous keys, and a packet through each. */
static void with_sessions(void **state)
{
	static struct hand hands[PEERS];
	static struct tunnel_peer *peers[PEERS];
	struct timespec wall;
	struct hand first;
	struct device d;
	size_t before;

	device_start(&d, true);
	hand_start(&first, &d);
	for (unsigned i = 0; i < PEERS; i++)
		hand_beside(&hands[i], &first, &d);
	clock_gettime(CLOCK_REALTIME, &wall);
	before = resident();
	for (unsigned i = 0; i < PEERS; i++) {
		char allowed[32];

		snprintf(allowed, sizeof(allowed), "10.1.%u.%u/32", i >> 8, i & 255);
		peers[i] = device_peer(&d, &hands[i].public, first.port, allowed);
	}
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < PEERS; i++) {
			struct wg_initiation m;
			char src[32];

			snprintf(src, sizeof(src), "10.1.%u.%u", i >> 8, i & 255);
			hand_make_initiation_at(&hands[i], &m, wall.tv_sec + round, 0);
			hand_send(&hands[i], &m, sizeof(m));
			assert_true(hand_take_response(&hands[i], DEADLINE_MS, NULL));
			hand_send_packet(&hands[i], src, "10.0.0.1", 50, 1);
			host_gets(&d, 50, 1);
		}
		usleep(25000);
	}
	for (unsigned i = 0; i < PEERS; i++) {
		assert_non_null(atomic_load(&peers[i]->current));
		assert_non_null(atomic_load(&peers[i]->previous));
	}
	check("with two sessions", before, PEERS, SESSION_LIMIT);
	print_message("a session: %zu bytes, a peer: %zu bytes\n", pool_piece(d.t->keypairs),
		sizeof(struct tunnel_peer));
	/* With all three slots taken: never more. */
	assert_true(
		sizeof(struct tunnel_peer) + 3 * pool_piece(d.t->keypairs) + 1024 <= SESSION_LIMIT);
	hand_stop(&first);
	device_stop(&d);
}

/* Until all that was taken away is freed. */
static void wait_for_reclaimed(struct device *d)
{
	size_t n_waiting = 1;

	for (int ms = 0; n_waiting && ms < DEADLINE_MS; ms++) {
		pthread_mutex_lock(&d->t->map_lock);
		n_waiting = qsbr_reclaim(d->t->qsbr);
		pthread_mutex_unlock(&d->t->map_lock);
		if (n_waiting)
			usleep(1000);
	}
	assert_int_equal(n_waiting, 0);
}

static size_t in_use(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

/* Configured and taken away so many times; how much it grew by that: resident, and in use. */
static ssize_t grow_in(struct device *d, unsigned rounds, ssize_t *ret_in_use)
{
	ssize_t before = (ssize_t)resident(), used = (ssize_t)in_use();

	for (unsigned i = 0; i < rounds; i++) {
		configure(d, 2000);
		assert_int_equal(uapi_ask(d, "set=1\nreplace_peers=true\n\n", NULL), 0);
	}
	wait_for_reclaimed(d);
	*ret_in_use = (ssize_t)in_use() - used;
	return (ssize_t)resident() - before;
}

/* Again and again it doesn't grow: nothing of a peer is lost, and beyond what malloc keeps for its
 * threads no more is in use. How much is resident differs from round to round, by how busy the
 * machine is, since that decides how much waits to be reclaimed. */
static void again_and_again(void **state)
{
	ssize_t grown, used, used_at_all = 0;
	struct device d;

	device_start(&d, true);
	grow_in(&d, 4, &used);
	grown = grow_in(&d, 4, &used_at_all);
	for (unsigned i = 0; i < 8 && grown >= GROWTH_LIMIT; i++) {
		grown = grow_in(&d, 4, &used);
		used_at_all += used;
	}
	print_message("grew by %zd KB, %zd bytes in use\n", grown / 1024, used_at_all);
	if (!SANITIZED) {
		assert_true(grown < GROWTH_LIMIT);
		assert_true(used_at_all < IN_USE_LIMIT);
	}
	device_stop(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(idle),
		cmocka_unit_test(with_sessions),
		cmocka_unit_test(again_and_again),
	};

	return cmocka_run_group_tests_name("tunnel_memory", tests, NULL, NULL);
}

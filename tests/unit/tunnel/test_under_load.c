/* SPDX-License-Identifier: MIT */
/*
 * Floods of handshakes against a device's queue. One source's puts nobody else into cookie mode,
 * and costs a peer from there a round trip; forged sources' does, and a peer that answers its
 * cookie gets through; neither costs memory. The flood is put straight into the queue, faster than
 * any network brings it; the honest peer comes over UDP.
 */
#include "hand_peer.h"
#include "wg/pool.h"

#include <pthread.h>

static struct device d;
static struct hand h;
static struct tunnel_peer *peer;

static int start(void **state)
{
	device_start(&d, true);
	hand_start(&h, &d);
	peer = device_peer(&d, &h.public, h.port, "10.0.0.2/32");
	return 0;
}

static int stop(void **state)
{
	hand_stop(&h);
	device_stop(&d);
	return 0;
}

/* An initiation that nobody could open; its mac1, which whoever knows our public key can make, is
 * right. */
static void make_forged(struct wg_initiation *m)
{
	struct cookie_maker maker;

	randombytes_buf(m, sizeof(*m));
	memcpy(m->type, (uint8_t[]){WG_INITIATION, 0, 0, 0}, 4);
	cookie_maker_init(&maker, &d.public);
	cookie_add_macs(&maker, m, sizeof(*m), sys_now());
}

/* Answers go there: where no test that runs beside this one has a socket. */
static uint16_t low_port(unsigned i)
{
	return (uint16_t)(1 + i % 1000);
}

/* Source number i of a flood; 127/8, so that answers stay here. */
static sock_addr source4(unsigned i)
{
	sock_addr a = loopback(low_port(i));

	a.in4.sin_addr.s_addr = htonl(0x7f100000 + i % 0xfffff);
	return a;
}

static sock_addr source6(uint64_t net, uint64_t host)
{
	sock_addr a = {.in6 = {.sin6_family = AF_INET6, .sin6_port = htons(9)}};

	net = htobe64(net);
	host = htobe64(host);
	memcpy(&a.in6.sin6_addr, &net, 8);
	memcpy((uint8_t *)&a.in6.sin6_addr + 8, &host, 8);
	return a;
}

static void enqueue(const sock_addr *from, const void *message, size_t len)
{
	struct udp_in in = {.from = {.remote = *from}};

	handshake_enqueue(d.t, &in, message, len, sys_now());
}

static bool handshake_within(unsigned tries, unsigned *cookies)
{
	struct wg_initiation m;

	for (unsigned i = 0; i < tries; i++) {
		hand_make_initiation(&h, &m);
		hand_send(&h, &m, sizeof(m));
		/* Something comes, or there was no room for it and another try is due. */
		if (hand_take_response(&h, tries > 1 ? 500 : DEADLINE_MS, cookies))
			return true;
		usleep(25000);
	}
	return false;
}

/* --- one source ----------------------------------------------------------------------------------
 */

struct flood {
	pthread_t thread;
	_Atomic bool stop;
	sock_addr (*source)(unsigned i);
	_Atomic unsigned n;
};

static void *run_flood(void *data)
{
	struct flood *f = data;
	struct wg_initiation m;

	make_forged(&m);
	while (!atomic_load(&f->stop)) {
		for (unsigned i = 0; i < 300; i++) {
			sock_addr from = f->source(atomic_fetch_add(&f->n, 1));

			enqueue(&from, &m, sizeof(m));
		}
		usleep(200);
	}
	return NULL;
}

static void flood_start(struct flood *f, sock_addr (*source)(unsigned i))
{
	*f = (struct flood){.source = source};
	pthread_create(&f->thread, NULL, run_flood, f);
	WAIT_FOR(atomic_load(&f->n) > 5000);
}

static void flood_stop(struct flood *f)
{
	atomic_store(&f->stop, true);
	pthread_join(f->thread, NULL);
}

static sock_addr one_address(unsigned i)
{
	sock_addr a = source4(1);

	a.in4.sin_port = htons(low_port(i));
	return a;
}

/* All of a /64 belong to one customer. */
static sock_addr one_network(unsigned i)
{
	return source6(0x20010db800000000, i * UINT64_C(0x9e3779b97f4a7c15));
}

static void check_nobody_else_suffers(sock_addr (*source)(unsigned i))
{
	struct flood f;
	unsigned cookies = 0;

	flood_start(&f, source);
	assert_true(handshake_within(1, &cookies));
	assert_int_equal(cookies, 0);
	/* He is answered himself, as far as there is time for it. */
	WAIT_FOR(counted(&d, TUNNEL_DROP_HANDSHAKE) > 1000);
	WAIT_FOR(counted(&d, TUNNEL_COOKIES_SENT) > 0);
	flood_stop(&f);
}

static void from_one_address(void **state)
{
	check_nobody_else_suffers(one_address);
}

static void from_one_ipv6_network(void **state)
{
	check_nobody_else_suffers(one_network);
}

/* Its address, other ports, so that the cookies for what was forged don't come to it. */
static sock_addr address_of_peer(unsigned i)
{
	return loopback(low_port(i));
}

/* Who forges a peer's address costs it one round trip, and thins nothing after it. */
static void from_a_peers_address(void **state)
{
	struct flood f;
	unsigned cookies = 0;

	flood_start(&f, address_of_peer);
	assert_true(handshake_within(40, &cookies));
	assert_true(cookies >= 1);
	cookies = 0;
	for (unsigned i = 0; i < 10; i++) {
		/* Its cookie is good for twenty a second. */
		usleep(60000);
		assert_true(handshake_within(1, &cookies));
	}
	assert_int_equal(cookies, 0);
	flood_stop(&f);
}

/* An answer to our own initiation has our index, which shows as much. */
static void response_from_a_flooded_address(void **state)
{
	struct flood f;

	flood_start(&f, address_of_peer);
	host_sends(&d, "10.0.0.1", "10.0.0.2", 10, 1);
	hand_answer(&h, 0);
	WAIT_FOR(atomic_load(&peer->current));
	flood_stop(&f);
}

/* --- forged sources ------------------------------------------------------------------------------
 */

static void from_everywhere(void **state)
{
	struct flood f;
	unsigned cookies = 0;

	flood_start(&f, source4);
	WAIT_FOR(counted(&d, TUNNEL_COOKIES_SENT) > 0);
	/* Its first message may find the queue full, its first answer is a cookie, its next is the
	 * response. */
	assert_true(handshake_within(40, &cookies));
	assert_true(cookies >= 1);
	hand_keepalive(&h);
	WAIT_FOR(atomic_load(&peer->current));
	flood_stop(&f);
}

static void make_load(void)
{
	struct wg_initiation m;

	make_forged(&m);
	for (unsigned i = 0; i < WG_MAX_QUEUED_HANDSHAKES / 2; i++) {
		sock_addr from = source4(i);

		enqueue(&from, &m, sizeof(m));
	}
}

/* Nothing was answered or dropped for so long. */
static void rest(unsigned us)
{
	uint64_t before, after = 0;

	do {
		before = after;
		usleep(us);
		after = counted(&d, TUNNEL_COOKIES_SENT) + counted(&d, TUNNEL_DROP_HANDSHAKE);
	} while (after != before);
}

/* It lasts a second after the queue was long, and no longer. */
static void ends_after_a_second(void **state)
{
	unsigned cookies = 0;

	make_load();
	assert_false(handshake_within(1, &cookies));
	assert_int_equal(cookies, 1);
	rest(1100 * 1000);
	/* Without the cookie, as somebody new. */
	cookie_maker_init(&h.maker, &d.public);
	assert_true(handshake_within(1, &cookies));
	assert_int_equal(cookies, 1);
}

/* Even with its cookie a source gets twenty handshakes a second, and five at once. */
static void bucket_after_cookie(void **state)
{
	struct wg_initiation m;
	unsigned cookies = 0, answered = 0;
	struct timespec wall;
	instant begin;

	make_load();
	assert_false(handshake_within(1, &cookies));
	assert_int_equal(cookies, 1);
	clock_gettime(CLOCK_REALTIME, &wall);
	begin = sys_now();
	for (unsigned i = 0; i < 20; i++) {
		make_load();
		hand_make_initiation_at(&h, &m, wall.tv_sec + 1 + i, 0);
		hand_send(&h, &m, sizeof(m));
		/* Twenty milliseconds apart, as a peer must. */
		usleep(21000);
		answered += hand_take_response(&h, 1, &cookies);
	}
	while (hand_take_response(&h, 200, &cookies))
		answered++;
	assert_true(answered >= 1);
	assert_true(answered <= 6 + instant_diff(sys_now(), begin) / (NS_PER_S / 20));
	assert_int_equal(cookies, 1);
}

/* --- memory --------------------------------------------------------------------------------------
 */

static long resident_kb(void)
{
	unsigned long all, resident = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	assert_int_equal(fscanf(f, "%lu %lu", &all, &resident), 2);
	fclose(f);
	return (long)(resident * (unsigned long)sysconf(_SC_PAGESIZE) / 1024);
}

static void flood_of_all_types(unsigned n)
{
	static const size_t lens[] = {WG_INITIATION_LEN, WG_RESPONSE_LEN, WG_COOKIE_REPLY_LEN};
	struct wg_initiation m;

	make_forged(&m);
	for (unsigned i = 0; i < n; i++) {
		sock_addr from = source4(i * 7919);

		m.type[0] = (uint8_t)(1 + i % 3);
		memcpy(m.sender, &i, 4);
		enqueue(&from, &m, lens[i % 3]);
		if (!(i % 512))
			usleep(500);
	}
	usleep(100000);
}

static void costs_no_memory(void **state)
{
	long before;

	/* The fixed tables are touched for the first time. */
	flood_of_all_types(100000);
	before = resident_kb();
	flood_of_all_types(300000);
	if (!SANITIZED) /* what a sanitizer keeps grows besides */
		assert_true(resident_kb() - before < 512);
	assert_int_equal(pool_n_out(d.t->keypairs), 0);
	assert_int_equal(peer->handshake.index, 0);
	assert_true(handshake_within(40, NULL));
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(from_one_address),
		T(from_one_ipv6_network),
		T(from_a_peers_address),
		T(response_from_a_flooded_address),
		T(from_everywhere),
		T(ends_after_a_second),
		T(bucket_after_cookie),
		T(costs_no_memory),
	};

	return cmocka_run_group_tests_name("under_load", tests, NULL, NULL);
}

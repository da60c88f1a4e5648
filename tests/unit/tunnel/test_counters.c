/* SPDX-License-Identifier: MIT */
/* Every reason to drop a packet has a counter, and it counts. */
#include "hand_peer.h"
#include "tunnel/sockets.h"

#include <signal.h>

static struct device d;
static struct hand h;
static struct tunnel_peer *peer;

static int start(void **state)
{
	signal(SIGPIPE, SIG_IGN);
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

static uint64_t all_drops(void)
{
	uint64_t n = 0;

	for (int c = TUNNEL_DROP_NO_PEER; c < TUNNEL_COOKIES_SENT; c++)
		n += counted(&d, (enum tunnel_counter)c);
	return n;
}

/* This one, and no other. */
static void check_only(enum tunnel_counter c, uint64_t n)
{
	WAIT_FOR(counted(&d, c) == n);
	assert_int_equal(all_drops(), n);
}

static void names(void **state)
{
	for (int i = 0; i < TUNNEL_COUNTERS; i++) {
		assert_non_null(tunnel_counter_name((enum tunnel_counter)i));
		for (int j = 0; j < i; j++)
			assert_string_not_equal(tunnel_counter_name((enum tunnel_counter)i),
				tunnel_counter_name((enum tunnel_counter)j));
	}
}

/* Both are answered, and told apart. */
static void no_peer_no_endpoint(void **state)
{
	uint8_t answer[2048];
	wg_key key;

	host_sends(&d, "10.0.0.1", "10.9.9.9", 30, 1);
	check_only(TUNNEL_DROP_NO_PEER, 1);
	assert_true(host_receives(&d, answer, sizeof(answer), DEADLINE_MS) >= 56);
	assert_int_equal(answer[20], 3); /* unreachable: host */
	assert_int_equal(answer[21], 1);
	wg_key_generate(&key);
	/* Another address: of the first one tx may not have forgotten the answer yet. */
	device_peer(&d, &key, 0, "10.9.9.8/32");
	host_sends(&d, "10.0.0.1", "10.9.9.8", 30, 1);
	WAIT_FOR(counted(&d, TUNNEL_DROP_NO_ENDPOINT) == 1);
	assert_true(host_receives(&d, answer, sizeof(answer), DEADLINE_MS) >= 56);
	assert_int_equal(all_drops(), 2);
}

static void no_session(void **state)
{
	struct keypair *k;

	hand_handshake(&h);
	WAIT_FOR((k = atomic_load(&peer->current)) != NULL);
	hand_send_packet(&h, "10.0.0.2", "10.0.0.1", 30, 1);
	host_gets(&d, 30, 1);
	/* As if it had lasted too long. No thread writes it after its birth, and rx, which reads
	 * it, is away. */
	tunnel_lock(d.t);
	sockets_pause(d.t->sockets);
	k->born = instant_add(k->born, -WG_REJECT_AFTER_TIME);
	sockets_resume(d.t->sockets);
	tunnel_unlock(d.t);
	hand_send_packet(&h, "10.0.0.2", "10.0.0.1", 30, 1);
	check_only(TUNNEL_DROP_NO_SESSION, 1);
}

static void queue_full(void **state)
{
	for (unsigned i = 0; i < WG_MAX_STAGED + 3; i++)
		host_sends(&d, "10.0.0.1", "10.0.0.2", 30, (uint8_t)i);
	check_only(TUNNEL_DROP_QUEUE_FULL, 3);
	/* The oldest are what went. */
	hand_answer(&h, 0);
	for (unsigned i = 3; i < WG_MAX_STAGED + 3; i++) {
		uint8_t plain[2048];

		assert_int_equal(hand_take_data(&h, plain, NULL, DEADLINE_MS), 64);
		assert_int_equal(plain[20], (uint8_t)i);
	}
}

static void malformed(void **state)
{
	static const uint8_t junk[200] = {9};
	uint8_t packet[2048];
	size_t len = make_packet(packet, "10.0.0.2", "10.0.0.1", 30, 1);

	hand_send(&h, junk, sizeof(junk));
	check_only(TUNNEL_DROP_MALFORMED, 1);
	assert_int_equal(send(d.tun, junk, 3, 0), 3);
	check_only(TUNNEL_DROP_MALFORMED, 2);
	/* Authenticated, and no IP packet inside. */
	hand_handshake(&h);
	packet[0] = 0x95;
	hand_send_data(&h, packet, len);
	check_only(TUNNEL_DROP_MALFORMED, 3);
	packet[0] = 0x45;
	packet[2] = 0xff;
	hand_send_data(&h, packet, len);
	check_only(TUNNEL_DROP_MALFORMED, 4);
}

static void of_received_packets(void **state)
{
	uint8_t padded[64] = {0}, message[2048];
	size_t n;

	hand_handshake(&h);
	hand_send_packet(&h, "10.0.0.7", "10.0.0.1", 30, 1);
	check_only(TUNNEL_DROP_SOURCE_NOT_ALLOWED, 1);
	make_packet(padded, "10.0.0.2", "10.0.0.1", 30, 1);
	n = hand_seal(&h, h.counter++, padded, sizeof(padded), message);
	hand_send(&h, message, n);
	host_gets(&d, 30, 1);
	hand_send(&h, message, n);
	WAIT_FOR(counted(&d, TUNNEL_DROP_REPLAY) == 1);
	n = hand_seal(&h, h.counter++, padded, sizeof(padded), message);
	message[n - 1] ^= 1;
	hand_send(&h, message, n);
	WAIT_FOR(counted(&d, TUNNEL_DROP_BAD_TAG) == 1);
	memset(message + 4, 0, 4);
	hand_send(&h, message, n);
	WAIT_FOR(counted(&d, TUNNEL_DROP_UNKNOWN_INDEX) == 1);
	assert_int_equal(all_drops(), 4);
}

static void handshakes(void **state)
{
	struct wg_initiation m;
	struct hand stranger;

	hand_make_initiation(&h, &m);
	m.macs.mac1[0] ^= 1;
	hand_send(&h, &m, sizeof(m));
	check_only(TUNNEL_DROP_HANDSHAKE, 1);
	hand_start(&stranger, &d);
	hand_make_initiation(&stranger, &m);
	hand_send(&stranger, &m, sizeof(m));
	check_only(TUNNEL_DROP_HANDSHAKE, 2);
	hand_stop(&stranger);
}

/* A peer whose clock went back, or somebody who replays its messages; one that is told in the log.
 */
static void timestamp_not_newer(void **state)
{
	struct wg_initiation first, m;

	hand_make_initiation_at(&h, &first, 2000000000, 0);
	hand_send(&h, &first, sizeof(first));
	assert_true(hand_take_response(&h, DEADLINE_MS, NULL));
	hand_send(&h, &first, sizeof(first));
	check_only(TUNNEL_DROP_TIMESTAMP, 1);
	hand_make_initiation_at(&h, &m, 1999999999, 0);
	hand_send(&h, &m, sizeof(m));
	check_only(TUNNEL_DROP_TIMESTAMP, 2);
}

static void cookie_for_nobody(void **state)
{
	struct wg_cookie_reply m;

	randombytes_buf(&m, sizeof(m));
	memcpy(m.type, (uint8_t[]){WG_COOKIE_REPLY, 0, 0, 0}, 4);
	hand_send(&h, &m, sizeof(m));
	check_only(TUNNEL_DROP_UNKNOWN_INDEX, 1);
}

/* What the kernel refuses to take from us. */
static void refused(void **state)
{
	sock_addr everybody = loopback(9);

	hand_handshake(&h);
	hand_send_packet(&h, "10.0.0.2", "10.0.0.1", 30, 1);
	host_gets(&d, 30, 1);
	everybody.in4.sin_addr.s_addr = INADDR_BROADCAST;
	tunnel_lock(d.t);
	tunnel_peer_set_endpoint(d.t, peer, &everybody);
	tunnel_unlock(d.t);
	host_sends(&d, "10.0.0.1", "10.0.0.2", 30, 1);
	check_only(TUNNEL_DROP_SEND_ERROR, 1);
	shutdown(d.tun, SHUT_RD);
	hand_send_packet(&h, "10.0.0.2", "10.0.0.1", 30, 1);
	WAIT_FOR(counted(&d, TUNNEL_DROP_TUN_WRITE) == 1);
	assert_int_equal(all_drops(), 2);
}

static void receive_queue(void **state)
{
	static uint8_t large[60000];
	uint64_t before;

	tunnel_lock(d.t);
	sockets_pause(d.t->sockets);
	for (unsigned i = 0; i < 1000; i++)
		hand_send(&h, large, sizeof(large));
	assert_true(tunnel_counter(d.t, TUNNEL_DROP_RECEIVE_QUEUE) > 0);
	sockets_resume(d.t->sockets);
	before = tunnel_counter(d.t, TUNNEL_DROP_RECEIVE_QUEUE);
	/* It goes on with other sockets. */
	assert_int_equal(tunnel_set_listen_port(d.t, 0), 0);
	assert_true(tunnel_counter(d.t, TUNNEL_DROP_RECEIVE_QUEUE) >= before);
	tunnel_unlock(d.t);
}

/* What waits in a socket when the port changes. One of them may come as one message of several
 * segments. */
static void rebound(void **state)
{
	static const uint8_t bytes[5000];
	struct sockaddr_in to = {.sin_family = AF_INET};
	int segment = 1000, from = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct udp *u = udp_new(NULL, NULL);
	uint16_t port = 0;

	assert_int_equal(udp_bind(u, &port, 0), 0);
	to.sin_port = htons(port);
	to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(from, (struct sockaddr *)&to, sizeof(to)), 0);
	for (unsigned i = 1; i <= 3; i++)
		assert_int_equal(send(from, bytes, i * 100, 0), i * 100);
	assert_int_equal(setsockopt(from, IPPROTO_UDP, 103, &segment, sizeof(segment)), 0);
	assert_int_equal(send(from, bytes, 4500, 0), 4500); /* UDP_SEGMENT */
	assert_int_equal(udp_receive_drops(u), 0);
	port = 0;
	assert_int_equal(udp_bind(u, &port, 0), 0);
	assert_int_equal(udp_receive_drops(u), 3 + 5);
	udp_unbind(u);
	assert_int_equal(udp_receive_drops(u), 3 + 5);
	udp_free(u);
	close(from);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		T(no_peer_no_endpoint),
		T(no_session),
		T(queue_full),
		T(malformed),
		T(of_received_packets),
		T(handshakes),
		T(timestamp_not_newer),
		T(cookie_for_nobody),
		T(refused),
		T(receive_queue),
		cmocka_unit_test(rebound),
	};

	return cmocka_run_group_tests_name("counters", tests, NULL, NULL);
}

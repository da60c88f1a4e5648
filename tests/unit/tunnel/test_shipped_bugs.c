/* SPDX-License-Identifier: MIT */
/*
 * Bugs that other implementations of WireGuard shipped, each a test of its own, on a whole device
 * against a peer that is operated by hand (hand_peer.h):
 *
 *	packets_without_padding		payloads weren't padded to 16 bytes
 *	roaming_only_on_handshake	data from a new address didn't move the endpoint
 *	keepalive_ping_pong		keepalives were answered by keepalives
 *	keepalive_relative_to_last_sent	the answer's delay ran from the last packet sent
 *	response_after_250_ms		a response that took longer was dropped
 *	counters_of_32_bits		nonces wrapped after 2^32 packets
 *	no_reject_after_messages	a session went on beyond its last nonce
 *	allowed_ips_subset_bypass	within A's /24, B's /32 was accepted from A
 *	cookie_after_100_handshakes	every handshake after the hundredth met a cookie
 *	psk_change_ignored		a new preshared key wasn't used
 *	ipv6_source_misparsed		recvmmsg's IPv6 sources came out wrong
 *	short_sendmmsg_loses_packets	what stood behind a refused message was lost
 *	crash_without_ipv6		no IPv6 in the kernel was fatal
 *	first_packet_per_rekey_dropped	a packet was lost at each new session
 *	oversized_datagram_crash	a large datagram from anybody was fatal
 *	last_handshake_as_elapsed_time	the UAPI told an age instead of a wall-clock time
 *	cookie_bound_to_address_only	a cookie was good for all ports of an address
 *	unconfirmed_session_used	the responder sent before the initiator had confirmed
 */
#include "hand_peer.h"
#include "tunnel/sockets.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static struct device d;
static struct hand h;
static struct tunnel_peer *peer;

/* The hand is 10.0.0.2, the device's host 10.0.0.1. */
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

static void check_works(uint8_t mark)
{
	hand_send_packet(&h, "10.0.0.2", "10.0.0.1", 50, mark);
	host_gets(&d, 50, mark);
}

static struct keypair *current(void)
{
	struct keypair *k;

	WAIT_FOR((k = atomic_load(&peer->current)) != NULL);
	return k;
}

static void packets_without_padding(void **state)
{
	static const size_t payloads[] = {0, 1, 11, 12, 13, 27, 28, 29, 1379, 1380, 1400};
	uint8_t plain[2048];

	hand_handshake(&h);
	current();
	for (size_t i = 0; i < ARRAY_SIZE(payloads); i++) {
		size_t len = 20 + payloads[i], padded = (len + 15) / 16 * 16;
		int got;

		if (padded > TUN_DEFAULT_MTU)
			padded = TUN_DEFAULT_MTU;
		host_sends(&d, "10.0.0.1", "10.0.0.2", payloads[i], 1);
		got = hand_take_data(&h, plain, NULL, DEADLINE_MS);
		assert_int_equal(got, padded);
		for (size_t at = len; at < padded; at++)
			assert_int_equal(plain[at], 0);
	}
}

static void roaming_only_on_handshake(void **state)
{
	struct hand elsewhere;
	sock_addr to;

	hand_handshake(&h);
	check_works(1);
	elsewhere = h;
	hand_socket(&elsewhere);
	hand_send_packet(&elsewhere, "10.0.0.2", "10.0.0.1", 50, 2);
	host_gets(&d, 50, 2);
	to = peer_info(&d, peer).endpoint;
	assert_int_equal(sock_addr_port(&to), elsewhere.port);
	/* And back by a keepalive. */
	h.counter = elsewhere.counter;
	hand_keepalive(&h);
	WAIT_FOR((to = peer_info(&d, peer).endpoint, sock_addr_port(&to) == h.port));
	hand_stop(&elsewhere);
}

static void keepalive_ping_pong(void **state)
{
	instant at;

	hand_handshake(&h); /* with a keepalive at its end */
	hand_keepalive(&h);
	WAIT_FOR(peer_info(&d, peer).rx_bytes ==
		 sizeof(struct wg_initiation) + 2 * WG_DATA_OVERHEAD);
	pthread_mutex_lock(&peer->lock);
	at = peer->timers.send_keepalive;
	pthread_mutex_unlock(&peer->lock);
	assert_true(instant_is_never(at));
	/* Data is answered, though. */
	check_works(3);
	WAIT_FOR((pthread_mutex_lock(&peer->lock), at = peer->timers.send_keepalive,
		pthread_mutex_unlock(&peer->lock), !instant_is_never(at)));
}

static void keepalive_relative_to_last_sent(void **state)
{
	struct timers t;
	instant now = {NS_PER_S};

	timers_init(&t);
	timers_any_authenticated_sent(&t);
	/* Sent long ago, received now: ten seconds from now, not at once. */
	now = instant_add(now, 60 * NS_PER_S);
	timers_data_received(&t, now);
	assert_int_equal(timers_deadline(&t).ns, instant_add(now, WG_KEEPALIVE_TIMEOUT).ns);
	/* And more data doesn't put it off. */
	timers_data_received(&t, instant_add(now, 9 * NS_PER_S));
	assert_int_equal(timers_deadline(&t).ns, instant_add(now, WG_KEEPALIVE_TIMEOUT).ns);
}

static void response_after_250_ms(void **state)
{
	uint8_t plain[2048];

	host_sends(&d, "10.0.0.1", "10.0.0.2", 40, 7);
	hand_answer(&h, 600 * 1000);
	assert_int_equal(hand_take_data(&h, plain, NULL, DEADLINE_MS), 64);
	assert_int_equal(plain[20], 7);
}

static void counters_of_32_bits(void **state)
{
	uint64_t counter = 0, wide = UINT64_C(1) << 32;
	uint8_t plain[2048];

	hand_handshake(&h);
	check_works(1);
	atomic_store(&current()->counter, wide - 1);
	for (uint64_t i = wide - 1; i < wide + 2; i++) {
		host_sends(&d, "10.0.0.1", "10.0.0.2", 40, 1);
		assert_int_equal(hand_take_data(&h, plain, &counter, DEADLINE_MS), 64);
		assert_true(counter == i);
	}
	h.counter = wide + 5;
	check_works(2);
	/* The low half alone would look new. */
	h.counter = 7;
	hand_send_packet(&h, "10.0.0.2", "10.0.0.1", 50, 9);
	WAIT_FOR(counted(&d, TUNNEL_DROP_REPLAY) == 1);
}

static void no_reject_after_messages(void **state)
{
	uint8_t message[2048], plain[2048];
	uint64_t counter = 0;
	size_t n;

	hand_handshake(&h);
	check_works(1);
	atomic_store(&current()->counter, WG_REJECT_AFTER_MESSAGES - 2);
	host_sends(&d, "10.0.0.1", "10.0.0.2", 40, 1);
	assert_int_equal(hand_take_data(&h, plain, &counter, DEADLINE_MS), 64);
	assert_true(counter < WG_REJECT_AFTER_MESSAGES);
	pthread_mutex_lock(&peer->lock);
	peer->timers.last_handshake_sent = (instant){0};
	pthread_mutex_unlock(&peer->lock);
	atomic_store(&current()->counter, WG_REJECT_AFTER_MESSAGES);
	/* The next waits for a new session. */
	host_sends(&d, "10.0.0.1", "10.0.0.2", 40, 2);
	do {
		n = hand_receive(&h, message, sizeof(message), DEADLINE_MS);
		assert_true(n > 0);
	} while (n == 64 + WG_DATA_OVERHEAD && message[20] == 1);
	assert_int_equal(message[0], WG_INITIATION);
	/* And none is taken beyond it. */
	h.counter = WG_REJECT_AFTER_MESSAGES;
	hand_send_packet(&h, "10.0.0.2", "10.0.0.1", 50, 9);
	WAIT_FOR(counted(&d, TUNNEL_DROP_REPLAY) == 1);
}

static void allowed_ips_subset_bypass(void **state)
{
	struct hand b;
	ip_prefix wide = prefix("10.0.0.0/24"), narrow = prefix("10.0.0.9/32");
	struct tunnel_peer *peer_b;

	hand_start(&b, &d);
	peer_b = device_peer(&d, &b.public, b.port, "10.0.0.9/32");
	tunnel_lock(d.t);
	tunnel_peer_allow(d.t, peer, &wide);
	tunnel_unlock(d.t);
	hand_handshake(&h);
	hand_handshake(&b);
	hand_send_packet(&h, "10.0.0.7", "10.0.0.1", 50, 1);
	host_gets(&d, 50, 1);
	hand_send_packet(&h, "10.0.0.9", "10.0.0.1", 50, 2);
	WAIT_FOR(counted(&d, TUNNEL_DROP_SOURCE_NOT_ALLOWED) == 1);
	hand_send_packet(&b, "10.0.0.9", "10.0.0.1", 50, 3);
	host_gets(&d, 50, 3);
	/* Without B's it is A's. */
	tunnel_lock(d.t);
	tunnel_peer_disallow(d.t, peer_b, &narrow);
	tunnel_unlock(d.t);
	hand_send_packet(&h, "10.0.0.9", "10.0.0.1", 50, 4);
	host_gets(&d, 50, 4);
	hand_stop(&b);
}

static void cookie_after_100_handshakes(void **state)
{
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	for (int i = 0; i < 150; i++) {
		struct wg_initiation m;
		unsigned cookies = 0;

		hand_make_initiation_at(&h, &m, wall.tv_sec + i, 0);
		usleep(NS_PER_S / WG_INITIATIONS_PER_SECOND / 1000 + 500);
		hand_send(&h, &m, sizeof(m));
		assert_true(hand_take_response(&h, DEADLINE_MS, &cookies));
		assert_int_equal(cookies, 0);
	}
	assert_int_equal(counted(&d, TUNNEL_COOKIES_SENT), 0);
}

static void psk_change_ignored(void **state)
{
	struct wg_initiation m;
	wg_key psk;

	hand_handshake(&h);
	check_works(1);
	wg_key_generate(&psk);
	tunnel_lock(d.t);
	tunnel_peer_set_psk(d.t, peer, &psk);
	tunnel_unlock(d.t);
	/* The session lives on; the next handshake needs the new one. */
	check_works(2);
	usleep(50000);
	hand_make_initiation(&h, &m);
	hand_send(&h, &m, sizeof(m));
	assert_false(hand_take_response(&h, DEADLINE_MS, NULL));
	noise_peer_set_psk(&h.noise, &psk);
	usleep(50000);
	hand_handshake(&h);
	check_works(3);
}

static void ipv6_source_misparsed(void **state)
{
	enum { N = 5 };
	struct tunnel_peer *peers[N];
	struct hand hands[N];
	struct wg_initiation m[N];

	for (int i = 0; i < N; i++) {
		sock_addr a = {
			.in6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT}};
		socklen_t n = sizeof(a);

		hand_start(&hands[i], &d);
		hand_stop(&hands[i]);
		hands[i].fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
		if (hands[i].fd < 0 || bind(hands[i].fd, &a.sa, sizeof(a.in6)))
			skip();
		getsockname(hands[i].fd, &a.sa, &n);
		hands[i].port = ntohs(a.in6.sin6_port);
		a.in6.sin6_port = htons(d.port);
		hands[i].device = a;
		peers[i] = device_peer(&d, &hands[i].public, 0, "10.1.0.0/32");
		hand_make_initiation(&hands[i], &m[i]);
	}
	/* Several in one batch. */
	for (int i = 0; i < N; i++)
		assert_int_equal(sendto(hands[i].fd, &m[i], sizeof(m[i]), 0, &hands[i].device.sa,
					 sizeof(hands[i].device.in6)),
			sizeof(m[i]));
	for (int i = 0; i < N; i++) {
		struct tunnel_peer_info info;

		assert_true(hand_take_response(&hands[i], DEADLINE_MS, NULL));
		info = peer_info(&d, peers[i]);
		assert_int_equal(info.endpoint.sa.sa_family, AF_INET6);
		assert_int_equal(sock_addr_port(&info.endpoint), hands[i].port);
		assert_true(IN6_IS_ADDR_LOOPBACK(&info.endpoint.in6.sin6_addr));
		assert_int_equal(info.endpoint.in6.sin6_scope_id, 0);
		hand_stop(&hands[i]);
	}
}

static void short_sendmmsg_loses_packets(void **state)
{
	static const uint8_t data[3] = {1, 2, 3};
	struct udp *u = udp_new(NULL, NULL);
	struct udp_out out[3];
	uint16_t port = 0;
	uint8_t got[16];
	int err = 0;

	assert_int_equal(udp_bind(u, &port, 0), 0);
	for (int i = 0; i < 3; i++)
		out[i] = (struct udp_out){{.remote = loopback(h.port)}, &data[i], 1, 1, 0};
	/* To everybody is refused: this isn't a broadcasting socket. */
	out[1].to.remote.in4.sin_addr.s_addr = INADDR_BROADCAST;
	assert_int_equal(udp_send(u, out, 3, &err), 2);
	assert_int_not_equal(err, 0);
	assert_int_equal(hand_receive(&h, got, sizeof(got), DEADLINE_MS), 1);
	assert_int_equal(got[0], 1);
	assert_int_equal(hand_receive(&h, got, sizeof(got), DEADLINE_MS), 1);
	assert_int_equal(got[0], 3);
	udp_free(u);
}

/* From here on socket(AF_INET6) says EAFNOSUPPORT. */
static bool forbid_ipv6(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_socket, 0, 3),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AF_INET6, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EAFNOSUPPORT),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {ARRAY_SIZE(code), code};

	return !prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) &&
	       !prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int without_ipv6(void)
{
	if (!forbid_ipv6())
		return 77;
	start(NULL);
	if (udp_fd(sockets_udp(d.t->sockets), AF_INET6) >= 0)
		return 2;
	/* An endpoint there is no reason to fall over, either. */
	uapi_ask(&d,
		"set=1\npublic_key="
		"58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376\n"
		"endpoint=[2001:db8::1]:5\npersistent_keepalive_interval=1\n\n",
		NULL);
	hand_handshake(&h);
	check_works(1);
	stop(NULL);
	return 0;
}

static void crash_without_ipv6(void **state)
{
	pid_t child = fork();
	int status;

	if (!child) {
		/* A failed assertion must not go on with the parent's tests. */
		alarm(DEADLINE_MS / 1000);
		_exit(without_ipv6());
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
		skip();
	assert_int_equal(status, 0);
}

static void first_packet_per_rekey_dropped(void **state)
{
	struct pair p;

	pair_start(&p);
	for (uint8_t i = 1; i <= 8; i++) {
		struct keypair *before = atomic_load(&p.b_at_a->current);

		host_sends(&p.a, "10.0.0.1", "10.0.0.2", 60, i);
		host_gets(&p.b, 60, i);
		host_sends(&p.b, "10.0.0.2", "10.0.0.1", 60, i);
		host_gets(&p.a, 60, i);
		/* A new session; a limit of one in five seconds is lifted for it, and the other
		 * side wants 20 ms and a later timestamp. */
		usleep(40000);
		pthread_mutex_lock(&p.b_at_a->lock);
		p.b_at_a->timers.last_handshake_sent = (instant){0};
		pthread_mutex_unlock(&p.b_at_a->lock);
		handshake_request(p.b_at_a, false);
		for (uint8_t j = 100; j < 120; j++) {
			host_sends(&p.a, "10.0.0.1", "10.0.0.2", 60, j);
			host_sends(&p.b, "10.0.0.2", "10.0.0.1", 60, j);
		}
		for (uint8_t j = 100; j < 120; j++) {
			host_gets(&p.b, 60, j);
			host_gets(&p.a, 60, j);
		}
		WAIT_FOR(atomic_load(&p.b_at_a->current) != before);
	}
	pair_stop(&p);
}

static void oversized_datagram_crash(void **state)
{
	static uint8_t large[65507];

	hand_handshake(&h);
	check_works(1);
	for (uint8_t type = 0; type < 6; type++) {
		memset(large, 0, sizeof(large));
		large[0] = type;
		hand_send(&h, large, sizeof(large));
		hand_send(&h, large, 1);
		hand_send(&h, large, 0);
		hand_send(&h, large, WG_DATA_OVERHEAD - 1);
	}
	/* For a session of ours, too. */
	large[0] = WG_DATA;
	memcpy(large + 4, &h.session.remote_index, 4);
	hand_send(&h, large, sizeof(large));
	WAIT_FOR(counted(&d, TUNNEL_DROP_BAD_TAG) == 1);
	check_works(2);
}

static void last_handshake_as_elapsed_time(void **state)
{
	struct timespec before, told;

	assert_int_equal(peer_info(&d, peer).last_handshake.tv_sec, 0);
	clock_gettime(CLOCK_REALTIME, &before);
	hand_handshake(&h);
	current();
	told = peer_info(&d, peer).last_handshake;
	assert_true(told.tv_sec >= before.tv_sec && told.tv_sec <= before.tv_sec + 60);
	assert_true(told.tv_nsec >= 0 && told.tv_nsec < NS_PER_S);
}

static void cookie_bound_to_address_only(void **state)
{
	static const uint8_t nonce[WG_COOKIE_NONCE_LEN] = {1}, secret[WG_HASH_LEN] = {2};
	sock_addr here = loopback(1000), there = loopback(1001);
	struct cookie_checker checker;
	struct wg_cookie_reply reply;
	struct wg_initiation m;
	instant now = sys_now();

	cookie_checker_init(&checker, &d.public);
	hand_make_initiation(&h, &m);
	cookie_create_reply(&checker, &m, sizeof(m), &here, 1, nonce, secret, now, &reply);
	assert_true(cookie_consume_reply(&h.maker, &reply, now));
	hand_make_initiation(&h, &m);
	assert_int_equal(cookie_check(&checker, &m, sizeof(m), &here, true, now), COOKIE_MAC2_GOOD);
	assert_int_equal(
		cookie_check(&checker, &m, sizeof(m), &there, true, now), COOKIE_MAC1_ONLY);
}

static void unconfirmed_session_used(void **state)
{
	struct wg_initiation m;
	uint8_t message[2048], plain[2048];
	size_t n;

	hand_make_initiation(&h, &m);
	hand_send(&h, &m, sizeof(m));
	assert_true(hand_take_response(&h, DEADLINE_MS, NULL));
	/* We haven't said anything with it yet: what the host sends has to wait. */
	host_sends(&d, "10.0.0.1", "10.0.0.2", 40, 5);
	n = hand_receive(&h, message, sizeof(message), 300);
	assert_true(!n || message[0] == WG_INITIATION);
	assert_null(atomic_load(&peer->current));
	hand_keepalive(&h);
	assert_int_equal(hand_take_data(&h, plain, NULL, DEADLINE_MS), 64);
	assert_int_equal(plain[20], 5);
}

#define T(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: it forks, and threads don't come along. */
		cmocka_unit_test(crash_without_ipv6),
		T(packets_without_padding),
		T(roaming_only_on_handshake),
		T(keepalive_ping_pong),
		cmocka_unit_test(keepalive_relative_to_last_sent),
		T(response_after_250_ms),
		T(counters_of_32_bits),
		T(no_reject_after_messages),
		T(allowed_ips_subset_bypass),
		T(cookie_after_100_handshakes),
		T(psk_change_ignored),
		T(ipv6_source_misparsed),
		T(short_sendmmsg_loses_packets),
		cmocka_unit_test(first_packet_per_rekey_dropped),
		T(oversized_datagram_crash),
		T(last_handshake_as_elapsed_time),
		T(cookie_bound_to_address_only),
		T(unconfirmed_session_used),
	};

	return cmocka_run_group_tests_name("shipped_bugs", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* A peer operated by hand: the protocol's messages over a socket of its own on loopback, one at a
 * time, so that a test can delay, repeat, forge and count them. */
#ifndef SHUNT_TESTS_HAND_PEER_H
#define SHUNT_TESTS_HAND_PEER_H

#include "tunnel_fixture.h"

#include "wg/cookie.h"
#include "wg/noise.h"
#include <time.h>

struct hand {
	int fd;
	uint16_t port;
	sock_addr device;
	wg_key private, public;
	struct noise_identity identity;
	struct noise_peer noise; /* the device as its peer */
	struct cookie_maker maker;
	struct cookie_checker checker;
	uint32_t next_index;
	struct noise_session session;
	uint64_t counter;
};

static inline void hand_socket(struct hand *h)
{
	sock_addr any = loopback(0);
	socklen_t n = sizeof(any);

	h->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(h->fd, &any.sa, sizeof(any.in4)), 0);
	assert_int_equal(getsockname(h->fd, &any.sa, &n), 0);
	h->port = sock_addr_port(&any);
}

static inline void hand_start(struct hand *h, const struct device *d)
{
	*h = (struct hand){.device = loopback(d->port), .next_index = 1};
	hand_socket(h);
	wg_key_generate(&h->private);
	h->public = wg_key_public(&h->private);
	noise_identity_set(&h->identity, &h->private);
	noise_peer_init(&h->noise, &d->public);
	cookie_maker_init(&h->maker, &d->public);
	cookie_checker_init(&h->checker, &h->public);
}

static inline void hand_stop(struct hand *h)
{
	close(h->fd);
}

static inline void hand_send(struct hand *h, const void *message, size_t len)
{
	assert_int_equal(sendto(h->fd, message, len, 0, &h->device.sa, sizeof(h->device.in4)), len);
}

/* The next datagram, 0 if none comes within ms. */
static inline size_t hand_receive(struct hand *h, void *message, size_t size, int ms)
{
	struct pollfd fd = {h->fd, POLLIN, 0};
	ssize_t n;

	if (poll(&fd, 1, ms) <= 0)
		return 0;
	n = recv(h->fd, message, size, 0);
	return n < 0 ? 0 : (size_t)n;
}

/* As one would do at this wall-clock time. */
static inline void hand_make_initiation_at(
	struct hand *h, struct wg_initiation *m, int64_t unix_s, uint32_t ns)
{
	uint8_t timestamp[WG_TIMESTAMP_LEN];
	wg_key ephemeral;

	randombytes_buf(&ephemeral, sizeof(ephemeral));
	noise_timestamp(unix_s, ns, timestamp);
	assert_int_equal(noise_create_initiation(&h->identity, &h->noise, &ephemeral, timestamp,
				 h->next_index++, m),
		0);
	cookie_add_macs(&h->maker, m, sizeof(*m), sys_now());
}

static inline void hand_make_initiation(struct hand *h, struct wg_initiation *m)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	hand_make_initiation_at(h, m, now.tv_sec, (uint32_t)now.tv_nsec);
}

/* The answer to our initiation; false if there is none within ms. Cookie replies are taken on the
 * way, and told. */
static inline bool hand_take_response(struct hand *h, int ms, unsigned *cookies)
{
	union {
		struct wg_response response;
		struct wg_cookie_reply cookie;
		uint8_t bytes[2048];
	} m;
	size_t n;

	while ((n = hand_receive(h, &m, sizeof(m), ms))) {
		if (n == WG_COOKIE_REPLY_LEN && m.bytes[0] == WG_COOKIE_REPLY) {
			assert_true(cookie_consume_reply(&h->maker, &m.cookie, sys_now()));
			if (cookies)
				++*cookies;
			return false;
		}
		if (n != WG_RESPONSE_LEN || m.bytes[0] != WG_RESPONSE)
			continue;
		if (noise_consume_response(&h->identity, &h->noise, &m.response))
			return false;
		assert_int_equal(noise_begin_session(&h->noise, &h->session), 0);
		h->counter = 0;
		return true;
	}
	return false;
}

/* Of len bytes, padded by the caller; the datagram's length. */
static inline size_t hand_seal(
	struct hand *h, uint64_t counter, const uint8_t *plain, size_t len, uint8_t *message)
{
	uint32_t type = htole32(WG_DATA), receiver = htole32(h->session.remote_index);
	uint64_t wire = htole64(counter);
	uint8_t nonce[12] = {0};

	memcpy(message, &type, 4);
	memcpy(message + 4, &receiver, 4);
	memcpy(message + 8, &wire, 8);
	memcpy(nonce + 4, &wire, 8);
	crypto_aead_chacha20poly1305_ietf_encrypt(message + WG_DATA_HEADER_LEN, NULL, plain, len,
		NULL, 0, NULL, nonce, h->session.send.bytes);
	return len + WG_DATA_OVERHEAD;
}

static inline void hand_send_data(struct hand *h, const uint8_t *plain, size_t len)
{
	uint8_t padded[2048] = {0}, message[2048];
	size_t n = (len + 15) / 16 * 16;

	memcpy(padded, plain, len);
	n = hand_seal(h, h->counter++, padded, n, message);
	hand_send(h, message, n);
}

static inline void hand_keepalive(struct hand *h)
{
	hand_send_data(h, (const uint8_t *)"", 0);
}

static inline void hand_send_packet(
	struct hand *h, const char *src, const char *dst, size_t n, uint8_t mark)
{
	uint8_t packet[2048];

	hand_send_data(h, packet, make_packet(packet, src, dst, n, mark));
}

/* The next data message with its counter; the plain text's length, -1 if none comes. */
static inline int hand_take_data(struct hand *h, uint8_t *plain, uint64_t *ret_counter, int ms)
{
	uint8_t m[2048], nonce[12] = {0};
	unsigned long long len;
	uint64_t wire;
	size_t n;

	while ((n = hand_receive(h, m, sizeof(m), ms))) {
		if (n < WG_DATA_OVERHEAD || m[0] != WG_DATA)
			continue;
		memcpy(nonce + 4, m + 8, 8);
		memcpy(&wire, m + 8, 8);
		assert_int_equal(crypto_aead_chacha20poly1305_ietf_decrypt(plain, &len, NULL,
					 m + WG_DATA_HEADER_LEN, n - WG_DATA_HEADER_LEN, NULL, 0,
					 nonce, h->session.receive.bytes),
			0);
		if (ret_counter)
			*ret_counter = le64toh(wire);
		return (int)len;
	}
	return -1;
}

/* A whole handshake, begun by us and confirmed. */
static inline void hand_handshake(struct hand *h)
{
	struct wg_initiation m;

	hand_make_initiation(h, &m);
	hand_send(h, &m, sizeof(m));
	assert_true(hand_take_response(h, DEADLINE_MS, NULL));
	hand_keepalive(h);
}

static inline struct noise_peer *hand_lookup(const wg_key *key, void *hand)
{
	struct hand *h = hand;

	return wg_key_eq(key, &h->noise.remote_static) ? &h->noise : NULL;
}

/* Answers the device's next initiation; the session is ours too then. after_us: takes its time. */
static inline void hand_answer(struct hand *h, unsigned after_us)
{
	struct wg_initiation m;
	struct wg_response reply;
	struct noise_peer *p;
	wg_key ephemeral;

	for (;;) {
		size_t n = hand_receive(h, &m, sizeof(m), DEADLINE_MS);

		assert_true(n > 0);
		if (n == sizeof(m) && m.type[0] == WG_INITIATION)
			break;
	}
	assert_int_equal(cookie_check(&h->checker, &m, sizeof(m), &h->device, false, sys_now()),
		COOKIE_MAC1_ONLY);
	assert_int_equal(
		noise_consume_initiation(&h->identity, &m, hand_lookup, h, sys_now(), &p), 0);
	randombytes_buf(&ephemeral, sizeof(ephemeral));
	assert_int_equal(
		noise_create_response(&h->identity, p, &ephemeral, h->next_index++, &reply), 0);
	cookie_add_macs(&h->maker, &reply, sizeof(reply), sys_now());
	assert_int_equal(noise_begin_session(p, &h->session), 0);
	h->counter = 0;
	usleep(after_us);
	hand_send(h, &reply, sizeof(reply));
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Whole devices within a test: the TUN is a socket pair (no vnet headers), UDP goes over loopback.
 *
 *	test -- tun --> [device a] == 127.0.0.1 == [device b] -- tun --> test
 *
 * Waiting is for a state, with a deadline.
 */
#ifndef SHUNT_TESTS_TUNNEL_FIXTURE_H
#define SHUNT_TESTS_TUNNEL_FIXTURE_H

#include "unit.h"

#include "sys/clock.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"
#include "tunnel/tunnel.h"
#include "tunnel/uapi.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <sodium.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define DEADLINE_MS 20000

struct device {
	struct tunnel *t;
	int tun; /* the test's end */
	wg_key private, public;
	uint16_t port;
};

static inline uint16_t device_port(struct device *d)
{
	struct tunnel_info info;

	tunnel_lock(d->t);
	tunnel_get(d->t, &info);
	tunnel_unlock(d->t);
	return info.listen_port;
}

/* With a fresh key and up, or down and without one. */
static inline void device_start(struct device *d, bool up)
{
	struct tun tun = {.name = "test"};
	int ends[2];

	assert_true(sodium_init() >= 0);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	tun.fd = ends[0];
	d->tun = ends[1];
	d->t = tunnel_new(&tun, 0, NULL, NULL);
	assert_non_null(d->t);
	d->port = 0;
	if (!up)
		return;
	wg_key_generate(&d->private);
	d->public = wg_key_public(&d->private);
	tunnel_lock(d->t);
	tunnel_set_private_key(d->t, &d->private);
	assert_int_equal(tunnel_up(d->t), 0);
	tunnel_unlock(d->t);
	d->port = device_port(d);
}

static inline void device_stop(struct device *d)
{
	tunnel_free(d->t);
	close(d->tun);
}

static inline sock_addr loopback(uint16_t port)
{
	sock_addr a = {.in4 = {.sin_family = AF_INET, .sin_port = htons(port)}};

	a.in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	return a;
}

static inline ip_prefix prefix(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

/* A peer with one allowed IP; port 0: no endpoint. */
static inline struct tunnel_peer *device_peer(
	struct device *d, const wg_key *key, uint16_t port, const char *allowed)
{
	struct tunnel_peer *p;
	sock_addr to = loopback(port);
	ip_prefix a = prefix(allowed);

	tunnel_lock(d->t);
	assert_int_equal(tunnel_peer_add(d->t, key, &p), 0);
	assert_int_equal(tunnel_peer_allow(d->t, p, &a), 0);
	if (port)
		tunnel_peer_set_endpoint(d->t, p, &to);
	tunnel_peer_configured(d->t, p);
	tunnel_unlock(d->t);
	return p;
}

static inline struct tunnel_peer_info peer_info(struct device *d, struct tunnel_peer *p)
{
	struct tunnel_peer_info i;

	tunnel_lock(d->t);
	tunnel_peer_get(d->t, p, &i);
	tunnel_unlock(d->t);
	return i;
}

static inline uint64_t counted(struct device *d, enum tunnel_counter c)
{
	return tunnel_counter(d->t, c);
}

#define WAIT_FOR(state)                                        \
	do {                                                   \
		int waited = 0;                                \
		while (!(state) && waited++ < DEADLINE_MS / 2) \
			usleep(2000);                          \
		assert_true(state);                            \
	} while (0)

/* An IPv4 packet of UDP's protocol number with n bytes behind its header; the first is mark. */
static inline size_t make_packet(
	uint8_t *p, const char *src, const char *dst, size_t n, uint8_t mark)
{
	memset(p, 0, 20 + n);
	p[0] = 0x45;
	p[2] = (uint8_t)((20 + n) >> 8);
	p[3] = (uint8_t)(20 + n);
	p[8] = 64;
	p[9] = 17;
	inet_pton(AF_INET, src, p + 12);
	inet_pton(AF_INET, dst, p + 16);
	if (n)
		p[20] = mark;
	return 20 + n;
}

/* Into the device, as its host would. */
static inline void host_sends(
	struct device *d, const char *src, const char *dst, size_t n, uint8_t mark)
{
	uint8_t packet[2048];
	size_t len = make_packet(packet, src, dst, n, mark);

	assert_int_equal(send(d->tun, packet, len, 0), len);
}

/* What comes out of the device; 0 after ms without anything. */
static inline size_t host_receives(struct device *d, uint8_t *packet, size_t size, int ms)
{
	struct pollfd fd = {d->tun, POLLIN, 0};
	ssize_t n;

	if (poll(&fd, 1, ms) <= 0)
		return 0;
	n = recv(d->tun, packet, size, 0);
	return n < 0 ? 0 : (size_t)n;
}

/* The next packet must be of n bytes behind the header, with that mark. */
static inline void host_gets(struct device *d, size_t n, uint8_t mark)
{
	uint8_t packet[2048];

	assert_int_equal(host_receives(d, packet, sizeof(packet), DEADLINE_MS), 20 + n);
	assert_int_equal(packet[20], mark);
}

/* Two devices that know each other: 10.0.0.1 and 10.0.0.2; a alone knows where b is. */
struct pair {
	struct device a, b;
	struct tunnel_peer *b_at_a, *a_at_b;
};

static inline void pair_start(struct pair *p)
{
	device_start(&p->a, true);
	device_start(&p->b, true);
	p->a_at_b = device_peer(&p->b, &p->a.public, 0, "10.0.0.1/32");
	p->b_at_a = device_peer(&p->a, &p->b.public, p->b.port, "10.0.0.2/32");
}

static inline void pair_stop(struct pair *p)
{
	device_stop(&p->a);
	device_stop(&p->b);
}

/* A request of the UAPI, as text; the answer's errno. */
static inline int uapi_ask(struct device *d, const char *request, struct buf *out)
{
	struct buf own = {0};
	const char *found;
	int err;

	if (!out)
		out = &own;
	buf_reset(out);
	assert_true(uapi_answer(d->t, request, strlen(request), out));
	found = strstr(buf_str(out), "errno=");
	assert_non_null(found);
	err = atoi(found + 6);
	buf_done(&own);
	return err;
}

#endif

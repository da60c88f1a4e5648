/* SPDX-License-Identifier: MIT */
/*
 * handshakes peers N ADDRESS
 * handshakes run N WINDOW ADDRESS PORT RESPONDER-PUBLIC-KEY
 *
 * How many handshakes a responder completes in a second. "peers" writes the responder's part of
 * the configuration, N [Peer] sections with an endpoint each: its own port of that address, since
 * some implementations bind a socket to every peer's, and some answer none whose endpoint they
 * don't know. "run" is all those peers in one process: it makes one initiation for each of them in
 * advance, so that making them takes nothing from the responder's cores, sends them with never
 * more than WINDOW unanswered, and measures until the last response. Only afterwards each response
 * is verified; one that doesn't open isn't counted. A cookie reply is answered as a peer would: the
 * initiation again, with mac2. What has no answer within a quarter of a second is lost.
 *
 * The peers' private keys are computed from their numbers, so that both commands agree: they are
 * nobody's.
 */
#include "base/prefix.h"
#include "base/time.h"
#include "wg/cookie.h"
#include "wg/hash.h"
#include "wg/noise.h"

#include <endian.h>
#include <errno.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 250
#define FIRST_PORT 10000
#define PEERS_MAX 20000
#define EVENTS 64

struct initiator {
	int fd;
	struct noise_identity identity;
	struct noise_peer responder;
	struct wg_initiation initiation;
	struct wg_response response;
	struct cookie_maker cookie;
	bool is_answered;
};

struct run {
	int epoll;
	sock_addr to;
	uint32_t n;
	unsigned window;
	struct initiator *initiators;
	uint32_t next; /* who hasn't sent yet */
	unsigned unanswered;
	unsigned cookies, lost;
	instant first, last; /* initiation, response */
};

static instant now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (instant){ts.tv_sec * NS_PER_S + ts.tv_nsec};
}

static wg_key key_of(uint32_t number)
{
	static const char salt[] = "a key of shunt's bench, of nobody";
	wg_key key;

	number = htole32(number);
	wg_hash(key.bytes, (struct wg_bytes){salt, sizeof(salt)},
		(struct wg_bytes){&number, sizeof(number)});
	key.bytes[0] &= 248;
	key.bytes[31] = (key.bytes[31] & 127) | 64;
	return key;
}

static int peers_main(uint32_t n, const char *address)
{
	for (uint32_t i = 0; i < n; i++) {
		wg_key private_key = key_of(i), public_key = wg_key_public(&private_key);
		char text[WG_KEY_BASE64_LEN];

		printf("[Peer]\nPublicKey = %s\nAllowedIPs = 10.64.%u.%u/32\nEndpoint = %s:%u\n",
			wg_key_to_base64(&public_key, text), i >> 8, i & 255, address,
			FIRST_PORT + i);
	}
	return 0;
}

/* --- before ------------------------------------------------------------------------------------
 */

/* A socket on the number's port, so that the responder's endpoint for it is right. */
static int socket_of(const struct run *r, uint32_t number)
{
	struct sockaddr_in from = {AF_INET, htons((uint16_t)(FIRST_PORT + number)), {0}, {0}};
	struct epoll_event event = {.events = EPOLLIN, .data.u32 = number};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (struct sockaddr *)&from, sizeof(from)) ||
		connect(fd, &r->to.sa, sock_addr_len(&r->to)) ||
		epoll_ctl(r->epoll, EPOLL_CTL_ADD, fd, &event))
		return -1;
	return fd;
}

static bool prepare(struct run *r, const wg_key *responder)
{
	uint8_t timestamp[WG_TIMESTAMP_LEN];
	struct timespec wall;

	clock_gettime(CLOCK_REALTIME, &wall);
	noise_timestamp(wall.tv_sec, (uint32_t)wall.tv_nsec, timestamp);
	for (uint32_t i = 0; i < r->n; i++) {
		struct initiator *one = &r->initiators[i];
		wg_key private_key = key_of(i), ephemeral;

		wg_key_generate(&ephemeral);
		noise_identity_set(&one->identity, &private_key);
		noise_peer_init(&one->responder, responder);
		cookie_maker_init(&one->cookie, responder);
		one->fd = socket_of(r, i);
		if (one->fd < 0 || noise_create_initiation(&one->identity, &one->responder,
					   &ephemeral, timestamp, i, &one->initiation))
			return false;
	}
	return true;
}

/* --- the measured part ---------------------------------------------------------------------------
 */

static void send_one(struct initiator *one)
{
	cookie_add_macs(&one->cookie, &one->initiation, sizeof(one->initiation), now());
	if (send(one->fd, &one->initiation, sizeof(one->initiation), 0) < 0 &&
		errno != ECONNREFUSED)
		perror("handshakes: send");
}

static void take_response(struct run *r, struct initiator *one, const struct wg_response *m)
{
	if (one->is_answered)
		return;
	one->is_answered = true;
	one->response = *m;
	r->last = now();
	r->unanswered -= r->unanswered > 0;
}

static void take_cookie(struct run *r, struct initiator *one, const struct wg_cookie_reply *m)
{
	if (one->is_answered || !cookie_consume_reply(&one->cookie, m, now()))
		return;
	r->cookies++;
	send_one(one);
}

static void take_all(struct run *r, struct initiator *one)
{
	uint8_t message[256];
	ssize_t len;

	while ((len = recv(one->fd, message, sizeof(message), 0)) > 0) {
		if (len == WG_RESPONSE_LEN && message[0] == WG_RESPONSE)
			take_response(r, one, (const struct wg_response *)message);
		else if (len == WG_COOKIE_REPLY_LEN && message[0] == WG_COOKIE_REPLY)
			take_cookie(r, one, (const struct wg_cookie_reply *)message);
	}
}

static void run(struct run *r)
{
	struct epoll_event events[EVENTS];

	r->first = r->last = now();
	while (r->next < r->n || r->unanswered > 0) {
		int n;

		while (r->next < r->n && r->unanswered < r->window) {
			r->unanswered++;
			send_one(&r->initiators[r->next++]);
		}
		n = epoll_wait(r->epoll, events, EVENTS, PATIENCE_MS);
		for (int i = 0; i < n; i++)
			take_all(r, &r->initiators[events[i].data.u32]);
		if (n == 0) {
			r->lost += r->unanswered;
			r->unanswered = 0;
		}
	}
}

/* --- after ---------------------------------------------------------------------------------------
 */

static int tell(const struct run *r)
{
	double seconds = (double)instant_diff(r->last, r->first) / (double)NS_PER_S;
	uint32_t good = 0;

	for (uint32_t i = 0; i < r->n; i++) {
		struct initiator *one = &r->initiators[i];

		good += one->is_answered && noise_consume_response(&one->identity, &one->responder,
						    &one->response) == 0;
	}
	printf("{\"initiations\": %u, \"responses\": %u, \"lost\": %u, \"cookies\": %u, "
	       "\"seconds\": %.6f, \"per_second\": %.1f}\n",
		r->n, good, r->lost, r->cookies, seconds,
		seconds > 0 ? (double)good / seconds : 0.0);
	return good ? 0 : 1;
}

static int run_main(uint32_t n, char **argv)
{
	struct run r = {.n = n, .window = (unsigned)atoi(argv[0])};
	char text[128];
	wg_key responder;
	int result;

	snprintf(text, sizeof(text), "%s:%s", argv[1], argv[2]);
	if (!r.window || !sock_addr_parse(&r.to, text) || r.to.sa.sa_family != AF_INET ||
		!wg_key_from_base64(&responder, argv[3]))
		return 2;
	r.initiators = calloc(n, sizeof(*r.initiators));
	r.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!r.initiators || r.epoll < 0 || !prepare(&r, &responder)) {
		perror("handshakes");
		return 1;
	}
	run(&r);
	result = tell(&r);
	free(r.initiators);
	return result;
}

int main(int argc, char **argv)
{
	unsigned long n = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

	if (sodium_init() < 0)
		return 1;
	if (n > 0 && n <= PEERS_MAX && argc == 4 && !strcmp(argv[1], "peers"))
		return peers_main((uint32_t)n, argv[3]);
	if (n > 0 && n <= PEERS_MAX && argc == 7 && !strcmp(argv[1], "run"))
		return run_main((uint32_t)n, argv + 3);
	fprintf(stderr, "usage: handshakes peers N ADDRESS\n"
			"       handshakes run N WINDOW ADDRESS PORT RESPONDER-PUBLIC-KEY\n");
	return 2;
}

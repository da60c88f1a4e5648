/* SPDX-License-Identifier: MIT */
/*
 * udp send ADDRESS PORT SIZE RATE SECONDS [SEGMENTS]
 * udp receive PORT
 *
 * Numbered datagrams at a fixed rate, and their counting. The sender sends what is due at every
 * tick of a quarter of a millisecond, by sendmmsg, and lets go what it is more than MISS_NS behind
 * with: what it did send, and when, it says at the end. With SEGMENTS each of them is that many
 * datagrams of SIZE, handed over as one by UDP_SEGMENT, with one number. The receiver says "ready"
 * once its socket is bound, counts until its standard input ends, and then tells how many came in
 * each hundredth of a second of CLOCK_MONOTONIC (which all network namespaces share), how many
 * numbers there were, and how many datagrams came twice or after a later one. Both speak JSON.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/udp.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define TICK_NS INT64_C(250000)
#define MISS_NS INT64_C(10000000)
#define BATCH 64
#define SIZE_MAX_UDP 65507
#define BIN_NS INT64_C(10000000)
#define BINS 12000
#define NUMBERS (UINT64_C(1) << 27)
#define BUFFER_BYTES (8 << 20)

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void sleep_until(int64_t at)
{
	const struct timespec ts = {at / NS_PER_S, at % NS_PER_S};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

static int fail(const char *what)
{
	fprintf(stderr, "udp: %s: %s\n", what, strerror(errno));
	return 1;
}

static bool parse_address(
	struct sockaddr_storage *ret, socklen_t *ret_len, const char *text, const char *port)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)ret;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret;

	memset(ret, 0, sizeof(*ret));
	if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)atoi(port));
		*ret_len = sizeof(*v4);
		return true;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons((uint16_t)atoi(port));
	*ret_len = sizeof(*v6);
	return inet_pton(AF_INET6, text, &v6->sin6_addr) == 1;
}

/* --- sending -------------------------------------------------------------------------------------
 */

struct sender {
	int fd;
	size_t size;
	uint64_t next;	  /* number */
	uint64_t refused; /* by the kernel; they count as sent */
	uint8_t *payloads;
	struct iovec parts[BATCH];
	struct mmsghdr batch[BATCH];
};

static void send_some(struct sender *s, uint64_t n)
{
	while (n > 0) {
		unsigned some = n < BATCH ? (unsigned)n : BATCH;

		for (unsigned i = 0; i < some; i++) {
			uint64_t number = s->next + i;

			memcpy(s->parts[i].iov_base, &number, sizeof(number));
		}
		for (unsigned done = 0; done < some;) {
			int sent = sendmmsg(s->fd, s->batch + done, some - done, MSG_DONTWAIT);

			if (sent <= 0)
				s->refused++;
			done += sent > 0 ? (unsigned)sent : 1;
		}
		s->next += some;
		n -= some;
	}
}

static void send_at_rate(struct sender *s, double rate, double seconds)
{
	int64_t start = now_ns(), end = start + (int64_t)(seconds * (double)NS_PER_S);
	/* Where the schedule begins; pushed forward by what is let go. */
	int64_t base = start;
	uint64_t sent_since_base = 0;

	for (int64_t tick = start;;) {
		int64_t now = now_ns();
		uint64_t due;

		if (now >= end)
			break;
		due = (uint64_t)((double)(now - base) / (double)NS_PER_S * rate);
		if (due > sent_since_base) {
			double behind = (double)(due - sent_since_base) / rate * (double)NS_PER_S;

			if (behind > (double)MISS_NS) {
				base = now;
				sent_since_base = 0;
				due = (uint64_t)(rate * (double)TICK_NS / (double)NS_PER_S);
			}
			send_some(s, due - sent_since_base);
			sent_since_base = due;
		}
		tick += TICK_NS;
		if (tick < now)
			tick = now;
		sleep_until(tick);
	}
	printf("{\"sent\": %llu, \"refused\": %llu, \"start_ns\": %lld, \"end_ns\": %lld}\n",
		(unsigned long long)s->next, (unsigned long long)s->refused, (long long)start,
		(long long)now_ns());
}

static int send_main(char **argv, int segments)
{
	struct sockaddr_storage to;
	socklen_t len;
	const int buffer = BUFFER_BYTES, segment = atoi(argv[2]);
	struct sender s = {.size = (size_t)segment * (size_t)segments};

	if (!parse_address(&to, &len, argv[0], argv[1]) || segments < 1 ||
		s.size < sizeof(uint64_t) || s.size > SIZE_MAX_UDP)
		return 2;
	s.payloads = calloc(BATCH, s.size);
	s.fd = socket(to.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!s.payloads || s.fd < 0 || connect(s.fd, (struct sockaddr *)&to, len))
		return fail(argv[0]);
	if (segments > 1 && setsockopt(s.fd, SOL_UDP, UDP_SEGMENT, &segment, sizeof(segment)))
		return fail("UDP_SEGMENT");
	setsockopt(s.fd, SOL_SOCKET, SO_SNDBUFFORCE, &buffer, sizeof(buffer));
	prctl(PR_SET_TIMERSLACK, 1000);
	for (unsigned i = 0; i < BATCH; i++) {
		s.parts[i] = (struct iovec){s.payloads + i * s.size, s.size};
		s.batch[i].msg_hdr.msg_iov = &s.parts[i];
		s.batch[i].msg_hdr.msg_iovlen = 1;
	}
	send_at_rate(&s, atof(argv[3]), atof(argv[4]));
	free(s.payloads);
	close(s.fd);
	return 0;
}

/* --- receiving -----------------------------------------------------------------------------------
 */

struct receiver {
	int64_t base_ns;
	uint32_t bins[BINS];
	uint64_t *seen; /* a bit per number */
	uint64_t next;	/* above the greatest number */
	uint64_t received, copies, late;
};

static void take(struct receiver *r, const uint8_t *payload, size_t len, int64_t now)
{
	uint64_t number, bit;
	int64_t bin = (now - r->base_ns) / BIN_NS;

	if (len < sizeof(number))
		return;
	memcpy(&number, payload, sizeof(number));
	if (number >= NUMBERS || bin < 0 || bin >= BINS)
		return;
	bit = UINT64_C(1) << (number % 64);
	if (r->seen[number / 64] & bit) {
		r->copies++;
		return;
	}
	r->seen[number / 64] |= bit;
	r->received++;
	r->bins[bin]++;
	if (number < r->next)
		r->late++;
	else
		r->next = number + 1;
}

static void take_all(struct receiver *r, int fd)
{
	static uint8_t payloads[BATCH][sizeof(uint64_t)];
	struct iovec parts[BATCH];
	struct mmsghdr batch[BATCH] = {0};
	int n;

	for (unsigned i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){payloads[i], sizeof(payloads[i])};
		batch[i].msg_hdr.msg_iov = &parts[i];
		batch[i].msg_hdr.msg_iovlen = 1;
	}
	do {
		int64_t now;

		n = recvmmsg(fd, batch, BATCH, MSG_DONTWAIT, NULL);
		now = now_ns();
		for (int i = 0; i < n; i++)
			take(r, payloads[i], batch[i].msg_len, now);
	} while (n == BATCH);
}

static void tell(const struct receiver *r)
{
	int last = BINS - 1;

	while (last > 0 && !r->bins[last])
		last--;
	printf("{\"received\": %llu, \"copies\": %llu, \"late\": %llu, \"base_ns\": %lld, "
	       "\"bin_ns\": %lld, \"bins\": [",
		(unsigned long long)r->received, (unsigned long long)r->copies,
		(unsigned long long)r->late, (long long)r->base_ns, (long long)BIN_NS);
	for (int i = 0; i <= last; i++)
		printf("%s%u", i ? ", " : "", r->bins[i]);
	printf("]}\n");
}

static int receive_main(char **argv)
{
	static struct receiver r;
	struct sockaddr_storage at;
	socklen_t len;
	const int buffer = BUFFER_BYTES;
	struct pollfd fds[2] = {{.events = POLLIN}, {STDIN_FILENO, POLLIN, 0}};

	if (!parse_address(&at, &len, "::", argv[0]))
		return 2;
	r.seen = calloc(NUMBERS / 64, sizeof(*r.seen));
	fds[0].fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (!r.seen || fds[0].fd < 0 || bind(fds[0].fd, (struct sockaddr *)&at, len))
		return fail(argv[0]);
	setsockopt(fds[0].fd, SOL_SOCKET, SO_RCVBUFFORCE, &buffer, sizeof(buffer));
	r.base_ns = now_ns();
	printf("ready\n");
	fflush(stdout);
	while (!(fds[1].revents & (POLLIN | POLLHUP))) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return fail("poll");
		take_all(&r, fds[0].fd);
	}
	tell(&r);
	free(r.seen);
	close(fds[0].fd);
	return 0;
}

int main(int argc, char **argv)
{
	if ((argc == 7 || argc == 8) && !strcmp(argv[1], "send"))
		return send_main(argv + 2, argc == 8 ? atoi(argv[7]) : 1);
	if (argc == 3 && !strcmp(argv[1], "receive"))
		return receive_main(argv + 2);
	fprintf(stderr, "usage: udp send ADDRESS PORT SIZE RATE SECONDS [SEGMENTS]\n"
			"       udp receive PORT\n");
	return 2;
}

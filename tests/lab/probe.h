/* SPDX-License-Identifier: MIT */
/*
 * The measuring instrument of the network tests: numbered UDP packets and a paced TCP stream, from
 * and to one host, in one process (probe.c has the commands).
 *
 * Two threads. The sender owns the pace and nothing else: it wakes at absolute times, sends what is
 * due and notes when. The main thread takes commands and empties the sockets every few
 * milliseconds; that costs no accuracy, since the kernel stamps what arrives. Stamps are wall-clock
 * time and are brought to CLOCK_MONOTONIC on reading, the one clock that all network namespaces of
 * a machine share: what was sent in a window is therefore known to the nanosecond at both ends, and
 * a verdict is about packets, not about when somebody looked.
 *
 * Nothing is judged while it happens. Both ends keep what they saw for a while (HISTORY packets a
 * flow), and a window is asked about afterwards, when its stragglers have had their time.
 */
#ifndef SHUNT_TESTS_NET_PROBE_H
#define SHUNT_TESTS_NET_PROBE_H

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define PROBE_FLOWS_MAX 64
/* Packets remembered per flow: two minutes at 1,000 a second. A power of two. */
#define PROBE_HISTORY (UINT64_C(1) << 17)
#define PROBE_PAYLOAD 64
/* A sender that wakes this late gives up what it missed: a burst would measure queues. */
#define PROBE_CATCH_UP_NS INT64_C(50000000)

/* One packet of a flow; number is its place plus one, so that a zeroed slot is none. */
struct slot {
	uint64_t number;
	int64_t at_ns;
	uint32_t copies;
};

struct flow_out {
	uint32_t id;
	struct sockaddr_in6 to;
	int64_t interval_ns;
	int64_t due_ns;
	uint64_t next; /* sequence number */
	struct slot *sent;
};

struct flow_in {
	uint32_t id;
	struct slot *got;
};

/* Received bytes come as a list of arrivals. */
struct stream_in {
	uint32_t id;
	int listener;
	int fd; /* -1 until somebody connects */
	uint64_t total;
	uint64_t n;
	struct slot *arrivals; /* copies: bytes */
};

struct stream_out {
	uint32_t id;
	int fd;
	size_t chunk;
	int64_t interval_ns;
	int64_t due_ns;
};

struct sender {
	pthread_t thread;
	pthread_mutex_t lock; /* held by whoever touches what is below */
	bool running;
	bool stop;
	int fd;
	size_t n_flows;
	struct flow_out flows[PROBE_FLOWS_MAX];
	size_t n_streams;
	struct stream_out streams[PROBE_FLOWS_MAX];
};

struct receiver {
	int fd;
	size_t n_flows;
	struct flow_in flows[PROBE_FLOWS_MAX];
	size_t n_streams;
	struct stream_in streams[PROBE_FLOWS_MAX];
};

/* What a window looked like from the receiving end. */
struct verdict {
	uint64_t received;
	uint64_t lost;
	uint64_t duplicates;
	int64_t gap_ns;
};

int64_t probe_now(void);

/* All return 0 or negative errno. The receiver's UDP socket is the sender's too. */
int sender_start(struct sender *s, int fd);
void sender_stop(struct sender *s);
int sender_add_flow(struct sender *s, uint32_t id, unsigned rate, const struct sockaddr_in6 *to);
int sender_add_stream(
	struct sender *s, uint32_t id, uint64_t bits_per_s, const struct sockaddr_in6 *to);
/* Starts (or ends) the pace of all that was added. */
void sender_run(struct sender *s, bool run);
/* Prints {"id", "first", "end", "stall_ms"} of each flow: the numbers sent in [from, to) and the
 * longest time between two of them. */
void sender_print(struct sender *s, int64_t from, int64_t to, FILE *out);

int receiver_open(struct receiver *r, uint16_t port);
int receiver_add_flow(struct receiver *r, uint32_t id);
int receiver_add_stream(struct receiver *r, uint32_t id, uint16_t port);
/* Takes all that the sockets hold. */
void receiver_drain(struct receiver *r);
/* The fate of the packets [first, end) of a flow, and the longest silence within [from, to]. */
int receiver_judge(const struct receiver *r, uint32_t id, uint64_t first, uint64_t end,
	const int64_t window[2], struct verdict *ret);
/* Received bytes within [from, to] as ret->received, and the longest silence. */
int receiver_judge_stream(
	const struct receiver *r, uint32_t id, const int64_t window[2], struct verdict *ret);
void receiver_close(struct receiver *r);

#endif

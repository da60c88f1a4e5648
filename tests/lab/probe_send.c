/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "probe.h"
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define IDLE_NS INT64_C(5000000)
#define STREAM_INTERVAL_NS INT64_C(2000000)
#define STREAM_CHUNK_MAX 65536

int64_t probe_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void sleep_until(int64_t at_ns)
{
	const struct timespec t = {at_ns / 1000000000, at_ns % 1000000000};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static void note_sent(struct flow_out *f, int64_t now)
{
	f->sent[f->next % PROBE_HISTORY] = (struct slot){f->next + 1, now, 0};
	f->next++;
}

/* The next due time; missed ones are made up for unless they are too many. */
static int64_t due_after(int64_t due, int64_t interval, int64_t now)
{
	due += interval;
	return now - due > PROBE_CATCH_UP_NS ? now + interval : due;
}

/* A packet that the kernel refuses counts as sent: to the one who waits for it it is lost. */
static void send_batch(int fd, struct mmsghdr *batch, unsigned n)
{
	for (unsigned done = 0; done < n;) {
		int sent = sendmmsg(fd, batch + done, n - done, MSG_DONTWAIT);
		done += sent > 0 ? (unsigned)sent : 1;
	}
}

/* One packet of every flow that is due. */
static void send_due(struct sender *s, int64_t now)
{
	unsigned char packets[PROBE_FLOWS_MAX][PROBE_PAYLOAD] = {0};
	struct mmsghdr batch[PROBE_FLOWS_MAX] = {0};
	struct iovec parts[PROBE_FLOWS_MAX];
	unsigned n = 0;

	for (size_t i = 0; i < s->n_flows; i++) {
		struct flow_out *f = &s->flows[i];
		if (f->due_ns > now)
			continue;
		const uint64_t head[2] = {htobe64(f->id), htobe64(f->next)};
		memcpy(packets[n], head, sizeof(head));
		parts[n] = (struct iovec){packets[n], PROBE_PAYLOAD};
		batch[n].msg_hdr = (struct msghdr){.msg_name = &f->to,
			.msg_namelen = sizeof(f->to),
			.msg_iov = &parts[n],
			.msg_iovlen = 1};
		note_sent(f, now);
		f->due_ns = due_after(f->due_ns, f->interval_ns, now);
		n++;
	}
	send_batch(s->fd, batch, n);
}

/* What doesn't fit now is not sent later: the stream is paced, not saved up. */
static void feed_streams(struct sender *s, int64_t now)
{
	static const char bytes[STREAM_CHUNK_MAX];

	for (size_t i = 0; i < s->n_streams; i++) {
		struct stream_out *t = &s->streams[i];
		if (t->due_ns > now)
			continue;
		(void)!send(t->fd, bytes, t->chunk, MSG_DONTWAIT | MSG_NOSIGNAL);
		t->due_ns = due_after(t->due_ns, t->interval_ns, now);
	}
}

static int64_t next_due(const struct sender *s, int64_t now)
{
	int64_t due = now + IDLE_NS;

	for (size_t i = 0; s->running && i < s->n_flows; i++)
		due = s->flows[i].due_ns < due ? s->flows[i].due_ns : due;
	for (size_t i = 0; s->running && i < s->n_streams; i++)
		due = s->streams[i].due_ns < due ? s->streams[i].due_ns : due;
	return due;
}

static void *sender_main(void *data)
{
	struct sender *s = data;
	int64_t due;

	prctl(PR_SET_TIMERSLACK, 1UL);
	pthread_mutex_lock(&s->lock);
	while (!s->stop) {
		int64_t now = probe_now();
		if (s->running) {
			send_due(s, now);
			feed_streams(s, now);
		}
		due = next_due(s, now);
		pthread_mutex_unlock(&s->lock);
		sleep_until(due);
		pthread_mutex_lock(&s->lock);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

int sender_start(struct sender *s, int fd)
{
	s->fd = fd;
	pthread_mutex_init(&s->lock, NULL);
	return -pthread_create(&s->thread, NULL, sender_main, s);
}

void sender_stop(struct sender *s)
{
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	for (size_t i = 0; i < s->n_flows; i++)
		free(s->flows[i].sent);
	for (size_t i = 0; i < s->n_streams; i++)
		close(s->streams[i].fd);
	pthread_mutex_destroy(&s->lock);
}

int sender_add_flow(struct sender *s, uint32_t id, unsigned rate, const struct sockaddr_in6 *to)
{
	int err = 0;

	pthread_mutex_lock(&s->lock);
	if (s->n_flows == PROBE_FLOWS_MAX || !rate)
		err = rate ? -ENOSPC : -EINVAL;
	else
		s->flows[s->n_flows++] = (struct flow_out){.id = id,
			.to = *to,
			.interval_ns = 1000000000 / rate,
			.due_ns = INT64_MAX,
			.sent = mem_zalloc(PROBE_HISTORY, sizeof(struct slot))};
	pthread_mutex_unlock(&s->lock);
	return err;
}

int sender_add_stream(
	struct sender *s, uint32_t id, uint64_t bits_per_s, const struct sockaddr_in6 *to)
{
	size_t chunk = bits_per_s / 8 * STREAM_INTERVAL_NS / 1000000000;
	int fd;

	if (!chunk || chunk > STREAM_CHUNK_MAX || s->n_streams == PROBE_FLOWS_MAX)
		return -EINVAL;
	fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to))) {
		int err = -errno;
		close(fd);
		return err;
	}
	pthread_mutex_lock(&s->lock);
	s->streams[s->n_streams++] = (struct stream_out){.id = id,
		.fd = fd,
		.chunk = chunk,
		.interval_ns = STREAM_INTERVAL_NS,
		.due_ns = INT64_MAX};
	pthread_mutex_unlock(&s->lock);
	return 0;
}

void sender_run(struct sender *s, bool run)
{
	int64_t now = probe_now();

	pthread_mutex_lock(&s->lock);
	s->running = run;
	for (size_t i = 0; i < s->n_flows; i++)
		s->flows[i].due_ns = now + s->flows[i].interval_ns;
	for (size_t i = 0; i < s->n_streams; i++)
		s->streams[i].due_ns = now + s->streams[i].interval_ns;
	pthread_mutex_unlock(&s->lock);
}

static void print_flow(const struct flow_out *f, int64_t from, int64_t to, FILE *out)
{
	uint64_t i = f->next > PROBE_HISTORY ? f->next - PROBE_HISTORY : 0;
	int64_t last = 0, stall = 0;
	uint64_t first;

	while (i < f->next && f->sent[i % PROBE_HISTORY].at_ns < from)
		i++;
	for (first = i; i < f->next && f->sent[i % PROBE_HISTORY].at_ns < to; i++) {
		int64_t at = f->sent[i % PROBE_HISTORY].at_ns;
		if (last && at - last > stall)
			stall = at - last;
		last = at;
	}
	fprintf(out, "{\"id\": %u, \"first\": %llu, \"end\": %llu, \"stall_ms\": %.3f}", f->id,
		(unsigned long long)first, (unsigned long long)i, (double)stall / 1e6);
}

void sender_print(struct sender *s, int64_t from, int64_t to, FILE *out)
{
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->n_flows; i++) {
		if (i)
			fputs(", ", out);
		print_flow(&s->flows[i], from, to, out);
	}
	pthread_mutex_unlock(&s->lock);
}

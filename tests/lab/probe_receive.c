/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "base/vec.h"
#include "probe.h"
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define BATCH 64
#define BUFFER_BYTES (8 << 20)
#define CONTROL_BYTES CMSG_SPACE(sizeof(struct timespec))

static int64_t wall_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* When the kernel took the packet in, in monotonic time; ahead is the wall clock's lead over it. */
static int64_t stamp_of(struct msghdr *m, int64_t ahead)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct timespec t;
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS)
			continue;
		memcpy(&t, CMSG_DATA(c), sizeof(t));
		return t.tv_sec * INT64_C(1000000000) + t.tv_nsec - ahead;
	}
	return probe_now();
}

static int bound_socket(int type, uint16_t port)
{
	const struct sockaddr_in6 any = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	const int on = 1, off = 0, bytes = BUFFER_BYTES;
	int fd = socket(AF_INET6, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
	if (type == SOCK_DGRAM) {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes));
		setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes));
	}
	if (bind(fd, (const struct sockaddr *)&any, sizeof(any)) == 0)
		return fd;
	int err = -errno;
	close(fd);
	return err;
}

int receiver_open(struct receiver *r, uint16_t port)
{
	r->fd = bound_socket(SOCK_DGRAM, port);
	return r->fd < 0 ? r->fd : 0;
}

int receiver_add_flow(struct receiver *r, uint32_t id)
{
	if (r->n_flows == PROBE_FLOWS_MAX)
		return -ENOSPC;
	r->flows[r->n_flows++] =
		(struct flow_in){id, mem_zalloc(PROBE_HISTORY, sizeof(struct slot))};
	return 0;
}

int receiver_add_stream(struct receiver *r, uint32_t id, uint16_t port)
{
	int fd;

	if (r->n_streams == PROBE_FLOWS_MAX)
		return -ENOSPC;
	fd = bound_socket(SOCK_STREAM, port);
	if (fd < 0)
		return fd;
	if (listen(fd, 1)) {
		int err = -errno;
		close(fd);
		return err;
	}
	r->streams[r->n_streams++] = (struct stream_in){.id = id,
		.listener = fd,
		.fd = -1,
		.arrivals = mem_zalloc(PROBE_HISTORY, sizeof(struct slot))};
	return 0;
}

static void take_packet(struct receiver *r, const uint64_t head[2], int64_t at_ns)
{
	const uint64_t id = be64toh(head[0]), number = be64toh(head[1]) + 1;

	for (size_t i = 0; i < r->n_flows; i++) {
		struct slot *slot = &r->flows[i].got[(number - 1) % PROBE_HISTORY];
		if (r->flows[i].id != id)
			continue;
		if (slot->number == number)
			slot->copies++;
		else if (slot->number < number)
			*slot = (struct slot){number, at_ns, 1};
		return;
	}
}

static int take_batch(struct receiver *r, int64_t ahead)
{
	uint64_t heads[BATCH][2];
	_Alignas(struct cmsghdr) char control[BATCH][CONTROL_BYTES];
	struct mmsghdr batch[BATCH] = {0};
	struct iovec parts[BATCH];
	int n;

	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){heads[i], sizeof(heads[i])};
		batch[i].msg_hdr = (struct msghdr){.msg_iov = &parts[i],
			.msg_iovlen = 1,
			.msg_control = control[i],
			.msg_controllen = CONTROL_BYTES};
	}
	n = recvmmsg(r->fd, batch, BATCH, MSG_DONTWAIT, NULL);
	for (int i = 0; i < n; i++)
		if (batch[i].msg_len == sizeof(heads[i]))
			take_packet(r, heads[i], stamp_of(&batch[i].msg_hdr, ahead));
	return n;
}

/* True if more may be there. */
static bool take_bytes(struct stream_in *t, int64_t ahead)
{
	static char bytes[1 << 16];
	_Alignas(struct cmsghdr) char control[CONTROL_BYTES];
	struct iovec part = {bytes, sizeof(bytes)};
	struct msghdr m = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(t->fd, &m, MSG_DONTWAIT);

	if (n <= 0)
		return false;
	t->arrivals[t->n % PROBE_HISTORY] =
		(struct slot){t->n + 1, stamp_of(&m, ahead), (uint32_t)n};
	t->n++;
	t->total += (uint64_t)n;
	return true;
}

void receiver_drain(struct receiver *r)
{
	const int64_t ahead = wall_now() - probe_now();

	while (take_batch(r, ahead) == BATCH)
		;
	for (size_t i = 0; i < r->n_streams; i++) {
		struct stream_in *t = &r->streams[i];
		if (t->fd < 0)
			t->fd = accept4(t->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		while (t->fd >= 0 && take_bytes(t, ahead))
			;
	}
}

static int by_time(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The longest time without an arrival within the window, its edges counting as arrivals. */
static int64_t longest_gap(int64_t *at, size_t n, const int64_t window[2])
{
	int64_t last = window[0], gap = 0;

	qsort(at, n, sizeof(*at), by_time);
	for (size_t i = 0; i < n && at[i] < window[1]; i++) {
		if (at[i] - last > gap)
			gap = at[i] - last;
		if (at[i] > last)
			last = at[i];
	}
	return window[1] - last > gap ? window[1] - last : gap;
}

static const struct flow_in *find_flow(const struct receiver *r, uint32_t id)
{
	for (size_t i = 0; i < r->n_flows; i++)
		if (r->flows[i].id == id)
			return &r->flows[i];
	return NULL;
}

int receiver_judge(const struct receiver *r, uint32_t id, uint64_t first, uint64_t end,
	const int64_t window[2], struct verdict *ret)
{
	const struct flow_in *f = find_flow(r, id);
	struct verdict v = {0};
	VEC(int64_t) at = {0};

	if (!f)
		return -ENOENT;
	if (first > end || end - first > PROBE_HISTORY)
		return -ERANGE;
	for (uint64_t i = first; i < end; i++) {
		const struct slot *slot = &f->got[i % PROBE_HISTORY];
		if (slot->number != i + 1)
			continue;
		v.received++;
		v.duplicates += slot->copies - 1;
		vec_push(&at, slot->at_ns);
	}
	v.lost = end - first - v.received;
	v.gap_ns = longest_gap(at.items, at.n, window);
	vec_done(&at);
	*ret = v;
	return 0;
}

int receiver_judge_stream(
	const struct receiver *r, uint32_t id, const int64_t window[2], struct verdict *ret)
{
	const struct stream_in *t = NULL;
	struct verdict v = {0};
	VEC(int64_t) at = {0};

	for (size_t i = 0; i < r->n_streams && !t; i++)
		t = r->streams[i].id == id ? &r->streams[i] : NULL;
	if (!t)
		return -ENOENT;
	for (uint64_t i = t->n > PROBE_HISTORY ? t->n - PROBE_HISTORY : 0; i < t->n; i++) {
		const struct slot *slot = &t->arrivals[i % PROBE_HISTORY];
		if (slot->at_ns < window[0] || slot->at_ns >= window[1])
			continue;
		v.received += slot->copies;
		vec_push(&at, slot->at_ns);
	}
	v.gap_ns = longest_gap(at.items, at.n, window);
	vec_done(&at);
	*ret = v;
	return 0;
}

void receiver_close(struct receiver *r)
{
	for (size_t i = 0; i < r->n_flows; i++)
		free(r->flows[i].got);
	for (size_t i = 0; i < r->n_streams; i++) {
		close(r->streams[i].listener);
		if (r->streams[i].fd >= 0)
			close(r->streams[i].fd);
		free(r->streams[i].arrivals);
	}
	close(r->fd);
}

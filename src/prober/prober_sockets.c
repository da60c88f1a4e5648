/* SPDX-License-Identifier: MIT */
#include "prober/prober_sockets.h"
#include "base/mem.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <net/if.h>
/* After net/if.h, which it clashes with otherwise. */
#include <linux/filter.h>
#include <linux/icmp.h>

#define PAUSE_MIN (50 * NS_PER_MS)
#define PAUSE_MAX (2 * NS_PER_S)
#define RECEIVE_BUFFER (4 << 20) /* a burst of some thousand sessions while we may not run */
/* RFC 5881 section 4 */
#define SOURCE_PORT_FIRST 49152
#define SOURCE_PORTS 16384
#define SOURCE_PORT_TRIES 32
#define TTL 255
#define ECHO_HEADER 8
#define ECHO_LEN (ECHO_HEADER + 4) /* and the nonce */
#define TRAFFIC_CLASS 0xc0	   /* CS6: network control */

void prober_local_init(struct prober_local *l, const ip_addr *addr, instant now)
{
	*l = (struct prober_local){.addr = *addr, .pause_ns = PAUSE_MIN, .retry_at = now};
	list_init(&l->link);
	for (int kind = 0; kind < PROBER_N_KINDS; kind++)
		l->sockets[kind] = (struct prober_socket){.local = l, .kind = kind, .fd = -1};
}

void prober_local_close(struct prober_local *l, instant now)
{
	for (int kind = 0; kind < PROBER_N_KINDS; kind++) {
		if (l->sockets[kind].fd >= 0)
			close(l->sockets[kind].fd);
		l->sockets[kind].fd = -1;
	}
	l->pause_ns = PAUSE_MIN;
	l->retry_at = now;
}

static int set_int(int fd, int level, int option, int value)
{
	return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? -errno : 0;
}

/* Where in the family's options something is. */
static int set_ip(int fd, int family, int v4_option, int v6_option, int value)
{
	return family == AF_INET ? set_int(fd, IPPROTO_IP, v4_option, value)
				 : set_int(fd, IPPROTO_IPV6, v6_option, value);
}

static int set_device(int fd, const char *ifname)
{
	return setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, ifname, (socklen_t)strlen(ifname) + 1) <
			       0
		       ? -errno
		       : 0;
}

static int bind_to(int fd, const struct prober_local *l, const char *ifname, uint16_t port)
{
	sock_addr a = sock_addr_make(&l->addr, port);

	if (l->addr.family == AF_INET6 && IN6_IS_ADDR_LINKLOCAL(&a.in6.sin6_addr))
		a.in6.sin6_scope_id = if_nametoindex(ifname);
	return bind(fd, &a.sa, sock_addr_len(&a)) < 0 ? -errno : 0;
}

static int set_filter(int fd, struct sock_filter *code, unsigned short n)
{
	struct sock_fprog program = {n, code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0 ? -errno
											   : 0;
}

/* What is never read must not fill up. */
static int refuse_all(int fd)
{
	struct sock_filter code[] = {BPF_STMT(BPF_RET | BPF_K, 0)};

	return set_filter(fd, code, ARRAY_SIZE(code));
}

/* IPv4: the IP header comes first, and has the TTL. */
static int filter_v4(int fd, uint16_t port)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_B | BPF_ABS, offsetof(struct iphdr, ttl)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, TTL, 0, 4),
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	return set_filter(fd, code, ARRAY_SIZE(code));
}

static int filter_v6(int fd, uint16_t port)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 2),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, port, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};

	return set_filter(fd, code, ARRAY_SIZE(code));
}

static int set_up_in(int fd, const struct prober_local *l, const char *ifname, uint16_t port)
{
	int r;

	if (l->addr.family == AF_INET) {
		r = filter_v4(fd, port);
	} else {
		r = filter_v6(fd, port);
		if (r == 0)
			r = set_int(fd, IPPROTO_IPV6, IPV6_RECVHOPLIMIT, 1);
	}
	return r < 0 ? r : bind_to(fd, l, ifname, 0);
}

/* SO_REUSEADDR lets us stand beside a BFD speaker that holds the wildcard address, and lets one
 * start beside us. */
static int set_up_holder(int fd, const struct prober_local *l, const char *ifname, uint16_t port)
{
	int r = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);

	if (r == 0)
		r = refuse_all(fd);
	return r < 0 ? r : bind_to(fd, l, ifname, port);
}

static int bind_source_port(int fd, const struct prober_local *l, const char *ifname)
{
	int r = -EADDRINUSE;
	uint16_t chance;

	for (int i = 0; r == -EADDRINUSE && i < SOURCE_PORT_TRIES; i++) {
		if (getrandom(&chance, sizeof(chance), 0) != sizeof(chance))
			return -errno;
		r = bind_to(fd, l, ifname, (uint16_t)(SOURCE_PORT_FIRST + chance % SOURCE_PORTS));
	}
	return r;
}

static int set_up_out(int fd, const struct prober_local *l, const char *ifname, uint16_t port)
{
	int r = set_ip(fd, l->addr.family, IP_TTL, IPV6_UNICAST_HOPS, TTL);

	if (r == 0)
		r = refuse_all(fd);
	if (r < 0)
		return r;
	set_ip(fd, l->addr.family, IP_TOS, IPV6_TCLASS, TRAFFIC_CLASS);
	return bind_source_port(fd, l, ifname);
}

/* The kernel passes echo replies only. */
static int set_up_echo(int fd, const struct prober_local *l, const char *ifname, uint16_t port)
{
	struct icmp_filter v4 = {.data = ~(1U << ICMP_ECHOREPLY)};
	struct icmp6_filter v6;
	int r;

	ICMP6_FILTER_SETBLOCKALL(&v6);
	ICMP6_FILTER_SETPASS(ICMP6_ECHO_REPLY, &v6);
	if (l->addr.family == AF_INET)
		r = setsockopt(fd, SOL_RAW, ICMP_FILTER, &v4, sizeof(v4));
	else
		r = setsockopt(fd, IPPROTO_ICMPV6, ICMP6_FILTER, &v6, sizeof(v6));
	if (r < 0)
		return -errno;
	set_ip(fd, l->addr.family, IP_TOS, IPV6_TCLASS, TRAFFIC_CLASS);
	return bind_to(fd, l, ifname, 0);
}

static int new_socket(int family, enum prober_kind kind)
{
	int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;
	int icmp = family == AF_INET ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6;
	int fd;

	switch (kind) {
	case PROBER_BFD_IN:
	case PROBER_REPORT_IN:
		fd = socket(family, SOCK_RAW | flags, IPPROTO_UDP);
		break;
	case PROBER_ECHO:
		fd = socket(family, SOCK_RAW | flags, icmp);
		break;
	default:
		fd = socket(family, SOCK_DGRAM | flags, 0);
		break;
	}
	return fd < 0 ? -errno : fd;
}

static int watch(int epoll, struct prober_socket *s, int fd)
{
	struct epoll_event e = {.events = EPOLLIN, .data.ptr = s};

	if (set_int(fd, SOL_SOCKET, SO_RCVBUFFORCE, RECEIVE_BUFFER) < 0)
		set_int(fd, SOL_SOCKET, SO_RCVBUF, RECEIVE_BUFFER);
	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? -errno : 0;
}

static const struct {
	int (*set_up)(int fd, const struct prober_local *l, const char *ifname, uint16_t port);
	uint16_t port;
	bool is_read;
	const char *what; /* it is for */
} kinds[] = {
	[PROBER_BFD_IN] = {set_up_in, BFD_PORT, true, "receive BFD"},
	[PROBER_BFD_HOLDER] = {set_up_holder, BFD_PORT, false, "hold the port of BFD"},
	[PROBER_BFD_OUT] = {set_up_out, 0, false, "send BFD"},
	[PROBER_ECHO] = {set_up_echo, 0, true, "send echoes"},
	[PROBER_REPORT_IN] = {set_up_in, LIVE_REPORT_PORT, true, "receive reports"},
	[PROBER_REPORT_HOLDER] = {set_up_holder, LIVE_REPORT_PORT, false,
		"hold the port of reports"},
	[PROBER_REPORT_OUT] = {set_up_out, 0, false, "send reports"},
};

static int open_one(struct prober_socket *s, const char *ifname, int epoll)
{
	int fd = new_socket(s->local->addr.family, s->kind);
	int r;

	if (fd < 0)
		return fd;
	r = set_device(fd, ifname);
	if (r == 0)
		r = kinds[s->kind].set_up(fd, s->local, ifname, kinds[s->kind].port);
	if (r == 0 && kinds[s->kind].is_read)
		r = watch(epoll, s, fd);
	if (r < 0)
		close(fd);
	else
		s->fd = fd;
	return r;
}

int prober_local_open(
	struct prober_local *l, const char *ifname, int epoll, const char **ret_what, instant now)
{
	int error = 0;

	for (int kind = 0; kind < PROBER_N_KINDS; kind++) {
		int r = l->sockets[kind].fd < 0 ? open_one(&l->sockets[kind], ifname, epoll) : 0;

		if (r < 0 && error == 0) {
			error = r;
			*ret_what = kinds[kind].what;
		}
	}
	if (error == 0) {
		l->pause_ns = PAUSE_MIN;
		l->retry_at = INSTANT_NEVER;
		return 0;
	}
	l->retry_at = instant_add(now, l->pause_ns);
	l->pause_ns = l->pause_ns * 2 > PAUSE_MAX ? PAUSE_MAX : l->pause_ns * 2;
	return error;
}

/* The internet checksum (RFC 1071) of an even number of bytes. */
static uint16_t checksum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i += 2)
		sum += (uint32_t)bytes[i] << 8 | bytes[i + 1];
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

size_t prober_echo_request(
	int family, const struct echo_mark *mark, uint8_t out[static BFD_PACKET_MAX])
{
	uint8_t request[ECHO_LEN] = {family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST, 0, 0, 0,
		(uint8_t)(mark->id >> 8), (uint8_t)mark->id, (uint8_t)(mark->seq >> 8),
		(uint8_t)mark->seq};
	uint16_t sum;

	memcpy(request + ECHO_HEADER, &mark->nonce, sizeof(mark->nonce));

	if (family == AF_INET) { /* the kernel does it for ICMPv6 */
		sum = checksum(request, sizeof(request));
		request[2] = (uint8_t)(sum >> 8);
		request[3] = (uint8_t)sum;
	}
	memcpy(out, request, sizeof(request));
	return sizeof(request);
}

void prober_queue_add(struct prober_queue *q, struct prober_socket *socket, const sock_addr *to,
	const uint8_t *bytes, size_t len)
{
	struct prober_packet p = {socket, *to, q->bytes.n, len};

	vec_push(&q->packets, p);
	buf_add(&q->bytes, bytes, len);
}

void prober_queue_done(struct prober_queue *q)
{
	vec_done(&q->packets);
	buf_done(&q->bytes);
}

/* How many packets from here on leave by the same socket. */
static unsigned run_length(const struct prober_packet *packets, size_t n)
{
	unsigned k = 1;

	while (k < n && k < PROBER_BATCH && packets[k].socket == packets->socket)
		k++;
	return k;
}

/* One run by as few calls as the kernel allows. It stops at a packet that it can't send: a peer
 * without a key or an endpoint is no reason for the others to wait. */
static size_t send_run(int fd, struct prober_packet *packets, unsigned n, char *bytes)
{
	struct mmsghdr messages[PROBER_BATCH];
	struct iovec parts[PROBER_BATCH];
	size_t sent = 0;

	memset(messages, 0, n * sizeof(messages[0]));
	for (unsigned i = 0; i < n; i++) {
		parts[i] = (struct iovec){bytes + packets[i].at, packets[i].len};
		messages[i].msg_hdr.msg_name = &packets[i].to;
		messages[i].msg_hdr.msg_namelen = sock_addr_len(&packets[i].to);
		messages[i].msg_hdr.msg_iov = &parts[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
	for (unsigned i = 0; i < n;) {
		int k = sendmmsg(fd, messages + i, n - i, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (k < 0 && errno == EINTR)
			continue;
		if (k > 0)
			sent += (size_t)k;
		i += k > 0 ? (unsigned)k : 1;
	}
	return sent;
}

size_t prober_send(struct prober_queue *q)
{
	size_t sent = 0, n = q->packets.n;

	for (size_t i = 0; i < n;) {
		struct prober_packet *p = &q->packets.items[i];
		unsigned k = run_length(p, n - i);

		if (p->socket->fd >= 0)
			sent += send_run(p->socket->fd, p, k, q->bytes.data);
		i += k;
	}
	q->packets.n = 0;
	buf_reset(&q->bytes);
	return sent;
}

/* From here to the end of the control part. */
static size_t control_left(const struct msghdr *m, const struct cmsghdr *c)
{
	return m->msg_controllen - (size_t)((const char *)c - (const char *)m->msg_control);
}

unsigned prober_ttl(struct msghdr *m)
{
	struct cmsghdr *c = CMSG_FIRSTHDR(m);
	int ttl = 0;

	for (; c && c->cmsg_len <= control_left(m, c); c = CMSG_NXTHDR(m, c)) {
		if (c->cmsg_len < CMSG_LEN(sizeof(ttl)))
			continue;
		if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_TTL) ||
			(c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_HOPLIMIT))
			memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
	}
	return ttl < 0 ? 0 : (unsigned)ttl;
}

/* What a message to be received points at. */
struct slot {
	struct iovec data;
	sock_addr from;
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control;
};

/* Reports that a device has merged are as long as a packet may be; the IP header stands before. */
#define REPORTS_MAX (65536 + 64)
#define REPORTS_BATCH 8

void prober_inbox_init(struct prober_inbox *in)
{
	_Static_assert(REPORTS_MAX * REPORTS_BATCH >= PROBER_WORD_MAX * PROBER_BATCH,
		"the inbox is large enough for either");
	*in = (struct prober_inbox){.memory = mem_alloc((size_t)REPORTS_MAX * REPORTS_BATCH)};
}

void prober_inbox_done(struct prober_inbox *in)
{
	free(in->memory);
}

bool prober_receive(const struct prober_socket *s, struct prober_inbox *in)
{
	bool is_long = s->kind == PROBER_REPORT_IN;
	size_t size = is_long ? REPORTS_MAX : PROBER_WORD_MAX;
	unsigned max = is_long ? REPORTS_BATCH : PROBER_BATCH;
	struct mmsghdr messages[PROBER_BATCH];
	struct slot slots[PROBER_BATCH];
	int n;

	for (size_t i = 0; i < max; i++) {
		struct slot *slot = &slots[i];

		slot->data = (struct iovec){in->memory + i * size, size};
		messages[i].msg_hdr = (struct msghdr){
			.msg_name = &slot->from,
			.msg_namelen = sizeof(slot->from),
			.msg_iov = &slot->data,
			.msg_iovlen = 1,
			.msg_control = &slot->control,
			.msg_controllen = sizeof(slot->control),
		};
	}
	n = s->fd < 0 ? -1 : recvmmsg(s->fd, messages, max, MSG_DONTWAIT | MSG_TRUNC, NULL);
	in->n = n < 0 ? 0 : (size_t)n;
	for (size_t i = 0; i < in->n; i++)
		in->inputs[i] = (struct prober_input){
			.src = sock_addr_ip(&slots[i].from),
			.ttl = prober_ttl(&messages[i].msg_hdr),
			.len = messages[i].msg_len,
			.got = messages[i].msg_len < size ? messages[i].msg_len : size,
			.bytes = slots[i].data.iov_base,
		};
	return in->n == max;
}

/* Raw IPv4 sockets receive the IP header too, raw IPv6 ones don't. */
bool prober_parse_reply(const struct prober_input *in, struct echo_mark *ret)
{
	bool is_v4 = in->src.family == AF_INET;
	size_t at = 0;
	const uint8_t *b;

	if (is_v4) {
		if (in->len < sizeof(struct iphdr))
			return false;
		at = (size_t)(in->bytes[0] & 0xf) * 4;
		if (at < sizeof(struct iphdr))
			return false;
	}
	if (in->len < at + ECHO_LEN || in->len > in->got)
		return false;
	b = in->bytes + at;
	if (b[0] != (is_v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY) || b[1] != 0)
		return false;
	ret->id = (uint16_t)(b[4] << 8 | b[5]);
	ret->seq = (uint16_t)(b[6] << 8 | b[7]);
	memcpy(&ret->nonce, b + ECHO_HEADER, sizeof(ret->nonce));
	return true;
}

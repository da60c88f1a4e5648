/* SPDX-License-Identifier: MIT */
#include "tunnel/udp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/sock_diag.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SOCKET_BUFFER (7 * 1024 * 1024)
#define PORT_TRIES 100
#define CONTROL_OUT 128

struct udp_slot {
	struct iovec data;
	union {
		char bytes[CONTROL_OUT];
		struct cmsghdr align;
	} control;
};

struct udp {
	udp_log_fn *log; /* may be NULL */
	void *log_data;
	_Atomic int fd4, fd6;  /* -1: none; who binds writes */
	bool gso4, gso6;       /* UDP_SEGMENT works, as far as is known; who sends */
	uint64_t drops_before; /* of sockets that were closed; who binds */
	/* One call's messages, as sendmmsg takes them, and what each of them points at. */
	struct mmsghdr messages[UDP_BATCH];
	struct udp_slot slots[UDP_BATCH];
};

struct udp *udp_new(udp_log_fn *log, void *data)
{
	struct udp *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->log = log;
	u->log_data = data;
	atomic_store(&u->fd4, -1);
	atomic_store(&u->fd6, -1);
	return u;
}

static void close_fd(_Atomic int *fd)
{
	int old = atomic_exchange(fd, -1);

	if (old >= 0)
		close(old);
}

/* Asked for when it is told, so that receiving need not look. */
static uint32_t drops_of(int fd)
{
	uint32_t info[SK_MEMINFO_VARS] = {0};
	socklen_t n = sizeof(info);

	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_MEMINFO, info, &n) ||
		n <= SK_MEMINFO_DROPS * sizeof(info[0]))
		return 0;
	return info[SK_MEMINFO_DROPS];
}

uint64_t udp_receive_drops(struct udp *u)
{
	return u->drops_before + drops_of(udp_fd(u, AF_INET)) + drops_of(udp_fd(u, AF_INET6));
}

/* The datagrams that still wait in a socket, taken out; more don't come. */
static uint64_t discard_received(int fd)
{
	struct sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog refuse = {1, &nothing};
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr align;
	} control;
	char byte; /* qemu's user emulation receives nothing without a place for it */
	struct iovec place = {&byte, sizeof(byte)};
	uint64_t n = 0;
	ssize_t len;
	int off = 0;

	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &refuse, sizeof(refuse)))
		return 0;
	/* Then the size of GRO's segments is all that is told. */
	setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &off, sizeof(off));
	setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &off, sizeof(off));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &off, sizeof(off));
	setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &off, sizeof(off));
	for (;;) {
		struct msghdr m = {.msg_iov = &place,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes)};
		struct cmsghdr *c;
		int segment = 0;

		len = recvmsg(fd, &m, MSG_TRUNC | MSG_DONTWAIT);
		if (len < 0 && errno != EINTR)
			return n;
		if (len < 0)
			continue;
		c = CMSG_FIRSTHDR(&m);
		if (c && c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
			memcpy(&segment, CMSG_DATA(c), sizeof(segment));
		n += segment > 0 ? (uint64_t)(len + segment - 1) / (uint64_t)segment : 1;
	}
}

void udp_unbind(struct udp *u)
{
	uint64_t waiting =
		discard_received(udp_fd(u, AF_INET)) + discard_received(udp_fd(u, AF_INET6));

	u->drops_before = udp_receive_drops(u) + waiting;
	close_fd(&u->fd4);
	close_fd(&u->fd6);
}

void udp_free(struct udp *u)
{
	if (!u)
		return;
	udp_unbind(u);
	free(u);
}

int udp_fd(const struct udp *u, int family)
{
	return atomic_load_explicit(family == AF_INET ? &u->fd4 : &u->fd6, memory_order_acquire);
}

/* --- binding -------------------------------------------------------------------------------------
 */

static void set_buffer(int fd, int forced, int plain)
{
	int size = SOCKET_BUFFER;

	if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof(size)))
		setsockopt(fd, SOL_SOCKET, plain, &size, sizeof(size));
}

static void set_options(int fd, int family, bool *gso)
{
	int on = 1, off = 0, pmtu = IP_PMTUDISC_DONT, pmtu6 = IPV6_PMTUDISC_DONT, probe = 0;

	set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
	set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);
	if (family == AF_INET) {
		setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IP, IP_RECVTOS, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &pmtu, sizeof(pmtu));
	} else {
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_RECVTCLASS, &on, sizeof(on));
		setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &pmtu6, sizeof(pmtu6));
	}
	setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof(on));
	*gso = !setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &probe, sizeof(probe));
	(void)off;
}

/* A bound socket, or negative errno. */
static int open_socket(int family, uint16_t port, uint32_t fwmark, bool *gso)
{
	sock_addr any = {0};
	int on = 1, err, fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	any.sa.sa_family = (sa_family_t)family;
	if (family == AF_INET) {
		any.in4.sin_port = htons(port);
	} else {
		any.in6.sin6_port = htons(port);
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on));
	}
	set_options(fd, family, gso);
	if ((fwmark && setsockopt(fd, SOL_SOCKET, SO_MARK, &fwmark, sizeof(fwmark))) ||
		bind(fd, &any.sa, sock_addr_len(&any))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static uint16_t port_of(int fd)
{
	sock_addr a = {0};
	socklen_t len = sizeof(a);

	getsockname(fd, &a.sa, &len);
	return sock_addr_port(&a);
}

static bool family_is_missing(int err)
{
	return err == -EAFNOSUPPORT || err == -EADDRNOTAVAIL || err == -EPROTONOSUPPORT;
}

int udp_bind(struct udp *u, uint16_t *port, uint32_t fwmark)
{
	int fd4 = -1, fd6 = -1;
	uint16_t want = *port;
	bool gso4 = false, gso6 = false;

	for (unsigned i = 0; i < PORT_TRIES; i++) {
		want = *port;
		fd4 = open_socket(AF_INET, want, fwmark, &gso4);
		if (fd4 < 0 && !family_is_missing(fd4))
			return fd4;
		if (fd4 >= 0)
			want = port_of(fd4);
		fd6 = open_socket(AF_INET6, want, fwmark, &gso6);
		if (fd6 >= 0 || family_is_missing(fd6))
			break;
		if (fd4 >= 0)
			close(fd4);
		if (fd6 != -EADDRINUSE ||
			*port) /* with any port, another try may find one free in both */
			return fd6;
		fd4 = -1;
	}
	if (fd4 < 0 && fd6 < 0)
		return fd6;
	udp_unbind(u);
	u->gso4 = gso4;
	u->gso6 = gso6;
	*port = fd4 >= 0 ? want : port_of(fd6);
	atomic_store_explicit(&u->fd4, fd4 < 0 ? -1 : fd4, memory_order_release);
	atomic_store_explicit(&u->fd6, fd6 < 0 ? -1 : fd6, memory_order_release);
	return 0;
}

int udp_set_fwmark(struct udp *u, uint32_t fwmark)
{
	const int fds[] = {udp_fd(u, AF_INET), udp_fd(u, AF_INET6)};

	for (unsigned i = 0; i < 2; i++)
		if (fds[i] >= 0 && setsockopt(fds[i], SOL_SOCKET, SO_MARK, &fwmark, sizeof(fwmark)))
			return -errno;
	return 0;
}

/* --- sending -------------------------------------------------------------------------------------
 */

struct control {
	char *bytes;
	size_t len;
};

static void add_control(struct control *c, int level, int type, const void *value, size_t n)
{
	struct cmsghdr *h = (struct cmsghdr *)(void *)(c->bytes + c->len);

	h->cmsg_level = level;
	h->cmsg_type = type;
	h->cmsg_len = CMSG_LEN(n);
	memset(CMSG_DATA(h), 0, CMSG_SPACE(n) - CMSG_LEN(0));
	memcpy(CMSG_DATA(h), value, n);
	c->len += CMSG_SPACE(n);
}

static void add_source(struct control *c, const struct udp_endpoint *e)
{
	if (e->local.family == AF_INET && e->remote.sa.sa_family == AF_INET) {
		struct in_pktinfo info = {0};

		/* With an interface, Linux takes everything for on-link there if no route leads
		 * that way: a route that moves wouldn't be followed. */
		if (e->local.bytes[0] == 169 && e->local.bytes[1] == 254)
			info.ipi_ifindex = e->local_ifindex;
		memcpy(&info.ipi_spec_dst, e->local.bytes, 4);
		add_control(c, IPPROTO_IP, IP_PKTINFO, &info, sizeof(info));
	} else if (e->local.family == AF_INET6 && e->remote.sa.sa_family == AF_INET6) {
		struct in6_pktinfo info = {0};

		memcpy(&info.ipi6_addr, e->local.bytes, 16);
		if (IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr))
			info.ipi6_ifindex = (unsigned)e->local_ifindex;
		add_control(c, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof(info));
	}
}

static void fill_message(struct udp *u, size_t i, const struct udp_out *o)
{
	struct msghdr *m = &u->messages[i].msg_hdr;
	struct udp_slot *slot = &u->slots[i];
	struct control c = {slot->control.bytes, 0};
	bool v4 = o->to.remote.sa.sa_family == AF_INET;
	int tos = o->tos;

	slot->data = (struct iovec){(void *)(uintptr_t)o->data, o->len};
	*m = (struct msghdr){
		.msg_name = (void *)(uintptr_t)&o->to.remote.sa,
		.msg_namelen = sock_addr_len(&o->to.remote),
		.msg_iov = &slot->data,
		.msg_iovlen = 1,
	};
	add_source(&c, &o->to);
	if (tos)
		add_control(&c, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, &tos,
			sizeof(tos));
	if (o->len > o->segment) {
		uint16_t segment = (uint16_t)o->segment;

		add_control(&c, IPPROTO_UDP, UDP_SEGMENT, &segment, sizeof(segment));
	}
	if (c.len) {
		m->msg_control = c.bytes;
		m->msg_controllen = c.len;
	}
}

static size_t datagrams_of(const struct udp_out *o)
{
	return o->segment ? (o->len + o->segment - 1) / o->segment : 1;
}

/* An address that was taken away, or its interface: kernels differ in what they say then. */
static bool source_may_be_at_fault(const struct udp_out *o, int err)
{
	return o->to.local.family && (err == EINVAL || err == ENETUNREACH || err == EHOSTUNREACH ||
					     err == EADDRNOTAVAIL || err == ENODEV || err == ENXIO);
}

/* One message, from elsewhere if its source is what is wrong; 0 or errno. */
static int send_one(struct udp *u, int fd, const struct udp_out *o)
{
	struct udp_out bare = *o;

	fill_message(u, 0, o);
	if (sendmsg(fd, &u->messages[0].msg_hdr, 0) >= 0)
		return 0;
	if (!source_may_be_at_fault(o, errno))
		return errno;
	bare.to.local.family = 0;
	fill_message(u, 0, &bare);
	return sendmsg(fd, &u->messages[0].msg_hdr, 0) >= 0 ? 0 : errno;
}

/* The same datagrams one by one, without UDP_SEGMENT. */
static size_t send_singly(struct udp *u, int fd, const struct udp_out *o, int *last)
{
	size_t sent = 0;

	for (size_t at = 0; at < o->len || !at; at += o->segment ? o->segment : 1) {
		struct udp_out one = *o;
		int err;

		one.data += at;
		one.len = o->len - at < o->segment ? o->len - at : o->segment;
		one.segment = one.len;
		err = send_one(u, fd, &one);
		if (err)
			*last = err;
		else
			sent++;
		if (!o->segment)
			break;
	}
	return sent;
}

static bool gso_may_be_at_fault(int err)
{
	return err == EIO || err == EINVAL || err == EMSGSIZE;
}

static void note_gso_failure(struct udp *u, bool v4, int err)
{
	bool *works = v4 ? &u->gso4 : &u->gso6;
	char line[160];

	/* A path of a smaller MTU says EMSGSIZE for its own peer only. */
	if (err == EMSGSIZE || !*works)
		return;
	*works = false;
	snprintf(line, sizeof(line),
		"UDP segmentation offload fails on %s (%s); going on without it",
		v4 ? "IPv4" : "IPv6", strerror(err));
	if (u->log)
		u->log(line, u->log_data);
}

/* One message that sendmmsg refused. */
static size_t rescue(struct udp *u, int fd, const struct udp_out *o, int err, int *last)
{
	bool v4 = o->to.remote.sa.sa_family == AF_INET;

	if (source_may_be_at_fault(o, err)) {
		err = send_one(u, fd, o);
		if (!err)
			return datagrams_of(o);
	}
	*last = err;
	if (o->len > o->segment && gso_may_be_at_fault(err)) {
		size_t sent = send_singly(u, fd, o, last);

		/* Else it was the endpoint's fault: a port of 0, say, which is never sent to. */
		if (sent)
			note_gso_failure(u, v4, err);
		return sent;
	}
	return 0;
}

/* A run of one family, at most UDP_BATCH. */
static size_t send_run(struct udp *u, int fd, const struct udp_out *out, size_t n, int *last)
{
	bool gso = out[0].to.remote.sa.sa_family == AF_INET ? u->gso4 : u->gso6;
	size_t at = 0, sent = 0;

	for (size_t i = 0; i < n; i++)
		fill_message(u, i, &out[i]);
	while (at < n) {
		int done;

		if (!gso && out[at].len > out[at].segment) {
			sent += send_singly(u, fd, &out[at], last);
			fill_message(u, 0, &out[0]);
			at++;
			continue;
		}
		done = sendmmsg(fd, u->messages + at, (unsigned)(n - at), 0);
		if (done > 0) {
			for (int i = 0; i < done; i++)
				sent += datagrams_of(&out[at + (size_t)i]);
			at += (size_t)done;
		} else if (errno != EINTR) {
			sent += rescue(u, fd, &out[at], errno, last);
			fill_message(u, 0, &out[0]);
			at++;
		}
	}
	return sent;
}

size_t udp_send(struct udp *u, const struct udp_out *out, size_t n, int *ret_errno)
{
	size_t sent = 0;
	int last = 0;

	for (size_t i = 0, end; i < n; i = end) {
		sa_family_t family = out[i].to.remote.sa.sa_family;
		int fd = udp_fd(u, family);

		for (end = i + 1;
			end < n && end - i < UDP_BATCH && out[end].to.remote.sa.sa_family == family;
			end++)
			;
		if (fd < 0)
			last = EAFNOSUPPORT;
		else
			sent += send_run(u, fd, out + i, end - i, &last);
	}
	if (ret_errno)
		*ret_errno = last;
	return sent;
}

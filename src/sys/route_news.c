/* SPDX-License-Identifier: MIT */
#include "sys/route_news_internal.h"

#include "base/mem.h"
#include "base/vec.h"
#include <errno.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A system call for several: one message may be as long as a chunk of a dump, most have 70 bytes.
 */
#define DATAGRAMS 16
#define DATAGRAM_MAX 32768

struct route_news_socket {
	int fd;
	struct mmsghdr headers[DATAGRAMS];
	struct iovec parts[DATAGRAMS];
	struct sockaddr_nl from[DATAGRAMS];
	_Alignas(8) char bytes[DATAGRAMS][DATAGRAM_MAX];
};

/* --- listening ------------------------------------------------------------------------------ */

static int join(int fd)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
		RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};
	int nexthops = RTNLGRP_NEXTHOP;

	for (size_t i = 0; i < ARRAY_SIZE(groups); i++)
		if (setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &groups[i],
			    sizeof(groups[i])) < 0)
			return -errno;
	/* Since Linux 5.3; before, there are none. */
	(void)setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &nexthops, sizeof(nexthops));
	return 0;
}

static void prepare(struct route_news_socket *s)
{
	for (size_t i = 0; i < DATAGRAMS; i++) {
		s->parts[i] = (struct iovec){s->bytes[i], sizeof(s->bytes[i])};
		s->headers[i].msg_hdr = (struct msghdr){.msg_name = &s->from[i],
			.msg_namelen = sizeof(s->from[i]),
			.msg_iov = &s->parts[i],
			.msg_iovlen = 1};
	}
}

int route_news_open(int room, struct route_news_socket **ret)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int err;

	if (fd < 0)
		return -errno;
	/* Less room costs a dump now and then, and nothing else. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	err = bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0 ? -errno : join(fd);
	if (err) {
		close(fd);
		return err;
	}
	*ret = mem_zalloc(1, sizeof(**ret));
	(*ret)->fd = fd;
	return 0;
}

void route_news_close(struct route_news_socket *s)
{
	if (!s)
		return;
	close(s->fd);
	free(s);
}

int route_news_fd(const struct route_news_socket *s)
{
	return s->fd;
}

/* Those that were received; 0 or -ENOBUFS. */
static int tell(struct route_news_socket *s, size_t n, route_news_fn *fn, void *data)
{
	for (size_t i = 0; i < n; i++) {
		const struct mmsghdr *m = &s->headers[i];

		/* Anybody may write to the port; the kernel's words count. */
		if (m->msg_hdr.msg_namelen != sizeof(s->from[i]) || s->from[i].nl_pid)
			continue;
		if (m->msg_hdr.msg_flags & MSG_TRUNC ||
			!route_news_parse(s->bytes[i], m->msg_len, fn, data))
			return -ENOBUFS;
	}
	return 0;
}

int route_news_read(struct route_news_socket *s, unsigned most, route_news_fn *fn, void *data)
{
	unsigned n_read = 0;

	while (n_read < most) {
		unsigned want = most - n_read < DATAGRAMS ? most - n_read : DATAGRAMS;
		int n;

		prepare(s);
		n = recvmmsg(s->fd, s->headers, want, MSG_DONTWAIT, NULL);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? (int)n_read : -errno;
		if (tell(s, (size_t)n, fn, data) < 0)
			return -ENOBUFS;
		n_read += (unsigned)n;
		if ((unsigned)n < want)
			break;
	}
	return (int)n_read;
}

/* --- dumps ---------------------------------------------------------------------------------- */

/* Messages one behind the other, until all are there. */
struct gathered {
	VEC(char) bytes;
	VEC(size_t) parts; /* where each datagram begins */
	const char *next;  /* where a message of the same datagram would be */
};

static void forget(void *data)
{
	struct gathered *g = data;

	g->bytes.n = 0;
	g->parts.n = 0;
	g->next = NULL;
}

static int gather(const struct nlmsghdr *h, void *data)
{
	struct gathered *g = data;
	size_t n = NLMSG_ALIGN(h->nlmsg_len);

	if ((const char *)h != g->next)
		vec_push(&g->parts, g->bytes.n);
	g->next = (const char *)h + n;
	vec_reserve(&g->bytes, g->bytes.n + n);
	memset(g->bytes.items + g->bytes.n + n - NLMSG_ALIGNTO, 0, NLMSG_ALIGNTO);
	memcpy(g->bytes.items + g->bytes.n, h, h->nlmsg_len);
	g->bytes.n += n;
	return 0;
}

static struct nlmsghdr *ask(struct nl *nl, const struct route_news_question *q)
{
	struct nlmsghdr *h = nl_begin(nl, q->family ? RTM_GETROUTE : RTM_GETNEXTHOP, NLM_F_DUMP);
	struct rtmsg *m;

	if (!q->family) {
		mnl_nlmsg_put_extra_header(h, sizeof(struct nhmsg));
		return h;
	}
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	m->rtm_family = (uint8_t)q->family;
	m->rtm_protocol = q->protocol;
	if (q->table)
		mnl_attr_put_u32(h, RTA_TABLE, q->table);
	return h;
}

/* What a question about all passes on to the one who asked. */
struct sieve {
	const struct route_news_question *q;
	route_news_fn *fn;
	void *data;
};

/* Older kernels don't filter. */
static bool sift(const struct route_news *news, void *data)
{
	const struct sieve *s = data;
	const struct kernel_route *r = &news->u.route;

	if (news->type == ROUTE_NEWS_ROUTE &&
		((s->q->table && r->table != s->q->table) ||
			(s->q->protocol && r->protocol != s->q->protocol)))
		return true;
	return s->fn(news, s->data);
}

static void tell_parts(const struct gathered *g, struct sieve *s)
{
	static const struct route_news part = {.type = ROUTE_NEWS_PART};

	for (size_t i = 0; i < g->parts.n; i++) {
		size_t from = g->parts.items[i];
		size_t to = i + 1 < g->parts.n ? g->parts.items[i + 1] : g->bytes.n;

		if (!s->fn(&part, s->data) ||
			!route_news_parse(g->bytes.items + from, to - from, sift, s))
			return;
	}
}

int route_news_dump_over(
	struct nl *nl, const struct route_news_question *q, route_news_fn *fn, void *data)
{
	struct sieve sieve = {q, fn, data};
	struct gathered g = {0};
	int err = nl_dump(nl, ask(nl, q), gather, forget, &g);

	/* There is no such table; or no next-hop objects at all (before Linux 5.3). */
	if (err == -ENOENT || (!q->family && err == -EOPNOTSUPP)) {
		forget(&g);
		err = 0;
	}
	if (!err)
		tell_parts(&g, &sieve);
	vec_done(&g.bytes);
	vec_done(&g.parts);
	return err;
}

int route_news_dump(const struct route_news_question *q, route_news_fn *fn, void *data)
{
	struct nl *nl;
	int err = nl_open(NETLINK_ROUTE, &nl);

	if (err < 0)
		return err;
	err = route_news_dump_over(nl, q, fn, data);
	nl_close(nl);
	return err;
}

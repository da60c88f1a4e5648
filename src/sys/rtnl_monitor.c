/* SPDX-License-Identifier: MIT */
#include "sys/rtnl_internal.h"

#include "base/mem.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/nexthop.h>
#include <linux/rtnetlink.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#define MONITOR_RCVBUF (1 << 20)

struct rtnl_monitor {
	int fd;
};

/* The groups of RTNLGRP_* as bits. */
static uint32_t groups_of(unsigned what)
{
	uint32_t groups = 0;

	if (what & RTNL_LINK)
		groups |= RTMGRP_LINK;
	if (what & RTNL_ADDR)
		groups |= RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
	if (what & RTNL_ROUTE)
		groups |= RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
	if (what & RTNL_RULE)
		groups |= RTMGRP_IPV4_RULE | UINT32_C(1) << (RTNLGRP_IPV6_RULE - 1);
	return groups;
}

int rtnl_monitor_open_for(unsigned what, int room, struct rtnl_monitor **ret)
{
	struct sockaddr_nl self = {.nl_family = AF_NETLINK, .nl_groups = groups_of(what)};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	int nexthops = RTNLGRP_NEXTHOP;

	if (fd < 0)
		return -errno;
	if (bind(fd, (struct sockaddr *)&self, sizeof(self)) < 0) {
		int err = -errno;

		close(fd);
		return err;
	}
	/* Since Linux 5.3; before, there are none. */
	if (what & RTNL_RULE)
		(void)setsockopt(
			fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &nexthops, sizeof(nexthops));
	/* An overrun costs a full look only, so a refusal matters little. */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)) < 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	*ret = mem_zalloc(1, sizeof(**ret));
	(*ret)->fd = fd;
	return 0;
}

int rtnl_monitor_open(struct rtnl_monitor **ret)
{
	return rtnl_monitor_open_for(
		RTNL_LINK | RTNL_ADDR | RTNL_ROUTE | RTNL_RULE, MONITOR_RCVBUF, ret);
}

int rtnl_monitor_everywhere(struct rtnl_monitor *m)
{
	int on = 1;

	return setsockopt(m->fd, SOL_NETLINK, NETLINK_LISTEN_ALL_NSID, &on, sizeof(on)) < 0 ? -errno
											    : 0;
}

/* --- what is left out ----------------------------------------------------------------------------
 */

/* Where a notification, one to a datagram, has what the filter looks at. */
#define AT_TYPE offsetof(struct nlmsghdr, nlmsg_type)
#define AT_ROUTE_PROTOCOL (NLMSG_HDRLEN + offsetof(struct rtmsg, rtm_protocol))
#define AT_NEXTHOP_PROTOCOL (NLMSG_HDRLEN + offsetof(struct nhmsg, nh_protocol))
#define PROTOCOLS_MAX 100 /* jumps reach over 255 instructions */

/* Of a type in the machine's order, as a filter loads it. */
static uint32_t as_loaded(uint16_t type)
{
	return htons(type);
}

/*
 *	0 load the type   1, 2 of a route: to 7   3, 4 of a next hop: to 5, else take it
 *	5 load a next hop's protocol   6 to 8   7 load a route's protocol
 *	8 ... for each protocol: drop it   9 + n take it   10 + n drop it
 */
static size_t make_filter(const uint8_t *protocols, size_t n, struct sock_filter *f)
{
	size_t k = 0;

	f[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_H | BPF_ABS, AT_TYPE);
	f[k++] = (struct sock_filter)BPF_JUMP(
		BPF_JMP | BPF_JEQ | BPF_K, as_loaded(RTM_NEWROUTE), 5, 0);
	f[k++] = (struct sock_filter)BPF_JUMP(
		BPF_JMP | BPF_JEQ | BPF_K, as_loaded(RTM_DELROUTE), 4, 0);
	f[k++] = (struct sock_filter)BPF_JUMP(
		BPF_JMP | BPF_JEQ | BPF_K, as_loaded(RTM_NEWNEXTHOP), 1, 0);
	f[k++] = (struct sock_filter)BPF_JUMP(
		BPF_JMP | BPF_JEQ | BPF_K, as_loaded(RTM_DELNEXTHOP), 0, (uint8_t)(n + 4));
	f[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_NEXTHOP_PROTOCOL);
	f[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0);
	f[k++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_B | BPF_ABS, AT_ROUTE_PROTOCOL);
	for (size_t i = 0; i <= n; i++)
		f[k++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
			i < n ? protocols[i] : RTPROT_ZEBRA, (uint8_t)(n - i + 1), 0);
	f[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, UINT32_MAX);
	f[k++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, 0);
	return k;
}

int rtnl_monitor_ignore(struct rtnl_monitor *m, const uint8_t *protocols, size_t n)
{
	struct sock_filter filter[PROTOCOLS_MAX + 16];
	struct sock_fprog program = {.filter = filter};
	int any = 0;

	if (n > PROTOCOLS_MAX)
		return -E2BIG;
	if (!n) /* -ENOENT: there was none */
		return setsockopt(m->fd, SOL_SOCKET, SO_DETACH_FILTER, &any, sizeof(any)) < 0 &&
				       errno != ENOENT
			       ? -errno
			       : 0;
	program.len = (unsigned short)make_filter(protocols, n, filter);
	return setsockopt(m->fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0
		       ? -errno
		       : 0;
}

void rtnl_monitor_close(struct rtnl_monitor *m)
{
	if (!m)
		return;
	close(m->fd);
	free(m);
}

int rtnl_monitor_fd(const struct rtnl_monitor *m)
{
	return m->fd;
}

static int what_of(uint16_t type)
{
	switch (type) {
	case RTM_NEWLINK:
	case RTM_DELLINK:
		return RTNL_LINK;
	case RTM_NEWADDR:
	case RTM_DELADDR:
		return RTNL_ADDR;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWNEXTHOP:
	case RTM_DELNEXTHOP:
		return RTNL_ROUTE;
	case RTM_NEWRULE:
	case RTM_DELRULE:
		return RTNL_RULE;
	}
	return 0;
}

int rtnl_monitor_parse(char *bytes, size_t n)
{
	struct nlmsghdr *h = (void *)bytes;
	int what = 0;

	for (; nl_message_ok(h, n); h = nl_message_next(h, &n))
		what |= what_of(h->nlmsg_type);
	return what;
}

int rtnl_monitor_read(struct rtnl_monitor *m)
{
	_Alignas(8) char buf[16384];
	int what = 0;

	for (;;) {
		ssize_t n = recv(m->fd, buf, sizeof(buf), MSG_TRUNC);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN)
			return what;
		if (n < 0 && errno != ENOBUFS)
			return -errno;
		if (n < 0 || (size_t)n > sizeof(buf)) {
			what |= RTNL_OVERRUN;
			continue;
		}
		what |= rtnl_monitor_parse(buf, (size_t)n);
	}
}

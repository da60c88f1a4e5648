/* SPDX-License-Identifier: MIT */
#include "sys/rtnl_internal.h"

#include "base/mem.h"
#include <errno.h>
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

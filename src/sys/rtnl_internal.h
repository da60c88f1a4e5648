/* SPDX-License-Identifier: MIT */
/* Shared by the files of rtnl: links and addresses, routes, rules. */
#ifndef SHUNT_SYS_RTNL_INTERNAL_H
#define SHUNT_SYS_RTNL_INTERNAL_H

#include "sys/nl.h"
#include "sys/rtnl.h"
#include <linux/rtnetlink.h>

struct rtnl {
	struct nl *nl;
};

/* The attribute of an address' bytes, 4 or 16 by family. */
void rtnl_put_addr(struct nlmsghdr *h, uint16_t type, int family, const uint8_t *bytes);

/* What one datagram of n bytes, aligned for struct nlmsghdr, tells the monitor. */
int rtnl_monitor_parse(char *bytes, size_t n);

#endif

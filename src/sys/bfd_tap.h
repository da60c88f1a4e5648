/* SPDX-License-Identifier: MIT */
/*
 * Sees BFD control packets (UDP port 3784) where they cross an interface: those that come in before
 * any firewall, those that leave behind it. Only packets in another state than Up, so that healthy
 * sessions cost nothing. It takes nothing away from anybody.
 */
#ifndef SHUNT_SYS_BFD_TAP_H
#define SHUNT_SYS_BFD_TAP_H

#include "base/prefix.h"

/* A descriptor, or negative errno. */
int bfd_tap_open(unsigned ifindex);
/* Takes the next packet that was seen: the peer's address and whether we sent it; false: none
 * waits. Never waits. */
bool bfd_tap_next(int fd, ip_addr *ret_peer, bool *ret_outgoing);

#endif

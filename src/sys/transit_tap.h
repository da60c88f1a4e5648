/* SPDX-License-Identifier: MIT */
/*
 * Sees packets that come in by an interface, so that somebody can tell who sends by way of this
 * machine. BFD is left out (UDP port 3784): it comes many times a second and ends here. Of more
 * than a few hundred between two looks the rest isn't seen. It takes nothing away from anybody.
 */
#ifndef SHUNT_SYS_TRANSIT_TAP_H
#define SHUNT_SYS_TRANSIT_TAP_H

#include "base/prefix.h"

/* A descriptor, or negative errno. */
int transit_tap_open(unsigned ifindex);
/* Takes the next packet that was seen; false: none waits. Never waits. */
bool transit_tap_next(int fd, ip_addr *ret_from, ip_addr *ret_to);

#endif

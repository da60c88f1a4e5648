/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_DAEMON_TAKEDOWN_H
#define SHUNT_DAEMON_TAKEDOWN_H

#include "daemon/daemon.h"

/* Takes away our rules, the routes that refuse, and our table in nftables, before the device goes;
 * its routes and addresses go with it. The FIB thread has ended. */
void takedown_kernel(struct daemon *d);

#endif

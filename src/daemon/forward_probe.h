/* SPDX-License-Identifier: MIT */
/*
 * Forward chains on this machine that stop what the mesh sends through it: from peer to peer on a
 * hub, and from the tunnel to the networks behind this node. Read from nftables now and then;
 * rules of iptables-legacy can't be read so.
 */
#ifndef SHUNT_DAEMON_FORWARD_PROBE_H
#define SHUNT_DAEMON_FORWARD_PROBE_H

#include "daemon/daemon.h"

struct forward_probe {
	fib_troubles found;
	instant look_at;
	struct nft *nft; /* NULL: not opened yet */
};

/* Looks if it is time to. */
void forward_probe_step(struct forward_probe *p, const struct daemon *d, instant now);
void forward_probe_name(const struct forward_probe *p,
	void (*fn)(const char *what, const char *fix, void *data), void *data);
void forward_probe_done(struct forward_probe *p);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The device follows its interface: up, down, MTU, gone, by whatever name and in whatever network
 * namespace it is. News of links come by netlink, of other namespaces too where that is allowed
 * (CAP_NET_BROADCAST); an interface that went up elsewhere says so by the TUN itself, which can be
 * written then. So nothing is looked at while nothing happens, but for what no news comes of: a
 * port that is taken, and an interface in another namespace without that right, once a second.
 */
#ifndef SHUNT_TUNNEL_WATCH_H
#define SHUNT_TUNNEL_WATCH_H

#include "tunnel/tun.h"
#include <uv.h>

struct tunnel;
struct watch;

struct watch_calls {
	/* What an operator may want to read; an error: should. */
	void (*said)(bool is_error, const char *line, void *data);
	/* The interface was deleted. */
	void (*gone)(void *data);
	void *data;
};

/* Before capabilities are given up and threads run: opens what it needs. 0 or negative errno. */
int watch_new(const struct tun *tun, const struct watch_calls *calls, struct watch **ret);
/* Looks at the interface and goes on in the loop. 0 or negative errno; watch_stop after both. */
int watch_start(struct watch *w, uv_loop_t *loop, struct tunnel *t);
/* Closes its handles; the loop must run once more before watch_free. */
void watch_stop(struct watch *w);
/* Accepts NULL. */
void watch_free(struct watch *w);

#endif

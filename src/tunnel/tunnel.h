/* SPDX-License-Identifier: MIT */
/* A device's life: made on a TUN, its threads started, up and down with its interface, ended.
 * Configured by config.h. */
#ifndef SHUNT_TUNNEL_TUNNEL_H
#define SHUNT_TUNNEL_TUNNEL_H

#include "tunnel/config.h"
#include "tunnel/tun.h"
#include "tunnel/udp.h"

/* Takes over tun; starts the threads. NULL if there is no memory or no thread; log is for
 * what the operator should know. */
struct tunnel *tunnel_new(const struct tun *tun, int n_workers, udp_log_fn *log, void *data);
/* Ends the threads, wipes all keys, closes the TUN. Accepts NULL. */
void tunnel_free(struct tunnel *t);

/* The interface went up: binds the sockets (0 or negative errno of bind), keepalives go out; or
 * down: sockets closed, sessions wiped. */
int tunnel_up(struct tunnel *t);
void tunnel_down(struct tunnel *t);
bool tunnel_is_up(struct tunnel *t);
/* The interface has this MTU now; the TUN's gso_max_size follows. */
void tunnel_set_mtu(struct tunnel *t, unsigned mtu);
/* The AEAD's back end, for --version and the log. */
const char *tunnel_aead_name(const struct tunnel *t);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Where each peer is: its endpoint from the inventory, resolved. Numeric ones are known at once;
 * names are asked for in libuv's threads, at the start and again whenever the device has had no
 * handshake with the peer for longer than a working session can go (or the peer is down), with a
 * growing pause. An endpoint that the device learned by roaming is never overwritten while
 * handshakes succeed.
 */
#ifndef SHUNT_DAEMON_ENDPOINTS_H
#define SHUNT_DAEMON_ENDPOINTS_H

#include "base/time.h"
#include "daemon/generation.h"
#include <uv.h>

struct endpoints;

/* The peer's name now stands for this address: set it on the device if it has another. */
typedef void endpoints_fn(uint32_t peer, const sock_addr *endpoint, void *data);

struct endpoints *endpoints_new(uv_loop_t *loop, endpoints_fn *resolved, void *data);
/* Answers that are still under way are dropped. Accepts NULL. */
void endpoints_free(struct endpoints *e);

/*
 * Takes the generation's peers and borrows it until the next call, so the one before must still be
 * there; what is known of names that stay is kept. Starts to resolve the others.
 */
void endpoints_set(struct endpoints *e, const struct generation *g, instant now);
/* Answers are still under way. */
bool endpoints_are_asked(const struct endpoints *e);
/* In the order of gen->peers; AF_UNSPEC where nothing is known. Valid until the next endpoints_set.
 */
const sock_addr *endpoints_of_peers(const struct endpoints *e);
/* Where the peer was to be found by the generation before, if that has changed; else AF_UNSPEC. */
sock_addr endpoints_before(const struct endpoints *e, uint32_t peer);
/* The name that can't be resolved, so that nothing is known of where the peer is; NULL: none. */
const char *endpoints_unknown(const struct endpoints *e, uint32_t peer);
/* The peer can't be reached as it is: resolve its name again unless that was done a short time ago.
 */
void endpoints_overdue(struct endpoints *e, uint32_t peer, instant now);
/* The peer works: the pause shrinks to its start. */
void endpoints_working(struct endpoints *e, uint32_t peer);

#endif

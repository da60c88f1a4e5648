/* SPDX-License-Identifier: MIT */
/*
 * Where each peer is: what the inventory says (an address, or a name that somebody resolves), what
 * the device says, and who may overwrite whom. Names are asked for at the start, and again whenever
 * a peer is overdue, with a growing pause. An endpoint that the device learned by roaming is never
 * overwritten while handshakes succeed. Pure: it neither asks nor sets anything.
 */
#ifndef SHUNT_DAEMON_ENDPOINTS_H
#define SHUNT_DAEMON_ENDPOINTS_H

#include "base/time.h"
#include "daemon/generation.h"

struct endpoints;

struct endpoints *endpoints_new(void);
/* Accepts NULL. */
void endpoints_free(struct endpoints *e);

/*
 * Takes the generation's peers and borrows it until the next call, so the one before must still be
 * there; what is known of names that stay, and of the device, is kept.
 */
void endpoints_set(struct endpoints *e, const struct generation *g, instant now);
/* In the order of gen->peers; AF_UNSPEC where nothing is known. Valid until the next endpoints_set.
 */
const sock_addr *endpoints_of_peers(const struct endpoints *e);
/* What the peer's name stands for now; AF_UNSPEC: nothing that is known. */
sock_addr endpoints_of(const struct endpoints *e, uint32_t peer);
/* Where the device sends to the peer now; AF_UNSPEC: nowhere. */
sock_addr endpoints_set_on_device(const struct endpoints *e, uint32_t peer);
/* A name, and nothing is known of where the peer is. */
bool endpoints_is_open(const struct endpoints *e, uint32_t peer);
/* The name that can't be resolved, so that nothing is known of where the peer is; NULL: none. */
const char *endpoints_unknown(const struct endpoints *e, uint32_t peer);

/* What to do for a peer that can't be reached as it is. */
enum endpoints_next {
	ENDPOINTS_WAIT, /* it was done a short time ago, or there is nothing to do */
	ENDPOINTS_ASK,	/* resolve its name: endpoints_name */
	ENDPOINTS_OFFER /* it is known without: endpoints_of */
};

enum endpoints_next endpoints_overdue(struct endpoints *e, uint32_t peer, instant now);
/* The peer works: the pause shrinks to its start. */
void endpoints_working(struct endpoints *e, uint32_t peer);
/* The name of a peer that has one. Valid as long as the generation. */
const struct mesh_endpoint *endpoints_name(const struct endpoints *e, uint32_t peer);
/* The answer, n addresses in the resolver's order, of which the next after the one in use is taken;
 * none: it failed. True if there is one. */
bool endpoints_resolved(struct endpoints *e, uint32_t peer, const sock_addr *addrs, size_t n);

/* What the device was found to have by a look that began then; AF_UNSPEC: no endpoint, NULL: not
 * even the peer. A look says nothing of an endpoint that is given meanwhile. */
void endpoints_read(struct endpoints *e, uint32_t peer, const sock_addr *on_device, instant began);
/* The device is asked to take an endpoint, which may take its time, and has done so, or refused.
 * Each generation begins with none. */
void endpoints_giving(struct endpoints *e, uint32_t peer, const sock_addr *endpoint);
void endpoints_given(
	struct endpoints *e, uint32_t peer, const sock_addr *endpoint, bool well, instant now);
/* Whether the device may be given endpoints_of(peer): it isn't given one already, and has none, or
 * that of a generation before, or another and the peer is overdue. */
bool endpoints_may_set(const struct endpoints *e, uint32_t peer, bool overdue);
bool endpoints_is_on_device(const struct endpoints *e, uint32_t peer); /* the peer */
/* A generation before, which the device may still follow, said another place than this one, and
 * both are known. */
bool endpoints_has_moved(const struct endpoints *e, uint32_t peer);

#endif

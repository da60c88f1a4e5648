/* SPDX-License-Identifier: MIT */
/*
 * What happens to a device and its peers, told while it happens to one listener, the verbose log.
 * Names are those by which wireguard-go's users know the events; no secret is in one, and none is
 * told for a packet with data.
 */
#ifndef SHUNT_TUNNEL_EVENTS_H
#define SHUNT_TUNNEL_EVENTS_H

#include "base/key.h"
#include "base/time.h"
#include <stdbool.h>

struct tunnel;

/* peer: whom it happened to, NULL: the device. Called by any thread, also under locks: it must not
 * call back. */
typedef void tunnel_event_fn(const wg_key *peer, const char *what, void *data);

/* From now on; once in a device's life, before it is up. */
void tunnel_listen(struct tunnel *t, tunnel_event_fn *fn, void *data);
/* Nothing but a look at a pointer while nobody listens. */
void tunnel_tell(struct tunnel *t, const wg_key *peer, const char *what);

#define EVENT_PEER_STRLEN 32

/* "peer(AbCd…wxyz)": enough of the key to know it by. Returns buf. */
const char *event_peer_name(const wg_key *peer, char buf[static EVENT_PEER_STRLEN]);

#define EVENT_LINES_PER_S 100

/* A limit of lines, serialised by its owner. */
struct event_limit {
	instant since;
	unsigned n, left_out;
};

/* May a line be written at now? ret_left_out: how many weren't, before it; told once. */
bool event_limit_allow(struct event_limit *l, instant now, unsigned *ret_left_out);

#endif

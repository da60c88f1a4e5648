/* SPDX-License-Identifier: MIT */
/*
 * Whether a peer's key is in use on two machines: a clone of a virtual machine, a copied file. Both
 * call, each handshake takes the session from the other, and the peer's endpoint goes back and
 * forth between two addresses, since packets of either are valid for a while.
 *
 * A node that roams isn't taken for two, nor is one behind two lines: it keeps its session where it
 * goes. So it takes both: endpoints A, B, A, B within CLONE_WINDOW, and unrest, which is more
 * handshakes in that time than renewals need, or some and a verdict that flaps, or two that are
 * closer than renewals are while the endpoint goes to and fro without a rest.
 */
#ifndef SHUNT_LIVE_CLONE_H
#define SHUNT_LIVE_CLONE_H

#include "base/prefix.h"
#include "base/time.h"

#define CLONE_WINDOW (120 * NS_PER_S)
/* So long after the last change it is still said. */
#define CLONE_MEMORY (180 * NS_PER_S)
#define CLONE_CALLS 4
#define CLONE_HANDSHAKES 3
/* Without a rest: so many within so short a time, in which there are two handshakes as well. */
#define CLONE_CALLS_MANY 12
#define CLONE_SHORT (60 * NS_PER_S)
#define CLONE_FLAPS 3

/* A peer as the device and the probes report it. */
struct clone_sample {
	int64_t handshake; /* the last one: any number that changes with it; 0: none */
	sock_addr endpoint;
	unsigned flaps; /* not yet forgotten */
};

/* All zero: nothing seen yet. */
struct clone_watch {
	int64_t handshake;
	instant handshakes[CLONE_HANDSHAKES]; /* the latest first */
	unsigned n_handshakes;
	struct clone_call {
		sock_addr from;
		instant at;	   /* the first of it since another */
	} calls[CLONE_CALLS_MANY]; /* the latest first */
	unsigned n_calls;
	instant named_at; /* meaningful if pair[0] is set */
	sock_addr pair[2];
};

void clone_note(struct clone_watch *w, const struct clone_sample *s, instant now);
/* True if it seems to be two; the two endpoints, always in the same order. */
bool clone_is_two(const struct clone_watch *w, instant now, sock_addr ret[static 2]);
/* True if its endpoint has changed lately, so that looking more often would tell. */
bool clone_is_open(const struct clone_watch *w, instant now);

#endif

/* SPDX-License-Identifier: MIT */
/* What the engine decides is done: the only one who gives it events. */
#ifndef SHUNT_DAEMON_ACTIONS_H
#define SHUNT_DAEMON_ACTIONS_H

#include "daemon/daemon.h"

/* Gives the engine an event, carries out what it answers, tells it how that went, and so on until
 * nothing is left to do; then waits for its deadline. */
void actions_feed(struct daemon *d, const struct engine_event *event);
/* The same for events that are no more than their type. */
void actions_feed_type(struct daemon *d, enum engine_event_type type);
/* fib_thread_hooks.order_done with the daemon as data. */
void actions_on_order_done(uint64_t seq, int err, instant at, fib_troubles *troubles, void *daemon);
/* What was to be remembered is, or err says why it isn't. */
void actions_on_remembered(
	struct daemon *d, const struct engine_drain *drain, uint64_t generation, int err);
/* resolver_fn with the daemon as data. */
void actions_on_resolved(const struct resolver_tag *tag, const char *host, const sock_addr *addrs,
	size_t n, int err, void *daemon);

#endif

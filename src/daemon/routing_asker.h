/* SPDX-License-Identifier: MIT */
/*
 * Asks this node's routing engine for its BGP sessions, every few seconds, for `shunt status` and
 * its problems: no verdict and no route depends on what it says. The connection is kept. Nobody
 * waits for an answer, and it is read into what it says on a thread of libuv's.
 */
#ifndef SHUNT_DAEMON_ROUTING_ASKER_H
#define SHUNT_DAEMON_ROUTING_ASKER_H

#include "daemon/routing_talk.h"
#include <uv.h>

#define ROUTING_ASK_PERIOD (5 * NS_PER_S)
#define ROUTING_ASK_PATIENCE (2 * NS_PER_S)

struct routing_asker;

struct routing_asker *routing_asker_new(uv_loop_t *loop);
/* Before the loop ends. Accepts NULL. */
void routing_asker_free(struct routing_asker *a);
/* The node's own routing from now on: where another engine or socket is stated than before, it is
 * asked anew. An engine that can't be asked isn't. */
void routing_asker_set(struct routing_asker *a, const struct mesh_routing *r);
/* Once a second. */
void routing_asker_step(struct routing_asker *a, instant now);

void routing_asker_look(const struct routing_asker *a, struct routing_said *ret);

#endif

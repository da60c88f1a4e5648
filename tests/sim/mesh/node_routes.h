/* SPDX-License-Identifier: MIT */
/*
 * What a daemon makes of its routing engine's routes: the real mirror and the real source, fed by
 * news of the kernel and dumps, as the reader's thread does it; words go to the engine.
 */
#ifndef SHUNT_TESTS_SIM_MESH_NODE_ROUTES_H
#define SHUNT_TESTS_SIM_MESH_NODE_ROUTES_H

#include "node_daemon.h"
#include "sys/route_news.h"

struct node_routes;

/* NULL: the node has no engine. The generation is there. */
struct node_routes *node_routes_new(struct daemon *d);
/* Accepts NULL. */
void node_routes_free(struct node_routes *r);
/* All that the kernel has, for ENGINE_FOUND; borrowed until the next call. */
struct engine_routes node_routes_first(struct node_routes *r);
/* Another generation, or device: all is judged anew. */
void node_routes_renew(struct node_routes *r);
/* After verdicts. */
void node_routes_peers(struct node_routes *r);
instant node_routes_deadline(const struct node_routes *r);
void node_routes_step(struct node_routes *r);
/* Nothing is unread, and nothing is held. */
bool node_routes_are_settled(const struct node_routes *r);

/* The kernel of a machine tells, whether its daemon runs or not. */
void node_route_news(struct world *w, unsigned node, const struct route_news *news);

#endif

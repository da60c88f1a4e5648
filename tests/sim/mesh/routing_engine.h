/* SPDX-License-Identifier: MIT */
/*
 * Routing engines on the machines of a mesh, as far as the kernel and others see them: BGP over the
 * one interface between hubs and the rest. An engine announces what is behind its machine; hubs
 * pass on to others what they learned from sites, and no more; all that is equally near is one set
 * of next hops. Who hears of a change thinks a while later, and writes into the kernel what is
 * another then. A next hop counts while its signal stands, a session while packets pass; it ends
 * nine seconds after the last one.
 *
 * An engine that is killed leaves its routes, and others keep what it told for half a minute. One
 * that starts sweeps what an earlier one left, and brings it back when it has heard all; or, if it
 * restarts gracefully, leaves it until then, and writes it anew.
 *
 * What its routes become on the node is node_routes.c's.
 */
#ifndef SHUNT_TESTS_SIM_MESH_ROUTING_ENGINE_H
#define SHUNT_TESTS_SIM_MESH_ROUTING_ENGINE_H

#include "sys/route_news.h"
#include "world.h"

struct routing;

/* NULL: no node of the inventory has an engine. Borrows w. */
struct routing *routing_new(struct world *w);
void routing_free(struct routing *r);
/* True of a node with an engine, whether it runs or not. */
bool routing_is_on(const struct world *w, unsigned node);

/* The machine is switched on or off. */
void routing_power(struct world *w, unsigned node, bool on);
void routing_start(struct world *w, unsigned node, bool graceful);
void routing_kill(struct world *w, unsigned node);
bool routing_runs(const struct world *w, unsigned node);
/* It announces its own networks no more, or again. */
void routing_flap(struct world *w, unsigned node);
/* Networks of one of them are known by what its engine says alone, and it says nothing: hubs would
 * neither pass on what is for them nor take what is from there. */
bool routing_withholds(const struct world *w, unsigned from, unsigned to);
/* False: both have an engine, and these have no session with each other. */
bool routing_may_say(const struct world *w, unsigned a, unsigned b);
/* The device of the machine went, or came. */
void routing_on_device(struct world *w, unsigned node);

instant routing_deadline(const struct world *w);
void routing_step(struct world *w);

/* The next hops that the kernel has of an engine's for exactly this prefix; a bit each. */
uint32_t routing_hops(const struct world *w, unsigned node, const ip_prefix *p);
/* Everybody has heard of everything, and wrote it. */
bool routing_is_settled(const struct world *w);
/* What the kernel has of the engine, for a dump. */
typedef void routing_fn(const struct route_news *news, void *data);
void routing_dump(const struct world *w, unsigned node, routing_fn *fn, void *data);

#endif

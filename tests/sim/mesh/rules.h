/* SPDX-License-Identifier: MIT */
/*
 * Whom a node must hand a prefix to once things are quiet, from the inventory and from who lives
 * and which lines carry, by the sentences of docs/decision.md and docs/liveness.md; none of the
 * product's decisions is asked. Two nodes that are no peers know of each other what hubs report.
 */
#ifndef SHUNT_TESTS_SIM_MESH_RULES_H
#define SHUNT_TESTS_SIM_MESH_RULES_H

#include "world.h"

/* Whom a prefix's packets go to: several share them, where the device has many owners. */
struct choice {
	uint32_t hops;			  /* a bit each; 0: nobody */
	unsigned weight[WORLD_NODES];	  /* of each */
	bool is_open;			  /* some of them are enough */
	bool is_relayed;		  /* all of them relay; else the origin is among them */
	bool origin_down, is_last_resort; /* what speaks against the best of them */
};

bool rules_are_peers(const struct world *w, unsigned a, unsigned b);
bool rules_is_in_service(const struct world *w, unsigned n);
/* How n must see its peer p. */
enum live_state rules_verdict(const struct world *w, unsigned n, unsigned p);
/* n hears from a hub that it has p. */
bool rules_is_known_alive(const struct world *w, unsigned n, unsigned p);
/* ... or that it hasn't. */
bool rules_is_told_of(const struct world *w, unsigned n, unsigned p);
struct choice rules_choose(const struct world *w, unsigned n, const ip_prefix *p);
/* What of a node's own network comes from a node is taken, and where it may go on to. */
enum model_verdict rules_accept(
	const struct world *w, unsigned n, unsigned origin, int family, unsigned from);

#endif

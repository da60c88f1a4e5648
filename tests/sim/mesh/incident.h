/* SPDX-License-Identifier: MIT */
/* What may happen in a story. */
#ifndef SHUNT_TESTS_SIM_MESH_INCIDENT_H
#define SHUNT_TESTS_SIM_MESH_INCIDENT_H

#include "world.h"

enum happening {
	POWER,
	DAEMON,
	DRAIN,
	CUT_BOTH,
	CUT_ONE_WAY,
	LOSS,
	RELOAD,
	EDIT,
	UNPLUG,
	REPLUG,
	KILL_AMID,
	REFUSE,
	FOREIGN,
	STEAL,
	NOTHING,
	N_OF_ONE_OWNER,
	/* Where any device has many owners. */
	SWITCH = N_OF_ONE_OWNER,
	LOSE_SITE, /* the hubs lose it, one after the other, or get it back */
	KEEP_OLD,  /* one node keeps the old inventory */
	ROLL_OUT,  /* an edited inventory, from node to node */
	POOR_LINE, /* loses a fifth, one way */
	N_HAPPENINGS,
	/* Where nodes have routing engines. */
	ENGINE_DIES = N_HAPPENINGS, /* or starts again */
	ENGINE_RESTARTS,	    /* gracefully, or not: ops; with the daemon if b is a */
	ENGINE_FLAPS,		    /* announces nothing any more, or again */
	N_WITH_ENGINES
};

struct incident {
	enum happening what;
	unsigned a, b;
	int64_t pause_ns; /* before the next one */
	unsigned ops;	  /* of KILL_AMID and REFUSE: so many go well before; of DRAIN: how long */
	bool settles;	  /* everything is mended but what is off or cut, and then judged */
};

/* Not one engine, but all of the mesh at once. */
bool incident_is_of_all(const struct incident *x);
void incident_happen(struct world *w, const struct incident *x);
/* How long the drain is to last that this begins; 0: for good, or it is none. Before it happens. */
int64_t incident_drain_ns(const struct world *w, const struct incident *x);

/* --- what is lost by it --- */

/* From a quiet mesh: something that has a watch of its own. */
bool incident_is_special(const struct world *w, const struct incident *x);
/* From a quiet mesh: nothing, or only what was under way while word of it travelled. */
bool incident_is_harmless(const struct world *w, const struct incident *x);
/* The same where nodes have routing engines. */
bool incident_is_kept(const struct world *w, const struct incident *x);
/* ... or what must still arrive does again after a while. */
bool incident_is_loss(const struct world *w, const struct incident *x);
/* Lets one of these happen, and looks; false if more was lost. */
bool incident_watch(struct world *w, const struct incident *x);
/* Both are in service, and probe each other. */
bool incident_is_line(const struct world *w, unsigned a, unsigned b);
/* Who has another way leaves that line. */
void incident_watch_poor(struct world *w, unsigned a, unsigned b);
/* Who runs another inventory than others is named, there and here. */
void incident_watch_old(struct world *w, unsigned old);
/* Whatever is known by whom: no packet goes round and round. */
bool incident_check_circles(struct world *w);

#endif

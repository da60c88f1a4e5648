/* SPDX-License-Identifier: MIT */
/*
 * The daemon of a machine: the real engine and the real live core, wired as shuntd wires them.
 *
 *	node.c         the machine, and what happens to it from outside
 *	node_daemon.c  events in, actions carried out
 *	node_fib.c     those that change the device and the kernel
 *	node_routes.c  what its routing engine's routes say
 *	node_trouble.c what its status says of lines and inventories
 *	node_line.c    whether all that is as the RIB wants it
 */
#ifndef SHUNT_TESTS_SIM_MESH_NODE_DAEMON_H
#define SHUNT_TESTS_SIM_MESH_NODE_DAEMON_H

#include "daemon/engine.h"
#include "model_io.h"
#include "node_fib.h"
#include "world.h"

/* An event of the live core on its way to the engine. */
struct pending {
	instant at;
	struct live_event event;
};

/* A name that is being resolved. */
struct asked {
	instant at;
	uint32_t peer;
	uint64_t generation;
	unsigned node;
};

typedef VEC(struct engine_event) outcomes;

struct daemon {
	struct world *w;
	unsigned node;
	struct engine *engine;
	struct live *live;	     /* NULL: nobody is probed yet */
	struct live_report told;     /* our own, also while nobody is probed yet */
	bool cold_start;	     /* it has made the device */
	uint64_t random;	     /* its source of chance */
	VEC(struct pending) pending; /* in order */
	VEC(struct asked) asked;     /* in order */
	VEC(struct live_event) standing;
	instant slice_at; /* the RIB hears more of a reload */
	struct model_io io;
	struct node_fib *fib;
	struct node_routes *routes; /* NULL: its node has no routing engine */
};

/* Steps the engine, and carries out what it wants. */
void daemon_feed(struct daemon *d, const struct engine_event *event);
void daemon_start(struct daemon *d);
/* Takes the newest inventory. */
void daemon_load(struct daemon *d);
instant daemon_deadline(const struct daemon *d);
void daemon_step(struct daemon *d);
void daemon_free(struct daemon *d);
struct world_node *daemon_self(const struct daemon *d);
/* A SYNC went well, and nothing has been asked for since. */
void node_check_line(const struct daemon *d);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What changes a machine's device and kernel: the real step core of the FIB thread, whose steps
 * take time, and a worker that prepares and finishes its jobs, as shuntd has them. Packets and
 * events come between any two steps.
 */
#ifndef SHUNT_TESTS_SIM_MESH_NODE_FIB_H
#define SHUNT_TESTS_SIM_MESH_NODE_FIB_H

#include "daemon/engine.h"

struct daemon;
struct node_fib;

struct node_fib *node_fib_new(struct daemon *d);
/* Whatever is under way ends here. Accepts NULL. */
void node_fib_free(struct node_fib *f);
/* Actions of the engine; the outcomes come by node_fib_outcome. */
void node_fib_sync(struct node_fib *f, const struct engine_action *a);
void node_fib_move(struct node_fib *f, const struct engine_action *a);
void node_fib_endpoint(struct node_fib *f, const struct engine_action *a);
instant node_fib_deadline(const struct node_fib *f);
void node_fib_step(struct node_fib *f);
/* The next outcome, valid until the next call; false: none. */
bool node_fib_outcome(struct node_fib *f, struct engine_event *ret);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Looks for routes and rules of others that take packets from the mesh (shadows.h), and keeps what
 * it found for status. A routing engine may have a million routes, so tables are read in a thread
 * of libuv's, over a socket of its own, for a twentieth of the time at most: no move waits for it.
 */
#ifndef SHUNT_DAEMON_FOREIGN_LOOK_H
#define SHUNT_DAEMON_FOREIGN_LOOK_H

#include "daemon/fib.h"
#include <uv.h>

struct foreign_look;

struct foreign_look *foreign_look_new(uv_loop_t *loop);
/* A look that is under way ends by itself. Accepts NULL. */
void foreign_look_free(struct foreign_look *l);
/* Looks again, if it may by now; of what f and the device have a copy is made. False: not now, but
 * ask again soon. */
bool foreign_look_begin(
	struct foreign_look *l, const struct fib *f, const struct device_state *mirror);
/* What the last look found. Valid until the loop runs again. */
size_t foreign_look_troubles(const struct foreign_look *l, const struct fib_trouble **ret);

#endif

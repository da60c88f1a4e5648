/* SPDX-License-Identifier: MIT */
/*
 * Looks for routes and rules of others that take packets from the mesh (shadows.h), and keeps what
 * it found for status. A routing engine may have a million routes, so tables are read in a thread
 * of libuv's, over a socket of its own, for a twentieth of the time at most: no move waits for it.
 */
#ifndef SHUNT_DAEMON_FOREIGN_LOOK_H
#define SHUNT_DAEMON_FOREIGN_LOOK_H

#include "daemon/fib_facts.h"
#include "daemon/generation.h"
#include "daemon/shall.h"
#include "device/device.h"
#include <uv.h>

struct foreign_look;

struct foreign_look *foreign_look_new(uv_loop_t *loop);
/* A look that is under way ends by itself. Accepts NULL. */
void foreign_look_free(struct foreign_look *l);
struct foreign_facts {
	const struct generation *gen;
	struct shall_rib *rib;	    /* prefixes: taken over */
	const sock_addr *endpoints; /* in the order of gen->peers */
	const struct fib_facts *fib;
	const struct device_state *mirror;
};

/* Looks again, if it may by now; the facts are used up or copied. False: not now, but ask again
 * soon. */
bool foreign_look_begin(struct foreign_look *l, const struct foreign_facts *f);
/* What the last look found. Valid until the loop runs again. */
size_t foreign_look_troubles(const struct foreign_look *l, const struct fib_trouble **ret);

#endif

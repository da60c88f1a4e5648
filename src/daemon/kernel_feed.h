/* SPDX-License-Identifier: MIT */
/*
 * The reader of the kernel's routes as the loop has it: there while the node runs a routing engine,
 * kept up with the generation, the device and the endpoints in use; what it says goes to the
 * engine (engine.h), as fast as the FIB thread takes it.
 */
#ifndef SHUNT_DAEMON_KERNEL_FEED_H
#define SHUNT_DAEMON_KERNEL_FEED_H

#include "daemon/daemon.h"

/* After another generation, a SYNC, or an endpoint that was set: starts the reader or tells it. */
void kernel_feed_update(struct daemon *d);
/* At the start, before the device is found: waits until all routes are known, or for a while, since
 * a start must come to an end. What was said is for ENGINE_FOUND, borrowed until
 * kernel_feed_begun. */
struct engine_routes kernel_feed_await(struct daemon *d);
void kernel_feed_begun(struct daemon *d);
/* The engine has taken verdicts. */
void kernel_feed_verdicts(struct daemon *d, const struct engine_event *event);
/* The FIB thread is done with the order of that number. */
void kernel_feed_on_order(struct daemon *d, uint64_t seq);
/* Once a second: tries again what failed, ends what nobody needs any more. */
void kernel_feed_second(struct daemon *d);
/* Ends it, before the loop ends. */
void kernel_feed_stop(struct daemon *d);

/* False: there is no reader. ret is for vec_done. */
bool kernel_feed_look(struct daemon *d, struct route_reader_view *ret);

#endif

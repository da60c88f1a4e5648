/* SPDX-License-Identifier: MIT */
/* Whether the node is drained, and until when, written to disk beside all else, since the disk may
 * take its time.
 */
#ifndef SHUNT_DAEMON_REMEMBER_H
#define SHUNT_DAEMON_REMEMBER_H

#include "daemon/engine.h"
#include "daemon/state.h"
#include <uv.h>

struct remember;

/* What was asked for is on disk, or err says why it isn't. On the loop. */
typedef void remember_fn(
	const struct engine_drain *drain, uint64_t generation, int err, void *data);

struct remember *remember_new(uv_loop_t *loop, remember_fn *done, void *data);
/* Nobody is called any more. What is being written will be. Accepts NULL. */
void remember_free(struct remember *r);
/* One after the other, in the order in which they are asked for. generation comes back. */
void remember_drain(
	struct remember *r, struct state *s, const struct engine_drain *drain, uint64_t generation);
/* What is remembered, on the clock of the engine; the end of one may be over by now. */
struct engine_drain remember_known(const struct state *s, instant now, int64_t wall_ns);

#endif

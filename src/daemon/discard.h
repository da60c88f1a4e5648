/* SPDX-License-Identifier: MIT */
/* Letting go of what is large, beside all else. */
#ifndef SHUNT_DAEMON_DISCARD_H
#define SHUNT_DAEMON_DISCARD_H

#include <uv.h>

/* Calls fn in a thread of libuv's, at any later time; nobody else has what it gets. */
void discard(uv_loop_t *loop, void (*fn)(void *thing), void *thing);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Lets clients of a listening socket in, within a loop. It accepts by itself: libuv's own listener
 * asks without end for what can't be had, which is a loop that spins for want of a descriptor. Here
 * the owner makes room, or all wait a little.
 */
#ifndef SHUNT_SYS_LISTENER_H
#define SHUNT_SYS_LISTENER_H

#include <stdbool.h>
#include <uv.h>

struct listener;

struct listener_calls {
	/* A client; its descriptor, which doesn't block, is the owner's. */
	void (*accepted)(int fd, void *data);
	/* There is no descriptor for one more. True: there is now, so that it goes on at once;
	 * false: after a pause. */
	bool (*starved)(void *data);
	void *data;
	unsigned most; /* accepted in a row, before other events have their turn */
};

/* Takes fd over, which listens. 0 or negative errno: then fd is the caller's. */
int listener_start(
	uv_loop_t *loop, int fd, const struct listener_calls *calls, struct listener **ret);
/* Closes the descriptor, and calls nobody any more; the loop must run once more to let the memory
 * go. Accepts NULL. */
void listener_stop(struct listener *l);

#endif

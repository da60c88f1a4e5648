/* SPDX-License-Identifier: MIT */
/* Serves the UAPI (uapi.h), several clients at once; one that stalls or sends garbage is its own
 * loss. */
#ifndef SHUNT_TUNNEL_UAPI_SERVER_H
#define SHUNT_TUNNEL_UAPI_SERVER_H

#include <uv.h>

struct tunnel;
struct uapi_server;

#define UAPI_MAX_CLIENTS 64

/* Serves a listening socket in the loop and closes it at the end: no more than so many clients at
 * once (and UAPI_MAX_CLIENTS): one more takes the place of the one not heard of for longest. */
int uapi_serve(
	uv_loop_t *loop, int fd, struct tunnel *t, unsigned max_clients, struct uapi_server **ret);
/* Closes listener and clients; the loop must run once more. Accepts NULL. */
void uapi_stop(struct uapi_server *s);

#endif

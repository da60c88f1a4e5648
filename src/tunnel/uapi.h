/* SPDX-License-Identifier: MIT */
/*
 * The UAPI (the cross-platform interface of WireGuard): requests of key=value lines, ended by an
 * empty line, over a stream socket that `wg` and others know. uapi_answer is the language without
 * the socket; uapi_listen serves it, several clients at once; one that stalls or sends garbage is
 * its own loss.
 */
#ifndef SHUNT_TUNNEL_UAPI_H
#define SHUNT_TUNNEL_UAPI_H

#include "base/buf.h"
#include "tunnel/config.h"
#include <uv.h>

/*
 * Answers the request in text (len bytes, its empty line included) into out. False: an operation
 * that isn't known, after which the connection is closed. A set that fails stays applied up to the
 * line that failed; its errno is negative, a get's positive, since that is what `wg` reads.
 */
bool uapi_answer(struct tunnel *t, const char *text, size_t len, struct buf *out);

/* The path of a device's socket. */
char *uapi_path(const char *name);
/* A listening socket for the device, replacing one that nobody listens on; -EADDRINUSE if somebody
 * does. */
int uapi_bind(const char *name);

struct uapi_server;

#define UAPI_MAX_CLIENTS 64

/* Serves a listening socket in the loop and closes it at the end: no more than so many clients at
 * once (and UAPI_MAX_CLIENTS): one more takes the place of the one not heard of for longest. */
int uapi_serve(
	uv_loop_t *loop, int fd, struct tunnel *t, unsigned max_clients, struct uapi_server **ret);
/* Closes listener and clients; the loop must run once more. Accepts NULL. */
void uapi_stop(struct uapi_server *s);

#endif

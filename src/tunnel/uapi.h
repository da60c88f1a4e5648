/* SPDX-License-Identifier: MIT */
/*
 * The UAPI (the cross-platform interface of WireGuard): requests of key=value lines, ended by an
 * empty line, over a stream socket that `wg` and others know. uapi_answer is the language
 * alone: the socket is uapi_socket.h's, and its clients are uapi_server.h's.
 */
#ifndef SHUNT_TUNNEL_UAPI_H
#define SHUNT_TUNNEL_UAPI_H

#include "base/buf.h"

struct tunnel;

/*
 * Answers the request in text (len bytes, its empty line included) into out. False: an operation
 * that isn't known, after which the connection is closed. A set that fails stays applied up to the
 * line that failed; its errno is negative, a get's positive, since that is what `wg` reads.
 */
bool uapi_answer(struct tunnel *t, const char *text, size_t len, struct buf *out);

#endif

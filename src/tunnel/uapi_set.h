/* SPDX-License-Identifier: MIT */
/* The language of a `set` (uapi.h; docs/uapi.md for what is ours alone). */
#ifndef SHUNT_TUNNEL_UAPI_SET_H
#define SHUNT_TUNNEL_UAPI_SET_H

struct tunnel;

/* Applies the lines of a request, up to its empty one or the first that fails, whose negative errno
 * is returned. The text is cut to pieces. */
int uapi_set(struct tunnel *t, char *text);

#endif

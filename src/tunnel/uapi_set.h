/* SPDX-License-Identifier: MIT */
/*
 * The language of a `set` (uapi.h; docs/uapi.md for what is ours alone), done in pieces, since
 * 100,000 prefixes take their time. Between two pieces levels may be set (uapi_level.h); other sets
 * wait, since the section under way stands on what they might take away.
 */
#ifndef SHUNT_TUNNEL_UAPI_SET_H
#define SHUNT_TUNNEL_UAPI_SET_H

#include <stdbool.h>
#include <stddef.h>

struct tunnel;
struct uapi_set;

/* The text is the request (len bytes, its empty line included, and a zero byte behind it), which is
 * cut to pieces and stays until the end. NULL: it is no set. */
struct uapi_set *uapi_set_begin(struct tunnel *t, char *text, size_t len);
/* Applies some hundreds of lines, up to the empty one or the first that fails; false: that was the
 * last piece. */
bool uapi_set_more(struct uapi_set *s);
/* 0 or the negative errno of the line that failed. Half-way it leaves what is done. Accepts NULL.
 */
int uapi_set_end(struct uapi_set *s);

#endif

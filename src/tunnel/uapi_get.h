/* SPDX-License-Identifier: MIT */
/*
 * The answer to get=1, in two steps: what the device has is copied at once, under its lock, which
 * takes some 3 ms with a hundred thousand prefixes; the text is made of the copy
 * afterwards, piece by piece, which takes ten times as long. So an answer shows one moment, and
 * other requests get in between.
 */
#ifndef SHUNT_TUNNEL_UAPI_GET_H
#define SHUNT_TUNNEL_UAPI_GET_H

#include "base/buf.h"

struct tunnel;
struct uapi_get;

/* Copies the device as it is now; NULL if the request (len bytes, its empty line included) is no
 * get. */
struct uapi_get *uapi_get_begin(struct tunnel *t, const char *text, size_t len);
/* Appends the next piece of the answer, some hundreds of lines; false if that was the last. */
bool uapi_get_more(struct uapi_get *g, struct buf *out);
/* Wipes the keys. Accepts NULL. */
void uapi_get_free(struct uapi_get *g);

#endif

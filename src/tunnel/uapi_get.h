/* SPDX-License-Identifier: MIT */
/*
 * The answer to get=1, in pieces, so that other requests get in between: first what the device has
 * is copied (uapi_copy.h), then the text is made of the copy.
 */
#ifndef SHUNT_TUNNEL_UAPI_GET_H
#define SHUNT_TUNNEL_UAPI_GET_H

#include "base/buf.h"

struct tunnel;
struct uapi_get;

/* NULL if the request (len bytes, its empty line included) is no get. */
struct uapi_get *uapi_get_begin(struct tunnel *t, const char *text, size_t len);
/* Copies some thousands of prefixes, or else appends the next piece of the answer, some hundreds of
 * lines; false if that was the last. The device is to outlive the last one. */
bool uapi_get_more(struct uapi_get *g, struct buf *out);
/* The device isn't asked any more: what remains is text. */
bool uapi_get_is_copied(const struct uapi_get *g);
/* It began to copy several times, since sets changed what it had: it wants to be let alone until it
 * is copied. */
bool uapi_get_is_disturbed(const struct uapi_get *g);
/* Wipes the keys. Accepts NULL. */
void uapi_get_free(struct uapi_get *g);

#endif

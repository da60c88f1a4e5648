/* SPDX-License-Identifier: MIT */
/* Levels on their own: who moves traffic off a lost peer doesn't wait for a long set, or a get,
 * that is under way. */
#ifndef SHUNT_TUNNEL_UAPI_LEVEL_H
#define SHUNT_TUNNEL_UAPI_LEVEL_H

#include <stdbool.h>
#include <stddef.h>

struct tunnel;

/* Applies a set (len bytes, its empty line included) that says nothing but levels of peers that are
 * there, and is short, whatever else is under way. False: it is another request; nothing is
 * changed. */
bool uapi_level_answer(struct tunnel *t, const char *text, size_t len);

#endif

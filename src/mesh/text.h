/* SPDX-License-Identifier: MIT */
/* Words for error messages: what the file says, made fit to print, and what was probably meant. */
#ifndef SHUNT_MESH_TEXT_H
#define SHUNT_MESH_TEXT_H

#include "base/arena.h"
#include <stdbool.h>
#include <stddef.h>

/* Length of the UTF-8 character (RFC 3629) at s, of which n bytes may be read; 0: it isn't one. */
size_t text_utf8_len(const char *s, size_t n);
/* Characters in a text that is UTF-8; a byte that isn't counts as one. */
size_t text_utf8_count(const char *s, size_t n);
/* No control characters of either set, and UTF-8 throughout. */
bool text_is_printable(const char *s, size_t n);

/* The text in backticks, shortened and with control characters escaped: safe on a terminal. */
const char *text_quote(struct arena *a, const char *s, size_t n);

/* True if a person who wrote `got` may have meant `want`: case, dashes for underscores and a few
 * slips of the finger are forgiven. *best is the number of slips that were needed last time, to be
 * beaten; start with TEXT_NO_GUESS. */
bool text_is_closer(const char *got, const char *want, unsigned *best);
#define TEXT_NO_GUESS 1000u

#endif

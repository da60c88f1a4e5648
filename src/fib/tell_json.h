/* SPDX-License-Identifier: MIT */
/* A plan as JSON, of the shape that docs/control.md has. Pure. */
#ifndef SHUNT_FIB_TELL_JSON_H
#define SHUNT_FIB_TELL_JSON_H

#include "fib/tell.h"
#include <jansson.h>

/* Peers by t's names; no secret is in it. is and shall are the plan's; the reference is new. */
json_t *fib_tell_json(const struct fib_plan *p, const struct fib_state *is,
	const struct fib_state *shall, const struct fib_teller *t);

#endif

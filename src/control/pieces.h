/* SPDX-License-Identifier: MIT */
/*
 * Long answers are made a piece at a time, one piece in a turn of the loop, so that a verdict that
 * comes meanwhile waits for one piece and not for the answer. One answer is made after the other,
 * which bounds their memory.
 */
#ifndef SHUNT_CONTROL_PIECES_H
#define SHUNT_CONTROL_PIECES_H

#include "base/buf.h"
#include "control/control.h"

struct pieces;

/* Adds the next piece of the answer's text; false: that was the last. */
typedef bool piece_fn(struct buf *text, void *data);

struct pieces *pieces_new(uv_loop_t *loop);
/* What isn't answered yet will not be; the loop must run once more to let the memory go. Accepts
 * NULL. */
void pieces_free(struct pieces *p);
/* Answers the call by next's pieces; done, once, lets data go. */
void pieces_add(struct pieces *p, struct control_call *call, piece_fn *next, void (*done)(void *),
	void *data);

/* Adds an object as text, behind a comma if it isn't the first of its list; takes it over. */
void pieces_put(struct buf *text, json_t *object, bool is_first);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The control socket: RUN_DIR/control.sock, mode 0600, one JSON object a line both ways
 * (docs/control.md). Knows lines and objects, not what they mean. A client that sends garbage gets
 * an error, one that sends a line without end is closed, one that never reads is not read from
 * either, and of too many the one that was silent longest goes; none of them holds up the daemon.
 */
#ifndef SHUNT_DAEMON_CONTROL_H
#define SHUNT_DAEMON_CONTROL_H

#include "base/buf.h"
#include <jansson.h>
#include <uv.h>

struct control;

/* Answers a request (an object) with a new object, which the server prints and releases. Never
 * NULL. */
typedef json_t *control_fn(const json_t *request, void *data);

struct control_options {
	const char *path;
	control_fn *answer;
	void *data;
	unsigned max_clients; /* at least one */
};

/* Listens at the path, replacing what has that name. why gets a sentence on failure. */
int control_open(
	uv_loop_t *loop, const struct control_options *o, struct control **ret, struct buf *why);
/* Closes listener and clients and unlinks the socket; the loop must run once more to let the memory
 * go. Accepts NULL. */
void control_close(struct control *c);

/* {"ok": false, "error": ...} */
json_t *control_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* The answer to one line, as the server gives it (without the newline); for the server itself and
 * its fuzz target. */
char *control_answer_line(const char *line, size_t n, control_fn *answer, void *data);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The control socket: RUN_DIR/control.sock, mode 0600, one JSON object a line both ways
 * (docs/control.md). Knows lines and objects, not what they mean. A client that sends garbage gets
 * an error, one that sends a line without end is closed, one that never reads is not read from
 * either, and of too many the one that was silent longest goes; none of them holds up the daemon.
 */
#ifndef SHUNT_CONTROL_CONTROL_H
#define SHUNT_CONTROL_CONTROL_H

#include "base/buf.h"
#include <jansson.h>
#include <uv.h>

struct control;

/* A request that waits for its answer. Whoever has it answers exactly once, at once or later, also
 * if nobody waits any more. */
struct control_call;

/* Takes a request (an object, borrowed). */
typedef void control_fn(const json_t *request, struct control_call *call, void *data);

/* Answers with an object, which is taken over. */
void control_reply(struct control_call *call, json_t *answer);
/* The same as one line of JSON without its newline, malloc'd and taken over. */
void control_reply_text(struct control_call *call, char *text);
/* False: the client has gone, and an answer need not be made. */
bool control_call_is_wanted(const struct control_call *call);

/* A client that gets more lines behind its answer, for as long as it likes. It asks for nothing any
 * more, and is not closed to make room; so at most CONTROL_FOLLOWERS_MAX, and half of all clients,
 * are let in. */
struct control_follower;

#define CONTROL_FOLLOWERS_MAX 16

struct control_follow {
	/* What was sent before is written; control_follower_send may be called once, at once or
	 * later. The first time once the answer is. */
	void (*takes)(void *data);
	void (*gone)(void *data); /* the client; the follower is nobody's from now on */
	void *data;
};

/* Makes a follower of the client that waits for an answer; then the call is answered as any other.
 * NULL: nobody waits, or as many follow as may. */
struct control_follower *control_follow(
	struct control_call *call, const struct control_follow *follow);
/* Whole lines but for the last newline; malloc'd and taken over. May call gone. */
void control_follower_send(struct control_follower *follower, char *text);

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

/* What a client's line becomes: done gets the answer's text, to be freed. For the server itself and
 * its fuzz target. */
typedef void control_done_fn(char *text, void *data);
struct control_call *control_call_new(control_done_fn *done, void *data);
void control_take_line(
	const char *line, size_t n, struct control_call *call, control_fn *answer, void *data);

#endif

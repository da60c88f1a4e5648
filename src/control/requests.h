/* SPDX-License-Identifier: MIT */
/*
 * What may be asked over the control socket. Each request is declared once: its name, what it is
 * for, its arguments, whether it changes anything, and its answer's members with their version. The
 * dispatch goes by these rows; tests hold the answers, docs/control.md and the command line's help
 * against them. Who may ask is whoever may open the socket, which is root.
 */
#ifndef SHUNT_CONTROL_REQUESTS_H
#define SHUNT_CONTROL_REQUESTS_H

#include "control/pieces.h"
#include "control/source.h"

/* A member of an answer, beside ok and answer_version: "peers[].bfd.state" within "peers[]". */
struct control_field {
	const char *path;
	const char *type; /* JSON's, with "?" where it may be null */
};

#define CONTROL_ARGUMENTS_MAX 6

/* A member of a request, which may be there. */
struct control_argument {
	const char *name;  /* NULL: no more of them */
	const char *type;  /* JSON's: string, or integer (not below zero) */
	const char *error; /* if it is something else */
};

struct control_desk;

struct control_request {
	const char *op;
	const char *summary;
	const char *verb; /* of the command line, which has that summary; NULL: of that name */
	struct control_argument arguments[CONTROL_ARGUMENTS_MAX + 1];
	bool changes;	  /* something, and doesn't only tell */
	unsigned version; /* of the answer */
	const struct control_field *fields;
	size_t n_fields;
	/* Of each line that follows the answer; NULL: none does. */
	const struct control_field *lines;
	size_t n_lines;
	/* The request's arguments are of their types. */
	void (*serve)(struct control_desk *desk, const json_t *request, struct control_call *call);
};

/* All of them; *ret_n gets how many. */
const struct control_request *control_requests(size_t *ret_n);

/* Who answers requests; data is the source's. */
struct control_desk *control_desk_new(
	uv_loop_t *loop, const struct control_source *from, void *data);
/* After the control socket was closed; the loop must run once more. Accepts NULL. */
void control_desk_free(struct control_desk *desk);
/* Who follows the events hears what is there, as far as it reads: before the end. */
void control_desk_flush(struct control_desk *desk);
/* control_fn with the desk as data. */
void control_serve(const json_t *request, struct control_call *call, void *desk);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * An inventory that a verb changes in place: read whole, judged as it would be, and replaced by a
 * rename, with its mode and owner, or left as it is. Two runs at once wait for each other.
 */
#ifndef SHUNT_CLI_INPLACE_H
#define SHUNT_CLI_INPLACE_H

#include "base/buf.h"
#include "mesh/topology.h"
#include <stdio.h>

/* What keeps a change out: what it is the first to bring about, or any error there is then. */
enum inplace_bar { INPLACE_NO_NEW_ERRORS, INPLACE_NO_ERRORS };

struct inplace {
	const char *name; /* as the user said */
	char *path;	  /* links followed */
	int fd;
	struct buf text;
	struct mesh_inventory *was; /* NULL: it can't be read as an inventory */
	struct mesh_inventory *is;  /* of inplace_judge */
};

/* Reads the file. An exit code, what is wrong told. inplace_done in any case. */
int inplace_open(struct inplace *p, const char *name);
void inplace_done(struct inplace *p);

/* Says why the file as it is isn't an inventory; CLI_USAGE. */
int inplace_say_errors(const struct inplace *p);
/* Says that an edit can't be made, by its error; an exit code. */
int inplace_say_failed(const struct inplace *p, int err);

/*
 * Judges the text that is to take its place: CLI_OK and p->is, or an exit code, told. The text is
 * to differ in the node of that name alone (its key, that it is there, or that it is gone). Errors
 * that stand in spite of the bar are told.
 */
int inplace_judge(
	struct inplace *p, const struct buf *text, const char *node, enum inplace_bar bar);
/* Puts the text in the place of the old one. An exit code, told. */
int inplace_replace(struct inplace *p, const struct buf *text);
/* The lines that go and those that come. */
void inplace_print_changes(const struct inplace *p, const struct buf *text, FILE *f);

#endif

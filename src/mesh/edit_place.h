/* SPDX-License-Identifier: MIT */
/* Where the values of a YAML text stand in it, as offsets; for edit.c alone. */
#ifndef SHUNT_MESH_EDIT_PLACE_H
#define SHUNT_MESH_EDIT_PLACE_H

#include "base/vec.h"
#include "mesh/yaml.h"

struct edit_source {
	struct arena arena; /* of the tree */
	const char *text;
	size_t len;
	const struct yaml_node *root;
	VEC(size_t) lines;   /* where each begins */
	const char *newline; /* as the first line ends */
	bool unsure;	     /* something couldn't be placed; offsets since then mean nothing */
};

/* -EINVAL if the text can't be read. Borrows the text; edit_source_done in any case. */
int edit_source_init(struct edit_source *s, const char *text, size_t len);
void edit_source_done(struct edit_source *s);

/* Its value of that key; NULL: it is no map, or hasn't the key. */
const struct yaml_node *edit_child(const struct yaml_node *map, const char *key);

/* The first byte of a scalar or container, its quote or bracket if it has one. */
size_t edit_begin(struct edit_source *s, const struct yaml_node *n);
/* One past the last byte of what stands there: of a value left empty, of its key's colon. */
size_t edit_end(struct edit_source *s, const struct yaml_node *n);
/* True for a map or list in brackets. */
bool edit_is_flow(struct edit_source *s, const struct yaml_node *container);

/* The first byte of the line. */
size_t edit_line_begin(const struct edit_source *s, size_t at);
/* The first byte of the next line, or the end of the text. */
size_t edit_line_end(const struct edit_source *s, size_t at);
/* True if nothing but blanks stands in [from, to). */
bool edit_is_blank(const struct edit_source *s, size_t from, size_t to);
/* The first byte behind a value's lines: the rest of its own, and comments that follow and stand
 * further in than column (from 0). Unsure if anything but a comment follows in its line. */
size_t edit_lines_end(struct edit_source *s, size_t end, size_t column);

#endif

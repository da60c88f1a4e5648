/* SPDX-License-Identifier: MIT */
/*
 * A YAML document as a plain tree: what the inventory's reader walks. It is the part of YAML that
 * JSON has, every node with its place: maps with scalar keys, lists, scalars. Whatever else YAML
 * can do (anchors, aliases, tags, several documents, maps as keys) is refused here, with its place.
 * Duplicate keys are left in; whoever knows what a map is for names them.
 *
 * libfyaml's event parser feeds it. Its document tree would cost ten times the memory, and its own
 * check for duplicate keys is quadratic.
 */
#ifndef SHUNT_MESH_YAML_H
#define SHUNT_MESH_YAML_H

#include "base/arena.h"
#include "mesh/inventory.h"

enum yaml_kind {
	YAML_SCALAR,
	YAML_LIST,
	YAML_MAP,
	YAML_BAD, /* an error about it was added already: skip it silently */
};

/* What a scalar is by YAML 1.2's core schema. */
enum yaml_type { YAML_TEXT, YAML_NULL, YAML_BOOL, YAML_INTEGER, YAML_FLOAT };

struct yaml_node {
	enum yaml_kind kind;
	bool plain;		       /* a scalar without quotes */
	bool is_item;		       /* of a list */
	uint32_t n;		       /* bytes of text, or number of children */
	const char *text;	       /* of a scalar, zero-terminated, no zero byte inside */
	struct mesh_pos pos;	       /* where it begins; a value left empty: its key */
	const struct yaml_node *key;   /* under which it stands; an item has its list's; or NULL */
	const struct yaml_node *first; /* children: items, or values with their keys */
	const struct yaml_node *next;
};

/* Cap on a text's size: twice a mesh of 100,000 nodes. */
#define YAML_SIZE_MAX (64u << 20)

/*
 * Reads text, which need not be zero-terminated, into a tree in the arena. Errors found are
 * appended. NULL: not even a tree came out of it; errors has the reason. A tree may come with
 * errors too.
 */
const struct yaml_node *yaml_parse(
	struct arena *a, const char *text, size_t len, struct mesh_errors *errors);

/* False and an error if the text isn't clean UTF-8, or holds what libfyaml would choke on. */
bool yaml_check_bytes(const char *text, size_t len, struct mesh_errors *errors);

enum yaml_type yaml_type_of(const struct yaml_node *scalar);

#endif

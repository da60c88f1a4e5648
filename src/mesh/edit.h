/* SPDX-License-Identifier: MIT */
/*
 * Changes of an inventory's text in place: bytes are cut out or put in where the YAML parser says
 * that a value stands, and everything else (comments, order, layout, line ends) stays as it is.
 * Nothing is ever written out of the tree.
 *
 * What can't be placed for sure (a value over several lines, several things in a line where a whole
 * line would go) isn't touched: -ENOTSUP. Whoever writes the result reads it as an inventory first.
 *
 * text is len bytes and one that yaml_parse takes: -EINVAL otherwise. What is appended to out is
 * the whole new text. -ENOENT: there is no node of that name; -EEXIST: there is one.
 */
#ifndef SHUNT_MESH_EDIT_H
#define SHUNT_MESH_EDIT_H

#include "base/buf.h"
#include <stdbool.h>

/* True if the text can be read as YAML and has that node, whatever is said of it. */
bool mesh_edit_has_node(const char *text, size_t len, const char *node);

/* Gives the node that public key, in the place of one that it has. */
int mesh_edit_set_key(
	const char *text, size_t len, const char *node, const char *key, struct buf *out);

/* A client behind all other nodes, in the layout of the one before it. addresses: "10.10.0.5" and
 * so on, n of them. */
int mesh_edit_add_client(const char *text, size_t len, const char *node, const char *key,
	const char *const *addresses, size_t n, struct buf *out);

/* Takes the node out, the links that name it, and its name out of lists of other nodes. What is
 * then empty goes with it. *ret_n_links and *ret_n_lists: how many of these. */
int mesh_edit_remove_node(const char *text, size_t len, const char *node, struct buf *out,
	size_t *ret_n_links, size_t *ret_n_lists);

/* Puts the key under `revoked`, with the name of whose it was in a comment where the text has them.
 */
int mesh_edit_add_revoked(
	const char *text, size_t len, const char *key, const char *node, struct buf *out);

#endif

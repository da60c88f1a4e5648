/* SPDX-License-Identifier: MIT */
/* Findings about keys that were taken back. */
#include "base/map.h"
#include "mesh/check_parts.h"

static void report_revoked(
	struct check *c, const struct mesh_node *n, const struct mesh_revoked *revoked)
{
	check_add(
		c, &(struct mesh_finding){
			   .code = "revoked-key",
			   .severity = MESH_ERROR,
			   .nodes = &n->index,
			   .n_nodes = 1,
			   .pos = n->key_pos,
			   .effect = check_text(c,
				   "The public key of %s is revoked on line %u: somebody else may "
				   "have its private key.",
				   n->name, revoked->pos.line),
			   .fix = check_text(c,
				   "Give %s a new key pair; or, if it was never lost, take the key "
				   "from `revoked`.",
				   n->name),
		   });
}

void check_revoked(struct check *c)
{
	struct map *keys = map_new();

	for (size_t i = 0; i < c->inv->n_revoked; i++) {
		const struct mesh_revoked *r = &c->inv->revoked[i];

		map_put(keys, &r->key, sizeof(r->key), (void *)(uintptr_t)(i + 1));
	}
	for (size_t i = 0; i < c->inv->n_nodes && c->inv->n_revoked; i++) {
		const struct mesh_node *n = &c->inv->nodes[i];
		uintptr_t found =
			n->key_valid && n->public_key_text
				? (uintptr_t)map_get(keys, &n->public_key, sizeof(n->public_key))
				: 0;

		if (found)
			report_revoked(c, n, &c->inv->revoked[found - 1]);
	}
	map_free(keys);
}

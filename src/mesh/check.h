/* SPDX-License-Identifier: MIT */
/*
 * The judgement of a mesh as a whole before anything runs. Codes are stable and documented in
 * docs/findings.md; overlaps are found with the trie, and no check compares all pairs of nodes or
 * prefixes.
 */
#ifndef SHUNT_MESH_CHECK_H
#define SHUNT_MESH_CHECK_H

#include "base/arena.h"
#include "mesh/topology.h"

enum mesh_severity { MESH_WARNING, MESH_ERROR };

struct mesh_finding {
	const char *code; /* "duplicate-prefix" */
	enum mesh_severity severity;
	bool contained; /* an error that harms nobody but the links of the nodes it names: a daemon
			   that has to go on goes on without these */
	const unsigned *nodes; /* indices */
	size_t n_nodes;
	const ip_prefix *prefixes;
	size_t n_prefixes;
	struct mesh_pos pos;
	const char *effect; /* what will happen, one sentence in the user's names */
	const char *fix;    /* how to mend it, one sentence */
};

struct mesh_findings {
	struct mesh_finding *items; /* by position in the file, then code */
	size_t n;
	size_t cap;
	struct arena arena; /* holds the texts and lists */
};

/* Appends nothing but true findings; a zeroed findings is empty. Released by mesh_findings_done. */
void mesh_check(const struct mesh_topology_index *t, struct mesh_findings *ret);
/* The errors alone that hold whatever stands in those parts of the file that couldn't be read. */
void mesh_check_partial(const struct mesh_topology_index *t, struct mesh_findings *ret);
bool mesh_findings_have_errors(const struct mesh_findings *f);
void mesh_findings_done(struct mesh_findings *f);

#endif

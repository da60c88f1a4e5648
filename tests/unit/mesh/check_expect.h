/* SPDX-License-Identifier: MIT */
/* A mesh with nothing wrong, to be spoiled, and what is found in it as text. */
#ifndef SHUNT_TESTS_CHECK_EXPECT_H
#define SHUNT_TESTS_CHECK_EXPECT_H

#include "base/buf.h"
#include "mesh/check.h"
#include "mesh_build.h"
#include "unit.h"

#define NONE MESH_METRIC_NONE

static inline void add_finding(
	struct buf *out, const struct mesh_inventory *inv, const struct mesh_finding *f)
{
	char text[IP_PREFIX_STRLEN];

	buf_printf(out, "%u %s:", f->pos.line, f->code);
	for (size_t i = 0; i < f->n_nodes; i++)
		buf_printf(out, " %s", inv->nodes[f->nodes[i]].name);
	for (size_t i = 0; i < f->n_prefixes; i++)
		buf_printf(out, " %s", ip_prefix_format(&f->prefixes[i], text));
	buf_putc(out, '\n');
}

/* All findings, "LINE code: nodes prefixes" each, then the mesh is gone. */
static inline void expect(struct mesh_build *b, const char *want)
{
	struct mesh_topology_index *t = mesh_topology_new(mesh_build_end(b));
	struct mesh_findings findings = {0};
	AUTO_BUF got = {0};

	mesh_check(t, &findings);
	for (size_t i = 0; i < findings.n; i++)
		add_finding(&got, &b->inv, &findings.items[i]);
	assert_string_equal(buf_str(&got), want);
	mesh_findings_done(&findings);
	mesh_topology_free(t);
	mesh_build_done(b);
}

/* Lines 1 to 11; nodes 0 to 4: hub-a, hub-b, site-1, site-2, site-3. Nothing is wrong with it. */
static inline void start(struct mesh_build *b)
{
	mesh_build_begin(b, MESH_HUB_AND_SPOKE, "10.10.0.0/24");
	mesh_build_node(b, "hub-a", MESH_HUB, "10.10.0.1");
	mesh_build_node(b, "hub-b", MESH_HUB, "10.10.0.2");
	mesh_build_node(b, "site-1", MESH_SPOKE, "10.10.0.11");
	mesh_build_node(b, "site-2", MESH_SPOKE, "10.10.0.12");
	mesh_build_node(b, "site-3", MESH_SPOKE, "10.10.0.13");
	b->nodes.items[0].metric = 10;
	b->nodes.items[1].metric = 20;
}

enum { HUB_A, HUB_B, SITE_1, SITE_2, SITE_3 };

#endif

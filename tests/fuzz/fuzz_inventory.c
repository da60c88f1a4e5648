/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an inventory: it is read or refused with at least one error; what is read can be
 * judged, and seen from every node.
 */
#include "mesh/check.h"
#include "mesh/view.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VIEWS_MOST 8

/* libfyaml 0.7.12 loses a buffer of 2 KB for some broken quoted texts. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:libfyaml.so";
}

static void assert_sensible(const struct mesh_node *n)
{
	assert(n->name && *n->name && n->n_addresses > 0 && n->public_key_text);
	assert(n->listen_port && n->mtu >= 576 && n->keepalive >= MESH_KEEPALIVE_AUTO);
	assert(n->interface[0] && strlen(n->interface) < IFNAMSIZ);
	assert(n->private_key_file[0] == '/');
	assert(n->liveness.interval_ns > 0 && n->liveness.multiplier && n->liveness.hold_ns >= 0);
	assert(!n->endpoint.host || (*n->endpoint.host && n->endpoint.port));
	assert(n->pos.line && n->key_pos.line && n->endpoint.pos.line && n->mtu_pos.line &&
		n->interface_pos.line);
	for (size_t i = 0; i < n->n_networks; i++)
		assert(!ip_prefix_has_host_bits(&n->networks[i].prefix));
}

static void judge(const struct mesh_inventory *inv)
{
	struct mesh_topology_index *t = mesh_topology_new(inv);
	struct mesh_findings findings = {0};

	mesh_check(t, &findings);
	if (!mesh_findings_have_errors(&findings)) {
		for (unsigned i = 0; i < inv->n_nodes && i < VIEWS_MOST; i++) {
			struct mesh_view view;

			mesh_view_build(t, i, &view);
			mesh_view_done(&view);
		}
	}
	mesh_findings_done(&findings);
	mesh_topology_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct mesh_inventory *inv = NULL;
	struct mesh_errors errors = {0};
	int err = mesh_inventory_parse("fuzz.yaml", (const char *)data, n, &inv, &errors);

	assert(err ? errors.n > 0 && !inv : errors.n == 0 && inv);
	for (size_t i = 0; i < errors.n; i++)
		assert(errors.items[i].message && *errors.items[i].message);
	if (inv) {
		for (size_t i = 0; i < inv->n_nodes; i++)
			assert_sensible(&inv->nodes[i]);
		judge(inv);
	}
	mesh_errors_done(&errors);
	mesh_inventory_free(inv);
	return 0;
}

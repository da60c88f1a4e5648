/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as an inventory: it is read or refused with at least one error; what is read can be
 * judged, and seen from every node.
 */
#include "mesh/check.h"
#include "mesh/routing.h"
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

static void assert_routing(const struct mesh_node *n)
{
	const struct mesh_routing *r = &n->routing;
	ip_addr link_local = mesh_link_local(n), id = mesh_router_id(n);

	assert(mesh_has_engine(n) == (r->engine != MESH_ENGINE_NONE));
	assert(n->role != MESH_CLIENT || !mesh_has_engine(n));
	assert(r->distance && r->n_tables && r->tables[0]);
	assert(r->n_protocols || r->engine == MESH_ENGINE_NONE || r->engine == MESH_ENGINE_OTHER);
	assert(r->pos.line && r->asn_pos.line && r->reflectors_pos.line);
	assert(!r->idle_key || r->idle_pos.line);
	assert(mesh_asn(n) && id.family == AF_INET && link_local.bytes[0] == 0xfe);
	for (size_t i = 0; i < n->n_may_announce; i++) {
		assert(!ip_prefix_has_host_bits(&n->may_announce[i].prefix));
		assert(mesh_may_announce(n, &n->may_announce[i].prefix));
	}
}

/* Each may announce what it states, and what another may is guarded. */
static void announce(const struct mesh_inventory *inv)
{
	struct mesh_announcers *a = mesh_announcers_new(inv);
	ip_prefix *guarded;
	size_t n = mesh_guarded(inv, 0, &guarded);

	for (size_t i = 0; i < n; i++) {
		unsigned by;

		assert(mesh_announcers_of(a, &guarded[i], &by, 1) > 0);
		assert(mesh_may_announce(&inv->nodes[by], &guarded[i]));
	}
	free(guarded);
	mesh_announcers_free(a);
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
	assert_routing(n);
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
		announce(inv);
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

/* SPDX-License-Identifier: MIT */
/*
 * Lines from a control client, answered by a daemon with a real RIB and no device: whatever the
 * line says, the answer is one JSON object with ok in it.
 */
#include "daemon/candidates.h"
#include "daemon/daemon.h"
#include <assert.h>
#include <string.h>

static const char inventory[] =
	"mesh: fuzz\n"
	"overlay: [10.10.0.0/24, 'fd10::/64']\n"
	"nodes:\n"
	"  hub-a: {role: hub, public_key: 6BpWvKhzbDFZkEvmveZqWKjuxFAwioX90No32OIrA0k=, address: "
	"[10.10.0.1], endpoint: '192.0.2.1:1', metric: 10}\n"
	"  hub-b: {role: hub, public_key: xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=, address: "
	"[10.10.0.2], endpoint: '192.0.2.2:1', metric: 20}\n"
	"  site-1: {public_key: HIgo9xNzJMWLKASShiTqIybxZ0U3wGLiUeJ1PKf8ykw=, address: "
	"[10.10.0.11, 'fd10::11'], networks: [10.20.1.0/24]}\n"
	"  site-2: {public_key: TrMvSoP4jYQlY6RIzBgbssQqY3vxI2Pi+y71lOWWXX0=, address: "
	"[10.10.0.12], networks: [10.20.2.0/24, 10.20.0.0/16]}\n";

static struct daemon *make_daemon(void)
{
	static struct generation gen;
	struct daemon *d = mem_zalloc(1, sizeof(*d));
	struct mesh_errors errors = {0};
	struct candidate_events events;
	struct rib_diff diff = {0};
	int err =
		mesh_inventory_parse("fuzz.yaml", inventory, strlen(inventory), &gen.inv, &errors);

	assert(!err);
	gen.topology = mesh_topology_new(gen.inv);
	gen.self = mesh_inventory_node(gen.inv, "site-1");
	mesh_view_build(gen.topology, gen.self->index, &gen.view);
	names_init(&d->names);
	gen.ids = mem_zalloc(gen.inv->n_nodes, sizeof(*gen.ids));
	for (size_t i = 0; i < gen.inv->n_nodes; i++)
		gen.ids[i] = names_id(&d->names, gen.inv->nodes[i].name);
	d->gen = &gen;
	d->rib = rib_new(1);
	candidate_events_of_view(&gen.view, gen.ids, &events);
	rib_step(d->rib, events.events.items, events.events.n, &diff);
	candidate_events_done(&events);
	rib_diff_done(&diff);
	return d;
}

/* Only what needs no device is asked of the daemon. */
static json_t *answer(const json_t *request, void *daemon)
{
	const char *op = json_string_value(json_object_get(request, "op"));

	if (op && strcmp(op, "routes") && strlen(op) > 0 && strchr("sdur", op[0]))
		return control_error("not without a device: %s", op);
	return daemon_answer(request, daemon);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static struct daemon *d;
	char *text;
	json_t *reply;

	if (!d)
		d = make_daemon();
	text = control_answer_line((const char *)data, n, answer, d);
	reply = json_loads(text, 0, NULL);
	assert(json_is_boolean(json_object_get(reply, "ok")));
	json_decref(reply);
	free(text);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* What is right with an inventory: every field as it stands in the file or follows from it. */
#include "base/mem.h"
#include "base/time.h"
#include "mesh/inventory.h"
#include "mesh/topology.h"
#include "unit.h"
#include <glob.h>
#include <string.h>

#define KEY "s8TAR9VtnZl5kiLE509N8DHQNz1c1hjxBNOfZWizMhk="

static struct mesh_inventory *parse_bytes(const char *text, size_t len)
{
	struct mesh_inventory *inv = NULL;
	struct mesh_errors errors = {0};
	int err = mesh_inventory_parse("t.yaml", text, len, &inv, &errors);

	for (size_t i = 0; i < errors.n; i++)
		print_message("%u:%u: %s\n", errors.items[i].pos.line, errors.items[i].pos.column,
			errors.items[i].message);
	assert_int_equal(err, 0);
	assert_int_equal(errors.n, 0);
	mesh_errors_done(&errors);
	return inv;
}

static struct mesh_inventory *parse(const char *text)
{
	return parse_bytes(text, strlen(text));
}

static const struct mesh_node *node_of(const struct mesh_inventory *inv, const char *name)
{
	const struct mesh_node *n = mesh_inventory_node(inv, name);

	assert_non_null(n);
	assert_string_equal(n->name, name);
	assert_ptr_equal(n, &inv->nodes[n->index]);
	return n;
}

static void assert_prefix(const ip_prefix *p, const char *want)
{
	char text[IP_PREFIX_STRLEN];

	assert_string_equal(ip_prefix_format(p, text), want);
}

static void assert_addr(const ip_addr *a, const char *want)
{
	char text[IP_ADDR_STRLEN];

	assert_string_equal(ip_addr_format(a, text), want);
}

#define assert_pos(pos, want_line, want_column)              \
	do {                                                 \
		assert_int_equal((pos).line, want_line);     \
		assert_int_equal((pos).column, want_column); \
	} while (0)

/* Every key there is; the line numbers are those of the literal's lines. */
static const char everything[] = /* */
	"mesh: corp\n"
	"overlay: [10.10.0.0/24, \"fd10::1/64\"]\n"
	"topology: full-mesh\n"
	"defaults:\n"
	"  interface: wg7\n"
	"  listen_port: 1000\n"
	"  keepalive: off\n"
	"  mtu: 1400\n"
	"  liveness: {probe: echo, interval: 200ms, multiplier: 4, hold: 10s}\n"
	"  private_key_file: /etc/keys/wg\n"
	"nodes:\n"
	"  hub-a:\n"
	"    role: hub\n"
	"    public_key: " KEY "\n"
	"    address: [10.10.0.1, fd10::1]\n"
	"    endpoint: hub-a.example.net:51820\n"
	"    metric: 10\n"
	"    networks: [10.30.0.0/24]\n"
	"    mtu: 1300\n"
	"  site-1:\n"
	"    public_key: nonsense\n"
	"    address: 10.10.0.11/32\n"
	"    nat: true\n"
	"    networks:\n"
	"      - 10.20.1.7/24\n"
	"      - {prefix: 192.0.2.53/32, metric: 20, on_dead: release, weight: 30}\n"
	"      - {on_dead: hold, prefix: \"::/0\"}\n"
	"    interface: wg-site\n"
	"    listen_port: 2000\n"
	"    keepalive: 15\n"
	"    liveness: {multiplier: 5}\n"
	"    private_key_file: /root/key\n"
	"    device: shunt-wg\n"
	"    weight: 1000\n"
	"links:\n"
	"  - {between: [site-1, hub-a], preshared_key_file: /etc/psk}\n";

static void test_top(void **state)
{
	struct mesh_inventory *inv = parse(everything);

	assert_string_equal(inv->file, "t.yaml");
	assert_string_equal(inv->name, "corp");
	assert_int_equal(inv->topology, MESH_FULL_MESH);
	assert_pos(inv->topology_pos, 3, 11);
	assert_int_equal(inv->n_overlays, 2);
	assert_prefix(&inv->overlays[0].prefix, "10.10.0.0/24");
	assert_false(inv->overlays[0].had_host_bits);
	assert_pos(inv->overlays[0].pos, 2, 11);
	assert_prefix(&inv->overlays[1].prefix, "fd10::/64");
	assert_true(inv->overlays[1].had_host_bits);
	assert_pos(inv->overlays[1].pos, 2, 25);
	assert_int_equal(inv->n_nodes, 2);
	assert_int_equal(inv->n_links, 1);
	assert_int_equal(inv->links[0].a, 0);
	assert_int_equal(inv->links[0].b, 1);
	assert_string_equal(inv->links[0].preshared_key_file, "/etc/psk");
	assert_pos(inv->links[0].pos, 36, 5);
	assert_null(mesh_inventory_node(inv, "site-2"));
	mesh_inventory_free(inv);
}

static void test_devices(void **state)
{
	struct mesh_inventory *inv = parse(
		"defaults: {device: kernel}\n"
		"nodes:\n"
		"  a: {public_key: " KEY ", address: 10.0.0.1}\n"
		"  b: {public_key: " KEY ", address: 10.0.0.2, device: shunt-wg}\n"
		"  c: {public_key: " KEY ", address: 10.0.0.3, device: other}\n"
		"  d: {public_key: " KEY ", address: 10.0.0.4, device: shunt-wg, role: client}\n"
		"mesh: m\noverlay: 10.0.0.0/8\n");
	static const struct {
		const char *node, *device;
		enum mesh_owners owners;
	} want[] = {{"a", "kernel", MESH_OWNERS_ONE}, {"b", "shunt-wg", MESH_OWNERS_MANY},
		{"c", "other", MESH_OWNERS_ONE}, {"d", "shunt-wg", MESH_OWNERS_ONE}};

	for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
		const struct mesh_node *n = node_of(inv, want[i].node);

		assert_string_equal(mesh_device_name(n->device), want[i].device);
		assert_int_equal(mesh_owners_of(n), want[i].owners);
	}
	assert_null(mesh_device_name(MESH_DEVICE_UNKNOWN));
	mesh_inventory_free(inv);
}

static const char routing[] = /* */
	"mesh: m\noverlay: 10.0.0.0/8\n"
	"defaults:\n"
	"  routing: {engine: bird, protocol: bgp, layout: single, reflectors: [a, b], protocols: "
	"12,\n"
	"    socket: /run/b.ctl}\n"
	"nodes:\n"
	"  a: {role: hub, public_key: " KEY ", address: 10.0.0.1}\n"
	"  b:\n"
	"    public_key: " KEY "\n"
	"    address: 10.0.0.2\n"
	"    may_announce: [10.40.0.0/16, 10.41.0.7/16]\n"
	"    routing: {engine: frr, asn: 65013, distance: 20, tables: [10, 254], reflectors: a}\n"
	"  c: {public_key: " KEY
	", address: 10.0.0.3, routing: {engine: other, protocols: [99, 7]}}\n"
	"  d: {public_key: " KEY ", address: 10.0.0.4, routing: {engine: none}}\n"
	"  e: {public_key: " KEY ", address: 10.0.0.5, role: client}\n"
	"  f: {public_key: " KEY ", address: 10.0.0.6, routing: {asn: 1}}\n";

static void test_routing(void **state)
{
	struct mesh_inventory *inv = parse(routing);
	const struct mesh_node *a = node_of(inv, "a"), *b = node_of(inv, "b");
	const struct mesh_node *c = node_of(inv, "c"), *f = node_of(inv, "f");

	assert_int_equal(a->routing.engine, MESH_ENGINE_BIRD);
	assert_int_equal(a->routing.asn, 0);
	assert_int_equal(a->routing.distance, 5);
	assert_int_equal(a->routing.n_tables, 1);
	assert_int_equal(a->routing.tables[0], 254);
	assert_int_equal(a->routing.n_protocols, 1);
	assert_int_equal(a->routing.protocols[0], 12);
	assert_int_equal(a->routing.n_reflectors, 2);
	assert_int_equal(a->routing.reflectors[1], 1);
	assert_pos(a->routing.pos, 4, 21);
	assert_pos(a->routing.reflectors_pos, 4, 70);
	assert_pos(a->routing.asn_pos, 7, 3);
	assert_int_equal(b->routing.engine, MESH_ENGINE_FRR);
	assert_int_equal(b->routing.asn, 65013);
	assert_pos(b->routing.asn_pos, 12, 33);
	assert_int_equal(b->routing.distance, 20);
	assert_int_equal(b->routing.n_tables, 2);
	assert_int_equal(b->routing.tables[0], 10);
	assert_int_equal(b->routing.n_protocols, 6); /* of defaults they are BIRD's */
	assert_int_equal(b->routing.protocols[0], 186);
	assert_int_equal(b->routing.n_reflectors, 1);
	assert_string_equal(a->routing.socket, "/run/b.ctl");
	assert_null(b->routing.socket);
	assert_string_equal(f->routing.socket, "/run/b.ctl");
	assert_int_equal(b->n_may_announce, 2);
	assert_prefix(&b->may_announce[1].prefix, "10.41.0.0/16");
	assert_true(b->may_announce[1].had_host_bits);
	assert_pos(b->may_announce[1].pos, 11, 34);
	assert_int_equal(c->routing.engine, MESH_ENGINE_OTHER);
	assert_int_equal(c->routing.n_protocols, 2);
	assert_int_equal(c->routing.protocols[1], 7);
	assert_int_equal(node_of(inv, "d")->routing.engine, MESH_ENGINE_NONE);
	assert_int_equal(node_of(inv, "e")->routing.engine, MESH_ENGINE_NONE);
	assert_null(node_of(inv, "e")->routing.idle_key);
	assert_int_equal(f->routing.engine, MESH_ENGINE_BIRD);
	assert_int_equal(f->routing.asn, 1);
	assert_int_equal(f->routing.n_reflectors, 2);
	assert_null(inv->idle_key);
	assert_string_equal(mesh_engine_name(MESH_ENGINE_FRR), "frr");
	mesh_inventory_free(inv);
}

/* What is stated for an engine that isn't there. */
static void test_idle_routing(void **state)
{
	struct mesh_inventory *inv =
		parse("mesh: m\noverlay: 10.0.0.0/8\n"
		      "defaults: {routing: {protocol: bgp, asn: 65001}}\n"
		      "nodes:\n"
		      "  a: {public_key: " KEY ", address: 10.0.0.1}\n"
		      "  b: {routing: {asn: 1}, public_key: " KEY ", address: 10.0.0.2}\n"
		      "  c: {routing: {engine: frr}, public_key: " KEY
		      ", role: client, address: 10.0.0.3}\n"
		      "  d: {routing: {engine: none, distance: 1}, public_key: " KEY
		      ", address: 10.0.0.4}\n");

	assert_int_equal(node_of(inv, "a")->routing.engine, MESH_ENGINE_NONE);
	assert_null(node_of(inv, "a")->routing.idle_key);
	assert_string_equal(node_of(inv, "b")->routing.idle_key, "asn");
	assert_pos(node_of(inv, "b")->routing.idle_pos, 6, 22);
	assert_string_equal(node_of(inv, "c")->routing.idle_key, "engine");
	assert_string_equal(node_of(inv, "d")->routing.idle_key, "distance");
	assert_string_equal(inv->idle_key, "protocol");
	assert_pos(inv->idle_pos, 3, 32);
	mesh_inventory_free(inv);
}

static void test_hub(void **state)
{
	struct mesh_inventory *inv = parse(everything);
	const struct mesh_node *n = node_of(inv, "hub-a");
	char text[WG_KEY_BASE64_LEN];

	assert_int_equal(n->index, 0);
	assert_pos(n->pos, 12, 3);
	assert_int_equal(n->role, MESH_HUB);
	assert_true(n->key_valid);
	assert_string_equal(wg_key_to_base64(&n->public_key, text), KEY);
	assert_string_equal(n->public_key_text, KEY);
	assert_pos(n->key_pos, 14, 17);
	assert_int_equal(n->n_addresses, 2);
	assert_addr(&n->addresses[0].addr, "10.10.0.1");
	assert_pos(n->addresses[0].pos, 15, 15);
	assert_addr(&n->addresses[1].addr, "fd10::1");
	assert_pos(n->addresses[1].pos, 15, 26);
	assert_string_equal(n->endpoint.host, "hub-a.example.net");
	assert_int_equal(n->endpoint.port, 51820);
	assert_pos(n->endpoint.pos, 16, 15);
	assert_int_equal(n->metric, 10);
	assert_int_equal(n->weight, 1);
	assert_int_equal(n->device, MESH_DEVICE_UNKNOWN);
	assert_int_equal(mesh_owners_of(n), MESH_OWNERS_UNKNOWN);
	assert_false(n->nat);
	assert_int_equal(n->n_networks, 1);
	assert_prefix(&n->networks[0].prefix, "10.30.0.0/24");
	assert_int_equal(n->networks[0].metric, MESH_METRIC_NONE);
	assert_int_equal(n->networks[0].on_dead, MESH_FALL_BACK);
	assert_false(n->networks[0].had_host_bits);
	/* from defaults */
	assert_string_equal(n->interface, "wg7");
	assert_int_equal(n->listen_port, 1000);
	assert_int_equal(n->keepalive, 0);
	assert_int_equal(n->mtu, 1300);
	assert_pos(n->mtu_pos, 19, 10);
	assert_int_equal(n->liveness.probe, MESH_PROBE_ECHO);
	assert_true(n->liveness.probe_set);
	assert_int_equal(n->liveness.interval_ns, 200 * NS_PER_MS);
	assert_int_equal(n->liveness.multiplier, 4);
	assert_int_equal(n->liveness.hold_ns, 10 * NS_PER_S);
	assert_string_equal(n->private_key_file, "/etc/keys/wg");
	mesh_inventory_free(inv);
}

static void test_site(void **state)
{
	struct mesh_inventory *inv = parse(everything);
	const struct mesh_node *n = node_of(inv, "site-1");

	assert_int_equal(n->index, 1);
	assert_int_equal(n->role, MESH_SPOKE);
	assert_false(n->key_valid);
	assert_true(wg_key_is_zero(&n->public_key));
	assert_string_equal(n->public_key_text, "nonsense");
	assert_int_equal(n->n_addresses, 1);
	assert_addr(&n->addresses[0].addr, "10.10.0.11");
	assert_null(n->endpoint.host);
	assert_pos(n->endpoint.pos, 20, 3);
	assert_int_equal(n->metric, MESH_METRIC_NONE);
	assert_int_equal(n->weight, 1000);
	assert_int_equal(n->device, MESH_DEVICE_SHUNT_WG);
	assert_int_equal(mesh_owners_of(n), MESH_OWNERS_MANY);
	assert_true(n->nat);
	assert_int_equal(n->n_networks, 3);
	assert_prefix(&n->networks[0].prefix, "10.20.1.0/24");
	assert_true(n->networks[0].had_host_bits);
	assert_pos(n->networks[0].pos, 25, 9);
	assert_prefix(&n->networks[1].prefix, "192.0.2.53/32");
	assert_int_equal(n->networks[1].metric, 20);
	assert_int_equal(n->networks[1].on_dead, MESH_RELEASE);
	assert_int_equal(n->networks[1].weight, 30);
	assert_int_equal(n->networks[2].weight, 1);
	assert_pos(n->networks[1].pos, 26, 18);
	assert_prefix(&n->networks[2].prefix, "::/0");
	assert_int_equal(n->networks[2].on_dead, MESH_HOLD);
	assert_string_equal(n->interface, "wg-site");
	assert_int_equal(n->listen_port, 2000);
	assert_int_equal(n->keepalive, 15);
	assert_int_equal(n->mtu, 1400);
	assert_pos(n->mtu_pos, 20, 3);
	assert_int_equal(n->liveness.probe, MESH_PROBE_ECHO);
	assert_int_equal(n->liveness.interval_ns, 200 * NS_PER_MS);
	assert_int_equal(n->liveness.multiplier, 5);
	assert_int_equal(n->liveness.hold_ns, 10 * NS_PER_S);
	assert_string_equal(n->private_key_file, "/root/key");
	mesh_inventory_free(inv);
}

static void test_built_in(void **state)
{
	struct mesh_inventory *inv =
		parse("nodes: {a: {interface: wg-a.1, address: 10.0.0.1, public_key: " KEY "}}\n"
		      "overlay: 10.0.0.0/8\n"
		      "mesh: \"M\xc3\xbcnchen 2\"\n");
	const struct mesh_node *n = node_of(inv, "a");

	assert_string_equal(inv->name, "M\xc3\xbcnchen 2");
	assert_int_equal(inv->topology, MESH_HUB_AND_SPOKE);
	assert_int_equal(inv->n_overlays, 1);
	assert_int_equal(inv->n_links, 0);
	assert_int_equal(n->n_networks, 0);
	assert_int_equal(n->listen_port, 51820);
	assert_int_equal(n->keepalive, MESH_KEEPALIVE_AUTO);
	assert_int_equal(n->mtu, 1420);
	assert_int_equal(n->drain_on_stop_ns, 0);
	assert_int_equal(n->liveness.probe, MESH_PROBE_BFD);
	assert_false(n->liveness.probe_set);
	assert_int_equal(n->liveness.interval_ns, 100 * NS_PER_MS);
	assert_int_equal(n->liveness.multiplier, 3);
	assert_int_equal(n->liveness.hold_ns, 5 * NS_PER_S);
	assert_string_equal(n->private_key_file, "/etc/wireguard/wg-a.1.key");
	mesh_inventory_free(inv);
}

static void test_drain_on_stop(void **state)
{
	struct mesh_inventory *inv =
		parse("mesh: m\n"
		      "overlay: 10.0.0.0/8\n"
		      "defaults: {drain_on_stop: 5s}\n"
		      "nodes:\n"
		      "  a: {address: 10.0.0.1, public_key: " KEY "}\n"
		      "  b: {address: 10.0.0.2, public_key: " KEY ", drain_on_stop: 1m}\n"
		      "  c: {address: 10.0.0.3, public_key: " KEY ", drain_on_stop: 0s}\n");

	assert_int_equal(node_of(inv, "a")->drain_on_stop_ns, 5 * NS_PER_S);
	assert_int_equal(node_of(inv, "b")->drain_on_stop_ns, 60 * NS_PER_S);
	assert_int_equal(node_of(inv, "c")->drain_on_stop_ns, 0);
	mesh_inventory_free(inv);
}

/* BFD with a client only where the client itself says so. */
static void test_probe(void **state)
{
	static const struct {
		const char *defaults, *own; /* "": nothing stated */
		enum mesh_probe spoke, client;
		bool spoke_set, client_set;
	} table[] = {
		{"", "", MESH_PROBE_BFD, MESH_PROBE_HANDSHAKE, false, false},
		{"bfd", "", MESH_PROBE_BFD, MESH_PROBE_HANDSHAKE, true, false},
		{"echo", "", MESH_PROBE_ECHO, MESH_PROBE_ECHO, true, true},
		{"handshake", "", MESH_PROBE_HANDSHAKE, MESH_PROBE_HANDSHAKE, true, true},
		{"", "bfd", MESH_PROBE_BFD, MESH_PROBE_BFD, true, true},
		{"bfd", "bfd", MESH_PROBE_BFD, MESH_PROBE_BFD, true, true},
		{"bfd", "echo", MESH_PROBE_ECHO, MESH_PROBE_ECHO, true, true},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char text[512];
		struct mesh_inventory *inv;
		const struct mesh_node *s, *c;
		const char *d = table[i].defaults, *o = table[i].own;

		snprintf(text, sizeof(text),
			"mesh: m\noverlay: 10.0.0.0/8\ndefaults: {liveness: {%s%s}}\nnodes:\n"
			"  s: {public_key: x, address: 10.0.0.1, liveness: {%s%s}}\n"
			"  c: {role: client, public_key: x, address: 10.0.0.2, liveness: {%s%s}}\n",
			*d ? "probe: " : "", d, *o ? "probe: " : "", o, *o ? "probe: " : "", o);
		inv = parse(text);
		s = node_of(inv, "s");
		c = node_of(inv, "c");
		assert_int_equal(s->liveness.probe, table[i].spoke);
		assert_int_equal(c->liveness.probe, table[i].client);
		assert_int_equal(s->liveness.probe_set, table[i].spoke_set);
		assert_int_equal(c->liveness.probe_set, table[i].client_set);
		mesh_inventory_free(inv);
	}
}

static void test_endpoints(void **state)
{
	static const struct {
		const char *text, *host;
		int port;
	} table[] = {
		{"hub.example.net:5", "hub.example.net", 5},
		{"hub.example.net", "hub.example.net", 1234},
		{"hub.example.net.:65535", "hub.example.net.", 65535},
		{"hub_1:5", "hub_1", 5},
		{"3com:5", "3com", 5},
		{"192.0.2.1:5", "192.0.2.1", 5},
		{"192.0.2.1", "192.0.2.1", 1234},
		{"'[2001:db8::1]:5'", "2001:db8::1", 5},
		{"\"[2001:db8::1]\"", "2001:db8::1", 1234},
		{"\"[fe80::1%eth0.7]:5\"", "fe80::1%eth0.7", 5},
		{"0xh:5", "0xh", 5},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char text[512];
		struct mesh_inventory *inv;
		const struct mesh_node *n;

		snprintf(text, sizeof(text),
			"mesh: m\noverlay: 10.0.0.0/8\nnodes:\n  a:\n    endpoint: %s\n"
			"    public_key: x\n    address: 10.0.0.1\n    listen_port: 1234\n",
			table[i].text);
		inv = parse(text);
		n = node_of(inv, "a");
		assert_string_equal(n->endpoint.host, table[i].host);
		assert_int_equal(n->endpoint.port, table[i].port);
		assert_pos(n->endpoint.pos, 5, 15);
		mesh_inventory_free(inv);
	}
}

/* Of either end, in either order; a port that is left out is the node's. */
static void test_endpoints_of_links(void **state)
{
	struct mesh_inventory *inv = parse(
		"mesh: m\noverlay: 10.0.0.0/8\nlinks:\n"
		"  - {between: [b, a], endpoints: {b: 192.168.1.6, a: \"[fe80::5%eth0]:7\"}}\n"
		"  - {endpoints: {c: h}, between: [b, c]}\nnodes:\n"
		"  a: {public_key: x, address: 10.0.0.1}\n"
		"  b: {public_key: x, address: 10.0.0.2, listen_port: 22}\n"
		"  c: {public_key: x, address: 10.0.0.3}\ndefaults: {listen_port: 33}\n");
	const struct mesh_link *l = inv->links;

	assert_int_equal(inv->n_links, 2);
	assert_string_equal(l[0].endpoints[0].host, "fe80::5%eth0");
	assert_int_equal(l[0].endpoints[0].port, 7);
	assert_pos(l[0].endpoints[0].pos, 4, 54);
	assert_string_equal(l[0].endpoints[1].host, "192.168.1.6");
	assert_int_equal(l[0].endpoints[1].port, 22);
	assert_null(l[1].endpoints[0].host);
	assert_string_equal(l[1].endpoints[1].host, "h");
	assert_int_equal(l[1].endpoints[1].port, 33);
	assert_null(inv->nodes[0].endpoint.host);
	mesh_inventory_free(inv);
}

static void the_longest_overlay_counts(void **state)
{
	static const char *const orders[] = {
		"[10.10.0.0/16, 10.10.0.0/24, \"fd10::/64\", \"fd10::/48\"]",
		"[\"fd10::/48\", 10.10.0.0/24, 10.10.0.0/16, \"fd10::/64\"]"};
	static const struct {
		const char *address;
		int len;
	} cases[] = {{"10.10.0.1", 24}, {"10.10.1.1", 16}, {"fd10::1", 64}, {"fd10:0:0:1::1", 48},
		{"10.11.0.1", -1}};

	for (size_t i = 0; i < 2; i++) {
		char text[512];

		snprintf(text, sizeof(text),
			"mesh: m\noverlay: %s\nnodes: {a: {public_key: x, address: 10.10.0.1}}\n",
			orders[i]);
		struct mesh_inventory *inv = parse(text);
		for (size_t k = 0; k < sizeof(cases) / sizeof(*cases); k++) {
			ip_addr a;

			assert_true(ip_addr_parse(&a, cases[k].address));
			const struct mesh_overlay *o = mesh_overlay_of(inv, &a);
			assert_int_equal(o ? (int)o->prefix.len : -1, cases[k].len);
		}
		mesh_inventory_free(inv);
	}
}

static void a_name_that_was_meant(void **state)
{
	struct mesh_inventory *inv = parse(
		"mesh: m\noverlay: 10.0.0.0/8\nnodes:\n"
		"  site-1: {public_key: x, address: 10.0.0.1}\n"
		"  a-name-that-is-longer-than-thirty-two-characters: {public_key: x, address: "
		"10.0.0.2}\n");

	assert_string_equal(mesh_inventory_guess(inv, "Site-1"), "site-1");
	assert_string_equal(mesh_inventory_guess(inv, "stie-1"), "site-1");
	assert_string_equal(
		mesh_inventory_guess(inv, "a-name-that-is-longer-than-thirtytwo-characters"),
		inv->nodes[1].name);
	assert_null(mesh_inventory_guess(inv, "elsewhere"));
	mesh_inventory_free(inv);
}

/* Limits, at their limit. */
static void test_bounds(void **state)
{
	struct mesh_inventory *inv = parse(
		"mesh: m\noverlay: 10.0.0.0/8\nnodes:\n"
		"  abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ_=+.012345:\n"
		"    {public_key: '', address: 10.0.0.1, listen_port: 1, mtu: 576, keepalive: 1,\n"
		"     metric: 0, interface: =wg+0.1_abcdefg, networks: [],\n"
		"     liveness: {interval: 10ms, multiplier: 1, hold: 0s}}\n"
		"  2:\n"
		"    {public_key: 12, address: 10.0.0.2, listen_port: 65535, mtu: 65535,\n"
		"     keepalive: 65535, metric: 4294967294, networks: 0.0.0.0/0, nat: FALSE,\n"
		"     liveness: {interval: 1m, multiplier: 255, hold: 1h}}\n"
		"links: [['2', "
		"abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ_=+.012345]]\n");

	assert_int_equal(strlen(inv->nodes[0].name), 63);
	assert_string_equal(inv->nodes[0].interface, "=wg+0.1_abcdefg");
	assert_int_equal(inv->nodes[0].liveness.hold_ns, 0);
	assert_int_equal(inv->nodes[1].metric, MESH_METRIC_NONE - 1);
	assert_int_equal(inv->nodes[1].keepalive, 65535);
	assert_int_equal(inv->nodes[1].liveness.hold_ns, 3600 * NS_PER_S);
	assert_prefix(&inv->nodes[1].networks[0].prefix, "0.0.0.0/0");
	mesh_inventory_free(inv);
}

/* Line ends of all kinds, a byte order mark, no line end at all, and no zero behind the text. */
static void test_bytes(void **state)
{
	static const char text[] = "\xef\xbb\xbf"
				   "mesh: m\r\noverlay: 10.0.0.0/8\rnodes:\n  a: {address: "
				   "10.0.0.1, public_key: " KEY "}";
	size_t len = sizeof(text) - 1;
	char *copy = malloc(len);
	struct mesh_inventory *inv;

	memcpy(copy, text, len);
	inv = parse_bytes(copy, len);
	free(copy);
	assert_pos(node_of(inv, "a")->pos, 4, 3);
	assert_pos(node_of(inv, "a")->addresses[0].pos, 4, 16);
	mesh_inventory_free(inv);
}

/* Columns are counted in characters, as an editor does. */
static void test_columns(void **state)
{
	struct mesh_inventory *inv = parse("{mesh: \xc3\xa4\xe2\x82\xac, overlay: 10.0.0.0/8, "
					   "nodes: {a: {public_key: x, address: 10.0.0.1}}}");

	assert_pos(inv->overlays[0].pos, 1, 21);
	mesh_inventory_free(inv);
}

static void test_names(void **state)
{
	assert_string_equal(mesh_role_name(MESH_HUB), "hub");
	assert_string_equal(mesh_role_name(MESH_SPOKE), "spoke");
	assert_string_equal(mesh_role_name(MESH_CLIENT), "client");
	assert_string_equal(mesh_on_dead_name(MESH_FALL_BACK), "fall-back");
	assert_string_equal(mesh_probe_name(MESH_PROBE_HANDSHAKE), "handshake");
	assert_string_equal(mesh_topology_name(MESH_FULL_MESH), "full-mesh");
	mesh_inventory_free(NULL);
}

static void test_examples(void **state)
{
	glob_t found;

	assert_int_equal(glob(SHUNT_SOURCE_ROOT "/examples/*.yaml", 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 4);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct mesh_inventory *inv = NULL;
		struct mesh_errors errors = {0};

		print_message("%s\n", found.gl_pathv[i]);
		assert_int_equal(mesh_inventory_read(found.gl_pathv[i], &inv, &errors), 0);
		assert_int_equal(errors.n, 0);
		for (size_t n = 0; n < inv->n_nodes; n++) {
			assert_true(inv->nodes[n].key_valid);
			assert_false(wg_key_is_low_order(&inv->nodes[n].public_key));
		}
		mesh_inventory_free(inv);
	}
	globfree(&found);
}

/* The full mesh of forty has as many tunnels as it is shipped for. */
static void test_forty_sites(void **state)
{
	struct mesh_inventory *inv = NULL;
	struct mesh_errors errors = {0};
	struct mesh_topology_index *t;
	int tunnels = 0;

	assert_int_equal(
		mesh_inventory_read(SHUNT_SOURCE_ROOT "/examples/forty-sites.yaml", &inv, &errors),
		0);
	t = mesh_topology_new(inv);
	for (unsigned a = 0; a < inv->n_nodes; a++)
		for (unsigned b = 0; b < a; b++)
			tunnels += mesh_linked(t, a, b);
	assert_int_equal(tunnels, 780);
	mesh_topology_free(t);
	mesh_inventory_free(inv);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_hub),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_routing),
		cmocka_unit_test(test_idle_routing),
		cmocka_unit_test(test_site),
		cmocka_unit_test(test_built_in),
		cmocka_unit_test(test_drain_on_stop),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_endpoints_of_links),
		cmocka_unit_test(the_longest_overlay_counts),
		cmocka_unit_test(a_name_that_was_meant),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_columns),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_forty_sites),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

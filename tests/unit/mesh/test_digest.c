/* SPDX-License-Identifier: MIT */
/* The digest of an inventory: each value that means something changes it, and nothing else does. */
#include "base/buf.h"
#include "base/mem.h"
#include "mesh/digest.h"
#include "unit.h"
#include <string.h>

#define KEY "s8TAR9VtnZl5kiLE509N8DHQNz1c1hjxBNOfZWizMhk="
#define PHONE "  phone: {role: client, public_key: x, address: 10.10.0.9"
#define OTHER_KEY "t8TAR9VtnZl5kiLE509N8DHQNz1c1hjxBNOfZWizMhk="

static const char everything[] = /* */
	"mesh: corp\n"
	"overlay: [10.10.0.0/24, \"fd10::/64\"]\n"
	"topology: full-mesh\n"
	"defaults:\n"
	"  interface: wg7\n"
	"  listen_port: 1000\n"
	"  keepalive: off\n"
	"  mtu: 1400\n"
	"  liveness: {probe: echo, interval: 200ms, multiplier: 4, hold: 10s}\n"
	"  private_key_file: /etc/keys/wg\n"
	"  routing: {engine: bird, asn: 65001, distance: 6}\n"
	"nodes:\n"
	"  hub-a:\n"
	"    role: hub\n"
	"    public_key: " KEY "\n"
	"    address: [10.10.0.1, fd10::1]\n"
	"    endpoint: hub-a.example.net:51820\n"
	"    metric: 10\n"
	"    networks: [10.30.0.0/24]\n"
	"  site-1:\n"
	"    public_key: nonsense\n"
	"    address: 10.10.0.11\n"
	"    nat: true\n"
	"    networks:\n"
	"      - {prefix: 192.0.2.53/32, metric: 20, on_dead: release, weight: 30}\n"
	"    device: shunt-wg\n"
	"    weight: 1000\n"
	"    routing: {engine: frr, tables: [254, 10], protocols: [186], reflectors: [hub-a], "
	"socket: /run/a}\n"
	"    may_announce: [10.40.0.0/16]\n"
	"  site-3: {public_key: x, address: 10.10.0.13}\n"
	"links:\n"
	"  - {between: [site-1, hub-a], preshared_key_file: /etc/psk, endpoints: {site-1: "
	"\"192.0.2.1:7\"}}\n";

struct digest {
	uint8_t bytes[MESH_DIGEST_LEN];
};

/* everything, with that in place of this. */
static struct digest digest_of(const char *file, const char *this, const char *that)
{
	const char *at = strstr(everything, this);
	struct mesh_inventory *inv = NULL;
	struct mesh_errors errors = {0};
	AUTO_BUF text = {0};
	struct digest d;

	assert_non_null(at);
	buf_add(&text, everything, (size_t)(at - everything));
	buf_puts(&text, that);
	buf_puts(&text, at + strlen(this));
	if (mesh_inventory_parse(file, text.data, text.n, &inv, &errors) < 0)
		fail_msg("%s: %s", that, errors.items[errors.n - 1].message);
	mesh_errors_done(&errors);
	mesh_digest(inv, d.bytes);
	mesh_inventory_free(inv);
	return d;
}

static const char *const changes[][2] = {
	{"mesh: corp", "mesh: corps"},
	{"10.10.0.0/24", "10.10.0.0/23"},
	{"fd10::/64", "fd11::/64"},
	{", \"fd10::/64\"", ""},
	{"full-mesh", "hub-and-spoke"},
	{"interface: wg7", "interface: wg8"},
	{"listen_port: 1000", "listen_port: 1001"},
	{"keepalive: off", "keepalive: 25"},
	{"  hub-a:\n", "  hub-a:\n    drain_on_stop: 5s\n"},
	{"mtu: 1400", "mtu: 1401"},
	{"probe: echo", "probe: bfd"},
	{"interval: 200ms", "interval: 201ms"},
	{"multiplier: 4", "multiplier: 5"},
	{"hold: 10s", "hold: 11s"},
	{"/etc/keys/wg", "/etc/keys/wh"},
	{"  hub-a:\n", "  hub-a:\n    mtu: 1399\n"},
	{"role: hub", "role: spoke"},
	{KEY, OTHER_KEY},
	{"nonsense", "rubbish"},
	{"10.10.0.1, fd10::1", "10.10.0.2, fd10::1"},
	{"10.10.0.1, fd10::1", "fd10::1, 10.10.0.1"},
	{", fd10::1]", "]"},
	{"hub-a.example.net", "hub-b.example.net"},
	{":51820", ":51821"},
	{"metric: 10\n", "metric: 11\n"},
	{"    metric: 10\n", ""},
	{"10.30.0.0/24", "10.30.0.0/25"},
	{"10.30.0.0/24", "10.31.0.0/24"},
	{"    networks: [10.30.0.0/24]\n", ""},
	{"site-3:", "site-4:"},
	{"nat: true", "nat: false"},
	{"metric: 20", "metric: 21"},
	{"on_dead: release", "on_dead: hold"},
	{"weight: 30", "weight: 31"},
	{"device: shunt-wg", "device: kernel"},
	{"    device: shunt-wg\n", ""},
	{"weight: 1000", "weight: 999"},
	{"engine: bird", "engine: none"},
	{"asn: 65001", "asn: 65002"},
	{", asn: 65001", ""},
	{"distance: 6", "distance: 7"},
	{"engine: frr", "engine: other"},
	{"[254, 10]", "[10, 254]"},
	{"[254, 10]", "[10]"},
	{"[186]", "[186, 196]"},
	{"[186]", "[185]"},
	{", reflectors: [hub-a]", ""},
	{"[hub-a], ", "[site-3], "},
	{"/run/a", "/run/b"},
	{"10.40.0.0/16", "10.40.0.0/17"},
	{"    may_announce: [10.40.0.0/16]\n", ""},
	{"/etc/psk", "/etc/psl"},
	{"192.0.2.1:7", "192.0.2.1:8"},
	{"{site-1: ", "{hub-a: "},
	{"nodes:\n", "nodes:\n  site-9: {public_key: x, address: 10.10.0.9}\n"},
	{"links:\n", "  site-9: {public_key: x, address: 10.10.0.9}\nlinks:\n"},
	{"links:\n", PHONE "}\nlinks:\n"},
	{"links:\n", PHONE ", default_route: []}\nlinks:\n"},
	{"links:\n", PHONE ", default_route: clients}\nlinks:\n"},
	{"links:\n", PHONE ", default_route: [clients, site-1]}\nlinks:\n"},
	{"links:\n", "revoked: " OTHER_KEY "\nlinks:\n"},
	{"links:\n", PHONE ", dns: 10.10.0.1}\nlinks:\n"},
	{"links:\n", PHONE ", dns: [10.10.0.1, corp.example]}\nlinks:\n"},
};

static void test_changes(void **state)
{
	struct digest seen[ARRAY_SIZE(changes) + 1];
	size_t n = 0;

	seen[n++] = digest_of("t.yaml", "", "");
	for (size_t i = 0; i < ARRAY_SIZE(changes); i++) {
		seen[n] = digest_of("t.yaml", changes[i][0], changes[i][1]);
		for (size_t k = 0; k < n; k++)
			if (memcmp(&seen[k], &seen[n], sizeof(seen[n])) == 0)
				fail_msg("%s: no other than %zu", changes[i][1], k);
		n++;
	}
}

static void test_same(void **state)
{
	static const char *const same[][2] = {
		{"mesh: corp", "# of all\n\nmesh:   'corp'"},
		{"[10.10.0.0/24, \"fd10::/64\"]", "\n  - 10.10.0.0/24\n  - fd10::/64"},
		{"metric: 10\n", "metric: 10\n    mtu: 1400\n"},
		{"{prefix: 192.0.2.53/32, metric: 20", "{metric: 20, prefix: 192.0.2.53"},
		{"10.10.0.0/24", "10.10.0.7/24"},
		{"engine: bird, asn", "engine: bird, protocol: bgp, layout: single, asn"},
		{"engine: bird, asn", "engine: bird, tables: 254, protocols: [12], asn"},
		{"10.40.0.0/16", "10.40.7.0/16"},
	};
	struct digest is, want = digest_of("t.yaml", "", "");

	for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
		is = digest_of("u.yaml", same[i][0], same[i][1]);
		assert_memory_equal(&is, &want, sizeof(is));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

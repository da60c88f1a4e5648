/* SPDX-License-Identifier: MIT */
/*
 * What is wrong with an inventory: every error with its line, its column and its sentence, in the
 * order of the file.
 */
#include "inventory_wrong.h"

#define NODE_RULE "1 to 63 characters of A-Z a-z 0-9 _ = + . - (no `-` first, and not `.` or `..`)"

static void test_document(void **state)
{
	static const struct wrong table[] = {
		{"", "1:1: the inventory is empty\n"},
		{"# nothing\n", "1:1: the inventory is empty\n"},
		{"- a\n", "1:1: an inventory must be a map of keys and values, not a list\n"},
		{"mesh\n", "1:1: an inventory must be a map of keys and values, not `mesh`\n"},
		{"mesh: m\n", "1:1: required key `overlay` is missing\n"
			      "1:1: required key `nodes` is missing\n"},
		{"mesh: m\n---\nmesh: n\n",
			"2:1: an inventory is one document, and here begins a second (`---`)\n"},
		{"mesh: m\nnodes: [a, b\n",
			"3:1: flow sequence without a closing bracket; it began on line 2\n"},
		{"mesh: \"m\n", "1:8: double-quoted scalar without closing quote\n"},
		{"nodes:\n\ta: x\n", "2:1: tab character may not be used as indentation\n"},
		{"mesh: m\noverlay: \xff\n",
			"2:10: byte 0xff isn't UTF-8; an inventory is a UTF-8 text\n"},
		{"mesh: \xc3\xa4\xc3\n",
			"1:8: byte 0xc3 isn't UTF-8; an inventory is a UTF-8 text\n"},
		{"mesh: \xed\xa0\x80\n",
			"1:7: byte 0xed isn't UTF-8; an inventory is a UTF-8 text\n"},
		{"mesh: m\r\nnodes: \x1b[1m\n",
			"2:8: control character 0x1b; an inventory is a text\n"},
		{"mesh: \"a\\0b\"\noverlay: 10.0.0.0/8\nnodes: {a: {public_key: " KEY
		 ", address: 10.0.0.1}}\n",
			"1:7: a text can't hold a zero byte\n"},
		{"[[[[[[[[[[[[[[[[[\n", "1:17: nested deeper than any inventory is\n"},
	};

	assert_all("", table);
}

static void test_refused_yaml(void **state)
{
	static const struct wrong table[] = {
		{"overlay: &o 10.0.0.0/8\n",
			"2:13: anchors and aliases (`&name`, `*name`) can't be used in an "
			"inventory; what nodes have in common goes under `defaults`\n"},
		{"overlay: *o\n",
			"2:10: anchors and aliases (`&name`, `*name`) can't be used in an "
			"inventory; what nodes have in common goes under `defaults`; a text that "
			"begins with `*` wants quotes\n"},
		{"overlay: !!str 10.0.0.0/8\n",
			"2:16: tags (`!name`) can't be used in an inventory; a text that looks "
			"like a number wants quotes\n"},
		{"overlay: 10.0.0.0/8\n? [a, b]\n: 1\n", "3:3: a key must be text, not a list\n"},
		{"overlay: 10.0.0.0/8\n? {a: b}\n: 1\n", "3:3: a key must be text, not a map\n"},
		{"overlay: 10.0.0.0/8\n<<: {a: b}\n",
			"3:1: unknown key `<<`; what nodes have in common goes under "
			"`defaults`\n"},
	};

	assert_errors("{mesh: m, nodes: {a: {public_key: " KEY ", address: 10.0.0.1}}, x: 1}",
		&(struct wrong){"",
			"1:1: required key `overlay` is missing\n"
			"1:102: unknown key `x`; allowed are `mesh`, `overlay`, `topology`, "
			"`defaults`, `nodes`, `links`, `revoked`\n"});
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char *tail = mem_printf(
			"%snodes: {a: {public_key: " KEY ", address: 10.0.0.1}}\n", table[i].text);

		assert_errors("mesh: m\n", &(struct wrong){tail, table[i].errors});
		free(tail);
	}
}

static void test_top(void **state)
{
	static const char before[] =
		"nodes: {a: {public_key: " KEY ", address: 10.0.0.1}}\nmesh: m\n";
	static const struct wrong table[] = {
		{"overlay: 10.0.0.0/8\nmesh: n\n",
			"4:1: duplicate key `mesh`; the first is on line 2\n"},
		{"overlay: []\n",
			"3:10: `overlay`: the list is empty; it needs at least one item\n"},
		{"overlay:\n", "3:1: `overlay` must be a prefix or a list of prefixes, not "
			       "nothing\n"},
		{"overlay: {a: b}\n",
			"3:10: `overlay` must be a prefix or a list of prefixes, not a map\n"},
		{"overlay: [10.0.0.0/33, 10.0.0.0/8, 10.1.0.0/8]\n",
			"3:11: `overlay` must be a prefix, as in 10.20.1.0/24 or "
			"\"fd20::/64\", not `10.0.0.0/33`\n"
			"3:36: prefix `10.0.0.0/8` stands twice; it is on line 3 already\n"},
		{"overlay: 10.0.0.0/8\ntopology: full\n",
			"4:11: `topology` must be `hub-and-spoke` or `full-mesh`, not `full`\n"},
		{"overlay: 10.0.0.0/8\ntopology: full_mesh\n",
			"4:11: `topology` must be `hub-and-spoke` or `full-mesh` (did you mean "
			"`full-mesh`?), not `full_mesh`\n"},
		{"overlay: 10.0.0.0/8\ntopolgy: full-mesh\n",
			"4:1: unknown key `topolgy`; did you mean `topology`?\n"},
		{"overlay: 10.0.0.0/8\nmtu: 1400\nnetworks: []\n",
			"4:1: unknown key `mtu`; it stands under `defaults` or on a node\n"
			"5:1: unknown key `networks`; it stands on a node\n"},
		{"overlay: 10.0.0.0/8\ndefaults: []\n",
			"4:11: `defaults` must be a map of keys and values, not a list\n"},
		{"overlay: 10.0.0.0/8\ndefaults: {role: hub, mtu: 12, mtu: 1300}\n",
			"4:12: unknown key `role` in `defaults`; it stands on a node\n"
			"4:28: `mtu` in `defaults` must be a whole number from 576 to 65535, not "
			"`12`\n"
			"4:32: duplicate key `mtu` in `defaults`; the first is on line 4\n"},
		{"overlay: 10.0.0.0/8\n\"\\e[31m\": x\n",
			"4:1: unknown key `\\x1b[31m`; allowed are `mesh`, `overlay`, `topology`, "
			"`defaults`, `nodes`, `links`, `revoked`\n"},
	};

	assert_all(before, table);
}

static void test_mesh_name(void **state)
{
	static const struct wrong table[] = {
		{"mesh: 12\n", "3:7: `mesh`: `12` is a number; as a text it wants quotes\n"},
		{"mesh: 1.5e3\n", "3:7: `mesh`: `1.5e3` is a number; as a text it wants quotes\n"},
		{"mesh: True\n",
			"3:7: `mesh`: `True` is a truth value; as a text it wants quotes\n"},
		{"mesh: ~\n", "3:7: `mesh` must be a text, not nothing\n"},
		{"mesh: [m]\n", "3:7: `mesh` must be a text, not a list\n"},
		{"mesh: \"\"\n", "3:7: `mesh` must be 1 to 63 printable characters, not the "
				 "quoted text ``\n"},
		{"mesh: \"a\\nb\"\n", "3:7: `mesh` must be 1 to 63 printable characters, not the "
				      "quoted text `a\\x0ab`\n"},
	};

	assert_all("nodes: {a: {public_key: " KEY ", address: 10.0.0.1}}\n"
		   "overlay: 10.0.0.0/8\n",
		table);
}

static void test_nodes(void **state)
{
	static const struct wrong table[] = {
		{"nodes:\n", "3:1: `nodes` must be a map from the names of the nodes to what they "
			     "are, not nothing\n"},
		{"nodes: {}\n", "3:8: `nodes` must be a map from the names of the nodes to what "
				"they are, not a map\n"},
		{"nodes: [a]\n", "3:8: `nodes` must be a map from the names of the nodes to what "
				 "they are, not a list\n"},
		{"nodes:\n  a:\n", "4:3: node `a` is empty; it needs at least `public_key` and "
				   "`address`\n"},
		{"nodes:\n  a: b\n", "4:6: `a` must be a map of keys and values, not `b`\n"},
		{"nodes:\n  a: {}\n", "4:3: required key `public_key` is missing in node `a`\n"
				      "4:3: required key `address` is missing in node `a`\n"},
		{"nodes:\n  a: {public_key: " KEY ", address: 10.0.0.1}\n"
		 "  b: {public_key: " KEY_2 ", address: 10.0.0.2}\n  \"a\": {mtu: 1}\n",
			"6:3: required key `public_key` is missing in node `a`\n"
			"6:3: required key `address` is missing in node `a`\n"
			"6:3: duplicate node name `a`; the first is on line 4\n"
			"6:14: `mtu` in node `a` must be a whole number from 576 to 65535, not "
			"`1`\n"},
		{"nodes:\n  a b: {public_key: " KEY ", address: 10.0.0.1}\n"
		 "  ..: {public_key: " KEY_2 ", address: 10.0.0.2}\n"
		 "  -c: {public_key: " KEY_3 ", address: 10.0.0.3}\n",
			"4:3: the name of a node must be " NODE_RULE ", not `a b`\n"
			"5:3: the name of a node must be " NODE_RULE ", not `..`\n"
			"6:3: the name of a node must be " NODE_RULE ", not `-c`\n"},
		{"nodes:\n  a: {public_key: " KEY ", address: [10.0.0.1, \"fd00::1\"], mtu: 1279}\n"
		 "  b: {public_key: " KEY_2 ", address: [10.0.0.2, \"fd00::2\"], mtu: 1280}\n"
		 "  c: {public_key: " KEY_3 ", address: 10.0.0.3, mtu: 1279}\n",
			"4:102: `mtu` in node `a` must be at least 1280, since the node has an "
			"IPv6 "
			"address, not `1279`\n"},
		{"nodes:\n  a: {public_key: " KEY
		 ", address: \"fd00::1\"}\ndefaults: {mtu: 1000}\n",
			"4:3: `mtu` in node `a` must be at least 1280, since the node has an IPv6 "
			"address, not `1000`\n"},
	};

	assert_all("mesh: m\noverlay: 10.0.0.0/8\n", table);
}

/* What follows a node that is complete, from line 7 on. */
static const char node[] = "mesh: m\noverlay: 10.0.0.0/16\nnodes:\n  a:\n    public_key: " KEY
			   "\n    address: 10.0.0.1\n";

static void test_numbers(void **state)
{
	static const struct wrong table[] = {
		{"    listen_port: 0\n", "7:18: `listen_port` in node `a` must be a whole number "
					 "from 1 to 65535, not `0`\n"},
		{"    listen_port: 65536\n", "7:18: `listen_port` in node `a` must be a whole "
					     "number from 1 to 65535, not `65536`\n"},
		{"    listen_port: \"80\"\n", "7:18: `listen_port` in node `a` must be a whole "
					      "number from 1 to 65535, not the quoted text `80`\n"},
		{"    listen_port: 0x50\n", "7:18: `listen_port` in node `a` must be a whole "
					    "number from 1 to 65535, not `0x50`\n"},
		{"    listen_port: 080\n", "7:18: `listen_port` in node `a` must be a whole "
					   "number from 1 to 65535, not `080`\n"},
		{"    listen_port: 80.0\n", "7:18: `listen_port` in node `a` must be a whole "
					    "number from 1 to 65535, not `80.0`\n"},
		{"    listen_port:\n", "7:5: `listen_port` in node `a` must be a whole number "
				       "from 1 to 65535, not nothing\n"},
		{"    metric: 4294967295\n", "7:13: `metric` in node `a` must be a whole number "
					     "from 0 to 4294967294, not `4294967295`\n"},
		{"    metric: 99999999999999999999\n",
			"7:13: `metric` in node `a` must be a whole number from 0 to 4294967294, "
			"not `99999999999999999999`\n"},
		{"    mtu: 575\n", "7:10: `mtu` in node `a` must be a whole number from 576 to "
				   "65535, not `575`\n"},
		{"    keepalive: 0\n", "7:16: `keepalive` in node `a` must be `auto`, `off` or a "
				       "whole number of seconds from 1 to 65535, not `0`\n"},
		{"    keepalive: 25s\n", "7:16: `keepalive` in node `a` must be `auto`, `off` or "
					 "a whole number of seconds from 1 to 65535, not `25s`\n"},
		{"    drain_on_stop: 61s\n",
			"7:20: `drain_on_stop` in node `a` must be a time from "
			"0s to 1m, as in 5s, not `61s`\n"},
		{"    drain_on_stop: 5\n",
			"7:20: `drain_on_stop` in node `a`: a time needs a unit: "
			"us, ms, s, m or h, as in 5s\n"},
		{"    nat: yes\n", "7:10: `nat` in node `a` must be true or false, not `yes`\n"},
		{"    nat: 'true'\n",
			"7:10: `nat` in node `a` must be true or false, not the quoted text "
			"`true`\n"},
	};

	assert_all(node, table);
}

static void test_liveness(void **state)
{
	static const struct wrong table[] = {
		{"    liveness: bfd\n", "7:15: `liveness` in node `a` must be a map of keys and "
					"values, not `bfd`\n"},
		{"    liveness: {probe: BFD}\n",
			"7:23: `probe` in `liveness` in node `a` must be `bfd`, `echo` or "
			"`handshake` (did you mean `bfd`?), not `BFD`\n"},
		{"    liveness: {interval: 100}\n",
			"7:26: `interval` in `liveness` in node `a`: a time needs a unit: us, ms, "
			"s, m or h, as in 100ms\n"},
		{"    liveness: {interval: 9ms, multiplier: 256, hold: 61m}\n",
			"7:26: `interval` in `liveness` in node `a` must be a time from 10ms to "
			"1m, as in 100ms, not `9ms`\n"
			"7:43: `multiplier` in `liveness` in node `a` must be a whole number "
			"from 1 to 255, not `256`\n"
			"7:54: `hold` in `liveness` in node `a` must be a time from 0s to 1h, as "
			"in 5s, not `61m`\n"},
		{"    liveness: {hold: 0}\n",
			"7:22: `hold` in `liveness` in node `a`: a time needs a unit: us, ms, s, "
			"m or h, as in 5s\n"},
		{"    liveness: {timeout: 1s}\n",
			"7:16: unknown key `timeout` in `liveness` in node `a`; allowed are "
			"`probe`, `interval`, `multiplier`, `hold`\n"},
	};

	assert_all(node, table);
}

#define INTERFACE_RULE "1 to 15 characters of A-Z a-z 0-9 _ = + . - (and not `.` or `..`)"
#define PATH_RULE "the absolute path of a file, printable and without `#`"
#define TEN "0123456789"

static void test_routing(void **state)
{
	static const struct wrong table[] = {
		{"    routing: bird\n", "7:14: `routing` in node `a` must be a map of keys and "
					"values, not `bird`\n"},
		{"    routing: {engine: quagga}\n",
			"7:23: `engine` in `routing` in node `a` must be `none`, `bird`, `frr` or "
			"`other`, not `quagga`\n"},
		{"    routing: {engine: bird, protocol: ospf, layout: per-peer}\n",
			"7:39: `protocol` in `routing` in node `a`: `ospf` isn't there yet; what "
			"is there is `bgp`\n"
			"7:53: `layout` in `routing` in node `a`: `per-peer` isn't there yet; "
			"what is there is `single`\n"},
		{"    routing: {protocol: isis, layout: []}\n",
			"7:25: `protocol` in `routing` in node `a` must be `bgp`, not `isis`\n"
			"7:39: `layout` in `routing` in node `a` must be `single`, not a list\n"},
		{"    routing: {asn: 0, distance: 0}\n",
			"7:20: `asn` in `routing` in node `a` must be a whole number from 1 to "
			"4294967294, not `0`\n"
			"7:33: `distance` in `routing` in node `a` must be a whole number from 1 "
			"to 255, not `0`\n"},
		{"    routing: {asn: 4294967295, distance: 256}\n",
			"7:20: `asn` in `routing` in node `a` must be a whole number from 1 to "
			"4294967294, not `4294967295`\n"
			"7:42: `distance` in `routing` in node `a` must be a whole number from 1 "
			"to 255, not `256`\n"},
		{"    routing: {tables: [254, 255, 254, main], protocols: [2, 213, 256, 0]}\n",
			"7:29: `tables` in `routing` in node `a`: 255 is the kernel's table of "
			"its own addresses, where no engine writes\n"
			"7:34: `tables` in `routing` in node `a`: 254 stands twice\n"
			"7:39: `tables` in `routing` in node `a` must be a whole number from 1 to "
			"4294967295, not `main`\n"
			"7:58: `protocols` in `routing` in node `a`: 2 is what the kernel's own "
			"routes have, which no engine chose\n"
			"7:61: `protocols` in `routing` in node `a`: 213 is what shuntd's own "
			"routes have, which no engine chose\n"
			"7:66: `protocols` in `routing` in node `a` must be a whole number from 1 "
			"to 255, not `256`\n"
			"7:71: `protocols` in `routing` in node `a` must be a whole number from 1 "
			"to 255, not `0`\n"},
		{"    routing: {reflectors: [a, hub-x, a, 7]}\n",
			"7:31: unknown node `hub-x` in `reflectors`; it must be one under "
			"`nodes`\n"
			"7:38: node `a` stands twice in `reflectors`\n"
			"7:41: `reflectors`: `7` is a number; as a text it wants quotes\n"},
		{"    routing: {reflectors: [], tables: []}\n",
			"7:27: `reflectors` in `routing` in node `a`: the list is empty; it needs "
			"at least one item\n"
			"7:39: `tables` in `routing` in node `a`: the list is empty; it needs at "
			"least one item\n"},
		{"    routing: {area: 0}\n    asn: 65001\n",
			"7:15: unknown key `area` in `routing` in node `a`; allowed are `engine`, "
			"`protocol`, `layout`, `asn`, `reflectors`, `distance`, `tables`, "
			"`protocols`, `socket`\n"
			"8:5: unknown key `asn` in node `a`; it stands in `routing`, under "
			"`defaults` or on a node\n"},
		{"    routing: {socket: run/bird.ctl}\n",
			"7:23: `socket` in `routing` in node `a`: not " PATH_RULE
			" (and never a key itself)\n"},
		{"    routing: {socket: /" TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "1234567}\n",
			"7:23: `socket` in `routing` in node `a` must be the absolute path of a "
			"socket, of 107 bytes at most, not `/" TEN TEN TEN TEN TEN TEN "01...`\n"},
		{"    may_announce: [10.40.0.0/33, 10.40.0.0/16, 10.40.7.0/16]\n",
			"7:20: `may_announce` in node `a` must be a prefix, as in 10.20.1.0/24 or "
			"\"fd20::/64\", not `10.40.0.0/33`\n"
			"7:48: prefix `10.40.0.0/16` stands twice in node `a`; it is on line 7 "
			"already\n"},
		{"    may_announce: {prefix: 10.40.0.0/16}\n",
			"7:19: `may_announce` in node `a` must be a prefix or a list of prefixes, "
			"not a map\n"},
	};
	static const struct wrong defaults[] = {
		{"defaults: {routing: {reflectors: [b]}, may_announce: 10.0.0.0/8}\n",
			"7:35: unknown node `b` in `reflectors`; it must be one under `nodes`\n"
			"7:40: unknown key `may_announce` in `defaults`; it stands on a node\n"},
	};

	assert_all(node, table);
	assert_all(node, defaults);
}

static void test_texts(void **state)
{
	static const struct wrong table[] = {
		{"    interface: wg0\n"
		 "    role: server\n",
			"8:11: `role` in node `a` must be `spoke`, `hub` or `client`, not "
			"`server`\n"},
		{"    device: shuntwg\n",
			"7:13: `device` in node `a` must be `kernel`, `shunt-wg` or `other` "
			"(did you mean `shunt-wg`?), not `shuntwg`\n"},
		{"    weight: 0\n    networks: [{prefix: 10.0.0.0/8, weight: 1001}]\n",
			"7:13: `weight` in node `a` must be a whole number from 1 to 1000, not "
			"`0`\n"
			"8:45: `weight` in a network in node `a` must be a whole number from 1 to "
			"1000, not `1001`\n"},
		{"    interface: wireguard-number-1\n",
			"7:16: `interface` in node `a` must be " INTERFACE_RULE
			", not `wireguard-number-1`\n"},
		{"    interface: wg/0\n",
			"7:16: `interface` in node `a` must be " INTERFACE_RULE ", not `wg/0`\n"},
		{"    interface: .\n",
			"7:16: `interface` in node `a` must be " INTERFACE_RULE ", not `.`\n"},
		{"    interface: 0\n", "7:16: `interface` in node `a`: `0` is a number; as a "
				       "text it wants quotes\n"},
		{"    private_key_file: wg0.key\n",
			"7:23: `private_key_file` in node `a`: not " PATH_RULE
			" (and never a key itself)\n"},
		{"    private_key_file: \"/etc/a\\nPostUp = x\"\n",
			"7:23: `private_key_file` in node `a` must be " PATH_RULE
			", not the quoted text `/etc/a\\x0aPostUp = x`\n"},
		{"    private_key_file: /etc/#1\n",
			"7:23: `private_key_file` in node `a` must be " PATH_RULE
			", not `/etc/#1`\n"},
		{"    keepalve: 10\n",
			"7:5: unknown key `keepalve` in node `a`; did you mean `keepalive`?\n"},
		{"    private_key: " KEY "\n", "7:5: unknown key `private_key` in node `a`; did "
					       "you mean `private_key_file`?\n"},
		{"    PublicKey: " KEY "\n",
			"7:5: unknown key `PublicKey` in node `a`; did you mean `public_key`?\n"},
		{"    AllowedIPs: 10.0.0.0/8\n",
			"7:5: unknown key `AllowedIPs` in node `a`; did you mean `networks`?\n"},
		{"    address: 10.0.0.2\n",
			"7:5: duplicate key `address` in node `a`; the first is on line 6\n"},
	};

	assert_all(node, table);
}

#define HOST_RULE                                                                        \
	"host:port with a name or an address as the host, as in hub.example.net:51820, " \
	"192.0.2.1:51820 or \"[2001:db8::1]:51820\""

static void test_endpoints(void **state)
{
	static const struct wrong table[] = {
		{"h:0", "host:port with a port from 1 to 65535, not `h:0`"},
		{"h:65536", "host:port with a port from 1 to 65535, not `h:65536`"},
		{"h:051820", "host:port with a port from 1 to 65535, not `h:051820`"},
		{"'h:'", "host:port with a port from 1 to 65535, not the quoted text `h:`"},
		{"300.1.1.1:5", HOST_RULE ", not `300.1.1.1:5`"},
		{"10.1:5", HOST_RULE ", not `10.1:5`"},
		{"a..b:5", HOST_RULE ", not `a..b:5`"},
		{"-a:5", HOST_RULE ", not `-a:5`"},
		{"a b:5", HOST_RULE ", not `a b:5`"},
		{"b\xc3\xbc"
		 "cher.de:5",
			HOST_RULE ", not `b\xc3\xbc"
				  "cher.de:5`"},
		{"'[::1'", HOST_RULE ", not the quoted text `[::1`"},
		{"'[::1]x'", HOST_RULE ", not the quoted text `[::1]x`"},
		{"'[10.0.0.1]:5'", HOST_RULE ", not the quoted text `[10.0.0.1]:5`"},
		{"'[fe80::1%]:5'", HOST_RULE ", not the quoted text `[fe80::1%]:5`"},
		{"'[fe80::1%a b]:5'", HOST_RULE ", not the quoted text `[fe80::1%a b]:5`"},
		{"'[fe80::1%a%b]:5'", HOST_RULE ", not the quoted text `[fe80::1%a%b]:5`"},
		{"10.0.0.1%eth0:5", HOST_RULE ", not `10.0.0.1%eth0:5`"},
		{"0x7f000001:5", HOST_RULE ", not `0x7f000001:5`"},
		{"127.0x1:5", HOST_RULE ", not `127.0x1:5`"},
		{"[h]", "host:port, as in hub.example.net:51820, not a list"},
		{"", "host:port, as in hub.example.net:51820, not nothing"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char *text = mem_printf("    endpoint: %s\n", table[i].text);
		char *error = mem_printf("7:%d: `endpoint` in node `a` must be %s\n",
			*table[i].text ? 15 : 5, table[i].errors);

		assert_errors(node, &(struct wrong){text, error});
		free(text);
		free(error);
	}
	assert_errors(node, &(struct wrong){"    endpoint: 2001:db8::1\n",
				    "7:15: `endpoint` in node `a`: an IPv6 address wants brackets "
				    "here, to tell "
				    "it from a port: \"[2001:db8::1]\"\n"});
}

static void test_addresses(void **state)
{
	static const struct wrong table[] = {
		{"[]", "14: `address` in node `a`: the list is empty; it needs at least one item"},
		{"10.0.0", "14: `address` in node `a` must be an address, as in 10.10.0.11 or "
			   "\"fd10::11\", not `10.0.0`"},
		{"[10.0.0.1, x, [10.0.0.2]]",
			"25: `address` in node `a` must be an address, as in 10.10.0.11 or "
			"\"fd10::11\", not `x`\n"
			"6:28: `address` in node `a` must be an address, as in 10.10.0.11 or "
			"\"fd10::11\", not a list"},
		{"10.0.0.1/24", "14: `address` in node `a`: an address of a node is a single one: "
				"write `10.0.0.1` without a length; the prefix of all nodes "
				"stands under `overlay`"},
		{"[fd10::1, 10.0.0.1, \"fd10:0::1/128\"]",
			"34: address `fd10::1/128` stands twice in node `a`; it is on line 6 "
			"already"},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		char *text = mem_printf("mesh: m\noverlay: 10.0.0.0/8\nnodes:\n  a:\n    "
					"public_key: " KEY "\n    address: %s\n",
			table[i].text);
		char *error = mem_printf("6:%s\n", table[i].errors);

		assert_errors(text, &(struct wrong){"", error});
		free(text);
		free(error);
	}
}

static void test_networks(void **state)
{
	static const struct wrong table[] = {
		{"    networks: {prefix: 10.1.0.0/16}\n",
			"7:15: `networks` in node `a` must be a prefix or a list of networks, not "
			"a map\n"},
		{"    networks:\n", "7:5: `networks` in node `a` must be a prefix or a list of "
				    "networks, not nothing\n"},
		{"    networks: [10.1.0.0/16, 10.1.2.3/16]\n",
			"7:29: network `10.1.0.0/16` stands twice in node `a`; it is on line 7 "
			"already\n"},
		{"    networks:\n"
		 "      - {metric: 10, on_dead: fallback}\n"
		 "      - {prefix: 10.1.0.0/16, prefix: 10.2.0.0/16}\n"
		 "      - [10.3.0.0/16]\n"
		 "      - {prefix: [10.4.0.0/16], cost: 1}\n",
			"8:9: required key `prefix` is missing in a network in node `a`\n"
			"8:31: `on_dead` in a network in node `a` must be `fall-back`, `hold` or "
			"`release` (did you mean `fall-back`?), not `fallback`\n"
			"9:31: duplicate key `prefix` in a network in node `a`; the first is on "
			"line 9\n"
			"10:9: `networks` in node `a`: a network is a prefix or a map like "
			"{prefix: 10.20.1.0/24, metric: 10}, not a list\n"
			"11:18: `prefix` in a network in node `a` must be a prefix, as in "
			"10.20.1.0/24 or \"fd20::/64\", not a list\n"
			"11:33: unknown key `cost` in a network in node `a`; allowed are "
			"`prefix`, `metric`, `weight`, `on_dead`\n"},
	};

	assert_all(node, table);
}

static void test_links(void **state)
{
	static const struct wrong table[] = {
		{"links: {a: b}\n", "6:8: `links` must be a list of pairs, as in [[site-1, "
				    "site-2], [site-1, site-3]], not a map\n"},
		{"links: [[site-1, site-1]]\n", "6:9: a link of node `site-1` with itself\n"},
		{"links: [[site-1, site-3]]\n",
			"6:18: unknown node `site-3` in `links`; did you mean `site-1`?\n"},
		{"links: [[elsewhere, 7]]\n",
			"6:10: unknown node `elsewhere` in `links`; it must be one under `nodes`\n"
			"6:21: `links`: `7` is a number; as a text it wants quotes\n"},
		{"links: [[site-1], [site-1, site-2, site-1], x]\n",
			"6:9: `links`: a link is a pair of two nodes, as in [site-1, site-2]\n"
			"6:19: `links`: a link is a pair of two nodes, as in [site-1, site-2]\n"
			"6:45: `links`: a link is a pair of two nodes, as in [site-1, site-2]\n"},
		{"links:\n"
		 "  - [site-1, site-2]\n"
		 "  - {between: [site-2, site-1], preshared_key_file: /etc/psk}\n"
		 "  - {preshared_key: /etc/psk}\n"
		 "  - {between: site-1}\n",
			"8:5: the link between `site-1` and `site-2` stands twice; it is on line "
			"7 already\n"
			"9:5: required key `between` is missing in a link\n"
			"9:6: unknown key `preshared_key` in a link; did you mean "
			"`preshared_key_file`?\n"
			"10:15: `between` in a link: a link is a pair of two nodes, as in "
			"[site-1, site-2]\n"},
		{"links:\n"
		 "  - between: [site-1, site-2]\n"
		 "    endpoints: {site-1: 10.1.0.1, sit-2: 300.1.1.1, site-3: h:0, hub: h:1,\n"
		 "      site-1: h}\n",
			"8:35: `sit-2` in `endpoints` is no end of this link; did you mean "
			"`site-2`?\n"
			"8:42: `sit-2` in `endpoints` of a link must be " HOST_RULE
			", not `300.1.1.1`\n"
			"8:53: `site-3` in `endpoints` is no end of this link; did you mean "
			"`site-1`?\n"
			"8:61: `site-3` in `endpoints` of a link must be host:port with a port "
			"from 1 to 65535, not `h:0`\n"
			"8:66: `hub` in `endpoints` is no end of this link\n"
			"9:7: duplicate key `site-1` in `endpoints` of a link; the first is on "
			"line 8\n"},
		{"links: [{between: [site-1, site-4], endpoints: {site-1: 10.1:5}}]\n",
			"6:28: unknown node `site-4` in `links`; did you mean `site-1`?\n"
			"6:57: `site-1` in `endpoints` of a link must be " HOST_RULE
			", not `10.1:5`\n"},
		{"links: [{between: [site-1, site-2], endpoints: {}}]\n",
			"6:48: `endpoints` in a link: the map is empty; it names an end of the "
			"link\n"},
		{"links: [{between: [site-1, site-2], endpoints: h:1}]\n",
			"6:48: `endpoints` in a link must be a map of keys and values, not "
			"`h:1`\n"},
	};

	assert_all("mesh: m\noverlay: 10.0.0.0/8\nnodes:\n"
		   "  site-1: {public_key: " KEY ", address: 10.0.0.1}\n"
		   "  site-2: {public_key: " KEY_2 ", address: 10.0.0.2}\n",
		table);
}

/* Somebody who mends a file learns all at once, also what is the check's matter. */
static void test_faults_beside_errors(void **state)
{
	static const struct wrong table[] = {
		{"nodes:\n"
		 "  a: {public_key: short, address: 10.0.0.1, mtu: x}\n"
		 "  b: {public_key: " KEY ", address: 10.0.0.255, endpoint: localhost}\n"
		 "  c: {public_key: " KEY ", address: 10.0.0.3, interface: -w, mut: 1400}\n"
		 "  d: {public_key: " KEY_2 ", address: 10.0.0.3, networks: 127.0.0.0/8}\n",
			"4:19: weak-key: The public key of a isn't 32 bytes in base64: no device "
			"accepts it, and no peer can be made of it.\n"
			"4:50: `mtu` in node `a` must be a whole number from 576 to 65535, not "
			"`x`\n"
			"5:74: address-of-no-host: The address 10.0.0.255 of b is the broadcast "
			"address of the overlay 10.0.0.0/24: other nodes take it for all of them "
			"or for themselves, and never reach b.\n"
			"5:96: impossible-endpoint: The endpoint localhost of b is whatever "
			"machine asks for it, so everybody calls itself.\n"
			"6:19: duplicate-key: b and c have the same public key: to WireGuard they "
			"are one peer, and whoever spoke last gets the packets of all.\n"
			"6:95: impossible-interface: c can't have an interface named -w: that is "
			"an option to the tools that should set it up.\n"
			"6:99: unknown key `mut` in node `c`; did you mean `mtu`?\n"
			"7:74: duplicate-address: 10.0.0.3 is the address of c and d: it leads to "
			"one of them only, and whether the others are alive is measured there.\n"
			"7:94: impossible-prefix: The network 127.0.0.0/8 of d is loopback: the "
			"kernel doesn't route packets there into a tunnel, or no answer finds the "
			"way back.\n"},
		/* What an unread part may mend isn't told: roles, metrics, overlays, endpoints. */
		{"nodes:\n"
		 "  a: {public_key: " KEY ", address: 10.9.0.1, networks: 10.1.0.0/16, rle: hub}\n"
		 "  b: {public_key: " KEY_2 ", address: 10.9.0.2, networks: 10.1.0.0/16}\n",
			"4:107: unknown key `rle` in node `a`; did you mean `role`?\n"},
		/* Links without nodes to look in are no fault of their own. */
		{"node: {a: {public_key: " KEY ", address: 10.0.0.1}}\nlinks: [[a, b]]\n",
			"1:1: required key `nodes` is missing\n"
			"3:1: unknown key `node`; did you mean `nodes`?\n"},
	};

	assert_all("mesh: m\noverlay: 10.0.0.0/24\n", table);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_document),
		cmocka_unit_test(test_refused_yaml),
		cmocka_unit_test(test_top),
		cmocka_unit_test(test_mesh_name),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_liveness),
		cmocka_unit_test(test_routing),
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_endpoints),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_networks),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_faults_beside_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

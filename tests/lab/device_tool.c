/* SPDX-License-Identifier: MIT */
/*
 * device.h from the command line, for tests that need a real device: one verb per run, JSON out.
 *
 *   device_tool [--kind auto|kernel|uapi] [--userspace PROGRAM] [--socket-dir DIR] IFNAME VERB ...
 *
 *   open                      adopts or creates: {"created", "kind", "name"}
 *   get                       the state; private and preshared keys are left out
 *   set CHANGE                a JSON object, or - for standard input:
 *                             {"private_key", "listen_port", "fwmark", "peers": [{"key", "remove",
 *                             "update_only", "psk", "endpoint", "keepalive", "level", "add",
 *                             "del"}], "sets": [{"number", "remove", "owners": [{"key", "rank",
 *                             "weight", "relay"}], "add", "del"}]}
 *   remove-prefix KEY PREFIX  removes it from that peer: {"way", "gone"}
 *   parking-key               {"key"}
 *   destroy
 *
 * An error is {"error": errno's name, "why"} and exit status 1.
 */
#include "base/mem.h"
#include "device/device.h"
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- JSON ----------------------------------------------------------------------------------- */

static int print(json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(1) | JSON_SORT_KEYS);
	putchar('\n');
	json_decref(j);
	return 0;
}

static int fail(int err, const char *why)
{
	print(json_pack("{s:s, s:s}", "error", strerrorname_np(-err), "why", why));
	return 1;
}

static _Noreturn void usage(const char *what)
{
	fprintf(stderr, "device_tool: %s\n", what);
	exit(2);
}

static json_t *key_json(const wg_key *k)
{
	char text[WG_KEY_BASE64_LEN];

	return json_string(wg_key_to_base64(k, text));
}

static json_t *prefixes_json(const ip_prefix *list, size_t n)
{
	char text[IP_PREFIX_STRLEN];
	json_t *prefixes = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(prefixes, json_string(ip_prefix_format(&list[i], text)));
	return prefixes;
}

static const char *const levels[] = {"up", "last-resort", "down"};

static json_t *set_json(const struct device_owner_set *s)
{
	json_t *owners = json_array();

	for (size_t i = 0; i < s->n_owners; i++) {
		const struct device_owner *o = &s->owners[i];

		json_array_append_new(
			owners, json_pack("{s:o, s:i, s:i, s:b}", "key", key_json(&o->key), "rank",
					o->rank, "weight", o->weight, "relay", o->is_relay));
	}
	return json_pack("{s:I, s:o, s:o}", "number", (json_int_t)s->number, "owners", owners,
		"allowed", prefixes_json(s->allowed, s->n_allowed));
}

static json_t *peer_json(const struct device_peer *p)
{
	char text[SOCK_ADDR_STRLEN];

	return json_pack("{s:o, s:b, s:o, s:i, s:I, s:I, s:f, s:s, s:o}", "key", key_json(&p->key),
		"has_psk", p->has_psk, "endpoint",
		p->endpoint.sa.sa_family ? json_string(sock_addr_format(&p->endpoint, text))
					 : json_null(),
		"keepalive", p->keepalive, "rx_bytes", (json_int_t)p->rx_bytes, "tx_bytes",
		(json_int_t)p->tx_bytes, "last_handshake",
		(double)p->last_handshake.tv_sec + (double)p->last_handshake.tv_nsec / 1e9, "level",
		levels[p->level], "allowed", prefixes_json(p->allowed, p->n_allowed));
}

static json_t *state_json(const struct device_state *s)
{
	json_t *peers = json_array(), *sets = json_array();

	for (size_t i = 0; i < s->n_peers; i++)
		json_array_append_new(peers, peer_json(&s->peers[i]));
	for (size_t i = 0; i < s->n_sets; i++)
		json_array_append_new(sets, set_json(&s->sets[i]));
	return json_pack("{s:o, s:i, s:I, s:i, s:o, s:o}", "public_key",
		s->has_key ? key_json(&s->public_key) : json_null(), "listen_port", s->listen_port,
		"fwmark", (json_int_t)s->fwmark, "max_owners", (int)s->max_owners, "peers", peers,
		"sets", sets);
}

static bool key_member(wg_key *ret, const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	if (!v)
		return false;
	if (!json_is_string(v) || !wg_key_from_base64(ret, json_string_value(v)))
		usage("not a key");
	return true;
}

static bool number_member(uint32_t *ret, const json_t *o, const char *name)
{
	const json_t *v = json_object_get(o, name);

	if (!v)
		return false;
	*ret = (uint32_t)json_integer_value(v);
	return true;
}

static const ip_prefix *prefix_member(size_t *ret_n, const json_t *o, const char *name)
{
	const json_t *list = json_object_get(o, name);
	size_t n = json_array_size(list);
	ip_prefix *p = mem_zalloc(n + 1, sizeof(*p));

	for (size_t i = 0; i < n; i++)
		if (!ip_prefix_parse(&p[i], json_string_value(json_array_get(list, i))))
			usage("not a prefix");
	*ret_n = n;
	return p;
}

static struct device_peer_change peer_change(const json_t *o)
{
	struct device_peer_change p = {0};
	const char *endpoint = json_string_value(json_object_get(o, "endpoint"));
	uint32_t keepalive = 0;

	if (!key_member(&p.key, o, "key"))
		usage("a peer without key");
	p.remove = json_is_true(json_object_get(o, "remove"));
	p.update_only = json_is_true(json_object_get(o, "update_only"));
	p.set_psk = key_member(&p.psk, o, "psk");
	p.set_endpoint = endpoint != NULL;
	if (endpoint && !sock_addr_parse(&p.endpoint, endpoint))
		usage("not an endpoint");
	p.set_keepalive = number_member(&keepalive, o, "keepalive");
	p.keepalive = (uint16_t)keepalive;
	p.add = prefix_member(&p.n_add, o, "add");
	p.del = prefix_member(&p.n_del, o, "del");
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
		const char *level = json_string_value(json_object_get(o, "level"));

		if (!level || strcmp(level, levels[i]) != 0)
			continue;
		p.set_level = true;
		p.level = (enum device_level)i;
	}
	return p;
}

static struct device_owner_set_change set_change(const json_t *o)
{
	struct device_owner_set_change s = {.remove = json_is_true(json_object_get(o, "remove"))};
	const json_t *list = json_object_get(o, "owners"), *number = json_object_get(o, "number");
	struct device_owner *owners;

	if (!json_is_integer(number))
		usage("a set without number");
	s.number = (uint64_t)json_integer_value(number);
	s.n_owners = json_array_size(list);
	owners = mem_zalloc(s.n_owners + 1, sizeof(*owners));
	for (size_t i = 0; i < s.n_owners; i++) {
		const json_t *item = json_array_get(list, i);

		if (!key_member(&owners[i].key, item, "key"))
			usage("an owner without key");
		owners[i].rank = (uint16_t)json_integer_value(json_object_get(item, "rank"));
		owners[i].weight = (uint16_t)json_integer_value(json_object_get(item, "weight"));
		owners[i].is_relay = json_is_true(json_object_get(item, "relay"));
	}
	s.owners = owners;
	s.add = prefix_member(&s.n_add, o, "add");
	s.del = prefix_member(&s.n_del, o, "del");
	return s;
}

/* --- verbs ---------------------------------------------------------------------------------- */

static int verb_get(struct device *d, char **args)
{
	struct device_state s;
	int r = device_get(d, &s);

	if (r < 0)
		return fail(r, "device_get");
	print(state_json(&s));
	device_state_done(&s);
	return 0;
}

static void free_peers(struct device_peer_change *peers, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free((void *)(uintptr_t)peers[i].add);
		free((void *)(uintptr_t)peers[i].del);
	}
	free(peers);
}

static struct device_owner_set_change *set_changes(const json_t *list, size_t n)
{
	struct device_owner_set_change *sets = mem_zalloc(n + 1, sizeof(*sets));

	for (size_t i = 0; i < n; i++)
		sets[i] = set_change(json_array_get(list, i));
	return sets;
}

static void free_sets(struct device_owner_set_change *sets, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free((void *)(uintptr_t)sets[i].owners);
		free((void *)(uintptr_t)sets[i].add);
		free((void *)(uintptr_t)sets[i].del);
	}
	free(sets);
}

static int verb_set(struct device *d, char **args)
{
	struct device_change c = {0};
	struct device_owner_set_change *sets;
	struct device_peer_change *peers;
	json_error_t e;
	uint32_t port = 0;
	json_t *o, *list;
	int r;

	if (!args[0])
		usage("set CHANGE");
	o = strcmp(args[0], "-") ? json_loads(args[0], 0, &e) : json_loadf(stdin, 0, &e);
	if (!o)
		usage(e.text);
	c.set_private_key = key_member(&c.private_key, o, "private_key");
	c.set_listen_port = number_member(&port, o, "listen_port");
	c.listen_port = (uint16_t)port;
	c.set_fwmark = number_member(&c.fwmark, o, "fwmark");
	list = json_object_get(o, "peers");
	c.n_peers = json_array_size(list);
	peers = mem_zalloc(c.n_peers + 1, sizeof(*peers));
	for (size_t i = 0; i < c.n_peers; i++)
		peers[i] = peer_change(json_array_get(list, i));
	c.peers = peers;
	list = json_object_get(o, "sets");
	c.n_sets = json_array_size(list);
	c.sets = sets = set_changes(list, c.n_sets);
	r = device_set(d, &c);
	free_peers(peers, c.n_peers);
	free_sets(sets, c.n_sets);
	json_decref(o);
	if (r < 0)
		return fail(r, "device_set");
	return print(json_pack("{s:s}", "way", device_removal_way(d)));
}

static bool owns(struct device *d, const wg_key *key, const ip_prefix *p)
{
	struct device_state s;
	const struct device_peer *peer;
	bool found = false;

	if (device_get(d, &s) < 0)
		usage("device_get");
	peer = device_state_peer(&s, key);
	for (size_t i = 0; peer && i < peer->n_allowed; i++)
		found |= ip_prefix_eq(&peer->allowed[i], p);
	device_state_done(&s);
	return found;
}

static int verb_remove_prefix(struct device *d, char **args)
{
	struct device_peer_change peer = {.update_only = true};
	struct device_change c = {.peers = &peer, .n_peers = 1};
	ip_prefix p;
	bool before;
	int r;

	if (!args[0] || !args[1] || !wg_key_from_base64(&peer.key, args[0]) ||
		!ip_prefix_parse(&p, args[1]))
		usage("remove-prefix KEY PREFIX");
	peer.del = &p;
	peer.n_del = 1;
	before = owns(d, &peer.key, &p);
	r = device_set(d, &c);
	if (r < 0)
		return fail(r, "device_set");
	return print(json_pack("{s:s, s:b, s:b}", "way", device_removal_way(d), "was_there", before,
		"gone", !owns(d, &peer.key, &p)));
}

static int verb_parking_key(struct device *d, char **args)
{
	struct device_state s;
	wg_key key;
	int r = device_get(d, &s);

	if (r < 0)
		return fail(r, "device_get");
	key = device_parking_key(&s.public_key);
	device_state_done(&s);
	return print(json_pack("{s:o}", "key", key_json(&key)));
}

static int verb_destroy(struct device *d, char **args)
{
	int r = device_destroy(d);

	return r < 0 ? fail(r, "device_destroy") : print(json_object());
}

static const struct {
	const char *name;
	int (*fn)(struct device *d, char **args);
} verbs[] = {
	{"get", verb_get},
	{"set", verb_set},
	{"remove-prefix", verb_remove_prefix},
	{"parking-key", verb_parking_key},
	{"destroy", verb_destroy},
};

static enum device_kind kind_of(const char *text)
{
	if (!strcmp(text, "auto"))
		return DEVICE_AUTO;
	if (!strcmp(text, "kernel"))
		return DEVICE_KERNEL;
	if (!strcmp(text, "uapi"))
		return DEVICE_UAPI;
	usage("--kind auto|kernel|uapi");
}

static char **options(int argc, char **argv, struct device_options *o)
{
	static const struct option long_options[] = {{"kind", 1, NULL, 'k'},
		{"userspace", 1, NULL, 'u'}, {"socket-dir", 1, NULL, 's'}, {0}};
	int c;

	while ((c = getopt_long(argc, argv, "+", long_options, NULL)) != -1) {
		if (c == 'k')
			o->kind = kind_of(optarg);
		else if (c == 'u')
			o->userspace = optarg;
		else if (c == 's')
			o->socket_dir = optarg;
		else
			exit(2);
	}
	if (argc - optind < 2)
		usage("[--kind K] [--userspace P] [--socket-dir D] IFNAME VERB ...");
	o->ifname = argv[optind];
	return argv + optind + 1;
}

int main(int argc, char **argv)
{
	struct device_options o = {0};
	char **verb = options(argc, argv, &o);
	struct device *d = NULL;
	char why[1024] = "";
	bool created;
	int r = device_open(&o, &d, &created, why, sizeof(why));

	if (r < 0)
		return fail(r, why);
	if (!strcmp(verb[0], "open")) {
		r = print(json_pack("{s:b, s:s, s:s}", "created", created, "kind",
			device_kind_of(d) == DEVICE_KERNEL ? "kernel" : "uapi", "name",
			device_name(d)));
		device_close(d);
		return r;
	}
	r = -1;
	for (size_t i = 0; i < ARRAY_SIZE(verbs); i++)
		if (!strcmp(verb[0], verbs[i].name))
			r = verbs[i].fn(d, verb + 1);
	device_close(d);
	if (r < 0)
		usage("no such verb");
	return r;
}

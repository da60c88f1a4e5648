/* SPDX-License-Identifier: MIT */
#include "mesh/parse.h"

#include "base/map.h"
#include "base/time.h"
#include "base/vec.h"
#include "mesh/errors.h"
#include "mesh/text.h"
#include <string.h>

static void read_liveness(struct parse *p, const struct yaml_node *v, void *into)
{
	static const struct parse_field fields[] = {
		{"probe", parse_probe, offsetof(struct stated_liveness, probe)},
		{"interval", parse_interval, offsetof(struct stated_liveness, interval_ns)},
		{"multiplier", parse_multiplier, offsetof(struct stated_liveness, multiplier)},
		{"hold", parse_hold, offsetof(struct stated_liveness, hold_ns)},
	};
	const char *where = p->where;

	if (!parse_is_map(p, v))
		return;
	p->where = arena_printf(p->scratch, " in `liveness`%s", where);
	parse_map(p, v, fields, ARRAY_SIZE(fields), into);
	p->where = where;
}

#define SETTING(key, read, member)                                  \
	{                                                           \
		key, read, offsetof(struct stated_settings, member) \
	}
#define SETTINGS                                                                                  \
	SETTING("interface", parse_interface, interface),                                         \
		SETTING("listen_port", parse_port, listen_port),                                  \
		SETTING("keepalive", parse_keepalive, keepalive), SETTING("mtu", parse_mtu, mtu), \
		SETTING("liveness", read_liveness, liveness),                                     \
		SETTING("private_key_file", parse_path, private_key_file),                        \
		SETTING("device", parse_device, device), SETTING("dns", parse_dns, dns),          \
		SETTING("default_route", parse_takers, takers),                                   \
		SETTING("routing", parse_routing, routing),                                       \
		SETTING("drain_on_stop", parse_drain_on_stop, drain_on_stop_ns)

void stated_settings_init(struct stated_settings *s)
{
	*s = (struct stated_settings){
		.keepalive = STATED_KEEPALIVE_NONE,
		.liveness = {.probe = -1, .hold_ns = -1},
		.drain_on_stop_ns = -1,
	};
}

static const struct parse_field settings_fields[] = {SETTINGS};

void parse_defaults(struct parse *p, const struct yaml_node *v, void *into)
{
	const char *where = p->where;

	if (!parse_is_map(p, v))
		return;
	p->where = " in `defaults`";
	parse_map(p, v, settings_fields, ARRAY_SIZE(settings_fields), into);
	p->where = where;
}

/* Not a key at all is nothing to stumble over here: the check calls it weak, and says what to do.
 */
static void read_public_key(struct parse *p, const struct yaml_node *v, void *into)
{
	struct mesh_node *node = into;

	if (v->kind != YAML_SCALAR || yaml_type_of(v) == YAML_NULL) {
		parse_refuse(p, v, "a public key: 32 bytes in base64");
		return;
	}
	node->public_key_text = arena_strdup(p->arena, v->text);
	node->key_valid = wg_key_from_base64(&node->public_key, node->public_key_text);
	node->key_pos = v->pos;
}

static void read_address(struct parse *p, const struct yaml_node *v, struct mesh_address *ret)
{
	const char *want = "an address, as in 10.10.0.11 or \"fd10::11\"";
	char text[IP_ADDR_STRLEN];
	ip_prefix prefix;

	if (v->kind != YAML_SCALAR || !ip_prefix_parse(&prefix, v->text)) {
		parse_refuse(p, v, "%s", want);
		return;
	}
	*ret = (struct mesh_address){ip_prefix_addr(&prefix), v->pos};
	if (prefix.len != ip_family_bits(prefix.family))
		parse_complain(p, v,
			"an address of a node is a single one: write `%s` without a length; the "
			"prefix of all nodes stands under `overlay`",
			ip_addr_format(&ret->addr, text));
}

static void read_addresses(struct parse *p, const struct yaml_node *v, void *into)
{
	struct mesh_node *node = into;
	VEC(struct mesh_address) list = {0};
	VEC(struct parse_placed) placed = {0};
	const struct yaml_node *item =
		parse_items(p, v, "an address or a list of addresses", false);
	struct mesh_address *copy;

	for (; item; item = parse_next(v, item)) {
		struct mesh_address a = {0};

		read_address(p, item, &a);
		if (!a.addr.family)
			continue;
		vec_push(&list, a);
		vec_push(&placed, (struct parse_placed){ip_prefix_host(&a.addr), a.pos});
	}
	parse_refuse_twins(p, placed.items, placed.n, "address");
	copy = arena_array(p->arena, struct mesh_address, list.n);
	if (list.n)
		memcpy(copy, list.items, list.n * sizeof(*copy));
	node->addresses = copy;
	node->n_addresses = list.n;
	vec_done(&list);
	vec_done(&placed);
}

struct network_value {
	ip_prefix prefix;
	uint32_t metric;
	uint16_t weight;
	int on_dead;
	struct mesh_pos pos;
};

static void read_network_prefix(struct parse *p, const struct yaml_node *v, void *into)
{
	struct network_value *n = into;

	if (parse_prefix(p, v, &n->prefix))
		n->pos = v->pos;
}

/* A prefix, or a map with what else there is to say about it. */
static void read_network(struct parse *p, const struct yaml_node *v, struct network_value *ret)
{
	static const struct parse_field fields[] = {
		{"prefix", read_network_prefix, 0, true},
		{"metric", parse_metric, offsetof(struct network_value, metric)},
		{"weight", parse_weight, offsetof(struct network_value, weight)},
		{"on_dead", parse_on_dead, offsetof(struct network_value, on_dead)},
	};
	const char *where = p->where;

	if (v->kind == YAML_LIST) {
		parse_complain(p, v,
			"a network is a prefix or a map like {prefix: 10.20.1.0/24, "
			"metric: 10}, not a list");
	} else if (v->kind == YAML_MAP) {
		p->where = arena_printf(p->scratch, " in a network%s", where);
		parse_map(p, v, fields, ARRAY_SIZE(fields), ret);
		p->where = where;
	} else {
		read_network_prefix(p, v, ret);
	}
}

static void read_networks(struct parse *p, const struct yaml_node *v, void *into)
{
	struct mesh_node *node = into;
	VEC(struct mesh_network) list = {0};
	VEC(struct parse_placed) placed = {0};
	const struct yaml_node *item = parse_items(p, v, "a prefix or a list of networks", true);
	struct mesh_network *copy;

	for (; item; item = parse_next(v, item)) {
		struct network_value n = {.metric = MESH_METRIC_NONE,
			.weight = MESH_WEIGHT_DEFAULT,
			.on_dead = MESH_FALL_BACK};
		ip_prefix masked;

		read_network(p, item, &n);
		if (!n.prefix.family)
			continue;
		masked = ip_prefix_masked(&n.prefix);
		vec_push(&list, (struct mesh_network){
					.prefix = masked,
					.had_host_bits = ip_prefix_has_host_bits(&n.prefix),
					.metric = n.metric,
					.weight = n.weight,
					.on_dead = (enum mesh_on_dead)n.on_dead,
					.pos = n.pos,
				});
		vec_push(&placed, (struct parse_placed){masked, n.pos});
	}
	parse_refuse_twins(p, placed.items, placed.n, "network");
	copy = arena_array(p->arena, struct mesh_network, list.n);
	if (list.n)
		memcpy(copy, list.items, list.n * sizeof(*copy));
	node->networks = copy;
	node->n_networks = list.n;
	vec_done(&list);
	vec_done(&placed);
}

static void read_may_announce(struct parse *p, const struct yaml_node *v, void *into)
{
	struct mesh_node *node = into;

	parse_prefixes(p, v, true, &node->may_announce, &node->n_may_announce);
}

#define OF_NODE(member) (offsetof(struct stated_node, node) + offsetof(struct mesh_node, member))

static const struct parse_field node_fields[] = {
	{"role", parse_role, offsetof(struct stated_node, role)},
	{"public_key", read_public_key, offsetof(struct stated_node, node), true},
	{"address", read_addresses, offsetof(struct stated_node, node), true},
	{"endpoint", parse_endpoint, OF_NODE(endpoint)},
	{"nat", parse_bool, OF_NODE(nat)},
	{"metric", parse_metric, OF_NODE(metric)},
	{"weight", parse_weight, OF_NODE(weight)},
	{"networks", read_networks, offsetof(struct stated_node, node)},
	{"may_announce", read_may_announce, offsetof(struct stated_node, node)},
	SETTINGS,
};

static void read_node(struct parse *p, const struct yaml_node *v, struct stated_node *into)
{
	const char *name = text_quote(p->scratch, v->key->text, v->key->n);
	const char *where = p->where;

	if (v->kind == YAML_SCALAR && yaml_type_of(v) == YAML_NULL) {
		mesh_errors_add(p->errors, v->pos,
			"node %s is empty; it needs at least `public_key` and `address`", name);
	} else if (parse_is_map(p, v)) {
		p->where = arena_printf(p->scratch, " in node %s", name);
		parse_map(p, v, node_fields, ARRAY_SIZE(node_fields), into);
		p->where = where;
	}
}

const char *parse_home_of(const char *key)
{
	for (size_t i = 0; i < ARRAY_SIZE(settings_fields); i++)
		if (!strcmp(settings_fields[i].key, key))
			return "under `defaults` or on a node";
	for (size_t i = 0; i < ARRAY_SIZE(node_fields); i++)
		if (!strcmp(node_fields[i].key, key))
			return "on a node";
	for (int i = 0; i < N_STATED_ROUTING; i++)
		if (!strcmp(stated_routing_name(i), key))
			return "in `routing`, under `defaults` or on a node";
	return NULL;
}

/* Registers the name; the error of a second node of that name. */
static void register_node(struct parse *p, const struct yaml_node *key, struct stated_nodes *all)
{
	struct mesh_node *node = &all->items[all->n - 1].node;
	void *first = map_get_str(all->by_name, node->name);

	if (!parse_is_node_name(node->name))
		mesh_errors_add(p->errors, key->pos,
			"the name of a node must be " PARSE_NODE_NAME_RULE ", not %s",
			text_quote(p->scratch, key->text, key->n));
	if (first) {
		mesh_errors_add(p->errors, key->pos,
			"duplicate node name %s; the first is on line %u",
			text_quote(p->scratch, key->text, key->n),
			all->items[(uintptr_t)first - 1].node.pos.line);
		/* Its key and addresses are often copies too; that isn't a fault of its own. */
		node->public_key_text = NULL;
		node->n_addresses = 0;
	} else {
		map_put_str(all->by_name, node->name, (void *)(uintptr_t)all->n);
	}
}

void parse_nodes(struct parse *p, const struct yaml_node *v, struct stated_nodes *ret)
{
	if (v->kind != YAML_MAP || !v->n) {
		parse_refuse(p, v, "a map from the names of the nodes to what they are");
		return;
	}
	for (const struct yaml_node *item = v->first; item && !parse_is_full(p);
		item = item->next) {
		struct stated_node *n;

		vec_push(ret, (struct stated_node){.role = MESH_SPOKE});
		n = &ret->items[ret->n - 1];
		stated_settings_init(&n->own);
		n->node.name = arena_strdup(p->arena, item->key->text);
		n->node.index = (unsigned)ret->n - 1;
		n->node.metric = MESH_METRIC_NONE;
		n->node.weight = MESH_WEIGHT_DEFAULT;
		n->node.pos = item->key->pos;
		read_node(p, item, n);
		register_node(p, item->key, ret);
	}
}

/* What s doesn't state it takes over. */
static void inherit(struct stated_settings *s, const struct stated_settings *from)
{
	if (!s->interface.name[0])
		s->interface = from->interface;
	if (!s->listen_port)
		s->listen_port = from->listen_port;
	if (s->keepalive == STATED_KEEPALIVE_NONE)
		s->keepalive = from->keepalive;
	if (!s->mtu.value)
		s->mtu.value = from->mtu.value;
	if (!s->private_key_file)
		s->private_key_file = from->private_key_file;
	if (!s->device)
		s->device = from->device;
	if (s->liveness.probe < 0)
		s->liveness.probe = from->liveness.probe;
	if (!s->liveness.interval_ns)
		s->liveness.interval_ns = from->liveness.interval_ns;
	if (!s->liveness.multiplier)
		s->liveness.multiplier = from->liveness.multiplier;
	if (s->liveness.hold_ns < 0)
		s->liveness.hold_ns = from->liveness.hold_ns;
	if (s->drain_on_stop_ns < 0)
		s->drain_on_stop_ns = from->drain_on_stop_ns;
}

static const struct stated_settings built_in = {
	.interface = {.name = "wg0"},
	.listen_port = 51820,
	.keepalive = MESH_KEEPALIVE_AUTO,
	.mtu = {.value = 1420},
	.liveness = {MESH_PROBE_BFD, 100 * NS_PER_MS, 3, 5 * NS_PER_S},
};

/* Stock WireGuard speaks no BFD: a client is asked for it only if it says so itself. */
static void finish_probe(struct stated_node *n, const struct stated_settings *defaults)
{
	struct stated_liveness *own = &n->own.liveness;
	bool is_client = n->role == MESH_CLIENT;
	bool inherits = own->probe < 0 && defaults->liveness.probe >= 0 &&
			!(is_client && defaults->liveness.probe == MESH_PROBE_BFD);

	n->node.liveness.probe_set = own->probe >= 0 || inherits;
	if (is_client && !n->node.liveness.probe_set)
		own->probe = MESH_PROBE_HANDSHAKE;
}

static void finish_liveness(struct mesh_liveness *l, const struct stated_liveness *from)
{
	l->probe = (enum mesh_probe)from->probe;
	l->interval_ns = from->interval_ns;
	l->multiplier = from->multiplier;
	l->hold_ns = from->hold_ns;
}

#define IPV6_MIN_MTU 1280

/* The kernel takes IPv6 off an interface below it, addresses and routes included. */
static void refuse_small_mtu(struct parse *p, const struct mesh_node *node)
{
	for (size_t i = 0; i < node->n_addresses; i++)
		if (node->mtu < IPV6_MIN_MTU && node->addresses[i].addr.family == AF_INET6) {
			mesh_errors_add(p->errors, node->mtu_pos,
				"`mtu` in node %s must be at least %d, since the node has an IPv6 "
				"address, not `%u`",
				text_quote(p->scratch, node->name, strlen(node->name)),
				IPV6_MIN_MTU, node->mtu);
			return;
		}
}

/* Nobody but a client's app is told of resolvers. Under defaults they are meant for clients. */
static void finish_dns(
	struct parse *p, struct stated_node *n, const struct stated_settings *defaults)
{
	bool is_client = n->role == MESH_CLIENT;

	if (!is_client && n->own.dns.pos.line)
		mesh_errors_add(p->errors, n->own.dns.pos,
			"`dns` in node %s is for clients, and it is none; shuntd sets no resolvers",
			text_quote(p->scratch, n->node.name, strlen(n->node.name)));
	if (!n->own.dns.pos.line)
		n->own.dns = defaults->dns;
	n->node.dns = is_client ? n->own.dns.items : NULL;
	n->node.n_dns = is_client ? n->own.dns.n : 0;
}

static struct mesh_pos or_pos(struct mesh_pos pos, struct mesh_pos other)
{
	return pos.line ? pos : other;
}

void stated_node_finish(
	struct parse *p, struct stated_node *n, const struct stated_settings *defaults)
{
	struct stated_settings *own = &n->own;
	struct mesh_node *node = &n->node;

	finish_probe(n, defaults);
	finish_dns(p, n, defaults);
	inherit(own, defaults);
	inherit(own, &built_in);
	finish_liveness(&node->liveness, &own->liveness);
	node->role = (enum mesh_role)n->role;
	memcpy(node->interface, own->interface.name, sizeof(node->interface));
	node->interface_pos = or_pos(own->interface.pos, node->pos);
	node->listen_port = own->listen_port;
	node->keepalive = own->keepalive;
	node->drain_on_stop_ns = own->drain_on_stop_ns;
	node->mtu = own->mtu.value;
	node->mtu_pos = or_pos(own->mtu.pos, node->pos);
	refuse_small_mtu(p, node);
	node->private_key_file = own->private_key_file;
	if (!node->private_key_file)
		node->private_key_file =
			arena_printf(p->arena, "/etc/wireguard/%s.key", node->interface);
	if (!node->endpoint.port)
		node->endpoint.port = node->listen_port;
	node->endpoint.pos = or_pos(node->endpoint.pos, node->pos);
	node->key_pos = or_pos(node->key_pos, node->pos);
	node->device = (enum mesh_device)own->device;
	node->takers = (own->takers.names ? own : defaults)->takers.takers;
	node->takers.own = own->takers.names;
	stated_routing_finish(&own->routing, &defaults->routing, node);
}

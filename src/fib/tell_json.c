/* SPDX-License-Identifier: MIT */
#include "fib/tell_json.h"

#include <assert.h>
#include <inttypes.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

/* What the parts are told of. */
struct telling {
	const struct fib_state *is_all, *shall_all;
	const struct fib_device *is, *shall; /* the operation's; NULL: not there */
	const struct fib_teller *teller;
};

static const char *const stages[] = {
	[FIB_AT_SYSCTL] = "sysctl",
	[FIB_AT_HELD] = "held",
	[FIB_AT_HELD_RULE] = "held-rule",
	[FIB_AT_LINK] = "link",
	[FIB_AT_ADDRESS_ADD] = "address-add",
	[FIB_AT_OVERLAY_ADD] = "overlay-add",
	[FIB_AT_OVERLAY_RULE] = "overlay-rule",
	[FIB_AT_ADDRESS_TURN] = "address-turn",
	[FIB_AT_ADDRESS_DEL] = "address-del",
	[FIB_AT_ROUTE_PART] = "route-part",
	[FIB_AT_ROUTE_WITHDRAW] = "route-withdraw",
	[FIB_AT_DEVICE] = "device",
	[FIB_AT_PEER_SET] = "peer-set",
	[FIB_AT_LEVEL] = "level",
	[FIB_AT_SIGNAL_DEL] = "signal-del",
	[FIB_AT_OWNERS_SET] = "owners-set",
	[FIB_AT_PREFIX_ADD] = "prefix-add",
	[FIB_AT_OWNERS_YIELD] = "owners-yield",
	[FIB_AT_PREFIX_YIELD] = "prefix-yield",
	[FIB_AT_PREFIX_DEL] = "prefix-del",
	[FIB_AT_OWNERS_DEL] = "owners-del",
	[FIB_AT_PEER_DEL] = "peer-del",
	[FIB_AT_ROUTE_ADD] = "route-add",
	[FIB_AT_RULE_ADD] = "rule-add",
	[FIB_AT_RULE_DEL] = "rule-del",
	[FIB_AT_OVERLAY_GUARD] = "overlay-guard",
	[FIB_AT_ROUTE_DEL] = "route-del",
	[FIB_AT_UNMARK] = "unmark",
	[FIB_AT_MARK] = "mark",
	[FIB_AT_SIGNAL_ADD] = "signal-add",
};

static const char *const reasons[] = {
	[FIB_MISSING] = "missing",
	[FIB_DIFFERS] = "differs",
	[FIB_MOVES] = "moves",
	[FIB_UNWANTED] = "unwanted",
};

static void put(json_t *to, const char *name, json_t *value)
{
	json_object_set_new(to, name, value);
}

/* Nothing of it where it is 0, which is the default. */
static void put_number(json_t *to, const char *name, uint32_t n)
{
	if (n)
		put(to, name, json_integer(n));
}

static void put_prefix(json_t *to, const char *name, const ip_prefix *p)
{
	char text[IP_PREFIX_STRLEN];

	put(to, name, json_string(ip_prefix_format(p, text)));
}

/* Nothing of one that isn't said. */
static void put_address(json_t *to, const char *name, const ip_addr *a)
{
	char text[IP_ADDR_STRLEN];

	if (a->family)
		put(to, name, json_string(ip_addr_format(a, text)));
}

static void put_peer(json_t *to, const char *name, const wg_key *key, const struct telling *t)
{
	put(to, name,
		wg_key_is_zero(key) ? json_null()
				    : json_string(t->teller->name(key, t->teller->data)));
}

static void put_endpoint(json_t *to, const char *name, const sock_addr *a)
{
	char text[SOCK_ADDR_STRLEN];

	put(to, name,
		a->sa.sa_family == AF_UNSPEC ? json_null()
					     : json_string(sock_addr_format(a, text)));
}

/* --- the kernel's --- */

static const char *route_type(uint8_t type)
{
	return type == RTN_BLACKHOLE  ? "blackhole"
	       : type == RTN_PROHIBIT ? "prohibit"
				      : "unreachable";
}

static void put_route(json_t *to, const struct rtnl_route *r)
{
	put_prefix(to, "prefix", &r->dst);
	put(to, "table", json_integer(r->table ? r->table : RT_TABLE_MAIN));
	put_number(to, "metric", r->metric);
	put_address(to, "via", &r->via);
	put_address(to, "src", &r->src);
	if (rtnl_route_refuses(r))
		put(to, "refuses", json_string(route_type(r->type)));
}

static void put_rule(json_t *to, const struct rtnl_rule *r)
{
	put(to, "family", json_string(r->family == AF_INET6 ? "ipv6" : "ipv4"));
	put(to, "priority", json_integer(r->priority));
	if (r->to.family)
		put_prefix(to, "to", &r->to);
	if (r->from.family)
		put_prefix(to, "from", &r->from);
	put_number(to, r->invert ? "not_fwmark" : "fwmark", r->fwmark);
	put(to, "table", json_integer(r->table));
	if (r->suppress_prefixlen >= 0)
		put(to, "suppress_prefixlength", json_integer(r->suppress_prefixlen));
}

static const struct fib_sysctl *sysctl_of(const struct fib_state *s, const char *path)
{
	for (size_t i = 0; i < s->sysctls.n; i++)
		if (!strcmp(s->sysctls.items[i].path, path))
			return &s->sysctls.items[i];
	return NULL;
}

static void put_sysctl(json_t *to, const char *path, const struct telling *t)
{
	const struct fib_sysctl *is = sysctl_of(t->is_all, path);
	const struct fib_sysctl *shall = sysctl_of(t->shall_all, path);

	put(to, "path", json_string(path));
	put(to, "was", is && is->value >= 0 ? json_integer(is->value) : json_null());
	put(to, "value", shall ? json_integer(shall->value) : json_null());
	if (shall && shall->why)
		put(to, "why", json_string(shall->why));
}

static void put_mark(json_t *to, const struct telling *t)
{
	put_number(to, "port", t->shall ? t->shall->mark.port : 0);
	put(to, "mark",
		t->shall && t->shall->mark.mark ? json_integer(t->shall->mark.mark) : json_null());
}

/* --- the device's --- */

static void put_settings(json_t *to, const struct fib_op *op, const struct telling *t)
{
	put(to, "sets_private_key", json_boolean(op->u.settings.key));
	if (op->u.settings.port)
		put(to, "listen_port", json_integer(t->shall ? t->shall->wg.listen_port : 0));
	if (op->u.settings.fwmark)
		put(to, "fwmark", json_integer(t->shall ? t->shall->wg.fwmark : 0));
}

static void put_change(json_t *to, const struct fib_op *op, const struct telling *t)
{
	const wg_key *key = &op->u.peer.key;
	const struct device_peer *is = t->is ? device_state_peer(&t->is->wg, key) : NULL;
	const struct device_peer *shall = t->shall ? device_state_peer(&t->shall->wg, key) : NULL;
	struct device_peer_change c;

	put_peer(to, "peer", key, t);
	if (!shall)
		return;
	fib_peer_change(is, shall, &c);
	put(to, "sets_preshared_key", json_boolean(c.set_psk));
	if (c.set_keepalive)
		put(to, "keepalive", json_integer(c.keepalive));
	if (c.set_endpoint)
		put_endpoint(to, "endpoint", &c.endpoint);
	wg_key_wipe(&c.psk);
}

static void put_endpoints(json_t *to, const struct fib_op *op, const struct telling *t)
{
	const struct device_peer *is =
		t->is ? device_state_peer(&t->is->wg, &op->u.endpoint.key) : NULL;
	sock_addr none = {.sa = {.sa_family = AF_UNSPEC}};

	put_peer(to, "peer", &op->u.endpoint.key, t);
	put_endpoint(to, "was", is ? &is->endpoint : &none);
	put_endpoint(to, "endpoint", &op->u.endpoint.to);
}

/* The numbers of sets are larger than what others hold exactly. */
static void put_set(json_t *to, const char *name, uint64_t number)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, number);
	put(to, name, json_string(text));
}

static void put_owner(json_t *to, const struct fib_op *op, const struct telling *t)
{
	const struct fib_home *from = &op->u.owner.from, *will = &op->u.owner.to;

	put_prefix(to, "prefix", &op->u.owner.prefix);
	put_peer(to, "from", &from->peer, t);
	if (from->owner_set)
		put_set(to, "from_owners", from->owner_set);
	put_peer(to, "to", &will->peer, t);
	if (will->owner_set)
		put_set(to, "to_owners", will->owner_set);
}

static const char *const levels[] = {
	[DEVICE_UP] = "up", [DEVICE_LAST_RESORT] = "last-resort", [DEVICE_DOWN] = "down"};

static void put_level(json_t *to, const struct fib_op *op, const struct telling *t)
{
	const struct device_peer *is =
		t->is ? device_state_peer(&t->is->wg, &op->u.level.key) : NULL;

	put_peer(to, "peer", &op->u.level.key, t);
	put(to, "was", is ? json_string(levels[is->level]) : json_null());
	put(to, "level", json_string(levels[op->u.level.to]));
}

static void put_owners(json_t *to, const struct fib_op *op, const struct telling *t)
{
	json_t *owners = json_array();

	put_set(to, "owners", op->u.owners.number);
	for (size_t i = 0; i < op->u.owners.n; i++) {
		const struct device_owner *o = &op->u.owners.owners[i];
		json_t *one = json_object();

		put_peer(one, "peer", &o->key, t);
		put(one, "rank", json_integer(o->rank));
		put(one, "weight", json_integer(o->weight));
		if (o->is_relay)
			put(one, "relay", json_true());
		json_array_append_new(owners, one);
	}
	put(to, "are", owners);
}

/* --- an operation --- */

static const char *const types[] = {
	[FIB_SYSCTL] = "set-sysctl",
	[FIB_LINK] = "set-link",
	[FIB_ADDRESS_ADD] = "add-address",
	[FIB_ADDRESS_DEL] = "remove-address",
	[FIB_ROUTE_ADD] = "add-route",
	[FIB_ROUTE_DEL] = "remove-route",
	[FIB_RULE_ADD] = "add-rule",
	[FIB_RULE_DEL] = "remove-rule",
	[FIB_DEVICE] = "set-device",
	[FIB_PEER_SET] = "set-peer",
	[FIB_ENDPOINT] = "set-endpoint",
	[FIB_LEVEL] = "set-level",
	[FIB_OWNERS_SET] = "set-owners",
	[FIB_PREFIX_ADD] = "add-prefix",
	[FIB_PREFIX_DEL] = "remove-prefix",
	[FIB_OWNERS_DEL] = "remove-owners",
	[FIB_PEER_DEL] = "remove-peer",
	[FIB_MARK] = "set-mark",
};

static void put_object(json_t *to, const struct fib_op *op, const struct telling *t)
{
	switch ((enum fib_op_type)op->type) {
	case FIB_SYSCTL:
		put_sysctl(to, op->u.sysctl, t);
		break;
	case FIB_LINK:
		put(to, "up", json_boolean(t->shall && t->shall->up));
		put_number(to, "mtu", t->shall ? t->shall->mtu : 0);
		if (t->is && t->shall && t->is->makes_link_local && !t->shall->makes_link_local)
			put(to, "addrgenmode", json_string("none"));
		break;
	case FIB_ADDRESS_ADD:
	case FIB_ADDRESS_DEL:
		put_prefix(to, "address", &op->u.address);
		break;
	case FIB_ROUTE_ADD:
	case FIB_ROUTE_DEL:
		put_route(to, &op->u.route);
		break;
	case FIB_RULE_ADD:
	case FIB_RULE_DEL:
		put_rule(to, &op->u.rule);
		break;
	case FIB_DEVICE:
		put_settings(to, op, t);
		break;
	case FIB_PEER_SET:
		put_change(to, op, t);
		break;
	case FIB_ENDPOINT:
		put_endpoints(to, op, t);
		break;
	case FIB_PREFIX_ADD:
	case FIB_PREFIX_DEL:
		put_owner(to, op, t);
		break;
	case FIB_LEVEL:
		put_level(to, op, t);
		break;
	case FIB_OWNERS_SET:
		put_owners(to, op, t);
		break;
	case FIB_OWNERS_DEL:
		put_set(to, "owners", op->u.owners.number);
		break;
	case FIB_PEER_DEL:
		put_peer(to, "peer", &op->u.peer.key, t);
		break;
	case FIB_MARK:
		put_mark(to, t);
		break;
	}
}

static json_t *tell_op(const struct fib_op *op, struct telling *t)
{
	json_t *o = json_object();

	assert(op->stage < ARRAY_SIZE(stages) && op->type < ARRAY_SIZE(types) &&
		op->reason < ARRAY_SIZE(reasons));
	t->is = fib_state_device(t->is_all, op->device);
	t->shall = fib_state_device(t->shall_all, op->device);
	put(o, "stage", json_string(stages[op->stage]));
	put(o, "type", json_string(types[op->type]));
	put(o, "reason", json_string(reasons[op->reason]));
	if (*op->device)
		put(o, "interface", json_string(op->device));
	put_object(o, op, t);
	return o;
}

static json_t *tell_conflict(const struct fib_conflict *c)
{
	char key[WG_KEY_BASE64_LEN];
	json_t *o = json_object();

	put_prefix(o, "prefix", &c->prefix);
	if (wg_key_is_zero(&c->foreign.peer)) {
		put(o, "owner", json_null());
		put_set(o, "owners", c->foreign.owner_set);
	} else {
		put(o, "owner", json_string(wg_key_to_base64(&c->foreign.peer, key)));
	}
	return o;
}

static json_t *tell_leftover(const struct rtnl_route *r, const struct fib_state *is)
{
	json_t *o = json_object();

	for (size_t i = 0; i < is->devices.n; i++)
		if (is->devices.items[i].ifindex == r->ifindex)
			put(o, "interface", json_string(is->devices.items[i].name));
	put_route(o, r);
	return o;
}

json_t *fib_tell_json(const struct fib_plan *p, const struct fib_state *is,
	const struct fib_state *shall, const struct fib_teller *t)
{
	struct telling telling = {.is_all = is, .shall_all = shall, .teller = t};
	json_t *ops = json_array(), *conflicts = json_array(), *leftovers = json_array();

	for (size_t i = 0; i < p->ops.n; i++)
		json_array_append_new(ops, tell_op(&p->ops.items[i], &telling));
	for (size_t i = 0; i < p->conflicts.n; i++)
		json_array_append_new(conflicts, tell_conflict(&p->conflicts.items[i]));
	for (size_t i = 0; i < p->leftover.n; i++)
		json_array_append_new(leftovers, tell_leftover(&p->leftover.items[i], is));
	return json_pack("{s:o, s:o, s:o}", "operations", ops, "conflicts", conflicts, "leftovers",
		leftovers);
}

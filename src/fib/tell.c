/* SPDX-License-Identifier: MIT */
#include "fib/tell.h"

#include "base/map.h"
#include <stdlib.h>
#include <string.h>

/* --- numbers -----------------------------------------------------------------------------------
 */

/* A peer that is new, or that goes, is no changed one as well. */
static void note_peer(struct map *peers, const struct fib_op *op, unsigned *ret_changed)
{
	static char seen;
	const wg_key *key = fib_op_peer(op);

	if (map_get(peers, key, sizeof(*key)))
		return;
	map_put(peers, key, sizeof(*key), &seen);
	*ret_changed += !(op->type == FIB_PEER_SET && op->reason == FIB_MISSING);
}

static void count_kernel(const struct fib_op *op, struct fib_counts *c)
{
	bool is_way = !rtnl_route_refuses(&op->u.route);

	c->routes_added += op->type == FIB_ROUTE_ADD && is_way;
	c->routes_removed += op->type == FIB_ROUTE_DEL && is_way;
	c->addresses_added += op->type == FIB_ADDRESS_ADD;
	c->addresses_removed += op->type == FIB_ADDRESS_DEL;
}

static void count_device(const struct fib_op *op, struct map *peers, struct fib_counts *c)
{
	switch (op->type) {
	case FIB_DEVICE:
		c->settings_changed +=
			(unsigned)op->u.settings.key + op->u.settings.port + op->u.settings.fwmark;
		return;
	case FIB_PEER_SET:
		c->peers_added += op->reason == FIB_MISSING;
		break;
	case FIB_ENDPOINT:
		c->endpoints_set++;
		break;
	case FIB_PREFIX_ADD:
		c->prefixes_added += op->reason == FIB_MISSING;
		c->prefixes_moved += op->reason == FIB_MOVES;
		break;
	case FIB_PREFIX_DEL:
		c->prefixes_removed++;
		break;
	case FIB_LEVEL:
		c->levels_set++;
		return;
	case FIB_OWNERS_SET:
		c->owner_sets_set++;
		return;
	case FIB_OWNERS_DEL:
		c->owner_sets_removed++;
		return;
	case FIB_PEER_DEL:
		c->peers_removed++;
		return;
	default:
		return;
	}
	if (fib_op_peer(op))
		note_peer(peers, op, &c->peers_changed);
}

struct fib_counts fib_tell_counts(const struct fib_plan *p)
{
	struct fib_counts c = {0};
	struct map *peers = map_new();

	for (size_t i = 0; i < p->ops.n; i++) {
		const struct fib_op *op = &p->ops.items[i];

		if (!op->done)
			continue;
		count_device(op, peers, &c);
		count_kernel(op, &c);
	}
	map_free(peers);
	return c;
}

/* --- lines -------------------------------------------------------------------------------------
 */

static void say(const struct fib_teller *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void say(const struct fib_teller *t, const char *fmt, ...)
{
	AUTO_BUF line = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	t->line(buf_str(&line), t->data);
}

static const char *endpoint_text(const sock_addr *a, char buf[static SOCK_ADDR_STRLEN])
{
	return a->sa.sa_family == AF_UNSPEC ? "none" : sock_addr_format(a, buf);
}

static void tell_settings(const struct fib_op *op, const struct device_state *is,
	const struct device_state *shall, const struct fib_teller *t)
{
	if (op->u.settings.key && is->has_key)
		say(t, "the node's private key is another");
	if (op->u.settings.port)
		say(t, "listen port: %u -> %u", is->listen_port, shall->listen_port);
	if (op->u.settings.fwmark)
		say(t, "mark of the tunnel's own packets: %#x -> %#x", is->fwmark, shall->fwmark);
}

static void tell_peer(const struct fib_op *op, const struct device_state *is,
	const struct device_state *shall, const struct fib_teller *t)
{
	const struct device_peer *have = device_state_peer(is, &op->u.peer.key);
	const struct device_peer *want = device_state_peer(shall, &op->u.peer.key);
	const char *name = t->name(&op->u.peer.key, t->data);
	struct device_peer_change c;

	if (!have || !want) {
		say(t, "peer %s: %s", name, want ? "added" : "removed");
		return;
	}
	fib_peer_change(have, want, &c);
	if (c.set_keepalive)
		say(t, "keepalive towards %s: %u s -> %u s", name, have->keepalive, c.keepalive);
	if (c.set_psk)
		say(t, "preshared key with %s: %s", name,
			wg_key_is_zero(&c.psk) ? "none any more"
			: have->has_psk	       ? "another"
					       : "set");
	wg_key_wipe(&c.psk);
}

static void tell_endpoint(
	const struct fib_op *op, const struct device_state *is, const struct fib_teller *t)
{
	const struct device_peer *have = device_state_peer(is, &op->u.endpoint.key);
	char was[SOCK_ADDR_STRLEN], will[SOCK_ADDR_STRLEN];

	if (have)
		say(t, "%s's endpoint: %s -> %s", t->name(&have->key, t->data),
			endpoint_text(&have->endpoint, was),
			endpoint_text(&op->u.endpoint.to, will));
}

static const char *level_word(enum device_level l)
{
	return l == DEVICE_UP ? "up" : l == DEVICE_LAST_RESORT ? "last resort" : "down";
}

static void tell_level(
	const struct fib_op *op, const struct device_state *is, const struct fib_teller *t)
{
	const struct device_peer *have = device_state_peer(is, &op->u.level.key);

	if (have)
		say(t, "%s's level: %s -> %s", t->name(&have->key, t->data),
			level_word(have->level), level_word(op->u.level.to));
}

/* --- who owns what ---
 */

/* Names of homes; of a set those who are sent to, in order, each said once. */
struct naming {
	const struct fib_teller *teller;
	struct map *of_sets; /* set -> its text */
	struct arena arena;
};

static const char *name_of_set(struct naming *n, const struct device_owner_set *s)
{
	char *text = map_get(n->of_sets, &s, sizeof(s));
	const struct device_owner_set **key;
	AUTO_BUF names = {0};

	if (text)
		return text;
	for (size_t i = 0; i < s->n_owners; i++)
		if (s->owners[i].weight)
			buf_printf(&names, "%s%s", names.n ? ", " : "",
				n->teller->name(&s->owners[i].key, n->teller->data));
	text = arena_strdup(&n->arena, names.n ? buf_str(&names) : "nobody");
	key = arena_new(&n->arena, const struct device_owner_set *);
	*key = s;
	map_put(n->of_sets, key, sizeof(*key), text);
	return text;
}

/* first, then: where a set is looked for. */
static const char *name_of_home(struct naming *n, const struct fib_home *h,
	const struct device_state *first, const struct device_state *then)
{
	const struct device_owner_set *s;

	if (fib_home_is_nowhere(h))
		return "nobody";
	if (!h->owner_set)
		return n->teller->name(&h->peer, n->teller->data);
	s = device_state_set(first, h->owner_set);
	if (!s)
		s = device_state_set(then, h->owner_set);
	return s ? name_of_set(n, s) : "nobody";
}

/* A prefix, or several of a set, that go from some to others. */
struct turn {
	const char *from, *to;
	ip_prefix prefix;
	size_t n;
};

typedef VEC(struct turn) turns;

static int by_names(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	int c = strcmp(x->from, y->from);

	if (!c)
		c = strcmp(x->to, y->to);
	return c ? c : ip_prefix_cmp(&x->prefix, &y->prefix);
}

static void add_owner_turn(struct naming *n, const struct fib_op *op, const struct device_state *is,
	const struct device_state *shall, turns *ret)
{
	vec_push(ret, ((struct turn){name_of_home(n, &op->u.owner.from, is, shall),
			      name_of_home(n, &op->u.owner.to, shall, is), op->u.owner.prefix, 1}));
}

/* What stays in a set whose owners are others now. */
static void add_set_turn(struct naming *n, const struct fib_op *op, const struct device_state *is,
	const struct device_state *shall, turns *ret)
{
	const struct device_owner_set *was = device_state_set(is, op->u.owners.number);
	const struct device_owner_set *will = device_state_set(shall, op->u.owners.number);
	struct turn t = {0};

	if (!was || !will)
		return;
	for (size_t i = 0, k = 0; i < was->n_allowed && k < will->n_allowed;) {
		int c = ip_prefix_cmp(&was->allowed[i], &will->allowed[k]);

		if (!c && !t.n++)
			t.prefix = was->allowed[i];
		i += c <= 0;
		k += c >= 0;
	}
	t.from = name_of_set(n, was);
	t.to = name_of_set(n, will);
	if (t.n)
		vec_push(ret, t);
}

static void collect_turns(struct naming *n, const struct fib_plan *p, const struct fib_state *is,
	const struct fib_state *shall, turns *ret)
{
	static const struct device_state none;

	for (size_t i = 0; i < p->ops.n; i++) {
		const struct fib_op *op = &p->ops.items[i];
		const struct fib_device *have = fib_state_device(is, op->device);
		const struct fib_device *want = fib_state_device(shall, op->device);
		const struct device_state *x = have ? &have->wg : &none;
		const struct device_state *y = want ? &want->wg : &none;

		if (op->type == FIB_PREFIX_ADD || op->type == FIB_PREFIX_DEL)
			add_owner_turn(n, op, x, y, ret);
		else if (op->type == FIB_OWNERS_SET)
			add_set_turn(n, op, x, y, ret);
	}
	if (ret->n)
		qsort(ret->items, ret->n, sizeof(*ret->items), by_names);
}

/* "10.20.2.0/24 and 3 others: hub-a -> hub-b" */
static void tell_turn(const struct turn *x, size_t n, const struct fib_teller *t)
{
	char prefix[IP_PREFIX_STRLEN];
	AUTO_BUF others = {0};

	if (n > 1)
		buf_printf(&others, " and %zu other%s", n - 1, n > 2 ? "s" : "");
	say(t, "%s%s: %s -> %s", ip_prefix_format(&x->prefix, prefix), buf_str(&others), x->from,
		x->to);
	if (t->moved)
		t->moved(&(struct fib_moved){x->from, x->to, x->prefix, n}, t->data);
}

static void tell_turns(const struct fib_plan *p, const struct fib_state *is,
	const struct fib_state *shall, const struct fib_teller *t)
{
	struct naming n = {.teller = t, .of_sets = map_new()};
	turns all = {0};

	collect_turns(&n, p, is, shall, &all);
	for (size_t i = 0, end; i < all.n; i = end) {
		const struct turn *x = &all.items[i];
		size_t count = x->n;

		for (end = i + 1; end < all.n && !strcmp(x->from, all.items[end].from) &&
				  !strcmp(x->to, all.items[end].to);
			end++)
			count += all.items[end].n;
		if (strcmp(x->from, x->to) != 0) /* else in a set with another number */
			tell_turn(x, count, t);
	}
	vec_done(&all);
	map_free(n.of_sets);
	arena_done(&n.arena);
}

void fib_tell(const struct fib_plan *p, const struct fib_state *is, const struct fib_state *shall,
	const struct fib_teller *t)
{
	for (size_t i = 0; i < p->ops.n; i++) {
		const struct fib_op *op = &p->ops.items[i];
		const struct fib_device *have = fib_state_device(is, op->device);
		const struct fib_device *want = fib_state_device(shall, op->device);

		if (!have || !want)
			continue;
		if (op->type == FIB_DEVICE)
			tell_settings(op, &have->wg, &want->wg, t);
		else if (op->type == FIB_PEER_SET || op->type == FIB_PEER_DEL)
			tell_peer(op, &have->wg, &want->wg, t);
		else if (op->type == FIB_ENDPOINT)
			tell_endpoint(op, &have->wg, t);
		else if (op->type == FIB_LEVEL)
			tell_level(op, &have->wg, t);
	}
	tell_turns(p, is, shall, t);
}

/* SPDX-License-Identifier: MIT */
/*
 * A world that plans are done on: one WireGuard device, its link and addresses, routes and rules,
 * said as plainly as can be. What fib_do calls lands here, one call after another, and each one is
 * checked: nothing foreign is touched, and nothing has a hole.
 *
 * Peers 0..3 may be wanted, 4..5 are ours from earlier, 6..7 are foreign. Prefixes 0..7 are ours,
 * wanted or not; 8..11 foreign. Addresses 0..2 are ours, 3 is foreign. Sets of owners 0..3 are ours
 * by their numbers, 3 a shadow, 4 is foreign; what stands in set k has AT_SET + k for an owner.
 */
#ifndef SHUNT_TESTS_FIB_MODEL_H
#define SHUNT_TESTS_FIB_MODEL_H

#include "fib_model_base.h"
#include "fib_model_sets.h"

/* --- the device: additions, then prefixes that go, then peers that go ---------------------------
 */

static inline void set_peer(const struct device_peer_change *p)
{
	int i = index_of(&p->key);

	if (p->update_only && !world->has[i])
		return;
	world->has[i] = true;
	if (p->set_psk)
		world->psk[i] = p->psk.bytes[0];
	if (p->set_endpoint)
		world->endpoint[i] = true;
	if (p->set_keepalive)
		world->keepalive[i] = p->keepalive;
	assert_true(!p->set_level || world->is_shared);
	if (p->set_level)
		world->level[i] = p->level;
	for (size_t j = 0; j < p->n_add; j++) {
		/* Nothing is asked for that is so already. */
		assert_int_not_equal(world->owner[prefix_index(&p->add[j])], i);
		world->owner[prefix_index(&p->add[j])] = i;
		check_no_hole();
	}
}

static inline void del_prefixes(const struct device_peer_change *p)
{
	for (size_t j = 0; j < p->n_del; j++) {
		int at = prefix_index(&p->del[j]);

		assert_int_equal(world->owner[at], index_of(&p->key));
		world->owner[at] = NOBODY;
		/* No route is behind its owner. */
		assert_true(!watched || watched->route[at] || !has_way(world, at));
		check_no_hole();
	}
}

static inline void del_peer(const wg_key *key)
{
	int i = index_of(key);

	world->has[i] = world->psk[i] = world->endpoint[i] = false;
	world->keepalive[i] = 0;
	world->level[i] = DEVICE_UP;
	for (int k = 0; k < N_SETS; k++)
		leave_set(&world->sets[k], i);
	for (int j = 0; j < N_PREFIXES; j++)
		if (world->owner[j] == i)
			world->owner[j] = NOBODY;
	check_no_hole();
}

static inline int model_device_set(struct fib_io *io, const struct device_change *c)
{
	if (fails())
		return -EIO;
	world->port = c->set_listen_port ? c->listen_port : world->port;
	world->fwmark = c->set_fwmark ? c->fwmark : world->fwmark;
	for (size_t k = 0; k < c->n_peers; k++)
		if (!c->peers[k].remove)
			set_peer(&c->peers[k]);
	for (size_t k = 0; k < c->n_sets; k++)
		add_to_set(&c->sets[k]);
	if (fails()) /* a part of it was done */
		return -EIO;
	for (size_t k = 0; k < c->n_peers; k++)
		del_prefixes(&c->peers[k]);
	for (size_t k = 0; k < c->n_sets; k++)
		del_from_set(&c->sets[k]);
	for (size_t k = 0; k < c->n_sets; k++)
		if (c->sets[k].remove)
			del_set(&c->sets[k]);
	for (size_t k = 0; k < c->n_peers; k++)
		if (c->peers[k].remove)
			del_peer(&c->peers[k].key);
	return 0;
}

static inline int by_key(const void *a, const void *b)
{
	return memcmp(((const struct device_peer *)a)->key.bytes,
		((const struct device_peer *)b)->key.bytes, WG_KEY_LEN);
}

static inline sock_addr somewhere(void)
{
	ip_addr a;

	ip_addr_parse(&a, "192.0.2.1");
	return sock_addr_make(&a, 1);
}

static inline int model_device_get(struct fib_io *io, struct device_state *ret)
{
	struct device_peer peers[N_PEERS] = {0};
	struct device_state s = {
		.has_key = true, .listen_port = world->port, .fwmark = world->fwmark};

	for (int i = 0; i < N_PEERS; i++) {
		struct device_peer *p = &peers[s.n_peers];

		if (!world->has[i])
			continue;
		s.n_peers++;
		p->key = keys[i];
		p->has_psk = world->psk[i];
		p->psk.bytes[0] = world->psk[i];
		if (world->endpoint[i])
			p->endpoint = somewhere();
		p->keepalive = world->keepalive[i];
		p->level = world->level[i];
		p->allowed = mem_zalloc(N_PREFIXES, sizeof(*p->allowed));
		for (int j = 0; j < N_PREFIXES; j++)
			if (world->owner[j] == i)
				p->allowed[p->n_allowed++] = prefixes[j];
	}
	get_sets(&s);
	qsort(peers, s.n_peers, sizeof(*peers), by_key);
	if (s.n_peers) {
		s.peers = secret_zalloc(s.n_peers, sizeof(*peers));
		memcpy(s.peers, peers, s.n_peers * sizeof(*peers));
	}
	*ret = s;
	return 0;
}

/* --- the kernel --------------------------------------------------------------------------------
 */

static inline int model_link_set(struct fib_io *io, int ifindex, bool up, unsigned mtu)
{
	if (fails())
		return -EIO;
	world->up = up;
	world->mtu = mtu;
	return 0;
}

static inline int model_addr_add(struct fib_io *io, int ifindex, const ip_prefix *a)
{
	if (fails())
		return -EACCES;
	world->address[place_of(addresses, N_ADDRESSES, a)] = true;
	return 0;
}

static inline int model_addr_del(struct fib_io *io, int ifindex, const ip_prefix *a)
{
	int i = place_of(addresses, N_ADDRESSES, a);

	if (fails())
		return -EIO;
	assert_int_not_equal(i, 3);
	world->address[i] = false;
	check_no_hole();
	return 0;
}

static inline int model_route_add(struct fib_io *io, const struct rtnl_route *route)
{
	int j = prefix_index(&route->dst);

	if (fails())
		return -EEXIST;
	for (size_t i = 0; i < world->routes.n; i++)
		assert_int_not_equal(want_route_cmp(&world->routes.items[i], route), 0);
	/* No route is ahead of its owner; one that moves was there. */
	if (watched && !route->type && !has_way(world, j) && watched->after[j] != NOBODY)
		assert_int_not_equal(world->owner[j], NOBODY);
	vec_push(&world->routes, *route);
	return 0;
}

static inline int model_route_del(struct fib_io *io, const struct rtnl_route *route)
{
	route_vec *v = &world->routes;

	if (fails())
		return -EIO;
	assert_int_equal(route->protocol, RTNL_PROTO_SHUNT);
	for (size_t i = 0; i < v->n; i++)
		if (!want_route_cmp(&v->items[i], route)) {
			assert_int_equal(v->items[i].protocol, RTNL_PROTO_SHUNT);
			v->items[i] = v->items[--v->n];
			check_no_hole();
			return 0;
		}
	fail_msg("a route that isn't there");
	return 0;
}

static inline int model_rule_add(struct fib_io *io, const struct rtnl_rule *rule)
{
	if (fails())
		return -EIO;
	vec_push(&world->rules, *rule);
	return 0;
}

static inline int model_rule_del(struct fib_io *io, const struct rtnl_rule *rule)
{
	rule_vec *v = &world->rules;

	if (fails())
		return -EIO;
	for (size_t i = 0; i < v->n; i++)
		if (rtnl_rule_is(&v->items[i], rule)) {
			v->n--;
			memmove(&v->items[i], &v->items[i + 1], (v->n - i) * sizeof(*v->items));
			return 0;
		}
	fail_msg("a rule that isn't there");
	return 0;
}

static inline int model_sysctl_get(struct fib_io *io, const char *path, int *ret)
{
	*ret = 1; /* promote_secondaries */
	return 0;
}

static inline int model_sysctl_set(struct fib_io *io, const char *path, int value)
{
	if (fails())
		return -EACCES;
	world->sysctl[!strcmp(path, sysctls[1])] = value;
	return 0;
}

static inline int model_mark_set(struct fib_io *io, const char *table, const struct nft_mark *m)
{
	assert_string_equal(table, "shunt-wg0");
	if (fails())
		return -EPERM;
	world->mark = *m;
	return 0;
}

static inline int model_mark_remove(struct fib_io *io, const char *table)
{
	if (fails())
		return -EPERM;
	world->mark = (struct nft_mark){0};
	return 0;
}

static const struct fib_io_ops model_ops = {
	.link_set = model_link_set,
	.addr_add = model_addr_add,
	.addr_del = model_addr_del,
	.route_add = model_route_add,
	.route_del = model_route_del,
	.rule_add = model_rule_add,
	.rule_del = model_rule_del,
	.device_get = model_device_get,
	.device_set = model_device_set,
	.mark_set = model_mark_set,
	.mark_remove = model_mark_remove,
	.sysctl_get = model_sysctl_get,
	.sysctl_set = model_sysctl_set,
};

static struct fib_io io = {&model_ops};

/* What a look would find. */
static inline void look_at(const struct model *m, struct fib_state *ret)
{
	struct fib_device d = {
		.name = "wg0", .ifindex = WG, .up = m->up, .mtu = m->mtu, .mark = m->mark};
	struct model *was = world;

	world = (struct model *)(uintptr_t)m;
	model_device_get(NULL, &d.wg);
	world = was;
	for (int i = 0; i < N_ADDRESSES; i++)
		if (m->address[i])
			vec_push(&d.addresses, addresses[i]);
	want_sort(&d.addresses);
	vec_push(&ret->devices, d);
	for (size_t i = 0; i < m->routes.n; i++)
		vec_push(&ret->routes, m->routes.items[i]);
	if (ret->routes.n)
		qsort(ret->routes.items, ret->routes.n, sizeof(*ret->routes.items), want_route_cmp);
	for (size_t i = 0; i < m->rules.n; i++)
		vec_push(&ret->rules, m->rules.items[i]);
	for (int i = 0; i < N_SYSCTLS; i++) {
		struct fib_sysctl s = {.value = m->sysctl[i]};

		snprintf(s.path, sizeof(s.path), "%s", sysctls[i]);
		vec_push(&ret->sysctls, s);
	}
}

static inline struct model copy_of(const struct model *m)
{
	struct model copy = *m;

	copy.routes = (route_vec){0};
	copy.rules = (rule_vec){0};
	for (size_t i = 0; i < m->routes.n; i++)
		vec_push(&copy.routes, m->routes.items[i]);
	for (size_t i = 0; i < m->rules.n; i++)
		vec_push(&copy.rules, m->rules.items[i]);
	return copy;
}

static inline void model_done(struct model *m)
{
	vec_done(&m->routes);
	vec_done(&m->rules);
}

/* The mirror is what a look would find. */
static inline void check_mirror(const struct fib_state *is, const struct model *m)
{
	struct fib_state found = {0};
	const struct fib_device *a = &is->devices.items[0], *b;

	look_at(m, &found);
	b = &found.devices.items[0];
	assert_int_equal(a->up, b->up);
	assert_int_equal(a->mtu, b->mtu);
	assert_memory_equal(&a->mark, &b->mark, sizeof(a->mark));
	assert_int_equal(a->wg.listen_port, b->wg.listen_port);
	assert_int_equal(a->wg.fwmark, b->wg.fwmark);
	assert_int_equal(a->addresses.n, b->addresses.n);
	for (size_t i = 0; i < a->addresses.n; i++)
		assert_true(ip_prefix_eq(&a->addresses.items[i], &b->addresses.items[i]));
	assert_int_equal(a->wg.n_peers, b->wg.n_peers);
	for (size_t i = 0; i < a->wg.n_peers; i++) {
		const struct device_peer *x = &a->wg.peers[i], *y = &b->wg.peers[i];

		assert_true(wg_key_eq(&x->key, &y->key) && wg_key_eq(&x->psk, &y->psk));
		assert_int_equal(x->has_psk, y->has_psk);
		assert_int_equal(x->keepalive, y->keepalive);
		assert_int_equal(x->level, y->level);
		assert_int_equal(x->endpoint.sa.sa_family, y->endpoint.sa.sa_family);
		assert_int_equal(x->n_allowed, y->n_allowed);
		for (size_t k = 0; k < x->n_allowed; k++)
			assert_true(ip_prefix_eq(&x->allowed[k], &y->allowed[k]));
	}
	check_sets(&a->wg, &b->wg);
	assert_int_equal(is->routes.n, found.routes.n);
	for (size_t i = 0; i < found.routes.n; i++)
		assert_int_equal(want_route_cmp(&is->routes.items[i], &found.routes.items[i]), 0);
	assert_int_equal(is->rules.n, found.rules.n);
	for (size_t i = 0; i < found.rules.n; i++)
		assert_true(rtnl_rule_is(&is->rules.items[i], &found.rules.items[i]));
	for (int i = 0; i < N_SYSCTLS; i++)
		assert_int_equal(is->sysctls.items[i].value, m->sysctl[i]);
	fib_state_done(&found);
}

static inline unsigned count_of(const struct fib_counts *c)
{
	return c->peers_added + c->peers_removed + c->prefixes_added + c->prefixes_moved +
	       c->prefixes_removed + c->routes_added + c->routes_removed + c->addresses_added +
	       c->addresses_removed + c->settings_changed + c->endpoints_set;
}

static inline int prefix_order(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static inline int prepare(void **state)
{
	char text[IP_PREFIX_STRLEN];
	wg_key secret;

	for (int i = 0; i < N_PEERS; i++) {
		wg_key_generate(&secret);
		keys[i] = wg_key_public(&secret);
	}
	for (int j = 0; j < N_PREFIXES; j++) {
		snprintf(text, sizeof(text), j % 2 ? "fd00:%d::/32" : "10.%d.0.0/16", j);
		if (!ip_prefix_parse(&prefixes[j], text))
			return -1;
	}
	qsort(prefixes, N_PREFIXES, sizeof(*prefixes), prefix_order);
	for (int i = 0; i < N_ADDRESSES; i++) {
		addresses[i] = (ip_prefix){.family = AF_INET, .len = 24, .bytes = {10, 10, 0}};
		addresses[i].bytes[3] = (uint8_t)(i + 1);
	}
	return 0;
}

#endif

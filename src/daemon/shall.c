/* SPDX-License-Identifier: MIT */
#include "daemon/shall.h"

#include "base/secret.h"
#include "daemon/kernel_table.h"
#include "daemon/listen_port.h"
#include "daemon/log.h"
#include "fib/want_own.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

void shall_done(struct shall *s)
{
	fib_state_done(&s->state);
	vec_done(&s->carried);
	vec_done(&s->owners);
	vec_done(&s->own);
	vec_done(&s->overlays);
	vec_done(&s->journaled);
	vec_done(&s->backstops);
	vec_done(&s->marks);
	fib_table_question_done(&s->table);
}

/* --- what is ours ------------------------------------------------------------------------------
 */

static bool has_peer(const wg_key *key, void *data)
{
	const struct fib *f = data;
	wg_key nobody = want_nobody_key();

	return wg_key_eq(key, &nobody) || journal_has_peer(state_journal(f->state), key) ||
	       generation_peer_by_key(f->gen, key);
}

static bool has_address(const ip_prefix *a, void *data)
{
	return journal_has_address(state_journal(((struct fib *)data)->state), a);
}

static bool has_backstop(const ip_prefix *p, void *data)
{
	return journal_has_backstop(state_journal(((struct fib *)data)->state), p);
}

static bool has_prefix(const ip_prefix *p, void *data)
{
	return journal_has_prefix(state_journal(((struct fib *)data)->state), p);
}

static bool is_carried(const ip_prefix *p, void *data)
{
	struct rib_answer a;

	return rib_explain(((struct fib *)data)->rib, p, &a);
}

static void add_mark(struct shall *s, uint32_t mark)
{
	for (size_t i = 0; i < s->marks.n; i++)
		if (s->marks.items[i] == mark)
			return;
	if (mark)
		vec_push(&s->marks, mark);
}

/* now: the device's. */
static void add_known_marks(struct fib *f, uint32_t now, struct shall *s)
{
	const struct journal *j = state_journal(f->state);

	for (size_t i = 0; i < j->marks.n; i++)
		add_mark(s, j->marks.items[i]);
	add_mark(s, f->fwmark);
	if (kernel_mark_is_chosen(now))
		add_mark(s, now);
}

static void fill_ours(struct fib *f, struct shall *s)
{
	s->ours = (struct fib_ours){
		.facts = &s->facts,
		.marks = s->marks.items,
		.n_marks = s->marks.n,
		.has_peer = has_peer,
		.has_address = has_address,
		.has_backstop = has_backstop,
		.has_prefix = has_prefix,
		.is_carried = is_carried,
		.data = f,
	};
}

static void fill_facts(struct fib *f, struct shall *s)
{
	s->facts = (struct want_facts){
		.carried = s->carried.items,
		.n_carried = s->carried.n,
		.overlays = s->overlays.items,
		.n_overlays = s->overlays.n,
		.apart = f->apart.items,
		.n_apart = f->apart.n,
		.mark = f->fwmark,
		.overlay_table = kernel_overlay_table(f->gen->self->interface),
		.ifindex = f->ifindex,
		.ifname = f->gen->self->interface,
	};
}

void shall_nothing(struct fib *f, struct shall *ret)
{
	fill_facts(f, ret);
	add_known_marks(f, 0, ret);
	fill_ours(f, ret);
}

/* --- routes and rules --------------------------------------------------------------------------
 */

struct collecting {
	const struct generation *gen;
	struct shall *s;
};

static int collect(const struct rib_answer *a, void *data)
{
	const struct collecting *c = data;
	struct shall *s = c->s;

	vec_push(&s->journaled, a->prefix);
	vec_push(&s->carried,
		((struct want_prefix){a->prefix, a->route, a->on_dead == RIB_RELEASE}));
	for (unsigned i = 0; i < a->owners.n; i++) {
		const struct generation_peer *p = generation_peer_by_id(c->gen, a->owners.peer[i]);

		if (p)
			vec_push(&s->owners,
				((struct shall_owner){a->prefix, (size_t)(p - c->gen->peers)}));
	}
	return 0;
}

/* Each once: two addresses may be of the same overlay. */
static void find_overlays(const struct generation *g, prefix_vec *ret)
{
	for (size_t i = 0; i < g->n_addresses; i++)
		vec_push(ret, ip_prefix_masked(&g->addresses[i]));
	want_sort(ret);
}

/* Our networks, and our IPv6 addresses. */
static void own_sources(const struct generation *g, prefix_vec *ret)
{
	for (size_t i = 0; i < g->self->n_networks; i++)
		vec_push(ret, g->self->networks[i].prefix);
	for (size_t i = 0; i < g->n_addresses; i++) {
		ip_addr a = ip_prefix_addr(&g->addresses[i]);

		if (a.family == AF_INET6)
			vec_push(ret, ip_prefix_host(&a));
	}
}

static void decide_own(const struct fib *f, struct shall *s)
{
	prefix_vec sources = {0};

	own_sources(f->gen, &sources);
	want_own(&s->facts, sources.items, sources.n, &s->own);
	vec_done(&sources);
	for (size_t i = 0; i < s->own.n; i++)
		vec_push(&s->journaled, s->own.items[i]);
}

/* Resolved, or as the device reports them. */
static ip_addr *all_endpoints(const struct fib *f, const struct device_state *is, size_t *ret_n)
{
	ip_addr *all = mem_zalloc(f->gen->n_peers + is->n_peers + 1, sizeof(*all));
	size_t n = 0;

	for (size_t i = 0; i < f->gen->n_peers; i++)
		if (f->endpoints[i].sa.sa_family != AF_UNSPEC)
			all[n++] = sock_addr_ip(&f->endpoints[i]);
	for (size_t i = 0; i < is->n_peers; i++)
		if (is->peers[i].endpoint.sa.sa_family != AF_UNSPEC)
			all[n++] = sock_addr_ip(&is->peers[i].endpoint);
	*ret_n = n;
	return all;
}

static void log_apart(const struct fib *f, const prefix_vec *fresh)
{
	char text[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < fresh->n; i++)
		if (!ip_prefix_is_default(&fresh->items[i]) &&
			!want_is_apart(f->apart.items, f->apart.n, &fresh->items[i]))
			log_info("%s holds an endpoint: its route stands in a table that the "
				 "tunnel's own packets don't ask",
				ip_prefix_format(&fresh->items[i], text));
}

static void decide_apart(struct fib *f, const struct shall *s, const struct device_state *is)
{
	prefix_vec fresh = {0};
	size_t n;
	AUTO_FREE ip_addr *endpoints = all_endpoints(f, is, &n);

	want_apart(&s->facts, endpoints, n, &f->apart, &fresh);
	log_apart(f, &fresh);
	vec_done(&f->apart);
	f->apart = fresh;
}

/* Somebody else's route on our device stands in that table: wg-quick's, say. */
static bool is_used_by_others(const struct fib_state *is, const struct fib *f, uint32_t mark)
{
	for (size_t i = 0; i < is->routes.n; i++) {
		const struct rtnl_route *r = &is->routes.items[i];

		if (r->table == mark && r->ifindex == f->ifindex && r->protocol != RTNL_PROTO_SHUNT)
			return true;
	}
	return false;
}

static void ask_table(const struct fib *f, struct fib_table_question *ret)
{
	const struct journal *j = state_journal(f->state);

	ret->first = KERNEL_MARK_FIRST;
	ret->last = KERNEL_MARK_LAST;
	ret->ifindex = f->ifindex;
	for (size_t i = 0; i < j->marks.n; i++)
		vec_push(&ret->ours, j->marks.items[i]);
}

/* clear: the mark on the device is ours and has no more use. */
static int decide_mark(struct fib *f, const struct fib_state *is, struct shall *s, bool *ret_clear)
{
	uint32_t mark = 0, now = is->devices.items[0].wg.fwmark;

	if (f->apart.n)
		mark = f->fwmark ? f->fwmark : now ? now : is->free_table;
	if (f->apart.n && !mark) {
		ask_table(f, &s->table);
		return -EAGAIN;
	}
	add_known_marks(f, now, s);
	add_mark(s, mark);
	*ret_clear = !mark && kernel_mark_is_chosen(now) && !is_used_by_others(is, f, now);
	f->fwmark = mark;
	return 0;
}

static void find_backstops(struct shall *s)
{
	for (size_t i = 0; i < s->state.routes.n; i++) {
		const struct rtnl_route *r = &s->state.routes.items[i];

		if (rtnl_route_refuses(r) && r->table != s->facts.overlay_table)
			vec_push(&s->backstops, r->dst);
	}
}

/* --- settings of the kernel --------------------------------------------------------------------
 */

static void add_sysctl(fib_sysctls *s, const char *path, int value, bool is_needed, const char *why)
{
	struct fib_sysctl y = {.value = value, .is_needed = is_needed, .why = why};

	snprintf(y.path, sizeof(y.path), "%s", path);
	vec_push(s, y);
}

/* A hub sends out by the interface by which it came in, and the kernel would tell the sender a
 * better way that there isn't. It takes either setting for both. */
static void add_redirects(const struct fib *f, fib_sysctls *ret)
{
	static const char why[] = "the hub sends ICMP redirects for what it relays";
	AUTO_FREE char *own =
		mem_printf("net/ipv4/conf/%s/send_redirects", f->gen->self->interface);

	if (f->gen->self->role != MESH_HUB)
		return;
	add_sysctl(ret, "net/ipv4/conf/all/send_redirects", 0, false, why);
	add_sysctl(ret, own, 0, false, why);
}

static void make_sysctls(const struct fib *f, fib_sysctls *ret)
{
	add_redirects(f, ret);
	for (size_t i = 0; i < f->apart.n; i++)
		if (f->apart.items[i].family == AF_INET) {
			add_sysctl(ret, "net/ipv4/conf/all/src_valid_mark", 1, true,
				"answers to marked packets must pass the reverse path check by "
				"the mark's route, as a route through the tunnel holds an "
				"endpoint");
			return;
		}
}

void shall_ask(const struct fib *f, struct fib_question *ret)
{
	snprintf(ret->ifname, sizeof(ret->ifname), "%s", f->gen->self->interface);
	ret->port = f->gen->self->listen_port;
	make_sysctls(f, &ret->sysctls);
}

/* --- the device --------------------------------------------------------------------------------
 */

struct place {
	wg_key key;
	size_t peer; /* of the generation; n_peers: nobody */
};

static int by_key(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return memcmp(x->key.bytes, y->key.bytes, WG_KEY_LEN);
}

/* Where each stands in the order of keys. malloc'd. */
static size_t *place_peers(const struct fib *f, size_t n)
{
	size_t *at = mem_zalloc(n + 1, sizeof(*at));
	struct place *places = mem_zalloc(n + 1, sizeof(*places));

	for (size_t i = 0; i < n; i++)
		places[i] = (struct place){
			i < f->gen->n_peers ? f->gen->peers[i].node->public_key : want_nobody_key(),
			i};
	if (n)
		qsort(places, n, sizeof(*places), by_key);
	for (size_t i = 0; i < n; i++)
		at[places[i].peer] = i;
	free(places);
	return at;
}

/* The caller has counted them. In ip_prefix_cmp order for each, so that its list is sorted. */
static void own_prefix(struct device_peer *p, const ip_prefix *prefix, size_t room)
{
	if (!p->allowed)
		p->allowed = mem_zalloc(room, sizeof(*p->allowed));
	p->allowed[p->n_allowed++] = *prefix;
}

/* at: where each peer of the generation, and nobody after them, stands in peers. */
static void give_prefixes(
	const struct fib *f, const struct shall *s, struct device_peer *peers, const size_t *at)
{
	AUTO_FREE size_t *room = mem_zalloc(f->gen->n_peers + 1, sizeof(*room));

	for (size_t i = 0; i < s->owners.n; i++)
		room[s->owners.items[i].peer]++;
	for (size_t i = 0; i < s->owners.n; i++) {
		const struct shall_owner *o = &s->owners.items[i];

		own_prefix(&peers[at[o->peer]], &o->prefix, room[o->peer]);
	}
	for (size_t i = 0; i < s->own.n; i++)
		own_prefix(&peers[at[f->gen->n_peers]], &s->own.items[i], s->own.n);
}

static void make_peers(const struct fib *f, const struct shall *s, struct device_state *ret)
{
	const struct generation *g = f->gen;
	size_t n = g->n_peers + (s->own.n != 0);
	AUTO_FREE size_t *at = place_peers(f, n);

	ret->peers = n ? secret_zalloc(n, sizeof(*ret->peers)) : NULL;
	ret->n_peers = n;
	for (size_t i = 0; i < g->n_peers; i++) {
		const struct generation_peer *gp = &g->peers[i];

		ret->peers[at[i]] = (struct device_peer){
			.key = gp->node->public_key,
			.has_psk = !wg_key_is_zero(&gp->psk),
			.leave_psk = gp->psk_error,
			.psk = gp->psk,
			.endpoint = f->endpoints[i],
			.keepalive = (uint16_t)gp->view->keepalive,
		};
	}
	if (s->own.n)
		ret->peers[at[g->n_peers]].key = want_nobody_key();
	give_prefixes(f, s, ret->peers, at);
}

/* The port that the device should get; 0: leave the one that it has. */
static uint16_t port_to_have(struct fib *f, const struct fib_device *is)
{
	AUTO_BUF why = {0};

	if (!is->port_is_taken)
		return f->gen->self->listen_port;
	listen_port_tell(f->gen, &why);
	fib_problem(f, NULL, "%s stays on port %u: %s", f->gen->self->interface, is->wg.listen_port,
		buf_str(&why));
	return 0;
}

static void make_device(
	struct fib *f, const struct fib_device *is, bool clear_mark, struct shall *s)
{
	const struct generation *g = f->gen;
	struct fib_device d = {
		.ifindex = f->ifindex,
		.up = true,
		.mtu = g->self->mtu,
		.private_key = g->private_key,
		/* A mark that an operator has set for purposes of his own stays. */
		.leave_fwmark = !f->fwmark && !clear_mark,
	};

	memcpy(d.name, is->name, sizeof(d.name));
	d.wg.has_key = true;
	d.wg.public_key = wg_key_public(&g->private_key);
	d.wg.listen_port = port_to_have(f, is);
	d.wg.fwmark = f->fwmark;
	d.mark.mark = f->fwmark;
	d.mark.port = d.wg.listen_port ? d.wg.listen_port : is->wg.listen_port;
	for (size_t i = 0; i < g->n_addresses; i++)
		vec_push(&d.addresses, g->addresses[i]);
	make_peers(f, s, &d.wg);
	vec_push(&s->state.devices, d);
	wg_key_wipe(&d.private_key);
}

int shall_make(struct fib *f, const struct fib_state *is, struct shall *ret)
{
	const struct fib_device *device = &is->devices.items[0];
	bool clear_mark;
	int err;

	f->ifindex = device->ifindex;
	rib_walk(f->rib, collect, &(struct collecting){f->gen, ret});
	find_overlays(f->gen, &ret->overlays);
	fill_facts(f, ret);
	decide_own(f, ret);
	decide_apart(f, ret, &device->wg);
	err = decide_mark(f, is, ret, &clear_mark);
	if (err)
		return err;
	fill_facts(f, ret);
	fill_ours(f, ret);
	want_routes(&ret->facts, &ret->state.routes);
	want_rules(&ret->facts, &ret->state.rules);
	find_backstops(ret);
	make_sysctls(f, &ret->state.sysctls);
	make_device(f, device, clear_mark, ret);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "daemon/shall_internal.h"

#include "base/map.h"
#include "base/secret.h"
#include "fib/want_own.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

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
static size_t *place_peers(const struct generation *g, size_t n)
{
	size_t *at = mem_zalloc(n + 1, sizeof(*at));
	struct place *places = mem_zalloc(n + 1, sizeof(*places));

	for (size_t i = 0; i < n; i++)
		places[i] = (struct place){
			i < g->n_peers ? g->peers[i].node->public_key : want_nobody_key(), i};
	if (n)
		qsort(places, n, sizeof(*places), by_key);
	for (size_t i = 0; i < n; i++)
		at[places[i].peer] = i;
	free(places);
	return at;
}

/* The caller has counted them. In ip_prefix_cmp order for each, so that its list is sorted. */
static void own_prefix(ip_prefix **list, size_t *n, const ip_prefix *prefix, size_t room)
{
	if (!*list)
		*list = mem_zalloc(room, sizeof(**list));
	(*list)[(*n)++] = *prefix;
}

/* The places of homes in one list: the peers of the generation, then nobody, then the sets of
 * owners as the RIB's copy has them; n_places: it isn't there, a peer that left with the last
 * reload or a set of such ones. */
struct places {
	const struct shall *s;
	struct device_peer *peers;
	const size_t *peer_at;	       /* where each peer, and nobody after them, stands in peers */
	struct device_owner_set *sets; /* as the RIB's copy has them; without owners: not there.
					  NULL: the device has one owner a prefix */
	size_t n_peers, n;
};

static size_t place_of_peer(const struct places *at, uint32_t id)
{
	const struct generation *g = at->s->in->gen;
	const struct generation_peer *p = generation_peer_by_id(g, id);

	return p ? (size_t)(p - g->peers) : at->n;
}

static size_t place_of(const struct places *at, const struct shall_home *h)
{
	const struct rib_home *home = &h->home;
	size_t set;

	if (home->kind == RIB_AT_PEER)
		return place_of_peer(at, home->peer);
	if (!at->sets) /* the device has none */
		return h->first == SHALL_NOBODY ? at->n : place_of_peer(at, h->first);
	set = (uintptr_t)map_get(
		at->s->in->rib->by_number, &home->owner_set, sizeof(home->owner_set));
	assert(set);
	return at->sets[set - 1].n_owners ? at->n_peers + set - 1 : at->n;
}

static void give_prefixes(const struct places *at)
{
	const struct shall_rib *rib = at->s->in->rib;
	AUTO_FREE size_t *room = mem_zalloc(at->n + 1, sizeof(*room));

	for (size_t i = 0; i < rib->homes.n; i++)
		room[place_of(at, &rib->homes.items[i])]++;
	for (size_t i = 0; i < rib->homes.n; i++) {
		const struct shall_home *h = &rib->homes.items[i];
		const ip_prefix *prefix = &rib->prefixes.items[h->prefix].prefix;
		size_t k = place_of(at, h);

		if (k < at->n_peers) {
			struct device_peer *p = &at->peers[at->peer_at[k]];

			own_prefix(&p->allowed, &p->n_allowed, prefix, room[k]);
		} else if (k < at->n) {
			struct device_owner_set *set = &at->sets[k - at->n_peers];

			own_prefix(&set->allowed, &set->n_allowed, prefix, room[k]);
		}
	}
}

static void give_own(const struct places *at)
{
	const struct shall *s = at->s;
	struct device_peer *nobody;

	if (!s->own.n)
		return;
	nobody = &at->peers[at->peer_at[s->in->gen->n_peers]];
	nobody->key = want_nobody_key();
	for (size_t i = 0; i < s->own.n; i++)
		own_prefix(&nobody->allowed, &nobody->n_allowed, &s->own.items[i], s->own.n);
}

/* --- sets of owners ----------------------------------------------------------------------------
 */

static void make_set(
	const struct shall *s, const struct rib_owner_set *from, struct device_owner_set *ret)
{
	ret->number = from->number;
	ret->owners = mem_zalloc(from->n + 1, sizeof(*ret->owners));
	for (size_t i = 0; i < from->n; i++) {
		const struct generation_peer *p =
			generation_peer_by_id(s->in->gen, from->owners[i].peer);

		if (p)
			ret->owners[ret->n_owners++] =
				fib_owner_of(&from->owners[i], &p->node->public_key);
	}
}

static void make_sets(const struct shall *s, struct device_state *ret)
{
	const struct shall_rib *rib = s->in->rib;

	ret->n_sets = rib->owner_sets.n;
	ret->sets = ret->n_sets ? mem_zalloc(ret->n_sets, sizeof(*ret->sets)) : NULL;
	for (size_t i = 0; i < ret->n_sets; i++)
		make_set(s, &rib->owner_sets.items[i], &ret->sets[i]);
}

static int by_number(const void *a, const void *b)
{
	const struct device_owner_set *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* Without those whose owners have all left; sorted. */
static void settle_sets(struct device_state *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n_sets; i++) {
		if (s->sets[i].n_owners)
			s->sets[n++] = s->sets[i];
		else
			free(s->sets[i].owners);
	}
	s->n_sets = n;
	if (n)
		qsort(s->sets, n, sizeof(*s->sets), by_number);
}

/* --- peers -------------------------------------------------------------------------------------
 */

/* Where a prefix has one owner there are no levels. */
static enum device_level level_of(const struct shall *s, size_t peer, bool has_many_owners)
{
	const struct shall_rib *rib = s->in->rib;

	return has_many_owners && rib->states.n ? fib_level_of(rib->states.items[peer]) : DEVICE_UP;
}

static void make_peers(const struct shall *s, bool has_many_owners, struct device_state *ret)
{
	const struct generation *g = s->in->gen;
	size_t n = g->n_peers + (s->own.n != 0);
	AUTO_FREE size_t *at = place_peers(g, n);
	struct places places = {s, NULL, at, NULL, g->n_peers, g->n_peers};

	ret->peers = n ? secret_zalloc(n, sizeof(*ret->peers)) : NULL;
	ret->n_peers = n;
	for (size_t i = 0; i < g->n_peers; i++) {
		const struct generation_peer *gp = &g->peers[i];

		ret->peers[at[i]] = (struct device_peer){
			.key = gp->node->public_key,
			.has_psk = !wg_key_is_zero(&gp->psk),
			.leave_psk = gp->psk_error,
			.psk = gp->psk,
			.endpoint = s->in->endpoints[i],
			.keepalive = (uint16_t)gp->view->keepalive,
			.level = level_of(s, i, has_many_owners),
		};
	}
	if (has_many_owners)
		make_sets(s, ret);
	places.peers = ret->peers;
	places.sets = ret->sets;
	places.n += ret->n_sets;
	give_prefixes(&places);
	give_own(&places);
	settle_sets(ret);
}

/* The port that the device should get; 0: leave the one that it has. */
static uint16_t port_to_have(struct shall *s, const struct fib_device *is)
{
	const struct generation *g = s->in->gen;
	AUTO_BUF why = {0};

	if (!is->port_is_taken)
		return g->self->listen_port;
	generation_tell_port(g, &why);
	fib_trouble_add(&s->problems, NULL, "%s stays on port %u: %s", g->self->interface,
		is->wg.listen_port, buf_str(&why));
	return 0;
}

void shall_add_device(struct shall *s, const struct fib_device *is, bool clear_mark)
{
	const struct generation *g = s->in->gen;
	struct fib_device d = {
		.ifindex = is->ifindex,
		.up = true,
		.makes_link_local = !mesh_has_engine(g->self),
		.mtu = g->self->mtu,
		.private_key = g->private_key,
		/* A mark that an operator has set for purposes of his own stays. */
		.leave_fwmark = !s->mark && !clear_mark,
	};

	memcpy(d.name, is->name, sizeof(d.name));
	d.wg.has_key = true;
	d.wg.public_key = wg_key_public(&g->private_key);
	d.wg.listen_port = port_to_have(s, is);
	d.wg.fwmark = s->mark;
	d.mark.mark = s->mark;
	d.mark.port = d.wg.listen_port ? d.wg.listen_port : is->wg.listen_port;
	for (size_t i = 0; i < g->n_addresses; i++)
		vec_push(&d.addresses, g->addresses[i]);
	make_peers(s, is->wg.max_owners > 1, &d.wg);
	vec_push(&s->state.devices, d);
	wg_key_wipe(&d.private_key);
}

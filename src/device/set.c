/* SPDX-License-Identifier: MIT */
/*
 * A change, applied in three steps whatever the back end: what is set and added, then prefixes that
 * go without a successor, then peers that go. So a prefix that has an owner before and after has
 * one all the while.
 *
 * Removing one prefix. Newer kernels and programs take a flag for it. Older ones refuse it, or
 * might overlook it, which would add the prefix instead of removing it: harmless where the peer
 * owns it already, theft otherwise. So the first removal of all is a probe with one prefix that a
 * dump shows on that very peer, and another dump tells whether it is gone. Without the flag the
 * prefix is moved to the parking peer, a peer that nobody can be and that has no endpoint, which is
 * then removed together with what it owns; both stand in one request as long as it fits.
 */
#include "device/internal.h"

#include "base/secret.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

wg_key device_parking_key(const wg_key *device_public)
{
	static const uint8_t label[] = "shunt parking peer";
	crypto_generichash_state h;
	wg_key secret, key;

	crypto_generichash_init(&h, NULL, 0, sizeof(secret.bytes));
	crypto_generichash_update(&h, label, sizeof(label) - 1);
	crypto_generichash_update(&h, device_public->bytes, sizeof(device_public->bytes));
	crypto_generichash_final(&h, secret.bytes, sizeof(secret.bytes));
	key = wg_key_public(&secret);
	wg_key_wipe(&secret);
	return key;
}

static bool has_extensions(const struct device_peer_change *p)
{
	return p->set_level || p->set_multicast || p->set_link_local;
}

static bool only_removes(const struct device_peer_change *p)
{
	return p->n_del && !p->n_add && !p->set_psk && !p->set_endpoint && !p->set_keepalive &&
	       !has_extensions(p);
}

/* The peers of the change that pick chooses, as it alters them. The caller releases them. */
static struct device_peer_change *select_peers(
	const struct device_change *c, bool (*pick)(struct device_peer_change *p), size_t *ret_n)
{
	struct device_peer_change *list = secret_zalloc(c->n_peers + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < c->n_peers; i++) {
		list[n] = c->peers[i];
		n += pick(&list[n]);
	}
	*ret_n = n;
	return list;
}

static void release_peers(struct device_peer_change *list, const struct device_change *c)
{
	secret_free(list, (c->n_peers + 1) * sizeof(*list));
}

static bool pick_set(struct device_peer_change *p)
{
	if (p->remove || only_removes(p))
		return false;
	p->del = NULL;
	p->n_del = 0;
	return true;
}

static bool pick_del(struct device_peer_change *p)
{
	if (p->remove || !p->n_del)
		return false;
	*p = (struct device_peer_change){
		.key = p->key, .update_only = true, .del = p->del, .n_del = p->n_del};
	return true;
}

static bool pick_remove(struct device_peer_change *p)
{
	return p->remove;
}

/* The sets of the change that pick chooses, as it alters them; free() releases them. */
static struct device_owner_set_change *select_sets(const struct device_change *c,
	bool (*pick)(struct device_owner_set_change *s), size_t *ret_n)
{
	struct device_owner_set_change *list = mem_zalloc(c->n_sets + 1, sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < c->n_sets; i++) {
		list[n] = c->sets[i];
		n += pick(&list[n]);
	}
	*ret_n = n;
	return list;
}

static bool pick_set_additions(struct device_owner_set_change *s)
{
	s->del = NULL;
	s->n_del = 0;
	return !s->remove && (s->n_owners || s->n_add);
}

static bool pick_set_removals(struct device_owner_set_change *s)
{
	s->n_owners = s->n_add = 0;
	return !s->remove && s->n_del;
}

static bool pick_removed_set(struct device_owner_set_change *s)
{
	return s->remove;
}

/* Those of the sets that pick chooses, alone. */
static int apply_sets(struct device *d, const struct device_change *c,
	bool (*pick)(struct device_owner_set_change *s))
{
	struct device_change part = {0};
	struct device_owner_set_change *list = select_sets(c, pick, &part.n_sets);
	int r;

	part.sets = list;
	r = part.n_sets ? d->ops->apply(d, &part) : 0;
	free(list);
	return r;
}

static int apply_additions(struct device *d, const struct device_change *c)
{
	struct device_change part = *c;
	size_t n;
	struct device_peer_change *list = select_peers(c, pick_set, &n);
	struct device_owner_set_change *sets = select_sets(c, pick_set_additions, &part.n_sets);
	int r = 0;

	part.peers = list;
	part.n_peers = n;
	part.sets = sets;
	if (n || part.n_sets || c->set_private_key || c->set_listen_port || c->set_fwmark ||
		c->set_multicast)
		r = d->ops->apply(d, &part);
	release_peers(list, c);
	free(sets);
	wg_key_wipe(&part.private_key);
	return r;
}

static int apply_peer_removals(struct device *d, const struct device_change *c)
{
	size_t n;
	struct device_peer_change *list = select_peers(c, pick_remove, &n);
	struct device_change part = {.peers = list, .n_peers = n};
	int r = n ? d->ops->apply(d, &part) : 0;

	release_peers(list, c);
	return r;
}

/* --- removing prefixes ---------------------------------------------------------------------- */

static int prefix_cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static bool owns(const struct device_state *s, const wg_key *key, const ip_prefix *prefix)
{
	const struct device_peer *p = device_state_peer(s, key);
	ip_prefix masked = ip_prefix_masked(prefix);

	return p && p->n_allowed &&
	       bsearch(&masked, p->allowed, p->n_allowed, sizeof(*p->allowed), prefix_cmp);
}

static int remove_by_flag(struct device *d, const struct device_peer_change *peers, size_t n)
{
	struct device_change c = {.peers = peers, .n_peers = n};

	return d->ops->apply(d, &c);
}

static int remove_by_parking(struct device *d, const struct device_state *s,
	const struct device_peer_change *peers, size_t n)
{
	wg_key parking = device_parking_key(&s->public_key);
	struct device_peer_change steps[2] = {{.key = parking}, {.key = parking, .remove = true}};
	struct device_change c = {.peers = steps, .n_peers = 2};
	VEC(ip_prefix) going = {0};
	int r = 0;

	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < peers[i].n_del; j++)
			if (owns(s, &peers[i].key, &peers[i].del[j]))
				vec_push(&going, peers[i].del[j]);
	steps[0].add = going.items;
	steps[0].n_add = going.n;
	if (going.n)
		r = d->ops->apply(d, &c);
	vec_done(&going);
	return r;
}

static bool is_refusal(int r)
{
	return r == -EINVAL || r == -EOPNOTSUPP || r == -ERANGE;
}

/* Tries the flag on one prefix that the peer owns and learns from what becomes of it. */
static int probe(struct device *d, const wg_key *key, const ip_prefix *prefix)
{
	struct device_peer_change p = {.key = *key, .update_only = true, .del = prefix, .n_del = 1};
	struct device_state after;
	int r = remove_by_flag(d, &p, 1);

	if (is_refusal(r)) {
		d->removal = REMOVAL_PARKING;
		return 0;
	}
	if (r < 0)
		return r;
	r = d->ops->get(d, &after);
	if (r < 0)
		return r;
	d->removal = owns(&after, key, prefix) ? REMOVAL_PARKING : REMOVAL_FLAG;
	device_state_done(&after);
	return 0;
}

/* Probes with the first prefix that stands where it should go from, if there is one. */
static int learn(struct device *d, const struct device_state *s,
	const struct device_peer_change *peers, size_t n)
{
	for (size_t i = 0; i < n; i++)
		for (size_t j = 0; j < peers[i].n_del; j++)
			if (owns(s, &peers[i].key, &peers[i].del[j]))
				return probe(d, &peers[i].key, &peers[i].del[j]);
	return 0;
}

static int remove_prefixes(struct device *d, const struct device_peer_change *peers, size_t n)
{
	struct device_state s;
	int r;

	if (d->removal == REMOVAL_FLAG)
		return remove_by_flag(d, peers, n);
	r = d->ops->get(d, &s);
	if (r < 0)
		return r;
	if (d->removal == REMOVAL_UNKNOWN)
		r = learn(d, &s, peers, n);
	if (!r && d->removal == REMOVAL_FLAG)
		r = remove_by_flag(d, peers, n);
	else if (!r && d->removal == REMOVAL_PARKING)
		r = remove_by_parking(d, &s, peers, n);
	device_state_done(&s);
	return r;
}

static int apply_prefix_removals(struct device *d, const struct device_change *c)
{
	size_t n;
	struct device_peer_change *list = select_peers(c, pick_del, &n);
	int r = n ? remove_prefixes(d, list, n) : 0;

	release_peers(list, c);
	return r;
}

/* --- the whole ------------------------------------------------------------------------------ */

static bool needs_many_owners(const struct device_change *c)
{
	bool needs = c->n_sets || c->set_multicast;

	for (size_t i = 0; i < c->n_peers && !needs; i++)
		needs = has_extensions(&c->peers[i]);
	return needs;
}

/* A key that isn't known is refused half-way, so whether it is known is asked before. */
static int check_can(struct device *d, const struct device_change *c)
{
	struct device_state s;
	int r;

	if (!needs_many_owners(c))
		return 0;
	if (!d->max_owners) {
		r = device_get(d, &s);
		if (r < 0)
			return r;
		device_state_done(&s);
	}
	if (d->max_owners < 2)
		return -EOPNOTSUPP;
	for (size_t i = 0; i < c->n_sets; i++)
		if (c->sets[i].n_owners > d->max_owners)
			return -EINVAL;
	return 0;
}

int device_set(struct device *d, const struct device_change *c)
{
	int r = check_can(d, c);

	if (!r)
		r = apply_additions(d, c);
	if (!r)
		r = apply_prefix_removals(d, c);
	if (!r)
		r = apply_sets(d, c, pick_set_removals);
	if (!r)
		r = apply_sets(d, c, pick_removed_set);
	if (!r)
		r = apply_peer_removals(d, c);
	return r;
}

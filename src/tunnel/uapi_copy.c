/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi_copy.h"

#include <assert.h>
#include <sodium.h>

#define PIECE_PREFIXES 4096
#define PREFIXES_EACH 8 /* that a peer, or a set, takes the time of */

void uapi_copy_done(struct uapi_copy *c, size_t first_peer)
{
	if (first_peer < c->n_peers)
		sodium_memzero(
			&c->peers[first_peer], (c->n_peers - first_peer) * sizeof(*c->peers));
	free(c->peers);
	vec_done(&c->sets);
	vec_done(&c->prefixes);
	map_free(c->first_sets);
	sodium_memzero(c, sizeof(*c));
}

static void begin(struct uapi_copy *c, struct tunnel *t)
{
	unsigned tries = c->tries + 1;

	uapi_copy_done(c, 0);
	c->tries = tries;
	c->changes = tunnel_changes(t);
	c->first_sets = map_new();
	tunnel_get(t, &c->device);
	for (int i = 0; i < TUNNEL_COUNTERS; i++)
		c->counters[i] = tunnel_counter(t, (enum tunnel_counter)i);
	/* In one piece from the first: keys are not to be left behind where it stood before. */
	c->room = tunnel_n_peers(t);
	c->peers = mem_zalloc(c->room + 1, sizeof(*c->peers));
}

/* --- sets ----------------------------------------------------------------------------------------
 */

static void copy_owners(struct uapi_set_copy *copy, const struct tunnel_owners *set)
{
	struct tunnel_owner owners[CRYPTOKEY_MAX_OWNERS];

	copy->n_owners = tunnel_owners_get(set, owners);
	for (size_t i = 0; i < copy->n_owners; i++)
		copy->owners[i] = (struct uapi_owner_copy){*tunnel_peer_key(owners[i].peer),
			owners[i].rank, owners[i].weight, owners[i].is_relay};
}

/* False: there are no more. */
static bool copy_next_set(struct uapi_copy *c, struct tunnel *t)
{
	struct tunnel_owners *set = tunnel_owners_next(t, c->set);
	struct uapi_set_copy *copy;

	if (!set)
		return false;
	vec_push(&c->sets, (struct uapi_set_copy){.number = tunnel_owners_number(set),
				   .preferred = tunnel_owners_preferred(set),
				   .next = UAPI_COPY_NONE,
				   .allowed = {c->prefixes.n, c->prefixes.n}});
	copy = &c->sets.items[c->sets.n - 1];
	copy_owners(copy, set);
	c->set = set;
	c->is_under_way = true;
	c->at = NULL;
	return true;
}

static int by_number(const void *a, const void *b)
{
	const struct uapi_set_copy *x = a, *y = b;

	return (x->number > y->number) - (x->number < y->number);
}

/* Once their memory stays where it is: from the last one on, so that the first comes first. */
static void chain_sets(struct uapi_copy *c)
{
	if (c->sets.n)
		qsort(c->sets.items, c->sets.n, sizeof(*c->sets.items), by_number);
	for (size_t i = c->sets.n; i--;) {
		struct uapi_set_copy *s = &c->sets.items[i];
		uintptr_t before;

		if (!s->preferred)
			continue;
		before = (uintptr_t)map_put(c->first_sets, &s->preferred, sizeof(s->preferred),
			(void *)(uintptr_t)(i + 1));
		s->next = before ? before - 1 : UAPI_COPY_NONE;
	}
}

/* --- peers ---------------------------------------------------------------------------------------
 */

/* False: there are no more. */
static bool copy_next_peer(struct uapi_copy *c, struct tunnel *t)
{
	struct tunnel_peer *p = tunnel_peer_next(t, c->peer);
	struct uapi_peer_copy *copy;
	uintptr_t first = 0;

	if (!p)
		return false;
	assert(c->n_peers < c->room);
	copy = &c->peers[c->n_peers++];
	tunnel_peer_get(t, p, &copy->info);
	copy->allowed = (struct uapi_range){c->prefixes.n, c->prefixes.n};
	if (c->sets.n)
		first = (uintptr_t)map_get(c->first_sets, &p, sizeof(p));
	copy->first_set = first ? first - 1 : UAPI_COPY_NONE;
	c->peer = p;
	c->is_under_way = true;
	c->at = NULL;
	return true;
}

/* --- pieces --------------------------------------------------------------------------------------
 */

/* Of the set or the peer under way; how many. */
static size_t copy_prefixes(struct uapi_copy *c, size_t max)
{
	ip_prefix *to;
	size_t n;

	vec_reserve(&c->prefixes, c->prefixes.n + max);
	to = &c->prefixes.items[c->prefixes.n];
	n = c->has_sets ? tunnel_peer_allowed(c->peer, &c->at, to, max)
			: tunnel_owners_allowed(c->set, &c->at, to, max);
	c->prefixes.n += n;
	if (c->has_sets)
		c->peers[c->n_peers - 1].allowed.end += n;
	else
		c->sets.items[c->sets.n - 1].allowed.end += n;
	c->is_under_way = n == max;
	return n;
}

/* Goes on to the next set, or else peer. False: there are no more. */
static bool copy_next(struct uapi_copy *c, struct tunnel *t)
{
	if (!c->has_sets && copy_next_set(c, t))
		return true;
	if (!c->has_sets)
		chain_sets(c);
	c->has_sets = true;
	return copy_next_peer(c, t);
}

/* True: that was the last. */
static bool copy_piece(struct uapi_copy *c, struct tunnel *t)
{
	for (size_t n = 0; n < PIECE_PREFIXES;) {
		if (!c->is_under_way && !copy_next(c, t))
			return true;
		n += PREFIXES_EACH + copy_prefixes(c, PIECE_PREFIXES - n);
	}
	return false;
}

bool uapi_copy_more(struct uapi_copy *c, struct tunnel *t)
{
	bool is_whole;

	tunnel_lock_to_read(t);
	if (!c->tries || c->changes != tunnel_changes(t))
		begin(c, t);
	is_whole = copy_piece(c, t);
	tunnel_unlock(t);
	return is_whole;
}

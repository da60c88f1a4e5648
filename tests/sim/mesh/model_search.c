/* SPDX-License-Identifier: MIT */
/*
 * Whom the device sends to, and from whom it takes, by the sentences of docs/uapi.md and
 * docs/shunt-wg.md; of what src/wg has nothing is asked. A device of one owner has only prefixes
 * that are one peer's alone.
 */
#include "model.h"

/* The next shorter prefix around the address, the longest at first. */
static const struct model_entry *around(
	const struct model *m, const ip_addr *a, bool is_first, ip_prefix *at)
{
	ip_prefix within = *at;

	return is_first ? trie_lookup(m->entries, a, at) : trie_cover(m->entries, &within, at);
}

static bool is_usable(const struct model_peer *p)
{
	return p->level != DEVICE_DOWN && !p->is_silent;
}

/* --- sending ------------------------------------------------------------------------------------
 */

static void give_all_to(struct model_hops *ret, struct model_peer *p)
{
	ret->n = 1;
	ret->items[0] = (struct model_hop){p, 1};
}

/* Of those who may be sent to: the better level, and then the lower rank. */
static bool beats(const struct model_member *a, const struct model_member *b)
{
	if (a->peer->level != b->peer->level)
		return a->peer->level == DEVICE_UP;
	return a->rank < b->rank;
}

/* What a relay brought goes to no relay, and not back; where one of these would have it, no cover
 * has. */
static bool may_get(const struct model_member *x, const struct model_peer *relay)
{
	return x->weight && !(relay && (x->is_relay || x->peer == relay));
}

/* Nobody: n stays 0. */
static void share_out(
	const struct model_set *s, const struct model_peer *relay, struct model_hops *ret)
{
	const struct model_member *best = NULL;

	for (size_t i = 0; i < s->members.n; i++) {
		const struct model_member *x = &s->members.items[i];

		if (may_get(x, relay) && is_usable(x->peer) && (!best || beats(x, best)))
			best = x;
	}
	for (size_t i = 0; i < s->members.n && best; i++) {
		const struct model_member *x = &s->members.items[i];

		if (may_get(x, relay) && is_usable(x->peer) && !beats(best, x))
			ret->items[ret->n++] = (struct model_hop){x->peer, x->weight};
	}
}

/* Whom it goes to when nobody is usable; the members are in order. */
static struct model_peer *preferred(const struct model_set *s, const struct model_peer *relay)
{
	for (size_t i = 0; i < s->members.n; i++)
		if (may_get(&s->members.items[i], relay))
			return s->members.items[i].peer;
	return NULL;
}

static bool keeps_usable(const struct model_set *s, const struct model_peer *relay)
{
	for (size_t i = 0; i < s->members.n; i++)
		if (s->members.items[i].weight && !may_get(&s->members.items[i], relay) &&
			is_usable(s->members.items[i].peer))
			return true;
	return false;
}

void model_send(const struct model *m, const ip_addr *to, const struct model_peer *relay,
	struct model_hops *ret)
{
	struct model_peer *at_worst = NULL;
	bool only_relays = false;
	ip_prefix at = {0};

	*ret = (struct model_hops){0};
	for (const struct model_entry *e = around(m, to, true, &at); e;
		e = around(m, to, false, &at)) {
		if (e->peer) {
			give_all_to(ret, e->peer);
			return;
		}
		share_out(e->set, relay, ret);
		if (ret->n)
			return;
		if (keeps_usable(e->set, relay)) {
			ret->is_refused = true;
			return;
		}
		only_relays |= relay && preferred(e->set, NULL);
		if (!at_worst)
			at_worst = preferred(e->set, relay);
	}
	if (only_relays && !at_worst)
		ret->is_refused = true;
	else if (at_worst)
		give_all_to(ret, at_worst);
}

/* --- receiving ----------------------------------------------------------------------------------
 */

static enum model_verdict judge(const struct model_set *s, const struct model_peer *from)
{
	bool has_usable = false;

	for (size_t i = 0; i < s->members.n; i++) {
		const struct model_member *x = &s->members.items[i];

		if (x->peer == from)
			return x->is_relay ? MODEL_ACCEPT_RELAY : MODEL_ACCEPT;
		has_usable |= x->weight && is_usable(x->peer);
	}
	return has_usable ? MODEL_REFUSE : MODEL_PASS;
}

enum model_verdict model_receive(
	const struct model *m, const ip_addr *source, const struct model_peer *from)
{
	enum model_verdict v = MODEL_PASS;
	ip_prefix at = {0};

	for (const struct model_entry *e = around(m, source, true, &at); e && v == MODEL_PASS;
		e = around(m, source, false, &at)) {
		if (e->peer)
			return e->peer == from ? MODEL_ACCEPT : MODEL_REFUSE;
		v = judge(e->set, from);
	}
	return v;
}

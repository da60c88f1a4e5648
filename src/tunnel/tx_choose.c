/* SPDX-License-Identifier: MIT */
#include "tunnel/tx_choose.h"

#include "tunnel/groups.h"
#include "tunnel/peer.h"

#include <sodium.h>

void tx_choose_init(struct tx_chooser *c, struct tunnel *t)
{
	c->t = t;
	randombytes_buf(&c->seed, sizeof(c->seed));
}

/* The peer whose own link-local address that is; NULL: ask the table. */
static struct tunnel_peer *link_local_peer(const struct tunnel *t, const uint8_t *packet)
{
	const struct groups *g = atomic_load_explicit(&t->groups, memory_order_acquire);

	return g && groups_is_to_link_local(packet) ? groups_find(g, packet + 24) : NULL;
}

static struct tx_choice choice_of(const struct cryptokey_answer *a)
{
	return (struct tx_choice){
		a->owner ? container_of(a->owner, struct tunnel_peer, owner) : NULL, a->is_refused};
}

/* He may be gone; nothing is read. */
static const struct cryptokey_owner *owner_of(const void *peer)
{
	return peer ? (const void *)((const char *)peer + offsetof(struct tunnel_peer, owner))
		    : NULL;
}

struct tx_choice tx_choose_anew(
	struct tx_chooser *c, const uint8_t *packet, size_t len, const void *relay)
{
	struct tunnel_peer *p = link_local_peer(c->t, packet);
	struct cryptokey_answer a = {0};

	if (!p)
		a = cryptokey_choose(c->t->table, packet, len, owner_of(relay));
	c->version = inner_version(packet);
	memcpy(c->dst, inner_dst(packet), inner_addr_len(c->version));
	c->relay = relay;
	c->is_by_flow = a.is_by_flow;
	c->flow = a.is_by_flow ? flow_hash(packet, len, c->seed) : 0;
	c->choice = p ? (struct tx_choice){p, false} : choice_of(&a);
	return c->choice;
}

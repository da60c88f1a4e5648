/* SPDX-License-Identifier: MIT */
#include "tunnel/keypair.h"

#include "tunnel/clock.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"
#include "wg/index.h"
#include "wg/pool.h"

#include <string.h>

struct keypair *keypair_new(struct tunnel_peer *p)
{
	struct tunnel *t = p->tunnel;
	struct keypair *k = pool_take(t->keypairs);

	if (!k) {
		pthread_mutex_lock(&t->map_lock);
		qsbr_reclaim(t->qsbr);
		pthread_mutex_unlock(&t->map_lock);
		k = pool_take(t->keypairs);
	}
	if (!k)
		return NULL;
	memset(k, 0, sizeof(*k));
	k->kind = REF_KEYPAIR;
	k->peer = p;
	k->pool = t->keypairs;
	return k;
}

static void keypair_free(void *keypair)
{
	struct keypair *k = keypair;

	pool_give(k->pool, k);
}

void keypair_retire(struct tunnel *t, struct keypair *k)
{
	if (!k)
		return;
	pthread_mutex_lock(&t->map_lock);
	index_remove(t->indices, k->local_index);
	qsbr_retire(t->qsbr, k, keypair_free);
	pthread_mutex_unlock(&t->map_lock);
	/* So that it is wiped soon. */
	clock_wake(t->clock);
}

/* SPDX-License-Identifier: MIT */
#include "tunnel/wishes.h"

#include "base/mem.h"
#include "sys/wake.h"
#include "tunnel/device.h"
#include "tunnel/peer.h"

#include <stdlib.h>
#include <unistd.h>

struct wishes {
	pthread_mutex_t lock; /* tx_lock */
	struct list peers;    /* wish_entry.link; lock */
	int wake;
};

struct wishes *wishes_new(void)
{
	struct wishes *w = mem_zalloc(1, sizeof(*w));

	pthread_mutex_init(&w->lock, NULL);
	list_init(&w->peers);
	w->wake = wake_new();
	if (w->wake >= 0)
		return w;
	wishes_free(w);
	return NULL;
}

void wishes_free(struct wishes *w)
{
	if (!w)
		return;
	close(w->wake);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int wishes_fd(const struct wishes *w)
{
	return w->wake;
}

void wishes_wake(struct wishes *w)
{
	wake_up(w->wake);
}

void wish_entry_init(struct wish_entry *e)
{
	list_init(&e->link);
}

void wishes_add(struct tunnel_peer *p, unsigned wanted)
{
	struct wishes *w = p->tunnel->wishes;
	bool was_empty;

	pthread_mutex_lock(&w->lock);
	was_empty = list_is_empty(&w->peers);
	/* Who is removed is marked first and taken off the lists then: nobody comes back. */
	if (atomic_load_explicit(&p->dead, memory_order_acquire)) {
		was_empty = false;
	} else {
		if (!p->wish.wanted)
			list_append(&w->peers, &p->wish.link);
		p->wish.wanted |= wanted;
	}
	pthread_mutex_unlock(&w->lock);
	if (was_empty)
		wishes_wake(w);
}

void wishes_forget(struct tunnel_peer *p)
{
	struct wishes *w = p->tunnel->wishes;

	pthread_mutex_lock(&w->lock);
	list_remove(&p->wish.link);
	p->wish.wanted = 0;
	pthread_mutex_unlock(&w->lock);
}

struct tunnel_peer *wishes_next(struct wishes *w, unsigned *ret)
{
	struct tunnel_peer *p = NULL;

	pthread_mutex_lock(&w->lock);
	if (!list_is_empty(&w->peers)) {
		p = container_of(w->peers.next, struct tunnel_peer, wish.link);
		list_remove(&p->wish.link);
		*ret = p->wish.wanted;
		p->wish.wanted = 0;
	}
	pthread_mutex_unlock(&w->lock);
	return p;
}

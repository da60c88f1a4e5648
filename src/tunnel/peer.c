/* SPDX-License-Identifier: MIT */
/* What any thread may do to a peer: wish something of tx, ask for an initiation, arm its timer,
 * change its keypairs. */
#include "tunnel/internal.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

instant tunnel_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (instant){ts.tv_sec * NS_PER_S + ts.tv_nsec};
}

void tunnel_random(void *bytes, size_t n)
{
	randombytes_buf(bytes, n);
}

void tunnel_wake(int eventfd)
{
	uint64_t one = 1;

	while (write(eventfd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

int64_t peer_jitter(void)
{
	return (int64_t)randombytes_uniform((uint32_t)WG_REKEY_TIMEOUT_JITTER);
}

void peer_wish(struct tunnel_peer *p, unsigned wishes)
{
	struct tunnel *t = p->tunnel;
	bool was_empty;

	pthread_mutex_lock(&t->tx_lock);
	was_empty = list_is_empty(&t->tx_wishes);
	/* Who is removed is marked first and taken off the lists then: nobody comes back. */
	if (atomic_load_explicit(&p->dead, memory_order_acquire)) {
		was_empty = false;
	} else {
		if (!p->wants)
			list_append(&t->tx_wishes, &p->in_tx);
		p->wants |= wishes;
	}
	pthread_mutex_unlock(&t->tx_lock);
	if (was_empty)
		tunnel_wake(t->tx_wake);
}

void peer_want_initiation(struct tunnel_peer *p, bool is_retry)
{
	handshake_request(p, is_retry);
}

void peer_rearm(struct tunnel_peer *p)
{
	struct tunnel *t = p->tunnel;
	instant at = timers_deadline(&p->timers);
	bool is_first;

	/* A deadline that moved further away is found out when the old one comes. */
	if (atomic_load_explicit(&p->dead, memory_order_relaxed) ||
		at.ns >= atomic_load_explicit(&p->armed_ns, memory_order_acquire))
		return;
	pthread_mutex_lock(&t->clock_lock);
	is_first = at.ns < heap_deadline(&t->clock_heap).ns;
	heap_set(&t->clock_heap, &p->timer, at);
	atomic_store_explicit(&p->armed_ns, at.ns, memory_order_release);
	pthread_mutex_unlock(&t->clock_lock);
	if (is_first)
		tunnel_wake(t->clock_wake);
}

void peer_forget_source(struct tunnel_peer *p)
{
	p->endpoint.local = (ip_addr){0};
	p->endpoint.local_ifindex = 0;
	atomic_fetch_add_explicit(&p->endpoint_epoch, 1, memory_order_release);
}

bool peer_roam(struct tunnel_peer *p, const struct udp_endpoint *from)
{
	struct udp_endpoint e = *from;
	bool moves, is_new = false;

	pthread_mutex_lock(&p->lock);
	if (udp_endpoint_eq(&p->refused, from)) {
		e.local = (ip_addr){0};
		e.local_ifindex = 0;
	}
	moves = !sock_addr_eq(&p->endpoint.remote, &e.remote);
	/* What has no source to tell takes none away either. */
	if (moves || (e.local.family && !udp_endpoint_eq(&p->endpoint, &e))) {
		p->endpoint = e;
		is_new = e.local.family;
		atomic_fetch_add_explicit(&p->endpoint_epoch, 1, memory_order_release);
	}
	pthread_mutex_unlock(&p->lock);
	return is_new;
}

/* --- keypairs ------------------------------------------------------------------------------------
 */

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
	tunnel_wake(t->clock_wake);
}

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

static struct keypair *take_slot(_Atomic(struct keypair *) *slot, struct keypair *with)
{
	return atomic_exchange_explicit(slot, with, memory_order_acq_rel);
}

/*
 * The paper, section 6.1, and Linux's add_new_keypair. An initiator's is current at once; what was
 * pending as next, or else current, becomes previous. A responder's waits as next until its first
 * message comes; previous goes.
 */
void peer_install_keypair(struct tunnel_peer *p, struct keypair *k)
{
	struct keypair *old_next, *old_current, *gone[2] = {NULL, NULL};

	if (k->is_initiator) {
		old_next = take_slot(&p->next, NULL);
		old_current = take_slot(&p->current, k);
		gone[0] = take_slot(&p->previous, old_next ? old_next : old_current);
		gone[1] = old_next ? old_current : NULL;
	} else {
		gone[0] = take_slot(&p->next, k);
		gone[1] = take_slot(&p->previous, NULL);
	}
	keypair_retire(p->tunnel, gone[0]);
	keypair_retire(p->tunnel, gone[1]);
}

bool peer_confirm_keypair(struct tunnel_peer *p, struct keypair *k, instant now)
{
	struct keypair *gone = NULL;
	bool is_next;

	if (k != atomic_load_explicit(&p->next, memory_order_acquire))
		return false;
	pthread_mutex_lock(&p->lock);
	is_next = k == atomic_load_explicit(&p->next, memory_order_relaxed);
	if (is_next) {
		gone = take_slot(
			&p->previous, atomic_load_explicit(&p->current, memory_order_relaxed));
		take_slot(&p->current, k);
		take_slot(&p->next, NULL);
		timers_handshake_complete(&p->timers);
		clock_gettime(CLOCK_REALTIME, &p->last_handshake);
	}
	pthread_mutex_unlock(&p->lock);
	keypair_retire(p->tunnel, gone);
	return is_next;
}

void peer_drop_keypairs(struct tunnel_peer *p)
{
	keypair_retire(p->tunnel, take_slot(&p->current, NULL));
	keypair_retire(p->tunnel, take_slot(&p->previous, NULL));
	keypair_retire(p->tunnel, take_slot(&p->next, NULL));
}

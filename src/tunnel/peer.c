/* SPDX-License-Identifier: MIT */
#include "tunnel/peer.h"

#include "tunnel/device.h"
#include "tunnel/staging.h"

#include <sodium.h>
#include <string.h>
#include <time.h>

void peer_init(struct tunnel_peer *p, struct tunnel *t, const wg_key *key)
{
	uint64_t salt;

	memcpy(&salt, key, sizeof(salt));
	p->tunnel = t;
	cryptokey_owner_init(&p->owner, salt);
	pthread_mutex_init(&p->lock, NULL);
	pthread_mutex_init(&p->handshake.lock, NULL);
	noise_peer_init(&p->handshake.noise, key);
	cookie_maker_init(&p->handshake.cookie_maker, key);
	p->handshake.ref = (struct handshake_ref){REF_HANDSHAKE, p};
	initiation_wish_init(&p->initiation);
	source_entry_init(&p->source);
	clock_entry_init(&p->clock);
	wish_entry_init(&p->wish);
	timers_init(&p->timers);
	atomic_store(&p->endpoint_epoch, 1);
}

void peer_done(struct tunnel_peer *p)
{
	staging_drop_all(p->tunnel->staging, &p->tx.staged);
	noise_peer_done(&p->handshake.noise);
	pthread_mutex_destroy(&p->handshake.lock);
	pthread_mutex_destroy(&p->lock);
}

int64_t peer_jitter(void)
{
	return (int64_t)randombytes_uniform((uint32_t)WG_REKEY_TIMEOUT_JITTER);
}

static void show_answers(struct tunnel_peer *p)
{
	bool answers = !p->timers.is_lost;

	if (answers != atomic_load_explicit(&p->owner.answers, memory_order_relaxed))
		cryptokey_owner_set_answers(&p->owner, answers);
}

void peer_rearm(struct tunnel_peer *p)
{
	show_answers(p);
	if (!atomic_load_explicit(&p->dead, memory_order_relaxed))
		clock_arm(p->tunnel->clock, &p->clock, timers_deadline(&p->timers));
}

void peer_tell(struct tunnel_peer *p, const char *what)
{
	tunnel_tell(p->tunnel, &p->handshake.noise.remote_static, what);
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
		peer_rearm(p);
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

/* SPDX-License-Identifier: MIT */
#include "wg/noise.h"

#include "wg/ikpsk2.h"

#include <endian.h>
#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#define TAI64_EPOCH UINT64_C(0x400000000000000a)
#define TIMESTAMP_GRAIN_NS (UINT32_C(1) << 24)

static const char prologue[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";

static void put_le32(uint8_t at[static 4], uint32_t v)
{
	v = htole32(v);
	memcpy(at, &v, sizeof(v));
}

static uint32_t get_le32(const uint8_t at[static 4])
{
	uint32_t v;

	memcpy(&v, at, sizeof(v));
	return le32toh(v);
}

static void clamp(wg_key *k)
{
	k->bytes[0] &= 248;
	k->bytes[31] &= 127;
	k->bytes[31] |= 64;
}

/* --- identities and peers ------------------------------------------------------------------------
 */

void noise_identity_set(struct noise_identity *i, const wg_key *private_key)
{
	static _Atomic uint64_t last_id;
	bool is_set = !wg_key_is_zero(private_key);

	i->private_key = *private_key;
	if (is_set)
		clamp(&i->private_key);
	i->public_key = is_set ? wg_key_public(private_key) : (wg_key){{0}};
	i->id = atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed) + 1;
	i->is_set = is_set;
}

void noise_identity_done(struct noise_identity *i)
{
	sodium_memzero(i, sizeof(*i));
}

void noise_peer_init(struct noise_peer *p, const wg_key *remote_static)
{
	memset(p, 0, sizeof(*p));
	p->remote_static = *remote_static;
}

void noise_peer_set_psk(struct noise_peer *p, const wg_key *psk)
{
	p->psk = *psk;
}

bool noise_peer_precompute(struct noise_peer *p, const struct noise_identity *i)
{
	if (!i->is_set)
		return false;
	if (p->static_static_of == i->id)
		return true;
	p->static_static_of = 0;
	if (!ikpsk2_dh(&p->static_static, &i->private_key, p->remote_static.bytes))
		return false;
	p->static_static_of = i->id;
	return true;
}

void noise_handshake_clear(struct noise_peer *p)
{
	sodium_memzero(&p->handshake, sizeof(p->handshake));
}

void noise_peer_done(struct noise_peer *p)
{
	sodium_memzero(p, sizeof(*p));
}

/* --- handshakes ----------------------------------------------------------------------------------
 */

static uint8_t *noise_part_of_initiation(struct wg_initiation *m)
{
	return (uint8_t *)m + offsetof(struct wg_initiation, ephemeral);
}

static uint8_t *noise_part_of_response(struct wg_response *m)
{
	return (uint8_t *)m + offsetof(struct wg_response, ephemeral);
}

static void start(struct ikpsk2 *s, const wg_key *responder_static)
{
	ikpsk2_init(s, prologue, sizeof(prologue) - 1, responder_static);
}

static void resume(struct ikpsk2 *s, const struct noise_handshake *h)
{
	memcpy(s->chaining_key, h->chaining_key, sizeof(s->chaining_key));
	memcpy(s->hash, h->hash, sizeof(s->hash));
}

static void keep(struct noise_handshake *h, const struct ikpsk2 *s, enum noise_state state)
{
	memcpy(h->chaining_key, s->chaining_key, sizeof(h->chaining_key));
	memcpy(h->hash, s->hash, sizeof(h->hash));
	h->state = state;
}

int noise_create_initiation(const struct noise_identity *i, struct noise_peer *p,
	const wg_key *ephemeral, const uint8_t timestamp[static WG_TIMESTAMP_LEN],
	uint32_t local_index, struct wg_initiation *ret)
{
	wg_key clamped = *ephemeral;
	struct ikpsk2_initiator keys = {
		&i->public_key, &clamped, &p->remote_static, &p->static_static};
	struct wg_initiation m = {0};
	struct ikpsk2 s;
	int err = 0;

	clamp(&clamped);
	if (!i->is_set) {
		err = -ENOKEY;
		goto out;
	}
	start(&s, &p->remote_static);
	if (!noise_peer_precompute(p, i) ||
		!ikpsk2_write_initiation(
			&s, &keys, timestamp, WG_TIMESTAMP_LEN, noise_part_of_initiation(&m))) {
		err = -EKEYREJECTED;
		goto out;
	}
	put_le32(m.type, WG_INITIATION);
	put_le32(m.sender, local_index);
	noise_handshake_clear(p);
	p->handshake.ephemeral_private = clamped;
	p->handshake.local_index = local_index;
	keep(&p->handshake, &s, NOISE_INITIATION_SENT);
	*ret = m;
out:
	wg_key_wipe(&clamped);
	sodium_memzero(&s, sizeof(s));
	return err;
}

/* Replayed, or sooner after the last one than an honest peer's. */
static int check_freshness(
	const struct noise_peer *p, const uint8_t timestamp[static WG_TIMESTAMP_LEN], instant now)
{
	if (memcmp(timestamp, p->latest_timestamp, WG_TIMESTAMP_LEN) <= 0)
		return -EEXIST;
	if (p->last_initiation_taken.ns &&
		instant_diff(now, p->last_initiation_taken) < NS_PER_S / WG_INITIATIONS_PER_SECOND)
		return -EBUSY;
	return 0;
}

static void commit_initiation(struct noise_peer *p, const struct ikpsk2 *s,
	const struct wg_initiation *m, const uint8_t timestamp[static WG_TIMESTAMP_LEN],
	instant now)
{
	memcpy(p->latest_timestamp, timestamp, WG_TIMESTAMP_LEN);
	p->last_initiation_taken = now;
	noise_handshake_clear(p);
	memcpy(p->handshake.remote_ephemeral, m->ephemeral, WG_PUBLIC_LEN);
	p->handshake.remote_index = get_le32(m->sender);
	keep(&p->handshake, s, NOISE_INITIATION_TAKEN);
}

int noise_consume_initiation(const struct noise_identity *i, const struct wg_initiation *m,
	noise_lookup_fn *lookup, void *data, instant now, struct noise_peer **ret_peer)
{
	const uint8_t *message = (const uint8_t *)m + offsetof(struct wg_initiation, ephemeral);
	uint8_t timestamp[WG_TIMESTAMP_LEN];
	struct noise_peer *p = NULL;
	wg_key sender;
	struct ikpsk2 s;
	int err = -EBADMSG;

	*ret_peer = NULL;
	if (!i->is_set)
		return -ENOKEY;
	if (get_le32(m->type) != WG_INITIATION)
		return -EBADMSG;
	start(&s, &i->public_key);
	if (!ikpsk2_read_sender(&s, &i->private_key, message, &sender))
		goto out;
	err = -ENOENT;
	if (!wg_key_eq(&sender, &i->public_key))
		p = lookup(&sender, data);
	if (!p)
		goto out;
	*ret_peer = p;
	err = -EBADMSG;
	if (!noise_peer_precompute(p, i) || !ikpsk2_read_initiation(&s, &p->static_static, message,
						    timestamp, sizeof(timestamp)))
		goto out;
	err = check_freshness(p, timestamp, now);
	if (!err)
		commit_initiation(p, &s, m, timestamp, now);
out:
	sodium_memzero(&s, sizeof(s));
	return err;
}

int noise_create_response(const struct noise_identity *i, struct noise_peer *p,
	const wg_key *ephemeral, uint32_t local_index, struct wg_response *ret)
{
	wg_key clamped = *ephemeral;
	struct ikpsk2_responder keys = {
		&clamped, p->handshake.remote_ephemeral, &p->remote_static, &p->psk};
	struct wg_response m = {0};
	struct ikpsk2 s;
	int err = 0;

	clamp(&clamped);
	resume(&s, &p->handshake);
	if (!i->is_set)
		err = -ENOKEY;
	else if (p->handshake.state != NOISE_INITIATION_TAKEN)
		err = -EINVAL;
	else if (!ikpsk2_write_response(&s, &keys, NULL, 0, noise_part_of_response(&m)))
		err = -EKEYREJECTED;
	if (!err) {
		put_le32(m.type, WG_RESPONSE);
		put_le32(m.sender, local_index);
		put_le32(m.receiver, p->handshake.remote_index);
		p->handshake.ephemeral_private = clamped;
		p->handshake.local_index = local_index;
		keep(&p->handshake, &s, NOISE_RESPONSE_SENT);
		*ret = m;
	}
	wg_key_wipe(&clamped);
	sodium_memzero(&s, sizeof(s));
	return err;
}

int noise_consume_response(
	const struct noise_identity *i, struct noise_peer *p, const struct wg_response *m)
{
	const uint8_t *message = (const uint8_t *)m + offsetof(struct wg_response, ephemeral);
	struct noise_handshake *h = &p->handshake;
	struct ikpsk2_awaiting keys = {&i->private_key, &h->ephemeral_private, &p->psk};
	uint8_t nothing[1];
	struct ikpsk2 s;
	int err = 0;

	/* An index of another handshake: the caller's lookup was overtaken by a new one. */
	if (h->state != NOISE_INITIATION_SENT || get_le32(m->receiver) != h->local_index)
		return -EINVAL;
	if (!i->is_set)
		return -ENOKEY;
	if (get_le32(m->type) != WG_RESPONSE)
		return -EBADMSG;
	resume(&s, h);
	if (!ikpsk2_read_response(&s, &keys, message, nothing, 0)) {
		err = -EBADMSG;
	} else {
		memcpy(h->remote_ephemeral, m->ephemeral, WG_PUBLIC_LEN);
		h->remote_index = get_le32(m->sender);
		keep(h, &s, NOISE_RESPONSE_TAKEN);
	}
	sodium_memzero(&s, sizeof(s));
	return err;
}

int noise_begin_session(struct noise_peer *p, struct noise_session *ret)
{
	const struct noise_handshake *h = &p->handshake;
	struct ikpsk2 s;

	if (h->state != NOISE_RESPONSE_SENT && h->state != NOISE_RESPONSE_TAKEN)
		return -EINVAL;
	ret->is_initiator = h->state == NOISE_RESPONSE_TAKEN;
	ret->local_index = h->local_index;
	ret->remote_index = h->remote_index;
	resume(&s, h);
	if (ret->is_initiator)
		ikpsk2_split(&s, &ret->send, &ret->receive);
	else
		ikpsk2_split(&s, &ret->receive, &ret->send);
	sodium_memzero(&s, sizeof(s));
	noise_handshake_clear(p);
	return 0;
}

void noise_timestamp(int64_t unix_s, uint32_t ns, uint8_t ret[static WG_TIMESTAMP_LEN])
{
	uint64_t label = htobe64(TAI64_EPOCH + (uint64_t)unix_s);
	uint32_t grains = htobe32(ns & ~(TIMESTAMP_GRAIN_NS - 1));

	memcpy(ret, &label, sizeof(label));
	memcpy(ret + sizeof(label), &grains, sizeof(grains));
}

/* SPDX-License-Identifier: MIT */
/* Two ends that know each other, and a handshake between them step by step. */
#ifndef SHUNT_TESTS_NOISE_PAIR_H
#define SHUNT_TESTS_NOISE_PAIR_H

#include "golden_handshake.h"
#include "wg/noise.h"
#include "wg_hex.h"

#include <errno.h>

#define NOW ((instant){1000 * NS_PER_S})
#define UNIX_S 1700000000
#define ROUND_NS (UINT32_C(1) << 24)
#define PART_AT(type, field) offsetof(struct type, field)

/* One end, with one peer: the other end. */
struct side {
	struct noise_identity id;
	struct noise_peer peer;
	unsigned lookups;
};

struct pair {
	struct side a, b;
	instant now;
	uint32_t stamp_s; /* counted up for each initiation */
	uint8_t next_ephemeral;
};

static inline struct noise_peer *find_peer(const wg_key *key, void *side)
{
	struct side *s = side;

	s->lookups++;
	return wg_key_eq(key, &s->peer.remote_static) ? &s->peer : NULL;
}

static inline void side_init(struct side *s, uint8_t private_byte)
{
	wg_key private = key_filled(private_byte);

	memset(s, 0, sizeof(*s));
	noise_identity_set(&s->id, &private);
}

static inline struct pair pair_start(const wg_key *psk)
{
	struct pair p = {.now = NOW, .stamp_s = 0, .next_ephemeral = 0x80};

	side_init(&p.a, 0x11);
	side_init(&p.b, 0x22);
	noise_peer_init(&p.a.peer, &p.b.id.public_key);
	noise_peer_init(&p.b.peer, &p.a.id.public_key);
	if (psk) {
		noise_peer_set_psk(&p.a.peer, psk);
		noise_peer_set_psk(&p.b.peer, psk);
	}
	return p;
}

static inline wg_key ephemeral(struct pair *p)
{
	return key_filled(p->next_ephemeral++);
}

/* A fresh initiation; a second passes. */
static inline int initiate(
	struct pair *p, struct side *from, uint32_t index, struct wg_initiation *ret)
{
	uint8_t stamp[WG_TIMESTAMP_LEN];
	wg_key e = ephemeral(p);

	p->now = instant_add(p->now, NS_PER_S);
	noise_timestamp(UNIX_S + p->stamp_s++, 0, stamp);
	return noise_create_initiation(&from->id, &from->peer, &e, stamp, index, ret);
}

static inline int take(struct pair *p, struct side *by, const struct wg_initiation *m)
{
	struct noise_peer *found = NULL;

	return noise_consume_initiation(&by->id, m, find_peer, by, p->now, &found);
}

static inline int respond(
	struct pair *p, struct side *from, uint32_t index, struct wg_response *ret)
{
	wg_key e = ephemeral(p);

	return noise_create_response(&from->id, &from->peer, &e, index, ret);
}

static inline void check_session(
	struct side *initiator, struct side *responder, uint32_t i, uint32_t r)
{
	struct noise_session si, sr;
	static const struct noise_handshake clear;

	assert_int_equal(noise_begin_session(&initiator->peer, &si), 0);
	assert_int_equal(noise_begin_session(&responder->peer, &sr), 0);
	assert_true(si.is_initiator);
	assert_false(sr.is_initiator);
	assert_true(wg_key_eq(&si.send, &sr.receive));
	assert_true(wg_key_eq(&si.receive, &sr.send));
	assert_false(wg_key_eq(&si.send, &si.receive));
	assert_int_equal(si.local_index, i);
	assert_int_equal(si.remote_index, r);
	assert_int_equal(sr.local_index, r);
	assert_int_equal(sr.remote_index, i);
	assert_memory_equal(&initiator->peer.handshake, &clear, sizeof(clear));
	assert_memory_equal(&responder->peer.handshake, &clear, sizeof(clear));
	assert_int_equal(noise_begin_session(&initiator->peer, &si), -EINVAL);
	assert_int_equal(noise_begin_session(&responder->peer, &sr), -EINVAL);
}

/* The error of the first step that fails. */
static inline int whole(struct pair *p, struct side *from, struct side *to)
{
	uint32_t i = 100 + p->stamp_s, r = 5000000 + p->stamp_s;
	struct wg_initiation first;
	struct wg_response second;
	int err = initiate(p, from, i, &first);

	if (!err)
		err = take(p, to, &first);
	if (!err)
		err = respond(p, to, r, &second);
	if (!err)
		err = noise_consume_response(&from->id, &from->peer, &second);
	if (!err)
		check_session(from, to, i, r);
	return err;
}

static inline void refuse(
	struct pair *p, struct side *by, const struct wg_initiation *m, int expected)
{
	struct noise_peer *found = NULL;
	struct noise_peer before;

	memcpy(&before, &by->peer, sizeof(before));
	assert_int_equal(
		noise_consume_initiation(&by->id, m, find_peer, by, p->now, &found), expected);
	assert_ptr_equal(found, &by->peer); /* to be unlocked */
	assert_memory_equal(&by->peer, &before, sizeof(before));
}

#endif

/* SPDX-License-Identifier: MIT */
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

static struct noise_peer *find_peer(const wg_key *key, void *side)
{
	struct side *s = side;

	s->lookups++;
	return wg_key_eq(key, &s->peer.remote_static) ? &s->peer : NULL;
}

static void side_init(struct side *s, uint8_t private_byte)
{
	wg_key private = key_filled(private_byte);

	memset(s, 0, sizeof(*s));
	noise_identity_set(&s->id, &private);
}

static struct pair pair_start(const wg_key *psk)
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

static wg_key ephemeral(struct pair *p)
{
	return key_filled(p->next_ephemeral++);
}

/* A fresh initiation; a second passes. */
static int initiate(struct pair *p, struct side *from, uint32_t index, struct wg_initiation *ret)
{
	uint8_t stamp[WG_TIMESTAMP_LEN];
	wg_key e = ephemeral(p);

	p->now = instant_add(p->now, NS_PER_S);
	noise_timestamp(UNIX_S + p->stamp_s++, 0, stamp);
	return noise_create_initiation(&from->id, &from->peer, &e, stamp, index, ret);
}

static int take(struct pair *p, struct side *by, const struct wg_initiation *m)
{
	struct noise_peer *found = NULL;

	return noise_consume_initiation(&by->id, m, find_peer, by, p->now, &found);
}

static int respond(struct pair *p, struct side *from, uint32_t index, struct wg_response *ret)
{
	wg_key e = ephemeral(p);

	return noise_create_response(&from->id, &from->peer, &e, index, ret);
}

static void check_session(struct side *initiator, struct side *responder, uint32_t i, uint32_t r)
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
static int whole(struct pair *p, struct side *from, struct side *to)
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

/* --- what goes right -----------------------------------------------------------------------------
 */

static void both_ways(void **state)
{
	wg_key psk = key_filled(9);

	for (unsigned i = 0; i < 2; i++) {
		struct pair p = pair_start(i ? &psk : NULL);

		assert_int_equal(whole(&p, &p.a, &p.b), 0);
		assert_int_equal(whole(&p, &p.b, &p.a), 0);
		assert_int_equal(whole(&p, &p.a, &p.b), 0);
		assert_int_equal(whole(&p, &p.a, &p.b), 0);
	}
}

static void states(void **state)
{
	struct pair p = pair_start(NULL);
	struct wg_initiation first;
	struct wg_response second, spare, before;
	struct noise_session s;

	assert_int_equal(p.a.peer.handshake.state, NOISE_NONE);
	memset(&spare, 0x5a, sizeof(spare));
	before = spare;
	assert_int_equal(respond(&p, &p.a, 1, &spare), -EINVAL);
	assert_memory_equal(&spare, &before, sizeof(spare));
	assert_int_equal(noise_begin_session(&p.a.peer, &s), -EINVAL);

	assert_int_equal(initiate(&p, &p.a, 1, &first), 0);
	assert_int_equal(p.a.peer.handshake.state, NOISE_INITIATION_SENT);
	assert_int_equal(respond(&p, &p.a, 1, &spare), -EINVAL);
	assert_int_equal(noise_begin_session(&p.a.peer, &s), -EINVAL);

	assert_int_equal(take(&p, &p.b, &first), 0);
	assert_int_equal(p.b.peer.handshake.state, NOISE_INITIATION_TAKEN);
	assert_int_equal(noise_begin_session(&p.b.peer, &s), -EINVAL);

	assert_int_equal(respond(&p, &p.b, 2, &second), 0);
	assert_int_equal(p.b.peer.handshake.state, NOISE_RESPONSE_SENT);
	assert_int_equal(respond(&p, &p.b, 3, &spare), -EINVAL);
	assert_memory_equal(&spare, &before, sizeof(spare));
	assert_int_equal(noise_consume_response(&p.b.id, &p.b.peer, &second), -EINVAL);

	assert_int_equal(noise_consume_response(&p.a.id, &p.a.peer, &second), 0);
	assert_int_equal(p.a.peer.handshake.state, NOISE_RESPONSE_TAKEN);
	assert_int_equal(noise_consume_response(&p.a.id, &p.a.peer, &second), -EINVAL);
	check_session(&p.a, &p.b, 1, 2);
	assert_int_equal(noise_consume_response(&p.a.id, &p.a.peer, &second), -EINVAL);
}

/* Both initiate at once: the initiation that arrives takes the place of one's own. */
static void crossing(void **state)
{
	struct pair p = pair_start(NULL);
	struct wg_initiation from_a, from_b;
	struct wg_response answer;

	assert_int_equal(initiate(&p, &p.a, 1, &from_a), 0);
	assert_int_equal(initiate(&p, &p.b, 2, &from_b), 0);
	assert_int_equal(take(&p, &p.a, &from_b), 0);
	assert_int_equal(respond(&p, &p.a, 3, &answer), 0);
	assert_int_equal(noise_consume_response(&p.b.id, &p.b.peer, &answer), 0);
	check_session(&p.b, &p.a, 2, 3);
}

/* A retry: the answer to the first initiation comes too late. */
static void retried(void **state)
{
	struct pair p = pair_start(NULL);
	struct wg_initiation first, again;
	struct wg_response late, answer;

	assert_int_equal(initiate(&p, &p.a, 1, &first), 0);
	assert_int_equal(take(&p, &p.b, &first), 0);
	assert_int_equal(respond(&p, &p.b, 2, &late), 0);
	assert_int_equal(initiate(&p, &p.a, 3, &again), 0);
	assert_int_equal(noise_consume_response(&p.a.id, &p.a.peer, &late), -EINVAL);
	late.receiver[0] = 3;
	assert_int_equal(noise_consume_response(&p.a.id, &p.a.peer, &late), -EBADMSG);
	assert_int_equal(take(&p, &p.b, &again), 0);
	assert_int_equal(respond(&p, &p.b, 4, &answer), 0);
	assert_int_equal(noise_consume_response(&p.a.id, &p.a.peer, &answer), 0);
	check_session(&p.a, &p.b, 3, 4);
}

/* --- against another's reading of the paper ------------------------------------------------------
 */

static void check_golden(const wg_key *psk, const char *initiation, const char *response,
	const char *to_responder, const char *to_initiator)
{
	struct pair p = pair_start(psk);
	wg_key e_i = key_filled(0x33), e_r = key_filled(0x44);
	uint8_t stamp[WG_TIMESTAMP_LEN];
	struct noise_session s;
	struct wg_initiation first;
	struct wg_response second;
	size_t len_1 = PART_AT(wg_initiation, macs), len_2 = PART_AT(wg_response, macs);
	char text[2 * sizeof(struct wg_initiation) + 1];

	noise_timestamp(UNIX_S, 0x2a123456, stamp);
	assert_int_equal(
		noise_create_initiation(&p.a.id, &p.a.peer, &e_i, stamp, 0x01020304, &first), 0);
	sodium_bin2hex(text, sizeof(text), (uint8_t *)&first, len_1);
	assert_memory_equal(text, initiation, 2 * len_1);
	assert_int_equal(take(&p, &p.b, &first), 0);
	assert_int_equal(noise_create_response(&p.b.id, &p.b.peer, &e_r, 0xa1a2a3a4, &second), 0);
	sodium_bin2hex(text, sizeof(text), (uint8_t *)&second, len_2);
	assert_memory_equal(text, response, 2 * len_2);
	assert_int_equal(noise_consume_response(&p.a.id, &p.a.peer, &second), 0);
	assert_int_equal(noise_begin_session(&p.a.peer, &s), 0);
	assert_hex(s.send.bytes, to_responder);
	assert_hex(s.receive.bytes, to_initiator);
	assert_int_equal(s.local_index, 0x01020304);
	assert_int_equal(s.remote_index, 0xa1a2a3a4);
}

static void golden(void **state)
{
	wg_key psk = key_filled(0x55);

	check_golden(
		NULL, NO_PSK_INITIATION, NO_PSK_RESPONSE, NO_PSK_TO_RESPONDER, NO_PSK_TO_INITIATOR);
	check_golden(&psk, PSK_INITIATION, PSK_RESPONSE, PSK_TO_RESPONDER, PSK_TO_INITIATOR);
}

/* --- corruption ----------------------------------------------------------------------------------
 */

/* The macs, and the indices under them, are cookie.h's to check. */
static bool is_noises_byte(size_t at, size_t ephemeral_at)
{
	return at < 4 || at >= ephemeral_at;
}

static void corrupt_initiations(void **state)
{
	struct pair p = pair_start(NULL);
	struct wg_initiation good;
	struct side before;

	/* The secret of the static keys is a cache. */
	noise_peer_precompute(&p.b.peer, &p.b.id);
	assert_int_equal(initiate(&p, &p.b, 8, &good), 0); /* a handshake under way, to be kept */
	assert_int_equal(initiate(&p, &p.a, 7, &good), 0);
	memcpy(&before, &p.b, sizeof(before));
	for (size_t at = 0; at < PART_AT(wg_initiation, macs); at++) {
		if (!is_noises_byte(at, PART_AT(wg_initiation, ephemeral)))
			continue;
		for (unsigned bit = 0; bit < 8; bit++) {
			struct wg_initiation bad = good;

			((uint8_t *)&bad)[at] ^= (uint8_t)(1 << bit);
			assert_int_equal(take(&p, &p.b, &bad), -EBADMSG);
			before.lookups = p.b.lookups;
			assert_memory_equal(&p.b, &before, sizeof(before));
		}
	}
	assert_int_equal(take(&p, &p.b, &good), 0);
}

static void corrupt_responses(void **state)
{
	struct pair p = pair_start(NULL);
	struct wg_initiation first;
	struct wg_response good;
	struct side before;

	assert_int_equal(initiate(&p, &p.a, 7, &first), 0);
	assert_int_equal(take(&p, &p.b, &first), 0);
	assert_int_equal(respond(&p, &p.b, 8, &good), 0);
	memcpy(&before, &p.a, sizeof(before));
	for (size_t at = 0; at < PART_AT(wg_response, macs); at++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			struct wg_response bad = good;
			int err;

			if (at >= PART_AT(wg_response, sender) &&
				at < PART_AT(wg_response, receiver))
				continue;
			((uint8_t *)&bad)[at] ^= (uint8_t)(1 << bit);
			err = noise_consume_response(&p.a.id, &p.a.peer, &bad);
			assert_int_equal(err, is_noises_byte(at, PART_AT(wg_response, ephemeral))
						      ? -EBADMSG
						      : -EINVAL);
			assert_memory_equal(&p.a, &before, sizeof(before));
		}
	}
	assert_int_equal(noise_consume_response(&p.a.id, &p.a.peer, &good), 0);
	check_session(&p.a, &p.b, 7, 8);
}

/* --- replays and floods --------------------------------------------------------------------------
 */

static void refuse(struct pair *p, struct side *by, const struct wg_initiation *m, int expected)
{
	struct noise_peer *found = NULL;
	struct noise_peer before;

	memcpy(&before, &by->peer, sizeof(before));
	assert_int_equal(
		noise_consume_initiation(&by->id, m, find_peer, by, p->now, &found), expected);
	assert_ptr_equal(found, &by->peer); /* to be unlocked */
	assert_memory_equal(&by->peer, &before, sizeof(before));
}

static void replayed(void **state)
{
	struct pair p = pair_start(NULL);
	struct wg_initiation old, first, second;

	assert_int_equal(initiate(&p, &p.a, 1, &old), 0);
	assert_int_equal(initiate(&p, &p.a, 2, &first), 0);
	assert_int_equal(take(&p, &p.b, &first), 0);
	p.now = instant_add(p.now, NS_PER_S);
	refuse(&p, &p.b, &first, -EEXIST);
	refuse(&p, &p.b, &old, -EEXIST);

	/* Also when the handshake is over, and a session later. */
	noise_handshake_clear(&p.b.peer);
	refuse(&p, &p.b, &first, -EEXIST);
	assert_int_equal(whole(&p, &p.a, &p.b), 0);
	p.now = instant_add(p.now, NS_PER_S);
	refuse(&p, &p.b, &first, -EEXIST);

	/* And while an initiation of our own is under way, which stays. */
	assert_int_equal(initiate(&p, &p.b, 3, &second), 0);
	refuse(&p, &p.b, &first, -EEXIST);
	assert_int_equal(p.b.peer.handshake.state, NOISE_INITIATION_SENT);
}

static void same_timestamp(void **state)
{
	struct pair p = pair_start(NULL);
	struct wg_initiation m;

	assert_int_equal(whole(&p, &p.a, &p.b), 0);
	p.stamp_s--;
	assert_int_equal(initiate(&p, &p.a, 1, &m), 0);
	refuse(&p, &p.b, &m, -EEXIST);
	assert_int_equal(initiate(&p, &p.a, 1, &m), 0);
	assert_int_equal(take(&p, &p.b, &m), 0);
}

static void fifty_a_second(void **state)
{
	struct pair p = pair_start(NULL);
	struct wg_initiation m;
	instant last;

	assert_int_equal(initiate(&p, &p.a, 1, &m), 0);
	assert_int_equal(take(&p, &p.b, &m), 0);
	last = p.now;
	assert_int_equal(initiate(&p, &p.a, 1, &m), 0);
	p.now = last;
	refuse(&p, &p.b, &m, -EBUSY);
	p.now = instant_add(last, 20 * NS_PER_MS - 1);
	refuse(&p, &p.b, &m, -EBUSY);
	p.now = instant_add(last, 20 * NS_PER_MS);
	assert_int_equal(take(&p, &p.b, &m), 0);
	refuse(&p, &p.b, &m, -EEXIST);
}

/* --- keys ----------------------------------------------------------------------------------------
 */

static void strangers(void **state)
{
	struct pair p = pair_start(NULL);
	struct noise_peer *found = &p.a.peer;
	wg_key other = key_filled(0x77);
	struct wg_initiation m;

	noise_identity_set(&p.a.id, &other);
	assert_int_equal(initiate(&p, &p.a, 1, &m), 0);
	assert_int_equal(
		noise_consume_initiation(&p.b.id, &m, find_peer, &p.b, p.now, &found), -ENOENT);
	assert_null(found);
	assert_int_equal(p.b.lookups, 1);
}

/* The public key of another, without the private one, opens nothing. */
static void impostors(void **state)
{
	struct pair p = pair_start(NULL);
	wg_key other = key_filled(0x77), claimed = p.a.id.public_key;
	struct wg_initiation m;

	noise_identity_set(&p.a.id, &other);
	p.a.id.public_key = claimed;
	assert_int_equal(initiate(&p, &p.a, 1, &m), 0);
	noise_peer_precompute(&p.b.peer, &p.b.id);
	refuse(&p, &p.b, &m, -EBADMSG);
}

static void to_oneself(void **state)
{
	struct pair p = pair_start(NULL);
	struct noise_peer *found = &p.a.peer;
	struct wg_initiation m;

	noise_peer_init(&p.a.peer, &p.a.id.public_key);
	assert_int_equal(initiate(&p, &p.a, 1, &m), 0);
	assert_int_equal(
		noise_consume_initiation(&p.a.id, &m, find_peer, &p.a, p.now, &found), -ENOENT);
	assert_null(found);
	assert_int_equal(p.a.lookups, 0);
}

static const char *const low_order_points[] = {
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
	"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
};

static void low_order(void **state)
{
	for (size_t i = 0; i < sizeof(low_order_points) / sizeof(low_order_points[0]); i++) {
		struct pair p = pair_start(NULL);
		wg_key point = key_of(low_order_points[i]);
		struct wg_initiation m, spare;
		struct wg_response r;
		struct side before;

		/* As the ephemeral key of a message. */
		assert_int_equal(initiate(&p, &p.a, 1, &m), 0);
		assert_int_equal(take(&p, &p.b, &m), 0);
		assert_int_equal(respond(&p, &p.b, 2, &r), 0);
		memcpy(r.ephemeral, point.bytes, sizeof(r.ephemeral));
		memcpy(&before, &p.a, sizeof(before));
		assert_int_equal(noise_consume_response(&p.a.id, &p.a.peer, &r), -EBADMSG);
		assert_memory_equal(&p.a, &before, sizeof(before));
		memcpy(m.ephemeral, point.bytes, sizeof(m.ephemeral));
		assert_int_equal(take(&p, &p.b, &m), -EBADMSG);

		/* As a peer's. */
		noise_peer_init(&p.a.peer, &point);
		memcpy(&before, &p.a, sizeof(before));
		memcpy(&spare, &m, sizeof(m));
		assert_false(noise_peer_precompute(&p.a.peer, &p.a.id));
		assert_int_equal(initiate(&p, &p.a, 1, &m), -EKEYREJECTED);
		assert_memory_equal(&m, &spare, sizeof(m));
		assert_memory_equal(&p.a, &before, sizeof(before));
	}
}

static void no_identity(void **state)
{
	struct pair p = pair_start(NULL);
	struct wg_initiation first, m;
	struct wg_response second, r;
	wg_key none = {{0}};

	assert_int_equal(initiate(&p, &p.a, 1, &first), 0);
	assert_int_equal(take(&p, &p.b, &first), 0);
	assert_int_equal(respond(&p, &p.b, 2, &second), 0);
	assert_int_equal(initiate(&p, &p.a, 3, &first), 0);
	assert_int_equal(take(&p, &p.b, &first), 0);

	noise_identity_set(&p.a.id, &none);
	assert_false(p.a.id.is_set);
	assert_true(wg_key_is_zero(&p.a.id.public_key));
	assert_false(noise_peer_precompute(&p.a.peer, &p.a.id));
	assert_int_equal(initiate(&p, &p.a, 1, &m), -ENOKEY);
	second.receiver[0] = 3;
	assert_int_equal(noise_consume_response(&p.a.id, &p.a.peer, &second), -ENOKEY);
	noise_identity_set(&p.b.id, &none);
	assert_int_equal(take(&p, &p.b, &first), -ENOKEY);
	assert_int_equal(respond(&p, &p.b, 4, &r), -ENOKEY);
	assert_int_equal(p.b.peer.handshake.state, NOISE_INITIATION_TAKEN);
}

static void identities(void **state)
{
	struct pair p = pair_start(NULL);
	uint64_t old_id = p.b.id.id;
	wg_key b_private = key_filled(0x78), old_secret;

	assert_int_equal(whole(&p, &p.a, &p.b), 0);
	assert_int_equal(p.b.peer.static_static_of, old_id);
	old_secret = p.b.peer.static_static;

	/* B's key changes; A doesn't know yet. */
	noise_identity_set(&p.b.id, &b_private);
	assert_true(p.b.id.id > old_id);
	assert_int_equal(whole(&p, &p.a, &p.b), -EBADMSG);
	noise_peer_init(&p.a.peer, &p.b.id.public_key);
	assert_int_equal(whole(&p, &p.a, &p.b), 0);
	assert_int_equal(p.b.peer.static_static_of, p.b.id.id);
	assert_false(wg_key_eq(&p.b.peer.static_static, &old_secret));
	assert_int_equal(whole(&p, &p.b, &p.a), 0);

	/* The same key again is a new identity with the same secret. */
	old_id = p.b.id.id;
	old_secret = p.b.peer.static_static;
	noise_identity_set(&p.b.id, &b_private);
	assert_true(p.b.id.id > old_id);
	assert_true(noise_peer_precompute(&p.b.peer, &p.b.id));
	assert_true(wg_key_eq(&p.b.peer.static_static, &old_secret));
}

/* The answer to what was asked with the old key doesn't open with the new one. */
static void identity_changes_meanwhile(void **state)
{
	struct pair p = pair_start(NULL);
	wg_key other = key_filled(0x79);
	struct wg_initiation first;
	struct wg_response second;

	assert_int_equal(initiate(&p, &p.a, 1, &first), 0);
	assert_int_equal(take(&p, &p.b, &first), 0);
	assert_int_equal(respond(&p, &p.b, 2, &second), 0);
	noise_identity_set(&p.a.id, &other);
	assert_int_equal(noise_consume_response(&p.a.id, &p.a.peer, &second), -EBADMSG);
}

static void psk_changes(void **state)
{
	wg_key one = key_filled(1), two = key_filled(2), none = {{0}};
	struct pair p = pair_start(&one);

	assert_int_equal(whole(&p, &p.a, &p.b), 0);
	noise_peer_set_psk(&p.a.peer, &two);
	assert_int_equal(whole(&p, &p.a, &p.b), -EBADMSG);
	assert_int_equal(whole(&p, &p.b, &p.a), -EBADMSG);
	noise_peer_set_psk(&p.b.peer, &two);
	assert_int_equal(whole(&p, &p.a, &p.b), 0);
	noise_peer_set_psk(&p.a.peer, &none);
	assert_int_equal(whole(&p, &p.a, &p.b), -EBADMSG);
	noise_peer_set_psk(&p.b.peer, &none);
	assert_int_equal(whole(&p, &p.a, &p.b), 0);
}

/* Private keys and ephemeral ones are clamped, whatever comes. */
static void clamping(void **state)
{
	struct noise_identity raw = {0}, clamped = {0};
	wg_key k = key_filled(0xff), c = k;
	struct pair p = pair_start(NULL);
	struct wg_initiation m;
	uint8_t stamp[WG_TIMESTAMP_LEN] = {0};

	c.bytes[0] &= 248;
	c.bytes[31] = 127;
	noise_identity_set(&raw, &k);
	noise_identity_set(&clamped, &c);
	assert_true(wg_key_eq(&raw.private_key, &c));
	assert_true(wg_key_eq(&raw.public_key, &clamped.public_key));
	assert_int_equal(noise_create_initiation(&p.a.id, &p.a.peer, &k, stamp, 1, &m), 0);
	assert_true(wg_key_eq(&p.a.peer.handshake.ephemeral_private, &c));
}

/* --- timestamps ----------------------------------------------------------------------------------
 */

static void timestamps(void **state)
{
	uint8_t stamp[WG_TIMESTAMP_LEN], later[WG_TIMESTAMP_LEN];

	noise_timestamp(0, 0, stamp);
	assert_hex(stamp, "400000000000000a00000000");
	noise_timestamp(1, ROUND_NS - 1, stamp);
	assert_hex(stamp, "400000000000000b00000000");
	noise_timestamp(1, ROUND_NS, stamp);
	assert_hex(stamp, "400000000000000b01000000");
	noise_timestamp(1700000000, 999999999, stamp);
	assert_hex(stamp, "400000006553f10a3b000000");
	noise_timestamp(INT64_C(1) << 33, 5 * ROUND_NS + 99, stamp);
	assert_hex(stamp, "400000020000000a05000000");
	noise_timestamp((INT64_C(1) << 33) + 1, 0, later);
	assert_true(memcmp(later, stamp, sizeof(stamp)) > 0);
}

static void wiping(void **state)
{
	static const struct side clear;
	struct pair p = pair_start(NULL);
	struct wg_initiation m;

	assert_int_equal(initiate(&p, &p.a, 1, &m), 0);
	noise_peer_done(&p.a.peer);
	noise_identity_done(&p.a.id);
	assert_memory_equal(&p.a.peer, &clear.peer, sizeof(clear.peer));
	assert_memory_equal(&p.a.id, &clear.id, sizeof(clear.id));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_ways),
		cmocka_unit_test(states),
		cmocka_unit_test(crossing),
		cmocka_unit_test(retried),
		cmocka_unit_test(golden),
		cmocka_unit_test(corrupt_initiations),
		cmocka_unit_test(corrupt_responses),
		cmocka_unit_test(replayed),
		cmocka_unit_test(same_timestamp),
		cmocka_unit_test(fifty_a_second),
		cmocka_unit_test(strangers),
		cmocka_unit_test(impostors),
		cmocka_unit_test(to_oneself),
		cmocka_unit_test(low_order),
		cmocka_unit_test(no_identity),
		cmocka_unit_test(identities),
		cmocka_unit_test(identity_changes_meanwhile),
		cmocka_unit_test(psk_changes),
		cmocka_unit_test(clamping),
		cmocka_unit_test(timestamps),
		cmocka_unit_test(wiping),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Handshake messages from the network: A, which has sent an initiation to B, gets one message.
 * The first byte says which type (bits 0 and 1) and where it comes from:
 *
 *	raw (bit 2 clear)	the rest, as far as it goes
 *	patched (bit 2 set)	B's own, right in all, with patches from the rest: place, value
 *	macs made right (bit 3)	afterwards, so that what is behind them is reached
 *	under load (bit 4)
 *
 * With type 0 the rest is a story instead: A and B, whose keys are known here, shake hands with
 *each other, as often as the input lasts, and each step does what the protocol says: see
 *tell_story.
 *
 * What is refused must leave all as it was, nothing but B's own may be accepted, and afterwards
 * the handshake under way must still succeed.
 */
#include "wg/cookie.h"
#include "wg/noise.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW ((instant){1000 * NS_PER_S})
#define LATER ((instant){1001 * NS_PER_S})
#define A_INDEX 0x01020304
#define B_INDEX 0x0a0b0c0d

struct side {
	struct noise_identity id;
	struct noise_peer peer;
	struct cookie_checker checker;
	struct cookie_maker maker;
};

/* A awaits a response; these are B's answers, and B's own initiation. */
struct world {
	struct side a;
	sock_addr b_address;
	struct wg_initiation initiation;
	struct wg_response response;
	struct wg_cookie_reply cookie;
};

union message {
	uint8_t bytes[WG_INITIATION_LEN];
	struct wg_initiation initiation;
	struct wg_response response;
	struct wg_cookie_reply cookie;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static wg_key filled(uint8_t byte)
{
	wg_key k;

	memset(k.bytes, byte, sizeof(k.bytes));
	return k;
}

static void side_init(struct side *s, uint8_t own, uint8_t others)
{
	wg_key private = filled(own), remote_private = filled(others);
	wg_key remote = wg_key_public(&remote_private);

	noise_identity_set(&s->id, &private);
	noise_peer_init(&s->peer, &remote);
	noise_peer_precompute(&s->peer, &s->id);
	cookie_checker_init(&s->checker, &s->id.public_key);
	cookie_maker_init(&s->maker, &remote);
}

static struct noise_peer *lookup(const wg_key *key, void *side)
{
	struct side *s = side;

	return wg_key_eq(key, &s->peer.remote_static) ? &s->peer : NULL;
}

static void make_initiation(struct side *s, uint8_t ephemeral, uint32_t index, unsigned seconds,
	struct wg_initiation *ret)
{
	uint8_t stamp[WG_TIMESTAMP_LEN];
	wg_key e = filled(ephemeral);

	noise_timestamp(seconds, 0, stamp);
	check(!noise_create_initiation(&s->id, &s->peer, &e, stamp, index, ret));
	cookie_add_macs(&s->maker, ret, sizeof(*ret), NOW);
}

static void world_init(struct world *w)
{
	static const uint8_t nonce[WG_COOKIE_NONCE_LEN], secret[WG_HASH_LEN] = {1};
	struct side b;
	struct wg_initiation from_a;
	struct noise_peer *found;
	wg_key e = filled(4);

	check(sock_addr_parse(&w->b_address, "192.0.2.1:51820"));
	side_init(&w->a, 1, 2);
	side_init(&b, 2, 1);
	make_initiation(&b, 5, B_INDEX + 1, 9, &w->initiation);
	make_initiation(&w->a, 3, A_INDEX, 8, &from_a);
	check(!noise_consume_initiation(&b.id, &from_a, lookup, &b, NOW, &found));
	check(!noise_create_response(&b.id, &b.peer, &e, B_INDEX, &w->response));
	cookie_add_macs(&b.maker, &w->response, sizeof(w->response), NOW);
	cookie_create_reply(&b.checker, &from_a, sizeof(from_a), &w->b_address, A_INDEX, nonce,
		secret, NOW, &w->cookie);
}

/* --- one message ---------------------------------------------------------------------------------
 */

struct arrival {
	uint8_t type;
	bool is_patched, macs_made_right, under_load;
	size_t len;
	union message m, good;
};

static void patch(struct arrival *x, const uint8_t *data, size_t size)
{
	for (; size >= 2; data += 2, size -= 2)
		x->m.bytes[data[0] % x->len] ^= data[1];
}

static void make_macs_right(const struct world *w, struct arrival *x)
{
	struct cookie_maker maker;

	if (x->type == WG_COOKIE_REPLY)
		return;
	cookie_maker_init(&maker, &w->a.id.public_key);
	cookie_add_macs(&maker, &x->m, x->len, NOW);
}

static bool arrive(const struct world *w, struct arrival *x, const uint8_t *data, size_t size)
{
	uint8_t how = size ? data[0] : 0;

	*x = (struct arrival){.type = how & 3,
		.is_patched = how & 4,
		.macs_made_right = how & 8,
		.under_load = how & 16};
	switch (x->type) {
	case WG_INITIATION:
		x->good.initiation = w->initiation;
		x->len = sizeof(w->initiation);
		break;
	case WG_RESPONSE:
		x->good.response = w->response;
		x->len = sizeof(w->response);
		break;
	case WG_COOKIE_REPLY:
		x->good.cookie = w->cookie;
		x->len = sizeof(w->cookie);
		break;
	default:
		return false;
	}
	data++;
	size--;
	if (x->is_patched) {
		x->m = x->good;
		patch(x, data, size);
	} else {
		memcpy(&x->m, data, size < x->len ? size : x->len);
	}
	if (x->macs_made_right)
		make_macs_right(w, x);
	return true;
}

/* What the macs guard alone: indices, and the macs themselves. */
static bool is_good_but_for_macs(const struct arrival *x)
{
	union message m = x->m;

	if (x->type == WG_INITIATION) {
		memcpy(m.initiation.sender, x->good.initiation.sender, 4);
		m.initiation.macs = x->good.initiation.macs;
	} else if (x->type == WG_RESPONSE) {
		memcpy(m.response.sender, x->good.response.sender, 4);
		m.response.macs = x->good.response.macs;
	} else {
		memcpy(m.cookie.receiver, x->good.cookie.receiver, 4);
	}
	return !memcmp(&m, &x->good, x->len);
}

static bool consume(struct side *a, const struct arrival *x)
{
	struct noise_peer *found = NULL;

	switch (x->type) {
	case WG_INITIATION:
		return !noise_consume_initiation(
			&a->id, &x->m.initiation, lookup, a, LATER, &found);
	case WG_RESPONSE:
		return !noise_consume_response(&a->id, &a->peer, &x->m.response);
	default:
		return cookie_consume_reply(&a->maker, &x->m.cookie, LATER);
	}
}

static void check_macs(const struct world *w, struct side *a, const struct arrival *x)
{
	enum cookie_verdict verdict;

	if (x->type == WG_COOKIE_REPLY)
		return;
	verdict = cookie_check(&a->checker, &x->m, x->len, &w->b_address, x->under_load, LATER);
	check(verdict != COOKIE_MAC2_GOOD); /* no cookie was given out */
	if (verdict == COOKIE_MAC1_ONLY && !x->macs_made_right)
		check(!memcmp(&x->m, &x->good, x->len - WG_MAC_LEN));
	else if (x->macs_made_right)
		check(verdict == COOKIE_MAC1_ONLY);
}

static void answer_initiation(struct side *a)
{
	wg_key e = filled(6);
	struct noise_session s;
	struct wg_response r;

	check(!noise_create_response(&a->id, &a->peer, &e, 77, &r));
	check(!noise_begin_session(&a->peer, &s));
	check(!s.is_initiator && s.local_index == 77);
}

static void finish_handshake(const struct world *w, struct side *a)
{
	struct noise_session s;

	check(!noise_consume_response(&a->id, &a->peer, &w->response));
	check(!noise_begin_session(&a->peer, &s));
	check(s.is_initiator && s.local_index == A_INDEX && s.remote_index == B_INDEX);
}

/* --- both sides ----------------------------------------------------------------------------------
 */

#define MOST_ROUNDS 3

/* Of a round: bits of its first byte. */
enum {
	FROM_B = 1,	   /* B begins */
	OLD_TIMESTAMP = 2, /* the one before once more */
	UNDER_LOAD = 4,
	SPOIL_INITIATION = 8, /* one bit of what is sealed, or of an ephemeral key */
	SPOIL_RESPONSE = 16,
	OTHER_PSK = 32, /* of the responder */
	AT_ONCE = 64,	/* sooner than an honest peer's */
	ELSEWHERE = 128 /* its cookie is shown from another port */
};

struct story {
	struct side sides[2];
	sock_addr here, elsewhere;
	unsigned seconds;  /* of the timestamps */
	unsigned taken[2]; /* the last of each side that the other took */
	instant now;
	const uint8_t *data;
	size_t left;
};

static uint8_t next(struct story *s)
{
	if (!s->left)
		return 0;
	s->left--;
	return *s->data++;
}

/* Not one of the index behind the type, which only macs guard. */
static void spoil(struct story *s, uint8_t *noise_part, size_t len)
{
	noise_part[next(s) % len] ^= (uint8_t)(1 << next(s) % 7);
}

/* x's initiation arrives at y under load: without its cookie it gets one, and with it it is
 * believed, but not from elsewhere. */
static void prove(
	struct story *s, struct side *x, struct side *y, unsigned how, struct wg_initiation *m)
{
	static const uint8_t nonce[WG_COOKIE_NONCE_LEN] = {7}, secret[WG_HASH_LEN] = {9};
	bool has_cookie = x->maker.has_cookie;
	enum cookie_verdict v = cookie_check(&y->checker, m, sizeof(*m), &s->here, true, s->now);
	struct wg_cookie_reply reply;

	check(v == (has_cookie ? COOKIE_MAC2_GOOD : COOKIE_MAC1_ONLY));
	if (!has_cookie) {
		cookie_create_reply(
			&y->checker, m, sizeof(*m), &s->here, 1, nonce, secret, s->now, &reply);
		check(cookie_consume_reply(&x->maker, &reply, s->now));
		check(!cookie_consume_reply(&x->maker, &reply, s->now));
		cookie_add_macs(&x->maker, m, sizeof(*m), s->now);
	}
	v = cookie_check(&y->checker, m, sizeof(*m), how & ELSEWHERE ? &s->elsewhere : &s->here,
		true, s->now);
	check(v == (how & ELSEWHERE ? COOKIE_MAC1_ONLY : COOKIE_MAC2_GOOD));
}

static void compare_sessions(struct side *x, struct side *y)
{
	struct noise_session of_x, of_y;

	check(!noise_begin_session(&x->peer, &of_x) && !noise_begin_session(&y->peer, &of_y));
	check(of_x.is_initiator && !of_y.is_initiator);
	check(wg_key_eq(&of_x.send, &of_y.receive) && wg_key_eq(&of_x.receive, &of_y.send));
	check(!wg_key_eq(&of_x.send, &of_x.receive));
	check(of_x.local_index == of_y.remote_index && of_x.remote_index == of_y.local_index);
	check(noise_begin_session(&x->peer, &of_x));
}

static void respond(struct story *s, struct side *x, struct side *y, unsigned how)
{
	struct noise_peer before = x->peer;
	struct wg_response r;
	wg_key e = filled((uint8_t)(next(s) | 1));

	check(!noise_create_response(&y->id, &y->peer, &e, 0x2000 + next(s), &r));
	cookie_add_macs(&y->maker, &r, sizeof(r), s->now);
	check(cookie_check(&x->checker, &r, sizeof(r), &s->here, false, s->now) ==
		COOKIE_MAC1_ONLY);
	if (how & SPOIL_RESPONSE)
		spoil(s, r.ephemeral, WG_PUBLIC_LEN + WG_TAG_LEN);
	if (how & (SPOIL_RESPONSE | OTHER_PSK)) {
		check(noise_consume_response(&x->id, &x->peer, &r));
		check(!memcmp(&before, &x->peer, sizeof(before)));
		return;
	}
	check(!noise_consume_response(&x->id, &x->peer, &r));
	compare_sessions(x, y);
}

static void shake_hands(struct story *s)
{
	static const wg_key no_psk;
	unsigned how = next(s);
	struct side *x = &s->sides[how & FROM_B], *y = &s->sides[!(how & FROM_B)];
	wg_key psk = filled(77);
	struct noise_peer *found = NULL, before;
	struct wg_initiation m;
	bool is_soon = how & AT_ONCE && y->peer.last_initiation_taken.ns;
	int err;

	noise_peer_set_psk(&x->peer, &no_psk);
	noise_peer_set_psk(&y->peer, how & OTHER_PSK ? &psk : &no_psk);
	if (!(how & OLD_TIMESTAMP))
		s->seconds++;
	s->now = is_soon ? y->peer.last_initiation_taken : instant_add(s->now, NS_PER_S);
	make_initiation(x, (uint8_t)(next(s) | 1), 0x1000 + next(s), s->seconds, &m);
	/* make_initiation's macs are of another time. */
	cookie_add_macs(&x->maker, &m, sizeof(m), s->now);
	if (how & UNDER_LOAD)
		prove(s, x, y, how, &m);
	if (how & SPOIL_INITIATION)
		spoil(s, m.ephemeral, WG_INITIATION_LEN - 8 - 2 * WG_MAC_LEN);
	before = y->peer;
	err = noise_consume_initiation(&y->id, &m, lookup, y, s->now, &found);
	if (how & SPOIL_INITIATION)
		check(err == -EBADMSG || err == -ENOENT);
	else if (s->taken[how & FROM_B] == s->seconds)
		check(err == -EEXIST);
	else
		check(err == (is_soon ? -EBUSY : 0));
	if (err) {
		check(!memcmp(&before, &y->peer, sizeof(before)));
		return;
	}
	s->taken[how & FROM_B] = s->seconds;
	respond(s, x, y, how);
}

static void tell_story(const uint8_t *data, size_t size)
{
	struct story s = {.seconds = 100, .now = NOW, .data = data, .left = size};

	side_init(&s.sides[0], 1, 2);
	side_init(&s.sides[1], 2, 1);
	check(sock_addr_parse(&s.here, size % 2 ? "192.0.2.1:51820" : "[2001:db8::1]:51820"));
	check(sock_addr_parse(&s.elsewhere, size % 2 ? "192.0.2.1:51821" : "[2001:db8::1]:51821"));
	for (unsigned i = 0; i < MOST_ROUNDS && s.left; i++)
		shake_hands(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world world;
	static bool is_made;
	struct side a;
	struct arrival x;

	if (!is_made)
		world_init(&world);
	is_made = true;
	if (size && !(data[0] & 3)) {
		tell_story(data + 1, size - 1);
		return 0;
	}
	if (!arrive(&world, &x, data, size))
		return 0;
	memcpy(&a, &world.a, sizeof(a));
	check_macs(&world, &a, &x);
	check(!memcmp(&a, &world.a, sizeof(a)));
	if (consume(&a, &x)) {
		check(is_good_but_for_macs(&x));
		if (x.type == WG_INITIATION)
			answer_initiation(&a);
	} else {
		check(!is_good_but_for_macs(&x));
		check(!memcmp(&a, &world.a, sizeof(a)));
		finish_handshake(&world, &a);
	}
	return 0;
}

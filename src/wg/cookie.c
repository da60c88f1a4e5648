/* SPDX-License-Identifier: MIT */
#include "wg/cookie.h"

#include "wg/hash.h"

#include <assert.h>
#include <endian.h>
#include <sodium.h>
#include <string.h>

#define LABEL_LEN 8
static const char mac1_label[] = "mac1----", cookie_label[] = "cookie--";

static void derive(uint8_t ret[static WG_HASH_LEN], const char *label, const wg_key *public_key)
{
	wg_hash(ret, (struct wg_bytes){label, LABEL_LEN},
		(struct wg_bytes){public_key->bytes, sizeof(public_key->bytes)});
}

/* Both macs stand at the end of a message, each over all that is before it. */
static size_t mac1_at(size_t len)
{
	assert(len > sizeof(struct wg_macs));
	return len - sizeof(struct wg_macs);
}

static size_t mac2_at(size_t len)
{
	return len - WG_MAC_LEN;
}

static void compute_mac1(uint8_t ret[static WG_MAC_LEN], const uint8_t key[static WG_HASH_LEN],
	const void *message, size_t len)
{
	wg_mac(ret, (struct wg_bytes){key, WG_HASH_LEN}, (struct wg_bytes){message, mac1_at(len)});
}

static void compute_mac2(uint8_t ret[static WG_MAC_LEN], const uint8_t cookie[static WG_COOKIE_LEN],
	const void *message, size_t len)
{
	wg_mac(ret, (struct wg_bytes){cookie, WG_COOKIE_LEN},
		(struct wg_bytes){message, mac2_at(len)});
}

/* --- receiving -----------------------------------------------------------------------------------
 */

void cookie_checker_init(struct cookie_checker *c, const wg_key *own_public)
{
	sodium_memzero(c, sizeof(*c));
	derive(c->mac1_key, mac1_label, own_public);
	derive(c->cookie_key, cookie_label, own_public);
}

static bool has_secret(const struct cookie_checker *c, instant now)
{
	return c->secret_born.ns && instant_diff(now, c->secret_born) < WG_COOKIE_SECRET_MAX_AGE;
}

/* What a source must know: proof that it gets what is sent to its address and port. */
static void make_cookie(
	uint8_t ret[static WG_COOKIE_LEN], const struct cookie_checker *c, const sock_addr *from)
{
	uint8_t source[18];
	ip_addr a = sock_addr_ip(from);
	uint16_t port = htobe16(sock_addr_port(from));
	size_t len = a.family == AF_INET ? 4 : 16;

	memcpy(source, a.bytes, len);
	memcpy(source + len, &port, sizeof(port));
	wg_mac(ret, (struct wg_bytes){c->secret, sizeof(c->secret)},
		(struct wg_bytes){source, len + sizeof(port)});
}

enum cookie_verdict cookie_check(struct cookie_checker *c, const void *message, size_t len,
	const sock_addr *from, bool under_load, instant now)
{
	const uint8_t *m = message;
	uint8_t mac[WG_MAC_LEN], cookie[WG_COOKIE_LEN];
	bool is_good;

	compute_mac1(mac, c->mac1_key, m, len);
	if (sodium_memcmp(mac, m + mac1_at(len), sizeof(mac)))
		return COOKIE_BAD_MAC1;
	if (!under_load || !has_secret(c, now))
		return COOKIE_MAC1_ONLY;
	make_cookie(cookie, c, from);
	compute_mac2(mac, cookie, m, len);
	is_good = !sodium_memcmp(mac, m + mac2_at(len), sizeof(mac));
	sodium_memzero(cookie, sizeof(cookie));
	return is_good ? COOKIE_MAC2_GOOD : COOKIE_MAC1_ONLY;
}

void cookie_create_reply(struct cookie_checker *c, const void *message, size_t len,
	const sock_addr *from, uint32_t receiver, const uint8_t nonce[static WG_COOKIE_NONCE_LEN],
	const uint8_t fresh_secret[static WG_HASH_LEN], instant now, struct wg_cookie_reply *ret)
{
	const uint8_t *mac1 = (const uint8_t *)message + mac1_at(len);
	uint8_t cookie[WG_COOKIE_LEN];
	uint32_t type = htole32(WG_COOKIE_REPLY), index = htole32(receiver);

	if (!has_secret(c, now)) {
		memcpy(c->secret, fresh_secret, sizeof(c->secret));
		c->secret_born = now;
	}
	memcpy(ret->type, &type, sizeof(type));
	memcpy(ret->receiver, &index, sizeof(index));
	memcpy(ret->nonce, nonce, sizeof(ret->nonce));
	make_cookie(cookie, c, from);
	crypto_aead_xchacha20poly1305_ietf_encrypt(ret->sealed_cookie, NULL, cookie, sizeof(cookie),
		mac1, WG_MAC_LEN, NULL, nonce, c->cookie_key);
	sodium_memzero(cookie, sizeof(cookie));
}

/* --- sending -------------------------------------------------------------------------------------
 */

void cookie_maker_init(struct cookie_maker *m, const wg_key *remote_public)
{
	sodium_memzero(m, sizeof(*m));
	derive(m->mac1_key, mac1_label, remote_public);
	derive(m->cookie_key, cookie_label, remote_public);
}

/* The other side's secret may be older than our cookie, so the cookie ages sooner. */
static bool cookie_is_fresh(const struct cookie_maker *m, instant now)
{
	return m->has_cookie && instant_diff(now, m->cookie_born) <
					WG_COOKIE_SECRET_MAX_AGE - WG_COOKIE_SECRET_LATENCY;
}

void cookie_add_macs(struct cookie_maker *m, void *message, size_t len, instant now)
{
	uint8_t *bytes = message;

	compute_mac1(bytes + mac1_at(len), m->mac1_key, bytes, len);
	memcpy(m->last_mac1, bytes + mac1_at(len), sizeof(m->last_mac1));
	m->has_sent_mac1 = true;
	if (cookie_is_fresh(m, now)) {
		compute_mac2(bytes + mac2_at(len), m->cookie, bytes, len);
	} else {
		memset(bytes + mac2_at(len), 0, WG_MAC_LEN);
		sodium_memzero(m->cookie, sizeof(m->cookie));
		m->has_cookie = false;
	}
}

bool cookie_consume_reply(struct cookie_maker *m, const struct wg_cookie_reply *r, instant now)
{
	uint32_t type = htole32(WG_COOKIE_REPLY);
	uint8_t cookie[WG_COOKIE_LEN];

	if (!m->has_sent_mac1 || memcmp(r->type, &type, sizeof(type)) ||
		crypto_aead_xchacha20poly1305_ietf_decrypt(cookie, NULL, NULL, r->sealed_cookie,
			sizeof(r->sealed_cookie), m->last_mac1, sizeof(m->last_mac1), r->nonce,
			m->cookie_key))
		return false;
	memcpy(m->cookie, cookie, sizeof(m->cookie));
	m->has_cookie = true;
	m->cookie_born = now;
	m->has_sent_mac1 = false;
	sodium_memzero(cookie, sizeof(cookie));
	return true;
}

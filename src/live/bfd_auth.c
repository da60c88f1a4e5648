/* SPDX-License-Identifier: MIT */
#include "live/bfd_auth.h"
#include <sha1.h>
#include <sodium.h>

/* RFC 5880 section 4.4 */
#define TYPE_METICULOUS_SHA1 5
#define KEY_ID 1
#define AUTH_LEN (BFD_PACKET_MAX - BFD_PACKET_LEN)

enum at {
	AT_TYPE = BFD_PACKET_LEN,
	AT_LEN,
	AT_KEY_ID,
	AT_RESERVED,
	AT_SEQ,
	AT_DIGEST = AT_SEQ + 4
};

_Static_assert(AT_DIGEST + SHA1_DIGEST_LENGTH == BFD_PACKET_MAX, "the digest is the packet's end");
_Static_assert(BFD_KEY_LEN == SHA1_DIGEST_LENGTH, "the key stands where the digest will");

static uint32_t seq_of(const uint8_t *bytes)
{
	const uint8_t *b = bytes + AT_SEQ;

	return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

void bfd_auth_init(struct bfd_auth *a, const struct bfd_keys *keys, uint32_t sent_seq)
{
	*a = (struct bfd_auth){.keys = *keys, .sent_seq = sent_seq};
}

/* SHA1 over the packet with the key in the digest's place. */
static void make_digest(const uint8_t key[static BFD_KEY_LEN], const uint8_t *bytes,
	uint8_t out[static SHA1_DIGEST_LENGTH])
{
	SHA1_CTX ctx;

	SHA1Init(&ctx);
	SHA1Update(&ctx, bytes, AT_DIGEST);
	SHA1Update(&ctx, key, BFD_KEY_LEN);
	SHA1Final(out, &ctx);
	sodium_memzero(&ctx, sizeof(ctx));
}

void bfd_auth_seal(
	struct bfd_auth *a, const struct bfd_packet *p, uint8_t out[static BFD_PACKET_MAX])
{
	struct bfd_packet with = *p;
	uint32_t seq = ++a->sent_seq;

	with.is_authenticated = true;
	bfd_packet_encode(&with, out);
	out[AT_TYPE] = TYPE_METICULOUS_SHA1;
	out[AT_LEN] = AUTH_LEN;
	out[AT_KEY_ID] = KEY_ID;
	out[AT_RESERVED] = 0;
	for (int i = 0; i < 4; i++)
		out[AT_SEQ + i] = (uint8_t)(seq >> (24 - 8 * i));
	make_digest(a->keys.send, out, out + AT_DIGEST);
}

static bool is_well_formed(const uint8_t *b)
{
	return b[3] == BFD_PACKET_MAX && b[AT_TYPE] == TYPE_METICULOUS_SHA1 &&
	       b[AT_LEN] == AUTH_LEN && b[AT_KEY_ID] == KEY_ID;
}

bool bfd_auth_is_plausible(
	const struct bfd_auth *a, const struct bfd_packet *p, const uint8_t *bytes, instant now)
{
	uint32_t ahead;

	if (!p->is_authenticated || !is_well_formed(bytes))
		return false;
	if (!instant_before(now, a->forget_at))
		return true;
	ahead = seq_of(bytes) - a->heard_seq;
	return ahead >= 1 && ahead <= INT32_MAX;
}

bool bfd_auth_is_right(const struct bfd_auth *a, const uint8_t bytes[static BFD_PACKET_MAX])
{
	uint8_t digest[SHA1_DIGEST_LENGTH];

	make_digest(a->keys.receive, bytes, digest);
	return sodium_memcmp(digest, bytes + AT_DIGEST, sizeof(digest)) == 0;
}

void bfd_auth_heard(
	struct bfd_auth *a, const uint8_t bytes[static BFD_PACKET_MAX], instant forget_at)
{
	a->heard_seq = seq_of(bytes);
	a->forget_at = forget_at;
}

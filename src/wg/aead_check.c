/* SPDX-License-Identifier: MIT */
/*
 * What a back end must show before it is given a key: the known answer of RFC 8439 (the text, key
 * and nonce of appendix A.5, but without additional data, of which WireGuard's messages have none),
 * then libsodium's answers at the lengths where implementations change their ways, in place and
 * not, and that changed messages are refused; and what it costs. Some 300 microseconds each.
 */
#include "wg/aead_internal.h"

#include <sodium.h>
#include <stdlib.h>
#include <time.h>

#define MAX_PLAIN 1500
#define EVERY_LEN_UP_TO 200

static const char rfc_text[] =
	"Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "
	"replaced, or obsoleted by other documents at any time. It is inappropriate to use "
	"Internet-Drafts as reference material or to cite them other than as "
	"/\xe2\x80\x9cwork in progress./\xe2\x80\x9d";

static const struct aead_key rfc_key = {{0x1c, 0x92, 0x40, 0xa5, 0xeb, 0x55, 0xd3, 0x8a, 0xf3, 0x33,
	0x88, 0x86, 0x04, 0xf6, 0xb5, 0xf0, 0x47, 0x39, 0x17, 0xc1, 0x40, 0x2b, 0x80, 0x09, 0x9d,
	0xca, 0x5c, 0xbc, 0x20, 0x70, 0x75, 0xc0}};

/* The tag covers the whole ciphertext, so its last bytes stand for all. */
static const uint8_t rfc_end[] = {0x29, 0xa6, 0xad, 0x5c, 0xb4, 0x02, 0x2b, 0x02, 0x70, 0x9b, 0x6e,
	0x35, 0x70, 0xb1, 0xac, 0xaa, 0xf1, 0xf2, 0x4f, 0x2a, 0x64, 0x4f, 0x01, 0xac, 0xd1, 0x2b};

struct bench {
	const struct aead_backend *b;
	struct aead_thread *t;
	struct aead_key key;
	uint8_t plain[MAX_PLAIN], expected[MAX_PLAIN + WG_TAG_LEN];
	uint8_t out[MAX_PLAIN + WG_TAG_LEN + 1], back[MAX_PLAIN + WG_TAG_LEN];
};

static void seal(struct bench *x, const uint8_t *src, uint8_t *dst, size_t len, uint64_t counter)
{
	struct aead_op op = {&x->key, counter, src, dst, len, false};

	x->b->seal(x->t, &op, 1);
}

static bool open(struct bench *x, const uint8_t *src, uint8_t *dst, size_t len, uint64_t counter)
{
	struct aead_op op = {&x->key, counter, src, dst, len, false};

	x->b->open(x->t, &op, 1);
	return op.ok;
}

static bool rfc_is_right(struct bench *x)
{
	const size_t len = sizeof(rfc_text) - 1;
	const size_t tail = sizeof(rfc_end) - WG_TAG_LEN;

	x->key = rfc_key;
	seal(x, (const uint8_t *)rfc_text, x->out, len, UINT64_C(0x0807060504030201));
	return !memcmp(x->out + len - tail, rfc_end, sizeof(rfc_end));
}

/* Out of place there and in place back; one byte behind must stay. */
static bool len_is_right(struct bench *x, size_t len)
{
	uint64_t counter = len * UINT64_C(0x0101010101010101);
	uint8_t nonce[AEAD_NONCE_LEN];

	aead_nonce(nonce, counter);
	crypto_aead_chacha20poly1305_ietf_encrypt(
		x->expected, NULL, x->plain, len, NULL, 0, NULL, nonce, x->key.bytes);
	x->out[len + WG_TAG_LEN] = 0x5a;
	seal(x, x->plain, x->out, len, counter);
	if (memcmp(x->out, x->expected, len + WG_TAG_LEN) || x->out[len + WG_TAG_LEN] != 0x5a)
		return false;
	return open(x, x->out, x->out, len, counter) && !memcmp(x->out, x->plain, len);
}

/* One bit wrong in the byte at `at` of a message that is right otherwise. */
static bool refuses_at(struct bench *x, size_t len, size_t at)
{
	bool accepted;

	x->out[at] ^= 0x80;
	accepted = open(x, x->out, x->back, len, 1);
	x->out[at] ^= 0x80;
	return !accepted;
}

static bool refuses(struct bench *x, size_t len)
{
	seal(x, x->plain, x->out, len, 1);
	for (size_t i = 0; i < WG_TAG_LEN; i++)
		if (!refuses_at(x, len, len + i))
			return false;
	if (len && !(refuses_at(x, len, 0) && refuses_at(x, len, len - 1)))
		return false;
	return !open(x, x->out, x->back, len, 2) && open(x, x->out, x->back, len, 1);
}

static bool lens_are_right(struct bench *x)
{
	static const uint16_t longer[] = {239, 255, 256, 257, 273, 300, 319, 320, 321, 383, 385,
		447, 511, 512, 513, 576, 640, 769, 1023, 1024, 1025, 1279, 1280, 1409, 1420, 1424,
		1500};

	for (size_t len = 0; len <= EVERY_LEN_UP_TO; len++)
		if (!len_is_right(x, len))
			return false;
	for (size_t i = 0; i < sizeof(longer) / sizeof(longer[0]); i++)
		if (!len_is_right(x, longer[i]))
			return false;
	return true;
}

static bool all_is_right(struct bench *x)
{
	bool is_the_measure = x->b == aead_sodium();

	return rfc_is_right(x) && (is_the_measure || lens_are_right(x)) && refuses(x, 0) &&
	       refuses(x, 77) && refuses(x, 1420);
}

/* --- cost ----------------------------------------------------------------------------------------
 */

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* As many full packets as small ones: bulk weighs by its bytes, but the rest counts. */
static void one_round(struct bench *x)
{
	for (unsigned i = 0; i < 4; i++) {
		seal(x, x->plain, x->out, 1420, i);
		open(x, x->out, x->back, 1420, i);
		seal(x, x->plain, x->out, 96, i);
		open(x, x->out, x->back, 96, i);
	}
}

/* The best of several: an interrupt makes a round longer, nothing makes it shorter. */
static int64_t cost(struct bench *x)
{
	int64_t best = INT64_MAX;

	for (unsigned i = 0; i < 6; i++) {
		int64_t start = now_ns(), taken;

		one_round(x);
		taken = now_ns() - start;
		if (taken < best)
			best = taken;
	}
	return best;
}

static bool examine(struct bench *x, int64_t *ret_cost)
{
	for (size_t i = 0; i < sizeof(x->plain); i++)
		x->plain[i] = (uint8_t)(i * 167 + (i >> 8));
	if (!all_is_right(x))
		return false;
	*ret_cost = cost(x);
	return true;
}

bool aead_examine(const struct aead_backend *b, int64_t *ret_cost)
{
	struct bench *x = calloc(1, sizeof(*x));
	bool right = false;

	if (!x)
		return false;
	x->b = b;
	x->t = b->thread_new(b);
	if (x->t) {
		right = examine(x, ret_cost);
		b->thread_free(x->t);
	}
	free(x);
	return right;
}

/* SPDX-License-Identifier: MIT */
/*
 * Every back end that is there, against RFC 8439 and against the others. WireGuard's messages have
 * no additional data and a nonce that begins with four zero bytes, which leaves of the RFC's AEAD
 * vectors the one of appendix A.5, up to its tag; the tag without additional data is composed here
 * from the RFC's primitives.
 */
#include "unit.h"
#include "wg/aead.h"

#include <sodium.h>
#include <string.h>

#define MAX_LEN 65535
#define MAX_BACKENDS 8
#define GUARD 64

static const struct aead_backend *backends[MAX_BACKENDS];
static size_t n_backends;

static const struct aead_key rfc_key = {{0x1c, 0x92, 0x40, 0xa5, 0xeb, 0x55, 0xd3, 0x8a, 0xf3, 0x33,
	0x88, 0x86, 0x04, 0xf6, 0xb5, 0xf0, 0x47, 0x39, 0x17, 0xc1, 0x40, 0x2b, 0x80, 0x09, 0x9d,
	0xca, 0x5c, 0xbc, 0x20, 0x70, 0x75, 0xc0}};
static const uint64_t rfc_counter = UINT64_C(0x0807060504030201);
static const char rfc_text[] =
	"Internet-Drafts are draft documents valid for a maximum of six months and may be updated, "
	"replaced, or obsoleted by other documents at any time. It is inappropriate to use "
	"Internet-Drafts as reference material or to cite them other than as "
	"/\xe2\x80\x9cwork in progress./\xe2\x80\x9d";
#define RFC_LEN (sizeof(rfc_text) - 1)
static const uint8_t rfc_cipher[RFC_LEN] = {0x64, 0xa0, 0x86, 0x15, 0x75, 0x86, 0x1a, 0xf4, 0x60,
	0xf0, 0x62, 0xc7, 0x9b, 0xe6, 0x43, 0xbd, 0x5e, 0x80, 0x5c, 0xfd, 0x34, 0x5c, 0xf3, 0x89,
	0xf1, 0x08, 0x67, 0x0a, 0xc7, 0x6c, 0x8c, 0xb2, 0x4c, 0x6c, 0xfc, 0x18, 0x75, 0x5d, 0x43,
	0xee, 0xa0, 0x9e, 0xe9, 0x4e, 0x38, 0x2d, 0x26, 0xb0, 0xbd, 0xb7, 0xb7, 0x3c, 0x32, 0x1b,
	0x01, 0x00, 0xd4, 0xf0, 0x3b, 0x7f, 0x35, 0x58, 0x94, 0xcf, 0x33, 0x2f, 0x83, 0x0e, 0x71,
	0x0b, 0x97, 0xce, 0x98, 0xc8, 0xa8, 0x4a, 0xbd, 0x0b, 0x94, 0x81, 0x14, 0xad, 0x17, 0x6e,
	0x00, 0x8d, 0x33, 0xbd, 0x60, 0xf9, 0x82, 0xb1, 0xff, 0x37, 0xc8, 0x55, 0x97, 0x97, 0xa0,
	0x6e, 0xf4, 0xf0, 0xef, 0x61, 0xc1, 0x86, 0x32, 0x4e, 0x2b, 0x35, 0x06, 0x38, 0x36, 0x06,
	0x90, 0x7b, 0x6a, 0x7c, 0x02, 0xb0, 0xf9, 0xf6, 0x15, 0x7b, 0x53, 0xc8, 0x67, 0xe4, 0xb9,
	0x16, 0x6c, 0x76, 0x7b, 0x80, 0x4d, 0x46, 0xa5, 0x9b, 0x52, 0x16, 0xcd, 0xe7, 0xa4, 0xe9,
	0x90, 0x40, 0xc5, 0xa4, 0x04, 0x33, 0x22, 0x5e, 0xe2, 0x82, 0xa1, 0xb0, 0xa0, 0x6c, 0x52,
	0x3e, 0xaf, 0x45, 0x34, 0xd7, 0xf8, 0x3f, 0xa1, 0x15, 0x5b, 0x00, 0x47, 0x71, 0x8c, 0xbc,
	0x54, 0x6a, 0x0d, 0x07, 0x2b, 0x04, 0xb3, 0x56, 0x4e, 0xea, 0x1b, 0x42, 0x22, 0x73, 0xf5,
	0x48, 0x27, 0x1a, 0x0b, 0xb2, 0x31, 0x60, 0x53, 0xfa, 0x76, 0x99, 0x19, 0x55, 0xeb, 0xd6,
	0x31, 0x59, 0x43, 0x4e, 0xce, 0xbb, 0x4e, 0x46, 0x6d, 0xae, 0x5a, 0x10, 0x73, 0xa6, 0x72,
	0x76, 0x27, 0x09, 0x7a, 0x10, 0x49, 0xe6, 0x17, 0xd9, 0x1d, 0x36, 0x10, 0x94, 0xfa, 0x68,
	0xf0, 0xff, 0x77, 0x98, 0x71, 0x30, 0x30, 0x5b, 0xea, 0xba, 0x2e, 0xda, 0x04, 0xdf, 0x99,
	0x7b, 0x71, 0x4d, 0x6c, 0x6f, 0x2c, 0x29, 0xa6, 0xad, 0x5c, 0xb4, 0x02, 0x2b, 0x02, 0x70,
	0x9b};
static const uint8_t rfc_aad[] = {
	0xf3, 0x33, 0x88, 0x86, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x4e, 0x91};
static const uint8_t rfc_tag[] = {0xee, 0xad, 0x9d, 0x67, 0x89, 0x0c, 0xbb, 0x22, 0x39, 0x23, 0x36,
	0xfe, 0xa1, 0x85, 0x1f, 0x38};

static void seal_one(const struct aead_backend *b, struct aead_thread *t,
	const struct aead_key *key, uint64_t counter, const uint8_t *src, uint8_t *dst, size_t len)
{
	struct aead_op op = {key, counter, src, dst, len, false};

	b->seal(t, &op, 1);
}

static bool open_one(const struct aead_backend *b, struct aead_thread *t,
	const struct aead_key *key, uint64_t counter, const uint8_t *src, uint8_t *dst, size_t len)
{
	struct aead_op op = {key, counter, src, dst, len, false};

	b->open(t, &op, 1);
	return op.ok;
}

/* RFC 8439 section 2.8, of section 2.4's cipher and section 2.5's authenticator. */
static void compose(const struct aead_key *key, uint64_t counter, const uint8_t *aad,
	size_t aad_len, const uint8_t *src, uint8_t *dst, size_t len)
{
	static const uint8_t zero[32];
	uint8_t nonce[12] = {0}, one_time[32], lens[16] = {0};
	crypto_onetimeauth_state state;

	for (unsigned i = 0; i < 8; i++) {
		nonce[4 + i] = (uint8_t)(counter >> 8 * i);
		lens[i] = (uint8_t)((uint64_t)aad_len >> 8 * i);
		lens[8 + i] = (uint8_t)((uint64_t)len >> 8 * i);
	}
	crypto_stream_chacha20_ietf(one_time, sizeof(one_time), nonce, key->bytes);
	crypto_stream_chacha20_ietf_xor_ic(dst, src, len, nonce, 1, key->bytes);
	crypto_onetimeauth_init(&state, one_time);
	crypto_onetimeauth_update(&state, aad, aad_len);
	crypto_onetimeauth_update(&state, zero, -aad_len & 15);
	crypto_onetimeauth_update(&state, dst, len);
	crypto_onetimeauth_update(&state, zero, -len & 15);
	crypto_onetimeauth_update(&state, lens, sizeof(lens));
	crypto_onetimeauth_final(&state, dst + len);
}

static int find_backends(void **state)
{
	n_backends = aead_backends(backends, MAX_BACKENDS);
	for (size_t i = 0; i < n_backends; i++)
		print_message("%s\n", backends[i]->name);
	return sodium_init() < 0;
}

static void choosing(void **state)
{
	const struct aead_backend *chosen = aead_choose(NULL);
	bool found = false;

	assert_true(n_backends >= 1);
	assert_non_null(aead_choose("libsodium"));
	assert_null(aead_choose("none such"));
	assert_ptr_equal(aead_choose(NULL), chosen);
	for (size_t i = 0; i < n_backends; i++) {
		found |= backends[i] == chosen;
		assert_ptr_equal(aead_choose(backends[i]->name), backends[i]);
	}
	/* The bench's build chooses what no list has. */
	assert_true(found || !strncmp(chosen->name, "copy", 4));
}

/* The composition itself is the RFC's, additional data and all. */
static void composition(void **state)
{
	uint8_t out[RFC_LEN + WG_TAG_LEN];

	compose(&rfc_key, rfc_counter, rfc_aad, sizeof(rfc_aad), (const uint8_t *)rfc_text, out,
		RFC_LEN);
	assert_memory_equal(out, rfc_cipher, RFC_LEN);
	assert_memory_equal(out + RFC_LEN, rfc_tag, sizeof(rfc_tag));
}

static void rfc8439(void **state)
{
	uint8_t expected[RFC_LEN + WG_TAG_LEN], out[RFC_LEN + WG_TAG_LEN];

	compose(&rfc_key, rfc_counter, NULL, 0, (const uint8_t *)rfc_text, expected, RFC_LEN);
	assert_memory_equal(expected, rfc_cipher, RFC_LEN);
	for (size_t i = 0; i < n_backends; i++) {
		const struct aead_backend *b = backends[i];
		struct aead_thread *t = b->thread_new(b);

		assert_non_null(t);
		memset(out, 0, sizeof(out));
		seal_one(b, t, &rfc_key, rfc_counter, (const uint8_t *)rfc_text, out, RFC_LEN);
		assert_memory_equal(out, expected, sizeof(out));
		assert_true(open_one(b, t, &rfc_key, rfc_counter, out, out, RFC_LEN));
		assert_memory_equal(out, rfc_text, RFC_LEN);
		b->thread_free(t);
	}
}

static void fill(struct chance *c, uint8_t *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		at[i] = (uint8_t)chance_u64(c);
}

struct pair {
	struct chance c;
	struct aead_thread *threads[MAX_BACKENDS];
	uint8_t *plain, *expected, *room;
};

static struct pair start(const char *what)
{
	struct pair p = {chance_start(what)};

	for (size_t i = 0; i < n_backends; i++)
		p.threads[i] = backends[i]->thread_new(backends[i]);
	p.plain = malloc(MAX_LEN);
	p.expected = malloc(MAX_LEN + WG_TAG_LEN);
	p.room = malloc(MAX_LEN + WG_TAG_LEN + 3 * GUARD);
	fill(&p.c, p.plain, MAX_LEN);
	return p;
}

static void stop(struct pair *p)
{
	for (size_t i = 0; i < n_backends; i++)
		backends[i]->thread_free(p->threads[i]);
	free(p->plain);
	free(p->expected);
	free(p->room);
}

static void assert_guards(const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < GUARD; i++) {
		assert_int_equal(at[-1 - (ptrdiff_t)i], 0xee);
		assert_int_equal(at[n + i], 0xee);
	}
}

/* Sealed by one, in place or not, is what the composition says and nothing beside it is touched;
 * opened, in place or not, it is what it was. */
static void one_len(struct pair *p, size_t i, const struct aead_key *key, uint64_t counter,
	size_t len, bool seal_in_place, bool open_in_place)
{
	const struct aead_backend *b = backends[i];
	uint8_t *at = p->room + GUARD + chance_below(&p->c, 16);

	memset(p->room, 0xee, len + WG_TAG_LEN + 3 * GUARD);
	if (seal_in_place)
		memcpy(at, p->plain, len);
	seal_one(b, p->threads[i], key, counter, seal_in_place ? at : p->plain, at, len);
	assert_memory_equal(at, p->expected, len + WG_TAG_LEN);
	assert_guards(at, len + WG_TAG_LEN);
	if (!open_in_place)
		memset(at, 0xee, len + WG_TAG_LEN);
	assert_true(open_one(
		b, p->threads[i], key, counter, open_in_place ? at : p->expected, at, len));
	assert_memory_equal(at, p->plain, len);
	assert_guards(at, len + WG_TAG_LEN);
}

static void every_backend(struct pair *p, size_t len)
{
	uint64_t counter = chance_u64(&p->c);
	struct aead_key key;

	fill(&p->c, key.bytes, sizeof(key.bytes));
	compose(&key, counter, NULL, 0, p->plain, p->expected, len);
	for (size_t i = 0; i < n_backends; i++)
		one_len(p, i, &key, counter, len, chance_below(&p->c, 2), chance_below(&p->c, 2));
}

static void all_lengths(void **state)
{
	struct pair p = start("all_lengths");

	for (size_t len = 0; len <= 1600; len++)
		every_backend(&p, len);
	for (unsigned i = 0; i < 200; i++)
		every_backend(&p, chance_below(&p.c, MAX_LEN + 1));
	every_backend(&p, MAX_LEN);
	stop(&p);
}

static void counters(void **state)
{
	static const uint64_t values[] = {0, 1, UINT32_MAX, UINT64_C(1) << 32, UINT64_MAX};
	struct pair p = start("counters");
	struct aead_key key;

	fill(&p.c, key.bytes, sizeof(key.bytes));
	for (size_t v = 0; v < sizeof(values) / sizeof(values[0]); v++) {
		compose(&key, values[v], NULL, 0, p.plain, p.expected, 333);
		for (size_t i = 0; i < n_backends; i++)
			one_len(&p, i, &key, values[v], 333, false, true);
	}
	stop(&p);
}

/* Any bit of the tag or of the ciphertext, another counter, another key. */
static void corrupted(void **state)
{
	static const size_t lens[] = {0, 1, 15, 16, 17, 63, 64, 192, 255, 256, 1420};
	struct pair p = start("corrupted");
	struct aead_key key, other;
	uint8_t *sealed = p.expected;

	fill(&p.c, key.bytes, sizeof(key.bytes));
	other = key;
	other.bytes[31] ^= 1;
	for (size_t l = 0; l < sizeof(lens) / sizeof(lens[0]); l++) {
		size_t len = lens[l];

		for (size_t i = 0; i < n_backends; i++) {
			const struct aead_backend *b = backends[i];
			struct aead_thread *t = p.threads[i];

			seal_one(b, t, &key, 7, p.plain, sealed, len);
			for (size_t bit = 0; bit < 8 * WG_TAG_LEN; bit++) {
				sealed[len + bit / 8] ^= (uint8_t)(1 << bit % 8);
				assert_false(open_one(b, t, &key, 7, sealed, p.room, len));
				sealed[len + bit / 8] ^= (uint8_t)(1 << bit % 8);
			}
			for (unsigned k = 0; len && k < 50; k++) {
				unsigned bit = chance_below(&p.c, (unsigned)len * 8);

				sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
				assert_false(open_one(b, t, &key, 7, sealed, p.room, len));
				sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
			}
			assert_false(open_one(b, t, &key, 8, sealed, p.room, len));
			assert_false(open_one(b, t, &other, 7, sealed, p.room, len));
			assert_true(open_one(b, t, &key, 7, sealed, p.room, len));
			/* In place, then gone. */
			sealed[len] ^= 1;
			assert_false(open_one(b, t, &key, 7, sealed, sealed, len));
		}
	}
	stop(&p);
}

#define BATCH 150 /* more than any back end has in flight */

/* Mixed sizes and keys, some corrupted: each op has its own answer. */
static void one_batch(struct pair *p, size_t i)
{
	static struct aead_op ops[BATCH];
	static uint8_t sealed[BATCH][2048], expected[2048];
	static const uint8_t *plains[BATCH];
	static bool bad[BATCH];
	struct aead_key keys[3];
	unsigned n = 1 + chance_below(&p->c, BATCH);

	fill(&p->c, keys[0].bytes, sizeof(keys));
	for (unsigned k = 0; k < n; k++)
		ops[k] = (struct aead_op){&keys[chance_below(&p->c, 3)], chance_u64(&p->c),
			p->plain + chance_below(&p->c, 60000), sealed[k],
			chance_below(&p->c, 4) ? chance_below(&p->c, 200)
					       : chance_below(&p->c, 2001),
			false};
	backends[i]->seal(p->threads[i], ops, n);
	for (unsigned k = 0; k < n; k++) {
		compose(ops[k].key, ops[k].counter, NULL, 0, ops[k].src, expected, ops[k].len);
		assert_memory_equal(sealed[k], expected, ops[k].len + WG_TAG_LEN);
		bad[k] = !chance_below(&p->c, 4);
		sealed[k][chance_below(&p->c, (unsigned)ops[k].len + WG_TAG_LEN)] ^= bad[k];
		ops[k].ok = chance_below(&p->c, 2);
	}
	for (unsigned k = 0; k < n; k++) {
		plains[k] = ops[k].src;
		ops[k].src = sealed[k];
	}
	backends[i]->open(p->threads[i], ops, n);
	for (unsigned k = 0; k < n; k++) {
		assert_int_equal(ops[k].ok, !bad[k]);
		if (bad[k])
			continue;
		assert_memory_equal(sealed[k], plains[k], ops[k].len);
	}
}

static void batches(void **state)
{
	struct pair p = start("batches");

	for (unsigned round = 0; round < 60; round++)
		for (size_t i = 0; i < n_backends; i++)
			one_batch(&p, i);
	for (size_t i = 0; i < n_backends; i++) {
		backends[i]->seal(p.threads[i], NULL, 0);
		backends[i]->open(p.threads[i], NULL, 0);
	}
	stop(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(choosing),
		cmocka_unit_test(composition),
		cmocka_unit_test(rfc8439),
		cmocka_unit_test(all_lengths),
		cmocka_unit_test(counters),
		cmocka_unit_test(corrupted),
		cmocka_unit_test(batches),
	};

	return cmocka_run_group_tests(tests, find_backends, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The pattern against a published vector: Noise_IKpsk2_25519_ChaChaPoly_BLAKE2s of the cacophony
 * collection. */
#include "wg/hash.h"
#include "wg/ikpsk2.h"
#include "wg_hex.h"

#define PROLOGUE "John Galt"
#define PAYLOAD_1 "Ludwig von Mises"
#define PAYLOAD_2 "Murray Rothbard"
#define MESSAGE_1                                                          \
	"ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c7944" \
	"001e21de9f98ddd8e2ad57527207feb56253c9c94a9e496782ecfcb2a75fbcaf" \
	"1b52948cc48daefe660c62119ab5000980c84831215f2441eba616548e832985" \
	"464cf17e51ee93109008399a21f7e13f"
#define MESSAGE_2                                                          \
	"95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f144808843" \
	"cb765f2caef0751b8f007572dab0322217755c0632f365717edbf34d33e87a"
/* Called the handshake's hash there; it is the one after the second message's ephemeral key. */
#define HASH_AFTER_E "fe20f6e898ad41a1f4290b0f0ff97261b9536f0d5d95f5237e2a322f0d784414"

#define LEN_1 (sizeof(PAYLOAD_1) - 1)
#define LEN_2 (sizeof(PAYLOAD_2) - 1)

struct keys {
	wg_key i_static, i_static_public, i_ephemeral, r_static, r_static_public, r_ephemeral, psk,
		static_static;
};

static struct keys published(void)
{
	struct keys k = {
		.i_static =
			key_of("e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1"),
		.i_ephemeral =
			key_of("893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a"),
		.r_static =
			key_of("4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893"),
		.r_static_public =
			key_of("31e0303fd6418d2f8c0e78b91f22e8caed0fbe48656dcf4767e4834f701b8f62"),
		.r_ephemeral =
			key_of("bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b"),
		.psk = key_of("54686973206973206d7920417573747269616e20706572737065637469766521"),
	};
	wg_key found = wg_key_public(&k.r_static);

	assert_true(wg_key_eq(&found, &k.r_static_public));
	k.i_static_public = wg_key_public(&k.i_static);
	assert_true(ikpsk2_dh(&k.static_static, &k.r_static, k.i_static_public.bytes));
	return k;
}

static void check_transport(
	const wg_key *key, uint64_t counter, const char *payload, const char *expected)
{
	uint8_t nonce[12] = {0}, sealed[64];

	nonce[4] = (uint8_t)counter;
	crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, (const uint8_t *)payload,
		strlen(payload), NULL, 0, NULL, nonce, key->bytes);
	assert_hex(sealed, expected);
}

static void check_hash(const struct ikpsk2 *s)
{
	uint8_t message[IKPSK2_RESPONSE_LEN(LEN_2)], hash[WG_HASH_LEN];

	unhex(message, sizeof(message), MESSAGE_2);
	wg_hash(hash, (struct wg_bytes){s->hash, sizeof(s->hash)},
		(struct wg_bytes){message, WG_PUBLIC_LEN});
	assert_hex(hash, HASH_AFTER_E);
}

static void check_split(const struct ikpsk2 *s)
{
	wg_key from_i, from_r;

	ikpsk2_split(s, &from_i, &from_r);
	check_transport(&from_i, 0, "F. A. Hayek",
		"8153ca9833bc3c1b91a7e66e5f4d4f5b59bf9e64c2f20d15f0bba7");
	check_transport(&from_r, 0, "Carl Menger",
		"07af0c9c86e1b4e80f36b04ff7688d51141af3debd0332f0a705ef");
	check_transport(&from_i, 1, "Jean-Baptiste Say",
		"6ab1467c0448cc78394494abaaf23afce0e234315d6e2624dcbfa8a21c1c4d073d");
	check_transport(&from_r, 1,
		"Eugen B\xf6"
		"hm von Bawerk",
		"dfc346c0d2296ae6cf1acf6f12b8456a1dba228cf8d8b774aacf1c47fc53aa80ebc7a4c292");
}

static void initiator(void **state)
{
	struct keys k = published();
	struct ikpsk2_initiator to_write = {
		&k.i_static_public, &k.i_ephemeral, &k.r_static_public, &k.static_static};
	struct ikpsk2_awaiting to_read = {&k.i_static, &k.i_ephemeral, &k.psk};
	uint8_t message[IKPSK2_INITIATION_LEN(LEN_1)], answer[IKPSK2_RESPONSE_LEN(LEN_2)];
	uint8_t payload[LEN_2];
	struct ikpsk2 s;

	ikpsk2_init(&s, PROLOGUE, strlen(PROLOGUE), &k.r_static_public);
	assert_true(ikpsk2_write_initiation(&s, &to_write, PAYLOAD_1, LEN_1, message));
	assert_hex(message, MESSAGE_1);
	check_hash(&s);
	assert_int_equal(unhex(answer, sizeof(answer), MESSAGE_2), sizeof(answer));
	assert_true(ikpsk2_read_response(&s, &to_read, answer, payload, LEN_2));
	assert_memory_equal(payload, PAYLOAD_2, LEN_2);
	check_split(&s);
}

static void responder(void **state)
{
	struct keys k = published();
	uint8_t message[IKPSK2_INITIATION_LEN(LEN_1)], answer[IKPSK2_RESPONSE_LEN(LEN_2)];
	struct ikpsk2_responder to_write = {&k.r_ephemeral, message, &k.i_static_public, &k.psk};
	uint8_t payload[LEN_1];
	struct ikpsk2 s;
	wg_key sender;

	ikpsk2_init(&s, PROLOGUE, strlen(PROLOGUE), &k.r_static_public);
	assert_int_equal(unhex(message, sizeof(message), MESSAGE_1), sizeof(message));
	assert_true(ikpsk2_read_sender(&s, &k.r_static, message, &sender));
	assert_true(wg_key_eq(&sender, &k.i_static_public));
	assert_true(ikpsk2_read_initiation(&s, &k.static_static, message, payload, LEN_1));
	assert_memory_equal(payload, PAYLOAD_1, LEN_1);
	check_hash(&s);
	assert_true(ikpsk2_write_response(&s, &to_write, PAYLOAD_2, LEN_2, answer));
	assert_hex(answer, MESSAGE_2);
	check_split(&s);
}

/* WireGuard's: what Linux and wireguard-go compute before the responder's key is mixed in. */
static void wireguards_constants(void **state)
{
	static const char prologue[] = "WireGuard v1 zx2c4 Jason@zx2c4.com";
	const wg_key responders = key_filled(7);
	uint8_t h0[32], expected[32];
	struct ikpsk2 s;

	ikpsk2_init(&s, prologue, sizeof(prologue) - 1, &responders);
	assert_hex(
		s.chaining_key, "60e26daef327efc02ec335e2a025d2d016eb4206f87277f52d38d1988b78cd36");
	unhex(h0, sizeof(h0), "2211b361081ac566691243db458ad5322d9c6c662293e8b70ee19c65ba079ef3");
	wg_hash(expected, (struct wg_bytes){h0, sizeof(h0)},
		(struct wg_bytes){responders.bytes, sizeof(responders.bytes)});
	assert_memory_equal(s.hash, expected, sizeof(expected));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(initiator),
		cmocka_unit_test(responder),
		cmocka_unit_test(wireguards_constants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* The primitives of the handshake against the vectors of their standards; ours against Python's. */
#include "wg/hash.h"
#include "wg/ikpsk2.h"
#include "wg_hex.h"

#include <blake2.h>

static struct wg_bytes bytes(const void *at, size_t len)
{
	return (struct wg_bytes){at, len};
}

static const uint8_t *counting(void)
{
	static uint8_t b[256];

	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)i;
	return b;
}

/* --- BLAKE2s -------------------------------------------------------------------------------------
 */

/* RFC 7693, appendix B. */
static void rfc7693_abc(void **state)
{
	uint8_t got[WG_HASH_LEN];

	wg_hash(got, bytes("abc", 3), bytes(NULL, 0));
	assert_hex(got, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
	wg_hash(got, bytes("a", 1), bytes("bc", 2));
	assert_hex(got, "508c5e8c327c14e2e1a72ba34eeb452f37458b209ed63a294d999b4c86675982");
}

static void fibonacci(uint8_t *ret, size_t len, uint32_t seed)
{
	uint32_t a = 0xdead4bad * seed, b = 1;

	for (size_t i = 0; i < len; i++) {
		uint32_t t = a + b;

		a = b;
		b = t;
		ret[i] = (uint8_t)(t >> 24);
	}
}

/* RFC 7693, appendix E: a hash of hashes, of several lengths, with and without keys. */
static void rfc7693_self_test(void **state)
{
	static const size_t md_lens[] = {16, 20, 28, 32}, in_lens[] = {0, 3, 64, 65, 255, 1024};
	uint8_t in[1024], md[32], key[32];
	blake2s_state all, one;

	blake2s_init(&all, 32);
	for (size_t i = 0; i < 4; i++) {
		for (size_t j = 0; j < 6; j++) {
			fibonacci(in, in_lens[j], (uint32_t)in_lens[j]);
			blake2s_init(&one, md_lens[i]);
			blake2s_update(&one, in, in_lens[j]);
			blake2s_final(&one, md, md_lens[i]);
			blake2s_update(&all, md, md_lens[i]);

			fibonacci(key, md_lens[i], (uint32_t)md_lens[i]);
			blake2s_init_key(&one, md_lens[i], key, md_lens[i]);
			blake2s_update(&one, in, in_lens[j]);
			blake2s_final(&one, md, md_lens[i]);
			blake2s_update(&all, md, md_lens[i]);
		}
	}
	blake2s_final(&all, md, 32);
	assert_hex(md, "6a411f08ce25adcdfb02aba641451cec53c598b24f4fc787fbdc88797f4c1dfe");
}

static void hashes(void **state)
{
	static const struct {
		size_t len;
		const char *expected;
	} cases[] = {
		{0, "69217a3079908094e11121d042354a7c1f55b6482ca1a51e1b250dfd1ed0eef9"},
		{63, "e57cb79487dd57902432b250733813bd96a84efce59f650fac26e6696aefafc3"},
		{64, "56f34e8b96557e90c1f24b52d0c89d51086acf1b00f634cf1dde9233b8eaaa3e"},
		{65, "1b53ee94aaf34e4b159d48de352c7f0661d0a40edff95a0b1639b4090e974472"},
		{128, "1fa877de67259d19863a2a34bcc6962a2b25fcbf5cbecd7ede8f1fa36688a796"},
		{129, "5bd169e67c82c2c2e98ef7008bdf261f2ddf30b1c00f9e7f275bb3e8a28dc9a2"},
		{255, "f03f5789d3336b80d002d59fdf918bdb775b00956ed5528e86aa994acb38fe2d"},
	};
	uint8_t got[WG_HASH_LEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (size_t cut = 0; cut <= cases[i].len; cut += 7) {
			wg_hash(got, bytes(counting(), cut),
				bytes(counting() + cut, cases[i].len - cut));
			assert_hex(got, cases[i].expected);
		}
	}
}

static void macs(void **state)
{
	static const struct {
		size_t key_len, len;
		const char *expected;
	} cases[] = {
		{1, 0, "01d7f4cea32638032b156c74aec7e87a"},
		{16, 132, "b03d1196bdcfaad40f911db86b79ac7e"},
		{32, 116, "072e94ffbfc684bd8ab2a1b9dade2fd5"},
		{32, 64, "f1efa90d2547036841ecd3627fafbc36"},
		{32, 65, "811ff8686d23a435ecbd0bdafcd27b1b"},
		{32, 128, "8c09f698d03eaf88abf69f8147865ef6"},
		{32, 255, "cd075928ab7e6883e697fe7fd3ac43ee"},
	};
	uint8_t got[WG_MAC_LEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wg_mac(got, bytes(counting(), cases[i].key_len), bytes(counting(), cases[i].len));
		assert_hex(got, cases[i].expected);
	}
}

static void hmacs(void **state)
{
	static const struct {
		size_t key_len, len;
		const char *expected;
	} cases[] = {
		{0, 0, "eaf4bb25938f4d20e72656bbbc7a9bf63c0c18537333c35bdb67db1402661acd"},
		{32, 10, "5c83337870451820066383e516573a3802425aab8576bb6801c9bab820f517ff"},
		{64, 10, "6e9ec3879f2f97f770d5fb7caf201f3075b5f4be2437796a49003d9a8c792448"},
		{65, 100, "4d894a9b0c1b7a406335539f60699f246e0a65bf63a2b24b18393b71e4adce5e"},
		{131, 64, "09e1d747ee8d4419f7ffd4690096b484d3482eff111f8bf2ff3f3e08eb2ca376"},
	};
	uint8_t got[WG_HASH_LEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		size_t cut = cases[i].len / 3;

		wg_hmac(got, bytes(counting(), cases[i].key_len), bytes(counting(), cut),
			bytes(counting() + cut, cases[i].len - cut));
		assert_hex(got, cases[i].expected);
	}
}

/* The values that wireguard-go's tests expect. */
static void kdfs(void **state)
{
	static const struct {
		const char *key, *input, *t1, *t2, *t3;
	} cases[] = {
		{"test-key", "test-input",
			"6f0e5ad38daba1bea8a0d213688736f19763239305e0f58aba697f9ffc41c633",
			"df1194df20802a4fe594cde27e92991c8cae66c366e8106aaa937a55fa371e8a",
			"fac6e2745a325f5dc5d11a5b165aad08b0ada28e7b4e666b7c077934a4d76c24"},
		{"wireguard", "wireguard",
			"491d43bbfdaa8750aaf535e334ecbfe5129967cd64635101c566d4caefda96e8",
			"1e71a379baefd8a79aa4662212fcafe19a23e2b609a3db7d6bcba8f560e3d25f",
			"31e1ae48bddfbe5de38f295e5452b1909a1b4e38e183926af3780b0c1e1f0160"},
		{"", "", "8387b46bf43eccfcf349552a095d8315c4055beb90208fb1be23b894bc2ed5d0",
			"58a0e5f6faefccf4807bff1f05fa8a9217945762040bcec2f4b4a62bdfe0e86e",
			"0ce6ea98ec548f8e281e93e32db65621c45eb18dc6f0a7ad94178610a2f7338e"},
	};
	uint8_t t1[WG_HASH_LEN], t2[WG_HASH_LEN], t3[WG_HASH_LEN];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct wg_bytes key = bytes(cases[i].key, strlen(cases[i].key));
		struct wg_bytes input = bytes(cases[i].input, strlen(cases[i].input));

		wg_kdf(t1, NULL, NULL, key, input);
		assert_hex(t1, cases[i].t1);
		memset(t1, 0, sizeof(t1));
		wg_kdf(t1, t2, NULL, key, input);
		assert_hex(t1, cases[i].t1);
		assert_hex(t2, cases[i].t2);
		wg_kdf(t1, t2, t3, key, input);
		assert_hex(t1, cases[i].t1);
		assert_hex(t2, cases[i].t2);
		assert_hex(t3, cases[i].t3);
	}
}

static void kdf_in_place(void **state)
{
	uint8_t t1[WG_HASH_LEN], t2[WG_HASH_LEN], ck[WG_HASH_LEN], key[WG_HASH_LEN];

	memset(ck, 7, sizeof(ck));
	wg_kdf(t1, t2, NULL, bytes(ck, sizeof(ck)), bytes("x", 1));
	wg_kdf(ck, key, NULL, bytes(ck, sizeof(ck)), bytes("x", 1));
	assert_memory_equal(ck, t1, sizeof(t1));
	assert_memory_equal(key, t2, sizeof(t2));
}

/* --- X25519 --------------------------------------------------------------------------------------
 */

/* RFC 7748, sections 5.2 and 6.1. */
static void rfc7748(void **state)
{
	static const struct {
		const char *scalar, *u, *expected;
	} cases[] = {
		{"a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
			"e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
			"c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552"},
		{"4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
			"e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
			"95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957"},
		{"77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a",
			"de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f",
			"4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"},
	};
	wg_key got;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		wg_key scalar = key_of(cases[i].scalar), u = key_of(cases[i].u);

		assert_true(ikpsk2_dh(&got, &scalar, u.bytes));
		assert_hex(got.bytes, cases[i].expected);
	}
}

static void rfc7748_iterated(void **state)
{
	wg_key k = {{9}}, u = k, next;

	for (unsigned i = 1; i <= 1000; i++) {
		assert_true(ikpsk2_dh(&next, &k, u.bytes));
		u = k;
		k = next;
		if (i == 1)
			assert_hex(k.bytes, "422c8e7a6227d7bca1350b3e2bb7279f"
					    "7897b87bb6854b783c60e80311ae3079");
	}
	assert_hex(k.bytes, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

static void low_order(void **state)
{
	static const char *const points[] = {
		"0000000000000000000000000000000000000000000000000000000000000000",
		"0100000000000000000000000000000000000000000000000000000000000000",
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
	};
	wg_key private = key_filled(0x42), got;

	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		wg_key point = key_of(points[i]);

		assert_false(ikpsk2_dh(&got, &private, point.bytes));
		assert_true(wg_key_is_zero(&got));
	}
}

/* --- AEAD ----------------------------------------------------------------------------------------
 */

#define SUNSCREEN                                                                              \
	"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the " \
	"future, sunscreen would be it."
#define SUNSCREEN_LEN (sizeof(SUNSCREEN) - 1)

/* RFC 8439, section 2.8.2, and draft-irtf-cfrg-xchacha-03, appendix A.3.1. */
static void rfc8439(void **state)
{
	uint8_t key[32], nonce[24], ad[12], sealed[SUNSCREEN_LEN + WG_TAG_LEN];
	size_t ad_len = unhex(ad, sizeof(ad), "50515253c0c1c2c3c4c5c6c7");

	for (unsigned i = 0; i < sizeof(key); i++)
		key[i] = (uint8_t)(0x80 + i);
	unhex(nonce, sizeof(nonce), "070000004041424344454647");
	crypto_aead_chacha20poly1305_ietf_encrypt(sealed, NULL, (const uint8_t *)SUNSCREEN,
		SUNSCREEN_LEN, ad, ad_len, NULL, nonce, key);
	assert_hex(sealed, "d31a8d34648e60db7b86afbc53ef7ec2a4aded51296e08fea9e2b5a736ee62d6"
			   "3dbea45e8ca9671282fafb69da92728b1a71de0a9e060b2905d6a5b67ecd3b36"
			   "92ddbd7f2d778b8c9803aee328091b58fab324e4fad675945585808b4831d7bc"
			   "3ff4def08e4b7a9de576d26586cec64b61161ae10b594f09e26a7e902ecbd060"
			   "0691");
	for (unsigned i = 0; i < sizeof(nonce); i++)
		nonce[i] = (uint8_t)(0x40 + i);
	crypto_aead_xchacha20poly1305_ietf_encrypt(sealed, NULL, (const uint8_t *)SUNSCREEN,
		SUNSCREEN_LEN, ad, ad_len, NULL, nonce, key);
	assert_hex(sealed, "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
			   "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
			   "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
			   "21f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780a"
			   "cf49");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rfc7693_abc),
		cmocka_unit_test(rfc7693_self_test),
		cmocka_unit_test(hashes),
		cmocka_unit_test(macs),
		cmocka_unit_test(hmacs),
		cmocka_unit_test(kdfs),
		cmocka_unit_test(kdf_in_place),
		cmocka_unit_test(rfc7748),
		cmocka_unit_test(rfc7748_iterated),
		cmocka_unit_test(low_order),
		cmocka_unit_test(rfc8439),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

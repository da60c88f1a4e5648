/* SPDX-License-Identifier: MIT */
/* Keys and identities: whose they are, which are none, and what a change of them does. */
#include "noise_pair.h"

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

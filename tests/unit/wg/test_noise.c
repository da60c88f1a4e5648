/* SPDX-License-Identifier: MIT */
/* The handshake: what goes right, what was corrupted, and what comes again. */
#include "noise_pair.h"

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "live/report_codec.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

#define VERSION 1
#define KIND_REPORT 1
#define KIND_HANDSHAKES 2
#define AGE_LEN 8
#define LINE_BITS 3
#define TAKES_MANY 4
#define BY_WORD 8

enum at {
	AT_VERSION,
	AT_KIND,
	AT_LEN,
	AT_DISCRIMINATOR = 4,
	AT_NUMBER = 8,
	AT_PART = 16,
	AT_N_PARTS,
	AT_MAX_OWNERS,
	AT_N_NODES = 20,
	AT_TIME = 24,
	AT_DIGEST = 32,
	AT_NODES = AT_DIGEST + LIVE_DIGEST_LEN,
};

_Static_assert(AT_NODES == REPORT_HEAD_LEN, "nodes stand behind the head");
_Static_assert((LIVE_REPORT_NODES_MAX - 1) / REPORT_PART_NODES < REPORT_PARTS_MAX,
	"the largest report's parts fit into a mask");

static void put(uint8_t *b, uint64_t v, int n)
{
	for (int i = n - 1; i >= 0; i--, v >>= 8)
		b[i] = (uint8_t)v;
}

static uint64_t get(const uint8_t *b, int n)
{
	uint64_t v = 0;

	for (int i = 0; i < n; i++)
		v = v << 8 | b[i];
	return v;
}

unsigned report_n_parts(uint32_t n_nodes)
{
	return n_nodes ? (n_nodes - 1) / REPORT_PART_NODES + 1 : 1;
}

static uint32_t nodes_in_part(uint32_t n_nodes, unsigned part)
{
	uint32_t left = n_nodes - part * (uint32_t)REPORT_PART_NODES;

	return left < REPORT_PART_NODES ? left : REPORT_PART_NODES;
}

/* BLAKE2b with a key of its own kind: the session's is SHA1's too. */
static void make_seal(const uint8_t *bytes, size_t len, const uint8_t key[static BFD_KEY_LEN],
	uint8_t out[static REPORT_SEAL_LEN])
{
	static const uint8_t personal[crypto_generichash_blake2b_PERSONALBYTES] = "shunt report 1";

	crypto_generichash_blake2b_salt_personal(
		out, REPORT_SEAL_LEN, bytes, len, key, BFD_KEY_LEN, NULL, personal);
}

static void put_head(const struct live_report *r, uint8_t *out)
{
	put(out + AT_MAX_OWNERS, r->max_owners, 2);
	put(out + AT_N_NODES, r->n_nodes, 4);
	put(out + AT_TIME, (uint64_t)r->inventory_time, 8);
	memcpy(out + AT_DIGEST, r->digest, sizeof(r->digest));
}

static void put_nodes(const struct live_report *r, uint32_t first, uint32_t n, uint8_t *out)
{
	memset(out, 0, (n + 1) / 2);
	for (uint32_t i = 0; i < n; i++) {
		unsigned bits = r->lines[first + i] | (r->takes_many[first + i] ? TAKES_MANY : 0u) |
				(r->by_word[first + i] ? BY_WORD : 0u);

		assert(r->lines[first + i] <= LINE_BITS);
		out[i / 2] = (uint8_t)(out[i / 2] | bits << (i % 2 * 4));
	}
}

size_t report_encode(const struct live_report *r, unsigned part, const struct report_address *to,
	uint8_t out[static LIVE_REPORT_DATAGRAM])
{
	uint32_t n = nodes_in_part(r->n_nodes, part);
	size_t len = REPORT_HEAD_LEN + (n + 1) / 2;

	assert(part < report_n_parts(r->n_nodes) && r->n_nodes <= LIVE_REPORT_NODES_MAX);
	assert(r->max_owners >= 1 && r->max_owners <= UINT16_MAX && to->number);
	out[AT_VERSION] = VERSION;
	out[AT_KIND] = KIND_REPORT;
	put(out + AT_LEN, len + REPORT_SEAL_LEN, 2);
	put(out + AT_DISCRIMINATOR, to->discriminator, 4);
	put(out + AT_NUMBER, to->number, 8);
	out[AT_PART] = (uint8_t)part;
	out[AT_N_PARTS] = (uint8_t)report_n_parts(r->n_nodes);
	put_head(r, out);
	put_nodes(r, part * (uint32_t)REPORT_PART_NODES, n, out + AT_NODES);
	make_seal(out, len, to->key, out + len);
	return len + REPORT_SEAL_LEN;
}

/* --- handshakes ----------------------------------------------------------------------------------
 */

unsigned report_n_ages(const struct live_report *r)
{
	return (r->n_handshakes + REPORT_HANDSHAKES_MAX - 1) / REPORT_HANDSHAKES_MAX;
}

static uint32_t age_ms(instant at, instant now)
{
	int64_t ms = instant_diff(now, at) / NS_PER_MS;

	return ms < 0 ? 0 : ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

size_t report_encode_ages(const struct live_report *r, unsigned which,
	const struct report_address *to, instant now, uint8_t out[static LIVE_REPORT_DATAGRAM])
{
	uint32_t first = which * (uint32_t)REPORT_HANDSHAKES_MAX, n = r->n_handshakes - first;
	size_t len;

	assert(which < report_n_ages(r) && to->number);
	n = n < REPORT_HANDSHAKES_MAX ? n : REPORT_HANDSHAKES_MAX;
	len = REPORT_HEAD_LEN + n * AGE_LEN;
	memset(out, 0, len);
	out[AT_VERSION] = VERSION;
	out[AT_KIND] = KIND_HANDSHAKES;
	put(out + AT_LEN, len + REPORT_SEAL_LEN, 2);
	put(out + AT_DISCRIMINATOR, to->discriminator, 4);
	put(out + AT_NUMBER, to->number, 8);
	put(out + AT_N_NODES, n, 4);
	memcpy(out + AT_DIGEST, r->digest, sizeof(r->digest));
	for (uint32_t i = 0; i < n; i++) {
		const struct live_handshake *h = &r->handshakes[first + i];

		put(out + AT_NODES + i * AGE_LEN, h->place, 4);
		put(out + AT_NODES + i * AGE_LEN + 4, age_ms(h->at, now), 4);
	}
	make_seal(out, len, to->key, out + len);
	return len + REPORT_SEAL_LEN;
}

bool report_decode_ages(struct report_ages *ret, const uint8_t *b, size_t len)
{
	uint32_t n;

	if (len < REPORT_HEAD_LEN + REPORT_SEAL_LEN || len > LIVE_REPORT_DATAGRAM)
		return false;
	if (b[AT_VERSION] != VERSION || b[AT_KIND] != KIND_HANDSHAKES || get(b + AT_LEN, 2) != len)
		return false;
	n = (uint32_t)get(b + AT_N_NODES, 4);
	if (!n || n > REPORT_HANDSHAKES_MAX ||
		len != REPORT_HEAD_LEN + n * AGE_LEN + REPORT_SEAL_LEN || !get(b + AT_NUMBER, 8) ||
		!get(b + AT_DISCRIMINATOR, 4))
		return false;
	ret->discriminator = (uint32_t)get(b + AT_DISCRIMINATOR, 4);
	ret->number = get(b + AT_NUMBER, 8);
	ret->n = n;
	memcpy(ret->digest, b + AT_DIGEST, sizeof(ret->digest));
	for (uint32_t i = 0; i < n; i++) {
		ret->items[i].place = (uint32_t)get(b + AT_NODES + i * AGE_LEN, 4);
		ret->items[i].age_ns = (int64_t)get(b + AT_NODES + i * AGE_LEN + 4, 4) * NS_PER_MS;
	}
	return true;
}

/* --- both ----------------------------------------------------------------------------------------
 */

size_t report_first_len(const uint8_t *bytes, size_t len)
{
	size_t n;

	if (len < REPORT_HEAD_LEN + REPORT_SEAL_LEN)
		return 0;
	n = get(bytes + AT_LEN, 2);
	return n < REPORT_HEAD_LEN + REPORT_SEAL_LEN || n > len ? len : n;
}

/* What the head says fits itself and the length. */
static bool is_consistent(const struct report_part *p, size_t len)
{
	if (!p->number || !p->discriminator || !p->head.max_owners ||
		p->head.n_nodes > LIVE_REPORT_NODES_MAX)
		return false;
	if (p->n_parts != report_n_parts(p->head.n_nodes) || p->part >= p->n_parts)
		return false;
	return len == REPORT_HEAD_LEN + (p->n + 1) / 2 + REPORT_SEAL_LEN;
}

bool report_decode(struct report_part *ret, const uint8_t *b, size_t len)
{
	struct report_part p;

	if (len < REPORT_HEAD_LEN + REPORT_SEAL_LEN || len > LIVE_REPORT_DATAGRAM)
		return false;
	if (b[AT_VERSION] != VERSION || b[AT_KIND] != KIND_REPORT || get(b + AT_LEN, 2) != len)
		return false;
	p = (struct report_part){
		.discriminator = (uint32_t)get(b + AT_DISCRIMINATOR, 4),
		.number = get(b + AT_NUMBER, 8),
		.part = b[AT_PART],
		.n_parts = b[AT_N_PARTS],
		.head = {.inventory_time = (int64_t)get(b + AT_TIME, 8),
			.max_owners = (unsigned)get(b + AT_MAX_OWNERS, 2),
			.n_nodes = (uint32_t)get(b + AT_N_NODES, 4)},
		.nodes = b + AT_NODES,
	};
	memcpy(p.head.digest, b + AT_DIGEST, sizeof(p.head.digest));
	p.first = p.part * (uint32_t)REPORT_PART_NODES;
	p.n = p.first < p.head.n_nodes ? nodes_in_part(p.head.n_nodes, p.part) : 0;
	if (!is_consistent(&p, len))
		return false;
	*ret = p;
	return true;
}

bool report_is_right(const uint8_t *bytes, size_t len, const uint8_t key[static BFD_KEY_LEN])
{
	uint8_t seal[REPORT_SEAL_LEN];

	assert(len >= REPORT_HEAD_LEN + REPORT_SEAL_LEN);
	make_seal(bytes, len - REPORT_SEAL_LEN, key, seal);
	return sodium_memcmp(seal, bytes + len - REPORT_SEAL_LEN, sizeof(seal)) == 0;
}

void report_part_copy(const struct report_part *p, struct live_report *to)
{
	assert(to->n_nodes == p->head.n_nodes && p->first + p->n <= to->n_nodes);
	for (uint32_t i = 0; i < p->n; i++) {
		unsigned bits = p->nodes[i / 2] >> (i % 2 * 4);

		to->lines[p->first + i] = bits & LINE_BITS;
		to->takes_many[p->first + i] = bits & TAKES_MANY;
		to->by_word[p->first + i] = bits & BY_WORD;
	}
}

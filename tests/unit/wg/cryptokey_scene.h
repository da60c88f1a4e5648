/* SPDX-License-Identifier: MIT */
/* A cryptokey table beside its naive twin: each change is made in both, and both are asked. */
#ifndef SHUNT_TESTS_CRYPTOKEY_SCENE_H
#define SHUNT_TESTS_CRYPTOKEY_SCENE_H

#include "../../support/cryptokey_twin.h"
#include "base/mem.h"
#include "unit.h"

#define PACKET_LEN 48

struct scene {
	struct qsbr *q;
	struct cryptokey_table *t;
	struct cryptokey_owner peers[TWIN_PEERS];
	struct cryptokey_set *sets[TWIN_SETS];
	struct twin w;
};

static inline void scene_init(struct scene *s)
{
	*s = (struct scene){.q = qsbr_new()};
	s->t = cryptokey_new(s->q, 1);
	twin_init(&s->w);
	for (unsigned i = 0; i < TWIN_PEERS; i++)
		cryptokey_owner_init(&s->peers[i], i);
}

static inline void scene_done(struct scene *s)
{
	cryptokey_free(s->t);
	qsbr_free(s->q);
}

static inline ip_prefix parse(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

static inline void scene_state(
	struct scene *s, unsigned peer, enum cryptokey_level level, bool answers)
{
	cryptokey_owner_set_level(&s->peers[peer], level);
	cryptokey_owner_set_answers(&s->peers[peer], answers);
	s->w.level[peer] = level;
	s->w.answers[peer] = answers;
}

static inline void scene_define(
	struct scene *s, unsigned set, const struct twin_member *m, unsigned n)
{
	struct cryptokey_member members[TWIN_PEERS];

	for (unsigned i = 0; i < n; i++)
		members[i] = (struct cryptokey_member){&s->peers[m[i].peer], (uint16_t)m[i].rank,
			(uint16_t)m[i].weight, m[i].is_relay};
	if (!s->sets[set])
		s->sets[set] = cryptokey_set_new(s->t, NULL);
	assert_int_equal(cryptokey_set_define(s->t, s->sets[set], members, n), 0);
	memcpy(s->w.sets[set].members, m, n * sizeof(*m));
	s->w.sets[set].n = n;
}

static inline void scene_insert(struct scene *s, const ip_prefix *p, unsigned peer)
{
	assert_int_equal(cryptokey_insert(s->t, p, &s->peers[peer]), 0);
	twin_put(&s->w, p, true, peer);
}

static inline void scene_bind(struct scene *s, const ip_prefix *p, unsigned set)
{
	assert_int_equal(cryptokey_bind(s->t, p, s->sets[set]), 0);
	twin_put(&s->w, p, false, set);
}

/* UDP between these two, of one family. */
static inline void make_packet(uint8_t packet[PACKET_LEN], const ip_addr *from, const ip_addr *to,
	uint16_t from_port, uint16_t to_port)
{
	bool v4 = to->family == AF_INET;
	uint8_t *ports = packet + (v4 ? 20 : 40);

	memset(packet, 0, PACKET_LEN);
	packet[0] = v4 ? 0x45 : 0x60;
	packet[v4 ? 9 : 6] = 17;
	memcpy(packet + (v4 ? 12 : 8), from->bytes, v4 ? 4 : 16);
	memcpy(packet + (v4 ? 16 : 24), to->bytes, v4 ? 4 : 16);
	memcpy(ports, &from_port, 2);
	memcpy(ports + 2, &to_port, 2);
}

static inline const struct cryptokey_owner *scene_relay(const struct scene *s, unsigned relay)
{
	static const struct cryptokey_owner other;

	if (relay == TWIN_NO_RELAY)
		return NULL;
	return relay == TWIN_OTHER_RELAY ? &other : &s->peers[relay];
}

static inline void scene_check_send(struct scene *s, const ip_addr *to, uint16_t flow)
{
	uint8_t packet[PACKET_LEN];

	make_packet(packet, to, to, flow, 1);
	for (unsigned i = 0; i < 4; i++) {
		unsigned relays[] = {TWIN_NO_RELAY, TWIN_OTHER_RELAY, flow % 3, 3};
		struct twin_answer want = twin_send(&s->w, to, relays[i]);
		struct cryptokey_answer got =
			cryptokey_choose(s->t, packet, sizeof(packet), scene_relay(s, relays[i]));

		assert_int_equal(got.is_refused, want.is_refused);
		assert_true(got.is_by_flow || !(want.peers & (want.peers - 1)));
		if (want.peers)
			assert_true(got.owner && want.peers >> (got.owner - s->peers) & 1);
		else
			assert_null(got.owner);
	}
}

static inline void scene_check_receive(struct scene *s, const ip_addr *from, unsigned n_peers)
{
	uint8_t packet[PACKET_LEN];

	make_packet(packet, from, from, 1, 2);
	for (unsigned i = 0; i < n_peers; i++)
		assert_int_equal(
			cryptokey_accept(s->t, packet, &s->peers[i]), twin_receive(&s->w, from, i));
}

/* Few different bits, so that prefixes meet and nest. */
static inline ip_addr random_addr(struct chance *c)
{
	static const uint8_t few[] = {0, 0x0a, 0xff};
	uint8_t bytes[16];

	for (unsigned i = 0; i < 16; i++)
		bytes[i] = few[chance_below(c, i < 3 ? 2 : 3)];
	bytes[chance_below(c, 16)] ^= (uint8_t)(1u << chance_below(c, 8));
	return ip_addr_from_bytes(chance_below(c, 2) ? AF_INET : AF_INET6, bytes);
}

static inline ip_prefix random_prefix(struct chance *c)
{
	ip_addr a = random_addr(c);

	return ip_prefix_of(&a, chance_below(c, ip_family_bits(a.family) + 1));
}

#endif

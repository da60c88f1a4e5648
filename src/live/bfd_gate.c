/* SPDX-License-Identifier: MIT */
#include "live/bfd_gate.h"
#include <sodium.h>

/* Of who is known: this many words for each that was agreed on. */
#define GENEROSITY 4
#define KNOWN_BURST 16
#define KNOWN_GAP_MAX (250 * NS_PER_MS)
/* Of all others together: a digest each, or an answer while no session is up. */
#define OTHERS_GAP (10 * NS_PER_MS)
#define OTHERS_BURST 32

void bfd_gate_init(struct bfd_gate *g, const struct bfd_keys *keys, uint32_t sent_seq)
{
	*g = (struct bfd_gate){.auth.sent_seq = sent_seq};
	bfd_gate_set_keys(g, keys);
}

void bfd_gate_set_keys(struct bfd_gate *g, const struct bfd_keys *keys)
{
	static const struct bfd_keys none;

	if (!keys && !g->authenticates)
		return;
	if (keys && g->authenticates && !sodium_memcmp(&g->auth.keys, keys, sizeof(*keys)))
		return;
	g->authenticates = keys != NULL;
	g->port = 0;
	bfd_auth_init(&g->auth, keys ? keys : &none, g->auth.sent_seq);
}

void bfd_gate_done(struct bfd_gate *g)
{
	sodium_memzero(&g->auth, sizeof(g->auth));
}

static int64_t known_gap(const struct bfd_session *s)
{
	int64_t agreed = bfd_session_rx_interval(s);
	int64_t gap =
		(s->state == BFD_UP && agreed ? agreed : s->interval_us * NS_PER_US) / GENEROSITY;

	return gap > KNOWN_GAP_MAX ? KNOWN_GAP_MAX : gap;
}

static bool may_speak(struct bfd_gate *g, const struct bfd_session *s, bool is_known, instant now)
{
	return is_known ? budget_take(&g->known, known_gap(s), KNOWN_BURST, now)
			: budget_take(&g->others, OTHERS_GAP, OTHERS_BURST, now);
}

static enum bfd_word judge(struct bfd_gate *g, const struct bfd_session *s,
	const struct bfd_packet *p, const uint8_t *bytes, uint16_t port, instant now)
{
	bool is_known = g->port && port == g->port;

	if (p->is_authenticated != g->authenticates)
		return BFD_WORD_REFUSED;
	if (g->authenticates && !bfd_auth_is_plausible(&g->auth, p, bytes, now))
		return BFD_WORD_REFUSED;
	if (!may_speak(g, s, is_known, now))
		return BFD_WORD_REFUSED;
	if (g->authenticates)
		return bfd_auth_is_right(&g->auth, bytes) ? BFD_WORD_TAKEN : BFD_WORD_REFUSED;
	if (s->state != BFD_UP || is_known)
		return BFD_WORD_TAKEN;
	return p->state == BFD_DOWN ? BFD_WORD_DOUBTED : BFD_WORD_REFUSED;
}

enum bfd_word bfd_gate_judge(struct bfd_gate *g, const struct bfd_session *s,
	const struct bfd_packet *p, const uint8_t *bytes, uint16_t port, instant now)
{
	enum bfd_word word = judge(g, s, p, bytes, port, now);

	g->refused += word != BFD_WORD_TAKEN;
	return word;
}

void bfd_gate_passed(struct bfd_gate *g, const struct bfd_session *s, enum bfd_change change,
	const uint8_t *bytes, uint16_t port, instant now)
{
	if (g->authenticates)
		bfd_auth_heard(
			&g->auth, bytes, instant_add(now, 2 * bfd_session_detection_time(s)));
	if (g->authenticates || change == BFD_CAME_UP)
		g->port = port;
}

size_t bfd_gate_encode(
	struct bfd_gate *g, const struct bfd_packet *p, uint8_t out[static BFD_PACKET_MAX])
{
	if (!g->authenticates) {
		bfd_packet_encode(p, out);
		return BFD_PACKET_LEN;
	}
	bfd_auth_seal(&g->auth, p, out);
	return BFD_PACKET_MAX;
}

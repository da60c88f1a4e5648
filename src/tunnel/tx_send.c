/* SPDX-License-Identifier: MIT */
#include "tunnel/tx_send.h"

#include "base/mem.h"
#include "tunnel/device.h"
#include "tunnel/seal.h"
#include "tunnel/sockets.h"

#include <stdlib.h>

void tx_send_init(struct tx_sender *s, struct tunnel *t, struct aead_thread *aead)
{
	s->t = t;
	s->aead = aead;
	s->arena = mem_alloc(TX_ARENA_LEN);
}

void tx_send_done(struct tx_sender *s)
{
	seal_line_free(s->line);
	free(s->arena);
}

static void transmit(struct tx_sender *s, const struct udp_out *out, size_t n, size_t datagrams)
{
	size_t sent = sockets_send(s->t->sockets, out, n);

	if (sent < datagrams)
		tunnel_count(s->t, TUNNEL_DROP_SEND_ERROR, datagrams - sent);
}

void tx_send_flush(struct tx_sender *s)
{
	if (s->n_messages)
		transmit(s, s->messages, s->n_messages, s->n_datagrams);
	s->n_messages = s->n_datagrams = 0;
	s->used = 0;
}

/* --- the line ------------------------------------------------------------------------------------
 */

bool tx_send_advance(struct tx_sender *s, bool wait)
{
	const struct udp_out *out;
	size_t n, datagrams = 0;
	bool by_worker;

	if (!s->line)
		return false;
	n = seal_line_take(s->line, s->aead, wait, &out, &by_worker);
	if (!n)
		return false;
	tx_send_flush(s);
	for (size_t i = 0; i < n; i++)
		datagrams += (out[i].len + out[i].segment - 1) / out[i].segment;
	transmit(s, out, n, datagrams);
	if (by_worker)
		s->n_by_workers += datagrams;
	return true;
}

void tx_send_empty_line(struct tx_sender *s)
{
	while (tx_send_advance(s, true))
		;
}

bool tx_send_has_line(struct tx_sender *s)
{
	if (!s->line)
		s->line = seal_line_new(s->t->aead, workers_lane(s->t->workers, LANE_TX));
	return s->line;
}

uint8_t *tx_send_line_buffer(struct tx_sender *s)
{
	while (tx_send_advance(s, false))
		;
	if (!seal_line_buffer(s->line))
		tx_send_advance(s, true);
	return seal_line_buffer(s->line);
}

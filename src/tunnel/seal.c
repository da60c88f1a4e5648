/* SPDX-License-Identifier: MIT */
#include "tunnel/seal.h"

#include "base/mem.h"
#include "tunnel/keypair.h"
#include "tunnel/packet.h"
#include "tunnel/tun.h"

#include <stdlib.h>
#include <string.h>

#define OUT_LEN (80 * 1024) /* 64 KiB of segments of ordinary size, with their headers */

struct job {
	struct work work;
	const struct aead_backend *backend;
	struct gso gso;
	const struct keypair *keypair;
	uint64_t counter;
	unsigned mtu;
	size_t sealed, last_sealed; /* bytes on the wire of each segment, and of the last */
	uint8_t *in, *out;
	struct udp_out messages[LINE_MAX_MESSAGES];
	size_t n_messages;
};

struct seal_line {
	struct lane *lane;
	size_t first, n;
	struct job jobs[LINE_LEN];
};

size_t seal_padded_len(size_t len, unsigned mtu)
{
	size_t last = mtu && len > mtu ? len % mtu : len;
	size_t padded = (last + WG_PADDING - 1) / WG_PADDING * WG_PADDING;

	if (mtu && padded > mtu)
		padded = mtu > last ? mtu : last;
	return len + (padded - last);
}

void seal_packet(const struct aead_backend *b, struct aead_thread *aead, const struct keypair *k,
	uint64_t counter, uint8_t *packet, size_t len, size_t padded, uint8_t *at)
{
	uint8_t saved[WG_PADDING];
	struct aead_op op = {&k->send, counter, packet, at + WG_DATA_HEADER_LEN, padded, false};

	put_le32(at, WG_DATA);
	put_le32(at + 4, k->remote_index);
	put_le64(at + 8, counter);
	memcpy(saved, packet + len, padded - len);
	memset(packet + len, 0, padded - len);
	b->seal(aead, &op, 1);
	memcpy(packet + len, saved, padded - len);
}

/* --- the line ------------------------------------------------------------------------------------
 */

static void seal_job(struct work *w, struct aead_thread *aead)
{
	struct job *j = container_of(w, struct job, work);
	uint64_t counter = j->counter;
	uint8_t *segment, *at = j->out;
	size_t len;

	while ((segment = gso_next(&j->gso, &len))) {
		size_t padded = seal_padded_len(len, j->mtu);

		seal_packet(j->backend, aead, j->keypair, counter++, segment, len, padded, at);
		at += padded + WG_DATA_OVERHEAD;
	}
}

struct seal_line *seal_line_new(const struct aead_backend *b, struct lane *lane)
{
	struct seal_line *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->lane = lane;
	for (size_t i = 0; i < LINE_LEN; i++) {
		struct job *j = &l->jobs[i];

		j->work.run = seal_job;
		j->backend = b;
		j->in = malloc(TUN_READ_MAX);
		j->out = malloc(OUT_LEN);
		if (!j->in || !j->out) {
			seal_line_free(l);
			return NULL;
		}
	}
	return l;
}

void seal_line_free(struct seal_line *l)
{
	if (!l)
		return;
	for (size_t i = 0; i < LINE_LEN; i++) {
		free(l->jobs[i].in);
		free(l->jobs[i].out);
	}
	free(l);
}

static struct job *end_of(struct seal_line *l)
{
	return &l->jobs[(l->first + l->n) % LINE_LEN];
}

uint8_t *seal_line_buffer(struct seal_line *l)
{
	return l->n == LINE_LEN ? NULL : end_of(l)->in;
}

bool seal_line_is_empty(const struct seal_line *l)
{
	return !l->n;
}

/* The messages that the segments leave in; false if they are too many. */
static bool lay_out(struct job *j, const struct seal_order *o)
{
	size_t fit = (UDP_MAX_PAYLOAD - 20) / j->sealed, left = o->gso->n_segments;
	uint8_t *at = j->out;

	if (fit > UDP_MAX_SEGMENTS)
		fit = UDP_MAX_SEGMENTS;
	for (j->n_messages = 0; left; j->n_messages++) {
		size_t n = left < fit ? left : fit, len = n * j->sealed;

		if (!fit || j->n_messages == LINE_MAX_MESSAGES)
			return false;
		left -= n;
		if (!left)
			len -= j->sealed - j->last_sealed;
		j->messages[j->n_messages] = (struct udp_out){
			*o->to, at, len, len < j->sealed ? len : j->sealed, o->tos};
		at += len;
	}
	return true;
}

size_t seal_line_put(struct seal_line *l, const struct seal_order *o)
{
	struct job *j = end_of(l);
	size_t full = o->gso->header_len + o->gso->segment_len;
	size_t last = o->gso->len - (o->gso->n_segments - 1) * o->gso->segment_len, total;

	j->sealed = seal_padded_len(full, o->mtu) + WG_DATA_OVERHEAD;
	j->last_sealed = seal_padded_len(last, o->mtu) + WG_DATA_OVERHEAD;
	total = (o->gso->n_segments - 1) * j->sealed + j->last_sealed;
	if (total > OUT_LEN || j->last_sealed > j->sealed || !lay_out(j, o))
		return 0;
	j->gso = *o->gso;
	j->keypair = o->keypair;
	j->counter = o->counter;
	j->mtu = o->mtu;
	l->n++;
	lane_submit(l->lane, &j->work);
	return total;
}

size_t seal_line_take(struct seal_line *l, struct aead_thread *aead, bool wait,
	const struct udp_out **ret, bool *ret_by_worker)
{
	struct job *j = &l->jobs[l->first];

	if (!l->n || (!wait && !lane_is_done(&j->work)))
		return 0;
	lane_finish(l->lane, &j->work, aead);
	l->first = (l->first + 1) % LINE_LEN;
	l->n--;
	*ret = j->messages;
	*ret_by_worker = j->work.was_by_worker;
	return j->n_messages;
}

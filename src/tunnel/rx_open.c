/* SPDX-License-Identifier: MIT */
#include "tunnel/rx_open.h"

#include "base/mem.h"
#include "tunnel/device.h"
#include "tunnel/udp.h"

void rx_open_init(struct rx_opener *o, struct tunnel *t, struct aead_thread *aead)
{
	o->t = t;
	o->aead = aead;
	o->filling = o->batches;
	o->filling->receiver = udp_receiver_new();
	rx_deliver_init(&o->out, t);
}

void rx_open_done(struct rx_opener *o)
{
	rx_deliver_done(&o->out);
	for (size_t i = 0; i < ARRAY_SIZE(o->batches); i++)
		udp_receiver_free(o->batches[i].receiver);
}

void rx_open_set_help(struct rx_opener *o, bool is_helped)
{
	o->is_helped = is_helped;
	for (size_t i = 0; i < ARRAY_SIZE(o->batches) && o->is_helped; i++) {
		if (!o->batches[i].receiver)
			o->batches[i].receiver = udp_receiver_new();
		o->is_helped = o->batches[i].receiver;
	}
	if (!o->is_helped)
		o->filling = o->batches;
}

/* --- chunks --------------------------------------------------------------------------------------
 */

static void open_chunk(struct work *w, struct aead_thread *aead)
{
	struct rx_chunk *c = container_of(w, struct rx_chunk, work);

	c->backend->open(aead, c->ops, c->n);
}

static void share(struct rx_opener *o, struct rx_batch *b)
{
	struct lane *lane = workers_lane(o->t->workers, LANE_RX);

	b->is_shared = true;
	for (size_t at = 0; at < b->n_ops; at += RX_CHUNK) {
		struct rx_chunk *c = &b->chunks[at / RX_CHUNK];

		c->work.run = open_chunk;
		c->backend = o->t->aead;
		c->ops = b->ops + at;
		c->n = b->n_ops - at < RX_CHUNK ? b->n_ops - at : RX_CHUNK;
		lane_submit(lane, &c->work);
	}
}

/* The chunk, once it is opened. */
static void await_chunk(struct rx_opener *o, struct rx_chunk *c)
{
	lane_finish(workers_lane(o->t->workers, LANE_RX), &c->work, o->aead);
	if (c->work.was_by_worker)
		o->n_by_workers += c->n;
}

/* --- batches -------------------------------------------------------------------------------------
 */

/* All packets of the batch are opened, here if they weren't shared, and go their ways. */
static void complete(struct rx_opener *o, struct rx_batch *b)
{
	if (b->n_ops && !b->is_shared)
		o->t->aead->open(o->aead, b->ops, b->n_ops);
	for (size_t i = 0; i < b->n_ops; i++) {
		if (b->is_shared && i % RX_CHUNK == 0)
			await_chunk(o, &b->chunks[i / RX_CHUNK]);
		if (b->ops[i].ok)
			rx_deliver(&o->out, &b->arrivals[i]);
		else
			tunnel_count(o->t, TUNNEL_DROP_BAD_TAG, 1);
	}
	b->n_ops = 0;
	b->is_shared = false;
}

/* Before the buffers are used again. */
static void settle(struct rx_opener *o)
{
	rx_deliver_settle(&o->out);
	if (o->n_by_workers)
		tunnel_count(o->t, TUNNEL_RX_BY_WORKERS, o->n_by_workers);
	o->n_by_workers = 0;
}

void rx_open_complete(struct rx_opener *o)
{
	if (o->pending) {
		complete(o, o->pending);
		settle(o);
	}
	o->pending = NULL;
}

void rx_open_make_room(struct rx_opener *o)
{
	rx_open_complete(o);
	if (o->is_helped)
		share(o, o->filling);
	complete(o, o->filling);
}

void rx_open_turn(struct rx_opener *o)
{
	if (!o->is_helped) {
		complete(o, o->filling);
		settle(o);
		return;
	}
	share(o, o->filling);
	rx_open_complete(o);
	o->pending = o->filling;
	o->filling = o->filling == o->batches ? o->batches + 1 : o->batches;
}

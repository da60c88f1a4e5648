/* SPDX-License-Identifier: MIT */
/*
 * rx's second job: data messages whose session is known are opened, in place in the receive
 * buffers, and what has a right tag is delivered, in order.
 *
 * With help (duty.h), a batch's messages are opened by workers, in chunks, while rx receives the
 * next batch into other buffers; it is completed when the next one is on its way.
 */
#ifndef SHUNT_TUNNEL_RX_OPEN_H
#define SHUNT_TUNNEL_RX_OPEN_H

#include "tunnel/keypair.h"
#include "tunnel/rx_deliver.h"
#include "tunnel/workers.h"
#include "wg/aead.h"

#define RX_MAX_OPS 256	   /* of a batch */
#define RX_OPS_AT_ONCE 128 /* alone: what fits the cache */
#define RX_CHUNK 16	   /* what a worker takes */

struct udp_receiver;

struct rx_chunk {
	struct work work;
	const struct aead_backend *backend;
	struct aead_op *ops;
	size_t n;
};

/* What came with one recvmmsg. */
struct rx_batch {
	struct udp_receiver *receiver;		/* holds the packets; NULL: not needed yet */
	struct aead_op ops[RX_MAX_OPS];		/* one a message, as the AEAD takes them */
	struct rx_arrival arrivals[RX_MAX_OPS]; /* what each is, if its tag is right */
	size_t n_ops;
	bool is_shared; /* its chunks are in the lane */
	struct rx_chunk chunks[RX_MAX_OPS / RX_CHUNK];
};

struct rx_opener {
	struct tunnel *t;
	struct aead_thread *aead; /* rx's */
	struct rx_deliverer out;
	struct rx_batch batches[2]; /* the second with help only */
	struct rx_batch *filling;
	struct rx_batch *pending; /* shared, to be completed; or NULL */
	bool is_helped;
	uint64_t n_by_workers; /* since they were counted */
};

/* o is zeroed. */
void rx_open_init(struct rx_opener *o, struct tunnel *t, struct aead_thread *aead);
void rx_open_done(struct rx_opener *o);

/* While nothing is pending: workers help from now on, if there is memory for it, or don't. */
void rx_open_set_help(struct rx_opener *o, bool is_helped);
/* Room for more in the batch that is being filled: what came before it goes first. */
void rx_open_make_room(struct rx_opener *o);
/* All of a recvmmsg was added: it is delivered, or with help begun, and what was pending is
 * delivered. Another batch may be filled then. */
void rx_open_turn(struct rx_opener *o);
/* What is pending is delivered: o holds nothing any more. */
void rx_open_complete(struct rx_opener *o);

/* A data message of the session; its body of a's length, and a tag, is at a's plain. */
static inline void rx_open_add(struct rx_opener *o, const struct rx_arrival *a)
{
	struct rx_batch *b = o->filling;

	if (b->n_ops == (o->is_helped ? RX_MAX_OPS : RX_OPS_AT_ONCE))
		rx_open_make_room(o);
	b->ops[b->n_ops] = (struct aead_op){
		&a->keypair->receive, a->counter, a->plain, a->plain, a->len, false};
	b->arrivals[b->n_ops++] = *a;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Plaintext packets to data messages (the paper, section 5.4.6): one at a time, and superpackets in
 * line, which workers may seal while their owner, tx, reads on. The line keeps the order: packets
 * get their nonces when they are put into it, and leave it first come, first served.
 */
#ifndef SHUNT_TUNNEL_SEAL_H
#define SHUNT_TUNNEL_SEAL_H

#include "tunnel/gso.h"
#include "tunnel/udp.h"
#include "tunnel/workers.h"

struct keypair;

/* Of a plaintext of len bytes: a multiple of 16, but never more than the interface's MTU. */
size_t seal_padded_len(size_t len, unsigned mtu);
/* One data message of padded + WG_DATA_OVERHEAD bytes to at. The padding is written behind the
 * packet and what was there is put back. */
void seal_packet(const struct aead_backend *b, struct aead_thread *aead, const struct keypair *k,
	uint64_t counter, uint8_t *packet, size_t len, size_t padded, uint8_t *at);

#define LINE_LEN 16	     /* superpackets at most */
#define LINE_MAX_MESSAGES 64 /* a superpacket leaves in that many UDP messages at most */

struct seal_line;

/* What is sealed, how many datagrams and bytes it makes. */
struct seal_order {
	struct gso *gso; /* of the packet in the line's buffer; copied */
	const struct keypair *keypair;
	uint64_t counter; /* of the first segment */
	unsigned mtu;
	const struct udp_endpoint *to;
	uint8_t tos;
};

/* 2.5 MiB, touched as used; NULL without memory. */
struct seal_line *seal_line_new(const struct aead_backend *b, struct lane *lane);
/* Nothing is in it any more. Accepts NULL. */
void seal_line_free(struct seal_line *l);
/* Where the next packet is to be read (TUN_READ_MAX bytes); NULL: the line is full. Stays the same
 * until seal_line_put. */
uint8_t *seal_line_buffer(struct seal_line *l);
/* Takes the superpacket in the buffer. Returns the bytes on the wire, 0 if it can't (it would need
 * too much room): nothing was changed then. */
size_t seal_line_put(struct seal_line *l, const struct seal_order *o);
bool seal_line_is_empty(const struct seal_line *l);
/*
 * Takes the first superpacket out, sealed, as n UDP messages in *ret; valid until the next
 * seal_line_put. 0: the line is empty, or, without wait, the first isn't sealed yet. With wait the
 * caller seals what no worker has begun. *ret_by_worker: who sealed it.
 */
size_t seal_line_take(struct seal_line *l, struct aead_thread *aead, bool wait,
	const struct udp_out **ret, bool *ret_by_worker);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as datagrams of reports that a device has merged. What is taken for a part says itself
 * again in the same bytes, but for its seal and a bit that means nothing; and sealed by the peer it
 * may come in any order: what stands is never larger than it may be.
 */
#include "live/report_in.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NODES_MAX 5000

static const uint8_t key[BFD_KEY_LEN];

/* Two nodes in a byte; of an odd number the last has half a byte. */
static void mask(uint8_t *bytes, const struct report_part *p)
{
	if (p->n % 2)
		bytes[REPORT_HEAD_LEN + p->n / 2] &= 0x0f;
}

static size_t seal_again(const struct report_part *p, uint8_t out[static LIVE_REPORT_DATAGRAM])
{
	struct report_address to = {key, p->discriminator, p->number};
	struct live_report r = p->head;
	size_t len;

	live_report_init_nodes(&r, p->head.n_nodes);
	report_part_copy(p, &r);
	len = report_encode(&r, p->part, &to, out);
	live_report_done(&r);
	return len;
}

/* Handshakes: as many as fit, of nodes that there are, each place once and in order. */
static void check_ages(struct report_in *in, const uint8_t *bytes, size_t len)
{
	struct report_ages a;

	if (!report_decode_ages(&a, bytes, len))
		return;
	assert(a.n && a.n <= REPORT_HANDSHAKES_MAX && a.number);
	report_in_take_ages(in, &a, (instant){1000 * NS_PER_S});
	for (uint32_t i = 0; i < in->whole.n_handshakes; i++) {
		const struct live_handshake *h = &in->whole.handshakes[i];

		assert(h->place < in->whole.n_nodes);
		assert(!i || h->place > in->whole.handshakes[i - 1].place);
	}
}

static void check(struct report_in *in, const uint8_t *bytes, size_t len)
{
	uint8_t *exact = malloc(len ? len : 1), again[LIVE_REPORT_DATAGRAM];
	const struct live_report *whole;
	struct report_part p;

	memcpy(exact, bytes, len);
	if (report_decode(&p, exact, len)) {
		assert(p.nodes + (p.n + 1) / 2 + REPORT_SEAL_LEN == exact + len);
		assert(seal_again(&p, again) == len);
		mask(exact, &p);
		assert(!memcmp(exact, again, len - REPORT_SEAL_LEN));
		assert(report_is_right(again, len, key));
		if (report_in_wants(in, &p))
			report_in_take(in, &p, NODES_MAX);
		assert(!report_in_wants(in, &p) || in->coming.n_nodes != p.head.n_nodes);
		whole = report_in_whole(in);
		assert(!whole || whole->n_nodes <= NODES_MAX);
		assert(in->coming.n_nodes <= NODES_MAX && (!in->number || in->number > in->heard));
	}
	check_ages(in, exact, len);
	free(exact);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct report_in in = {0};
	size_t n;

	while ((n = report_first_len(data, size))) {
		assert(n <= size);
		check(&in, data, n);
		data += n;
		size -= n;
	}
	report_in_done(&in);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a packet of the socket for echoes: the first byte chooses the family. What is taken
 * for a reply is one, and nothing beyond the packet's end has a say in it.
 */
#include "prober/prober_sockets.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The same by hand. */
static bool is_reply(const struct prober_input *in, struct echo_mark *ret)
{
	bool is_v4 = in->src.family == AF_INET;
	size_t at = is_v4 && in->len ? (in->bytes[0] & 15u) * 4u : 0;
	const uint8_t *b = in->bytes + at;

	if (in->len > in->got || in->len < at + 12 || (is_v4 && in->len < 20))
		return false;
	ret->id = (uint16_t)(b[4] * 256 + b[5]);
	ret->seq = (uint16_t)(b[6] * 256 + b[7]);
	memcpy(&ret->nonce, b + 8, 4);
	return b[0] == (is_v4 ? 0 : 129) && !b[1] && (!is_v4 || at >= 20);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct prober_input in = {.ttl = 255}, other;
	uint8_t bytes[PROBER_WORD_MAX], filled[PROBER_WORD_MAX];
	struct echo_mark got = {0}, want = {0};

	if (!size)
		return 0;
	in.src.family = data[0] & 1 ? AF_INET6 : AF_INET;
	in.len = size - 1; /* the socket tells the full length of what it cut */
	in.got = in.len < sizeof(bytes) ? in.len : sizeof(bytes);
	memset(bytes, 0, sizeof(bytes));
	memset(filled, 0xff, sizeof(filled));
	memcpy(bytes, data + 1, in.got);
	memcpy(filled, data + 1, in.got);
	in.bytes = bytes;
	other = in;
	other.bytes = filled;
	if (!prober_parse_reply(&in, &got)) {
		assert(!prober_parse_reply(&other, &got));
		assert(!is_reply(&in, &want));
		return 0;
	}
	assert(is_reply(&in, &want) && !memcmp(&got, &want, sizeof(got)));
	assert(prober_parse_reply(&other, &got) && !memcmp(&got, &want, sizeof(got)));
	return 0;
}

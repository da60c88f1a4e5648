/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as what a raw socket gives: the first byte chooses the family and whether the packet
 * was longer than what is here. What is taken lies within the packet, and so do its parts, which
 * are all of it in order.
 */
#include "daemon/bfd_datagram.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take_apart(struct bfd_datagram d, const uint8_t *end)
{
	const uint8_t *at = d.payload, *part;
	size_t len;

	while (bfd_datagram_next(&d, &part, &len)) {
		assert(part == at && len > 0);
		at += len;
		assert(at <= end);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bfd_datagram d = {.ttl = 255};
	struct bfd_raw raw = {0};
	uint8_t *bytes;

	if (!size)
		return 0;
	/* Of its own length, so that a sanitizer sees a read beyond it. */
	raw.got = size - 1;
	raw.len = raw.got + (data[0] & 2 ? 1000 : 0);
	bytes = malloc(raw.got ? raw.got : 1);
	if (!bytes)
		return 0;
	memcpy(bytes, data + 1, raw.got);
	raw.bytes = bytes;
	raw.src.family = raw.dst.family = data[0] & 1 ? AF_INET6 : AF_INET;
	if (bfd_datagram_parse(&d, &raw)) {
		assert(d.payload >= bytes && d.payload + d.len <= bytes + raw.got);
		take_apart(d, bytes + raw.got);
	}
	free(bytes);
	return 0;
}

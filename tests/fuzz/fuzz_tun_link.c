/* SPDX-License-Identifier: MIT */
/* Any bytes as the kernel's answer about a TUN: the count is that of a whole statistics attribute
 * in a message that is all there, or 0. */
#include "tunnel/tun.h"

#include <assert.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether the eight bytes of the count stand in the answer, somewhere. */
static bool says(const uint8_t *data, size_t size, uint64_t count)
{
	for (size_t i = 0; i + sizeof(count) <= size; i++)
		if (!memcmp(data + i, &count, sizeof(count)))
			return true;
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of exactly this size, so that a sanitizer sees a byte too far. */
	void *exact = malloc(size ? size : 1);
	uint64_t drops;

	memcpy(exact, data, size);
	drops = tun_queue_drops_of(exact, size);
	assert(!drops || (says(data, size, drops) && size > sizeof(struct rtnl_link_stats64)));
	free(exact);
	return 0;
}

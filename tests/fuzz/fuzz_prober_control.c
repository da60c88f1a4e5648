/* SPDX-License-Identifier: MIT */
/* Any bytes as the control part of a message to the prober: a TTL is told only by a whole control
 * message of that kind, and nothing beyond the part's end is looked at. */
#include "prober/prober_sockets.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Whether the number stands behind a header that announces it, wherever. */
static bool says(const uint8_t *data, size_t size, int ttl)
{
	struct cmsghdr c;
	int told;

	for (size_t i = 0; i + CMSG_LEN(sizeof(told)) <= size; i += sizeof(size_t)) {
		memcpy(&c, data + i, sizeof(c));
		memcpy(&told, data + i + CMSG_LEN(0), sizeof(told));
		if (told == ttl &&
			((c.cmsg_level == IPPROTO_IP && c.cmsg_type == IP_TTL) ||
				(c.cmsg_level == IPPROTO_IPV6 && c.cmsg_type == IPV6_HOPLIMIT)))
			return true;
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* Of exactly this size, so that a sanitizer sees a byte too far. */
	void *exact = malloc(size ? size : 1);
	struct msghdr m = {.msg_control = exact, .msg_controllen = size};
	unsigned ttl;

	memcpy(exact, data, size);
	ttl = prober_ttl(&m);
	assert(!ttl || says(data, size, (int)ttl));
	free(exact);
	return 0;
}

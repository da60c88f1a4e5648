/* SPDX-License-Identifier: MIT */
#include "daemon/listen_port.h"

#include "sys/udp_port.h"
#include <errno.h>

int listen_port_check(const struct generation *g, uint16_t device_port, struct buf *why)
{
	uint16_t port = g->self->listen_port;

	if (!port || port == device_port || !udp_port_is_taken(port))
		return 0;
	generation_tell_port(g, why);
	return -EADDRINUSE;
}

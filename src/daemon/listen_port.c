/* SPDX-License-Identifier: MIT */
#include "daemon/listen_port.h"

#include "sys/udp_port.h"
#include <errno.h>

void listen_port_tell(const struct generation *g, struct buf *why)
{
	buf_printf(why,
		"UDP port %u (listen_port of %s) is taken by another program; `ss -lunp sport = "
		":%u` names it",
		g->self->listen_port, g->self->name, g->self->listen_port);
}

int listen_port_check(const struct generation *g, uint16_t device_port, struct buf *why)
{
	uint16_t port = g->self->listen_port;

	if (!port || port == device_port || !udp_port_is_taken(port))
		return 0;
	listen_port_tell(g, why);
	return -EADDRINUSE;
}

/* SPDX-License-Identifier: MIT */
#include "daemon/listen_port.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

static bool is_taken(int family, uint16_t port)
{
	sock_addr any = {.sa = {.sa_family = (sa_family_t)family}};
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int one = 1;
	bool taken;

	if (fd < 0)
		return false;		/* the family is switched off, so nobody has it */
	any.in4.sin_port = htons(port); /* stands at the same place in both */
	if (family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	taken = bind(fd, &any.sa, sock_addr_len(&any)) < 0 && errno == EADDRINUSE;
	close(fd);
	return taken;
}

int listen_port_check(const struct generation *g, uint16_t device_port, struct buf *why)
{
	uint16_t port = g->self->listen_port;

	if (!port || port == device_port || !(is_taken(AF_INET, port) || is_taken(AF_INET6, port)))
		return 0;
	buf_printf(why,
		"UDP port %u (listen_port of %s) is taken by another program; `ss -lunp sport = "
		":%u` names it",
		port, g->self->name, port);
	return -EADDRINUSE;
}

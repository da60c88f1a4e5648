/* SPDX-License-Identifier: MIT */
#include "sys/udp_port.h"

#include "base/prefix.h"
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

bool udp_port_is_taken(uint16_t port)
{
	return is_taken(AF_INET, port) || is_taken(AF_INET6, port);
}

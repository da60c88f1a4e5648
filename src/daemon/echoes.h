/* SPDX-License-Identifier: MIT */
/*
 * Echoes (ICMP and ICMPv6) of any size out of the device, for what the diagnosis wants to know. Not
 * the prober's: they have sockets and an identifier of their own, no priority, and are never
 * fragmented within the tunnel. Only answers of the host asked, or of a host on the way that has no
 * route, count.
 */
#ifndef SHUNT_DAEMON_ECHOES_H
#define SHUNT_DAEMON_ECHOES_H

#include "base/prefix.h"
#include <stddef.h>
#include <stdint.h>

/* What the asker knows it by. */
struct echo_tag {
	uint8_t kind;
	bool network;
	uint32_t who;
	unsigned size;
};

struct echo_answer {
	struct echo_tag tag;
	bool unreachable; /* from says that it can't deliver it */
	ip_addr from;
};

struct echoes;

struct echoes *echoes_new(void);
/* Accepts NULL. */
void echoes_free(struct echoes *e);
/* On which device and from which of our addresses (the first of each family counts); opens sockets
 * anew where something differs. A family that can't be had stays out until the next call. */
void echoes_set(struct echoes *e, const char *ifname, int ifindex, const ip_addr *own, size_t n);
bool echoes_has(const struct echoes *e, int family);
/* An echo request of size bytes with its IP header. 0 or negative errno. */
int echoes_send(struct echoes *e, const ip_addr *to, const struct echo_tag *tag);
/* Takes one answer; false: none waits. */
bool echoes_receive(struct echoes *e, struct echo_answer *ret);

#endif

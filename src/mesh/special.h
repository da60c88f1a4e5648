/* SPDX-License-Identifier: MIT */
/*
 * Addresses that no mesh can use for what it does: ranges with a meaning of their own (IANA's
 * special-purpose registries, RFC 6890) that no host is reached at from elsewhere.
 */
#ifndef SHUNT_MESH_SPECIAL_H
#define SHUNT_MESH_SPECIAL_H

#include "base/prefix.h"

/* What the address is if no packet can be sent there from another machine ("a loopback address"),
 * else NULL. Link-local ones aren't judged. */
const char *special_address(const ip_addr *a);
/* The same of a whole prefix that lies within such a range. A prefix that is wider, like a default
 * route, is fine. */
const char *special_network(const ip_prefix *p);
/* The same of a prefix that shares any address with such a range. */
const char *special_overlap(const ip_prefix *p);

/* 169.254.0.0/16 or fe80::/10: means something on one link only. */
bool special_is_link_local(const ip_addr *a);
/* The IPv4 address within ::ffff:0:0/96, where the address is one of these. */
bool special_mapped_ipv4(const ip_addr *a, ip_addr *ret);

/* True of `localhost` and the like: wherever the name is looked up it is that machine itself. */
bool special_is_own_name(const char *host);

#endif

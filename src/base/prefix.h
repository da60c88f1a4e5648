/* SPDX-License-Identifier: MIT */
/*
 * Addresses, prefixes and socket addresses of both families, as values.
 * Bytes are in network order; an IPv4 value uses the first four and keeps the others zero, so that
 * values can be compared and hashed whole. A zeroed value has family 0: unset, "(none)" in text.
 */
#ifndef SHUNT_BASE_PREFIX_H
#define SHUNT_BASE_PREFIX_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

typedef struct {
	uint8_t family; /* AF_INET, AF_INET6, or 0: unset */
	uint8_t bytes[16];
} ip_addr;

typedef struct {
	uint8_t family;
	uint8_t len; /* 0..32 or 0..128 */
	uint8_t bytes[16];
} ip_prefix;

typedef union {
	struct sockaddr sa; /* sa_family AF_UNSPEC: unset */
	struct sockaddr_in in4;
	struct sockaddr_in6 in6;
} sock_addr;

#define IP_ADDR_STRLEN 48
#define IP_PREFIX_STRLEN 52
#define SOCK_ADDR_STRLEN 80

/* 32 for AF_INET, 128 for AF_INET6. */
unsigned ip_family_bits(int family);

/* Textual forms of RFC 4291 and dotted quads of four decimal numbers; nothing else, no zone. */
bool ip_addr_parse(ip_addr *ret, const char *text);
/* Writes the canonical text (RFC 5952) and returns buf. */
char *ip_addr_format(const ip_addr *a, char buf[static IP_ADDR_STRLEN]);
bool ip_addr_eq(const ip_addr *a, const ip_addr *b);
/* Total order: IPv4 before IPv6, then by bytes. */
int ip_addr_cmp(const ip_addr *a, const ip_addr *b);
/* From raw network-order bytes, 4 or 16 by family. */
ip_addr ip_addr_from_bytes(int family, const void *bytes);

/* "10.0.0.0/8"; an address without a length is a host prefix. Host bits are kept, see
 * ip_prefix_masked. */
bool ip_prefix_parse(ip_prefix *ret, const char *text);
char *ip_prefix_format(const ip_prefix *p, char buf[static IP_PREFIX_STRLEN]);
bool ip_prefix_has_host_bits(const ip_prefix *p);
ip_prefix ip_prefix_masked(const ip_prefix *p);
/* The prefix of len bits that holds the address, host bits cleared. */
ip_prefix ip_prefix_of(const ip_addr *a, unsigned len);
/* The host prefix: /32 or /128. */
ip_prefix ip_prefix_host(const ip_addr *a);
ip_addr ip_prefix_addr(const ip_prefix *p);
bool ip_prefix_eq(const ip_prefix *a, const ip_prefix *b);
/* Total order: IPv4 first, then address, then shorter length first: covers stand before what they
 * cover. */
int ip_prefix_cmp(const ip_prefix *a, const ip_prefix *b);
/* True if every address of inner is in outer (equal prefixes included). Both without host bits. */
bool ip_prefix_contains(const ip_prefix *outer, const ip_prefix *inner);
bool ip_prefix_has_addr(const ip_prefix *outer, const ip_addr *a);
/* 0.0.0.0/0 or ::/0 */
bool ip_prefix_is_default(const ip_prefix *p);

sock_addr sock_addr_make(const ip_addr *a, uint16_t port);
/* "192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%eth0]:5": numeric only. */
bool sock_addr_parse(sock_addr *ret, const char *text);
char *sock_addr_format(const sock_addr *s, char buf[static SOCK_ADDR_STRLEN]);
ip_addr sock_addr_ip(const sock_addr *s);
uint16_t sock_addr_port(const sock_addr *s);
/* Family, address, port and (IPv6) zone are the same. */
bool sock_addr_eq(const sock_addr *a, const sock_addr *b);
/* The length that bind() and sendto() want for its family. */
socklen_t sock_addr_len(const sock_addr *s);

#endif

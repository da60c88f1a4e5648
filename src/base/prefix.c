/* SPDX-License-Identifier: MIT */
#include "base/prefix.h"

#include <arpa/inet.h>
#include <assert.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

/* What an unset value looks like in text; no parser takes it. */
#define UNSET_TEXT "(none)"

unsigned ip_family_bits(int family)
{
	return family == AF_INET ? 32 : family == AF_INET6 ? 128 : 0;
}

bool ip_addr_parse(ip_addr *ret, const char *text)
{
	ip_addr a = {0};

	a.family = strchr(text, ':') ? AF_INET6 : AF_INET;
	if (inet_pton(a.family, text, a.bytes) != 1)
		return false;
	*ret = a;
	return true;
}

char *ip_addr_format(const ip_addr *a, char buf[static IP_ADDR_STRLEN])
{
	if (!inet_ntop(a->family, a->bytes, buf, IP_ADDR_STRLEN))
		strcpy(buf, UNSET_TEXT);
	return buf;
}

bool ip_addr_eq(const ip_addr *a, const ip_addr *b)
{
	return !ip_addr_cmp(a, b);
}

int ip_addr_cmp(const ip_addr *a, const ip_addr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

ip_addr ip_addr_from_bytes(int family, const void *bytes)
{
	ip_addr a = {.family = (uint8_t)family};

	memcpy(a.bytes, bytes, ip_family_bits(family) / 8);
	return a;
}

/* A decimal number of at most max, without sign or leading zeros, that is all of text. */
static bool parse_number(unsigned *ret, const char *text, unsigned max)
{
	uint64_t n = 0;

	if (!*text || (text[0] == '0' && text[1]))
		return false;
	for (; *text; text++) {
		if (*text < '0' || *text > '9')
			return false;
		n = n * 10 + (unsigned)(*text - '0');
		if (n > max)
			return false;
	}
	*ret = (unsigned)n;
	return true;
}

/* Copies n bytes of text as a string; false if they don't fit. */
static bool copy_part(char *buf, size_t size, const char *text, size_t n)
{
	if (n >= size)
		return false;
	memcpy(buf, text, n);
	buf[n] = '\0';
	return true;
}

bool ip_prefix_parse(ip_prefix *ret, const char *text)
{
	const char *slash = strchrnul(text, '/');
	char part[IP_ADDR_STRLEN];
	unsigned len;
	ip_addr a;

	if (!copy_part(part, sizeof(part), text, (size_t)(slash - text)) ||
		!ip_addr_parse(&a, part))
		return false;
	len = ip_family_bits(a.family);
	if (*slash && !parse_number(&len, slash + 1, len))
		return false;
	*ret = ip_prefix_host(&a);
	ret->len = (uint8_t)len;
	return true;
}

char *ip_prefix_format(const ip_prefix *p, char buf[static IP_PREFIX_STRLEN])
{
	ip_addr a = ip_prefix_addr(p);
	size_t n = strlen(ip_addr_format(&a, buf));

	if (p->family)
		snprintf(buf + n, IP_PREFIX_STRLEN - n, "/%u", p->len);
	return buf;
}

ip_prefix ip_prefix_masked(const ip_prefix *p)
{
	ip_prefix m = *p;
	unsigned whole = p->len / 8, rest = p->len % 8;

	if (rest)
		m.bytes[whole++] &= (uint8_t)(0xff00 >> rest);
	if (whole < sizeof(m.bytes))
		memset(m.bytes + whole, 0, sizeof(m.bytes) - whole);
	return m;
}

bool ip_prefix_has_host_bits(const ip_prefix *p)
{
	ip_prefix m = ip_prefix_masked(p);

	return !ip_prefix_eq(p, &m);
}

ip_prefix ip_prefix_of(const ip_addr *a, unsigned len)
{
	ip_prefix p = ip_prefix_host(a);

	assert(len <= p.len);
	p.len = (uint8_t)len;
	return ip_prefix_masked(&p);
}

ip_prefix ip_prefix_host(const ip_addr *a)
{
	ip_prefix p = {.family = a->family, .len = (uint8_t)ip_family_bits(a->family)};

	memcpy(p.bytes, a->bytes, sizeof(p.bytes));
	return p;
}

ip_addr ip_prefix_addr(const ip_prefix *p)
{
	ip_addr a = {.family = p->family};

	memcpy(a.bytes, p->bytes, sizeof(a.bytes));
	return a;
}

bool ip_prefix_eq(const ip_prefix *a, const ip_prefix *b)
{
	return !ip_prefix_cmp(a, b);
}

int ip_prefix_cmp(const ip_prefix *a, const ip_prefix *b)
{
	int order;

	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	order = memcmp(a->bytes, b->bytes, sizeof(a->bytes));
	return order ? order : (int)a->len - (int)b->len;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned len)
{
	unsigned whole = len / 8, rest = len % 8;

	if (memcmp(a, b, whole))
		return false;
	return !rest || !((a[whole] ^ b[whole]) >> (8 - rest));
}

bool ip_prefix_contains(const ip_prefix *outer, const ip_prefix *inner)
{
	return outer->family == inner->family && outer->len <= inner->len &&
	       same_bits(outer->bytes, inner->bytes, outer->len);
}

bool ip_prefix_has_addr(const ip_prefix *outer, const ip_addr *a)
{
	return outer->family == a->family && same_bits(outer->bytes, a->bytes, outer->len);
}

bool ip_prefix_is_default(const ip_prefix *p)
{
	return p->family && !p->len;
}

sock_addr sock_addr_make(const ip_addr *a, uint16_t port)
{
	sock_addr s;

	memset(&s, 0, sizeof(s));
	s.sa.sa_family = a->family;
	if (a->family == AF_INET) {
		memcpy(&s.in4.sin_addr, a->bytes, sizeof(s.in4.sin_addr));
		s.in4.sin_port = htons(port);
	} else if (a->family == AF_INET6) {
		memcpy(&s.in6.sin6_addr, a->bytes, sizeof(s.in6.sin6_addr));
		s.in6.sin6_port = htons(port);
	}
	return s;
}

/* An interface by name, else by number. */
static bool parse_zone(uint32_t *ret, const char *text)
{
	unsigned zone = if_nametoindex(text);

	if (!zone && (!parse_number(&zone, text, INT32_MAX) || !zone))
		return false;
	*ret = zone;
	return true;
}

/* "2001:db8::1" or "fe80::1%eth0" */
static bool parse_in6(sock_addr *ret, char *host, unsigned port)
{
	char *percent = strchr(host, '%');
	uint32_t zone = 0;
	ip_addr a;

	if (percent) {
		*percent = '\0';
		if (!parse_zone(&zone, percent + 1))
			return false;
	}
	if (!ip_addr_parse(&a, host) || a.family != AF_INET6)
		return false;
	*ret = sock_addr_make(&a, (uint16_t)port);
	ret->in6.sin6_scope_id = zone;
	return true;
}

bool sock_addr_parse(sock_addr *ret, const char *text)
{
	const char *colon = strrchr(text, ':');
	char host[SOCK_ADDR_STRLEN];
	unsigned port;
	size_t n;
	ip_addr a;

	if (!colon || !parse_number(&port, colon + 1, UINT16_MAX) ||
		!copy_part(host, sizeof(host), text, (size_t)(colon - text)))
		return false;
	n = strlen(host);
	if (n > 2 && host[0] == '[' && host[n - 1] == ']') {
		host[n - 1] = '\0';
		return parse_in6(ret, host + 1, port);
	}
	if (!ip_addr_parse(&a, host) || a.family != AF_INET)
		return false;
	*ret = sock_addr_make(&a, (uint16_t)port);
	return true;
}

char *sock_addr_format(const sock_addr *s, char buf[static SOCK_ADDR_STRLEN])
{
	char text[IP_ADDR_STRLEN], name[IF_NAMESIZE], zone[IF_NAMESIZE + 2] = "";
	ip_addr a = sock_addr_ip(s);

	ip_addr_format(&a, text);
	if (a.family == AF_INET) {
		snprintf(buf, SOCK_ADDR_STRLEN, "%s:%u", text, sock_addr_port(s));
	} else if (a.family == AF_INET6) {
		if (s->in6.sin6_scope_id && if_indextoname(s->in6.sin6_scope_id, name))
			snprintf(zone, sizeof(zone), "%%%s", name);
		else if (s->in6.sin6_scope_id)
			snprintf(zone, sizeof(zone), "%%%u", s->in6.sin6_scope_id);
		snprintf(buf, SOCK_ADDR_STRLEN, "[%s%s]:%u", text, zone, sock_addr_port(s));
	} else {
		strcpy(buf, UNSET_TEXT);
	}
	return buf;
}

ip_addr sock_addr_ip(const sock_addr *s)
{
	switch (s->sa.sa_family) {
	case AF_INET:
		return ip_addr_from_bytes(AF_INET, &s->in4.sin_addr);
	case AF_INET6:
		return ip_addr_from_bytes(AF_INET6, &s->in6.sin6_addr);
	default:
		return (ip_addr){0};
	}
}

uint16_t sock_addr_port(const sock_addr *s)
{
	switch (s->sa.sa_family) {
	case AF_INET:
		return ntohs(s->in4.sin_port);
	case AF_INET6:
		return ntohs(s->in6.sin6_port);
	default:
		return 0;
	}
}

bool sock_addr_eq(const sock_addr *a, const sock_addr *b)
{
	ip_addr x = sock_addr_ip(a), y = sock_addr_ip(b);

	if (!ip_addr_eq(&x, &y) || sock_addr_port(a) != sock_addr_port(b))
		return false;
	return x.family != AF_INET6 || a->in6.sin6_scope_id == b->in6.sin6_scope_id;
}

socklen_t sock_addr_len(const sock_addr *s)
{
	switch (s->sa.sa_family) {
	case AF_INET:
		return sizeof(s->in4);
	case AF_INET6:
		return sizeof(s->in6);
	default:
		return 0;
	}
}

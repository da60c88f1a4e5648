/* SPDX-License-Identifier: MIT */
/* "host:port", "[2001:db8::1]:port", "[fe80::1%eth0]:port", the port may be left out. The host is
 * an address or a name. Whether anybody can be reached there is the check's matter. */
#include "mesh/parse.h"

#include <string.h>

#define HOST_MOST 253
#define LABEL_MOST 63
#define LABEL_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
#define ZONE_CHARACTERS LABEL_CHARACTERS "=+."

/* A label that resolvers take for a part of an IPv4 address: digits, or 0x and digits of 16. */
static bool is_number(const char *label, size_t n)
{
	if (n > 2 && label[0] == '0' && (label[1] == 'x' || label[1] == 'X'))
		return 2 + strspn(label + 2, "0123456789abcdefABCDEF") == n;
	return strspn(label, "0123456789") == n;
}

/* A host name whose last label isn't a number: such a one would be an IPv4 address with a slip. */
bool parse_is_host_name(const char *s)
{
	const char *label = s;
	size_t n;

	if (!*s || strlen(s) > HOST_MOST)
		return false;
	for (;;) {
		n = strspn(label, LABEL_CHARACTERS);
		if (!n || n > LABEL_MOST || label[0] == '-' || label[n - 1] == '-')
			return false;
		if (!label[n] || !strcmp(label + n, "."))
			break;
		if (label[n] != '.')
			return false;
		label += n + 1;
	}
	return !is_number(label, n);
}

static bool port_of(const char *s, uint16_t *ret)
{
	uint32_t n = 0;

	if (!*s || strlen(s) > 5 || *s == '0' || s[strspn(s, "0123456789")])
		return false;
	for (; *s; s++)
		n = n * 10 + (uint32_t)(*s - '0');
	if (n > UINT16_MAX)
		return false;
	*ret = (uint16_t)n;
	return true;
}

/* Cuts text into host and port, both ends zero-terminated in place; port NULL: left out. False: an
 * unclosed bracket, or something behind it that isn't a port. */
static bool cut(char *text, char **ret_host, char **ret_port)
{
	char *colon;

	*ret_host = text;
	*ret_port = NULL;
	if (*text == '[') {
		char *close = strchr(text, ']');

		if (!close || (close[1] && close[1] != ':'))
			return false;
		*ret_host = text + 1;
		*close = '\0';
		*ret_port = close[1] ? close + 2 : NULL;
		return true;
	}
	colon = strrchr(text, ':');
	if (colon) {
		*colon = '\0';
		*ret_port = colon + 1;
	}
	return true;
}

/* An address, and behind a percent sign perhaps an interface, by name or number. */
static bool is_in6(const char *host)
{
	const char *zone = strchr(host, '%');
	char address[IP_ADDR_STRLEN];
	size_t n = zone ? (size_t)(zone - host) : strlen(host);
	ip_addr a;

	if (n >= sizeof(address) || (zone && strspn(zone + 1, ZONE_CHARACTERS) != strlen(zone + 1)))
		return false;
	memcpy(address, host, n);
	address[n] = '\0';
	return (!zone || zone[1]) && ip_addr_parse(&a, address) && a.family == AF_INET6;
}

static bool is_host(const char *host, bool bracketed)
{
	ip_addr a;

	if (bracketed)
		return is_in6(host);
	return (ip_addr_parse(&a, host) && a.family == AF_INET) || parse_is_host_name(host);
}

void parse_endpoint(struct parse *p, const struct yaml_node *v, void *into)
{
	struct mesh_endpoint *e = into;
	uint16_t port = 0;
	char *text, *host, *port_text;
	ip_addr bare;

	if (v->kind != YAML_SCALAR || yaml_type_of(v) != YAML_TEXT) {
		parse_refuse(p, v, "host:port, as in hub.example.net:51820");
		return;
	}
	if (ip_addr_parse(&bare, v->text) && bare.family == AF_INET6) {
		parse_complain(p, v,
			"an IPv6 address wants brackets here, to tell it from a port: \"[%s]\"",
			v->text);
		return;
	}
	text = arena_strdup(p->arena, v->text);
	if (!cut(text, &host, &port_text) || !is_host(host, *v->text == '[')) {
		parse_refuse(p, v,
			"host:port with a name or an address as the host, as in "
			"hub.example.net:51820, 192.0.2.1:51820 or \"[2001:db8::1]:51820\"");
		return;
	}
	if (port_text && !port_of(port_text, &port)) {
		parse_refuse(p, v, "host:port with a port from 1 to 65535");
		return;
	}
	*e = (struct mesh_endpoint){host, port, v->pos};
}

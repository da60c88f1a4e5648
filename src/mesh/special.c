/* SPDX-License-Identifier: MIT */
#include "mesh/special.h"

#include "base/mem.h"
#include <assert.h>
#include <string.h>
#include <strings.h>

struct range {
	const char *prefix;
	const char *address, *network; /* what one is that lies within */
};

/* The first that holds it names it, so the narrow ones come first. */
static const struct range ranges[] = {
	{"0.0.0.0/32", "the unspecified address", "the unspecified address"},
	{"0.0.0.0/8", "an address of 0.0.0.0/8, which is no host's", "reserved (0.0.0.0/8)"},
	{"127.0.0.0/8", "a loopback address", "loopback"},
	{"224.0.0.0/4", "a multicast address", "multicast"},
	{"255.255.255.255/32", "the broadcast address", "the broadcast address"},
	{"240.0.0.0/4", "a reserved address", "reserved (240.0.0.0/4)"},
	{"224.0.0.0/3", "a reserved address", "multicast and reserved (224.0.0.0/3)"},
	{"::/128", "the unspecified address", "the unspecified address"},
	{"::1/128", "a loopback address", "loopback"},
	{"::ffff:0:0/96", "an IPv4 address as IPv6 sockets write it", "IPv4-mapped"},
	{"::/80", "a reserved address", "reserved (::/80)"},
	{"ff00::/8", "a multicast address", "multicast"},
};

static const char link_local_range[] = "fe80::/10";

static ip_prefix prefix_of(const char *text)
{
	ip_prefix p;
	bool ok = ip_prefix_parse(&p, text);

	assert(ok);
	(void)ok;
	return p;
}

const char *special_address(const ip_addr *a)
{
	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		ip_prefix range = prefix_of(ranges[i].prefix);

		if (ip_prefix_has_addr(&range, a))
			return ranges[i].address;
	}
	return NULL;
}

const char *special_network(const ip_prefix *p)
{
	ip_prefix link_local = prefix_of(link_local_range);

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		ip_prefix range = prefix_of(ranges[i].prefix);

		if (ip_prefix_contains(&range, p))
			return ranges[i].network;
	}
	return ip_prefix_contains(&link_local, p) ? "link-local" : NULL;
}

const char *special_overlap(const ip_prefix *p)
{
	ip_prefix link_local = prefix_of(link_local_range);

	for (size_t i = 0; i < ARRAY_SIZE(ranges); i++) {
		ip_prefix range = prefix_of(ranges[i].prefix);

		if (ip_prefix_contains(&range, p) || ip_prefix_contains(p, &range))
			return ranges[i].network;
	}
	return ip_prefix_contains(&link_local, p) || ip_prefix_contains(p, &link_local)
		       ? "link-local"
		       : NULL;
}

bool special_is_link_local(const ip_addr *a)
{
	ip_prefix v4 = prefix_of("169.254.0.0/16"), v6 = prefix_of(link_local_range);

	return ip_prefix_has_addr(&v4, a) || ip_prefix_has_addr(&v6, a);
}

bool special_mapped_ipv4(const ip_addr *a, ip_addr *ret)
{
	ip_prefix mapped = prefix_of("::ffff:0:0/96");

	if (!ip_prefix_has_addr(&mapped, a))
		return false;
	*ret = ip_addr_from_bytes(AF_INET, a->bytes + 12);
	return true;
}

/* True if the host of n characters is the name, or a name under it. */
static bool is_or_ends_in(const char *host, size_t n, const char *name)
{
	size_t tail = strlen(name);

	if (n < tail || strncasecmp(host + n - tail, name, tail))
		return false;
	return n == tail || host[n - tail - 1] == '.';
}

/* RFC 6761, 6.3, and what Debian and Fedora write into /etc/hosts. */
bool special_is_own_name(const char *host)
{
	static const char *const names[] = {"localhost", "localhost.localdomain", "ip6-localhost",
		"ip6-loopback", "localhost4", "localhost4.localdomain4", "localhost6",
		"localhost6.localdomain6"};
	size_t n = strlen(host);

	if (n && host[n - 1] == '.')
		n--;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (is_or_ends_in(host, n, names[i]))
			return true;
	return false;
}

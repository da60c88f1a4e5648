/* SPDX-License-Identifier: MIT */
#include "model.h"

#include "base/mem.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

int model_link_get(const struct model *m, const char *ifname, struct rtnl_link *ret)
{
	if (!m->exists || strcmp(ifname, MODEL_IFNAME) != 0)
		return -ENODEV;
	*ret = (struct rtnl_link){
		.index = m->ifindex,
		.name = MODEL_IFNAME,
		.kind = "wireguard",
		.flags = m->up ? IFF_UP : 0,
		.mtu = m->mtu,
	};
	return 0;
}

static struct rtnl_route local_route(const struct model *m, const ip_prefix *a)
{
	ip_addr host = ip_prefix_addr(a);

	return (struct rtnl_route){
		.dst = ip_prefix_host(&host),
		.ifindex = m->ifindex,
		.table = RT_TABLE_LOCAL,
		.protocol = RTPROT_KERNEL,
		.type = RTN_LOCAL,
	};
}

static struct rtnl_route connected_route(const struct model *m, const ip_prefix *a)
{
	return (struct rtnl_route){
		.dst = ip_prefix_masked(a),
		.ifindex = m->ifindex,
		.protocol = RTPROT_KERNEL,
		/* The kernel's own in IPv6. */
		.metric = a->family == AF_INET6 ? 256 : 0,
	};
}

/* Routes of the kernel's own, which stand while the link is up. */
static void connect_address(struct model *m, const ip_prefix *a, bool foreign)
{
	struct rtnl_route local = local_route(m, a), connected = connected_route(m, a);

	model_route_add(m, &local, foreign);
	if (m->up && a->len < ip_family_bits(a->family))
		model_route_add(m, &connected, foreign);
}

int model_link_set(struct model *m, int ifindex, bool up, unsigned mtu)
{
	if (!m->exists || ifindex != m->ifindex)
		return -ENODEV;
	m->mtu = mtu ? mtu : m->mtu;
	if (m->up == up)
		return 0;
	m->up = up;
	if (!up)
		model_routes_leave(m, ifindex);
	for (size_t i = 0; i < m->addresses.n; i++)
		connect_address(m, &m->addresses.items[i].prefix, m->addresses.items[i].foreign);
	return 0;
}

int model_addr_list(const struct model *m, int ifindex, ip_prefix **ret, size_t *ret_n)
{
	if (!m->exists || ifindex != m->ifindex)
		return -ENODEV;
	*ret = mem_zalloc(m->addresses.n + 1, sizeof(**ret));
	*ret_n = m->addresses.n;
	for (size_t i = 0; i < m->addresses.n; i++)
		(*ret)[i] = m->addresses.items[i].prefix;
	return 0;
}

int model_addr_add(struct model *m, int ifindex, const ip_prefix *a, bool foreign)
{
	if (!m->exists || ifindex != m->ifindex)
		return -ENODEV;
	for (size_t i = 0; i < m->addresses.n; i++)
		if (ip_prefix_eq(&m->addresses.items[i].prefix, a))
			return 0;
	vec_push(&m->addresses, ((struct model_address){*a, foreign}));
	connect_address(m, a, foreign);
	return 0;
}

static bool is_same_subnet(const ip_prefix *a, const ip_prefix *b)
{
	ip_prefix x = ip_prefix_masked(a), y = ip_prefix_masked(b);

	return ip_prefix_eq(&x, &y);
}

static void take_address(struct model *m, size_t at)
{
	struct model_address a = m->addresses.items[at];
	struct rtnl_route local = local_route(m, &a.prefix);
	struct rtnl_route connected = connected_route(m, &a.prefix);
	bool shared = false;

	m->addresses.n--;
	memmove(&m->addresses.items[at], &m->addresses.items[at + 1],
		(m->addresses.n - at) * sizeof(a));
	for (size_t i = 0; i < m->addresses.n; i++)
		shared |= is_same_subnet(&m->addresses.items[i].prefix, &a.prefix);
	if (a.foreign)
		model_violated(m, "a foreign address is removed");
	model_route_del(m, &local);
	if (!shared)
		model_route_del(m, &connected);
}

static int find_address(const struct model *m, const ip_prefix *a, bool in_subnet)
{
	for (size_t i = 0; i < m->addresses.n; i++)
		if (in_subnet ? is_same_subnet(&m->addresses.items[i].prefix, a)
			      : ip_prefix_eq(&m->addresses.items[i].prefix, a))
			return (int)i;
	return -1;
}

static bool promotes(const struct model *m)
{
	int value = 0;

	return !model_sysctl_get(m, "net/ipv4/conf/" MODEL_IFNAME "/promote_secondaries", &value) &&
	       value;
}

/* The first address of an IPv4 subnet takes the others of it along, unless they may succeed it. */
int model_addr_del(struct model *m, int ifindex, const ip_prefix *a)
{
	int at = find_address(m, a, false);
	bool first;

	if (!m->exists || ifindex != m->ifindex)
		return -ENODEV;
	if (at < 0)
		return 0;
	first = find_address(m, a, true) == at && a->family == AF_INET;
	take_address(m, (size_t)at);
	while (first && !promotes(m) && (at = find_address(m, a, true)) >= 0)
		take_address(m, (size_t)at);
	return 0;
}

bool model_has_address(const struct model *m, const ip_addr *a)
{
	for (size_t i = 0; i < m->addresses.n; i++) {
		ip_addr own = ip_prefix_addr(&m->addresses.items[i].prefix);

		if (ip_addr_eq(&own, a))
			return true;
	}
	return false;
}

int model_sysctl_get(const struct model *m, const char *path, int *ret)
{
	*ret = 0;
	for (size_t i = 0; i < m->sysctls.n; i++)
		if (!strcmp(m->sysctls.items[i].path, path))
			*ret = m->sysctls.items[i].value;
	return 0;
}

int model_sysctl_set(struct model *m, const char *path, int value)
{
	struct model_sysctl s = {.value = value};

	for (size_t i = 0; i < m->sysctls.n; i++)
		if (!strcmp(m->sysctls.items[i].path, path)) {
			m->sysctls.items[i].value = value;
			return 0;
		}
	snprintf(s.path, sizeof(s.path), "%s", path);
	vec_push(&m->sysctls, s);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "sys/rtnl_internal.h"

#include "base/mem.h"
#include "base/vec.h"
#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/net_namespace.h>
#include <stdlib.h>
#include <string.h>

int rtnl_open(struct rtnl **ret)
{
	struct nl *nl;
	int r = nl_open(NETLINK_ROUTE, &nl);

	if (r < 0)
		return r;
	*ret = mem_zalloc(1, sizeof(**ret));
	(*ret)->nl = nl;
	return 0;
}

void rtnl_close(struct rtnl *r)
{
	if (!r)
		return;
	nl_close(r->nl);
	free(r);
}

/* --- links ---------------------------------------------------------------------------------- */

static bool ifname_ok(const char *ifname)
{
	size_t n = strnlen(ifname, IFNAMSIZ);

	return n > 0 && n < IFNAMSIZ;
}

static void link_kind(const struct nlattr *info, char ret[static 32])
{
	nl_for_each_nested (a, info) {
		if (mnl_attr_get_type(a) != IFLA_INFO_KIND)
			continue;
		size_t n = strnlen(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));

		n = n < 31 ? n : 31;
		memcpy(ret, mnl_attr_get_payload(a), n);
		ret[n] = '\0';
	}
}

static bool makes_link_local(const struct nlattr *families)
{
	nl_for_each_nested (family, families) {
		if (mnl_attr_get_type(family) != AF_INET6)
			continue;
		nl_for_each_nested (a, family)
			if (mnl_attr_get_type(a) == IFLA_INET6_ADDR_GEN_MODE &&
				mnl_attr_get_payload_len(a) >= 1)
				return mnl_attr_get_u8(a) != IN6_ADDR_GEN_MODE_NONE;
	}
	return false;
}

static int on_link(const struct nlmsghdr *h, void *data)
{
	const struct ifinfomsg *m = mnl_nlmsg_get_payload(h);
	struct rtnl_link *l = data;

	if (h->nlmsg_type != RTM_NEWLINK)
		return 0;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return -EBADMSG;
	l->index = m->ifi_index;
	l->flags = m->ifi_flags;
	nl_for_each_attr (a, h, sizeof(*m)) {
		size_t n = mnl_attr_get_payload_len(a);

		switch (mnl_attr_get_type(a)) {
		case IFLA_IFNAME:
			n = strnlen(mnl_attr_get_payload(a), n < IFNAMSIZ ? n : IFNAMSIZ - 1);
			memcpy(l->name, mnl_attr_get_payload(a), n);
			l->name[n] = '\0';
			break;
		case IFLA_MTU:
			if (n >= 4)
				l->mtu = mnl_attr_get_u32(a);
			break;
		case IFLA_LINKINFO:
			link_kind(a, l->kind);
			break;
		case IFLA_AF_SPEC:
			l->makes_link_local = makes_link_local(a);
			break;
		}
	}
	return 0;
}

int rtnl_link_get(struct rtnl *r, const char *ifname, struct rtnl_link *ret)
{
	return rtnl_link_get_in(r, -1, ifname, ret);
}

int rtnl_link_get_in(struct rtnl *r, int netns_id, const char *ifname, struct rtnl_link *ret)
{
	struct nlmsghdr *h = nl_begin(r->nl, RTM_GETLINK, 0);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct rtnl_link found = {0};
	int err;

	if (!ifname_ok(ifname))
		return -ENODEV;
	m->ifi_family = AF_UNSPEC;
	if (netns_id >= 0)
		mnl_attr_put_u32(h, IFLA_TARGET_NETNSID, (uint32_t)netns_id);
	mnl_attr_put_strz(h, IFLA_IFNAME, ifname);
	err = nl_talk(r->nl, h, on_link, &found);
	if (err < 0)
		return err;
	if (!found.index)
		return -ENODEV;
	*ret = found;
	return 0;
}

static int on_netns_id(const struct nlmsghdr *h, void *data)
{
	if (h->nlmsg_type == RTM_NEWNSID)
		nl_for_each_attr (a, h, sizeof(struct rtgenmsg))
			if (mnl_attr_get_type(a) == NETNSA_NSID && mnl_attr_get_payload_len(a) >= 4)
				*(int *)data = (int)mnl_attr_get_u32(a);
	return 0;
}

static int talk_netns_id(struct rtnl *r, uint16_t type, int netns_fd, int *ret)
{
	struct nlmsghdr *h = nl_begin(r->nl, type, 0);
	struct rtgenmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->rtgen_family = AF_UNSPEC;
	mnl_attr_put_u32(h, NETNSA_FD, (uint32_t)netns_fd);
	if (type == RTM_NEWNSID)
		mnl_attr_put_u32(h, NETNSA_NSID, (uint32_t)NETNSA_NSID_NOT_ASSIGNED);
	return nl_talk(r->nl, h, on_netns_id, ret);
}

int rtnl_netns_id(struct rtnl *r, int netns_fd, int *ret)
{
	int id = NETNSA_NSID_NOT_ASSIGNED, err = talk_netns_id(r, RTM_GETNSID, netns_fd, &id);

	if (!err && id == NETNSA_NSID_NOT_ASSIGNED) {
		err = talk_netns_id(r, RTM_NEWNSID, netns_fd, &id);
		/* Somebody else may have been first. */
		if (!err || err == -EEXIST)
			err = talk_netns_id(r, RTM_GETNSID, netns_fd, &id);
	}
	if (!err && id < 0)
		err = -ENOENT;
	if (!err)
		*ret = id;
	return err;
}

int rtnl_link_set(struct rtnl *r, int ifindex, bool up, unsigned mtu)
{
	struct nlmsghdr *h = nl_begin(r->nl, RTM_NEWLINK, 0);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ifi_family = AF_UNSPEC;
	m->ifi_index = ifindex;
	m->ifi_change = IFF_UP;
	m->ifi_flags = up ? IFF_UP : 0;
	if (mtu)
		mnl_attr_put_u32(h, IFLA_MTU, mtu);
	return nl_talk(r->nl, h, NULL, NULL);
}

int rtnl_link_add(struct rtnl *r, const char *ifname, const char *kind)
{
	struct nlmsghdr *h = nl_begin(r->nl, RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct nlattr *info;

	if (!ifname_ok(ifname))
		return -EINVAL;
	m->ifi_family = AF_UNSPEC;
	mnl_attr_put_strz(h, IFLA_IFNAME, ifname);
	info = mnl_attr_nest_start(h, IFLA_LINKINFO);
	mnl_attr_put_strz(h, IFLA_INFO_KIND, kind);
	mnl_attr_nest_end(h, info);
	return nl_talk(r->nl, h, NULL, NULL);
}

int rtnl_link_del(struct rtnl *r, int ifindex)
{
	struct nlmsghdr *h = nl_begin(r->nl, RTM_DELLINK, 0);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ifi_family = AF_UNSPEC;
	m->ifi_index = ifindex;
	return nl_talk(r->nl, h, NULL, NULL);
}

/* --- addresses ------------------------------------------------------------------------------ */

void rtnl_put_addr(struct nlmsghdr *h, uint16_t type, int family, const uint8_t *bytes)
{
	mnl_attr_put(h, type, family == AF_INET ? 4 : 16, bytes);
}

static int addr_change(
	struct rtnl *r, uint16_t type, uint16_t flags, int ifindex, const ip_prefix *address)
{
	struct nlmsghdr *h = nl_begin(r->nl, type, flags);
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->ifa_family = address->family;
	m->ifa_prefixlen = address->len;
	m->ifa_index = (unsigned)ifindex;
	if (type == RTM_NEWADDR && address->family == AF_INET6)
		m->ifa_flags = IFA_F_NODAD;
	rtnl_put_addr(h, IFA_LOCAL, address->family, address->bytes);
	rtnl_put_addr(h, IFA_ADDRESS, address->family, address->bytes);
	return nl_talk(r->nl, h, NULL, NULL);
}

int rtnl_addr_add(struct rtnl *r, int ifindex, const ip_prefix *address)
{
	int err = addr_change(r, RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL, ifindex, address);
	AUTO_FREE ip_prefix *list = NULL;
	size_t n;

	if (err != -EEXIST)
		return err;
	/* IPv6 says so for the same address of another length, too. */
	err = rtnl_addr_list(r, ifindex, &list, &n);
	if (err < 0)
		return err;
	for (size_t i = 0; i < n; i++)
		if (ip_prefix_eq(&list[i], address))
			return 0;
	return -EEXIST;
}

int rtnl_addr_del(struct rtnl *r, int ifindex, const ip_prefix *address)
{
	int err = addr_change(r, RTM_DELADDR, 0, ifindex, address);

	return err == -EADDRNOTAVAIL ? 0 : err;
}

struct addr_walk {
	int ifindex;
	bool of_kernel; /* those that the kernel has made, and no others */
	VEC(ip_prefix) found;
};

static void addr_restart(void *data)
{
	struct addr_walk *w = data;

	w->found.n = 0;
}

static bool is_link_local(const struct ifaddrmsg *m)
{
	return m->ifa_family == AF_INET6 && m->ifa_scope == RT_SCOPE_LINK;
}

/* Of its own accord: what a program adds has neither. */
static bool is_made_by_kernel(const struct nlmsghdr *h, const struct ifaddrmsg *m)
{
	bool is = false;

	nl_for_each_attr (a, h, sizeof(*m)) {
		uint16_t type = mnl_attr_get_type(a);
		size_t n = mnl_attr_get_payload_len(a);

		is |= type == IFA_FLAGS && n >= 4 && mnl_attr_get_u32(a) & IFA_F_STABLE_PRIVACY;
		is |= type == IFA_PROTO && n >= 1 && mnl_attr_get_u8(a) == IFAPROT_KERNEL_LL;
	}
	return is && is_link_local(m);
}

static int on_addr(const struct nlmsghdr *h, void *data)
{
	const struct ifaddrmsg *m = mnl_nlmsg_get_payload(h);
	struct addr_walk *w = data;
	ip_prefix p = {0};
	bool local = false;

	if (h->nlmsg_type != RTM_NEWADDR)
		return 0;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return -EBADMSG;
	if ((int)m->ifa_index != w->ifindex || m->ifa_prefixlen > ip_family_bits(m->ifa_family))
		return 0;
	if ((m->ifa_scope != RT_SCOPE_UNIVERSE && !is_link_local(m)) ||
		is_made_by_kernel(h, m) != w->of_kernel)
		return 0;
	p.family = m->ifa_family;
	p.len = m->ifa_prefixlen;
	nl_for_each_attr (a, h, sizeof(*m)) {
		uint16_t type = mnl_attr_get_type(a);

		/* IFA_ADDRESS is the other end where there is one. */
		if (mnl_attr_get_payload_len(a) != ip_family_bits(p.family) / 8 ||
			!(type == IFA_LOCAL || (type == IFA_ADDRESS && !local)))
			continue;
		memcpy(p.bytes, mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));
		local |= type == IFA_LOCAL;
	}
	vec_push(&w->found, p);
	return 0;
}

static int addr_dump(struct rtnl *r, struct addr_walk *w)
{
	struct nlmsghdr *h = nl_begin(r->nl, RTM_GETADDR, NLM_F_DUMP);
	struct ifaddrmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	int err;

	m->ifa_index = (unsigned)w->ifindex;
	err = nl_dump(r->nl, h, on_addr, addr_restart, w);
	if (err < 0)
		vec_done(&w->found);
	return err;
}

int rtnl_addr_list(struct rtnl *r, int ifindex, ip_prefix **ret, size_t *ret_n)
{
	struct addr_walk w = {.ifindex = ifindex};
	int err = addr_dump(r, &w);

	if (err < 0)
		return err;
	*ret = w.found.items;
	*ret_n = w.found.n;
	return 0;
}

/* --- no address of the kernel's choice ------------------------------------------------------ */

static int addrgen_none(struct rtnl *r, int ifindex)
{
	struct nlmsghdr *h = nl_begin(r->nl, RTM_NEWLINK, 0);
	struct ifinfomsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	struct nlattr *families, *family;
	int err;

	m->ifi_family = AF_UNSPEC;
	m->ifi_index = ifindex;
	families = mnl_attr_nest_start(h, IFLA_AF_SPEC);
	family = mnl_attr_nest_start(h, AF_INET6);
	mnl_attr_put_u8(h, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE);
	mnl_attr_nest_end(h, family);
	mnl_attr_nest_end(h, families);
	err = nl_talk(r->nl, h, NULL, NULL);
	return err == -EAFNOSUPPORT || err == -EOPNOTSUPP ? 0 : err;
}

/* The mode last: who is killed in between finds that there is something left to do. */
int rtnl_link_quiet(struct rtnl *r, int ifindex)
{
	struct addr_walk w = {.ifindex = ifindex, .of_kernel = true};
	int err = addr_dump(r, &w);

	for (size_t i = 0; !err && i < w.found.n; i++)
		err = rtnl_addr_del(r, ifindex, &w.found.items[i]);
	vec_done(&w.found);
	return err ? err : addrgen_none(r, ifindex);
}

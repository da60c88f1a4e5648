/* SPDX-License-Identifier: MIT */
#include "sys/rtnl_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>

struct flow_answer {
	int ifindex;
	uint8_t type;
	bool found;
};

static int on_answer(const struct nlmsghdr *h, void *data)
{
	const struct rtmsg *m = mnl_nlmsg_get_payload(h);
	struct flow_answer *a = data;

	if (h->nlmsg_type != RTM_NEWROUTE)
		return 0;
	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return -EBADMSG;
	nl_for_each_attr (at, h, sizeof(*m))
		if (mnl_attr_get_type(at) == RTA_OIF && mnl_attr_get_payload_len(at) >= 4)
			a->ifindex = (int)mnl_attr_get_u32(at);
	a->type = m->rtm_type;
	a->found = true;
	return 0;
}

/* What policy rules may ask for. */
static void put_ports(struct nlmsghdr *h, const struct rtnl_flow *flow)
{
	if (!flow->to_port)
		return;
	mnl_attr_put_u8(h, RTA_IP_PROTO, IPPROTO_UDP);
	mnl_attr_put_u16(h, RTA_DPORT, htons(flow->to_port));
	if (flow->from_port)
		mnl_attr_put_u16(h, RTA_SPORT, htons(flow->from_port));
}

int rtnl_flow_route(
	struct rtnl *r, const struct rtnl_flow *flow, int *ret_ifindex, uint8_t *ret_type)
{
	struct nlmsghdr *h = nl_begin(r->nl, RTM_GETROUTE, 0);
	struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	uint8_t bits = (uint8_t)ip_family_bits(flow->to.family);
	struct flow_answer a = {0};
	int err;

	m->rtm_family = flow->to.family;
	m->rtm_dst_len = bits;
	rtnl_put_addr(h, RTA_DST, flow->to.family, flow->to.bytes);
	if (flow->from.family == flow->to.family) {
		m->rtm_src_len = bits;
		rtnl_put_addr(h, RTA_SRC, flow->to.family, flow->from.bytes);
	}
	if (flow->ifindex)
		mnl_attr_put_u32(h, RTA_OIF, (uint32_t)flow->ifindex);
	if (flow->fwmark)
		mnl_attr_put_u32(h, RTA_MARK, flow->fwmark);
	put_ports(h, flow);
	err = nl_talk(r->nl, h, on_answer, &a);
	if (!err && !a.found)
		err = -ENETUNREACH;
	if (err)
		return err;
	*ret_ifindex = a.ifindex;
	*ret_type = a.type;
	return 0;
}

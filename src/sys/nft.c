/* SPDX-License-Identifier: MIT */
#include "sys/nft_internal.h"

#include "base/mem.h"
#include <errno.h>
#include <linux/netlink.h>
#include <stdlib.h>

int nft_open(struct nft **ret)
{
	struct nl *nl;
	struct nft *n;
	int err = nl_open(NETLINK_NETFILTER, &nl);

	if (err)
		return err;
	n = mem_zalloc(1, sizeof(*n));
	n->nl = nl;
	*ret = n;
	return 0;
}

void nft_close(struct nft *n)
{
	if (!n)
		return;
	nl_close(n->nl);
	free(n);
}

struct nlmsghdr *nft_message(
	struct nft *n, struct nlmsghdr *last, uint16_t type, uint16_t flags, uint8_t family)
{
	struct nlmsghdr *h = last ? nl_append(last, type, flags) : nl_begin(n->nl, type, flags);
	struct nfgenmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));

	m->nfgen_family = family;
	m->version = NFNETLINK_V0;
	return h;
}

void nft_put_u32(struct nlmsghdr *h, uint16_t type, uint32_t value)
{
	mnl_attr_put_u32(h, type, htonl(value));
}

/* SPDX-License-Identifier: MIT */
/*
 * What a chain of nftables does with a new connection that is forwarded from one interface to
 * another, as far as its rules are understood. The claim is modest: a chain is said to refuse only
 * if nothing in it could let the packet pass. Pure.
 */
#ifndef SHUNT_DAEMON_FORWARD_POLICY_H
#define SHUNT_DAEMON_FORWARD_POLICY_H

#include "sys/nft_read.h"

struct forward_path {
	int family; /* AF_INET, AF_INET6 */
	char in[IFNAMSIZ], out[IFNAMSIZ];
	unsigned in_index, out_index;
};

/* True if the chain's hook sees packets of the family. */
bool forward_chain_sees(const struct nft_base_chain *c, int family);
/* True if the packet certainly ends there. rules: of the chain's table. */
bool forward_is_refused(const struct nft_base_chain *c, const struct nft_rule *rules, size_t n,
	const struct forward_path *path);

#endif

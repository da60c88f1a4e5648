/* SPDX-License-Identifier: MIT */
/* Other people's chains and rules in nftables (iptables-nft's among them), as far as they are
 * understood: enough to tell what becomes of a forwarded packet by its interfaces. */
#ifndef SHUNT_SYS_NFT_READ_H
#define SHUNT_SYS_NFT_READ_H

#include "sys/nft.h"
#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>

#define NFT_NAME_MAX 128 /* longer names are cut, and then match nothing */

/* Of the hook forward; chains that are only jumped to aren't listed. */
struct nft_base_chain {
	uint8_t family; /* NFPROTO_IPV4, NFPROTO_IPV6, NFPROTO_INET */
	char table[NFT_NAME_MAX], name[NFT_NAME_MAX];
	bool drops; /* its policy */
};

enum nft_match_kind { NFT_ANY, NFT_BY_NAME, NFT_BY_INDEX };

/* What a rule asks of an interface. */
struct nft_match {
	enum nft_match_kind kind;
	bool invert;
	char name[IFNAMSIZ];
	size_t len; /* so much of the name counts; IFNAMSIZ: all, otherwise it is `wg*` */
	uint32_t index;
};

enum nft_verdict {
	NFT_NONE, /* it only counts, logs, marks */
	NFT_PASS,
	NFT_REFUSE, /* drop or reject */
	NFT_JUMPS,
	NFT_GOES,
	NFT_RETURNS,
	NFT_UNCLEAR /* a map decides, a queue, or something unknown */
};

struct nft_rule {
	char chain[NFT_NAME_MAX];
	struct nft_match in, out;
	uint8_t nfproto;     /* NFPROTO_IPV4 or NFPROTO_IPV6; 0: any */
	bool is_special;     /* not for new TCP or UDP flows: established ones, echoes */
	bool has_conditions; /* others, which may hold or not */
	enum nft_verdict verdict;
	char target[NFT_NAME_MAX]; /* of NFT_JUMPS and NFT_GOES */
};

/* *ret is malloc'd. 0 or negative errno. */
int nft_forward_chains(struct nft *n, struct nft_base_chain **ret, size_t *ret_n);
/* All rules of a table, chain by chain, in order; *ret is malloc'd. */
int nft_rules(
	struct nft *n, uint8_t family, const char *table, struct nft_rule **ret, size_t *ret_n);

#endif

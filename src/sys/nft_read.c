/* SPDX-License-Identifier: MIT */
#include "sys/nft_internal.h"

#include "base/mem.h"
#include "base/vec.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint32_t nft_u32(const struct nlattr *a)
{
	return mnl_attr_get_payload_len(a) != sizeof(uint32_t) ? 0 : ntohl(mnl_attr_get_u32(a));
}

void nft_text(const struct nlattr *a, char out[static NFT_NAME_MAX])
{
	size_t n = strnlen(mnl_attr_get_payload(a), mnl_attr_get_payload_len(a));

	if (n >= NFT_NAME_MAX)
		n = NFT_NAME_MAX - 1;
	memcpy(out, mnl_attr_get_payload(a), n);
	out[n] = '\0';
}

static bool has_family(const struct nlmsghdr *h, uint8_t *ret)
{
	const struct nfgenmsg *m = mnl_nlmsg_get_payload(h);

	if (mnl_nlmsg_get_payload_len(h) < sizeof(*m))
		return false;
	*ret = m->nfgen_family;
	return true;
}

/* --- chains ------------------------------------------------------------------------------------
 */

struct chain_walk {
	VEC(struct nft_base_chain) found;
};

static void chain_restart(void *data)
{
	((struct chain_walk *)data)->found.n = 0;
}

static bool hooks_forward(const struct nlattr *hook)
{
	nl_for_each_nested (a, hook) {
		if (mnl_attr_get_type(a) == NFTA_HOOK_HOOKNUM)
			return nft_u32(a) == NF_INET_FORWARD;
	}
	return false;
}

static int on_chain(const struct nlmsghdr *h, void *data)
{
	struct chain_walk *w = data;
	struct nft_base_chain c = {0};
	bool is_filter = false, is_forward = false;

	if (!has_family(h, &c.family))
		return -EBADMSG;
	nl_for_each_attr (a, h, sizeof(struct nfgenmsg)) {
		switch (mnl_attr_get_type(a)) {
		case NFTA_CHAIN_TABLE:
			nft_text(a, c.table);
			break;
		case NFTA_CHAIN_NAME:
			nft_text(a, c.name);
			break;
		case NFTA_CHAIN_POLICY:
			c.drops = nft_u32(a) == NF_DROP;
			break;
		case NFTA_CHAIN_HOOK:
			is_forward = hooks_forward(a);
			break;
		case NFTA_CHAIN_TYPE:
			is_filter = !strncmp(
				mnl_attr_get_payload(a), "filter", mnl_attr_get_payload_len(a));
			break;
		default:
			break;
		}
	}
	if (is_filter && is_forward &&
		(c.family == NFPROTO_IPV4 || c.family == NFPROTO_IPV6 || c.family == NFPROTO_INET))
		vec_push(&w->found, c);
	return 0;
}

int nft_forward_chains(struct nft *n, struct nft_base_chain **ret, size_t *ret_n)
{
	struct nlmsghdr *h = nft_message(
		n, NULL, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETCHAIN, NLM_F_DUMP, NFPROTO_UNSPEC);
	struct chain_walk w = {0};
	int err = nl_dump(n->nl, h, on_chain, chain_restart, &w);

	if (err) {
		vec_done(&w.found);
		return err;
	}
	*ret = w.found.items;
	*ret_n = w.found.n;
	return 0;
}

/* --- rules -------------------------------------------------------------------------------------
 */

struct rule_walk {
	const char *table;
	VEC(struct nft_rule) found;
};

static void rule_restart(void *data)
{
	((struct rule_walk *)data)->found.n = 0;
}

static int on_rule(const struct nlmsghdr *h, void *data)
{
	struct rule_walk *w = data;
	struct nft_rule r = {0};
	char table[NFT_NAME_MAX] = "";
	uint8_t family;

	if (!has_family(h, &family))
		return -EBADMSG;
	nl_for_each_attr (a, h, sizeof(struct nfgenmsg)) {
		switch (mnl_attr_get_type(a)) {
		case NFTA_RULE_TABLE:
			nft_text(a, table);
			break;
		case NFTA_RULE_CHAIN:
			nft_text(a, r.chain);
			break;
		case NFTA_RULE_EXPRESSIONS:
			nft_read_expressions(a, &r);
			break;
		default:
			break;
		}
	}
	if (!strcmp(table, w->table)) /* old kernels don't filter */
		vec_push(&w->found, r);
	return 0;
}

int nft_rules(
	struct nft *n, uint8_t family, const char *table, struct nft_rule **ret, size_t *ret_n)
{
	struct nlmsghdr *h = nft_message(
		n, NULL, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, NLM_F_DUMP, family);
	struct rule_walk w = {.table = table};
	int err;

	mnl_attr_put_strz(h, NFTA_RULE_TABLE, table);
	err = nl_dump(n->nl, h, on_rule, rule_restart, &w);
	if (err) {
		vec_done(&w.found);
		return err;
	}
	*ret = w.found.items;
	*ret_n = w.found.n;
	return 0;
}

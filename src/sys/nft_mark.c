/* SPDX-License-Identifier: MIT */
/*
 * What the rule does stands in its comment too ("port 51820 mark 0xca6c"), which is how it is known
 * again: the table is ours by its name, and nobody edits a single rule there.
 */
#include "sys/nft_internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#define CHAIN "prerouting"
/* raw is at -300, connection tracking's defragmentation at -400. */
#define PRIORITY (-350)
#define COMMENT_MAX 64
/* Of a rule's user data: type, length, text with its zero; what `nft list` shows as a comment. */
#define UDATA_COMMENT 0

static void comment_of(const struct nft_mark *m, char out[static COMMENT_MAX])
{
	snprintf(out, COMMENT_MAX, "shunt: port %u mark 0x%x", m->port, m->mark);
}

/* --- the rule, written ------------------------------------------------------------------------ */

static struct nlattr *expr_begin(struct nlmsghdr *h, const char *name, struct nlattr **elem)
{
	*elem = mnl_attr_nest_start(h, NFTA_LIST_ELEM);
	mnl_attr_put_strz(h, NFTA_EXPR_NAME, name);
	return mnl_attr_nest_start(h, NFTA_EXPR_DATA);
}

static void expr_end(struct nlmsghdr *h, struct nlattr *data, struct nlattr *elem)
{
	mnl_attr_nest_end(h, data);
	mnl_attr_nest_end(h, elem);
}

/* Two numbers and the register: what most expressions are. */
static void put_load(struct nlmsghdr *h, const char *name, const uint32_t (*numbers)[2], size_t n)
{
	struct nlattr *elem, *data = expr_begin(h, name, &elem);

	for (size_t i = 0; i < n; i++)
		nft_put_u32(h, (uint16_t)numbers[i][0], numbers[i][1]);
	expr_end(h, data, elem);
}

static void put_value(struct nlmsghdr *h, uint16_t type, const void *value, size_t len)
{
	struct nlattr *nest = mnl_attr_nest_start(h, type);

	mnl_attr_put(h, NFTA_DATA_VALUE, len, value);
	mnl_attr_nest_end(h, nest);
}

static void put_equal(struct nlmsghdr *h, const void *value, size_t len)
{
	struct nlattr *elem, *data = expr_begin(h, "cmp", &elem);

	nft_put_u32(h, NFTA_CMP_SREG, NFT_REG_1);
	nft_put_u32(h, NFTA_CMP_OP, NFT_CMP_EQ);
	put_value(h, NFTA_CMP_DATA, value, len);
	expr_end(h, data, elem);
}

static void put_immediate(struct nlmsghdr *h, uint32_t value)
{
	struct nlattr *elem, *data = expr_begin(h, "immediate", &elem);

	nft_put_u32(h, NFTA_IMMEDIATE_DREG, NFT_REG_1);
	put_value(h, NFTA_IMMEDIATE_DATA, &value, sizeof(value));
	expr_end(h, data, elem);
}

static void put_expressions(struct nlmsghdr *h, const struct nft_mark *m)
{
	static const uint32_t fib[][2] = {{NFTA_FIB_DREG, NFT_REG_1},
		{NFTA_FIB_RESULT, NFT_FIB_RESULT_ADDRTYPE}, {NFTA_FIB_FLAGS, NFTA_FIB_F_DADDR}};
	static const uint32_t l4proto[][2] = {
		{NFTA_META_DREG, NFT_REG_1}, {NFTA_META_KEY, NFT_META_L4PROTO}};
	static const uint32_t dport[][2] = {{NFTA_PAYLOAD_DREG, NFT_REG_1},
		{NFTA_PAYLOAD_BASE, NFT_PAYLOAD_TRANSPORT_HEADER}, {NFTA_PAYLOAD_OFFSET, 2},
		{NFTA_PAYLOAD_LEN, 2}};
	static const uint32_t set_mark[][2] = {
		{NFTA_META_KEY, NFT_META_MARK}, {NFTA_META_SREG, NFT_REG_1}};
	const uint32_t local = RTN_LOCAL;
	const uint8_t udp = IPPROTO_UDP;
	const uint16_t port = htons(m->port);
	struct nlattr *list = mnl_attr_nest_start(h, NFTA_RULE_EXPRESSIONS);

	put_load(h, "fib", fib, 3);
	put_equal(h, &local, sizeof(local));
	put_load(h, "meta", l4proto, 2);
	put_equal(h, &udp, sizeof(udp));
	put_load(h, "payload", dport, 4);
	put_equal(h, &port, sizeof(port));
	put_immediate(h, m->mark);
	put_load(h, "meta", set_mark, 2);
	mnl_attr_nest_end(h, list);
}

static void put_comment(struct nlmsghdr *h, const struct nft_mark *m)
{
	char udata[2 + COMMENT_MAX] = {UDATA_COMMENT};
	size_t len;

	comment_of(m, udata + 2);
	len = strlen(udata + 2) + 1;
	udata[1] = (char)len;
	mnl_attr_put(h, NFTA_RULE_USERDATA, 2 + len, udata);
}

/* --- the transaction -------------------------------------------------------------------------- */

static struct nlmsghdr *batch_mark(struct nft *n, struct nlmsghdr *last, uint16_t type)
{
	struct nlmsghdr *h = nft_message(n, last, type, 0, AF_UNSPEC);
	struct nfgenmsg *m = mnl_nlmsg_get_payload(h);

	m->res_id = htons(NFNL_SUBSYS_NFTABLES);
	return h;
}

static struct nlmsghdr *put_table(
	struct nft *n, struct nlmsghdr *last, const char *table, uint16_t verb, uint16_t flags)
{
	struct nlmsghdr *h = nft_message(
		n, last, (uint16_t)(NFNL_SUBSYS_NFTABLES << 8 | verb), flags, NFPROTO_INET);

	mnl_attr_put_strz(h, NFTA_TABLE_NAME, table);
	return h;
}

static struct nlmsghdr *put_chain(struct nft *n, struct nlmsghdr *last, const char *table)
{
	struct nlmsghdr *h = nft_message(
		n, last, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWCHAIN, NLM_F_CREATE, NFPROTO_INET);
	struct nlattr *hook;

	mnl_attr_put_strz(h, NFTA_CHAIN_TABLE, table);
	mnl_attr_put_strz(h, NFTA_CHAIN_NAME, CHAIN);
	hook = mnl_attr_nest_start(h, NFTA_CHAIN_HOOK);
	nft_put_u32(h, NFTA_HOOK_HOOKNUM, NF_INET_PRE_ROUTING);
	nft_put_u32(h, NFTA_HOOK_PRIORITY, (uint32_t)PRIORITY);
	mnl_attr_nest_end(h, hook);
	nft_put_u32(h, NFTA_CHAIN_POLICY, NF_ACCEPT);
	mnl_attr_put_strz(h, NFTA_CHAIN_TYPE, "filter");
	return h;
}

static struct nlmsghdr *put_rule(
	struct nft *n, struct nlmsghdr *last, const char *table, const struct nft_mark *m)
{
	struct nlmsghdr *h = nft_message(n, last, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE,
		NLM_F_CREATE | NLM_F_APPEND, NFPROTO_INET);

	mnl_attr_put_strz(h, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, CHAIN);
	put_expressions(h, m);
	put_comment(h, m);
	return h;
}

/* Made, so that it can be removed whatever is there; then made anew. The whole is one step. */
int nft_mark_set(struct nft *n, const char *table, const struct nft_mark *m)
{
	struct nlmsghdr *first = batch_mark(n, NULL, NFNL_MSG_BATCH_BEGIN);
	struct nlmsghdr *h = put_table(n, first, table, NFT_MSG_NEWTABLE, NLM_F_CREATE), *rule;

	h = put_table(n, h, table, NFT_MSG_DELTABLE, 0);
	h = put_table(n, h, table, NFT_MSG_NEWTABLE, NLM_F_CREATE);
	h = put_chain(n, h, table);
	rule = put_rule(n, h, table, m);
	h = batch_mark(n, rule, NFNL_MSG_BATCH_END);
	return nl_talk_batch(n->nl, first, rule, h);
}

int nft_mark_remove(struct nft *n, const char *table)
{
	struct nlmsghdr *first = batch_mark(n, NULL, NFNL_MSG_BATCH_BEGIN);
	struct nlmsghdr *del = put_table(n, first, table, NFT_MSG_DELTABLE, 0);
	int err = nl_talk_batch(n->nl, first, del, batch_mark(n, del, NFNL_MSG_BATCH_END));

	return err == -ENOENT ? 0 : err;
}

/* --- the rule, read -----------------------------------------------------------------------------
 */

struct found {
	unsigned rules;
	struct nft_mark mark;
};

static void restart(void *data)
{
	*(struct found *)data = (struct found){0};
}

static bool parse_comment(const struct nlattr *a, struct nft_mark *ret)
{
	const char *udata = mnl_attr_get_payload(a);
	size_t n = mnl_attr_get_payload_len(a);
	char expected[COMMENT_MAX];

	if (n < 3 || udata[0] != UDATA_COMMENT || udata[n - 1] ||
		sscanf(udata + 2, "shunt: port %hu mark 0x%x", &ret->port, &ret->mark) != 2)
		return false;
	comment_of(ret, expected);
	return !strcmp(expected, udata + 2);
}

static int on_rule(const struct nlmsghdr *h, void *data)
{
	struct found *f = data;
	struct nft_mark m;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(struct nfgenmsg))
		return -EBADMSG;
	f->rules++;
	nl_for_each_attr (a, h, sizeof(struct nfgenmsg)) {
		if (mnl_attr_get_type(a) == NFTA_RULE_USERDATA && parse_comment(a, &m))
			f->mark = m;
	}
	return 0;
}

int nft_mark_get(struct nft *n, const char *table, struct nft_mark *ret)
{
	struct nlmsghdr *h = nft_message(
		n, NULL, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETRULE, NLM_F_DUMP, NFPROTO_INET);
	struct found f;
	int err;

	mnl_attr_put_strz(h, NFTA_RULE_TABLE, table);
	mnl_attr_put_strz(h, NFTA_RULE_CHAIN, CHAIN);
	err = nl_dump(n->nl, h, on_rule, restart, &f);
	if (err && err != -ENOENT)
		return err;
	*ret = !err && f.rules == 1 ? f.mark : (struct nft_mark){0};
	return 0;
}

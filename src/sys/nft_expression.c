/* SPDX-License-Identifier: MIT */
/*
 * A rule's expressions, read by following what each register holds: `meta load iifname => reg 1`,
 * then `cmp eq reg 1 "wg0"`. What isn't known is a condition that may hold or not.
 */
#include "sys/nft_internal.h"

#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/xt_conntrack.h>
#include <string.h>

#define REGISTERS 32
#define CT_NEW (1 << 3) /* of nft's ct state: invalid, established, related, new */
#define ICMP 1
#define ICMPV6 58

enum held {
	HELD_OTHER,
	HELD_IN_NAME,
	HELD_OUT_NAME,
	HELD_IN,
	HELD_OUT,
	HELD_NFPROTO,
	HELD_L4,
	HELD_CT_STATE,
	HELD_CT_STATUS
};

struct reader {
	struct nft_rule *rule;
	struct {
		enum held held;
		uint32_t mask; /* of HELD_CT_STATE */
	} registers[REGISTERS];
};

/* An expression's data, the attributes that matter by their numbers. */
struct fields {
	const struct nlattr *at[16];
};

static struct fields fields_of(const struct nlattr *data)
{
	struct fields f = {0};

	if (!data)
		return f;
	nl_for_each_nested (a, data) {
		if (mnl_attr_get_type(a) < 16)
			f.at[mnl_attr_get_type(a)] = a;
	}
	return f;
}

static uint32_t number(const struct fields *f, unsigned type)
{
	return f->at[type] ? nft_u32(f->at[type]) : 0;
}

/* The bytes of a nested NFTA_DATA_VALUE; NULL: there are none. */
static const void *value(const struct fields *f, unsigned type, size_t *ret_len)
{
	if (!f->at[type])
		return NULL;
	nl_for_each_nested (a, f->at[type]) {
		if (mnl_attr_get_type(a) == NFTA_DATA_VALUE) {
			*ret_len = mnl_attr_get_payload_len(a);
			return mnl_attr_get_payload(a);
		}
	}
	return NULL;
}

static void load(struct reader *r, uint32_t reg, enum held held)
{
	if (reg < REGISTERS) {
		r->registers[reg].held = held;
		r->registers[reg].mask = 0;
	}
}

static void on_meta(struct reader *r, const struct fields *f)
{
	static const enum held known[] = {
		[NFT_META_IIF] = HELD_IN,
		[NFT_META_OIF] = HELD_OUT,
		[NFT_META_IIFNAME] = HELD_IN_NAME,
		[NFT_META_OIFNAME] = HELD_OUT_NAME,
		[NFT_META_NFPROTO] = HELD_NFPROTO,
		[NFT_META_L4PROTO] = HELD_L4,
	};
	uint32_t key = number(f, NFTA_META_KEY);

	if (f->at[NFTA_META_DREG])
		load(r, number(f, NFTA_META_DREG),
			key < sizeof(known) / sizeof(known[0]) ? known[key] : HELD_OTHER);
}

static void on_ct(struct reader *r, const struct fields *f)
{
	uint32_t key = number(f, NFTA_CT_KEY);

	if (f->at[NFTA_CT_DREG])
		load(r, number(f, NFTA_CT_DREG),
			key == NFT_CT_STATE    ? HELD_CT_STATE
			: key == NFT_CT_STATUS ? HELD_CT_STATUS
					       : HELD_OTHER);
}

/* The protocol in the IP header, as iptables' -p asks. */
static void on_payload(struct reader *r, const struct fields *f)
{
	bool network = number(f, NFTA_PAYLOAD_BASE) == NFT_PAYLOAD_NETWORK_HEADER;
	uint32_t offset = number(f, NFTA_PAYLOAD_OFFSET);

	if (f->at[NFTA_PAYLOAD_DREG])
		load(r, number(f, NFTA_PAYLOAD_DREG),
			network && number(f, NFTA_PAYLOAD_LEN) == 1 && (offset == 9 || offset == 6)
				? HELD_L4
				: HELD_OTHER);
}

static void on_bitwise(struct reader *r, const struct fields *f)
{
	uint32_t from = number(f, NFTA_BITWISE_SREG), to = number(f, NFTA_BITWISE_DREG), mask;
	size_t len = 0;
	const void *bytes = value(f, NFTA_BITWISE_MASK, &len);

	if (from >= REGISTERS || to >= REGISTERS)
		return;
	if (r->registers[from].held == HELD_CT_STATE && bytes && len == sizeof(mask)) {
		memcpy(&mask, bytes, sizeof(mask));
		load(r, to, HELD_CT_STATE);
		r->registers[to].mask = mask;
	} else {
		load(r, to,
			r->registers[from].held == HELD_CT_STATUS ? HELD_CT_STATUS : HELD_OTHER);
	}
}

/* --- comparisons -------------------------------------------------------------------------------
 */

static void match_name(struct nft_match *m, const void *bytes, size_t len, bool invert)
{
	if (!len || len > IFNAMSIZ)
		return;
	*m = (struct nft_match){.kind = NFT_BY_NAME, .invert = invert, .len = len};
	memcpy(m->name, bytes, len);
	/* nft compares all bytes, iptables those with the zero. */
	if (memchr(bytes, 0, len))
		m->len = IFNAMSIZ;
}

static void match_index(struct nft_match *m, const void *bytes, size_t len, bool invert)
{
	*m = (struct nft_match){.kind = NFT_BY_INDEX, .invert = invert};
	if (len == sizeof(m->index))
		memcpy(&m->index, bytes, len);
}

static void compare_state(
	struct reader *r, uint32_t mask, bool equal, const void *bytes, size_t len)
{
	static const uint32_t zero;
	bool is_zero = len == sizeof(zero) && !memcmp(bytes, &zero, len);

	if (mask && is_zero && !equal && !(mask & CT_NEW))
		r->rule->is_special = true;
	else if (!(mask && is_zero && !equal))
		r->rule->has_conditions = true;
}

static void on_cmp(struct reader *r, const struct fields *f)
{
	uint32_t reg = number(f, NFTA_CMP_SREG), op = number(f, NFTA_CMP_OP);
	size_t len = 0;
	const void *bytes = value(f, NFTA_CMP_DATA, &len);
	enum held held = reg < REGISTERS ? r->registers[reg].held : HELD_OTHER;
	uint8_t first = bytes && len ? *(const uint8_t *)bytes : 0;

	if (!bytes || (op != NFT_CMP_EQ && op != NFT_CMP_NEQ))
		held = HELD_OTHER;
	switch (held) {
	case HELD_IN_NAME:
		match_name(&r->rule->in, bytes, len, op == NFT_CMP_NEQ);
		break;
	case HELD_OUT_NAME:
		match_name(&r->rule->out, bytes, len, op == NFT_CMP_NEQ);
		break;
	case HELD_IN:
		match_index(&r->rule->in, bytes, len, op == NFT_CMP_NEQ);
		break;
	case HELD_OUT:
		match_index(&r->rule->out, bytes, len, op == NFT_CMP_NEQ);
		break;
	case HELD_CT_STATE:
		compare_state(r, r->registers[reg].mask, op == NFT_CMP_EQ, bytes, len);
		break;
	case HELD_CT_STATUS:
		r->rule->is_special = true;
		break;
	case HELD_NFPROTO:
		if (op == NFT_CMP_EQ)
			r->rule->nfproto = first;
		else
			r->rule->has_conditions = true;
		break;
	case HELD_L4:
		if (op == NFT_CMP_EQ && (first == ICMP || first == ICMPV6))
			r->rule->is_special = true;
		else
			r->rule->has_conditions = true;
		break;
	default:
		r->rule->has_conditions = true;
	}
}

/* --- verdicts and iptables' own ----------------------------------------------------------------
 */

static void take_verdict(struct nft_rule *rule, const struct nlattr *verdict)
{
	int32_t code = NFT_CONTINUE;

	nl_for_each_nested (a, verdict) {
		if (mnl_attr_get_type(a) == NFTA_VERDICT_CODE)
			code = (int32_t)nft_u32(a);
		else if (mnl_attr_get_type(a) == NFTA_VERDICT_CHAIN)
			nft_text(a, rule->target);
	}
	rule->verdict = code == NF_ACCEPT      ? NFT_PASS
			: code == NF_DROP      ? NFT_REFUSE
			: code == NFT_JUMP     ? NFT_JUMPS
			: code == NFT_GOTO     ? NFT_GOES
			: code == NFT_RETURN   ? NFT_RETURNS
			: code == NFT_CONTINUE ? NFT_NONE
					       : NFT_UNCLEAR;
}

static void on_immediate(struct reader *r, const struct fields *f)
{
	if (number(f, NFTA_IMMEDIATE_DREG) != NFT_REG_VERDICT || !f->at[NFTA_IMMEDIATE_DATA])
		return;
	nl_for_each_nested (a, f->at[NFTA_IMMEDIATE_DATA]) {
		if (mnl_attr_get_type(a) == NFTA_DATA_VERDICT)
			take_verdict(r->rule, a);
	}
}

/* A map of verdicts has a verdict register; a set is a condition. */
static void on_lookup(struct reader *r, const struct fields *f)
{
	if (f->at[NFTA_LOOKUP_DREG] && number(f, NFTA_LOOKUP_DREG) == NFT_REG_VERDICT)
		r->rule->verdict = NFT_UNCLEAR;
	else if (f->at[NFTA_LOOKUP_DREG])
		load(r, number(f, NFTA_LOOKUP_DREG), HELD_OTHER);
	else
		r->rule->has_conditions = true;
}

static bool has_name(const struct nlattr *a, const char *name)
{
	return a && mnl_attr_get_payload_len(a) > strlen(name) &&
	       !strcmp(mnl_attr_get_payload(a), name);
}

/* -m conntrack --ctstate without NEW. */
static bool is_established_only(const struct nlattr *info)
{
	const uint16_t is_new = 1 << (2 + 1); /* XT_CONNTRACK_STATE_BIT(IP_CT_NEW) */
	struct xt_conntrack_mtinfo2 m;

	if (!info || mnl_attr_get_payload_len(info) < sizeof(m))
		return false;
	memcpy(&m, mnl_attr_get_payload(info), sizeof(m));
	return m.match_flags == XT_CONNTRACK_STATE && !m.invert_flags && !(m.state_mask & is_new);
}

static void on_xt_match(struct reader *r, const struct fields *f)
{
	const struct nlattr *name = f->at[NFTA_MATCH_NAME];

	if (has_name(name, "comment"))
		return;
	if (has_name(name, "icmp") || has_name(name, "icmp6") ||
		(has_name(name, "conntrack") && is_established_only(f->at[NFTA_MATCH_INFO])))
		r->rule->is_special = true;
	else
		r->rule->has_conditions = true;
}

static void on_xt_target(struct reader *r, const struct fields *f)
{
	if (has_name(f->at[NFTA_TARGET_NAME], "REJECT"))
		r->rule->verdict = NFT_REFUSE;
	else if (has_name(f->at[NFTA_TARGET_NAME], "NFQUEUE"))
		r->rule->verdict = NFT_UNCLEAR;
}

static void on_reject(struct reader *r, const struct fields *f)
{
	r->rule->verdict = NFT_REFUSE;
}

static void on_queue(struct reader *r, const struct fields *f)
{
	r->rule->verdict = NFT_UNCLEAR;
}

static void ignore(struct reader *r, const struct fields *f)
{
}

static void read_one(struct reader *r, const struct nlattr *name, const struct nlattr *data)
{
	static const struct {
		const char *name;
		void (*fn)(struct reader *r, const struct fields *f);
	} known[] = {
		{"meta", on_meta},
		{"ct", on_ct},
		{"payload", on_payload},
		{"bitwise", on_bitwise},
		{"cmp", on_cmp},
		{"immediate", on_immediate},
		{"lookup", on_lookup},
		{"match", on_xt_match},
		{"target", on_xt_target},
		{"reject", on_reject},
		{"queue", on_queue},
		{"counter", ignore},
		{"log", ignore},
		{"notrack", ignore},
		{"flow_offload", ignore},
	};
	struct fields f = fields_of(data);

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (has_name(name, known[i].name)) {
			known[i].fn(r, &f);
			return;
		}
	}
	r->rule->has_conditions = true;
}

void nft_read_expressions(const struct nlattr *list, struct nft_rule *rule)
{
	struct reader r = {.rule = rule};

	nl_for_each_nested (elem, list) {
		const struct nlattr *name = NULL, *data = NULL;

		if (mnl_attr_get_type(elem) != NFTA_LIST_ELEM)
			continue;
		nl_for_each_nested (a, elem) {
			if (mnl_attr_get_type(a) == NFTA_EXPR_NAME)
				name = a;
			else if (mnl_attr_get_type(a) == NFTA_EXPR_DATA)
				data = a;
		}
		read_one(&r, name, data);
	}
}

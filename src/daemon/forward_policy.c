/* SPDX-License-Identifier: MIT */
#include "daemon/forward_policy.h"

#include <linux/netfilter.h>
#include <string.h>
#include <sys/socket.h>

#define DEPTH_MAX 16 /* the kernel's own bound of jumps */

enum fate { GOES_ON, RETURNS, PASSES, MAY_PASS, REFUSED };

struct table {
	const struct nft_rule *rules;
	size_t n;
	const struct forward_path *path;
};

bool forward_chain_sees(const struct nft_base_chain *c, int family)
{
	return c->family == NFPROTO_INET ||
	       c->family == (family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6);
}

static bool matches(const struct nft_match *m, const char *name, unsigned index)
{
	bool same;

	if (m->kind == NFT_ANY)
		return true;
	same = m->kind == NFT_BY_INDEX
		       ? m->index == index
		       : !strncmp(m->name, name, m->len < IFNAMSIZ ? m->len : IFNAMSIZ);
	return same != m->invert;
}

/* Whether it speaks of new connections on our way at all. */
static bool concerns(const struct nft_rule *r, const struct forward_path *p)
{
	uint8_t proto = p->family == AF_INET ? NFPROTO_IPV4 : NFPROTO_IPV6;

	return !r->is_special && (!r->nfproto || r->nfproto == proto) &&
	       matches(&r->in, p->in, p->in_index) && matches(&r->out, p->out, p->out_index);
}

static enum fate judge_chain(const struct table *t, const char *chain, unsigned depth);

/* A rule whose conditions may not hold can let pass, but not surely refuse. */
static enum fate judge_rule(const struct table *t, const struct nft_rule *r, unsigned depth)
{
	enum fate f = GOES_ON;

	switch (r->verdict) {
	case NFT_PASS:
		f = PASSES;
		break;
	case NFT_REFUSE:
		f = REFUSED;
		break;
	case NFT_RETURNS:
		f = RETURNS;
		break;
	case NFT_UNCLEAR:
		f = MAY_PASS;
		break;
	case NFT_JUMPS:
		f = judge_chain(t, r->target, depth + 1);
		break;
	case NFT_GOES:
		f = judge_chain(t, r->target, depth + 1);
		f = f == GOES_ON ? RETURNS : f;
		break;
	default:
		break;
	}
	if (!r->has_conditions)
		return f;
	return f == PASSES || f == MAY_PASS ? MAY_PASS : GOES_ON;
}

/* GOES_ON: the end of it, by a return too. */
static enum fate judge_chain(const struct table *t, const char *chain, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return MAY_PASS;
	for (size_t i = 0; i < t->n; i++) {
		enum fate f;

		if (strcmp(t->rules[i].chain, chain) != 0 || !concerns(&t->rules[i], t->path))
			continue;
		f = judge_rule(t, &t->rules[i], depth);
		if (f != GOES_ON)
			return f == RETURNS ? GOES_ON : f;
	}
	return GOES_ON;
}

bool forward_is_refused(const struct nft_base_chain *c, const struct nft_rule *rules, size_t n,
	const struct forward_path *path)
{
	struct table t = {rules, n, path};
	enum fate f = judge_chain(&t, c->name, 0);

	return f == REFUSED || (f == GOES_ON && c->drops);
}

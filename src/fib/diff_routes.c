/* SPDX-License-Identifier: MIT */
#include "fib/diff.h"

#include <linux/rtnetlink.h>
#include <stdlib.h>

/* Another daemon's look the same. */
static bool is_own_backstop(const struct fib_ours *ours, const struct rtnl_route *r)
{
	if (!rtnl_route_refuses(r) || r->metric != KERNEL_BACKSTOP_METRIC)
		return false;
	if (r->table == ours->facts->overlay_table)
		return true;
	return (!r->table || diff_is_own_table(ours, r->table)) &&
	       ours->has_backstop(&r->dst, ours->data);
}

/* fe80::/64 and ff00::/8 come with every interface. */
static bool is_of_the_link(const ip_prefix *p)
{
	return p->family == AF_INET6 &&
	       (p->bytes[0] == 0xff || (p->bytes[0] == 0xfe && (p->bytes[1] & 0xc0) == 0x80));
}

static bool is_set_by_hand(const struct rtnl_route *r)
{
	return (r->protocol == RTPROT_BOOT || r->protocol == RTPROT_STATIC) &&
	       !is_of_the_link(&r->dst);
}

/* With nothing that somebody has thought about. */
static bool is_plain(const struct rtnl_route *r)
{
	return r->protocol == RTPROT_BOOT && !r->metric && !r->via.family;
}

/* Ours now, whoever made it: no peer has the prefix any more, or the right one stands elsewhere. */
static bool is_taken_over(
	const struct fib_ours *ours, const struct rtnl_route *r, const route_vec *want)
{
	bool elsewhere = false;

	for (size_t i = 0; i < ours->n_marks && !elsewhere; i++) {
		struct rtnl_route other = *r;

		other.table = ours->marks[i];
		elsewhere = want->n &&
			    bsearch(&other, want->items, want->n, sizeof(other), want_route_cmp);
	}
	return is_plain(r) && ours->has_prefix(&r->dst, ours->data) &&
	       (elsewhere || !ours->is_carried(&r->dst, ours->data));
}

static void judge_unwanted(const struct fib_ours *ours, const struct rtnl_route *r,
	const route_vec *want, struct want_diff *ret)
{
	bool into = !r->type && r->ifindex == ours->facts->ifindex;

	if (r->protocol == RTNL_PROTO_SHUNT) {
		if (into || is_own_backstop(ours, r))
			vec_push(&ret->stale, *r);
	} else if (into && is_set_by_hand(r) && !want_is_engines(ours->facts, r)) {
		if (is_taken_over(ours, r, want))
			vec_push(&ret->stale, *r);
		else if (!want_is_connected(ours->facts, &r->dst))
			vec_push(&ret->leftover, *r);
	}
}

void want_diff_routes(const struct rtnl_route *have, size_t n_have, const route_vec *want,
	const struct fib_ours *ours, struct want_diff *ret)
{
	bool *present = mem_zalloc(want->n + 1, sizeof(*present));

	for (size_t i = 0; i < n_have; i++) {
		const struct rtnl_route *at = want->n ? bsearch(&have[i], want->items, want->n,
								sizeof(*have), want_route_cmp)
						      : NULL;

		if (at)
			present[at - want->items] = true;
		else
			judge_unwanted(ours, &have[i], want, ret);
	}
	for (size_t i = 0; i < want->n; i++)
		if (!present[i])
			vec_push(&ret->missing, want->items[i]);
	free(present);
}

void want_diff_done(struct want_diff *d)
{
	vec_done(&d->missing);
	vec_done(&d->stale);
	vec_done(&d->leftover);
}

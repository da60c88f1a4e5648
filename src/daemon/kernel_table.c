/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_table.h"

#include <errno.h>

/* "S" before 24 bits: far from what people choose. */
#define OVERLAY_TABLES 0x53000000u

uint32_t kernel_overlay_table(const char *interface)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (const char *c = interface; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	return OVERLAY_TABLES | (hash >> 8);
}

bool kernel_mark_is_chosen(uint32_t mark)
{
	return mark >= KERNEL_MARK_FIRST && mark <= KERNEL_MARK_LAST;
}

/* What a daemon of ours leaves behind when its device is gone has no interface any more. */
static bool may_be_ours(const struct fib *f, const struct rtnl_route *r)
{
	return r->protocol == RTNL_PROTO_SHUNT &&
	       (rtnl_route_refuses(r) || r->ifindex == f->ifindex);
}

/* *ret: nobody else has routes in that table; strictly: nobody at all. */
static int is_free(struct fib *f, uint32_t table, bool strictly, bool *ret)
{
	struct rtnl_route only = {.table = table, .type = RTNL_ANY_TYPE};
	struct rtnl_route *routes;
	size_t n;
	int err = rtnl_route_list_where(f->rtnl, &only, &routes, &n);

	if (err)
		return err;
	*ret = true;
	for (size_t i = 0; i < n; i++)
		*ret &= !strictly && may_be_ours(f, &routes[i]);
	free(routes);
	return 0;
}

static int first_free(struct fib *f, uint32_t *ret)
{
	for (uint32_t t = KERNEL_MARK_FIRST; t <= KERNEL_MARK_LAST; t++) {
		bool is = false;
		int err = is_free(f, t, true, &is);

		if (err)
			return err;
		if (is) {
			*ret = t;
			return 0;
		}
	}
	return -ENOSPC;
}

int kernel_mark_choose(struct fib *f, uint32_t now, uint32_t *ret)
{
	const uint32_t *known;
	size_t n = state_marks(f->state, &known);

	if (f->fwmark || now) {
		*ret = f->fwmark ? f->fwmark : now;
		return 0;
	}
	for (size_t i = 0; i < n; i++) {
		bool is = false;
		int err = is_free(f, known[i], false, &is);

		if (err)
			return err;
		if (is && kernel_mark_is_chosen(known[i])) {
			*ret = known[i];
			return 0;
		}
	}
	return first_free(f, ret);
}

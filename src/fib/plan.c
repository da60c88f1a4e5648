/* SPDX-License-Identifier: MIT */
#include "fib/plan.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const enum fib_op_type type_of[] = {
	[FIB_AT_SYSCTL] = FIB_SYSCTL,
	[FIB_AT_LINK] = FIB_LINK,
	[FIB_AT_ADDRESS_ADD] = FIB_ADDRESS_ADD,
	[FIB_AT_OVERLAY_ADD] = FIB_ROUTE_ADD,
	[FIB_AT_ADDRESS_TURN] = FIB_ADDRESS_ADD,
	[FIB_AT_ADDRESS_DEL] = FIB_ADDRESS_DEL,
	[FIB_AT_ROUTE_PART] = FIB_ROUTE_ADD,
	[FIB_AT_ROUTE_WITHDRAW] = FIB_ROUTE_DEL,
	[FIB_AT_DEVICE] = FIB_DEVICE,
	[FIB_AT_PEER_SET] = FIB_PEER_SET,
	[FIB_AT_LEVEL] = FIB_LEVEL,
	[FIB_AT_SIGNAL_DEL] = FIB_ROUTE_DEL,
	[FIB_AT_OWNERS_SET] = FIB_OWNERS_SET,
	[FIB_AT_PREFIX_ADD] = FIB_PREFIX_ADD,
	[FIB_AT_OWNERS_YIELD] = FIB_OWNERS_SET,
	[FIB_AT_PREFIX_YIELD] = FIB_PREFIX_ADD,
	[FIB_AT_PREFIX_DEL] = FIB_PREFIX_DEL,
	[FIB_AT_OWNERS_DEL] = FIB_OWNERS_DEL,
	[FIB_AT_PEER_DEL] = FIB_PEER_DEL,
	[FIB_AT_ROUTE_ADD] = FIB_ROUTE_ADD,
	[FIB_AT_RULE_ADD] = FIB_RULE_ADD,
	[FIB_AT_HELD] = FIB_ROUTE_ADD,
	[FIB_AT_HELD_RULE] = FIB_RULE_ADD,
	[FIB_AT_OVERLAY_RULE] = FIB_RULE_ADD,
	[FIB_AT_RULE_DEL] = FIB_RULE_DEL,
	[FIB_AT_OVERLAY_GUARD] = FIB_ROUTE_ADD,
	[FIB_AT_ROUTE_DEL] = FIB_ROUTE_DEL,
	[FIB_AT_UNMARK] = FIB_DEVICE,
	[FIB_AT_MARK] = FIB_MARK,
	[FIB_AT_SIGNAL_ADD] = FIB_ROUTE_ADD,
};

struct fib_op *fib_plan_add(
	struct fib_plan *p, enum fib_stage stage, enum fib_reason reason, const char *device)
{
	struct fib_op op = {
		.stage = stage,
		.type = type_of[stage],
		.reason = reason,
		.seq = (uint32_t)p->ops.n,
	};

	assert(p->ops.n < UINT32_MAX);
	snprintf(op.device, sizeof(op.device), "%s", device);
	vec_push(&p->ops, op);
	return &p->ops.items[p->ops.n - 1];
}

/* --- owners ------------------------------------------------------------------------------------
 */

static enum fib_stage owner_stage(const struct fib_home *to)
{
	if (fib_home_is_nowhere(to))
		return FIB_AT_PREFIX_DEL;
	return to->owner_set % 2 ? FIB_AT_PREFIX_YIELD : FIB_AT_PREFIX_ADD;
}

struct fib_op *fib_plan_owner(struct fib_plan *p, const char *device, const ip_prefix *prefix,
	const struct fib_home *from, const struct fib_home *to)
{
	bool goes = fib_home_is_nowhere(to), comes = fib_home_is_nowhere(from);
	struct fib_op *op;

	assert(!(goes && comes));
	op = fib_plan_add(p, owner_stage(to),
		goes	? FIB_UNWANTED
		: comes ? FIB_MISSING
			: FIB_MOVES,
		device);
	op->u.owner.prefix = *prefix;
	op->u.owner.from = *from;
	op->u.owner.to = *to;
	return op;
}

/* Nobody stands in a new one yet, so it takes nothing away. */
static enum fib_stage owners_stage(
	enum fib_reason reason, const struct device_owner *owners, size_t n)
{
	return reason == FIB_MISSING || fib_owners_send(owners, n) ? FIB_AT_OWNERS_SET
								   : FIB_AT_OWNERS_YIELD;
}

void fib_plan_owners(struct fib_plan *p, enum fib_reason reason, const char *device,
	uint64_t number, const struct device_owner *owners, size_t n)
{
	struct fib_op *op = fib_plan_add(p, owners_stage(reason, owners, n), reason, device);

	op->u.owners.number = number;
	op->u.owners.owners = fib_copy_owners(&p->arena, owners, n);
	op->u.owners.n = n;
}

void fib_plan_owners_gone(struct fib_plan *p, const char *device, uint64_t number)
{
	fib_plan_add(p, FIB_AT_OWNERS_DEL, FIB_UNWANTED, device)->u.owners.number = number;
}

void fib_plan_level(
	struct fib_plan *p, const char *device, const wg_key *peer, enum device_level to)
{
	struct fib_op *op = fib_plan_add(p, FIB_AT_LEVEL, FIB_DIFFERS, device);

	op->u.level.key = *peer;
	op->u.level.to = to;
}

/* --- the rest of one thing ---------------------------------------------------------------------
 */

void fib_plan_endpoint(struct fib_plan *p, enum fib_reason reason, const char *device,
	const wg_key *peer, const sock_addr *to)
{
	struct fib_op *op = fib_plan_add(p, FIB_AT_PEER_SET, reason, device);

	op->type = FIB_ENDPOINT;
	op->u.endpoint.key = *peer;
	op->u.endpoint.to = *to;
}

void fib_plan_route(struct fib_plan *p, enum fib_stage stage, enum fib_reason reason,
	const char *device, const struct rtnl_route *r)
{
	fib_plan_add(p, stage, reason, device)->u.route = *r;
}

const wg_key *fib_op_peer(const struct fib_op *op)
{
	switch (op->type) {
	case FIB_PEER_SET:
	case FIB_PEER_DEL:
		return &op->u.peer.key;
	case FIB_ENDPOINT:
		return &op->u.endpoint.key;
	case FIB_LEVEL:
		return &op->u.level.key;
	case FIB_PREFIX_ADD:
		return op->u.owner.to.owner_set ? NULL : &op->u.owner.to.peer;
	case FIB_PREFIX_DEL:
		return op->u.owner.from.owner_set ? NULL : &op->u.owner.from.peer;
	default:
		return NULL;
	}
}

/* The worse levels first. */
static int by_stage(const void *a, const void *b)
{
	const struct fib_op *x = a, *y = b;

	if (x->stage != y->stage)
		return x->stage < y->stage ? -1 : 1;
	if (x->type == FIB_LEVEL && x->u.level.to != y->u.level.to)
		return x->u.level.to > y->u.level.to ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

static bool is_ordered(const struct fib_plan *p)
{
	for (size_t i = 1; i < p->ops.n; i++)
		if (by_stage(&p->ops.items[i - 1], &p->ops.items[i]) > 0)
			return false;
	return true;
}

void fib_plan_order(struct fib_plan *p)
{
	if (!is_ordered(p))
		qsort(p->ops.items, p->ops.n, sizeof(*p->ops.items), by_stage);
}

void fib_plan_done(struct fib_plan *p)
{
	vec_done(&p->ops);
	vec_done(&p->conflicts);
	vec_done(&p->foreign);
	vec_done(&p->leftover);
	arena_done(&p->arena);
}

/* --- everything --------------------------------------------------------------------------------
 */

static int value_of(const struct fib_state *s, const char *path)
{
	for (size_t i = 0; i < s->sysctls.n; i++)
		if (!strcmp(s->sysctls.items[i].path, path))
			return s->sysctls.items[i].value;
	return -1;
}

static void plan_sysctls(
	const struct fib_state *is, const struct fib_state *shall, struct fib_plan *p)
{
	for (size_t i = 0; i < shall->sysctls.n; i++) {
		const struct fib_sysctl *s = &shall->sysctls.items[i];
		int now = value_of(is, s->path);
		struct fib_op *op;

		if (now == s->value || (now < 0 && !s->is_needed))
			continue;
		op = fib_plan_add(p, FIB_AT_SYSCTL, FIB_DIFFERS, "");
		memcpy(op->u.sysctl, s->path, sizeof(op->u.sysctl));
	}
}

void fib_plan_make(const struct fib_state *is, const struct fib_state *shall,
	const struct fib_ours *ours, struct fib_plan *ret)
{
	plan_sysctls(is, shall, ret);
	for (size_t i = 0; i < shall->devices.n; i++) {
		const struct fib_device *want = &shall->devices.items[i];
		const struct fib_device *have = fib_state_device(is, want->name);

		assert(have); /* made by the one who looked */
		plan_link(have, want, ours, ret);
		plan_device(have, want, ours, ret);
	}
	plan_kernel(is, shall, ours, ret);
	want_sort(&ret->foreign);
	fib_plan_order(ret);
}

void fib_plan_removal(const struct fib_state *is, const struct fib_ours *ours, struct fib_plan *ret)
{
	struct fib_state nothing = {0};
	size_t n = 0;

	plan_kernel(is, &nothing, ours, ret);
	for (size_t i = 0; i < ret->ops.n; i++) {
		const struct fib_op *op = &ret->ops.items[i];

		/* Routes into the device go with it. */
		if (op->type == FIB_RULE_DEL || rtnl_route_refuses(&op->u.route))
			ret->ops.items[n++] = *op;
	}
	ret->ops.n = n;
	fib_plan_order(ret);
}

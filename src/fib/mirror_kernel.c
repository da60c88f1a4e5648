/* SPDX-License-Identifier: MIT */
#include "fib/do.h"

#include <string.h>

static bool stands(const route_vec *list, const struct rtnl_route *r)
{
	return list->n && bsearch(r, list->items, list->n, sizeof(*r), want_route_cmp);
}

static void sort(route_vec *v)
{
	if (v->n)
		qsort(v->items, v->n, sizeof(*v->items), want_route_cmp);
}

/* A route that moves is another one, in another table: none is both added and removed. */
static void mirror_routes(route_vec *is, const struct fib_op *ops, size_t n)
{
	route_vec gone = {0}, come = {0};
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (ops[i].done && ops[i].type == FIB_ROUTE_DEL)
			vec_push(&gone, ops[i].u.route);
		if (ops[i].done && ops[i].type == FIB_ROUTE_ADD && !stands(is, &ops[i].u.route))
			vec_push(&come, ops[i].u.route);
	}
	sort(&gone);
	for (size_t i = 0; i < is->n && gone.n; i++)
		if (!stands(&gone, &is->items[i]))
			is->items[kept++] = is->items[i];
	is->n = gone.n ? kept : is->n;
	for (size_t i = 0; i < come.n; i++)
		vec_push(is, come.items[i]);
	if (come.n)
		sort(is);
	vec_done(&gone);
	vec_done(&come);
}

static void remove_rule(rule_vec *is, const struct rtnl_rule *r)
{
	for (size_t i = 0; i < is->n; i++)
		if (rtnl_rule_is(&is->items[i], r)) {
			is->n--;
			memmove(&is->items[i], &is->items[i + 1], (is->n - i) * sizeof(*is->items));
			return;
		}
}

static void remove_address(prefix_vec *is, const ip_prefix *a)
{
	size_t kept = 0;

	for (size_t i = 0; i < is->n; i++)
		if (!ip_prefix_eq(&is->items[i], a))
			is->items[kept++] = is->items[i];
	is->n = kept;
}

static void add_address(struct fib_device *is, const struct fib_op *op)
{
	size_t kept = 0;

	for (size_t i = 0; i < is->addresses.n; i++)
		if (op->stage != FIB_AT_ADDRESS_TURN ||
			!fib_same_address(&is->addresses.items[i], &op->u.address))
			is->addresses.items[kept++] = is->addresses.items[i];
	is->addresses.n = kept;
	vec_push(&is->addresses, op->u.address);
	want_sort(&is->addresses);
}

static void mirror_of_device(
	struct fib_device *is, const struct fib_op *op, const struct fib_device *shall)
{
	switch (op->type) {
	case FIB_LINK:
		is->up = shall->up;
		is->mtu = shall->mtu ? shall->mtu : is->mtu;
		is->makes_link_local &= shall->makes_link_local;
		break;
	case FIB_ADDRESS_ADD:
		add_address(is, op);
		break;
	case FIB_ADDRESS_DEL:
		remove_address(&is->addresses, &op->u.address);
		break;
	case FIB_MARK:
		is->mark = shall->mark.mark ? shall->mark : (struct nft_mark){0};
		break;
	default:
		break;
	}
}

static void mirror_sysctl(
	struct fib_state *is, const struct fib_op *op, const struct fib_state *shall)
{
	for (size_t i = 0; i < shall->sysctls.n; i++) {
		const struct fib_sysctl *s = &shall->sysctls.items[i];

		for (size_t k = 0; k < is->sysctls.n; k++)
			if (!strcmp(s->path, op->u.sysctl) &&
				!strcmp(is->sysctls.items[k].path, op->u.sysctl))
				is->sysctls.items[k].value = s->value;
	}
}

void mirror_kernel(
	struct fib_state *is, const struct fib_op *ops, size_t n, const struct fib_state *shall)
{
	mirror_routes(&is->routes, ops, n);
	for (size_t i = 0; i < n; i++) {
		const struct fib_op *op = &ops[i];
		struct fib_device *device = fib_state_device(is, op->device);
		const struct fib_device *want = shall ? fib_state_device(shall, op->device) : NULL;

		if (!op->done)
			continue;
		if (op->type == FIB_RULE_ADD)
			vec_push(&is->rules, op->u.rule);
		else if (op->type == FIB_RULE_DEL)
			remove_rule(&is->rules, &op->u.rule);
		else if (op->type == FIB_SYSCTL && shall)
			mirror_sysctl(is, op, shall);
		else if (device && want)
			mirror_of_device(device, op, want);
	}
}

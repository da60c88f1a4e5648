/* SPDX-License-Identifier: MIT */
#include "fib/do.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Or the first address of a subnet takes all others of it along. */
static int remove_address(const struct fib_doing *w, const struct fib_device *d, const ip_prefix *a)
{
	char path[FIB_SYSCTL_PATH_MAX];
	struct fib_io *io = w->io;
	int err, before = 1;

	snprintf(path, sizeof(path), "net/ipv4/conf/%s/promote_secondaries", d->name);
	if (io->ops->sysctl_get(io, path, &before) || !before)
		io->ops->sysctl_set(io, path, 1);
	err = io->ops->addr_del(io, d->ifindex, a);
	if (!before)
		io->ops->sysctl_set(io, path, 0);
	return err;
}

/* Its packets are without an address of theirs for as long as two requests take. */
static int turn_address(const struct fib_doing *w, const struct fib_device *d, const ip_prefix *a)
{
	int err = 0;

	for (size_t i = 0; i < d->addresses.n && !err; i++)
		if (fib_same_address(&d->addresses.items[i], a))
			err = w->io->ops->addr_del(w->io, d->ifindex, &d->addresses.items[i]);
	return err ? err : w->io->ops->addr_add(w->io, d->ifindex, a);
}

static int set_link(
	const struct fib_doing *w, const struct fib_device *is, const struct fib_device *shall)
{
	struct fib_io *io = w->io;
	int err = 0;

	/* Before it is up: then the kernel would make one. */
	if (is->makes_link_local && !shall->makes_link_local)
		err = io->ops->link_quiet(io, is->ifindex);
	return err ? err : io->ops->link_set(io, is->ifindex, shall->up, shall->mtu);
}

static int write_sysctl(const struct fib_doing *w, const char *path)
{
	for (size_t i = 0; i < w->shall->sysctls.n; i++)
		if (!strcmp(w->shall->sysctls.items[i].path, path))
			return w->io->ops->sysctl_set(
				w->io, path, w->shall->sysctls.items[i].value);
	return 0;
}

static int set_mark(const struct fib_doing *w, const struct fib_device *shall)
{
	struct fib_io *io = w->io;
	char table[FIB_NFT_TABLE_MAX];

	fib_nft_table(shall->name, table);
	return shall->mark.mark ? io->ops->mark_set(io, table, &shall->mark)
				: io->ops->mark_remove(io, table);
}

/* Somebody else's route to our own device (wg-quick's, say) does what ours would. */
static bool is_served(const struct fib_doing *w, const struct rtnl_route *r)
{
	const route_vec *have = &w->is->routes;

	return have->n && bsearch(r, have->items, have->n, sizeof(*r), want_route_cmp);
}

static int add_route(const struct fib_doing *w, const struct rtnl_route *r)
{
	int err = w->io->ops->route_add(w->io, r);

	return err == -EEXIST && is_served(w, r) ? 0 : err;
}

static int do_one(const struct fib_doing *w, const struct fib_op *op)
{
	const struct fib_device *is = fib_state_device(w->is, op->device);
	const struct fib_device *shall = w->shall ? fib_state_device(w->shall, op->device) : NULL;
	struct fib_io *io = w->io;

	switch (op->type) {
	case FIB_SYSCTL:
		return write_sysctl(w, op->u.sysctl);
	case FIB_LINK:
		return set_link(w, is, shall);
	case FIB_ADDRESS_ADD:
		return op->stage == FIB_AT_ADDRESS_TURN
			       ? turn_address(w, is, &op->u.address)
			       : io->ops->addr_add(io, is->ifindex, &op->u.address);
	case FIB_ADDRESS_DEL:
		return remove_address(w, is, &op->u.address);
	case FIB_ROUTE_ADD:
		return add_route(w, &op->u.route);
	case FIB_ROUTE_DEL:
		return io->ops->route_del(io, &op->u.route);
	case FIB_RULE_ADD:
		return io->ops->rule_add(io, &op->u.rule);
	case FIB_RULE_DEL:
		return io->ops->rule_del(io, &op->u.rule);
	case FIB_MARK:
		return set_mark(w, shall);
	default:
		assert(false);
		return -EINVAL;
	}
}

/* What the mesh can do without: told, and no reason to give up the rest. */
static bool is_borne(const struct fib_op *op, int err)
{
	switch (op->type) {
	case FIB_SYSCTL:
	case FIB_MARK:
		return true;
	case FIB_ADDRESS_ADD:
	case FIB_ROUTE_ADD:
		return err != -ENODEV;
	case FIB_ROUTE_DEL: /* by an event; a plan of everything comes back to it */
		return err != -ENODEV;
	case FIB_RULE_ADD: /* without the overlay's the mesh works, without the mark's it doesn't */
		return op->u.rule.to.len;
	default:
		return false;
	}
}

/* --- piece by piece ------------------------------------------------------------------------------
 */

/* How many operations from here on one device takes as one change. */
static size_t neighbours(const struct fib_plan *p, size_t from)
{
	size_t n = 1, weight = op_weight(&p->ops.items[from]);

	for (; from + n < p->ops.n; n++) {
		const struct fib_op *op = &p->ops.items[from + n];

		weight += op_weight(op);
		if (weight > FIB_CHUNK || !op_is_of_device(op) ||
			strcmp(op->device, p->ops.items[from].device) != 0)
			break;
	}
	return n;
}

/* Those that are to be done come first, in their order; how many. */
static size_t without_void(struct fib_op *ops, size_t n, fib_void_fn *is_void, void *data)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		struct fib_op op = ops[i];

		if (is_void && is_void(&op, data))
			continue;
		ops[i] = ops[kept];
		ops[kept++] = op;
	}
	return kept;
}

static int do_neighbours(struct fib_doing *w, struct fib_op *ops, size_t n)
{
	const struct fib_device *is = fib_state_device(w->is, ops->device);
	const struct fib_device *shall = w->shall ? fib_state_device(w->shall, ops->device) : NULL;
	int err = is ? do_device(w->io, ops, n, shall, is) : -ENODEV;

	for (size_t i = 0; !err && i < n; i++)
		ops[i].done = true;
	return err;
}

static void note_failure(struct fib_doing *w, const struct fib_op *op, int err)
{
	vec_push(&w->failures, ((struct fib_failure){(size_t)(op - w->plan->ops.items), err}));
}

static int do_ops(struct fib_doing *w, struct fib_op *ops, size_t n)
{
	bool device = op_is_of_device(ops);
	int err = device ? do_neighbours(w, ops, n) : do_one(w, ops);

	if (err)
		note_failure(w, ops, err);
	else
		ops->done = true;
	return err && (device || !is_borne(ops, err)) ? err : 0;
}

int fib_do_piece(struct fib_doing *w, fib_void_fn *is_void, void *data)
{
	struct fib_op *ops;
	size_t n, kept;
	int err = 0;

	if (w->at == w->plan->ops.n)
		return 0;
	ops = &w->plan->ops.items[w->at];
	n = op_is_of_device(ops) ? neighbours(w->plan, w->at) : 1;
	kept = without_void(ops, n, is_void, data);
	if (kept)
		err = do_ops(w, ops, kept);
	w->at += n;
	return err ? err : w->at < w->plan->ops.n;
}

/* --- all of it -----------------------------------------------------------------------------------
 */

static size_t same_device(const struct fib_plan *p, size_t from)
{
	size_t n = 1;

	while (from + n < p->ops.n &&
		!strcmp(p->ops.items[from + n].device, p->ops.items[from].device))
		n++;
	return n;
}

void fib_mirror(const struct fib_plan *p, const struct fib_state *shall, struct fib_state *is)
{
	for (size_t i = 0, n; i < p->ops.n; i += n) {
		const struct fib_op *ops = &p->ops.items[i];
		struct fib_device *device = fib_state_device(is, ops->device);

		n = same_device(p, i);
		if (device)
			mirror_device(&device->wg, ops, n,
				shall ? fib_state_device(shall, ops->device) : NULL);
	}
	mirror_kernel(is, p->ops.items, p->ops.n, shall);
}

int fib_do(struct fib_io *io, struct fib_plan *p, const struct fib_state *shall,
	struct fib_state *is, fib_failures *failures)
{
	struct fib_doing w = {.io = io, .plan = p, .shall = shall, .is = is};
	int err;

	while ((err = fib_do_piece(&w, NULL, NULL)) > 0)
		;
	fib_mirror(p, shall, is);
	vec_done(failures);
	*failures = w.failures;
	return err;
}

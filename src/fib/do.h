/* SPDX-License-Identifier: MIT */
/*
 * A plan, done: its operations one by one, neighbours on one device as one change. It stops at the
 * first error. What a mesh can do without (an address that the kernel refuses, a foreign route in
 * the way, a setting that may not be written) is no error but a failure that is told. Each
 * operation that worked is marked as done, and the mirror has it when fib_do returns. What a device
 * took of a change that failed isn't in it: who got an error looks anew.
 */
#ifndef SHUNT_FIB_DO_H
#define SHUNT_FIB_DO_H

#include "fib/io.h"
#include "fib/plan.h"

struct fib_failure {
	size_t op; /* of the plan's */
	int err;   /* negative */
};

typedef VEC(struct fib_failure) fib_failures;

/*
 * shall: what the operations' objects shall be, read when each is done; may be NULL for a plan of
 * owners and routes alone. is: the mirror. failures gets what was not done, an error last; the
 * caller releases it. 0, or negative errno: -ENODEV, the device is gone.
 */
int fib_do(struct fib_io *io, struct fib_plan *p, const struct fib_state *shall,
	struct fib_state *is, fib_failures *failures);

/* n neighbours on one device, as one change. shall as for fib_do; is: the mirror, before it. */
int do_device(struct fib_io *io, const struct fib_op *ops, size_t n, const struct fib_device *shall,
	const struct fib_device *is);
/* True of what do_device takes. */
bool op_is_of_device(const struct fib_op *op);

/* --- the mirror: pure --- */

/* What has been done so becomes part of what is. Operations of one device, all that are marked as
 * done. */
void mirror_device(struct device_state *is, const struct fib_op *ops, size_t n,
	const struct fib_device *shall);
/* All else of a plan. */
void mirror_kernel(
	struct fib_state *is, const struct fib_op *ops, size_t n, const struct fib_state *shall);

#endif

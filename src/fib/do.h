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

/* So many operations on a device are one change at most, who names owners counting for each: what
 * others wait for. */
#define FIB_CHUNK 128

/* A plan on its way. Zeroed but for what it is about; the caller releases failures. */
struct fib_doing {
	struct fib_io *io;
	struct fib_plan *plan;
	/* What the operations' objects shall be, read when each is done; may be NULL for a plan of
	 * owners, levels, routes and endpoints alone. */
	const struct fib_state *shall;
	const struct fib_state *is; /* before the plan */
	size_t at;		    /* the next operation */
	fib_failures failures;	    /* what was not done, an error last */
};

/* True: the operation isn't to be done any more, and is passed over without a word. It may become
 * another one on the same device; what that points at is of the plan's arena. */
typedef bool fib_void_fn(struct fib_op *op, void *data);

/*
 * One operation, or some neighbours on one device as one change. is_void may be NULL. 1: there is
 * more to do; 0: all is done; or negative errno, after which it isn't gone on with: -ENODEV, the
 * device is gone.
 */
int fib_do_piece(struct fib_doing *w, fib_void_fn *is_void, void *data);
/* What was done of the plan becomes part of the mirror, which is as it was before. */
void fib_mirror(const struct fib_plan *p, const struct fib_state *shall, struct fib_state *is);
/* All of a plan, and the mirror. 0 or negative errno; the caller releases failures. */
int fib_do(struct fib_io *io, struct fib_plan *p, const struct fib_state *shall,
	struct fib_state *is, fib_failures *failures);

/* n neighbours on one device, as one change. shall as for fib_do; is: the mirror, before it. */
int do_device(struct fib_io *io, const struct fib_op *ops, size_t n, const struct fib_device *shall,
	const struct fib_device *is);
/* True of what do_device takes. */
bool op_is_of_device(const struct fib_op *op);
/* How much of FIB_CHUNK it is. */
size_t op_weight(const struct fib_op *op);

/* --- the mirror: pure --- */

/* What has been done so becomes part of what is. Operations of one device, all that are marked as
 * done. */
void mirror_device(struct device_state *is, const struct fib_op *ops, size_t n,
	const struct fib_device *shall);
/* All else of a plan. */
void mirror_kernel(
	struct fib_state *is, const struct fib_op *ops, size_t n, const struct fib_state *shall);

#endif

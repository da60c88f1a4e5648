/* SPDX-License-Identifier: MIT */
#include "daemon/takedown.h"

#include "fib/look.h"

static void remove_ours(struct daemon *d, struct fib_io *io)
{
	struct shall_input in = {.gen = d->gen,
		.journal = state_journal(d->state),
		.apart = d->fib.apart.items,
		.n_apart = d->fib.apart.n,
		.mark = d->fib.fwmark};
	struct shall none = {0};
	struct fib_state is = {0};
	struct fib_plan plan = {0};
	fib_failures failures = {0};

	shall_ended(&in, d->fib.ifindex, &none);
	if (!fib_look_kernel(io, d->fib.ifindex, &is)) {
		fib_plan_removal(&is, &none.ours, &plan);
		fib_do(io, &plan, NULL, &is, &failures);
	}
	vec_done(&failures);
	fib_plan_done(&plan);
	fib_state_done(&is);
	shall_done(&none);
}

void takedown_kernel(struct daemon *d)
{
	struct fib_io *io = &d->io.io;
	char table[FIB_NFT_TABLE_MAX];

	if (!d->gen || !d->state)
		return;
	remove_ours(d, io);
	fib_nft_table(d->gen->self->interface, table);
	io->ops->mark_remove(io, table);
}

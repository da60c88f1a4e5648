/* SPDX-License-Identifier: MIT */
#include "daemon/fib_context.h"

void fib_done(struct fib *f)
{
	fib_troubles_done(&f->problems);
	vec_done(&f->foreign);
	vec_done(&f->apart);
	fib_state_done(&f->is);
	kernel_io_done(&f->io);
}

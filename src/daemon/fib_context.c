/* SPDX-License-Identifier: MIT */
#include "daemon/fib_context.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void fib_problem(struct fib *f, char *fix, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	vec_push(&f->problems, ((struct fib_trouble){mem_strdup(text), fix}));
}

void fib_forget_problems(struct fib *f)
{
	for (size_t i = 0; i < f->problems.n; i++) {
		free(f->problems.items[i].what);
		free(f->problems.items[i].fix);
	}
	f->problems.n = 0;
}

void fib_done(struct fib *f)
{
	fib_forget_problems(f);
	vec_done(&f->problems);
	vec_done(&f->foreign);
	vec_done(&f->apart);
	fib_state_done(&f->is);
	kernel_io_done(&f->io);
}

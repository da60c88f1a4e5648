/* SPDX-License-Identifier: MIT */
#include "fib/trouble.h"

#include "base/buf.h"
#include "base/mem.h"
#include <stdarg.h>
#include <stdlib.h>

void fib_trouble_add(fib_troubles *t, char *fix, const char *fmt, ...)
{
	AUTO_BUF text = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	vec_push(t, ((struct fib_trouble){mem_strdup(buf_str(&text)), fix}));
}

void fib_troubles_move(fib_troubles *to, fib_troubles *from)
{
	for (size_t i = 0; i < from->n; i++)
		vec_push(to, from->items[i]);
	from->n = 0;
	vec_done(from);
}

void fib_troubles_done(fib_troubles *t)
{
	for (size_t i = 0; i < t->n; i++) {
		free(t->items[i].what);
		free(t->items[i].fix);
	}
	vec_done(t);
}

/* SPDX-License-Identifier: MIT */
#include "base/mem.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* No exit handlers and no core: they may want memory, and a core holds keys. Nor does the end wait
 * for somebody to read why. */
_Noreturn void mem_exhausted(void)
{
	struct pollfd out = {STDERR_FILENO, POLLOUT, 0};

	if (poll(&out, 1, 0) == 1)
		dprintf(STDERR_FILENO, "%s: out of memory\n", program_invocation_short_name);
	_exit(EXIT_FAILURE);
}

void *mem_alloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		mem_exhausted();
	return p;
}

void *mem_zalloc(size_t n, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(n, size, &total))
		mem_exhausted();
	p = calloc(total ? total : 1, 1);
	if (!p)
		mem_exhausted();
	return p;
}

void *mem_realloc(void *old, size_t n, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(n, size, &total))
		mem_exhausted();
	p = realloc(old, total ? total : 1);
	if (!p)
		mem_exhausted();
	return p;
}

char *mem_strdup(const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(mem_alloc(n), s, n);
}

char *mem_printf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		mem_exhausted();
	return s;
}

void mem_free_ptr(void *pointer_to_pointer)
{
	void *p;

	memcpy(&p, pointer_to_pointer, sizeof(p));
	free(p);
}

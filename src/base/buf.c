/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "base/mem.h"
#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BUF_MIN 64

static void move_to(struct buf *b, size_t cap)
{
	char *old = b->data;

	if (!b->is_secret || !old) {
		b->data = mem_realloc(old, cap, 1);
		return;
	}
	b->data = mem_alloc(cap);
	memcpy(b->data, old, b->n + 1);
	sodium_memzero(old, b->cap);
	free(old);
}

/* Makes room for n more bytes and the zero byte behind them. */
static void grow(struct buf *b, size_t n)
{
	size_t want, cap;

	if (__builtin_add_overflow(b->n, n, &want) || __builtin_add_overflow(want, 1, &want))
		want = SIZE_MAX; /* which no allocator has */
	if (want <= b->cap)
		return;
	cap = b->cap < SIZE_MAX / 2 ? b->cap * 2 : SIZE_MAX;
	if (cap < want)
		cap = want;
	if (cap < BUF_MIN)
		cap = BUF_MIN;
	move_to(b, cap);
	b->cap = cap;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
	grow(b, n);
	if (n)
		memcpy(b->data + b->n, bytes, n);
	b->n += n;
	b->data[b->n] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
	buf_add(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(b, fmt, ap);
	va_end(ap);
}

void buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	int n;

	grow(b, 0);
	va_copy(again, ap);
	n = vsnprintf(b->data + b->n, b->cap - b->n, fmt, ap);
	assert(n >= 0);
	if ((size_t)n >= b->cap - b->n) {
		grow(b, (size_t)n);
		n = vsnprintf(b->data + b->n, b->cap - b->n, fmt, again);
		assert(n >= 0 && (size_t)n < b->cap - b->n);
	}
	va_end(again);
	b->n += (size_t)n;
}

char *buf_room(struct buf *b, size_t n)
{
	grow(b, n);
	/* However much of it the caller fills, a zero byte follows. */
	memset(b->data + b->n, 0, n + 1);
	return b->data + b->n;
}

void buf_drop(struct buf *b, size_t n)
{
	assert(n <= b->n);
	if (!n)
		return;
	b->n -= n;
	memmove(b->data, b->data + n, b->n + 1);
}

void buf_reset(struct buf *b)
{
	b->n = 0;
	if (b->data)
		b->data[0] = '\0';
}

const char *buf_str(const struct buf *b)
{
	return b->data ? b->data : "";
}

char *buf_steal(struct buf *b)
{
	char *s;

	grow(b, 0);
	b->data[b->n] = '\0';
	s = b->data;
	*b = (struct buf){0};
	return s;
}

void buf_done(struct buf *b)
{
	free(b->data);
	*b = (struct buf){0};
}

void buf_wipe(struct buf *b)
{
	if (b->data)
		sodium_memzero(b->data, b->cap);
	buf_done(b);
}

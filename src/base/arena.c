/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include "base/mem.h"
#include <assert.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_FIRST 4096
#define CHUNK_MOST (256 * 1024)

struct arena_chunk {
	struct arena_chunk *next;
	size_t used;
	size_t cap;
	alignas(max_align_t) char data[];
};

static struct arena_chunk *chunk_new(size_t cap)
{
	size_t total;
	struct arena_chunk *c;

	if (__builtin_add_overflow(cap, sizeof(*c), &total))
		total = SIZE_MAX; /* which no allocator has */
	c = mem_zalloc(total, 1);
	c->cap = cap;
	return c;
}

/* A chunk with room for n bytes. What is larger than a chunk gets one of its own behind the
 * current, so that the rest of the current is still used. */
static struct arena_chunk *chunk_for(struct arena *a, size_t n)
{
	struct arena_chunk *current = a->chunk, *c;
	size_t cap = current ? current->cap * 2 : CHUNK_FIRST;

	if (current && current->cap - current->used >= n)
		return current;
	if (cap > CHUNK_MOST)
		cap = CHUNK_MOST;
	if (current && n > cap / 4) {
		c = chunk_new(n);
		c->next = current->next;
		current->next = c;
		return c;
	}
	c = chunk_new(n > cap ? n : cap);
	c->next = current;
	a->chunk = c;
	return c;
}

void *arena_alloc(struct arena *a, size_t n)
{
	const size_t align = alignof(max_align_t);
	size_t rounded;
	struct arena_chunk *c;
	void *p;

	if (__builtin_add_overflow(n ? n : 1, align - 1, &rounded))
		rounded = SIZE_MAX;
	rounded &= ~(align - 1);
	c = chunk_for(a, rounded);
	p = c->data + c->used;
	c->used += rounded;
	return p;
}

void *arena_zalloc(struct arena *a, size_t n, size_t size)
{
	size_t total;

	if (__builtin_mul_overflow(n, size, &total))
		total = SIZE_MAX; /* which no allocator has */
	return arena_alloc(a, total);
}

char *arena_strdup(struct arena *a, const char *s)
{
	size_t n = strlen(s) + 1;

	return memcpy(arena_alloc(a, n), s, n);
}

char *arena_strndup(struct arena *a, const char *s, size_t n)
{
	n = strnlen(s, n);
	return memcpy(arena_alloc(a, n + 1), s, n);
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	assert(n >= 0);
	s = arena_alloc(a, (size_t)n + 1);
	va_start(ap, fmt);
	vsnprintf(s, (size_t)n + 1, fmt, ap);
	va_end(ap);
	return s;
}

void arena_done(struct arena *a)
{
	while (a->chunk) {
		struct arena_chunk *c = a->chunk;

		a->chunk = c->next;
		free(c);
	}
}

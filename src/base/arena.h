/* SPDX-License-Identifier: MIT */
/* Memory with one lifetime: allocate freely, free everything at once. */
#ifndef SHUNT_BASE_ARENA_H
#define SHUNT_BASE_ARENA_H

#include <stddef.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunk;
};

/* A zeroed struct arena is empty and ready. */
/* n zeroed bytes aligned for any type. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((malloc, returns_nonnull));
/* n * size zeroed bytes; an overflowing product ends the program. */
void *arena_zalloc(struct arena *a, size_t n, size_t size) __attribute__((malloc, returns_nonnull));
char *arena_strdup(struct arena *a, const char *s) __attribute__((malloc, returns_nonnull));
char *arena_strndup(struct arena *a, const char *s, size_t n)
	__attribute__((malloc, returns_nonnull));
char *arena_printf(struct arena *a, const char *fmt, ...)
	__attribute__((format(printf, 2, 3), malloc, returns_nonnull));
/* Frees all; the arena is empty and ready again. */
void arena_done(struct arena *a);

#define arena_new(a, type) ((type *)arena_alloc(a, sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_zalloc(a, count, sizeof(type)))

#endif

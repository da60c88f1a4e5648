/* SPDX-License-Identifier: MIT */
/*
 * Allocation that does not fail: out of memory ends the program with one line on standard error.
 * For the daemon and the command line only; the data plane allocates at configuration time by its
 * own means. A restart of shuntd is safe, so ending is the honest answer.
 */
#ifndef SHUNT_BASE_MEM_H
#define SHUNT_BASE_MEM_H

#include <stddef.h>

/* n bytes, uninitialised; free() releases them. */
void *mem_alloc(size_t n) __attribute__((malloc, returns_nonnull));
/* n * size zeroed bytes; an overflowing product ends the program. */
void *mem_zalloc(size_t n, size_t size) __attribute__((malloc, returns_nonnull));
/* Resizes old (may be NULL) to n * size bytes; new bytes are uninitialised. */
void *mem_realloc(void *old, size_t n, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *s) __attribute__((malloc, returns_nonnull));
char *mem_printf(const char *fmt, ...)
	__attribute__((format(printf, 1, 2), malloc, returns_nonnull));

/* Ends the program with that line, for who allocates by other means. */
_Noreturn void mem_exhausted(void);

/* For __attribute__((cleanup)): frees what the pointer variable holds. */
void mem_free_ptr(void *pointer_to_pointer);
#define AUTO_FREE __attribute__((cleanup(mem_free_ptr)))

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))

#endif

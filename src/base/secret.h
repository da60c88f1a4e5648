/* SPDX-License-Identifier: MIT */
/*
 * Memory for what holds keys: an area of its own, locked (as far as the limit on locked memory
 * goes), left out of core dumps, zeroed when given and wiped when taken back. Thread-safe; pages
 * are touched only as they are used.
 */
#ifndef SHUNT_BASE_SECRET_H
#define SHUNT_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* n zeroed bytes, aligned to 64; NULL if there is no memory. */
void *secret_alloc(size_t n);
/* The same for n * size bytes, and without memory the program ends, as with mem_zalloc. */
void *secret_zalloc(size_t n, size_t size) __attribute__((returns_nonnull));
/* n as it was asked for. Accepts NULL. */
void secret_free(void *p, size_t n);
/* Locks whole pages of somebody else's, as they are touched; a refusal is noted, no error. */
void secret_lock(void *p, size_t n);
/* True once the kernel has refused to lock a part. */
bool secret_lock_was_refused(void);

#endif

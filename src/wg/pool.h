/* SPDX-License-Identifier: MIT */
/*
 * Pieces of one size for what packets and handshakes need while the device runs. Memory is mapped
 * when the pool is sized, at configuration; it becomes resident (and, of a pool for secrets,
 * locked) only as pieces are first taken. Taking a piece never maps. Thread-safe.
 */
#ifndef SHUNT_WG_POOL_H
#define SHUNT_WG_POOL_H

#include <stdbool.h>
#include <stddef.h>

struct pool;

/* Empty; is_secret: left out of core dumps, and pieces are wiped when they come back. */
struct pool *pool_new(size_t piece, bool is_secret);
/* No piece may be used any more. Accepts NULL. */
void pool_free(struct pool *p);
/* From now on n pieces may be out at once. If fewer than before, what is out stays so, and memory
 * goes back once none is. -ENOMEM: nothing changed. */
int pool_set_size(struct pool *p, size_t n);
/* A piece, aligned to 64, its content whatever it likes; NULL: all are out. */
void *pool_take(struct pool *p);
/* Accepts NULL. */
void pool_give(struct pool *p, void *piece);
size_t pool_n_out(struct pool *p);
/* The bytes of a piece, rounded up as they are. */
size_t pool_piece(const struct pool *p);

#endif

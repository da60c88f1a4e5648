/* SPDX-License-Identifier: MIT */
/*
 * Session indices: random, unique, 32 bits, behind one function, so that another scheme can come.
 * The table maps an index to what it stands for; lookups without locks by qsbr workers, changes
 * serialised by the caller.
 */
#ifndef SHUNT_WG_INDEX_H
#define SHUNT_WG_INDEX_H

#include "wg/qsbr.h"
#include <stdint.h>

struct index_table;

/* random32: fresh random numbers from the owner. */
struct index_table *index_table_new(struct qsbr *q, uint32_t (*random32)(void *data), void *data);
void index_table_free(struct index_table *t);
/* A new index that stands for what (not NULL), never 0; 0 if there is no memory. */
uint32_t index_allocate(struct index_table *t, void *what);
/* The index now stands for something else (a handshake has become a session), in one store. */
void index_replace(struct index_table *t, uint32_t index, void *what);
void index_remove(struct index_table *t, uint32_t index);
/* NULL: unknown. */
void *index_lookup(const struct index_table *t, uint32_t index);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * A hash table from byte strings to pointers, keyed with SipHash under a random key, so that names
 * from outside can't be chosen to collide. Keys are not copied: they live as long as their entry.
 */
#ifndef SHUNT_BASE_MAP_H
#define SHUNT_BASE_MAP_H

#include <stdbool.h>
#include <stddef.h>

struct map;

struct map *map_new(void);
/* Frees the table, neither keys nor values; accepts NULL. */
void map_free(struct map *m);
/* Stores value (not NULL) and returns what stood there before, or NULL. If an entry is replaced it
 * keeps its old key. */
void *map_put(struct map *m, const void *key, size_t len, void *value);
void *map_get(const struct map *m, const void *key, size_t len);
/* Removes the entry and returns its value, or NULL. */
void *map_remove(struct map *m, const void *key, size_t len);
size_t map_count(const struct map *m);
/* Iteration in no order: start with *cursor = 0; false at the end. The map must not change
 * meanwhile. */
bool map_next(const struct map *m, size_t *cursor, const void **ret_key, size_t *ret_len,
	void **ret_value);

void *map_put_str(struct map *m, const char *key, void *value);
void *map_get_str(const struct map *m, const char *key);

#endif

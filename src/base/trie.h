/* SPDX-License-Identifier: MIT */
/*
 * Longest-prefix-match table of both families, path-compressed, for the control plane (single
 * thread). Values are the caller's pointers, never NULL; the trie owns its nodes only.
 */
#ifndef SHUNT_BASE_TRIE_H
#define SHUNT_BASE_TRIE_H

#include "base/prefix.h"

struct trie;

struct trie *trie_new(void);
/* Frees the nodes, not the values; accepts NULL. */
void trie_free(struct trie *t);
/* The value slot of exactly p (host bits must be clear), created holding NULL if new. The caller
 * stores a value before the next call. The slot stays valid until p is removed. */
void **trie_slot(struct trie *t, const ip_prefix *p);
/* Exact match; NULL if absent. */
void *trie_get(const struct trie *t, const ip_prefix *p);
/* Removes exactly p and returns its value; NULL if absent. */
void *trie_remove(struct trie *t, const ip_prefix *p);
/* Longest match for an address; ret (may be NULL) gets the prefix that matched. */
void *trie_lookup(const struct trie *t, const ip_addr *a, ip_prefix *ret);
/* The longest prefix that strictly covers p; NULL if none. */
void *trie_cover(const struct trie *t, const ip_prefix *p, ip_prefix *ret);
size_t trie_count(const struct trie *t);

/* Called per prefix; a non-zero answer ends the walk and is returned. The trie must not change
 * meanwhile. */
typedef int trie_fn(const ip_prefix *p, void *value, void *data);
/* All prefixes in ip_prefix_cmp order: IPv4 first, covers before what they cover. */
int trie_walk(const struct trie *t, trie_fn *fn, void *data);
/* The same from the first prefix behind after, which need not be in it. */
int trie_walk_after(const struct trie *t, const ip_prefix *after, trie_fn *fn, void *data);
/* All prefixes within outer, outer itself included, in the same order. */
int trie_walk_within(const struct trie *t, const ip_prefix *outer, trie_fn *fn, void *data);

#endif

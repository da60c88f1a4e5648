/* SPDX-License-Identifier: MIT */
/* A binary min-heap of deadlines, intrusive: a node sits in its owner and knows its place, so
 * moving one costs O(log n). */
#ifndef SHUNT_BASE_HEAP_H
#define SHUNT_BASE_HEAP_H

#include "base/time.h"
#include <stddef.h>

struct heap_node {
	instant at;   /* INSTANT_NEVER once taken out */
	size_t place; /* 1-based place in the heap; 0: not in it */
};

struct heap {
	struct heap_node **nodes;
	size_t n;
	size_t cap;
};

void heap_init(struct heap *h);
/* Frees the array; the nodes are their owners' and are not touched. */
void heap_done(struct heap *h);
/* Room for n nodes, so that heap_set needs no memory for them. */
void heap_reserve(struct heap *h, size_t n);
/* Puts node at the instant, moves it if it is there, takes it out at INSTANT_NEVER. */
void heap_set(struct heap *h, struct heap_node *node, instant at);
void heap_remove(struct heap *h, struct heap_node *node);
/* The earliest node, or NULL. */
struct heap_node *heap_first(const struct heap *h);
/* The earliest deadline, or INSTANT_NEVER. */
instant heap_deadline(const struct heap *h);

#endif

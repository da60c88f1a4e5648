/* SPDX-License-Identifier: MIT */
#include "base/heap.h"

#include "base/mem.h"
#include <assert.h>
#include <stdlib.h>

void heap_init(struct heap *h)
{
	*h = (struct heap){0};
}

void heap_done(struct heap *h)
{
	free(h->nodes);
	heap_init(h);
}

/* Places are 1-based: the parent of i is i / 2, its children 2i and 2i + 1. */
static struct heap_node *node_at(const struct heap *h, size_t place)
{
	return h->nodes[place - 1];
}

static void put_at(struct heap *h, size_t place, struct heap_node *node)
{
	h->nodes[place - 1] = node;
	node->place = place;
}

static void sift_up(struct heap *h, struct heap_node *node)
{
	size_t i = node->place;

	while (i > 1 && instant_before(node->at, node_at(h, i / 2)->at)) {
		put_at(h, i, node_at(h, i / 2));
		i /= 2;
	}
	put_at(h, i, node);
}

static void sift_down(struct heap *h, struct heap_node *node)
{
	size_t i = node->place, child;

	while ((child = i * 2) <= h->n) {
		if (child < h->n &&
			instant_before(node_at(h, child + 1)->at, node_at(h, child)->at))
			child++;
		if (!instant_before(node_at(h, child)->at, node->at))
			break;
		put_at(h, i, node_at(h, child));
		i = child;
	}
	put_at(h, i, node);
}

void heap_reserve(struct heap *h, size_t n)
{
	if (n <= h->cap)
		return;
	h->cap = n > h->cap * 2 ? n : h->cap * 2;
	h->nodes = mem_realloc(h->nodes, h->cap, sizeof(*h->nodes));
}

void heap_set(struct heap *h, struct heap_node *node, instant at)
{
	if (instant_is_never(at)) {
		heap_remove(h, node);
		return;
	}
	node->at = at;
	if (!node->place) {
		if (h->n == h->cap)
			heap_reserve(h, h->cap ? h->cap * 2 : 16);
		put_at(h, ++h->n, node);
	}
	sift_up(h, node);
	sift_down(h, node);
}

void heap_remove(struct heap *h, struct heap_node *node)
{
	struct heap_node *last;
	size_t place = node->place;

	node->at = INSTANT_NEVER;
	if (!place)
		return;
	assert(place <= h->n && node_at(h, place) == node);
	last = node_at(h, h->n--);
	node->place = 0;
	if (last == node)
		return;
	put_at(h, place, last);
	sift_up(h, last);
	sift_down(h, last);
}

struct heap_node *heap_first(const struct heap *h)
{
	return h->n ? h->nodes[0] : NULL;
}

instant heap_deadline(const struct heap *h)
{
	return h->n ? h->nodes[0]->at : INSTANT_NEVER;
}

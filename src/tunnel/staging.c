/* SPDX-License-Identifier: MIT */
/*
 * A packet is a chain of pieces of one size; the first begins with the packet's head. All packets
 * hang on a list in the order in which they came, and on their queue's: the first of all is the
 * first of its queue.
 */
#include "tunnel/staging.h"

#include "base/list.h"
#include "wg/messages.h"
#include "wg/pool.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 512
#define BASE ((size_t)1 << 20)
#define PER_PEER 1024
#define LIMIT ((size_t)64 << 20)

struct piece {
	struct piece *next;
	uint8_t bytes[PIECE - sizeof(struct piece *)];
};

struct staged {
	struct piece *more;
	struct list in_all;
	struct staged *next;
	struct staging_queue *queue;
	uint16_t len;
	uint8_t tos;
	uint8_t bytes[];
};

#define IN_FIRST (PIECE - offsetof(struct staged, bytes))
#define IN_PIECE sizeof(((struct piece *)NULL)->bytes)

struct staging {
	pthread_mutex_t lock;
	struct pool *pool;
	struct list all;
	size_t limit;
};

struct staging *staging_new(void)
{
	struct staging *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	pthread_mutex_init(&s->lock, NULL);
	list_init(&s->all);
	s->pool = pool_new(PIECE, false);
	if (!s->pool || staging_set_peers(s, 0)) {
		staging_free(s);
		return NULL;
	}
	return s;
}

void staging_free(struct staging *s)
{
	if (!s)
		return;
	pool_free(s->pool);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

int staging_set_peers(struct staging *s, size_t n)
{
	size_t bytes = n < LIMIT / PER_PEER ? BASE + n * PER_PEER : LIMIT;

	if (bytes > LIMIT)
		bytes = LIMIT;
	if (bytes == s->limit)
		return 0;
	if (pool_set_size(s->pool, bytes / PIECE))
		return -ENOMEM;
	s->limit = bytes;
	return 0;
}

size_t staging_limit(const struct staging *s)
{
	return s->limit;
}

/* --- under the lock ------------------------------------------------------------------------------
 */

static void free_packet(struct staging *s, struct staged *p)
{
	struct piece *more = p->more;

	pool_give(s->pool, p);
	while (more) {
		struct piece *next = more->next;

		pool_give(s->pool, more);
		more = next;
	}
}

static void drop_first(struct staging *s, struct staging_queue *q)
{
	struct staged *p = q->first;

	q->first = p->next;
	if (!q->first)
		q->last = NULL;
	q->n--;
	list_remove(&p->in_all);
	free_packet(s, p);
}

/* Makes room by dropping what is oldest of all; false: nothing is left to drop. */
static void *take_piece(struct staging *s, unsigned *dropped)
{
	void *piece;

	while (!(piece = pool_take(s->pool))) {
		if (list_is_empty(&s->all))
			return NULL;
		drop_first(s, container_of(s->all.next, struct staged, in_all)->queue);
		++*dropped;
	}
	return piece;
}

/* A packet that hangs nowhere yet; NULL: it is larger than everything. */
static struct staged *new_packet(
	struct staging *s, const uint8_t *packet, size_t len, unsigned *dropped)
{
	struct staged *p = take_piece(s, dropped);
	size_t at = len < IN_FIRST ? len : IN_FIRST, n;
	struct piece **where;

	if (!p)
		return NULL;
	*p = (struct staged){.len = (uint16_t)len};
	memcpy(p->bytes, packet, at);
	for (where = &p->more; at < len; at += n, where = &(*where)->next) {
		*where = take_piece(s, dropped);
		if (!*where) {
			free_packet(s, p);
			return NULL;
		}
		n = len - at < IN_PIECE ? len - at : IN_PIECE;
		(*where)->next = NULL;
		memcpy((*where)->bytes, packet + at, n);
	}
	return p;
}

static void append(struct staging *s, struct staging_queue *q, struct staged *p)
{
	p->queue = q;
	list_append(&s->all, &p->in_all);
	if (q->last)
		q->last->next = p;
	else
		q->first = p;
	q->last = p;
	q->n++;
}

static void copy_out(const struct staged *p, uint8_t *into)
{
	size_t at = p->len < IN_FIRST ? p->len : IN_FIRST;

	memcpy(into, p->bytes, at);
	for (const struct piece *more = p->more; more; more = more->next) {
		size_t n = p->len - at < IN_PIECE ? p->len - at : IN_PIECE;

		memcpy(into + at, more->bytes, n);
		at += n;
	}
}

/* --- for callers ---------------------------------------------------------------------------------
 */

unsigned staging_add(
	struct staging *s, struct staging_queue *q, const uint8_t *packet, size_t len, uint8_t tos)
{
	struct staged *p;
	unsigned dropped = 0;

	if (!len || len > STAGING_MAX_PACKET)
		return 1;
	pthread_mutex_lock(&s->lock);
	if (q->n == WG_MAX_STAGED) {
		drop_first(s, q);
		dropped++;
	}
	p = new_packet(s, packet, len, &dropped);
	if (p) {
		p->tos = tos;
		append(s, q, p);
	}
	pthread_mutex_unlock(&s->lock);
	return dropped + !p;
}

size_t staging_take(struct staging *s, struct staging_queue *q, uint8_t *into, uint8_t *ret_tos)
{
	size_t len = 0;

	pthread_mutex_lock(&s->lock);
	if (q->first) {
		len = q->first->len;
		*ret_tos = q->first->tos;
		copy_out(q->first, into);
		drop_first(s, q);
	}
	pthread_mutex_unlock(&s->lock);
	return len;
}

unsigned staging_drop_all(struct staging *s, struct staging_queue *q)
{
	unsigned n = 0;

	pthread_mutex_lock(&s->lock);
	for (; q->first; n++)
		drop_first(s, q);
	pthread_mutex_unlock(&s->lock);
	return n;
}

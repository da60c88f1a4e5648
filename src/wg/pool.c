/* SPDX-License-Identifier: MIT */
/*
 * Chunks of address space, used up from front to back, and a list of the pieces that came back.
 * What came back last goes out first: what is resident is what was ever out at once.
 */
#include "wg/pool.h"

#include "base/secret.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#define GRAIN 64
#define CHUNK ((size_t)1 << 20)

struct free_piece {
	struct free_piece *next;
};

struct chunk {
	struct chunk *next;
	uint8_t *memory;
};

struct pool {
	pthread_mutex_t lock;
	size_t piece, per_chunk;
	bool is_secret;
	size_t limit, n_out, n_chunks;
	struct chunk *first, *last;
	struct chunk *current; /* NULL: none touched yet */
	size_t used;	       /* of current, pieces */
	struct free_piece *free;
};

struct pool *pool_new(size_t piece, bool is_secret)
{
	struct pool *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	pthread_mutex_init(&p->lock, NULL);
	p->piece = (piece + GRAIN - 1) / GRAIN * GRAIN;
	p->per_chunk = CHUNK / p->piece;
	p->is_secret = is_secret;
	return p;
}

static void drop_chunks(struct chunk *c)
{
	while (c) {
		struct chunk *next = c->next;

		munmap(c->memory, CHUNK);
		free(c);
		c = next;
	}
}

void pool_free(struct pool *p)
{
	if (!p)
		return;
	drop_chunks(p->first);
	pthread_mutex_destroy(&p->lock);
	free(p);
}

static bool add_chunk(struct pool *p)
{
	struct chunk *c = calloc(1, sizeof(*c));
	void *memory =
		mmap(NULL, CHUNK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (!c || memory == MAP_FAILED) {
		free(c);
		if (memory != MAP_FAILED)
			munmap(memory, CHUNK);
		return false;
	}
	/* A huge page would be resident for the sake of one piece. */
	madvise(memory, CHUNK, MADV_NOHUGEPAGE);
	if (p->is_secret)
		madvise(memory, CHUNK, MADV_DONTDUMP);
	c->memory = memory;
	if (p->last)
		p->last->next = c;
	else
		p->first = c;
	p->last = c;
	p->n_chunks++;
	return true;
}

static size_t chunks_for(const struct pool *p, size_t n)
{
	return (n + p->per_chunk - 1) / p->per_chunk;
}

/* If nothing is out, what isn't needed any more goes back to the system. */
static void shrink(struct pool *p)
{
	size_t keep = chunks_for(p, p->limit);

	if (p->n_out || p->n_chunks <= keep)
		return;
	p->last = NULL;
	for (size_t i = 0; i < keep; i++)
		p->last = p->last ? p->last->next : p->first;
	drop_chunks(p->last ? p->last->next : p->first);
	if (p->last)
		p->last->next = NULL;
	else
		p->first = NULL;
	p->n_chunks = keep;
	p->current = NULL;
	p->used = 0;
	p->free = NULL;
}

int pool_set_size(struct pool *p, size_t n)
{
	int err = 0;

	pthread_mutex_lock(&p->lock);
	while (p->n_chunks < chunks_for(p, n) && !err)
		if (!add_chunk(p))
			err = -ENOMEM;
	if (!err)
		p->limit = n;
	shrink(p);
	pthread_mutex_unlock(&p->lock);
	return err;
}

/* The next chunk's first use. A lock may be refused, which is noted there. */
static void *take_fresh(struct pool *p)
{
	struct chunk *next = p->current ? p->current->next : p->first;

	if (!p->current || p->used == p->per_chunk) {
		p->current = next;
		p->used = 0;
		if (p->is_secret)
			secret_lock(p->current->memory, CHUNK);
	}
	return p->current->memory + p->used++ * p->piece;
}

void *pool_take(struct pool *p)
{
	void *piece = NULL;

	pthread_mutex_lock(&p->lock);
	if (p->n_out < p->limit) {
		p->n_out++;
		piece = p->free;
		if (piece)
			p->free = p->free->next;
		else
			piece = take_fresh(p);
	}
	pthread_mutex_unlock(&p->lock);
	return piece;
}

void pool_give(struct pool *p, void *piece)
{
	struct free_piece *f = piece;

	if (!f)
		return;
	if (p->is_secret)
		sodium_memzero(piece, p->piece);
	pthread_mutex_lock(&p->lock);
	f->next = p->free;
	p->free = f;
	p->n_out--;
	shrink(p);
	pthread_mutex_unlock(&p->lock);
}

size_t pool_n_out(struct pool *p)
{
	size_t n;

	pthread_mutex_lock(&p->lock);
	n = p->n_out;
	pthread_mutex_unlock(&p->lock);
	return n;
}

size_t pool_piece(const struct pool *p)
{
	return p->piece;
}

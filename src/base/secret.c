/* SPDX-License-Identifier: MIT */
#include "base/secret.h"

#include "base/mem.h"
#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>

#define GRAIN 64
#define CHUNK ((size_t)1 << 20)
#define MAX_CLASSES 64 /* up to 4 KiB; larger ones are mapped by themselves */

struct free_piece {
	struct free_piece *next;
};

static struct {
	pthread_mutex_t lock;
	struct free_piece *free[MAX_CLASSES + 1];
	uint8_t *at, *end; /* of the chunk in use */
	atomic_bool refused;
} area = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void *map(size_t n)
{
	void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return NULL;
	madvise(p, n, MADV_DONTDUMP);
	secret_lock(p, n);
	return p;
}

void secret_lock(void *p, size_t n)
{
	/* Locked as they are touched, so that room for many costs nothing yet. */
	if (mlock2(p, n, MLOCK_ONFAULT))
		atomic_store(&area.refused, true);
}

static size_t class_of(size_t n)
{
	return (n + GRAIN - 1) / GRAIN;
}

static void *take_piece(size_t class)
{
	size_t size = class * GRAIN;
	struct free_piece *p = area.free[class];

	if (p) {
		area.free[class] = p->next;
		p->next = NULL;
		return p;
	}
	if ((size_t)(area.end - area.at) < size) {
		area.at = map(CHUNK);
		area.end = area.at ? area.at + CHUNK : NULL;
	}
	if (!area.at)
		return NULL;
	p = (struct free_piece *)(void *)area.at;
	area.at += size;
	return p;
}

void *secret_alloc(size_t n)
{
	size_t class = class_of(n);
	void *p;

	if (class > MAX_CLASSES)
		return map(n);
	pthread_mutex_lock(&area.lock);
	p = take_piece(class);
	pthread_mutex_unlock(&area.lock);
	return p;
}

void *secret_zalloc(size_t n, size_t size)
{
	size_t total;
	void *p;

	if (__builtin_mul_overflow(n, size, &total))
		mem_exhausted();
	p = secret_alloc(total ? total : 1);
	if (!p)
		mem_exhausted();
	return p;
}

void secret_free(void *p, size_t n)
{
	size_t class = class_of(n ? n : 1);
	struct free_piece *piece = p;

	if (!p)
		return;
	sodium_memzero(p, n);
	if (class > MAX_CLASSES) {
		munmap(p, n);
		return;
	}
	pthread_mutex_lock(&area.lock);
	piece->next = area.free[class];
	area.free[class] = piece;
	pthread_mutex_unlock(&area.lock);
}

bool secret_lock_was_refused(void)
{
	return atomic_load(&area.refused);
}

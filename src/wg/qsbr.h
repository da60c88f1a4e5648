/* SPDX-License-Identifier: MIT */
/*
 * Reclaiming memory that readers may still look at: quiescent states (one per batch and worker; a
 * sleeping worker counts as quiescent). Acquire and release on variables, no standalone fences, so
 * that ThreadSanitizer can follow.
 */
#ifndef SHUNT_WG_QSBR_H
#define SHUNT_WG_QSBR_H

#include <stddef.h>
#include <stdint.h>

#define QSBR_MAX_WORKERS 64

struct qsbr;

struct qsbr *qsbr_new(void);
/* No worker may be left; frees everything retired. */
void qsbr_free(struct qsbr *q);

/* A worker's number; it starts asleep. */
unsigned qsbr_register(struct qsbr *q);
void qsbr_unregister(struct qsbr *q, unsigned worker);
/* The worker holds no reference from before this call. Cheap: once per batch. */
void qsbr_quiescent(struct qsbr *q, unsigned worker);
/* Around blocking calls: between sleep and wake the worker holds no reference. */
void qsbr_sleep(struct qsbr *q, unsigned worker);
void qsbr_wake(struct qsbr *q, unsigned worker);

/* Writers, serialised by the caller: frees what later, once no worker can see it. Never blocks. */
void qsbr_retire(struct qsbr *q, void *what, void (*free_fn)(void *));
/* Frees what can be freed now; call it now and then. Returns how many still wait. */
size_t qsbr_reclaim(struct qsbr *q);

#endif

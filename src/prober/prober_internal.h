/* SPDX-License-Identifier: MIT */
/*
 * What the prober's two sides share: prober.c is what its owner calls and what the core calls back,
 * prober_thread.c is the thread.
 *
 * Who may touch what: the core, the tables of peers and local addresses and the queues stand under
 * the lock. Sockets and everything that epoll points at are the thread's alone. What the core wants
 * sent is queued under the lock and sent by the thread without it; other threads only queue and
 * wake it. An address that no peer uses any more is therefore closed by the thread too, at a moment
 * when nothing queued refers to it.
 */
#ifndef SHUNT_PROBER_PROBER_INTERNAL_H
#define SHUNT_PROBER_PROBER_INTERNAL_H

#include "base/map.h"
#include "prober/prober.h"
#include "prober/prober_sockets.h"
#include <net/if.h>
#include <pthread.h>

/* Where a peer's packets go. */
struct target {
	uint32_t peer;
	uint64_t generation;
	struct list link;
	struct prober_local *local; /* NULL: it has no address to be probed at */
	ip_addr remote;
};

struct prober {
	/* Made at the start, and never changed. */
	char ifname[IF_NAMESIZE];
	pthread_t thread;
	int epoll, timer; /* the thread's */
	int wake;	  /* any thread's, for it to look up */
	int readable;	  /* the owner's, while events wait */

	/* The thread's. */
	unsigned ifindex; /* 0: not there */
	unsigned excess;  /* packets of this round that came to nothing */
	struct prober_inbox inbox;

	pthread_mutex_t lock; /* of all that follows */
	bool stopping;	      /* the owner wishes it, and the next */
	bool reopen;
	struct live *live;
	uint64_t generation;	       /* of the set of peers */
	struct map *by_peer;	       /* targets by number */
	struct list targets;	       /* target.link */
	struct list locals;	       /* prober_local.link; the thread takes off */
	bool has_stale_locals;	       /* there may be some of an older generation */
	instant retry_at;	       /* the earliest of the locals' */
	struct prober_queue out;       /* the core's, for the thread to send */
	VEC(struct live_event) events; /* the core's, for the owner to take */
	size_t events_taken;	       /* of them, from the front */
	int error;		       /* the last of a socket, and its sentence; 0: none */
	char error_text[160];
	struct prober_stats stats; /* the thread counts */
	bool urges;		   /* somebody is lent priority to take events: */
	pthread_t urged;
};

/* Closes and frees what no peer uses, unless something queued refers to it; under the lock. */
void prober_drop_locals(struct prober *p, instant now);
/* The thread's body; data is the prober. */
void *prober_run(void *data);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * When a direction gets help from workers: while its own thread is busy nearly all the time and a
 * core has nothing to do for a quarter of it at least. Whether that helps is measured and not
 * believed: help that doesn't raise the rate by a twentieth ends, and is tried again later and
 * later (a second to a minute). Once it helps it stays until the rate falls below what the thread
 * had done alone. Pure.
 */
#ifndef SHUNT_TUNNEL_GOVERNOR_H
#define SHUNT_TUNNEL_GOVERNOR_H

#include <stdbool.h>
#include <stdint.h>

#define GOVERNOR_SAMPLE_NS INT64_C(100000000) /* a sample should be at least as long */

enum governor_state { GOVERNOR_ALONE, GOVERNOR_TRIAL, GOVERNOR_HELPED };

struct governor {
	enum governor_state state;
	unsigned n; /* samples that count in this state */
	uint64_t bytes;
	int64_t ns;		     /* of those samples */
	uint64_t rate_alone;	     /* bytes a second, before help */
	int64_t wait_ns, backoff_ns; /* before the next trial */
};

/* What happened since the last sample. */
struct governor_sample {
	int64_t ns;	 /* on the clock */
	int64_t cpu_ns;	 /* of the direction's thread */
	int64_t idle_ns; /* of all cores that it may run on, together */
	uint64_t bytes;	 /* that it carried */
};

void governor_init(struct governor *g);
/* True if workers shall help from now on. */
bool governor_step(struct governor *g, const struct governor_sample *s);

#endif

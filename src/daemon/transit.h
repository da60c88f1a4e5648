/* SPDX-License-Identifier: MIT */
/*
 * Who sends by way of this node: of packets that were seen, the node that they came from and the
 * prefix that they went to. Each is known for a few seconds, and a few hundred at most. Pure.
 */
#ifndef SHUNT_DAEMON_TRANSIT_H
#define SHUNT_DAEMON_TRANSIT_H

#include "base/prefix.h"
#include "base/time.h"
#include <stddef.h>

/* Who sent nothing for so long is forgotten. */
#define TRANSIT_RECENT_NS (3 * NS_PER_S)
#define TRANSIT_MAX 256
/* A node that isn't known: its address stands for it. */
#define TRANSIT_NOBODY UINT32_MAX

struct transit_use {
	uint32_t from;	  /* of names.h, or TRANSIT_NOBODY */
	ip_addr source;	  /* of the last packet */
	ip_prefix prefix; /* where it went to */
	uint32_t to;	  /* who carries it */
	instant last;
};

struct transit;

struct transit *transit_new(void);
/* Accepts NULL. */
void transit_free(struct transit *t);
/* A watch begins, or there is none any more: INSTANT_NEVER. Nothing is known. */
void transit_begin(struct transit *t, instant now);
/* Copied; last is now. */
void transit_see(struct transit *t, const struct transit_use *use, instant now);
/* All that were seen lately, by prefix; valid until the next call. */
const struct transit_use *transit_list(struct transit *t, instant now, size_t *ret_n);
/* It was watched for long enough to say that there is nobody else. */
bool transit_is_known(const struct transit *t, instant now);
/* Watched for so long, and nobody was seen. */
bool transit_is_idle(const struct transit *t, instant now, int64_t for_ns);

#endif

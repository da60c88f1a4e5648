/* SPDX-License-Identifier: MIT */
/* What the control side asks of the daemon: the only way from here to there. */
#ifndef SHUNT_CONTROL_SOURCE_H
#define SHUNT_CONTROL_SOURCE_H

#include "base/buf.h"
#include "control/events.h"
#include "control/snapshot.h"
#include "route/rib.h"
#include <jansson.h>

typedef void control_ready_fn(void *arg);
/* A non-zero answer ends it and is returned. */
typedef int control_route_fn(const struct rib_answer *a, void *arg);

struct control_drain {
	bool drained;
	int64_t for_ns; /* then it ends by itself; 0: it doesn't */
};

/* why: NULL if it went well. */
typedef void control_drained_fn(const char *why, void *arg);
/* counts and changes are there if it went well, and borrowed. */
typedef void control_reloaded_fn(const char *why, json_t *counts, json_t *changes, void *arg);

/* All are called from the loop's thread, with data as given beside the table. */
struct control_source {
	/* Calls ready, once, when what the device says of its peers is young enough to be shown, or
	 * can't be had; at once or later. */
	void (*refresh)(void *data, control_ready_fn *ready, void *arg);
	/* The daemon as it stands; the caller gets a reference. */
	struct snapshot *(*snapshot)(void *data);

	/* At most max routes behind a prefix, or from the first (NULL), in ip_prefix_cmp order. */
	int (*routes_after)(
		void *data, const ip_prefix *after, size_t max, control_route_fn *fn, void *arg);
	/* Of a prefix with its host bits clear: itself; else the one that a packet to it takes;
	 * else, where nobody can carry it, the longest that would. False: none. */
	bool (*route_of)(void *data, const ip_prefix *prefix, struct rib_answer *ret);
	enum rib_state (*peer_state)(void *data, uint32_t peer);
	const char *(*name)(void *data, uint32_t peer);
	/* The line between the two as the peer tells it. */
	enum live_line (*line)(void *data, uint32_t peer, uint32_t node);

	/* done is called once, at once or later. */
	void (*drain)(
		void *data, const struct control_drain *want, control_drained_fn *done, void *arg);
	void (*reload)(void *data, control_reloaded_fn *done, void *arg);

	/* What has happened; it outlives the desk. */
	struct events *(*events)(void *data);
};

#endif

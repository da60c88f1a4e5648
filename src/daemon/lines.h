/* SPDX-License-Identifier: MIT */
/*
 * What is wrong between nodes, as this one knows by itself and by what its peers report: lines that
 * are dead though both ends live, lines that lose packets, peers that run another inventory. In
 * names, and as a person would say it. Pure.
 *
 * A line counts as dead between two that live if one end says so for LINES_QUIET, and the other end
 * is heard by somebody else; its ends name it, and all who would use it. Who dies for all is no
 * line.
 */
#ifndef SHUNT_DAEMON_LINES_H
#define SHUNT_DAEMON_LINES_H

#include "daemon/reports.h"

/* So long detection may differ between nodes, and a report take. */
#define LINES_QUIET NS_PER_S
/* A roll-out takes that long. */
#define LINES_ROLL_OUT (60 * NS_PER_S)

struct lines_facts {
	const struct generation *gen;
	const char *file; /* of gen */
	const struct reports *reports;
	struct rib *rib;
	/* Packets of a peer that is down come in. */
	bool (*is_heard)(uint32_t peer, void *data);
	void *data;
};

enum lines_kind { LINES_DEAD, LINES_POOR, LINES_OTHER_INVENTORY };

struct lines_trouble {
	enum lines_kind kind;
	const char *a, *b; /* the ends of a line, a hub first; else NULL */
	const char *what, *fix;
};

/* Strings are valid within the call. */
typedef void lines_fn(const struct lines_trouble *t, void *data);
void lines_find(const struct lines_facts *f, instant now, lines_fn *fn, void *data);

#endif

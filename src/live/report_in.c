/* SPDX-License-Identifier: MIT */
#include "live/report_in.h"

#include <assert.h>

/* Digests: the parts of a few of the largest reports at once, and then a thousand a second. */
#define BURST 256
#define GAP NS_PER_MS

bool report_in_wants(const struct report_in *in, const struct report_part *p)
{
	if (p->number <= in->heard || p->number < in->number)
		return false;
	return p->number != in->number || !(in->got >> p->part & 1);
}

bool report_in_may(struct report_in *in, instant now)
{
	return budget_take(&in->budget, GAP, BURST, now);
}

static void begin(struct report_in *in, const struct report_part *p, uint32_t nodes_max)
{
	live_report_done(&in->coming);
	in->number = p->number;
	in->got = 0;
	in->coming = p->head;
	in->is_cut = p->head.n_nodes > nodes_max;
	live_report_init_nodes(&in->coming, in->is_cut ? 0 : p->head.n_nodes);
}

static bool is_whole(const struct report_in *in, const struct report_part *p)
{
	uint64_t all = UINT64_MAX >> (REPORT_PARTS_MAX - p->n_parts);

	assert((in->got & ~all) == 0);
	return in->is_cut || in->got == all;
}

/* What was coming stands now; true if it differs from what stood. */
static bool finish(struct report_in *in)
{
	bool differs = !in->whole.max_owners || !live_report_eq(&in->whole, &in->coming);

	live_report_done(&in->whole);
	in->whole = in->coming;
	in->coming = (struct live_report){0};
	in->heard = in->number;
	in->number = in->got = 0;
	return differs;
}

bool report_in_take(struct report_in *in, const struct report_part *p, uint32_t nodes_max)
{
	assert(report_in_wants(in, p));
	if (p->number != in->number)
		begin(in, p, nodes_max);
	/* One number, one report: a sealed contradiction is a peer's own mistake, and harmless. */
	else if (!in->is_cut && in->coming.n_nodes != p->head.n_nodes)
		return false;
	in->got |= UINT64_C(1) << p->part;
	if (!in->is_cut)
		report_part_copy(p, &in->coming);
	return is_whole(in, p) && finish(in);
}

void report_in_renew(struct report_in *in)
{
	live_report_done(&in->coming);
	in->heard = in->number = in->got = 0;
}

void report_in_reopen(struct report_in *in)
{
	if (in->is_cut && in->heard)
		in->heard--;
	in->is_cut = false;
}

void report_in_forget(struct report_in *in)
{
	report_in_renew(in);
	live_report_done(&in->whole);
}

const struct live_report *report_in_whole(const struct report_in *in)
{
	return in->whole.max_owners ? &in->whole : NULL;
}

void report_in_done(struct report_in *in)
{
	report_in_forget(in);
}

/* SPDX-License-Identifier: MIT */
#include "live/report_in.h"

#include "base/mem.h"
#include <assert.h>
#include <string.h>

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

	if (!memcmp(in->whole.digest, in->coming.digest, sizeof(in->coming.digest)))
		live_report_copy_handshakes(&in->whole, &in->coming);
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

/* A handshake is one instant, of which each word tells no earlier than it was: the earliest is the
 * nearest, unless it is another one. */
#define SAME_HANDSHAKE (250 * NS_PER_MS)

static uint32_t place_of(const struct live_report *r, uint32_t place)
{
	uint32_t low = 0, high = r->n_handshakes;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (r->handshakes[middle].place < place)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void insert_age(struct live_report *r, uint32_t i, const struct live_handshake *h)
{
	struct live_handshake *list =
		mem_realloc(r->handshakes, r->n_handshakes + 1, sizeof(*list));

	memmove(list + i + 1, list + i, (r->n_handshakes - i) * sizeof(*list));
	list[i] = *h;
	r->handshakes = list;
	r->n_handshakes++;
}

static bool take_age(struct live_report *r, uint32_t place, instant at)
{
	uint32_t i = place_of(r, place);

	if (i == r->n_handshakes || r->handshakes[i].place != place) {
		insert_age(r, i, &(struct live_handshake){place, at});
		return true;
	}
	int64_t younger = instant_diff(at, r->handshakes[i].at);

	if (younger < 0 || younger >= SAME_HANDSHAKE)
		r->handshakes[i].at = at;
	return younger >= SAME_HANDSHAKE;
}

bool report_in_take_ages(struct report_in *in, const struct report_ages *a, instant now)
{
	bool differs = false;

	if (a->number <= in->ages_heard || !in->whole.max_owners ||
		memcmp(in->whole.digest, a->digest, sizeof(a->digest)) != 0)
		return false;
	in->ages_heard = a->number;
	for (uint32_t i = 0; i < a->n; i++)
		if (a->items[i].place < in->whole.n_nodes)
			differs |= take_age(&in->whole, a->items[i].place,
				instant_add(now, -a->items[i].age_ns));
	return differs;
}

void report_in_renew(struct report_in *in)
{
	live_report_done(&in->coming);
	in->heard = in->number = in->got = 0;
	in->ages_heard = 0;
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

/* SPDX-License-Identifier: MIT */
#include "live/report_out.h"

#include "base/mem.h"
#include "live/random.h"
#include <assert.h>

#define TIMES 3
#define TIMES_APART (200 * NS_PER_MS)
/* So many datagrams at once, and so long before the next as many. */
#define PORTION 32
#define PORTION_NS NS_PER_MS

void report_out_init(struct report_out *o)
{
	*o = (struct report_out){.next_at = INSTANT_NEVER, .changed_at = {INT64_MIN / 2}};
	heap_init(&o->due);
}

void report_out_done(struct report_out *o)
{
	live_report_done(&o->own);
	live_report_done(&o->next);
	heap_done(&o->due);
}

void report_out_tell(struct report_out *o, const struct live_report *r, instant now)
{
	struct live_report fitting = *r;

	if (r->n_nodes > LIVE_REPORT_NODES_MAX)
		fitting.n_nodes = 0;
	live_report_done(&o->next);
	o->next_at = INSTANT_NEVER;
	if (o->own.max_owners && live_report_eq(&o->own, &fitting)) {
		live_report_copy_handshakes(&fitting, &o->own);
		return;
	}
	live_report_copy(&fitting, &o->next);
	o->next_at = instant_max(now, instant_add(o->changed_at, LIVE_REPORT_APART));
}

bool report_out_step(struct report_out *o, instant now)
{
	if (instant_before(now, o->next_at))
		return false;
	live_report_done(&o->own);
	o->own = o->next;
	o->next = (struct live_report){0};
	o->next_at = INSTANT_NEVER;
	o->changed_at = now;
	o->number++;
	return true;
}

void report_out_again(struct report_out *o, struct report_target *t, instant now)
{
	if (!t->discriminator || !o->own.max_owners)
		return;
	t->again = TIMES;
	t->part = 0;
	heap_set(&o->due, &t->timer, now);
}

void report_out_forget(struct report_out *o, struct report_target *t)
{
	heap_remove(&o->due, &t->timer);
	t->discriminator = 0;
}

void report_out_session(
	struct report_out *o, struct report_target *t, uint32_t discriminator, instant now)
{
	if (discriminator == t->discriminator)
		return;
	report_out_forget(o, t);
	t->discriminator = discriminator;
	report_out_again(o, t, now);
}

struct report_target *report_out_due(struct report_out *o, instant now)
{
	struct heap_node *first = heap_first(&o->due);

	if (!first || instant_before(now, first->at) || instant_before(now, o->free_at))
		return NULL;
	if (!budget_take(&o->pace, PORTION_NS / PORTION, PORTION, now)) {
		o->free_at = instant_add(now, PORTION_NS);
		return NULL;
	}
	return container_of(first, struct report_target, timer);
}

/* All parts are out: when it goes out next. */
static instant next_time(struct report_target *t, instant now)
{
	assert(t->again <= TIMES);
	if (t->again)
		t->again--;
	if (t->again)
		return instant_add(now, TIMES_APART);
	return instant_add(now,
		LIVE_REPORT_EVERY - (int64_t)(random_next(&t->random) % (LIVE_REPORT_EVERY / 4)));
}

size_t report_out_encode(struct report_out *o, struct report_target *t,
	const uint8_t key[static BFD_KEY_LEN], instant now,
	uint8_t out[static LIVE_REPORT_DATAGRAM])
{
	struct report_address to = {key, t->discriminator, o->number};
	size_t len;

	unsigned n_parts = report_n_parts(o->own.n_nodes);

	assert(t->discriminator && o->own.max_owners);
	if (t->part < n_parts) {
		len = report_encode(&o->own, t->part, &to, out);
	} else if (t->part - n_parts >= report_n_ages(&o->own)) {
		t->part = 0; /* there are fewer now */
		len = report_encode(&o->own, 0, &to, out);
	} else {
		to.number = ++o->ages_number;
		len = report_encode_ages(&o->own, t->part - n_parts, &to, now, out);
	}
	if (++t->part >= n_parts + report_n_ages(&o->own)) {
		t->part = 0;
		heap_set(&o->due, &t->timer, next_time(t, now));
	}
	return len;
}

instant report_out_deadline(const struct report_out *o)
{
	instant at = heap_deadline(&o->due);

	if (!instant_is_never(at))
		at = instant_max(at, o->free_at);
	return instant_min(at, o->next_at);
}

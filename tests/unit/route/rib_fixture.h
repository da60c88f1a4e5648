/* SPDX-License-Identifier: MIT */
/* A RIB, the last step's changes, and what is to be seen of both. */
#ifndef SHUNT_TESTS_RIB_FIXTURE_H
#define SHUNT_TESTS_RIB_FIXTURE_H

#include "route/rib.h"

#include "base/mem.h"
#include "route/store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The nodes of these tests; the number is the place in the inventory, too. */
enum { HUB_A = 1, HUB_B, HUB_C, SITE_1, SITE_2, SITE_3 };

static inline ip_prefix prefix(const char *text)
{
	ip_prefix p = {0};

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

static inline struct rib_candidate direct(uint32_t peer, uint32_t metric)
{
	return (struct rib_candidate){.peer = peer,
		.origin = peer,
		.distance = RIB_DISTANCE_INVENTORY,
		.metric = metric,
		.place = peer,
		.origin_place = peer};
}

static inline struct rib_candidate transit(
	uint32_t hub, uint32_t hub_metric, uint32_t origin, uint32_t metric)
{
	return (struct rib_candidate){.peer = hub,
		.origin = origin,
		.distance = RIB_DISTANCE_INVENTORY,
		.transit = true,
		.metric = metric,
		.hub_metric = hub_metric,
		.place = hub,
		.origin_place = origin};
}

/* As a routing engine's: the same by the kernel's routes. */
static inline struct rib_candidate by_engine(struct rib_candidate c)
{
	c.distance = RIB_DISTANCE_KERNEL;
	c.source = RIB_KERNEL;
	return c;
}

struct fixture {
	struct rib *rib;
	struct rib_diff diff;
	struct rib_change *changes; /* of the last step */
	size_t n_changes;
};

/* rib_tag_fn: as good as a hash of a name. */
static inline uint64_t tag_of(uint32_t id, void *data)
{
	return id * UINT64_C(0x2545f4914f6cdd1d) + 77;
}

static inline struct fixture fixture_new(unsigned max_owners)
{
	return (struct fixture){.rib = rib_new(max_owners, max_owners > 1 ? tag_of : NULL, NULL)};
}

static inline void fixture_done(struct fixture *f)
{
	free(f->changes);
	rib_diff_done(&f->diff);
	rib_free(f->rib);
}

static inline void step(struct fixture *f, const struct rib_event *events, size_t n)
{
	rib_step(f->rib, events, n, &f->diff);
	free(f->changes);
	f->n_changes = rib_diff_list(&f->diff, &f->changes);
	assert_int_equal(f->n_changes, rib_diff_count(&f->diff));
}

static inline struct rib_event peer_event(uint32_t id, enum rib_state state)
{
	return (struct rib_event){.type = RIB_EVENT_PEER, .u.peer.id = id, .u.peer.state = state};
}

static inline struct rib_event prefix_event(const char *text,
	const struct rib_candidate *candidates, size_t n, enum rib_on_dead on_dead)
{
	struct rib_event ev = {.type = RIB_EVENT_PREFIX};

	ev.u.prefix.prefix = prefix(text);
	ev.u.prefix.candidates = candidates;
	ev.u.prefix.n = n;
	ev.u.prefix.on_dead = on_dead;
	return ev;
}

static inline struct rib_event kernel_event(
	const char *text, const struct rib_candidate *candidates, size_t n)
{
	struct rib_event ev = prefix_event(text, candidates, n, RIB_FALL_BACK);

	ev.u.prefix.source = RIB_KERNEL;
	return ev;
}

static inline struct rib_event takes_many_event(uint32_t id, bool takes_many)
{
	return (struct rib_event){.type = RIB_EVENT_TAKES_MANY,
		.u.takes_many.id = id,
		.u.takes_many.takes_many = takes_many};
}

static inline void set_takes_many(struct fixture *f, uint32_t id, bool takes_many)
{
	struct rib_event ev = takes_many_event(id, takes_many);

	step(f, &ev, 1);
}

static inline void set_reach(
	struct fixture *f, uint32_t peer, uint32_t origin, enum rib_reach reach)
{
	struct rib_event ev = {.type = RIB_EVENT_REACH,
		.u.reach.peer = peer,
		.u.reach.origin = origin,
		.u.reach.reach = reach};

	step(f, &ev, 1);
}

static inline void set_peer(struct fixture *f, uint32_t id, enum rib_state state)
{
	struct rib_event ev = peer_event(id, state);

	step(f, &ev, 1);
}

static inline void set_prefix(struct fixture *f, const char *text,
	const struct rib_candidate *candidates, size_t n, enum rib_on_dead on_dead)
{
	struct rib_event ev = prefix_event(text, candidates, n, on_dead);

	step(f, &ev, 1);
}

static inline void pin_prefix(struct fixture *f, const char *text, struct rib_candidate c)
{
	struct rib_event ev = prefix_event(text, &c, 1, RIB_FALL_BACK);

	ev.u.prefix.pinned = true;
	step(f, &ev, 1);
}

static inline void set_up(struct fixture *f, uint32_t first, uint32_t last)
{
	for (uint32_t id = first; id <= last; id++)
		set_peer(f, id, RIB_UP);
}

static inline struct rib_answer explain(struct fixture *f, const char *text)
{
	ip_prefix p = prefix(text);
	struct rib_answer a;

	assert_true(rib_explain(f->rib, &p, &a));
	return a;
}

/* Owners as text: "1,2", or "-". */
static const char *owners_text(const struct rib_owners *o, char buf[static 128])
{
	size_t n = 0;

	strcpy(buf, "-");
	for (unsigned i = 0; i < o->n; i++)
		n += (size_t)snprintf(buf + n, 128 - n, "%s%u", i ? "," : "", (unsigned)o->peer[i]);
	return buf;
}

static inline void expect_owners(struct fixture *f, const char *text, const char *want)
{
	char buf[128];
	struct rib_answer a = explain(f, text);

	assert_string_equal(owners_text(&a.owners, buf), want);
}

/* The i-th change of the last step. */
static inline void expect_change(struct fixture *f, size_t i, const char *text, const char *from,
	const char *to, enum rib_reason why)
{
	const struct rib_change *c = &f->changes[i];
	ip_prefix p = prefix(text);
	char buf[128];

	assert_true(i < f->n_changes);
	assert_true(ip_prefix_eq(&c->prefix, &p));
	assert_string_equal(owners_text(&c->turn.old_owners, buf), from);
	assert_string_equal(owners_text(&c->turn.owners, buf), to);
	assert_string_equal(rib_reason_name(c->turn.why), rib_reason_name(why));
}

/* Candidates, in order, as "peer/origin:reason ...". */
static inline void expect_reasons(struct fixture *f, const char *text, const char *want)
{
	struct rib_answer a = explain(f, text);
	char buf[512] = "";
	size_t n = 0;

	for (size_t i = 0; i < a.n; i++)
		n += (size_t)snprintf(buf + n, sizeof(buf) - n, "%s%u/%u:%s", i ? " " : "",
			(unsigned)a.candidates[i].peer, (unsigned)a.candidates[i].origin,
			rib_reason_name(a.reasons[i]));
	assert_string_equal(buf, want);
}

static const struct rib_candidate two_hubs[] = {
	{.peer = HUB_A, .origin = SITE_1, .transit = true, .hub_metric = 10, .place = 1},
	{.peer = HUB_B, .origin = SITE_1, .transit = true, .hub_metric = 20, .place = 2},
};

#endif

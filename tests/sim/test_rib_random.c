/* SPDX-License-Identifier: MIT */
/*
 * Random event sequences through the RIB and through a naive oracle (rib_oracle.h). After every
 * step: every prefix with a usable candidate has exactly the winner the rules name, each candidate
 * has the reason the rules name, and a FIB to which nothing but the reported differences was ever
 * applied holds what is desired, no change being reported that isn't one. Where the device holds
 * many owners, a model of it (device_model.h) that hears the differences alone sends to whom the
 * rules say, whatever is around a prefix, and takes from every next hop; if it has heard the levels
 * only, it finds who is left. A RIB that is told the same afresh has the same owner sets under the
 * same numbers.
 *
 * SHUNT_TEST_SEED repeats a run, SHUNT_TEST_STEPS makes it longer.
 */
#include "device_model.h"
#include "rib_oracle.h"

#include "base/mem.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#define RUN_STEPS 400 /* then the RIB starts anew, with another number of owners */
#define MAX_EVENTS 6
#define MAX_CANDIDATES 12 /* of one source */

/* Splitmix64. */
static uint64_t random_state;

static uint64_t random_next(void)
{
	uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static uint32_t below(uint32_t n)
{
	return (uint32_t)(random_next() % n);
}

static bool one_in(uint32_t n)
{
	return below(n) == 0;
}

static const char *const prefix_texts[] = {"0.0.0.0/0", "10.0.0.0/8", "10.20.0.0/16",
	"10.20.1.0/24", "10.20.1.0/25", "10.20.1.128/25", "10.20.1.7/32", "10.20.2.0/24",
	"10.30.0.0/16", "192.0.2.0/24", "192.0.2.53/32", "192.0.2.54/32", "::/0", "fd10::/16",
	"fd10::/64", "fd10::1/128", "fd10::2/128", "fd10:0:0:0:8000::/65", "fd20::/48",
	"2001:db8::/32", "2001:db8:1::/48", "2001:db8:1:1::/64"};

static const char *const address_texts[] = {"10.20.1.7", "10.20.1.8", "10.20.1.200", "10.20.2.1",
	"10.20.3.1", "10.99.0.1", "192.0.2.53", "192.0.2.1", "198.51.100.1", "fd10::1",
	"fd10::8000:0:0:1", "fd10:1::1", "fd20::1", "2001:db8:1:1::1", "2001:db8:2::1", "3fff::1"};

/* The FIB as the differences make it. */
struct fib_entry {
	struct rib_owners owners;
	bool route;
};

struct world {
	struct rib *rib;
	struct rib_diff diff;
	struct oracle oracle;
	struct model model;		       /* with many owners */
	struct fib_entry fib[ORACLE_PREFIXES]; /* by the oracle's index */
	struct rib_candidate candidates[MAX_EVENTS][ORACLE_CANDIDATES];
	uint64_t changes;
};

/* Of a node, whoever names it. */
static uint32_t place_of(uint32_t node)
{
	return node * 5 % 17;
}

/* Few values each, so that ties reach every step. */
static struct rib_candidate random_candidate(void)
{
	struct rib_candidate c = {.peer = below(ORACLE_PEERS), .distance = RIB_DISTANCE_INVENTORY};

	c.origin = one_in(3) ? c.peer : below(ORACLE_PEERS);
	c.transit = c.origin != c.peer;
	if (one_in(20))
		c.distance = 5;
	c.metric = 10 * below(2 + one_in(4));
	if (c.transit)
		c.hub_metric = 10 * below(3);
	c.weight = (uint16_t)(c.peer % 3);
	c.place = place_of(c.peer);
	c.origin_place = place_of(c.origin);
	return c;
}

/* What several prefixes have in common, so that sets have many entries: two hubs before one site.
 */
static size_t common_candidates(struct rib_candidate *ret, enum rib_on_dead on_dead)
{
	uint32_t site = 4 + below(2), step = below(2);

	for (uint32_t hub = 0; hub < 2; hub++)
		ret[hub] = (struct rib_candidate){.peer = hub,
			.origin = site,
			.transit = true,
			.hub_metric = 10 * hub * step,
			.weight = (uint16_t)hub,
			.place = place_of(hub),
			.origin_place = place_of(site),
			.distance = RIB_DISTANCE_INVENTORY};
	if (on_dead == RIB_HOLD)
		return 2;
	ret[2] = (struct rib_candidate){.peer = site,
		.origin = site,
		.place = place_of(site),
		.origin_place = place_of(site),
		.distance = RIB_DISTANCE_INVENTORY};
	return 3;
}

/* The engine's is a setting: it may be the inventory's own, or a worse one. */
static uint8_t distance_of(enum rib_source source, const struct rib_candidate *c)
{
	static const uint8_t stated[] = {
		RIB_DISTANCE_KERNEL, RIB_DISTANCE_KERNEL, RIB_DISTANCE_INVENTORY, 20};

	return source == RIB_KERNEL ? stated[below(ARRAY_SIZE(stated))] : c->distance;
}

static void random_prefix_event(struct rib_event *ev, struct rib_candidate *candidates)
{
	ev->type = RIB_EVENT_PREFIX;
	assert_true(ip_prefix_parse(
		&ev->u.prefix.prefix, prefix_texts[below(ARRAY_SIZE(prefix_texts))]));
	ev->u.prefix.source = one_in(3) ? RIB_KERNEL : RIB_INVENTORY;
	ev->u.prefix.n = one_in(5) ? 0 : 1 + below(one_in(4) ? MAX_CANDIDATES : 4);
	ev->u.prefix.candidates = candidates;
	ev->u.prefix.on_dead = (enum rib_on_dead)below(3);
	ev->u.prefix.pinned = one_in(10);
	if (ev->u.prefix.pinned && ev->u.prefix.n && !one_in(4))
		ev->u.prefix.n = 1;
	for (size_t i = 0; i < ev->u.prefix.n; i++)
		candidates[i] = random_candidate();
	if (ev->u.prefix.n && !ev->u.prefix.pinned && one_in(2))
		ev->u.prefix.n = common_candidates(candidates, ev->u.prefix.on_dead);
	for (size_t i = 0; i < ev->u.prefix.n; i++)
		candidates[i].distance = distance_of(ev->u.prefix.source, &candidates[i]);
}

/* What nodes say of themselves. */
static void random_word(struct rib_event *ev)
{
	if (one_in(3)) {
		ev->type = RIB_EVENT_TAKES_MANY;
		ev->u.takes_many.id = below(ORACLE_PEERS);
		ev->u.takes_many.takes_many = !one_in(4);
		return;
	}
	ev->type = RIB_EVENT_REACH;
	ev->u.reach.peer = one_in(2) ? below(2) : below(ORACLE_PEERS);
	ev->u.reach.origin = one_in(2) ? 4 + below(2) : below(ORACLE_PEERS);
	ev->u.reach.reach = (enum rib_reach)below(5);
}

static void random_event(struct rib_event *ev, struct rib_candidate *candidates)
{
	memset(ev, 0, sizeof(*ev));
	if (one_in(3)) {
		random_prefix_event(ev, candidates);
		return;
	}
	if (one_in(4)) {
		random_word(ev);
		return;
	}
	ev->type = RIB_EVENT_PEER;
	ev->u.peer.id = below(ORACLE_PEERS);
	ev->u.peer.state = one_in(2) ? RIB_DOWN : one_in(3) ? RIB_LAST_RESORT : RIB_UP;
}

static bool same_owners(const struct rib_owners *a, const struct rib_owners *b)
{
	return a->n == b->n && !memcmp(a->peer, b->peer, a->n * sizeof(a->peer[0]));
}

/* Owners are what they should be; prefix named on failure. */
static void assert_owners(
	const ip_prefix *p, const struct rib_owners *got, const struct rib_owners *want)
{
	char buf[IP_PREFIX_STRLEN];

	if (!same_owners(got, want))
		fail_msg("%s: %u owners (%u ...), want %u (%u ...)", ip_prefix_format(p, buf),
			got->n, got->n ? (unsigned)got->peer[0] : 0, want->n,
			want->n ? (unsigned)want->peer[0] : 0);
}

static void apply_change(struct world *w, const struct rib_change *c)
{
	struct oracle_prefix *p = oracle_prefix(&w->oracle, &c->prefix);
	struct fib_entry *f = &w->fib[p - w->oracle.prefixes];

	assert_owners(&c->prefix, &c->turn.old_owners, &f->owners);
	assert_int_equal(c->turn.old_route, f->route);
	if (rib_home_eq(&c->turn.home, &c->turn.old_home)) {
		assert_true(!same_owners(&c->turn.owners, &f->owners) || c->turn.route != f->route);
		assert_true(oracle_changed(p));
	}
	assert_string_equal(rib_reason_name(c->turn.why), rib_reason_name(oracle_why(p)));
	f->owners = c->turn.owners;
	f->route = c->turn.route;
	w->changes++;
}

static void check_diff(struct world *w)
{
	AUTO_FREE struct rib_change *changes = NULL;
	size_t n = rib_diff_list(&w->diff, &changes);

	for (size_t i = 0; i < n; i++) {
		if (i)
			assert_true(ip_prefix_cmp(&changes[i - 1].prefix, &changes[i].prefix) < 0);
		apply_change(w, &changes[i]);
	}
	for (size_t i = 0; i < w->oracle.n; i++) {
		const struct oracle_prefix *p = &w->oracle.prefixes[i];

		assert_owners(&p->prefix, &w->fib[i].owners, &p->owners);
		assert_int_equal(w->fib[i].route, p->route);
		assert_true(!oracle_usable(&w->oracle, p) || p->covered || w->fib[i].owners.n);
	}
}

static void check_answer(const struct oracle_prefix *p, const struct rib_answer *a)
{
	assert_owners(&p->prefix, &a->owners, &p->owners);
	assert_int_equal(a->route, p->route);
	assert_int_equal(a->pinned, p->pinned);
	assert_int_equal(a->on_dead, p->on_dead);
	assert_int_equal(a->n, p->n);
	for (size_t i = 0; i < a->n; i++) {
		const struct rib_candidate *x = &a->candidates[i], *y = &p->candidates[i];

		assert_true(x->peer == y->peer && x->origin == y->origin &&
			    x->distance == y->distance && x->transit == y->transit &&
			    x->metric == y->metric && x->hub_metric == y->hub_metric &&
			    x->weight == (y->weight ? y->weight : 1));
		assert_string_equal(rib_reason_name(a->reasons[i]), rib_reason_name(p->reasons[i]));
	}
}

static int count_answer(const struct rib_answer *a, void *data)
{
	++*(size_t *)data;
	return 0;
}

static void check_answers(struct world *w)
{
	size_t exist = 0, walked = 0;
	struct rib_answer a;

	for (size_t i = 0; i < w->oracle.n; i++) {
		const struct oracle_prefix *p = &w->oracle.prefixes[i];

		assert_int_equal(rib_explain(w->rib, &p->prefix, &a), p->exists);
		if (p->exists)
			check_answer(p, &a);
		exist += p->exists;
	}
	assert_int_equal(rib_walk(w->rib, count_answer, &walked), 0);
	assert_int_equal(walked, exist);
	for (uint32_t id = 0; id < ORACLE_PEERS; id++)
		assert_int_equal(rib_peer_state(w->rib, id), w->oracle.states[id]);
}

static void check_lookups(struct world *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(address_texts); i++) {
		const struct oracle_prefix *want;
		struct rib_answer a;
		ip_addr addr;

		assert_true(ip_addr_parse(&addr, address_texts[i]));
		want = oracle_lookup(&w->oracle, &addr);
		assert_int_equal(rib_lookup(w->rib, &addr, &a), want != NULL);
		if (want) {
			assert_true(ip_prefix_eq(&a.prefix, &want->prefix));
			check_answer(want, &a);
		}
	}
}

static bool same_peers(const struct rib_owners *a, const struct rib_owners *b)
{
	for (unsigned i = 0; i < a->n; i++)
		if (!oracle_owns(b, a->peer[i]))
			return false;
	return a->n == b->n;
}

/* The device sends where the rules say. */
static void check_sending(const struct world *w, const ip_addr *to)
{
	const struct oracle_prefix *p = oracle_lookup(&w->oracle, to);
	struct rib_owners got, want = p ? p->owners : (struct rib_owners){0};
	char addr[IP_ADDR_STRLEN];

	model_send(&w->model, to, &got);
	if (!same_peers(&got, &want))
		fail_msg("to %s: %u (%u ...), want %u (%u ...)", ip_addr_format(to, addr), got.n,
			(unsigned)got.peer[0], want.n, want.n ? (unsigned)want.peer[0] : 0);
}

/* Each next hop may send from there, as far as the device has room. */
static void check_taking(const struct world *w, const struct oracle_prefix *p)
{
	ip_addr from = ip_prefix_addr(&p->prefix);
	const struct model_prefix *longest = model_longest(&w->model, &from);
	const struct model_set *s;

	if (!oracle_is_shared(&w->oracle, p) || !ip_prefix_eq(&longest->prefix, &p->prefix))
		return;
	s = model_set(&w->model, longest->home.owner_set);
	for (size_t i = 0; i < p->n; i++)
		if (s->n < w->oracle.max_owners)
			assert_true(model_takes(&w->model, &from, p->candidates[i].peer));
}

static void check_device(struct world *w)
{
	for (size_t i = 0; i < ARRAY_SIZE(address_texts); i++) {
		ip_addr addr;

		assert_true(ip_addr_parse(&addr, address_texts[i]));
		check_sending(w, &addr);
	}
	for (size_t i = 0; i < w->oracle.n; i++) {
		const struct oracle_prefix *p = &w->oracle.prefixes[i];
		ip_addr first = ip_prefix_addr(&p->prefix);

		check_sending(w, &first);
		if (p->exists)
			check_taking(w, p);
	}
}

/* An owner set that keeps nobody from being sent to. */
static bool is_open(const struct model_set *s)
{
	for (size_t i = 0; i < s->n; i++)
		if (!s->owners[i].sends)
			return false;
	return true;
}

/* Of a step of peers' states the device has heard the levels only: whoever is left has it. */
static void check_levels_alone(const struct world *w)
{
	for (size_t i = 0; i < w->oracle.n; i++) {
		const struct oracle_prefix *p = &w->oracle.prefixes[i];
		ip_addr to = ip_prefix_addr(&p->prefix);
		const struct model_prefix *longest = model_longest(&w->model, &to);
		const struct model_set *s;
		struct rib_owners got;

		if (!longest || longest->home.kind != RIB_AT_OWNER_SET ||
			!ip_prefix_eq(&longest->prefix, &p->prefix))
			continue;
		s = model_set(&w->model, longest->home.owner_set);
		if (!is_open(s) || s->n == w->oracle.max_owners || !oracle_usable(&w->oracle, p))
			continue;
		model_send(&w->model, &to, &got);
		assert_true(got.n > 0);
		for (unsigned k = 0; k < got.n; k++)
			assert_int_not_equal(w->oracle.states[got.peer[k]], RIB_DOWN);
	}
}

static bool same_owner_set(
	const struct rib_owner *a, size_t n_a, const struct rib_owner *b, size_t n_b)
{
	if (n_a != n_b)
		return false;
	for (size_t i = 0; i < n_a; i++)
		if (a[i].peer != b[i].peer || a[i].rank != b[i].rank ||
			a[i].weight != b[i].weight || a[i].sends != b[i].sends ||
			a[i].is_relay != b[i].is_relay)
			return false;
	return true;
}

struct desires {
	struct world *w;
	uint64_t numbers[MODEL_SETS]; /* of the owner sets met */
	size_t n;
};

static int check_desire(const struct rib_desire *d, void *data)
{
	struct desires *ds = data;
	struct world *w = ds->w;
	const struct model_set *s;
	struct rib_answer a;
	size_t i = 0;

	assert_true(rib_explain(w->rib, &d->prefix, &a));
	assert_true(rib_home_eq(&a.home, &d->home));
	for (size_t k = 0; k < w->model.n_prefixes; k++)
		if (ip_prefix_eq(&w->model.prefixes[k].prefix, &d->prefix))
			assert_true(rib_home_eq(&w->model.prefixes[k].home, &d->home));
	assert_int_equal(d->home.kind == RIB_AT_OWNER_SET, d->owner_set.n > 0);
	if (d->home.kind != RIB_AT_OWNER_SET)
		return 0;
	assert_true(d->owner_set.number == d->home.owner_set);
	assert_true(same_owner_set(a.order, a.n_order, d->owner_set.owners, d->owner_set.n));
	s = model_set(&w->model, d->home.owner_set);
	assert_non_null(s);
	assert_true(same_owner_set(s->owners, s->n, d->owner_set.owners, d->owner_set.n));
	while (i < ds->n && ds->numbers[i] != s->number)
		i++;
	if (i == ds->n)
		ds->numbers[ds->n++] = s->number;
	return 0;
}

/* What differences told adds up to what is there: no owner set is missing, and none is left. */
static void check_desires(struct world *w)
{
	struct desires ds = {.w = w};

	assert_int_equal(rib_desires_after(w->rib, NULL, SIZE_MAX, check_desire, &ds), 0);
	assert_int_equal(ds.n, w->model.n_sets);
}

/* Whoever's state is another is told, once, whatever the device is. */
static void check_levels(struct world *w)
{
	model_apply_levels(&w->model, &w->diff);
	for (uint32_t id = 0; id < ORACLE_PEERS; id++)
		assert_int_equal(w->model.levels[id], w->oracle.states[id]);
}

/* rib_tag_fn */
static uint64_t tag_of(uint32_t id, void *data)
{
	return (id + 1) * UINT64_C(0x2545f4914f6cdd1d);
}

static void tell_nodes(const struct oracle *o, struct rib *rib, struct rib_diff *diff)
{
	for (uint32_t id = 0; id < ORACLE_PEERS; id++) {
		struct rib_event ev = {.type = RIB_EVENT_TAKES_MANY};

		ev.u.takes_many.id = id;
		ev.u.takes_many.takes_many = o->takes_many[id];
		rib_step(rib, &ev, 1, diff);
		for (uint32_t origin = 0; origin < ORACLE_PEERS; origin++) {
			ev = (struct rib_event){.type = RIB_EVENT_REACH};
			ev.u.reach.peer = id;
			ev.u.reach.origin = origin;
			ev.u.reach.reach = o->reaches[id][origin];
			rib_step(rib, &ev, 1, diff);
		}
		ev = (struct rib_event){.type = RIB_EVENT_PEER};
		ev.u.peer.id = id;
		ev.u.peer.state = o->states[id];
		if (o->known[id])
			rib_step(rib, &ev, 1, diff);
	}
}

static void tell_prefixes(const struct oracle *o, struct rib *rib, struct rib_diff *diff)
{
	for (size_t i = o->n; i-- > 0;)
		for (int source = RIB_N_SOURCES; source-- > 0;) {
			struct rib_event ev = {.type = RIB_EVENT_PREFIX};

			ev.u.prefix.prefix = o->prefixes[i].prefix;
			ev.u.prefix.source = (enum rib_source)source;
			ev.u.prefix.candidates = o->prefixes[i].said[source].candidates;
			ev.u.prefix.n = o->prefixes[i].said[source].n;
			ev.u.prefix.on_dead = o->prefixes[i].said[source].on_dead;
			ev.u.prefix.pinned = o->prefixes[i].said[source].pinned;
			rib_step(rib, &ev, 1, diff);
		}
}

/* Who is held is a matter of the past. */
static int compare_afresh(const struct rib_desire *d, void *fresh)
{
	struct rib_answer a;

	assert_true(rib_explain(fresh, &d->prefix, &a));
	if (d->on_dead == RIB_HOLD)
		return 0;
	assert_owners(&d->prefix, &a.owners, &d->owners);
	assert_true(rib_home_eq(&a.home, &d->home));
	if (d->home.kind == RIB_AT_OWNER_SET)
		assert_true(
			same_owner_set(a.order, a.n_order, d->owner_set.owners, d->owner_set.n));
	return 0;
}

/* The past decides nothing, not even a number. */
static void check_afresh(struct world *w)
{
	struct rib *fresh = rib_new(w->oracle.max_owners, tag_of, NULL);
	struct rib_diff diff = {0};

	tell_nodes(&w->oracle, fresh, &diff);
	tell_prefixes(&w->oracle, fresh, &diff);
	assert_int_equal(rib_desires_after(w->rib, NULL, SIZE_MAX, compare_afresh, fresh), 0);
	rib_diff_done(&diff);
	rib_free(fresh);
}

static void check_many(struct world *w, const struct rib_event *events, size_t n)
{
	bool states_only = true;

	for (size_t i = 0; i < n; i++)
		states_only &= events[i].type == RIB_EVENT_PEER;
	if (states_only)
		check_levels_alone(w);
	model_apply(&w->model, &w->diff);
	check_device(w);
	check_desires(w);
	if (one_in(30))
		check_afresh(w);
}

static void random_step(struct world *w)
{
	size_t n = one_in(3) ? below(MAX_EVENTS + 1) : 1;
	struct rib_event events[MAX_EVENTS];

	oracle_begin(&w->oracle);
	for (size_t i = 0; i < n; i++) {
		random_event(&events[i], w->candidates[i]);
		oracle_event(&w->oracle, &events[i]);
	}
	oracle_decide(&w->oracle);
	rib_step(w->rib, events, n, &w->diff);
	check_diff(w);
	check_answers(w);
	check_lookups(w);
	check_levels(w);
	if (w->oracle.max_owners > 1)
		check_many(w, events, n);
}

static uint64_t random_run(unsigned max_owners)
{
	struct world *w = mem_zalloc(1, sizeof(*w));
	uint64_t changes;

	w->rib = rib_new(max_owners, tag_of, NULL);
	w->oracle.max_owners = max_owners;
	for (unsigned i = 0; i < RUN_STEPS; i++)
		random_step(w);
	changes = w->changes;
	rib_diff_done(&w->diff);
	rib_free(w->rib);
	free(w);
	return changes;
}

static uint64_t number_from_env(const char *name, uint64_t fallback)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 0) : fallback;
}

static void test_random_events(void **state)
{
	static const unsigned sizes[] = {1, 2, 3, RIB_MAX_OWNERS};
	uint64_t seed = number_from_env("SHUNT_TEST_SEED", (uint64_t)time(NULL));
	uint64_t steps = number_from_env("SHUNT_TEST_STEPS", 8000);
	uint64_t changes = 0;

	print_message("SHUNT_TEST_SEED=%" PRIu64 "\n", seed);
	random_state = seed;
	for (uint64_t done = 0, run = 0; done < steps; done += RUN_STEPS, run++)
		changes += random_run(sizes[run % ARRAY_SIZE(sizes)]);
	print_message("%" PRIu64 " steps, %" PRIu64 " changes\n", steps, changes);
	assert_true(changes > steps / 4); /* or the events do nothing, and neither does the test */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * How long one step of the RIB takes: 20,000 prefixes with four hubs as candidates each, every
 * prefix of an origin of its own (no set of candidates is shared: the worst case), or twenty
 * prefixes an origin; of an event that concerns one prefix while 100,000 others are in doubt; and
 * of a next hop of 100,000 prefixes on a device of many owners; and of 100,000 prefixes that a
 * routing engine tells of, by two hubs and of a hundred sites, in portions of a thousand. Medians.
 *
 *	rib [--json] [--runs N]
 */
#include "route/rib.h"
#include "base/mem.h"
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define PREFIXES 20000
#define HUBS 4
#define MAX_RUNS 1001

struct figures {
	unsigned per_origin;
	int64_t load_ns;	/* all prefixes in one step */
	int64_t hub_down_ns;	/* of the hub that owns every prefix: 20,000 changes */
	int64_t hub_up_ns;	/* and back */
	int64_t spare_down_ns;	/* of a hub that owns nothing: 20,000 looks, no change */
	int64_t origin_down_ns; /* of one origin */
	size_t bytes;
};

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int compare_ns(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static int64_t median(int64_t *ns, unsigned n)
{
	qsort(ns, n, sizeof(*ns), compare_ns);
	return ns[n / 2];
}

/* 10.0.0.0 and up, /28 each, in an order that isn't the RIB's. */
static ip_prefix nth_prefix(unsigned i)
{
	unsigned v = 10u << 24 | (i * 7919u % PREFIXES) << 4;
	uint8_t bytes[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
	ip_addr a = ip_addr_from_bytes(AF_INET, bytes);

	return ip_prefix_of(&a, 28);
}

static int64_t load(struct rib *rib, struct rib_diff *diff, unsigned per_origin)
{
	struct rib_event *events = mem_zalloc(PREFIXES, sizeof(*events));
	struct rib_candidate *all = mem_zalloc(PREFIXES * HUBS, sizeof(*all)), *c = all;
	int64_t start;

	for (unsigned i = 0; i < PREFIXES; i++) {
		uint32_t origin = HUBS + i / per_origin;

		events[i].type = RIB_EVENT_PREFIX;
		events[i].u.prefix.prefix = nth_prefix(i);
		events[i].u.prefix.candidates = c;
		events[i].u.prefix.n = HUBS;
		for (uint32_t hub = 0; hub < HUBS; hub++)
			*c++ = (struct rib_candidate){.peer = hub,
				.origin = origin,
				.distance = RIB_DISTANCE_INVENTORY,
				.transit = true,
				.hub_metric = 10 + hub,
				.place = hub,
				.origin_place = origin};
	}
	start = now_ns();
	rib_step(rib, events, PREFIXES, diff);
	start = now_ns() - start;
	free(events);
	free(all);
	return start;
}

/* One peer event; ends the program if it doesn't change what it must, since then there is nothing
 * to measure. */
static int64_t timed(
	struct rib *rib, struct rib_diff *diff, uint32_t id, enum rib_state state, size_t changes)
{
	struct rib_event ev = {.type = RIB_EVENT_PEER, .u.peer.id = id, .u.peer.state = state};
	int64_t start = now_ns();

	rib_step(rib, &ev, 1, diff);
	start = now_ns() - start;
	if (rib_diff_count(diff) != changes) {
		fprintf(stderr, "rib: %zu changes, want %zu\n", rib_diff_count(diff), changes);
		exit(1);
	}
	return start;
}

static void measure(struct figures *f, unsigned per_origin, unsigned runs)
{
	static int64_t down[MAX_RUNS], up[MAX_RUNS], spare[MAX_RUNS], origin[MAX_RUNS];
	size_t before = mallinfo2().uordblks;
	struct rib *rib = rib_new(1, NULL, NULL);
	struct rib_diff diff = {0};

	f->per_origin = per_origin;
	f->load_ns = load(rib, &diff, per_origin);
	for (uint32_t hub = 1; hub < HUBS; hub++)
		timed(rib, &diff, hub, RIB_UP, hub == 1 ? PREFIXES : 0);
	timed(rib, &diff, 0, RIB_UP, PREFIXES);
	for (unsigned i = 0; i < runs; i++) {
		down[i] = timed(rib, &diff, 0, RIB_DOWN, PREFIXES);
		up[i] = timed(rib, &diff, 0, RIB_UP, PREFIXES);
		spare[i] = timed(rib, &diff, HUBS - 1, RIB_DOWN, 0);
		timed(rib, &diff, HUBS - 1, RIB_UP, 0);
		origin[i] = timed(rib, &diff, HUBS + i, RIB_DOWN, 0);
	}
	f->hub_down_ns = median(down, runs);
	f->hub_up_ns = median(up, runs);
	f->spare_down_ns = median(spare, runs);
	f->origin_down_ns = median(origin, runs);
	rib_diff_done(&diff);
	f->bytes = mallinfo2().uordblks - before;
	rib_free(rib);
}

#define DOUBTFUL 100000

/* Of a hub that is linked with two sites: behind the first, which is dead, are 100,000 prefixes
 * that the other hub would try to reach. One prefix of the second site turns. */
static int64_t measure_beside_doubt(unsigned runs)
{
	static int64_t ns[MAX_RUNS];
	enum { HUB, DEAD, SITE };
	struct rib_candidate by_dead[2] = {
		{.peer = DEAD, .origin = DEAD, .place = DEAD, .origin_place = DEAD},
		{.peer = HUB, .origin = DEAD, .transit = true, .origin_place = DEAD}};
	struct rib_candidate by_site = {
		.peer = SITE, .origin = SITE, .place = SITE, .origin_place = SITE};
	struct rib_event ev = {.type = RIB_EVENT_PREFIX, .u.prefix.candidates = by_dead};
	struct rib *rib = rib_new(1, NULL, NULL);
	struct rib_diff diff = {0};

	ev.u.prefix.n = 2;
	for (unsigned i = 0; i < DOUBTFUL; i++) {
		uint8_t bytes[4] = {20, (uint8_t)(i >> 12), (uint8_t)(i >> 4), (uint8_t)(i << 4)};
		ip_addr a = ip_addr_from_bytes(AF_INET, bytes);

		ev.u.prefix.prefix = ip_prefix_of(&a, 28);
		rib_step(rib, &ev, 1, &diff);
	}
	ev.u.prefix.prefix = nth_prefix(0);
	ev.u.prefix.candidates = &by_site;
	ev.u.prefix.n = 1;
	rib_step(rib, &ev, 1, &diff);
	timed(rib, &diff, HUB, RIB_UP, DOUBTFUL);
	timed(rib, &diff, DEAD, RIB_UP, DOUBTFUL);
	timed(rib, &diff, DEAD, RIB_DOWN, DOUBTFUL);
	for (unsigned i = 0; i < runs; i++)
		ns[i] = timed(rib, &diff, SITE, i % 2 ? RIB_DOWN : RIB_UP, 1);
	rib_diff_done(&diff);
	rib_free(rib);
	return median(ns, runs);
}

#define SHARED 100000

/* rib_tag_fn */
static uint64_t tag_of(uint32_t id, void *data)
{
	return id * UINT64_C(0x9e3779b97f4a7c15);
}

/* On a device of many owners: a site with 100,000 prefixes, or the hub before it, goes and comes;
 * what changes is a level. */
static int64_t measure_loss_by_level(unsigned runs, uint32_t lost)
{
	static int64_t ns[MAX_RUNS];
	enum { HUB_A, HUB_B, SITE };
	struct rib_candidate c[3] = {{.peer = SITE, .origin = SITE, .place = SITE},
		{.peer = HUB_A, .origin = SITE, .transit = true, .origin_place = SITE},
		{.peer = HUB_B, .origin = SITE, .transit = true, .place = 1, .origin_place = SITE}};
	struct rib_event ev = {.type = RIB_EVENT_PREFIX};
	struct rib *rib = rib_new(RIB_MAX_OWNERS, tag_of, NULL);
	struct rib_diff diff = {0};

	/* A node without a line to the site has the hubs only. */
	ev.u.prefix.candidates = lost == SITE ? c : c + 1;
	ev.u.prefix.n = lost == SITE ? 3 : 2;
	for (unsigned i = 0; i < SHARED; i++) {
		uint8_t bytes[4] = {20, (uint8_t)(i >> 12), (uint8_t)(i >> 4), (uint8_t)(i << 4)};
		ip_addr a = ip_addr_from_bytes(AF_INET, bytes);

		ev.u.prefix.prefix = ip_prefix_of(&a, 28);
		rib_step(rib, &ev, 1, &diff);
	}
	timed(rib, &diff, HUB_B, RIB_UP, SHARED);
	timed(rib, &diff, HUB_A, RIB_UP, SHARED);
	timed(rib, &diff, SITE, RIB_UP, lost == SITE ? SHARED : 0);
	for (unsigned i = 0; i < runs; i++)
		ns[i] = timed(rib, &diff, lost, i % 2 ? RIB_UP : RIB_DOWN, SHARED);
	rib_diff_done(&diff);
	rib_free(rib);
	return median(ns, runs);
}

#define ENGINE_PREFIXES 100000
#define ENGINE_SITES 100
#define PORTION 1000

struct engine_figures {
	int64_t load_ns;     /* all of them, in portions */
	int64_t withdraw_ns; /* one portion */
	int64_t return_ns;   /* and back */
	int64_t hub_ns;	     /* the hub of all of them, down or up */
};

/* The portion's words: prefixes of all sites by turns, as an engine tells of them. */
static void fill_portion(struct rib_event *events, const struct rib_candidate (*sets)[2],
	unsigned portion, size_t n_candidates)
{
	for (unsigned k = 0; k < PORTION; k++) {
		unsigned i = portion * PORTION + k;
		uint8_t bytes[4] = {20, (uint8_t)(i >> 12), (uint8_t)(i >> 4), (uint8_t)(i << 4)};
		ip_addr a = ip_addr_from_bytes(AF_INET, bytes);

		events[k] = (struct rib_event){.type = RIB_EVENT_PREFIX};
		events[k].u.prefix.source = RIB_KERNEL;
		events[k].u.prefix.prefix = ip_prefix_of(&a, 28);
		events[k].u.prefix.candidates = sets[i % ENGINE_SITES];
		events[k].u.prefix.n = n_candidates;
	}
}

static int64_t timed_portion(struct rib *rib, struct rib_diff *diff, const struct rib_event *events)
{
	int64_t start = now_ns();

	rib_step(rib, events, PORTION, diff);
	start = now_ns() - start;
	if (rib_diff_count(diff) != PORTION) {
		fprintf(stderr, "rib: a portion made %zu changes\n", rib_diff_count(diff));
		exit(1);
	}
	return start;
}

static void make_engine_sets(struct rib_candidate (*sets)[2])
{
	for (uint32_t site = 0; site < ENGINE_SITES; site++)
		for (uint32_t hub = 0; hub < 2; hub++)
			sets[site][hub] = (struct rib_candidate){.peer = hub,
				.origin = 2 + site,
				.distance = RIB_DISTANCE_KERNEL,
				.transit = true,
				.hub_metric = 10 + hub,
				.place = hub,
				.origin_place = 2 + site};
}

static void measure_engine(struct engine_figures *f, unsigned max_owners, unsigned runs)
{
	static int64_t withdraw[MAX_RUNS], back[MAX_RUNS], hub[MAX_RUNS];
	struct rib_candidate(*sets)[2] = mem_zalloc(ENGINE_SITES, sizeof(*sets));
	struct rib_event *events = mem_zalloc(PORTION, sizeof(*events));
	struct rib *rib = rib_new(max_owners, tag_of, NULL);
	struct rib_diff diff = {0};

	make_engine_sets(sets);
	timed(rib, &diff, 0, RIB_UP, 0);
	timed(rib, &diff, 1, RIB_UP, 0);
	for (unsigned i = 0; i < ENGINE_PREFIXES / PORTION; i++) {
		fill_portion(events, sets, i, 2);
		f->load_ns += timed_portion(rib, &diff, events);
	}
	for (unsigned i = 0; i < runs; i++) {
		fill_portion(events, sets, i % (ENGINE_PREFIXES / PORTION), 0);
		withdraw[i] = timed_portion(rib, &diff, events);
		fill_portion(events, sets, i % (ENGINE_PREFIXES / PORTION), 2);
		back[i] = timed_portion(rib, &diff, events);
		hub[i] = timed(rib, &diff, 0, i % 2 ? RIB_UP : RIB_DOWN, ENGINE_PREFIXES);
	}
	f->withdraw_ns = median(withdraw, runs);
	f->return_ns = median(back, runs);
	f->hub_ns = median(hub, runs);
	rib_diff_done(&diff);
	rib_free(rib);
	free(events);
	free(sets);
}

static void print_engine_text(const struct engine_figures *f, const char *what)
{
	printf("%u prefixes of a routing engine, in portions of %u, on a device of %s\n",
		ENGINE_PREFIXES, PORTION, what);
	printf("  load                    %8.2f ms\n", (double)f->load_ns / 1e6);
	printf("  a portion withdrawn     %8.4f ms\n", (double)f->withdraw_ns / 1e6);
	printf("  and back                %8.4f ms\n", (double)f->return_ns / 1e6);
	printf("  their hub down or up    %8.4f ms\n", (double)f->hub_ns / 1e6);
}

static void print_engine_json(const struct engine_figures *f, const char *what)
{
	printf("\"engine_of_%s\": {\"prefixes\": %u, \"portion\": %u, \"load_ms\": %.3f, "
	       "\"withdraw_ms\": %.5f, \"return_ms\": %.5f, \"hub_ms\": %.5f}",
		what, ENGINE_PREFIXES, PORTION, (double)f->load_ns / 1e6,
		(double)f->withdraw_ns / 1e6, (double)f->return_ns / 1e6, (double)f->hub_ns / 1e6);
}

static void print_text(const struct figures *f)
{
	printf("%u prefixes, %u candidates each, %u an origin\n", PREFIXES, HUBS, f->per_origin);
	printf("  load                    %8.2f ms\n", (double)f->load_ns / 1e6);
	printf("  hub down, all move      %8.2f ms\n", (double)f->hub_down_ns / 1e6);
	printf("  hub up, all move back   %8.2f ms\n", (double)f->hub_up_ns / 1e6);
	printf("  spare hub down          %8.2f ms\n", (double)f->spare_down_ns / 1e6);
	printf("  one origin down         %8.4f ms\n", (double)f->origin_down_ns / 1e6);
	printf("  memory                  %8.2f MB\n", (double)f->bytes / 1e6);
}

static void print_json(const struct figures *f, bool first)
{
	printf("%s{\"prefixes\": %u, \"candidates\": %u, \"per_origin\": %u, \"load_ms\": %.3f, "
	       "\"hub_down_ms\": %.3f, \"hub_up_ms\": %.3f, \"spare_down_ms\": %.3f, "
	       "\"origin_down_ms\": %.5f, \"bytes\": %zu}",
		first ? "" : ", ", PREFIXES, HUBS, f->per_origin, (double)f->load_ns / 1e6,
		(double)f->hub_down_ns / 1e6, (double)f->hub_up_ns / 1e6,
		(double)f->spare_down_ns / 1e6, (double)f->origin_down_ns / 1e6, f->bytes);
}

int main(int argc, char **argv)
{
	static const unsigned shapes[] = {1, 20};
	struct figures figures[ARRAY_SIZE(shapes)] = {{0}};
	unsigned runs = 51;
	struct engine_figures engine_one = {0}, engine_many = {0};
	int64_t beside_doubt, hub, site;
	bool json = false;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			json = true;
		} else if (!strcmp(argv[i], "--runs") && i + 1 < argc) {
			runs = (unsigned)strtoul(argv[++i], NULL, 10);
		} else {
			fprintf(stderr, "usage: %s [--json] [--runs N]\n", argv[0]);
			return 2;
		}
	}
	/* Each run takes another origin down: no more runs than the second shape has origins. */
	if (runs < 1 || runs > PREFIXES / 20 || runs > MAX_RUNS) {
		fprintf(stderr, "rib: 1 to %u runs\n", PREFIXES / 20);
		return 2;
	}
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++)
		measure(&figures[i], shapes[i], runs);
	if (json)
		printf("{\"bench\": \"rib\", \"runs\": %u, \"results\": [", runs);
	for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
		if (json)
			print_json(&figures[i], i == 0);
		else
			print_text(&figures[i]);
	}
	beside_doubt = measure_beside_doubt(runs);
	hub = measure_loss_by_level(runs, 0);
	site = measure_loss_by_level(runs, 2);
	measure_engine(&engine_one, 1, runs);
	measure_engine(&engine_many, RIB_MAX_OWNERS, runs);
	if (json) {
		printf("], \"one_of_100001_ms\": %.5f, \"hub_of_many_owners_ms\": %.5f, "
		       "\"site_of_many_owners_ms\": %.5f, ",
			(double)beside_doubt / 1e6, (double)hub / 1e6, (double)site / 1e6);
		print_engine_json(&engine_one, "one_owner");
		printf(", ");
		print_engine_json(&engine_many, "many_owners");
		printf("}\n");
	} else {
		printf("one prefix turns while %u others are in doubt\n"
		       "  its next hop down or up %8.4f ms\n",
			DOUBTFUL, (double)beside_doubt / 1e6);
		printf("%u prefixes on a device of many owners\n"
		       "  their hub down or up    %8.4f ms\n"
		       "  their site down or up   %8.4f ms\n",
			SHARED, (double)hub / 1e6, (double)site / 1e6);
		print_engine_text(&engine_one, "one owner");
		print_engine_text(&engine_many, "many owners");
	}
	return 0;
}

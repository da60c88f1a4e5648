/* SPDX-License-Identifier: MIT */
/*
 * The engine of site-1, in virtual time and without a device: what happens is told to it, and what
 * it wants done is compared in words.
 *
 *	hub-a (metric 10, 10.30.0.0/24) \
 *	                                 > site-1        site-2 (10.20.2.0/24), behind the hubs
 *	hub-b (metric 20) --------------/
 */
#ifndef SHUNT_TESTS_ENGINE_BENCH_H
#define SHUNT_TESTS_ENGINE_BENCH_H

#include "daemon/engine.h"

#include "mesh_build.h"
#include "unit.h"
#include <errno.h>

enum { HUB_A, HUB_B, SITE_1, SITE_2, NODES };

#define SITE_2_NET "10.20.2.0/24"
#define HUB_A_NET "10.30.0.0/24"

struct bench {
	VEC(struct mesh_build *) builds;
	struct mesh_build *build; /* the last */
	struct engine *e;
	instant now;
	engine_actions todo;
	struct buf text;
	struct live_report told; /* our own, as it was told last */
	unsigned n_told;
	unsigned max_owners;	   /* of the device; 0: one */
	struct engine_drain drain; /* that is remembered when the device is found */
	/* The device, as it would be read. */
	struct device_peer peers[NODES];
	ip_prefix allowed[NODES][2];
	struct device_state device;
};

instant at(double s);

/* --- an inventory: the next is a reload --- */

struct mesh_build *inventory(struct bench *b);
void take_generation(struct bench *b);

/* --- what it wants done --- */

void put(struct bench *b, const struct engine_action *a); /* into b->text */
/* What was wanted since the last time; reports apart, of which there is one for each peer of the
 * device. */
#define expect(b, words) expect_at(b, words, __LINE__)
void expect_at(struct bench *b, const char *words, int line);
void forget(struct bench *b);

/* --- what happens --- */

uint32_t id(struct bench *b, unsigned node);
void step(struct bench *b, const struct engine_event *e);
void feed(struct bench *b, struct engine_event e); /* of the generation in force */
void happens(struct bench *b, enum engine_event_type type);
void verdict_of(struct bench *b, unsigned node, enum live_state state, uint64_t generation);
void verdict(struct bench *b, unsigned node, enum live_state state);
void hold_over(struct bench *b);
void probed(struct bench *b, enum live_state hub_a, enum live_state hub_b);
void moved(struct bench *b, int err);
void synced(struct bench *b);
void sync_fails(struct bench *b, int err, const char *trouble);
void resolved(struct bench *b, unsigned node, const char *addr);
void endpoint_set(struct bench *b, unsigned node, const char *addr, int err);
/* Time goes to the next deadline, which must be this one. */
#define wait_until(b, s) wait_until_at(b, s, __LINE__)
void wait_until_at(struct bench *b, double s, int line);
/* Time goes on, and all that falls due is done, in vain or not; a SYNC at once. */
void run_until(struct bench *b, double s);
/* Time goes on to the next SYNC, which is left under way. */
void until_sync(struct bench *b);

/* --- reports --- */

/* One of the generation in force in which nothing is said yet. */
struct live_report report_of(struct bench *b, unsigned max_owners);
/* It comes in from that peer; freed. */
void reports(struct bench *b, unsigned node, struct live_report *r);

/* --- a device --- */

void device_has(struct bench *b, unsigned node, const char *endpoint, const char *prefix);
void handshake_now(struct bench *b, unsigned node);
void find(struct bench *b);
/* Both hubs are up, and where the inventory says; hub-a carries all. */
void start(struct bench *b);

/* --- of each test --- */

int begin(void **state);
int end(void **state);
#define TEST(name) cmocka_unit_test_setup_teardown(test_##name, begin, end)

#endif

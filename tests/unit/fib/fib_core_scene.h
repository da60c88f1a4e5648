/* SPDX-License-Identifier: MIT */
/* A device and a main table that orders and jobs of the core change, said as plainly as can be, and
 * what came of them. */
#ifndef SHUNT_TESTS_FIB_CORE_SCENE_H
#define SHUNT_TESTS_FIB_CORE_SCENE_H

#include "../unit.h"
#include "base/mem.h"
#include "fib/core.h"
#include "fib/touched.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define N 2000
#define NOBODY 0    /* of owners: else the first byte of the peer's key */
#define AT_SET 0x40 /* of owners: what stands in set k has AT_SET + k */
#define N_SETS 4
#define WG 5

/* What the device and the main table have. */
static struct {
	uint8_t owner[N];
	bool route[N], other_table[N];
	struct {
		bool there;
		uint8_t owners[4];
		size_t n;
	} sets[N_SETS];
	enum device_level level[4]; /* of the peers below 4 */
	uint8_t absent; /* a peer that isn't there (yet): what it is given is passed over */
	int fail_with;	/* of the next call; 0: it goes well */
	unsigned changes;
} world;

/* What came of it. */
static struct {
	struct fib_job *working, *given_back;
	uint64_t order;
	int order_err;
	unsigned orders;
} seen;

static struct fib_core *core;
static struct fib_job job;
static uint64_t seq;

static inline ip_prefix prefix_of(unsigned i)
{
	uint8_t bytes[4] = {10, (uint8_t)(i >> 8), (uint8_t)i, 0};
	ip_addr a = {.family = AF_INET};

	memcpy(a.bytes, bytes, sizeof(bytes));
	return ip_prefix_of(&a, 24);
}

static inline unsigned index_of(const ip_prefix *p)
{
	for (unsigned i = 0; i < N; i++) {
		ip_prefix q = prefix_of(i);

		if (ip_prefix_eq(p, &q))
			return i;
	}
	fail_msg("a prefix from nowhere");
	return 0;
}

static inline wg_key key_of(uint8_t peer)
{
	return (wg_key){.bytes = {peer}};
}

static inline int answer(void)
{
	int err = world.fail_with;

	world.fail_with = 0;
	world.changes++;
	return err;
}

static inline uint64_t number_of(unsigned k)
{
	return RIB_OWNER_SET_MARK + 2 * k;
}

static inline unsigned set_index(uint64_t number)
{
	for (unsigned k = 0; k < N_SETS; k++)
		if (number == number_of(k))
			return k;
	fail_msg("a set from nowhere");
	return 0;
}

/* An owner who is no peer is refused, and nothing of the set has changed. */
static inline int set_here(const struct device_owner_set_change *c)
{
	unsigned k = set_index(c->number);

	for (size_t i = 0; i < c->n_owners; i++)
		if (world.absent && c->owners[i].key.bytes[0] == world.absent)
			return -ENOENT;
	world.sets[k].there = true; /* who names one makes it */
	for (size_t i = 0; i < c->n_owners; i++)
		world.sets[k].owners[i] = c->owners[i].key.bytes[0];
	world.sets[k].n = c->n_owners ? c->n_owners : world.sets[k].n;
	for (size_t i = 0; i < c->n_add; i++)
		world.owner[index_of(&c->add[i])] = (uint8_t)(AT_SET + k);
	if (!c->remove)
		return 0;
	memset(&world.sets[k], 0, sizeof(world.sets[k]));
	for (unsigned i = 0; i < N; i++)
		if (world.owner[i] == AT_SET + k)
			world.owner[i] = NOBODY;
	return 0;
}

static inline int device_set_here(struct fib_io *io, const struct device_change *c)
{
	int err = answer();

	for (size_t i = 0; !err && i < c->n_peers; i++) {
		const struct device_peer_change *p = &c->peers[i];

		if (world.absent && p->key.bytes[0] == world.absent)
			continue;
		for (size_t k = 0; k < p->n_add; k++)
			world.owner[index_of(&p->add[k])] = p->key.bytes[0];
		for (size_t k = 0; k < p->n_del; k++)
			if (world.owner[index_of(&p->del[k])] == p->key.bytes[0])
				world.owner[index_of(&p->del[k])] = NOBODY;
		if (p->set_level)
			world.level[p->key.bytes[0]] = p->level;
	}
	for (size_t i = 0; !err && i < c->n_sets; i++)
		err = set_here(&c->sets[i]);
	return err;
}

static inline bool *route_slot(const struct rtnl_route *r)
{
	return r->table ? &world.other_table[index_of(&r->dst)] : &world.route[index_of(&r->dst)];
}

static inline int route_add_here(struct fib_io *io, const struct rtnl_route *r)
{
	*route_slot(r) = true;
	return answer();
}

static inline int route_del_here(struct fib_io *io, const struct rtnl_route *r)
{
	*route_slot(r) = false;
	return answer();
}

static const struct fib_io_ops ops = {
	.device_set = device_set_here, .route_add = route_add_here, .route_del = route_del_here};
static struct fib_io io = {&ops};

static inline void on_work(struct fib_job *j, void *data)
{
	assert_null(seen.working);
	seen.working = j;
}

static inline void on_job_done(struct fib_job *j, void *data)
{
	seen.given_back = j;
}

static inline void on_order_done(uint64_t number, const struct fib_plan *plan, int err,
	const fib_failures *failures, void *data)
{
	seen.order = number;
	seen.order_err = err;
	seen.orders++;
}

/* --- what is asked for --------------------------------------------------------------------------
 */

static inline struct fib_home home_of(uint8_t owner)
{
	wg_key key = key_of(owner);

	return owner >= AT_SET ? fib_home_set(number_of(owner - AT_SET)) : fib_home_peer(&key);
}

static inline void add_set(struct fib_plan *p, unsigned k, uint8_t first, uint8_t second)
{
	struct device_owner owners[2] = {
		{.key = key_of(first), .weight = 1}, {.key = key_of(second), .rank = 1}};

	fib_plan_owners(p, FIB_DIFFERS, "wg0", number_of(k), owners, 2);
}

static inline void add_level(struct fib_plan *p, uint8_t peer, enum device_level to)
{
	wg_key key = key_of(peer);

	fib_plan_level(p, "wg0", &key, to);
}

static inline void add_owner(struct fib_plan *p, unsigned i, uint8_t from, uint8_t to)
{
	ip_prefix prefix = prefix_of(i);
	struct fib_home a = home_of(from), b = home_of(to);

	fib_plan_owner(p, "wg0", &prefix, &a, &b);
}

static inline void add_route(struct fib_plan *p, enum fib_stage stage, unsigned i, uint32_t table)
{
	struct rtnl_route r = {.dst = prefix_of(i), .ifindex = WG, .table = table};
	bool goes = stage == FIB_AT_ROUTE_WITHDRAW || stage == FIB_AT_SIGNAL_DEL;
	enum fib_reason why = goes			  ? FIB_UNWANTED
			      : stage == FIB_AT_ROUTE_DEL ? FIB_MOVES
							  : FIB_MISSING;

	fib_plan_route(p, stage, why, "wg0", &r);
}

static inline void order(struct fib_plan *p)
{
	fib_plan_order(p);
	fib_core_order(core, p, ++seq);
}

/* From whoever has it now. */
static inline void order_owner(unsigned i, uint8_t to)
{
	struct fib_plan p = {0};

	add_owner(&p, i, world.owner[i], to);
	order(&p);
}

static inline void order_route(enum fib_stage stage, unsigned i)
{
	struct fib_plan p = {0};

	add_route(&p, stage, i, 0);
	order(&p);
}

static inline void order_set(unsigned k, uint8_t first, uint8_t second)
{
	struct fib_plan p = {0};

	add_set(&p, k, first, second);
	order(&p);
}

static inline void order_set_gone(unsigned k)
{
	struct fib_plan p = {0};

	fib_plan_owners_gone(&p, "wg0", number_of(k));
	order(&p);
}

static inline void order_level(uint8_t peer, enum device_level to)
{
	struct fib_plan p = {0};

	add_level(&p, peer, to);
	order(&p);
}

static inline void run(void)
{
	while (fib_core_step(core))
		;
}

static inline struct fib_state state_here(void)
{
	struct fib_state s = {0};
	struct fib_device d = {.name = "wg0", .ifindex = WG, .up = true};

	vec_push(&s.devices, d);
	return s;
}

/* A job without its plan, with the worker. */
static inline void begin_job(void)
{
	job = (struct fib_job){.basis = seq};
	fib_core_announce(core, &job);
	fib_core_go(core, &job);
	run();
	assert_ptr_equal(seen.working, &job);
	assert_int_equal(job.phase, FIB_JOB_PREPARING);
	job.is = state_here();
	job.shall = state_here();
}

static inline void worked(void)
{
	seen.working = NULL;
	fib_core_worked(core, &job);
}

static inline void prepared(void)
{
	fib_plan_order(&job.plan);
	worked();
}

static inline void end_job(int err)
{
	run();
	if (!err) {
		assert_ptr_equal(seen.working, &job);
		assert_int_equal(job.phase, FIB_JOB_FINISHING);
		worked();
		run();
	}
	assert_ptr_equal(seen.given_back, &job);
	assert_int_equal(job.err, err);
	assert_int_equal(fib_core_touched(core), 0);
}

static inline int setup(void **state)
{
	struct fib_core_hooks hooks = {on_work, on_job_done, on_order_done, NULL};

	memset(&world, 0, sizeof(world));
	memset(&seen, 0, sizeof(seen));
	for (unsigned i = 0; i < N; i++)
		world.owner[i] = 1;
	core = fib_core_new(&io, &hooks);
	seq = 0;
	/* Orders need to know the device. */
	begin_job();
	prepared();
	end_job(0);
	fib_state_done(&job.shall);
	return 0;
}

static inline int teardown(void **state)
{
	fib_core_free(core);
	fib_plan_done(&job.plan);
	fib_state_done(&job.is);
	fib_state_done(&job.shall);
	vec_done(&job.failures);
	return 0;
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif

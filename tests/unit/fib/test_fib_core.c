/* SPDX-License-Identifier: MIT */
/* The step core of the thread that moves prefixes: what goes first, what gives way, and that the
 * newer word counts. */
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

static ip_prefix prefix_of(unsigned i)
{
	uint8_t bytes[4] = {10, (uint8_t)(i >> 8), (uint8_t)i, 0};
	ip_addr a = {.family = AF_INET};

	memcpy(a.bytes, bytes, sizeof(bytes));
	return ip_prefix_of(&a, 24);
}

static unsigned index_of(const ip_prefix *p)
{
	for (unsigned i = 0; i < N; i++) {
		ip_prefix q = prefix_of(i);

		if (ip_prefix_eq(p, &q))
			return i;
	}
	fail_msg("a prefix from nowhere");
	return 0;
}

static wg_key key_of(uint8_t peer)
{
	return (wg_key){.bytes = {peer}};
}

static int answer(void)
{
	int err = world.fail_with;

	world.fail_with = 0;
	world.changes++;
	return err;
}

static uint64_t number_of(unsigned k)
{
	return RIB_OWNER_SET_MARK + 2 * k;
}

static unsigned set_index(uint64_t number)
{
	for (unsigned k = 0; k < N_SETS; k++)
		if (number == number_of(k))
			return k;
	fail_msg("a set from nowhere");
	return 0;
}

/* An owner who is no peer is refused, and nothing of the set has changed. */
static int set_here(const struct device_owner_set_change *c)
{
	unsigned k = set_index(c->number);

	for (size_t i = 0; i < c->n_owners; i++)
		if (world.absent && c->owners[i].key.bytes[0] == world.absent)
			return -ENOENT;
	world.sets[k].there |= c->n_owners || c->n_add;
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

static int device_set_here(struct fib_io *io, const struct device_change *c)
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

static bool *route_slot(const struct rtnl_route *r)
{
	return r->table ? &world.other_table[index_of(&r->dst)] : &world.route[index_of(&r->dst)];
}

static int route_add_here(struct fib_io *io, const struct rtnl_route *r)
{
	*route_slot(r) = true;
	return answer();
}

static int route_del_here(struct fib_io *io, const struct rtnl_route *r)
{
	*route_slot(r) = false;
	return answer();
}

static const struct fib_io_ops ops = {
	.device_set = device_set_here, .route_add = route_add_here, .route_del = route_del_here};
static struct fib_io io = {&ops};

static void on_work(struct fib_job *j, void *data)
{
	assert_null(seen.working);
	seen.working = j;
}

static void on_job_done(struct fib_job *j, void *data)
{
	seen.given_back = j;
}

static void on_order_done(uint64_t number, const struct fib_plan *plan, int err,
	const fib_failures *failures, void *data)
{
	seen.order = number;
	seen.order_err = err;
	seen.orders++;
}

/* --- what is asked for --------------------------------------------------------------------------
 */

static struct fib_home home_of(uint8_t owner)
{
	wg_key key = key_of(owner);

	return owner >= AT_SET ? fib_home_set(number_of(owner - AT_SET)) : fib_home_peer(&key);
}

static void add_set(struct fib_plan *p, unsigned k, uint8_t first, uint8_t second)
{
	struct device_owner owners[2] = {
		{.key = key_of(first), .weight = 1}, {.key = key_of(second), .rank = 1}};

	fib_plan_owners(p, FIB_DIFFERS, "wg0", number_of(k), owners, 2);
}

static void add_level(struct fib_plan *p, uint8_t peer, enum device_level to)
{
	wg_key key = key_of(peer);

	fib_plan_level(p, "wg0", &key, to);
}

static void add_owner(struct fib_plan *p, unsigned i, uint8_t from, uint8_t to)
{
	ip_prefix prefix = prefix_of(i);
	struct fib_home a = home_of(from), b = home_of(to);

	fib_plan_owner(p, "wg0", &prefix, &a, &b);
}

static void add_route(struct fib_plan *p, enum fib_stage stage, unsigned i, uint32_t table)
{
	struct rtnl_route r = {.dst = prefix_of(i), .ifindex = WG, .table = table};
	enum fib_reason why = stage == FIB_AT_ROUTE_WITHDRAW ? FIB_UNWANTED
			      : stage == FIB_AT_ROUTE_DEL    ? FIB_MOVES
							     : FIB_MISSING;

	fib_plan_route(p, stage, why, "wg0", &r);
}

static void order(struct fib_plan *p)
{
	fib_plan_order(p);
	fib_core_order(core, p, ++seq);
}

/* From whoever has it now. */
static void order_owner(unsigned i, uint8_t to)
{
	struct fib_plan p = {0};

	add_owner(&p, i, world.owner[i], to);
	order(&p);
}

static void order_route(enum fib_stage stage, unsigned i)
{
	struct fib_plan p = {0};

	add_route(&p, stage, i, 0);
	order(&p);
}

static void order_set(unsigned k, uint8_t first, uint8_t second)
{
	struct fib_plan p = {0};

	add_set(&p, k, first, second);
	order(&p);
}

static void order_set_gone(unsigned k)
{
	struct fib_plan p = {0};

	fib_plan_owners_gone(&p, "wg0", number_of(k));
	order(&p);
}

static void order_level(uint8_t peer, enum device_level to)
{
	struct fib_plan p = {0};

	add_level(&p, peer, to);
	order(&p);
}

static void run(void)
{
	while (fib_core_step(core))
		;
}

static struct fib_state state_here(void)
{
	struct fib_state s = {0};
	struct fib_device d = {.name = "wg0", .ifindex = WG, .up = true};

	vec_push(&s.devices, d);
	return s;
}

/* A job without its plan, with the worker. */
static void begin_job(void)
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

static void worked(void)
{
	seen.working = NULL;
	fib_core_worked(core, &job);
}

static void prepared(void)
{
	fib_plan_order(&job.plan);
	worked();
}

static void end_job(int err)
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

static int setup(void **state)
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

static int teardown(void **state)
{
	fib_core_free(core);
	fib_plan_done(&job.plan);
	fib_state_done(&job.is);
	fib_state_done(&job.shall);
	vec_done(&job.failures);
	return 0;
}

/* --- cases --------------------------------------------------------------------------------------
 */

static void an_order_is_done_in_one_step(void **state)
{
	order_owner(3, 2);
	assert_true(fib_core_step(core));
	assert_int_equal(world.owner[3], 2);
	assert_int_equal(seen.order, 1);
	assert_int_equal(seen.order_err, 0);
	assert_false(fib_core_step(core));
}

static void a_job_waits_until_its_input_is_there(void **state)
{
	seen.working = NULL;
	job = (struct fib_job){.basis = seq};
	fib_core_announce(core, &job);
	assert_false(fib_core_step(core));
	assert_null(seen.working);
	fib_core_go(core, &job);
	assert_true(fib_core_step(core));
	assert_ptr_equal(seen.working, &job);
	assert_false(fib_core_step(core));
	worked();
	end_job(0);
}

/* It reads what orders before it have done, not what they are about to do. */
static void orders_go_before_a_job_is_prepared(void **state)
{
	seen.working = NULL;
	order_owner(0, 2);
	order_owner(1, 2);
	job = (struct fib_job){.basis = seq};
	fib_core_announce(core, &job);
	fib_core_go(core, &job);
	fib_core_step(core);
	fib_core_step(core);
	assert_null(seen.working);
	assert_int_equal(world.owner[1], 2);
	fib_core_step(core);
	assert_ptr_equal(seen.working, &job);
	worked();
	end_job(0);
}

static void the_newer_word_on_an_owner_counts(void **state)
{
	begin_job();
	add_owner(&job.plan, 0, 1, 2);
	add_owner(&job.plan, 1, 1, 2);
	add_owner(&job.plan, 2, 1, NOBODY);
	order_owner(0, 3); /* while the worker thinks */
	order_owner(2, 3);
	run();
	prepared();
	end_job(0);
	assert_int_equal(world.owner[0], 3);
	assert_int_equal(world.owner[1], 2);
	assert_int_equal(world.owner[2], 3);
}

/* The device is another one than the orders are for, and the job fills it. */
static void an_order_before_its_peer_is_there(void **state)
{
	begin_job();
	world.absent = 3;
	world.owner[0] = world.owner[1] = NOBODY;
	for (unsigned i = 0; i < 3; i++)
		order_owner(i, 3);
	order_owner(3, NOBODY);
	run();
	assert_int_equal(world.owner[0], NOBODY);
	world.absent = NOBODY;
	add_owner(&job.plan, 0, NOBODY, 2);
	add_owner(&job.plan, 1, NOBODY, 3);
	add_owner(&job.plan, 2, 1, NOBODY);
	add_owner(&job.plan, 3, NOBODY, 2);
	prepared();
	end_job(0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(world.owner[i], 3);
	assert_int_equal(world.owner[3], NOBODY);
}

/* The device has refused to give it to whom the order takes it from. */
static void an_order_that_takes_it_from_another(void **state)
{
	struct fib_plan p = {0};

	begin_job();
	world.owner[0] = 2;
	add_owner(&p, 0, 1, NOBODY);
	order(&p);
	run();
	assert_int_equal(world.owner[0], 2);
	add_owner(&job.plan, 0, 2, 1);
	prepared();
	end_job(0);
	assert_int_equal(world.owner[0], NOBODY);
}

/* Nor does the job's plan name the prefix. Who was there when it looked has what it was given. */
static void an_order_that_the_plan_knows_nothing_of(void **state)
{
	struct device_peer there = {.key = key_of(2)};

	begin_job();
	job.is.devices.items[0].wg.peers = &there;
	job.is.devices.items[0].wg.n_peers = 1;
	world.absent = 3;
	world.owner[0] = NOBODY;
	order_owner(0, 3);
	order_owner(1, 2);
	run();
	world.absent = NOBODY;
	add_owner(&job.plan, 2, NOBODY, 2);
	add_route(&job.plan, FIB_AT_ROUTE_ADD, 0, 0);
	prepared();
	assert_true(fib_core_step(core));
	assert_true(fib_core_step(core));
	assert_int_equal(world.owner[0], 3); /* before the route */
	assert_false(world.route[0]);
	run();
	assert_true(world.route[0]);
	assert_int_equal(job.plan.ops.n, 3);
	job.is.devices.items[0].wg = (struct device_state){0};
	end_job(0);
	assert_int_equal(world.owner[0], 3);
	assert_int_equal(world.owner[1], 2);
}

/* Between the announcement and the start of the work, too. */
static void newer_is_what_its_input_need_not_know(void **state)
{
	job = (struct fib_job){.basis = seq};
	seen.working = NULL;
	fib_core_announce(core, &job);
	order_owner(0, 3);
	run();
	fib_core_go(core, &job);
	run();
	job.is = state_here();
	job.shall = state_here();
	add_owner(&job.plan, 0, 3, 2);
	prepared();
	end_job(0);
	assert_int_equal(world.owner[0], 3);
}

static void an_older_order_doesn_t_void(void **state)
{
	order_owner(0, 3);
	begin_job();
	add_owner(&job.plan, 0, 3, 2);
	prepared();
	end_job(0);
	assert_int_equal(world.owner[0], 2);
}

static void an_order_in_the_middle_of_a_plan(void **state)
{
	begin_job();
	for (unsigned i = 0; i < N; i++)
		add_owner(&job.plan, i, 1, 2);
	prepared();
	assert_true(fib_core_step(core)); /* a chunk */
	assert_int_equal(world.owner[FIB_CHUNK - 1], 2);
	assert_int_equal(world.owner[FIB_CHUNK], 1);
	order_owner(0, 3);     /* was moved by the plan already */
	order_owner(N - 1, 3); /* was not yet */
	fib_core_step(core);
	fib_core_step(core);
	assert_int_equal(seen.orders, 2);
	assert_int_equal(world.owner[FIB_CHUNK], 1);
	end_job(0);
	assert_int_equal(world.owner[0], 3);
	assert_int_equal(world.owner[N - 1], 3);
	assert_int_equal(world.owner[N - 2], 2);
}

static void the_newer_word_on_a_route_counts(void **state)
{
	world.route[1] = true;
	world.other_table[2] = world.route[2] = true;
	begin_job();
	add_route(&job.plan, FIB_AT_ROUTE_ADD, 0, 0);	   /* an event withdraws it */
	add_route(&job.plan, FIB_AT_ROUTE_WITHDRAW, 1, 0); /* an event adds it */
	add_route(&job.plan, FIB_AT_ROUTE_DEL, 2, 7);	   /* a second one, of another table */
	add_owner(&job.plan, 3, 1, 2);			   /* an event speaks of its route only */
	order_route(FIB_AT_ROUTE_WITHDRAW, 0);
	order_route(FIB_AT_ROUTE_ADD, 1);
	order_route(FIB_AT_ROUTE_ADD, 2);
	order_route(FIB_AT_ROUTE_ADD, 3);
	run();
	prepared();
	end_job(0);
	assert_false(world.route[0]);
	assert_true(world.route[1]);
	assert_true(world.route[2] && !world.other_table[2]);
	assert_int_equal(world.owner[3], 2);
}

static void the_newer_word_on_a_level_counts(void **state)
{
	begin_job();
	add_level(&job.plan, 1, DEVICE_UP);
	add_level(&job.plan, 2, DEVICE_DOWN);
	order_level(1, DEVICE_DOWN);
	order_level(3, DEVICE_LAST_RESORT);
	run();
	prepared();
	end_job(0);
	assert_int_equal(world.level[1], DEVICE_DOWN);
	assert_int_equal(world.level[2], DEVICE_DOWN);
	assert_int_equal(world.level[3], DEVICE_LAST_RESORT);
}

static void check_set(unsigned k, uint8_t first, uint8_t second)
{
	assert_true(world.sets[k].there);
	assert_int_equal(world.sets[k].n, 2);
	assert_int_equal(world.sets[k].owners[0], first);
	assert_int_equal(world.sets[k].owners[1], second);
}

static void the_newer_word_on_owners_counts(void **state)
{
	for (unsigned k = 0; k < N_SETS; k++)
		order_set(k, 1, 2);
	run();
	begin_job();
	add_set(&job.plan, 0, 2, 1);			      /* an event says otherwise */
	add_set(&job.plan, 1, 2, 1);			      /* it goes by one */
	fib_plan_owners_gone(&job.plan, "wg0", number_of(2)); /* one needs it */
	fib_plan_owners_gone(&job.plan, "wg0", number_of(3)); /* one moves a prefix there */
	order_set(0, 1, 3);
	order_set(0, 3, 1);
	order_set_gone(1);
	order_set(2, 3, 2);
	order_owner(5, AT_SET + 3);
	run();
	prepared();
	end_job(0);
	check_set(0, 3, 1);
	assert_false(world.sets[1].there);
	check_set(2, 3, 2);
	check_set(3, 1, 2);
	assert_int_equal(world.owner[5], AT_SET + 3);
}

/* One that goes again by an event goes. */
static void a_set_that_is_used_no_more(void **state)
{
	order_set(0, 1, 2);
	run();
	begin_job();
	fib_plan_owners_gone(&job.plan, "wg0", number_of(0));
	order_owner(5, AT_SET);
	order_owner(5, 1);
	order_set_gone(0);
	order_set_gone(1);
	run();
	prepared();
	end_job(0);
	assert_false(world.sets[0].there);
	assert_int_equal(world.owner[5], 1);
}

/* The device was made anew: what orders say of it comes to nothing before the job has filled it. */
static void orders_before_their_peers_and_sets_are_there(void **state)
{
	struct device_peer there = {.key = key_of(2)};

	begin_job();
	job.is.devices.items[0].wg.peers = &there;
	job.is.devices.items[0].wg.n_peers = 1;
	world.absent = 3;
	order_set(0, 3, 2);
	run();
	assert_int_equal(seen.order_err, -ENOENT);
	order_owner(0, AT_SET);
	order_level(3, DEVICE_DOWN);
	run();
	assert_int_equal(world.level[3], DEVICE_UP);
	world.absent = NOBODY;
	add_owner(&job.plan, 2, NOBODY, 2);
	add_route(&job.plan, FIB_AT_ROUTE_ADD, 0, 0);
	prepared();
	assert_true(fib_core_step(core));
	assert_true(fib_core_step(core));
	check_set(0, 3, 2); /* before the route */
	assert_false(world.route[0]);
	assert_int_equal(world.owner[0], AT_SET);
	assert_int_equal(world.level[3], DEVICE_DOWN);
	job.is.devices.items[0].wg = (struct device_state){0};
	end_job(0);
}

static void a_large_order_gives_way(void **state)
{
	struct fib_plan p = {0};

	for (unsigned i = 0; i < N; i++)
		add_owner(&p, i, 1, 2);
	order(&p);
	fib_core_step(core);
	order_owner(N - 1, 3);
	fib_core_step(core);
	assert_int_equal(world.owner[N - 1], 3);
	assert_int_equal(seen.order, 2);
	assert_int_equal(world.owner[FIB_CHUNK], 1);
	run();
	assert_int_equal(seen.order, 1);
	assert_int_equal(world.owner[N - 1], 3);
	assert_int_equal(world.owner[N - 2], 2);
	assert_int_equal(fib_core_touched(core), 0);
}

static void what_fails_is_told(void **state)
{
	world.fail_with = -EIO;
	order_owner(0, 2);
	run();
	assert_int_equal(seen.order_err, -EIO);
	begin_job();
	add_owner(&job.plan, 0, 1, 2);
	prepared();
	world.fail_with = -ENODEV;
	end_job(-ENODEV);
	assert_int_equal(job.failures.n, 1);
}

/* Nothing of it is done then. */
static void a_job_that_can_t_be_prepared(void **state)
{
	unsigned before;

	begin_job();
	before = world.changes;
	add_owner(&job.plan, 0, 1, 2);
	job.err = -EAGAIN;
	worked();
	end_job(-EAGAIN);
	assert_int_equal(world.changes, before);
}

static void prepared_again(void **state)
{
	begin_job();
	add_owner(&job.plan, 0, 1, 2);
	job.again = true;
	prepared();
	run();
	assert_ptr_equal(seen.working, &job);
	assert_int_equal(job.phase, FIB_JOB_PREPARING);
	assert_int_equal(world.owner[0], 2);
	fib_plan_done(&job.plan);
	job.again = false;
	add_owner(&job.plan, 1, 1, 2);
	prepared();
	end_job(0);
	assert_int_equal(world.owner[1], 2);
}

/* At the next operation; with the worker when it comes back; before it began at once. */
static void given_up(void **state)
{
	begin_job();
	add_owner(&job.plan, 0, 1, 2);
	fib_core_cancel(core);
	run();
	assert_ptr_not_equal(seen.given_back, NULL);
	seen.given_back = NULL;
	prepared();
	end_job(-ECANCELED);
	assert_int_equal(world.owner[0], 1);
	fib_state_done(&job.is);
	fib_state_done(&job.shall);
	fib_plan_done(&job.plan);
	begin_job();
	for (unsigned i = 0; i < N; i++)
		add_owner(&job.plan, i, 1, 2);
	prepared();
	fib_core_step(core);
	fib_core_cancel(core);
	end_job(-ECANCELED);
	assert_int_equal(world.owner[FIB_CHUNK], 1);
	fib_state_done(&job.is);
	fib_state_done(&job.shall);
	fib_plan_done(&job.plan);
	job = (struct fib_job){.basis = seq};
	fib_core_announce(core, &job);
	fib_core_cancel(core);
	end_job(-ECANCELED);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		CASE(an_order_is_done_in_one_step),
		CASE(a_job_waits_until_its_input_is_there),
		CASE(orders_go_before_a_job_is_prepared),
		CASE(the_newer_word_on_an_owner_counts),
		CASE(an_order_before_its_peer_is_there),
		CASE(an_order_that_the_plan_knows_nothing_of),
		CASE(an_order_that_takes_it_from_another),
		CASE(newer_is_what_its_input_need_not_know),
		CASE(an_older_order_doesn_t_void),
		CASE(an_order_in_the_middle_of_a_plan),
		CASE(the_newer_word_on_a_route_counts),
		CASE(the_newer_word_on_a_level_counts),
		CASE(the_newer_word_on_owners_counts),
		CASE(a_set_that_is_used_no_more),
		CASE(orders_before_their_peers_and_sets_are_there),
		CASE(a_large_order_gives_way),
		CASE(what_fails_is_told),
		CASE(a_job_that_can_t_be_prepared),
		CASE(prepared_again),
		CASE(given_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

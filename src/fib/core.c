/* SPDX-License-Identifier: MIT */
#include "fib/core.h"

#include "fib/touched.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

struct order {
	struct list of_core;
	struct fib_plan plan;
	struct fib_doing doing;
	uint64_t seq;
};

struct fib_core {
	struct fib_io *io;
	struct fib_core_hooks hooks;
	struct list small, large; /* orders, first come, first served */
	struct list jobs;	  /* of them only the first is worked on */
	struct fib_doing doing;	  /* the first job's plan, while it is DOING */
	bool has_repeated;	  /* what orders have said meanwhile */
	struct fib_state is;
	struct touched *touched;
	uint64_t last_seq;
};

struct fib_core *fib_core_new(struct fib_io *io, const struct fib_core_hooks *hooks)
{
	struct fib_core *c = mem_zalloc(1, sizeof(*c));

	c->io = io;
	c->hooks = *hooks;
	c->touched = touched_new();
	list_init(&c->small);
	list_init(&c->large);
	list_init(&c->jobs);
	return c;
}

static struct fib_job *first_job(const struct fib_core *c)
{
	return list_is_empty(&c->jobs) ? NULL : container_of(c->jobs.next, struct fib_job, of_core);
}

static struct order *first_order(const struct list *l)
{
	return list_is_empty(l) ? NULL : container_of(l->next, struct order, of_core);
}

/* --- who spoke last ------------------------------------------------------------------------------
 */

static bool is_anything_older(const struct fib_core *c)
{
	return !list_is_empty(&c->jobs) || !list_is_empty(&c->large);
}

/* Nobody asks about what is newer than all that is left. */
static void forget_touched(struct fib_core *c)
{
	if (!is_anything_older(c))
		touched_forget(c->touched);
}

struct asker {
	struct fib_core *core;
	struct fib_plan *plan;
	uint64_t seq;
	bool notes; /* an order: what it does is the newest word */
};

/* fib_void_fn */
static bool is_void(struct fib_op *op, void *data)
{
	const struct asker *a = data;

	if (touched_voids(a->core->touched, op, a->seq, &a->plan->arena))
		return true;
	if (a->notes && is_anything_older(a->core))
		touched_note(a->core->touched, op, a->seq);
	return false;
}

static int do_piece(struct fib_core *c, struct fib_doing *doing, uint64_t seq, bool notes)
{
	struct asker a = {c, doing->plan, seq, notes};

	return fib_do_piece(doing, is_void, &a);
}

/* --- urgent orders -------------------------------------------------------------------------------
 */

static void order_free(struct order *o)
{
	list_remove(&o->of_core);
	vec_done(&o->doing.failures);
	fib_plan_done(&o->plan);
	free(o);
}

void fib_core_order(struct fib_core *c, struct fib_plan *plan, uint64_t seq)
{
	struct order *o = mem_zalloc(1, sizeof(*o));

	assert(seq > c->last_seq);
	c->last_seq = seq;
	o->plan = *plan;
	*plan = (struct fib_plan){0};
	o->seq = seq;
	o->doing = (struct fib_doing){.io = c->io, .plan = &o->plan, .is = &c->is};
	list_append(o->plan.ops.n > FIB_CHUNK ? &c->large : &c->small, &o->of_core);
}

static void step_order(struct fib_core *c, struct order *o)
{
	int err = do_piece(c, &o->doing, o->seq, true);

	if (err > 0)
		return;
	c->hooks.order_done(o->seq, &o->plan, err, &o->doing.failures, c->hooks.data);
	order_free(o);
	forget_touched(c);
}

/* --- jobs ----------------------------------------------------------------------------------------
 */

void fib_core_announce(struct fib_core *c, struct fib_job *job)
{
	job->phase = FIB_JOB_ANNOUNCED;
	job->cancelled = false;
	list_append(&c->jobs, &job->of_core);
}

void fib_core_go(struct fib_core *c, struct fib_job *job)
{
	assert(job->phase == FIB_JOB_ANNOUNCED);
	job->phase = FIB_JOB_READY;
}

void fib_core_cancel(struct fib_core *c)
{
	for (struct list *l = c->jobs.next; l != &c->jobs; l = l->next)
		container_of(l, struct fib_job, of_core)->cancelled = true;
}

void fib_core_worked(struct fib_core *c, struct fib_job *job)
{
	assert(job == first_job(c));
	if (job->phase == FIB_JOB_FINISHING || job->err) {
		job->phase = FIB_JOB_DONE;
		return;
	}
	assert(job->phase == FIB_JOB_PREPARING);
	job->phase = FIB_JOB_DOING;
	c->has_repeated = false;
	vec_done(&c->doing.failures);
	c->doing = (struct fib_doing){
		.io = c->io, .plan = &job->plan, .shall = &job->shall, .is = &job->is};
}

static bool is_with_worker(const struct fib_job *job)
{
	return job->phase == FIB_JOB_PREPARING || job->phase == FIB_JOB_FINISHING;
}

static void hand_to_worker(struct fib_core *c, struct fib_job *job, enum fib_job_phase phase)
{
	job->phase = phase;
	c->hooks.work(job, c->hooks.data);
}

static void give_back(struct fib_core *c, struct fib_job *job)
{
	list_remove(&job->of_core);
	if (job->cancelled && job->phase != FIB_JOB_DONE)
		job->err = -ECANCELED;
	if (!job->err) {
		fib_state_done(&c->is);
		c->is = job->is;
		job->is = (struct fib_state){0};
	}
	c->hooks.job_done(job, c->hooks.data);
	forget_touched(c);
}

struct repetition {
	const struct fib_device *is; /* as looked at */
	struct fib_plan plan;
};

static bool has_home(const struct device_state *is, const struct fib_home *h)
{
	return h->owner_set ? device_state_set(is, h->owner_set) != NULL
			    : device_state_peer(is, &h->peer) != NULL;
}

static bool has_owners(const struct device_state *is, const struct fib_op *op)
{
	for (size_t i = 0; i < op->u.owners.n; i++)
		if (!device_state_peer(is, &op->u.owners.owners[i].key))
			return false;
	return device_state_set(is, op->u.owners.number);
}

/* An order for a peer or a set that wasn't there when the job looked came to nothing, if it came
 * before the plan had made it; without a word, or its owner asks for another job. */
static void repeat(const struct fib_op *op, void *data)
{
	static const struct fib_home nowhere;
	struct repetition *r = data;
	const struct device_state *is = &r->is->wg;

	if (op->type == FIB_PREFIX_ADD && !has_home(is, &op->u.owner.to))
		fib_plan_owner(
			&r->plan, r->is->name, &op->u.owner.prefix, &nowhere, &op->u.owner.to);
	if (op->type == FIB_LEVEL && !device_state_peer(is, &op->u.level.key))
		fib_plan_level(&r->plan, r->is->name, &op->u.level.key, op->u.level.to);
	if (op->type == FIB_OWNERS_SET && !has_owners(is, op))
		fib_plan_owners(&r->plan, FIB_MISSING, r->is->name, op->u.owners.number,
			op->u.owners.owners, op->u.owners.n);
}

static void keep_pointed_at(struct fib_plan *plan, struct fib_op *op)
{
	if (op->type == FIB_OWNERS_SET)
		op->u.owners.owners =
			fib_copy_owners(&plan->arena, op->u.owners.owners, op->u.owners.n);
}

/* Goes on with these first. */
static void insert(struct fib_plan *plan, size_t at, const struct fib_plan *these)
{
	size_t n = these->ops.n, size = sizeof(*plan->ops.items);

	if (!n)
		return;
	vec_reserve(&plan->ops, plan->ops.n + n);
	memmove(&plan->ops.items[at + n], &plan->ops.items[at], (plan->ops.n - at) * size);
	memcpy(&plan->ops.items[at], these->ops.items, n * size);
	for (size_t i = 0; i < n; i++)
		keep_pointed_at(plan, &plan->ops.items[at + i]);
	plan->ops.n += n;
}

/* All peers are there, and no route leads to them yet. */
static bool is_peopled(const struct fib_core *c, const struct fib_job *job)
{
	size_t at = c->doing.at;

	return at == job->plan.ops.n || job->plan.ops.items[at].stage >= FIB_AT_ROUTE_ADD;
}

static void repeat_orders(struct fib_core *c, struct fib_job *job)
{
	struct repetition r = {.is = job->is.devices.items};

	if (c->has_repeated || job->again || !job->is.devices.n || !is_peopled(c, job))
		return;
	c->has_repeated = true;
	touched_each(c->touched, job->basis, repeat, &r);
	fib_plan_order(&r.plan);
	insert(&job->plan, c->doing.at, &r.plan);
	fib_plan_done(&r.plan);
}

static void step_plan(struct fib_core *c, struct fib_job *job)
{
	int err;

	repeat_orders(c, job);
	err = do_piece(c, &c->doing, job->basis, false);
	if (err > 0)
		return;
	vec_done(&job->failures);
	job->failures = c->doing.failures;
	c->doing = (struct fib_doing){0};
	job->err = err;
	if (err)
		job->phase = FIB_JOB_DONE;
	else
		hand_to_worker(c, job, job->again ? FIB_JOB_PREPARING : FIB_JOB_FINISHING);
}

/* False if there is nothing to do for it now. */
static bool step_job(struct fib_core *c, struct fib_job *job)
{
	if (is_with_worker(job))
		return false;
	if (job->phase == FIB_JOB_DONE || job->cancelled) {
		give_back(c, job);
		return true;
	}
	if (job->phase == FIB_JOB_READY)
		hand_to_worker(c, job, FIB_JOB_PREPARING);
	else if (job->phase == FIB_JOB_DOING)
		step_plan(c, job);
	else
		return false;
	return true;
}

bool fib_core_step(struct fib_core *c)
{
	struct order *o = first_order(&c->small);
	struct fib_job *job = first_job(c);

	if (!o)
		o = first_order(&c->large);
	if (o) {
		step_order(c, o);
		return true;
	}
	return job && step_job(c, job);
}

/* --- what it knows, and the end -----------------------------------------------------------------
 */

const struct fib_state *fib_core_is(const struct fib_core *c)
{
	return &c->is;
}

size_t fib_core_touched(const struct fib_core *c)
{
	return touched_count(c->touched);
}

void fib_core_free(struct fib_core *c)
{
	struct order *o;
	struct fib_job *job;

	if (!c)
		return;
	while ((o = first_order(&c->small)) || (o = first_order(&c->large)))
		order_free(o);
	fib_core_cancel(c);
	while ((job = first_job(c)))
		give_back(c, job);
	vec_done(&c->doing.failures);
	fib_state_done(&c->is);
	touched_free(c->touched);
	free(c);
}

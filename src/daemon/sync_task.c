/* SPDX-License-Identifier: MIT */
#include "daemon/sync_task.h"

#include "fib/kernel_io.h"
#include "fib/look.h"
#include "sys/clock.h"
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

/* More than a look and a plan have on the stack at their deepest. */
#define STACK_BYTES (128 * 1024)
/* So many left by others are named one by one. */
#define LEFTOVERS_NAMED 8

/* --- where it reads ------------------------------------------------------------------------------
 */

static int open_kernel(const struct device_address *at, struct fib_io **ret)
{
	struct kernel_io *k = mem_zalloc(1, sizeof(*k));
	struct device *device = NULL;
	struct rtnl *rtnl = NULL;
	int err = device_open_at(at, &device);

	if (!err)
		err = rtnl_open(&rtnl);
	if (err) {
		device_close(device);
		free(k);
		return err;
	}
	kernel_io_init(k, device, rtnl);
	*ret = &k->io;
	return 0;
}

static void close_kernel(struct fib_io *io)
{
	struct kernel_io *k = container_of(io, struct kernel_io, io);
	struct device *device = k->device;
	struct rtnl *rtnl = k->rtnl;

	kernel_io_done(k);
	rtnl_close(rtnl);
	device_close(device);
	free(k);
}

const struct look_io look_io_kernel = {open_kernel, close_kernel};

/* --- prepare -------------------------------------------------------------------------------------
 */

/* A device says more of itself once its link is up: its port, say. */
static bool plan_bring_up(struct sync_task *t, const struct fib_device *link)
{
	struct fib_device up = {.up = true,
		.mtu = t->gen->self->mtu,
		.makes_link_local = !mesh_has_engine(t->gen->self)};
	struct fib_job *job = &t->task.job;
	struct fib_ours none = {0};

	memcpy(up.name, link->name, sizeof(up.name));
	plan_link(link, &up, &none, &job->plan);
	if (!job->plan.ops.n)
		return false;
	vec_push(&job->is.devices, *link);
	vec_push(&job->shall.devices, up);
	return true;
}

static int look(struct sync_task *t, struct fib_io *io)
{
	struct fib_question q = {0};
	int err;

	shall_ask(&t->in, &q);
	err = fib_look(io, &q, &t->task.job.is);
	fib_question_done(&q);
	return err;
}

static int decide(struct sync_task *t, struct fib_io *io)
{
	struct fib_state *is = &t->task.job.is;
	int err = shall_make(&t->in, is, &t->shall);

	if (err != -EAGAIN)
		return err;
	err = fib_look_table(io, &t->shall.table, &is->free_table);
	if (err)
		return err;
	shall_done(&t->shall);
	t->shall = (struct shall){0};
	return shall_make(&t->in, is, &t->shall);
}

/* Before the first of ours is there. */
static void journal(struct sync_task *t, bool exactly)
{
	struct journal_content c = shall_journal(&t->shall);

	t->journal_error = state_journal_write(t->state, &c, exactly);
	if (t->journal_error)
		fib_trouble_add(&t->troubles, NULL,
			"the journal in the state directory could not be written: %s; what was put "
			"on the device meanwhile may not be known as ours after a restart",
			strerror(-t->journal_error));
}

static void note_conflict(struct sync_task *t, const struct fib_conflict *c)
{
	char prefix[IP_PREFIX_STRLEN], key[WG_KEY_BASE64_LEN];

	ip_prefix_format(&c->prefix, prefix);
	if (wg_key_is_zero(&c->foreign.peer)) {
		fib_trouble_add(&t->troubles, NULL,
			"%s is held by owner set %" PRIu64 " of %s, which shuntd didn't make, and "
			"was not taken from it",
			prefix, c->foreign.owner_set, t->gen->self->interface);
		return;
	}
	wg_key_to_base64(&c->foreign.peer, key);
	fib_trouble_add(&t->troubles,
		mem_printf("wg set %s peer %s remove", t->gen->self->interface, key),
		"%s is held by a peer that the inventory doesn't name (%s) and was not taken from "
		"it",
		prefix, key);
}

static void note_conflicts(struct sync_task *t)
{
	const struct fib_plan *p = &t->task.job.plan;

	for (size_t i = 0; i < p->conflicts.n; i++)
		note_conflict(t, &p->conflicts.items[i]);
	/* Who has nobody today may have an owner by the next event, and it isn't taken then either.
	 */
	for (size_t i = 0; i < p->foreign.n; i++)
		vec_push(&t->foreign, p->foreign.items[i]);
}

static const char *name_of(const wg_key *key, void *data)
{
	const struct sync_task *t = data;

	return changes_name(&t->changes, t->gen, key);
}

static void add_line(const char *text, void *data)
{
	struct sync_task *t = data;

	changes_add(&t->changes, "%s", text);
}

static void add_move(const struct fib_moved *m, void *data)
{
	struct sync_task *t = data;

	changes_moved(&t->changes, m);
}

/* What a verdict says of a peer has nothing to do with what isn't known. */
static bool is_removal(const struct fib_op *op)
{
	if (op->stage == FIB_AT_SIGNAL_DEL)
		return false;
	return op->type == FIB_PREFIX_DEL || op->type == FIB_OWNERS_DEL ||
	       op->type == FIB_PEER_DEL || op->type == FIB_ROUTE_DEL;
}

static void keep_all(struct fib_plan *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->ops.n; i++)
		if (!is_removal(&p->ops.items[i]))
			p->ops.items[n++] = p->ops.items[i];
	p->ops.n = n;
}

static void plan(struct sync_task *t)
{
	struct fib_teller teller = {name_of, add_line, t, add_move};
	struct fib_job *job = &t->task.job;

	fib_plan_make(&job->is, &t->shall.state, &t->shall.ours, &job->plan);
	if (t->keeps)
		keep_all(&job->plan);
	note_conflicts(t);
	if (t->before)
		fib_tell(&job->plan, &job->is, &t->shall.state, &teller);
	job->shall = t->shall.state;
	t->shall.state = (struct fib_state){0};
}

static int prepare_with(struct sync_task *t, struct fib_io *io)
{
	struct fib_job *job = &t->task.job;
	struct fib_device link = {0};
	int err = fib_look_link(io, t->gen->self->interface, &link);

	if (err)
		return err;
	t->ifindex = link.ifindex;
	/* Once: what doesn't come up then is no reason to leave the rest. */
	job->again = !t->is_brought_up && plan_bring_up(t, &link);
	t->is_brought_up = true;
	if (job->again)
		return 0;
	err = look(t, io);
	if (!err)
		err = decide(t, io);
	if (err)
		return err;
	journal(t, false);
	plan(t);
	return 0;
}

/* Of a link alone, if that came first. */
static void forget_first_plan(struct fib_job *job)
{
	fib_plan_done(&job->plan);
	fib_state_done(&job->is);
	fib_state_done(&job->shall);
	job->plan = (struct fib_plan){0};
	job->is = job->shall = (struct fib_state){0};
	job->again = false;
}

static void prepare(struct sync_task *t)
{
	struct fib_io *io;

	t->in = (struct shall_input){
		.gen = t->gen,
		.rib = &t->rib,
		.endpoints = t->endpoints,
		.journal = state_journal(t->state),
		.apart = t->apart.items,
		.n_apart = t->apart.n,
		.mark = t->mark,
	};
	forget_first_plan(&t->task.job);
	t->began = sys_now();
	t->task.job.err = t->look->open(&t->at, &io);
	if (t->task.job.err)
		return;
	t->task.job.err = prepare_with(t, io);
	t->look->close(io);
}

/* --- finish --------------------------------------------------------------------------------------
 */

static void note_leftovers(struct sync_task *t)
{
	const struct fib_plan *p = &t->task.job.plan;
	const char *ifname = t->gen->self->interface;

	for (size_t i = 0; i < p->leftover.n && i < LEFTOVERS_NAMED; i++) {
		char *fix, *what = fib_tell_leftover(&p->leftover.items[i], ifname, &fix);

		vec_push(&t->troubles, ((struct fib_trouble){what, fix}));
	}
	if (p->leftover.n > LEFTOVERS_NAMED)
		fib_trouble_add(&t->troubles, mem_printf("ip route show dev %s", ifname),
			"%zu more such routes lead into %s", p->leftover.n - LEFTOVERS_NAMED,
			ifname);
}

/* What couldn't be removed is still ours to remove: without what is gone, after all of it went. */
static void finish(struct sync_task *t)
{
	struct fib_job *job = &t->task.job;

	if (!job->failures.n && !t->journal_error && !t->keeps)
		journal(t, true);
	note_leftovers(t);
	fib_mirror(&job->plan, &job->shall, &job->is);
	t->mirror = job->is.devices.items[0].wg;
	job->is.devices.items[0].wg = (struct device_state){0};
}

static void work(struct fib_task *task)
{
	struct sync_task *t = container_of(task, struct sync_task, task);

	if (task->job.phase == FIB_JOB_PREPARING)
		prepare(t);
	else
		finish(t);
	sodium_stackzero(STACK_BYTES); /* copies of keys that the compiler made on the way */
}

/* --- on the loop ---------------------------------------------------------------------------------
 */

struct sync_task *sync_task_new(void)
{
	struct sync_task *t = mem_zalloc(1, sizeof(*t));

	t->task.work = work;
	return t;
}

static int gather(const struct rib_desire *d, void *data)
{
	struct sync_task *t = data;

	shall_rib_add(&t->rib, d);
	t->last = d->prefix;
	return 0;
}

bool sync_task_gather(struct sync_task *t, const struct rib *rib, size_t max)
{
	size_t before = t->rib.prefixes.n;

	rib_desires_after(rib, before ? &t->last : NULL, max, gather, t);
	if (t->rib.prefixes.n - before == max)
		return true;
	shall_rib_take_states(&t->rib, rib, t->gen);
	return false;
}

void sync_task_conclude(struct sync_task *t)
{
	const struct fib_job *job = &t->task.job;

	fib_tell_failures(&job->plan, &job->failures, &job->shall, &t->troubles);
	fib_troubles_move(&t->troubles, &t->shall.problems);
	t->counts = fib_tell_counts(&job->plan);
	if (job->err)
		changes_forget(&t->changes);
}

void sync_task_free(struct sync_task *t)
{
	struct fib_job *job;

	if (!t)
		return;
	job = &t->task.job;
	shall_done(&t->shall);
	fib_plan_done(&job->plan);
	fib_state_done(&job->is);
	fib_state_done(&job->shall);
	vec_done(&job->failures);
	shall_rib_done(&t->rib);
	device_state_done(&t->mirror);
	changes_done(&t->changes);
	fib_troubles_done(&t->troubles);
	vec_done(&t->foreign);
	vec_done(&t->apart);
	free(t->endpoints);
	generation_put(t->before);
	generation_put(t->gen);
	free(t);
}

/* SPDX-License-Identifier: MIT */
#include "node_fib.h"

#include "daemon/fib_facts.h"
#include "daemon/shall.h"
#include "daemon/turns.h"
#include "fib/core.h"
#include "fib/look.h"
#include "node_daemon.h"
#include <errno.h>

/* What one operation takes, and each part of the worker's; at most. */
#define OPERATION_NS (400 * NS_PER_US)
#define WORK_NS (12 * NS_PER_MS)

/* A SYNC under way. */
struct sync_job {
	struct fib_job base;
	uint64_t generation;
	struct shall_input input; /* with a reference of the generation */
	struct shall_rib rib;
	sock_addr *endpoints;
	prefix_vec apart;
	uint64_t n_tampered; /* by others, when it was looked */
	bool is_looked;	     /* at all there is, and not yet compared */
	struct shall shall;
};

/* An order whose outcome is awaited. */
struct awaited {
	uint64_t seq;
	struct engine_event outcome; /* but for how it went */
};

struct node_fib {
	struct daemon *d;
	struct fib_core *core;
	struct sync_job *working; /* with the worker */
	instant work_at, step_at;
	uint64_t seq;
	VEC(struct awaited) awaited;
	outcomes done;
	size_t n_told;
	struct journal journal; /* as its memory has it */
	/* Of the last job that went well: */
	struct fib_facts facts;
	struct device_state mirror;
	/* Since the job under way began: */
	bool is_doubtful; /* an order was refused */
};

static struct world_node *self(const struct node_fib *f)
{
	return daemon_self(f->d);
}

static instant in_a_while(struct node_fib *f, int64_t most)
{
	return instant_add(
		f->d->w->now, 1 + (int64_t)(chance_u64(&f->d->w->chance) % (uint64_t)most));
}

/* There may be a step to make. */
static void wake(struct node_fib *f)
{
	if (instant_is_never(f->step_at))
		f->step_at = in_a_while(f, OPERATION_NS);
}

/* --- the journal ---------------------------------------------------------------------------------
 */

static void copy_journal(const struct journal *from, struct journal *to)
{
	AUTO_BUF text = {0};

	journal_write(from, &text);
	journal_done(to);
	journal_init(to);
	journal_read(to, buf_str(&text), text.n);
}

/* The whole file at once, or nothing of it. */
static int write_journal(struct node_fib *f)
{
	struct world_node *n = self(f);
	int refused = model_io_change(n->model);

	n->journal_lags |= refused < 0;
	if (refused)
		return refused < 0 ? refused : 0;
	copy_journal(&f->journal, &n->journal);
	n->journal_lags = false;
	watch_node(n->w, n->index);
	return 0;
}

/* exactly: nothing but this. */
static int keep_journal(struct node_fib *f, const struct sync_job *j, bool exactly)
{
	struct journal_content c = shall_journal(&j->shall);
	bool changes = exactly && !journal_is(&f->journal, &c);

	if (changes) {
		journal_done(&f->journal);
		journal_init(&f->journal);
	}
	changes |= journal_add(&f->journal, &c);
	return changes || self(f)->journal_lags ? write_journal(f) : 0;
}

/* --- the worker ----------------------------------------------------------------------------------
 */

static void forget_work(struct sync_job *j)
{
	fib_plan_done(&j->base.plan);
	fib_state_done(&j->base.is);
	fib_state_done(&j->base.shall);
	shall_done(&j->shall);
	j->base.plan = (struct fib_plan){0};
	j->shall = (struct shall){0};
	j->base.again = false;
}

/* A device says more of itself once its link is up. True if that comes first. */
static bool bring_up(struct node_fib *f, struct sync_job *j)
{
	const struct mesh_node *n = j->input.gen->self;
	struct fib_device link = {0}, up = {.up = true, .mtu = n->mtu};
	struct fib_ours ours = {0};

	j->base.err = fib_look_link(&f->d->io.io, n->interface, &link);
	if (j->base.err)
		return false;
	memcpy(up.name, link.name, sizeof(up.name));
	plan_link(&link, &up, &ours, &j->base.plan);
	j->base.again = j->base.plan.ops.n;
	if (!j->base.again)
		return false;
	vec_push(&j->base.is.devices, link);
	vec_push(&j->base.shall.devices, up);
	return true;
}

static void look(struct node_fib *f, struct sync_job *j)
{
	struct fib_question q = {0};

	forget_work(j);
	j->n_tampered = self(f)->model->n_tampered;
	if (bring_up(f, j) || j->base.err)
		return;
	shall_ask(&j->input, &q);
	j->base.err = fib_look(&f->d->io.io, &q, &j->base.is);
	fib_question_done(&q);
	j->is_looked = !j->base.err;
}

static int make_shall(struct node_fib *f, struct sync_job *j)
{
	int err = shall_make(&j->input, &j->base.is, &j->shall);

	if (err != -EAGAIN)
		return err;
	err = fib_look_table(&f->d->io.io, &j->shall.table, &j->base.is.free_table);
	shall_done(&j->shall);
	j->shall = (struct shall){0};
	return err ? err : shall_make(&j->input, &j->base.is, &j->shall);
}

static void compare(struct node_fib *f, struct sync_job *j)
{
	j->is_looked = false;
	j->base.err = make_shall(f, j);
	if (j->base.err)
		return;
	fib_plan_make(&j->base.is, &j->shall.state, &j->shall.ours, &j->base.plan);
	j->base.shall = j->shall.state;
	j->shall.state = (struct fib_state){0};
	keep_journal(f, j, false);
}

/* What couldn't be removed is still ours to remove. */
static void finish(struct node_fib *f, struct sync_job *j)
{
	fib_mirror(&j->base.plan, &j->base.shall, &j->base.is);
	if (!j->base.failures.n && !self(f)->journal_lags)
		keep_journal(f, j, true);
}

/* A look, and what is made of it, are two moments. */
static void work(struct node_fib *f)
{
	struct sync_job *j = f->working;

	f->work_at = INSTANT_NEVER;
	if (j->base.phase == FIB_JOB_FINISHING)
		finish(f, j);
	else if (j->is_looked)
		compare(f, j);
	else
		look(f, j);
	if (j->is_looked) {
		f->work_at = in_a_while(f, WORK_NS);
		return;
	}
	f->working = NULL;
	fib_core_worked(f->core, &j->base);
	wake(f);
}

/* --- the core's hooks ----------------------------------------------------------------------------
 */

static void on_work(struct fib_job *job, void *data)
{
	struct node_fib *f = data;

	f->working = container_of(job, struct sync_job, base);
	f->work_at = in_a_while(f, WORK_NS);
	watch_plan(f->d->w, f->d->node);
}

static void free_job(struct sync_job *j)
{
	forget_work(j);
	generation_put(j->input.gen);
	vec_done(&j->base.failures);
	shall_rib_done(&j->rib);
	vec_done(&j->apart);
	free(j->endpoints);
	free(j);
}

static void know_foreign(struct node_fib *f, const struct fib_plan *p)
{
	const struct model *m = self(f)->model;

	f->facts.foreign.n = 0;
	for (size_t i = 0; i < p->foreign.n; i++)
		vec_push(&f->facts.foreign, p->foreign.items[i]);
	for (size_t i = 0; i < m->peers.n; i++)
		m->peers.items[i]->is_new &=
			!device_state_peer(&f->mirror, &m->peers.items[i]->key);
}

/* What orders go by from now on. */
static void take_facts(struct node_fib *f, struct sync_job *j)
{
	const struct fib_state *is = fib_core_is(f->core);

	device_state_done(&f->mirror);
	fib_copy_device(&is->devices.items[0].wg, &f->mirror);
	vec_done(&f->facts.apart);
	f->facts.apart = j->shall.apart;
	j->shall.apart = (prefix_vec){0};
	f->facts.fwmark = j->shall.mark;
	f->facts.ifindex = is->devices.items[0].ifindex;
	know_foreign(f, &j->base.plan);
	self(f)->is_whole |= !j->base.failures.n;
}

static void check_line(const struct node_fib *f, const struct sync_job *j)
{
	const struct model *m = self(f)->model;

	if (!j->base.err && !j->base.failures.n && !f->awaited.n && !f->is_doubtful &&
		!f->facts.moves_cut && !engine_needs_sync(f->d->engine) && !m->is_mute &&
		j->n_tampered == m->n_tampered &&
		j->generation == engine_generation(f->d->engine)->number)
		node_check_line(f->d);
}

static void on_job(struct fib_job *job, void *data)
{
	struct node_fib *f = data;
	struct sync_job *j = container_of(job, struct sync_job, base);
	struct engine_event e = {.type = ENGINE_SYNCED, .generation = j->generation};

	watch_plan(f->d->w, f->d->node);
	e.u.synced.err = job->err;
	if (!job->err) {
		take_facts(f, j);
		e.u.synced.device = &f->mirror;
		e.u.synced.again = f->facts.moves_cut;
		e.u.synced.wall_ns = f->d->w->now.ns;
	} else {
		e.u.synced.trouble = strerror(-job->err);
	}
	vec_push(&f->done, e);
	check_line(f, j);
	free_job(j);
}

static void on_order(uint64_t seq, const struct fib_plan *plan, int err,
	const fib_failures *failures, void *data)
{
	struct node_fib *f = data;
	struct awaited a = f->awaited.items[0];

	(void)plan;
	f->is_doubtful |= err || failures->n;
	assert(a.seq == seq);
	watch_plan(f->d->w, f->d->node);
	if (a.outcome.type == ENGINE_MOVED)
		a.outcome.u.err = err;
	else
		a.outcome.u.endpoint_set.err = err;
	f->awaited.n--;
	memmove(f->awaited.items, f->awaited.items + 1, f->awaited.n * sizeof(a));
	vec_push(&f->done, a.outcome);
}

/* --- orders and jobs -----------------------------------------------------------------------------
 */

static void order(struct node_fib *f, struct fib_plan *plan, const struct engine_event *outcome)
{
	vec_push(&f->awaited, ((struct awaited){++f->seq, *outcome}));
	fib_core_order(f->core, plan, f->seq);
	wake(f);
}

void node_fib_move(struct node_fib *f, const struct engine_action *a)
{
	struct engine_event outcome = {.type = ENGINE_MOVED, .generation = a->generation};
	const struct generation *gen = engine_generation(f->d->engine);
	struct turns_facts facts = {
		.gen = gen,
		.before = engine_generation_before(f->d->engine),
		.has_many_owners = self(f)->model && self(f)->model->max_owners > 1,
		.foreign = f->facts.foreign.items,
		.n_foreign = f->facts.foreign.n,
	};
	struct fib_plan plan = {0};

	generation_facts(gen, &facts.want);
	facts.want.apart = f->facts.apart.items;
	facts.want.n_apart = f->facts.apart.n;
	facts.want.mark = f->facts.fwmark;
	facts.want.ifindex = f->facts.ifindex;
	f->facts.moves_cut |= !turns_plan(&facts, a->u.move, &plan);
	order(f, &plan, &outcome);
}

void node_fib_endpoint(struct node_fib *f, const struct engine_action *a)
{
	const struct generation *gen = engine_generation(f->d->engine);
	const struct generation_peer *p = generation_peer_by_id(gen, a->u.endpoint.peer);
	struct engine_event outcome = {.type = ENGINE_ENDPOINT_SET, .generation = a->generation};
	struct fib_plan plan = {0};

	outcome.u.endpoint_set.peer = a->u.endpoint.peer;
	outcome.u.endpoint_set.endpoint = a->u.endpoint.endpoint;
	fib_plan_endpoint(&plan, FIB_DIFFERS, gen->self->interface, &p->node->public_key,
		&a->u.endpoint.endpoint);
	order(f, &plan, &outcome);
}

static int add_wanted(const struct rib_desire *d, void *data)
{
	shall_rib_add(data, d);
	return 0;
}

static void fill_input(struct node_fib *f, struct sync_job *j)
{
	const struct engine *e = f->d->engine;
	const struct generation *gen = engine_generation(e);

	j->endpoints = mem_zalloc(gen->n_peers + 1, sizeof(*j->endpoints));
	memcpy(j->endpoints, endpoints_of_peers(engine_endpoints(e)),
		gen->n_peers * sizeof(*j->endpoints));
	for (size_t i = 0; i < f->facts.apart.n; i++)
		vec_push(&j->apart, f->facts.apart.items[i]);
	rib_desires_after(engine_rib(e), NULL, SIZE_MAX, add_wanted, &j->rib);
	shall_rib_take_states(&j->rib, engine_rib(e), gen);
	j->input = (struct shall_input){
		.gen = generation_get(gen),
		.rib = &j->rib,
		.endpoints = j->endpoints,
		.journal = &f->journal,
		.apart = j->apart.items,
		.n_apart = j->apart.n,
		.mark = f->facts.fwmark,
	};
}

void node_fib_sync(struct node_fib *f, const struct engine_action *a)
{
	struct sync_job *j = mem_zalloc(1, sizeof(*j));

	fib_core_cancel(f->core);
	f->is_doubtful = f->facts.moves_cut = false;
	j->generation = a->generation;
	j->base.basis = f->seq;
	fib_core_announce(f->core, &j->base);
	fill_input(f, j);
	fib_core_go(f->core, &j->base);
	wake(f);
}

/* --- its time ------------------------------------------------------------------------------------
 */

instant node_fib_deadline(const struct node_fib *f)
{
	return instant_min(f->work_at, f->step_at);
}

void node_fib_step(struct node_fib *f)
{
	instant now = f->d->w->now;

	if (!instant_before(now, f->work_at))
		work(f);
	if (instant_before(now, f->step_at))
		return;
	/* Orders go first, and each is a plan of its own. */
	if (f->awaited.n)
		watch_plan(f->d->w, f->d->node);
	f->step_at = fib_core_step(f->core) ? in_a_while(f, OPERATION_NS) : INSTANT_NEVER;
}

bool node_fib_outcome(struct node_fib *f, struct engine_event *ret)
{
	if (f->n_told == f->done.n) {
		f->n_told = f->done.n = 0;
		return false;
	}
	*ret = f->done.items[f->n_told++];
	return true;
}

/* --- begin and end -------------------------------------------------------------------------------
 */

struct node_fib *node_fib_new(struct daemon *d)
{
	struct node_fib *f = mem_zalloc(1, sizeof(*f));
	struct fib_core_hooks hooks = {on_work, on_job, on_order, f};

	f->d = d;
	f->work_at = f->step_at = INSTANT_NEVER;
	f->core = fib_core_new(&d->io.io, &hooks);
	journal_init(&f->journal);
	copy_journal(&self(f)->journal, &f->journal);
	watch_plan(d->w, d->node);
	return f;
}

void node_fib_free(struct node_fib *f)
{
	if (!f)
		return;
	if (f->working) {
		f->working->base.err = -ECANCELED;
		fib_core_worked(f->core, &f->working->base);
	}
	fib_core_free(f->core);
	vec_done(&f->awaited);
	vec_done(&f->done);
	vec_done(&f->facts.apart);
	vec_done(&f->facts.foreign);
	device_state_done(&f->mirror);
	journal_done(&f->journal);
	free(f);
}

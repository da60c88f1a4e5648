/* SPDX-License-Identifier: MIT */
#include "daemon/fib.h"

#include "daemon/log.h"
#include "daemon/shall.h"
#include "fib/do.h"
#include "fib/look.h"
#include "route/decision.h"
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* More than a sync has on the stack at its deepest. */
#define STACK_BYTES (128 * 1024)
/* So many left by others are named one by one. */
#define LEFTOVERS_NAMED 8

static struct fib_io *io_of(struct fib *f)
{
	if (!f->io.io.ops)
		kernel_io_init(&f->io, NULL, NULL);
	f->io.device = f->device;
	f->io.rtnl = f->rtnl;
	return &f->io.io;
}

static void note_failures(struct fib *f, const struct fib_plan *p, const struct fib_state *shall,
	const fib_failures *failures)
{
	for (size_t i = 0; i < failures->n; i++) {
		const struct fib_failure *x = &failures->items[i];
		char *fix, *what = fib_tell_failure(&p->ops.items[x->op], x->err, shall, &fix);

		if (what)
			vec_push(&f->problems, ((struct fib_trouble){what, fix}));
	}
}

/* --- the difference of a step ------------------------------------------------------------------
 */

static int prefix_cmp(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static bool is_with_foreigner(const struct fib *f, const ip_prefix *p)
{
	return f->foreign.n && bsearch(p, f->foreign.items, f->foreign.n, sizeof(*p), prefix_cmp);
}

/* What a difference comes to. */
struct step {
	const struct fib *f;
	struct want_facts facts;
	struct fib_plan plan;
};

/* Zero for a peer that left with the last reload: the sync removes it whole. */
static wg_key key_of(const struct step *s, uint32_t peer)
{
	static const wg_key nobody;
	const struct generation_peer *g = generation_peer_by_id(s->f->gen, peer);

	return g ? g->node->public_key : nobody;
}

static void plan_turn(struct step *s, const ip_prefix *p, const wg_key *from, const wg_key *to)
{
	if (!wg_key_is_zero(from) || !wg_key_is_zero(to))
		fib_plan_owner(&s->plan, s->facts.ifname, p, from, to);
}

/*
 * On a device with one owner per prefix the addition to the new owner is the whole move; only a
 * prefix that is left without any owner is removed.
 */
static void plan_owners(struct step *s, const ip_prefix *prefix, const struct rib_turn *t)
{
	bool single = device_max_owners(s->f->device) == 1;
	bool removes = t->owners.n == 0 || !single;
	wg_key nobody = {0};

	for (unsigned i = 0; i < t->owners.n; i++) {
		bool moves = single && t->old_owners.n;
		wg_key to = key_of(s, t->owners.peer[i]);
		wg_key from = moves ? key_of(s, t->old_owners.peer[0]) : nobody;

		if (!decision_owns(&t->old_owners, t->owners.peer[i]) && !wg_key_is_zero(&to))
			plan_turn(s, prefix, &from, &to);
	}
	for (unsigned i = 0; removes && i < t->old_owners.n; i++) {
		wg_key from = key_of(s, t->old_owners.peer[i]);

		if (!decision_owns(&t->owners, t->old_owners.peer[i]))
			plan_turn(s, prefix, &from, &nobody);
	}
}

static void take_turn(const ip_prefix *prefix, const struct rib_turn *t, void *data)
{
	struct step *s = data;
	struct rtnl_route route = want_route(&s->facts, prefix);

	if (!is_with_foreigner(s->f, prefix)) /* adding it would take it away */
		plan_owners(s, prefix, t);
	if (t->old_route == t->route || generation_prefix_is_connected(s->f->gen, prefix))
		return;
	fib_plan_route(&s->plan, t->route ? FIB_AT_ROUTE_ADD : FIB_AT_ROUTE_WITHDRAW,
		t->route ? FIB_MISSING : FIB_UNWANTED, s->facts.ifname, &route);
}

/* Consumes the plan. */
static int do_step(struct fib *f, struct fib_plan *p)
{
	struct fib_state nothing = {0};
	fib_failures failures = {0};
	int err = fib_do(io_of(f), p, NULL, &f->is, &failures);

	note_failures(f, p, &nothing, &failures);
	vec_done(&failures);
	fib_plan_done(p);
	return err;
}

int fib_set_endpoint(struct fib *f, const wg_key *peer, const sock_addr *to)
{
	struct fib_plan plan = {0};

	fib_plan_endpoint(&plan, FIB_DIFFERS, f->gen->self->interface, peer, to);
	return do_step(f, &plan);
}

int fib_apply(struct fib *f, const struct rib_diff *diff)
{
	struct step s = {.f = f};

	s.facts = (struct want_facts){
		.apart = f->apart.items,
		.n_apart = f->apart.n,
		.mark = f->fwmark,
		.ifindex = f->ifindex,
		.ifname = f->gen->self->interface,
	};
	rib_diff_each(diff, take_turn, &s);
	fib_plan_order(&s.plan);
	return do_step(f, &s.plan);
}

/* --- the sync ----------------------------------------------------------------------------------
 */

static void note_journal(struct fib *f, int err)
{
	if (err)
		fib_trouble_add(&f->problems, NULL,
			"the journal in the state directory could not be written: %s; what was put "
			"on the device meanwhile may not be known as ours after a restart",
			strerror(-err));
}

static void note_conflicts(struct fib *f, const struct fib_plan *p)
{
	for (size_t i = 0; i < p->conflicts.n; i++) {
		const struct fib_conflict *c = &p->conflicts.items[i];
		char prefix[IP_PREFIX_STRLEN], key[WG_KEY_BASE64_LEN];

		wg_key_to_base64(&c->foreign_owner, key);
		fib_trouble_add(&f->problems,
			mem_printf("wg set %s peer %s remove", f->gen->self->interface, key),
			"%s is held by a peer that the inventory doesn't name (%s) and was not "
			"taken from it",
			ip_prefix_format(&c->prefix, prefix), key);
	}
	/* Who has nobody today may have an owner by the next event, and it isn't taken then either.
	 */
	f->foreign.n = 0;
	for (size_t i = 0; i < p->foreign.n; i++)
		vec_push(&f->foreign, p->foreign.items[i]);
}

static void note_leftovers(struct fib *f, const struct fib_plan *p)
{
	const char *ifname = f->gen->self->interface;

	for (size_t i = 0; i < p->leftover.n && i < LEFTOVERS_NAMED; i++) {
		char *fix, *what = fib_tell_leftover(&p->leftover.items[i], ifname, &fix);

		vec_push(&f->problems, ((struct fib_trouble){what, fix}));
	}
	if (p->leftover.n > LEFTOVERS_NAMED)
		fib_trouble_add(&f->problems, mem_printf("ip route show dev %s", ifname),
			"%zu more such routes lead into %s", p->leftover.n - LEFTOVERS_NAMED,
			ifname);
}

/* A device says more of itself once its link is up: its port, say. */
static int bring_up(struct fib *f)
{
	struct fib_io *io = io_of(f);
	struct fib_device link = {0}, up = {.up = true, .mtu = f->gen->self->mtu};
	struct fib_state is = {0}, shall = {0};
	struct fib_ours ours = {0};
	struct fib_plan plan = {0};
	fib_failures failures = {0};
	int err = fib_look_link(io, f->gen->self->interface, &link);

	if (err)
		return err;
	memcpy(up.name, link.name, sizeof(up.name));
	vec_push(&is.devices, link);
	vec_push(&shall.devices, up);
	plan_link(&link, &up, &ours, &plan);
	err = fib_do(io, &plan, &shall, &is, &failures);
	vec_done(&failures);
	fib_plan_done(&plan);
	fib_state_done(&shall);
	fib_state_done(&is);
	return err;
}

static struct shall_input input_of(const struct fib *f, const struct shall_rib *rib)
{
	return (struct shall_input){
		.gen = f->gen,
		.rib = rib,
		.endpoints = f->endpoints,
		.journal = state_journal(f->state),
		.apart = f->apart.items,
		.n_apart = f->apart.n,
		.mark = f->fwmark,
	};
}

static int look(struct fib *f, const struct shall_input *in)
{
	struct fib_question q = {0};
	int err;

	shall_ask(in, &q);
	err = fib_look(io_of(f), &q, &f->is);
	fib_question_done(&q);
	return err;
}

/* What the next sync needs to know of this one, and what it has to say. */
static void keep(struct fib *f, struct shall *s)
{
	f->ifindex = s->facts.ifindex;
	f->fwmark = s->mark;
	f->apart.n = 0;
	for (size_t i = 0; i < s->apart.n; i++)
		vec_push(&f->apart, s->apart.items[i]);
	fib_troubles_move(&f->problems, &s->problems);
	for (size_t i = 0; i < s->lines.n; i++)
		log_info("%s", s->lines.items[i]);
}

static int decide(struct fib *f, const struct shall_input *in, struct shall *s)
{
	int err = shall_make(in, &f->is, s);

	if (err == -EAGAIN) {
		err = fib_look_table(io_of(f), &s->table, &f->is.free_table);
		shall_done(s);
		*s = (struct shall){0};
		err = err ? err : shall_make(in, &f->is, s);
	}
	return err;
}

static const char *name_of(const wg_key *key, void *data)
{
	const struct fib *f = data;

	return changes_name(f->changes, f->gen, key);
}

static void add_line(const char *text, void *data)
{
	const struct fib *f = data;

	changes_add(f->changes, "%s", text);
}

/* *ret_whole: nothing failed, not even what is borne. */
static int do_plan(struct fib *f, struct fib_plan *p, const struct shall *s, bool *ret_whole)
{
	struct fib_io *io = io_of(f);
	fib_failures failures = {0};
	int err = fib_do(io, p, &s->state, &f->is, &failures);

	note_failures(f, p, &s->state, &failures);
	if (!err)
		note_leftovers(f, p);
	*ret_whole = !failures.n;
	vec_done(&failures);
	return err;
}

static int mend(struct fib *f, const struct shall *s, struct fib_counts *counts, bool *ret_whole)
{
	struct fib_teller teller = {name_of, add_line, f};
	struct fib_plan plan = {0};
	int err;

	fib_plan_make(&f->is, &s->state, &s->ours, &plan);
	note_conflicts(f, &plan);
	if (f->changes)
		fib_tell(&plan, &f->is, &s->state, &teller);
	err = do_plan(f, &plan, s, ret_whole);
	if (err && f->changes)
		changes_forget(f->changes);
	*counts = fib_tell_counts(&plan);
	fib_plan_done(&plan);
	return err;
}

static int take_answer(const struct rib_answer *a, void *data)
{
	shall_rib_add(data, a);
	return 0;
}

static int bring_into_line(struct fib *f, struct shall *s, struct fib_counts *counts)
{
	struct journal_content content = shall_journal(s);
	bool is_whole = false;
	/* Before the first of ours is there; and without what is gone, after it went: what couldn't
	 * be removed is still ours to remove. */
	int journal = state_journal_write(f->state, &content, false);
	int err = mend(f, s, counts, &is_whole);

	if (!err && is_whole && !journal)
		journal = state_journal_write(f->state, &content, true);
	note_journal(f, journal);
	return err;
}

static int sync_all(struct fib *f, struct fib_counts *counts)
{
	struct shall_rib rib = {0};
	struct shall_input in = input_of(f, &rib);
	struct shall s = {0};
	int err = bring_up(f);

	if (!err)
		err = look(f, &in);
	if (!err) {
		rib_walk(f->rib, take_answer, &rib);
		err = decide(f, &in, &s);
	}
	if (!err) {
		err = bring_into_line(f, &s, counts);
		keep(f, &s);
	}
	shall_done(&s);
	shall_rib_done(&rib);
	return err;
}

int fib_sync(struct fib *f, struct device_state *mirror, struct fib_counts *ret)
{
	struct fib_counts counts = {0};
	int err;

	fib_troubles_done(&f->problems);
	err = sync_all(f, &counts);
	if (!err && mirror)
		fib_copy_device(&f->is.devices.items[0].wg, mirror);
	*ret = counts;
	sodium_stackzero(STACK_BYTES); /* copies of keys that the compiler made on the way */
	return err;
}

/* --- the end -----------------------------------------------------------------------------------
 */

void fib_remove(struct fib *f)
{
	struct fib_io *io = io_of(f);
	struct fib_state is = {0};
	struct fib_plan plan = {0};
	fib_failures failures = {0};
	struct shall_input in;
	struct shall none = {0};
	char table[FIB_NFT_TABLE_MAX];

	if (!f->gen || !f->state)
		return;
	in = input_of(f, NULL);
	shall_ended(&in, f->ifindex, &none);
	if (!fib_look_kernel(io, f->ifindex, &is)) {
		fib_plan_removal(&is, &none.ours, &plan);
		fib_do(io, &plan, NULL, &is, &failures);
	}
	fib_nft_table(f->gen->self->interface, table);
	io->ops->mark_remove(io, table);
	vec_done(&failures);
	fib_plan_done(&plan);
	fib_state_done(&is);
	shall_done(&none);
}

bool fib_counts_are_zero(const struct fib_counts *c)
{
	static const struct fib_counts zero;

	return !memcmp(c, &zero, sizeof(zero));
}

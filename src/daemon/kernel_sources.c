/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_sources.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Longer prefixes first, all of them before the rules of kernel_want.h; PRIORITY_END is where
 * what is passed on goes. */
#define PRIORITY_HOST 32500
#define PRIORITY_END 32699

/* --- which rules --------------------------------------------------------------------------------
 */

enum kind { SPARED, OTHERS, OWN }; /* of the same prefix, the last one counts */

struct mark {
	ip_prefix prefix;
	enum kind kind;
	bool covers;  /* others have it */
	bool covered; /* others have one that holds it */
	bool refused;
};

static int by_prefix_and_kind(const void *a, const void *b)
{
	const struct mark *x = a, *y = b;
	int c = ip_prefix_cmp(&x->prefix, &y->prefix);

	return c ? c : (int)x->kind - (int)y->kind;
}

static size_t put_marks(struct mark *out, const ip_prefix *list, size_t n, enum kind kind)
{
	for (size_t i = 0; i < n; i++)
		out[i] = (struct mark){list[i], kind, .covers = kind == OTHERS};
	return n;
}

/* All prefixes of the plan: covers before what they cover. */
static struct mark *marks_of_plan(const struct source_plan *p, size_t *ret_n)
{
	size_t n = p->n_own + p->n_others + p->n_spared;
	struct mark *m = mem_zalloc(n + 1, sizeof(*m));
	size_t k = put_marks(m, p->others, p->n_others, OTHERS);

	k += put_marks(m + k, p->spared, p->n_spared, SPARED);
	put_marks(m + k, p->own, p->n_own, OWN);
	if (n)
		qsort(m, n, sizeof(*m), by_prefix_and_kind);
	*ret_n = n;
	return m;
}

size_t source_plan_rules(const struct source_plan *p, struct source_rule **ret)
{
	static const struct mark outermost;
	const struct mark *around[2 + 128]; /* those that hold the current one, the widest first */
	VEC(struct source_rule) rules = {0};
	size_t n, depth = 0;
	struct mark *marks = marks_of_plan(p, &n);

	around[depth++] = &outermost;
	for (size_t i = 0; i < n; i++) {
		struct mark *m = &marks[i];
		const struct mark *outer;

		if (i + 1 < n && ip_prefix_eq(&m->prefix, &marks[i + 1].prefix)) {
			marks[i + 1].covers |= m->covers;
			continue;
		}
		while (depth > 1 && !ip_prefix_contains(&around[depth - 1]->prefix, &m->prefix))
			depth--;
		outer = around[depth - 1];
		m->covered = outer->covered || outer->covers;
		m->refused = m->kind == OWN && m->covered;
		if (m->refused != outer->refused)
			vec_push(&rules, ((struct source_rule){m->prefix, m->refused}));
		around[depth++] = m;
	}
	free(marks);
	*ret = rules.items;
	return rules.n;
}

/* --- the kernel's rules -------------------------------------------------------------------------
 */

static struct rtnl_rule end_of_rules(int family)
{
	return (struct rtnl_rule){
		.family = family,
		.suppress_prefixlen = -1,
		.priority = PRIORITY_END,
		.action = RTNL_RULE_NOP,
	};
}

static struct rtnl_rule rule_of(const struct fib *f, const struct source_rule *s)
{
	struct rtnl_rule rule = {
		.family = s->from.family,
		.suppress_prefixlen = -1,
		.priority = PRIORITY_HOST + ip_family_bits(s->from.family) - s->from.len,
		.action = s->refused ? RTNL_RULE_BLACKHOLE : RTNL_RULE_GOTO,
		.target = s->refused ? 0 : PRIORITY_END,
		.from = s->from,
	};

	snprintf(rule.iif, sizeof(rule.iif), "%s", f->gen->self->interface);
	return rule;
}

struct rules {
	struct rtnl_rule *items;
	size_t n;
};

static bool has_rule(const struct rules *list, const struct rtnl_rule *wanted)
{
	for (size_t i = 0; i < list->n; i++)
		if (rtnl_rule_is(&list->items[i], wanted))
			return true;
	return false;
}

static struct rules wanted_rules(
	const struct fib *f, int family, const struct source_rule *s, size_t n)
{
	struct rules r = {mem_zalloc(n + 1, sizeof(*r.items)), 0};

	for (size_t i = 0; i < n; i++)
		if (s[i].from.family == family)
			r.items[r.n++] = rule_of(f, &s[i]);
	return r;
}

static bool is_of_sources(const struct rtnl_rule *r)
{
	return r->priority >= PRIORITY_HOST && r->priority < PRIORITY_END && r->iif[0] &&
	       (r->action == RTNL_RULE_BLACKHOLE || r->action == RTNL_RULE_GOTO);
}

/* Whoever else made the same rule, it is there. */
static int add(struct fib *f, const struct rtnl_rule *r)
{
	int err = rtnl_rule_add(f->rtnl, r);

	return err == -EEXIST ? 0 : err;
}

static int add_missing(struct fib *f, const struct rules *have, const struct rules *want,
	enum rtnl_rule_action action)
{
	int err = 0;

	for (size_t i = 0; i < want->n && !err; i++)
		if (want->items[i].action == action && !has_rule(have, &want->items[i]))
			err = add(f, &want->items[i]);
	return err;
}

static int remove_stale(struct fib *f, const struct rules *have, const struct rules *want,
	enum rtnl_rule_action action)
{
	int err = 0;

	for (size_t i = 0; i < have->n && !err; i++) {
		const struct rtnl_rule *r = &have->items[i];

		if (r->action == action && is_of_sources(r) &&
			!strcmp(r->iif, f->gen->self->interface) && !has_rule(want, r))
			err = rtnl_rule_del(f->rtnl, r);
	}
	return err;
}

/* The end serves every daemon of this machine, so the last one takes it away. */
static int remove_end(struct fib *f, int family)
{
	struct rtnl_rule end = end_of_rules(family);
	struct rules left;
	bool used = false;
	int err = rtnl_rule_list(f->rtnl, family, &left.items, &left.n);

	if (err)
		return err;
	for (size_t i = 0; i < left.n; i++)
		used |= is_of_sources(&left.items[i]) && left.items[i].action == RTNL_RULE_GOTO;
	if (!used && has_rule(&left, &end))
		err = rtnl_rule_del(f->rtnl, &end);
	free(left.items);
	return err;
}

static bool has_action(const struct rules *list, enum rtnl_rule_action action)
{
	for (size_t i = 0; i < list->n; i++)
		if (list->items[i].action == action)
			return true;
	return false;
}

/* In an order in which nothing that may pass is dropped for a moment. */
static int change_rules(
	struct fib *f, int family, const struct rules *have, const struct rules *want)
{
	struct rtnl_rule end = end_of_rules(family);
	bool passes = has_action(want, RTNL_RULE_GOTO);
	int err = passes && !has_rule(have, &end) ? add(f, &end) : 0;

	if (!err)
		err = add_missing(f, have, want, RTNL_RULE_GOTO);
	if (!err)
		err = remove_stale(f, have, want, RTNL_RULE_BLACKHOLE);
	if (!err)
		err = add_missing(f, have, want, RTNL_RULE_BLACKHOLE);
	if (!err)
		err = remove_stale(f, have, want, RTNL_RULE_GOTO);
	if (!err && !passes && has_rule(have, &end))
		err = remove_end(f, family);
	return err;
}

/* A kernel without the family has none of its packets either. */
static int sync_family(struct fib *f, int family, const struct source_rule *s, size_t n)
{
	struct rules want, have;
	int err = rtnl_rule_list(f->rtnl, family, &have.items, &have.n);

	if (err)
		return err == -EAFNOSUPPORT ? 0 : err;
	want = wanted_rules(f, family, s, n);
	err = change_rules(f, family, &have, &want);
	free(want.items);
	free(have.items);
	return err == -EAFNOSUPPORT ? 0 : err;
}

static ip_prefix *own_sources(const struct generation *g, size_t *ret_n)
{
	const struct mesh_node *self = g->self;
	ip_prefix *own = mem_zalloc(self->n_networks + g->n_addresses + 1, sizeof(*own));
	size_t n = 0;

	for (size_t i = 0; i < self->n_networks; i++)
		own[n++] = self->networks[i].prefix;
	for (size_t i = 0; i < g->n_addresses; i++) {
		ip_addr a = ip_prefix_addr(&g->addresses[i]);

		if (a.family == AF_INET6)
			own[n++] = ip_prefix_host(&a);
	}
	*ret_n = n;
	return own;
}

static ip_prefix *overlays(const struct generation *g, size_t *ret_n)
{
	ip_prefix *list = mem_zalloc(g->inv->n_overlays + 1, sizeof(*list));

	for (size_t i = 0; i < g->inv->n_overlays; i++)
		list[i] = g->inv->overlays[i].prefix;
	*ret_n = g->inv->n_overlays;
	return list;
}

void kernel_sources_sync(struct fib *f, const ip_prefix *prefixes, size_t n)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct source_plan plan = {.others = prefixes, .n_others = n};
	AUTO_FREE ip_prefix *own = own_sources(f->gen, &plan.n_own);
	AUTO_FREE ip_prefix *spared = overlays(f->gen, &plan.n_spared);
	AUTO_FREE struct source_rule *rules = NULL;
	size_t n_rules;

	plan.own = own;
	plan.spared = spared;
	n_rules = source_plan_rules(&plan, &rules);
	for (int i = 0; i < 2; i++) {
		int err = sync_family(f, families[i], rules, n_rules);

		if (err)
			fib_problem(f, NULL,
				"the IPv%d rules that refuse packets of own networks from %s could "
				"not be set: %s; they may circle while a node is down",
				families[i] == AF_INET ? 4 : 6, f->gen->self->interface,
				strerror(-err));
	}
}

void kernel_sources_remove(struct fib *f)
{
	sync_family(f, AF_INET, NULL, 0);
	sync_family(f, AF_INET6, NULL, 0);
}

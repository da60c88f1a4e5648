/* SPDX-License-Identifier: MIT */
/* Plans made and done on a model of device and kernel: random worlds, random wishes, calls that
 * fail. */
#include "fib_model.h"

/* --- a random wish ------------------------------------------------------------------------------
 */

struct wish {
	struct fib_state state;
	struct want_facts facts;
	struct want_prefix carried[8];
	prefix_vec apart;
	struct fib_ours ours;
	bool wanted[4], is_carried[8];
	int owner[8]; /* of our prefixes */
};

static bool ours_peer(const wg_key *key, void *data)
{
	int i = index_of(key);

	return i == 4 || i == 5;
}

static bool ours_prefix(const ip_prefix *p, void *data)
{
	return prefix_index(p) < 8;
}

static bool ours_address(const ip_prefix *a, void *data)
{
	return place_of(addresses, N_ADDRESSES, a) < 3;
}

static bool carried_now(const ip_prefix *p, void *data)
{
	int j = prefix_index(p);

	return j < 8 && ((struct wish *)data)->is_carried[j];
}

static const uint32_t marks[] = {MARK};

static void wish_peers(struct wish *w, struct fib_device *d, struct chance *c)
{
	struct device_peer peers[4] = {0};
	size_t n = 0;

	for (int i = 0; i < 4; i++) {
		struct device_peer *p = &peers[n];

		if (!w->wanted[i])
			continue;
		n++;
		p->key = keys[i];
		p->has_psk = chance_below(c, 2);
		p->psk.bytes[0] = p->has_psk;
		p->leave_psk = !p->has_psk && chance_below(c, 2);
		if (chance_below(c, 2))
			p->endpoint = somewhere();
		p->keepalive = (uint16_t)chance_below(c, 2) * 25;
		p->allowed = mem_zalloc(8, sizeof(*p->allowed));
		for (int j = 0; j < 8; j++)
			if (w->owner[j] == i)
				p->allowed[p->n_allowed++] = prefixes[j];
	}
	qsort(peers, n, sizeof(*peers), by_key);
	d->wg.n_peers = n;
	if (!n)
		return;
	d->wg.peers = secret_zalloc(n, sizeof(*peers));
	memcpy(d->wg.peers, peers, n * sizeof(*peers));
}

static void wish_kernel(struct wish *w, struct chance *c)
{
	struct want_facts *f = &w->facts;

	*f = (struct want_facts){
		.carried = w->carried, .overlay_table = 7, .ifindex = WG, .ifname = "wg0"};
	for (int j = 0; j < 8; j++) {
		if (!w->is_carried[j])
			continue;
		w->carried[f->n_carried++] = (struct want_prefix){prefixes[j],
			chance_below(c, 4) || w->owner[j] != NOBODY, chance_below(c, 2)};
		if (!chance_below(c, 4))
			vec_push(&w->apart, prefixes[j]);
	}
	f->apart = w->apart.items;
	f->n_apart = chance_below(c, 2) ? w->apart.n : 0;
	f->mark = f->n_apart ? MARK : 0;
	want_routes(f, &w->state.routes);
	want_rules(f, &w->state.rules);
}

static void wish_rest(struct wish *w, struct fib_device *d, struct chance *c)
{
	for (int i = 0; i < 3; i++)
		if (chance_below(c, 2))
			vec_push(&d->addresses, addresses[i]);
	d->up = true;
	d->mtu = 1420;
	d->wg.listen_port = (uint16_t)chance_below(c, 3);
	d->wg.fwmark = w->facts.mark;
	d->leave_fwmark = !w->facts.mark && chance_below(c, 2);
	d->mark.mark = w->facts.mark;
	d->mark.port = d->wg.listen_port;
	for (int i = 0; i < N_SYSCTLS; i++) {
		struct fib_sysctl s = {.value = (int)chance_below(c, 2), .why = "it must"};

		snprintf(s.path, sizeof(s.path), "%s", sysctls[i]);
		vec_push(&w->state.sysctls, s);
	}
}

static void random_wish(struct wish *w, struct chance *c)
{
	struct fib_device d = {.name = "wg0", .ifindex = WG};

	*w = (struct wish){0};
	for (int i = 0; i < 4; i++)
		w->wanted[i] = chance_below(c, 4) != 0;
	for (int j = 0; j < 8; j++) {
		w->owner[j] = (int)chance_below(c, 5) - 1;
		if (w->owner[j] != NOBODY && !w->wanted[w->owner[j]])
			w->owner[j] = NOBODY;
		w->is_carried[j] = w->owner[j] != NOBODY || chance_below(c, 2);
	}
	wish_kernel(w, c);
	wish_rest(w, &d, c);
	wish_peers(w, &d, c);
	vec_push(&w->state.devices, d);
	w->ours = (struct fib_ours){
		.facts = &w->facts,
		.marks = marks,
		.n_marks = 1,
		.has_peer = ours_peer,
		.has_address = ours_address,
		.has_backstop = ours_prefix,
		.has_prefix = ours_prefix,
		.is_carried = carried_now,
		.data = w,
	};
}

static void wish_done(struct wish *w)
{
	fib_state_done(&w->state);
	vec_done(&w->apart);
}

/* --- a random world -----------------------------------------------------------------------------
 */

static struct rtnl_route route(int j, uint32_t table, bool refuses)
{
	return (struct rtnl_route){
		.dst = prefixes[j],
		.table = table,
		.protocol = RTNL_PROTO_SHUNT,
		.ifindex = refuses ? 0 : WG,
		.type = refuses ? RTN_UNREACHABLE : 0,
		.metric = refuses ? KERNEL_BACKSTOP_METRIC : 0,
	};
}

static void random_kernel(struct model *m, struct chance *c)
{
	static const char *const outer = "0.0.0.0/0";
	struct want_facts facts = {.mark = MARK, .n_apart = 1};
	ip_prefix apart;

	for (int j = 0; j < 8; j++) {
		for (unsigned k = 0; k < 4; k++)
			if (!chance_below(c, 3))
				vec_push(&m->routes, route(j, k & 1 ? MARK : 0, k & 2));
		if (!chance_below(c, 4)) {
			struct rtnl_route foreign = route(j, 0, false);

			foreign.protocol = SOME_ENGINE;
			foreign.metric = 5;
			vec_push(&m->routes, foreign);
		}
	}
	assert_true(ip_prefix_parse(&apart, outer));
	facts.apart = &apart;
	if (chance_below(c, 2))
		want_rules(&facts, &m->rules);
	for (int i = 0; i < N_ADDRESSES; i++)
		m->address[i] = chance_below(c, 2);
	for (int i = 0; i < N_SYSCTLS; i++)
		m->sysctl[i] = (int)chance_below(c, 2);
	m->up = chance_below(c, 2);
	m->mtu = chance_below(c, 2) ? 1420 : 1400;
	m->fwmark = chance_below(c, 2) ? MARK : 0;
	m->port = (uint16_t)chance_below(c, 3);
	if (chance_below(c, 2))
		m->mark = (struct nft_mark){2, MARK};
}

static void random_world(struct model *m, struct chance *c)
{
	*m = (struct model){0};
	for (int i = 0; i < N_PEERS; i++) {
		m->has[i] = chance_below(c, 2);
		m->psk[i] = m->has[i] && chance_below(c, 2);
		m->endpoint[i] = m->has[i] && chance_below(c, 2);
		m->keepalive[i] = (uint16_t)(m->has[i] ? chance_below(c, 2) * 25 : 0);
	}
	for (int j = 0; j < N_PREFIXES; j++) {
		m->owner[j] = (int)chance_below(c, N_PEERS + 1) - 1;
		if (m->owner[j] != NOBODY && !m->has[m->owner[j]])
			m->owner[j] = NOBODY;
	}
	random_kernel(m, c);
}

/* --- what must come of it -----------------------------------------------------------------------
 */

/* Peers 0..3 are strangers, too, unless the wish names them. */
static bool is_foreign(const struct wish *w, int peer)
{
	return peer >= 6 || (peer >= 0 && peer < 4 && !w->wanted[peer]);
}

/* The owner that prefix j must have in the end, said without looking at the code. */
static int expected_owner(const struct model *before, const struct wish *w, int j)
{
	int now = before->owner[j];

	if (is_foreign(w, now))
		return now; /* it keeps what it has */
	if (j < 8)
		return w->owner[j];
	return now == 4 || now == 5 ? NOBODY : now;
}

static void check_peers(const struct model *before, const struct model *after, struct wish *w)
{
	const struct device_state *wg = &w->state.devices.items[0].wg;

	for (int i = 0; i < N_PEERS; i++) {
		const struct device_peer *want = device_state_peer(wg, &keys[i]);

		if (!want) {
			/* Ours from earlier goes; a stranger stays as it was. */
			assert_int_equal(after->has[i], before->has[i] && i != 4 && i != 5);
			if (after->has[i]) {
				assert_int_equal(after->psk[i], before->psk[i]);
				assert_int_equal(after->endpoint[i], before->endpoint[i]);
				assert_int_equal(after->keepalive[i], before->keepalive[i]);
			}
			continue;
		}
		assert_true(after->has[i]);
		assert_int_equal(after->psk[i], want->leave_psk ? before->psk[i] : want->has_psk);
		assert_int_equal(after->keepalive[i], want->keepalive);
		assert_int_equal(after->endpoint[i],
			before->endpoint[i] || want->endpoint.sa.sa_family != AF_UNSPEC);
	}
	for (int j = 0; j < N_PREFIXES; j++)
		assert_int_equal(after->owner[j], expected_owner(before, w, j));
}

static void check_kernel(const struct model *before, const struct model *after, struct wish *w)
{
	const struct fib_device *want = &w->state.devices.items[0];
	size_t foreign = 0;

	for (size_t i = 0; i < before->routes.n; i++)
		foreign += before->routes.items[i].protocol != RTNL_PROTO_SHUNT;
	assert_int_equal(after->routes.n, w->state.routes.n + foreign);
	for (size_t i = 0; i < after->routes.n; i++) {
		const struct rtnl_route *r = &after->routes.items[i];

		assert_true(r->protocol != RTNL_PROTO_SHUNT ||
			    bsearch(r, w->state.routes.items, w->state.routes.n, sizeof(*r),
				    want_route_cmp));
	}
	assert_int_equal(after->rules.n, w->state.rules.n);
	assert_true(after->up && after->mtu == 1420);
	assert_int_equal(after->fwmark, want->leave_fwmark ? before->fwmark : want->wg.fwmark);
	for (int i = 0; i < N_SYSCTLS; i++)
		assert_int_equal(after->sysctl[i], w->state.sysctls.items[i].value);
	assert_int_equal(after->address[3], before->address[3]);
}

static void watch_for(const struct model *before, struct wish *w, struct watch *ret)
{
	*ret = (struct watch){.before = before};
	for (int j = 0; j < N_PREFIXES; j++)
		ret->after[j] = expected_owner(before, w, j);
	for (size_t i = 0; i < w->state.routes.n; i++)
		if (!w->state.routes.items[i].type)
			ret->route[prefix_index(&w->state.routes.items[i].dst)] = true;
	for (int i = 0; i < N_ADDRESSES; i++)
		for (size_t k = 0; k < w->state.devices.items[0].addresses.n; k++)
			ret->address[i] |= ip_prefix_eq(
				&addresses[i], &w->state.devices.items[0].addresses.items[k]);
}

/* --- tests --------------------------------------------------------------------------------------
 */

static size_t conflicts_of(const struct model *before, const struct wish *w)
{
	size_t n = 0;

	for (int j = 0; j < 8; j++)
		n += w->owner[j] != NOBODY && is_foreign(w, before->owner[j]);
	return n;
}

/* All that foreign peers have, also what nobody is to own now: an event may want it later. */
static size_t foreign_of(const struct model *before, const struct wish *w)
{
	size_t n = 0;

	for (int j = 0; j < N_PREFIXES; j++)
		n += before->owner[j] != NOBODY && is_foreign(w, before->owner[j]);
	return n;
}

static void random_plans(void **state)
{
	struct chance c = chance_start("plans");

	for (int round = 0; round < 10000; round++) {
		struct model before, after;
		struct fib_state is = {0};
		struct fib_plan plan = {0}, again = {0};
		fib_failures failures = {0};
		struct watch watch;
		struct wish w;

		random_world(&before, &c);
		random_wish(&w, &c);
		after = copy_of(&before);
		watch_for(&before, &w, &watch);
		world = &after;
		watched = &watch;
		look_at(&before, &is);
		fib_plan_make(&is, &w.state, &w.ours, &plan);
		assert_int_equal(fib_do(&io, &plan, &w.state, &is, &failures), 0);
		assert_int_equal(failures.n, 0);
		assert_int_equal(plan.conflicts.n, conflicts_of(&before, &w));
		assert_int_equal(plan.foreign.n, foreign_of(&before, &w));
		check_peers(&before, &after, &w);
		check_kernel(&before, &after, &w);
		check_mirror(&is, &after);
		/* Nothing is left to do. */
		fib_plan_make(&is, &w.state, &w.ours, &again);
		assert_int_equal(again.ops.n, 0);
		fib_plan_done(&again);
		fib_plan_done(&plan);
		fib_state_done(&is);
		wish_done(&w);
		model_done(&before);
		model_done(&after);
	}
}

/* Whatever call fails: the mirror is true, what wasn't done isn't counted, and the next try does
 * the rest. Of a change that the device took a part of the mirror says nothing; it is looked at. */
static void calls_that_fail(void **state)
{
	struct chance c = chance_start("failing calls");

	watched = NULL;
	for (int round = 0; round < 10000; round++) {
		struct model m, before;
		struct fib_state is = {0};
		struct fib_plan plan = {0}, rest = {0};
		fib_failures failures = {0};
		struct fib_counts counts;
		struct wish w;
		unsigned done = 0;
		int err;

		random_world(&m, &c);
		random_wish(&w, &c);
		before = copy_of(&m);
		world = &m;
		look_at(&m, &is);
		fib_plan_make(&is, &w.state, &w.ours, &plan);
		fail_in = (int)chance_below(&c, (unsigned)plan.ops.n + 1);
		err = fib_do(&io, &plan, &w.state, &is, &failures);
		fail_in = -1;
		assert_true(!err || failures.n == 1);
		if (err && op_is_of_device(&plan.ops.items[failures.items[0].op])) {
			fib_state_done(&is);
			is = (struct fib_state){0};
			look_at(&m, &is);
		}
		check_mirror(&is, &m);
		counts = fib_tell_counts(&plan);
		for (size_t i = 0; i < plan.ops.n; i++)
			done += plan.ops.items[i].done;
		assert_true(done || !count_of(&counts));
		assert_int_equal(plan.ops.n - done > 0, failures.n > 0);
		fib_plan_make(&is, &w.state, &w.ours, &rest);
		failures.n = 0;
		assert_int_equal(fib_do(&io, &rest, &w.state, &is, &failures), 0);
		check_peers(&before, &m, &w);
		check_kernel(&before, &m, &w);
		vec_done(&failures);
		fib_plan_done(&plan);
		fib_plan_done(&rest);
		fib_state_done(&is);
		wish_done(&w);
		model_done(&m);
		model_done(&before);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_plans),
		cmocka_unit_test(calls_that_fail),
	};

	return cmocka_run_group_tests_name("plan", tests, prepare, NULL);
}

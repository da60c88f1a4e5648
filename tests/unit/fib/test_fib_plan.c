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

static struct model copy_of(const struct model *m)
{
	struct model copy = *m;

	copy.routes = (route_vec){0};
	copy.rules = (rule_vec){0};
	for (size_t i = 0; i < m->routes.n; i++)
		vec_push(&copy.routes, m->routes.items[i]);
	for (size_t i = 0; i < m->rules.n; i++)
		vec_push(&copy.rules, m->rules.items[i]);
	return copy;
}

static void model_done(struct model *m)
{
	vec_done(&m->routes);
	vec_done(&m->rules);
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

/* The mirror is what a look would find. */
static void check_mirror(const struct fib_state *is, const struct model *m)
{
	struct fib_state found = {0};
	const struct fib_device *a = &is->devices.items[0], *b;

	look_at(m, &found);
	b = &found.devices.items[0];
	assert_int_equal(a->up, b->up);
	assert_int_equal(a->mtu, b->mtu);
	assert_memory_equal(&a->mark, &b->mark, sizeof(a->mark));
	assert_int_equal(a->wg.listen_port, b->wg.listen_port);
	assert_int_equal(a->wg.fwmark, b->wg.fwmark);
	assert_int_equal(a->addresses.n, b->addresses.n);
	for (size_t i = 0; i < a->addresses.n; i++)
		assert_true(ip_prefix_eq(&a->addresses.items[i], &b->addresses.items[i]));
	assert_int_equal(a->wg.n_peers, b->wg.n_peers);
	for (size_t i = 0; i < a->wg.n_peers; i++) {
		const struct device_peer *x = &a->wg.peers[i], *y = &b->wg.peers[i];

		assert_true(wg_key_eq(&x->key, &y->key) && wg_key_eq(&x->psk, &y->psk));
		assert_int_equal(x->has_psk, y->has_psk);
		assert_int_equal(x->keepalive, y->keepalive);
		assert_int_equal(x->endpoint.sa.sa_family, y->endpoint.sa.sa_family);
		assert_int_equal(x->n_allowed, y->n_allowed);
		for (size_t k = 0; k < x->n_allowed; k++)
			assert_true(ip_prefix_eq(&x->allowed[k], &y->allowed[k]));
	}
	assert_int_equal(is->routes.n, found.routes.n);
	for (size_t i = 0; i < found.routes.n; i++)
		assert_int_equal(want_route_cmp(&is->routes.items[i], &found.routes.items[i]), 0);
	assert_int_equal(is->rules.n, found.rules.n);
	for (size_t i = 0; i < found.rules.n; i++)
		assert_true(rtnl_rule_is(&is->rules.items[i], &found.rules.items[i]));
	for (int i = 0; i < N_SYSCTLS; i++)
		assert_int_equal(is->sysctls.items[i].value, m->sysctl[i]);
	fib_state_done(&found);
}

/* --- tests --------------------------------------------------------------------------------------
 */

static struct fib_io io = {&model_ops};

static unsigned count_of(const struct fib_counts *c)
{
	return c->peers_added + c->peers_removed + c->prefixes_added + c->prefixes_moved +
	       c->prefixes_removed + c->routes_added + c->routes_removed + c->addresses_added +
	       c->addresses_removed + c->settings_changed + c->endpoints_set;
}

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

/* --- by hand --- */

static struct fib_state device_with(int peers, int owner_of_first)
{
	struct model m = {.up = true, .mtu = 1420};
	struct fib_state s = {0};

	for (int i = 0; i < peers; i++)
		m.has[i] = true;
	for (int j = 0; j < N_PREFIXES; j++)
		m.owner[j] = NOBODY;
	m.owner[0] = owner_of_first;
	look_at(&m, &s);
	return s;
}

static void a_move_is_one_addition(void **state)
{
	struct fib_state is = device_with(2, 0), shall = device_with(2, 1);
	struct want_facts facts = {.ifname = "wg0"};
	struct fib_ours ours = {.facts = &facts};
	struct fib_plan plan = {0};
	struct fib_counts n;

	fib_plan_make(&is, &shall, &ours, &plan);
	assert_int_equal(plan.ops.n, 1);
	assert_int_equal(plan.ops.items[0].type, FIB_PREFIX_ADD);
	assert_int_equal(plan.ops.items[0].reason, FIB_MOVES);
	assert_true(wg_key_eq(&plan.ops.items[0].u.owner.from, &keys[0]));
	n = fib_tell_counts(&plan);
	assert_int_equal(count_of(&n), 0); /* nothing was done yet */
	plan.ops.items[0].done = true;
	n = fib_tell_counts(&plan);
	assert_int_equal(n.prefixes_moved, 1);
	assert_int_equal(n.peers_changed, 1);
	assert_int_equal(count_of(&n), 1);
	fib_plan_done(&plan);
	fib_state_done(&is);
	fib_state_done(&shall);
}

/* With nothing that shall be; of a peer that is there, or nothing happens. */
static void an_endpoint_alone(void **state)
{
	struct model m = {.up = true, .has = {true}};
	struct fib_state is = {0};
	struct fib_plan plan = {0};
	fib_failures failures = {0};
	struct fib_counts n;
	sock_addr to = somewhere();

	for (int j = 0; j < N_PREFIXES; j++)
		m.owner[j] = NOBODY;
	world = &m;
	watched = NULL;
	look_at(&m, &is);
	for (int i = 0; i < 2; i++)
		fib_plan_endpoint(&plan, FIB_DIFFERS, "wg0", &keys[i], &to);
	fib_plan_order(&plan);
	assert_int_equal(fib_do(&io, &plan, NULL, &is, &failures), 0);
	assert_int_equal(failures.n, 0);
	assert_true(m.endpoint[0] && !m.has[1] && !m.endpoint[1]);
	check_mirror(&is, &m);
	n = fib_tell_counts(&plan);
	assert_int_equal(n.endpoints_set, 2);
	fib_plan_done(&plan);
	fib_state_done(&is);
}

/* A process died between the two steps of a removal: what it left behind goes. */
static void parking_peer_goes(void **state)
{
	struct fib_state is = device_with(1, 0), shall = device_with(2, 1);
	struct device_state *wg = &is.devices.items[0].wg;
	struct want_facts facts = {.ifname = "wg0"};
	struct fib_ours ours = {.facts = &facts};
	struct fib_plan plan = {0};
	wg_key heir = keys[1];

	wg->peers[0].key = device_parking_key(&wg->public_key);
	fib_plan_make(&is, &shall, &ours, &plan);
	assert_int_equal(plan.conflicts.n, 0);
	assert_int_equal(plan.ops.n, 4); /* two peers that are missing, a move, and the end of it */
	assert_int_equal(plan.ops.items[2].type, FIB_PREFIX_ADD);
	assert_true(wg_key_eq(&plan.ops.items[2].u.owner.to, &heir));
	assert_int_equal(plan.ops.items[3].type, FIB_PEER_DEL);
	fib_plan_done(&plan);
	/* The key is another one on another device, and no low-order point. */
	wg->peers[0].key = device_parking_key(&keys[2]);
	assert_false(wg_key_is_low_order(&wg->peers[0].key));
	fib_plan_make(&is, &shall, &ours, &plan);
	assert_int_equal(plan.conflicts.n, 1);
	fib_plan_done(&plan);
	fib_state_done(&is);
	fib_state_done(&shall);
}

static void a_prefix_wanted_twice_rests(void **state)
{
	struct fib_state is = device_with(2, NOBODY), shall = device_with(2, 0);
	struct want_facts facts = {.ifname = "wg0"};
	struct fib_ours ours = {.facts = &facts};
	struct fib_plan plan = {0};
	struct device_state *wg = &shall.devices.items[0].wg;

	for (size_t i = 0; i < 2; i++) {
		wg->peers[i].allowed[0] = prefixes[0];
		wg->peers[i].n_allowed = 1;
	}
	fib_plan_make(&is, &shall, &ours, &plan);
	assert_int_equal(plan.ops.n, 1);
	plan.ops.items[0].done = true;
	mirror_device(&is.devices.items[0].wg, plan.ops.items, 1, &shall.devices.items[0]);
	fib_plan_done(&plan);
	fib_plan_make(&is, &shall, &ours, &plan);
	assert_int_equal(plan.ops.n, 0);
	fib_plan_done(&plan);
	fib_state_done(&is);
	fib_state_done(&shall);
}

/* More than are made one by one: the passes come to the same. */
static void a_mirror_of_many(void **state)
{
	struct device_state is = {0};
	struct fib_plan plan = {0};
	wg_key nobody = {0};
	ip_addr a = {AF_INET, {10, 0, 0, 0}};

	is.n_peers = 2;
	is.peers = secret_zalloc(2, sizeof(*is.peers));
	is.peers[0].key = keys[0];
	is.peers[1].key = keys[1];
	qsort(is.peers, 2, sizeof(*is.peers), by_key);
	for (unsigned i = 0; i < 200; i++) {
		ip_prefix p;

		a.bytes[3] = (uint8_t)i;
		p = ip_prefix_host(&a);
		fib_plan_owner(&plan, "wg0", &p, &nobody, &keys[0]);
		plan.ops.items[plan.ops.n - 1].done = true;
		if (i % 2)
			fib_plan_owner(&plan, "wg0", &p, &nobody, &keys[1]);
		else
			fib_plan_owner(&plan, "wg0", &p, &keys[1], &nobody);
	}
	mirror_device(&is, plan.ops.items, plan.ops.n, NULL);
	assert_int_equal(device_state_peer(&is, &keys[0])->n_allowed, 200);
	assert_int_equal(device_state_peer(&is, &keys[1])->n_allowed, 0);
	plan.ops.n = 0;
	for (unsigned i = 0; i < 100; i++) {
		ip_prefix p;

		a.bytes[3] = (uint8_t)(2 * i);
		p = ip_prefix_host(&a);
		fib_plan_owner(&plan, "wg0", &p, &keys[0], &keys[1]);
		plan.ops.items[plan.ops.n - 1].done = true;
	}
	mirror_device(&is, plan.ops.items, plan.ops.n, NULL);
	for (int k = 0; k < 2; k++) {
		const struct device_peer *p = device_state_peer(&is, &keys[k]);

		assert_int_equal(p->n_allowed, 100);
		for (size_t i = 0; i < 100; i++)
			assert_int_equal(p->allowed[i].bytes[3] % 2, k == 0);
	}
	fib_plan_done(&plan);
	device_state_done(&is);
}

static const char *name_of(const wg_key *key, void *data)
{
	static const char *const names[N_PEERS] = {"hub-a", "hub-b", "site-1", "site-2"};

	return names[index_of(key)];
}

static void join(const char *text, void *data)
{
	buf_printf(data, "%s\n", text);
}

static void told_in_names(void **state)
{
	struct fib_state is = device_with(2, 0), shall = device_with(3, 1);
	struct want_facts facts = {.ifname = "wg0"};
	struct fib_ours ours = {.facts = &facts};
	struct fib_plan plan = {0};
	AUTO_BUF text = {0};
	struct fib_teller teller = {name_of, join, &text};
	char prefix[IP_PREFIX_STRLEN], want[256];

	shall.devices.items[0].wg.listen_port = 51820;
	fib_plan_make(&is, &shall, &ours, &plan);
	fib_tell(&plan, &is, &shall, &teller);
	snprintf(want, sizeof(want),
		"listen port: 0 -> 51820\npeer site-1: added\n%s: hub-a -> hub-b\n",
		ip_prefix_format(&prefixes[0], prefix));
	assert_string_equal(buf_str(&text), want);
	fib_plan_done(&plan);
	fib_state_done(&is);
	fib_state_done(&shall);
}

static int prefix_order(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static int prepare(void **state)
{
	char text[IP_PREFIX_STRLEN];
	wg_key secret;

	for (int i = 0; i < N_PEERS; i++) {
		wg_key_generate(&secret);
		keys[i] = wg_key_public(&secret);
	}
	for (int j = 0; j < N_PREFIXES; j++) {
		snprintf(text, sizeof(text), j % 2 ? "fd00:%d::/32" : "10.%d.0.0/16", j);
		if (!ip_prefix_parse(&prefixes[j], text))
			return -1;
	}
	qsort(prefixes, N_PREFIXES, sizeof(*prefixes), prefix_order);
	for (int i = 0; i < N_ADDRESSES; i++) {
		addresses[i] = (ip_prefix){.family = AF_INET, .len = 24, .bytes = {10, 10, 0}};
		addresses[i].bytes[3] = (uint8_t)(i + 1);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_plans),
		cmocka_unit_test(calls_that_fail),
		cmocka_unit_test(a_move_is_one_addition),
		cmocka_unit_test(an_endpoint_alone),
		cmocka_unit_test(parking_peer_goes),
		cmocka_unit_test(a_prefix_wanted_twice_rests),
		cmocka_unit_test(a_mirror_of_many),
		cmocka_unit_test(told_in_names),
	};

	return cmocka_run_group_tests_name("plan", tests, prepare, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "engine_bench.h"

instant at(double s)
{
	return (instant){(int64_t)(s * 1e9)};
}

/* --- an inventory --- */

struct mesh_build *inventory(struct bench *b)
{
	struct mesh_build *m = mem_zalloc(1, sizeof(*m));

	mesh_build_begin(m, MESH_HUB_AND_SPOKE, "10.9.0.0/24");
	mesh_build_node(m, "hub-a", MESH_HUB, "10.9.0.1");
	mesh_build_node(m, "hub-b", MESH_HUB, "10.9.0.2");
	mesh_build_node(m, "site-1", MESH_SPOKE, "10.9.0.3");
	mesh_build_node(m, "site-2", MESH_SPOKE, "10.9.0.4");
	m->nodes.items[HUB_A].metric = 10;
	m->nodes.items[HUB_B].metric = 20;
	mesh_build_network(m, SITE_2, SITE_2_NET, 0);
	mesh_build_network(m, HUB_A, HUB_A_NET, 0);
	vec_push(&b->builds, m);
	b->build = m;
	return m;
}

static void take_told(struct bench *b, const struct live_report *r)
{
	live_report_done(&b->told);
	live_report_copy(r, &b->told);
	b->n_told++;
}

void step(struct bench *b, const struct engine_event *e)
{
	size_t n = b->todo.n;

	engine_step(b->e, e, b->now, &b->todo);
	for (size_t i = n; i < b->todo.n; i++)
		if (b->todo.items[i].type == ENGINE_LET_GO)
			generation_put(b->todo.items[i].u.generation);
		else if (b->todo.items[i].type == ENGINE_TELL)
			take_told(b, b->todo.items[i].u.tell);
		else
			b->todo.items[n++] = b->todo.items[i];
	b->todo.n = n;
}

void take_generation(struct bench *b)
{
	wg_key key = {{1}};
	const struct mesh_inventory *inv = mesh_build_end(b->build);
	struct generation_parts parts = {.topology = mesh_topology_new(inv),
		.self = &inv->nodes[SITE_1],
		.private_key = &key,
		.before = engine_generation(b->e)};
	struct engine_event e = {.type = ENGINE_GENERATION};

	e.u.generation = generation_make(&parts);
	step(b, &e);
}

/* --- what it wants done, in words --- */

static void put_turn(const ip_prefix *p, const struct rib_turn *t, void *data)
{
	struct bench *b = data;
	char text[IP_PREFIX_STRLEN];

	buf_printf(&b->text, " %s to %s", ip_prefix_format(p, text),
		t->owners.n ? engine_name(b->e, t->owners.peer[0]) : "nobody");
}

/* Of a device of many owners. */
static void put_levels(struct bench *b, const struct rib_diff *d)
{
	static const char *const words[] = {"down", "last resort", "up"};

	for (size_t i = 0; b->max_owners > 1 && i < d->levels.n; i++)
		buf_printf(&b->text, ", %s %s", engine_name(b->e, d->levels.items[i].peer),
			words[d->levels.items[i].state]);
	if (d->owner_sets.n)
		buf_printf(&b->text, ", %zu sets", d->owner_sets.n);
}

static void put_endpoint(struct bench *b, const struct engine_action *a)
{
	char now[SOCK_ADDR_STRLEN], before[SOCK_ADDR_STRLEN];

	buf_printf(&b->text, "%s goes to %s", engine_name(b->e, a->u.endpoint.peer),
		sock_addr_format(&a->u.endpoint.endpoint, now));
	if (a->u.endpoint.before.sa.sa_family != AF_UNSPEC)
		buf_printf(&b->text, " from %s", sock_addr_format(&a->u.endpoint.before, before));
}

static void put_probes(struct bench *b, const struct engine_action *a)
{
	buf_puts(&b->text, "probe");
	for (size_t i = 0; i < a->u.probe.n; i++)
		buf_printf(&b->text, " %s=%s", engine_name(b->e, a->u.probe.peers[i].peer),
			live_state_name(a->u.probe.peers[i].adopted_as));
}

static void put_line(const struct engine_line *l, void *data)
{
	struct bench *b = data;

	if (b->text.n && buf_str(&b->text)[b->text.n - 1] != '\n')
		buf_puts(&b->text, "\n");
	buf_printf(&b->text, "(%d) ", engine_line_severity(l));
	engine_line_text(b->e, l, &b->text);
}

void put(struct bench *b, const struct engine_action *a)
{
	switch (a->type) {
	case ENGINE_MOVE:
		buf_puts(&b->text, "move");
		rib_diff_each(a->u.move, put_turn, b);
		put_levels(b, a->u.move);
		break;
	case ENGINE_SYNC:
		buf_printf(&b->text, "sync: %s", a->u.sync);
		break;
	case ENGINE_REOPEN:
		buf_puts(&b->text, "reopen");
		break;
	case ENGINE_SET_ENDPOINT:
		put_endpoint(b, a);
		break;
	case ENGINE_RESOLVE:
		buf_printf(&b->text, "resolve %s:%u", a->u.resolve.host, a->u.resolve.port);
		break;
	case ENGINE_PROBE_SET:
		put_probes(b, a);
		break;
	case ENGINE_PROBE_REOPEN:
		buf_puts(&b->text, "reopen the prober");
		break;
	case ENGINE_PROBE_DRAIN:
		buf_printf(&b->text, "tell peers: %s", a->u.drained ? "drained" : "not drained");
		break;
	case ENGINE_HOLD_CLEAR:
		buf_puts(&b->text, "clear the hold");
		break;
	case ENGINE_REMEMBER_DRAIN:
		buf_printf(
			&b->text, "remember: %s", a->u.drain.drained ? "drained" : "not drained");
		if (a->u.drain.has_end)
			buf_printf(&b->text, " until %g", (double)a->u.drain.until.ns / NS_PER_S);
		break;
	case ENGINE_LINE:
		put_line(&a->u.line, b);
		break;
	case ENGINE_MOVED_LINES:
		engine_moved_lines(a->u.move, put_line, b);
		if (b->text.n && buf_str(&b->text)[b->text.n - 1] == '\n')
			return; /* none */
		break;
	case ENGINE_TELL:
	case ENGINE_LET_GO:
		fail_msg("it is taken as it comes");
		break;
	case ENGINE_PROBE_REPORT:
		buf_printf(&b->text, "report %s", engine_name(b->e, a->u.report.peer));
		break;
	}
	buf_puts(&b->text, "\n");
}

/* What was wanted since the last time; reports apart, of which there is one for each peer of the
 * device. */
void expect_at(struct bench *b, const char *words, int line)
{
	buf_reset(&b->text);
	for (size_t i = 0; i < b->todo.n; i++)
		if (b->todo.items[i].type != ENGINE_PROBE_REPORT)
			put(b, &b->todo.items[i]);
	b->todo.n = 0;
	if (strcmp(buf_str(&b->text), words) != 0)
		fail_msg("line %d:\n%swas wanted, and not\n%s", line, buf_str(&b->text), words);
}

void forget(struct bench *b)
{
	b->todo.n = 0;
}

/* --- what happens --- */

uint32_t id(struct bench *b, unsigned node)
{
	static const char *const names[] = {"hub-a", "hub-b", "site-1", "site-2"};

	return names_find(&engine_generation(b->e)->names, names[node]);
}

void feed(struct bench *b, struct engine_event e)
{
	e.generation = engine_generation(b->e)->number;
	step(b, &e);
}

void happens(struct bench *b, enum engine_event_type type)
{
	feed(b, (struct engine_event){.type = type});
}

void verdict_of(struct bench *b, unsigned node, enum live_state state, uint64_t generation)
{
	struct live_event v = {.type = LIVE_EVENT_PEER,
		.peer = id(b, node),
		.generation = generation,
		.state = state,
		.cause = state == LIVE_UP ? LIVE_CAUSE_SESSION_UP : LIVE_CAUSE_EXPIRED};
	struct engine_event e = {.type = ENGINE_VERDICTS};

	e.u.verdicts.events = &v;
	e.u.verdicts.n = 1;
	feed(b, e);
}

void verdict(struct bench *b, unsigned node, enum live_state state)
{
	verdict_of(b, node, state, engine_generation(b->e)->number);
}

void hold_over(struct bench *b)
{
	struct live_event v = {.type = LIVE_EVENT_HOLD_OVER};
	struct engine_event e = {.type = ENGINE_VERDICTS};

	e.u.verdicts.events = &v;
	e.u.verdicts.n = 1;
	feed(b, e);
}

void moved(struct bench *b, int err)
{
	feed(b, (struct engine_event){.type = ENGINE_MOVED, .u.err = err});
}

void synced(struct bench *b)
{
	struct engine_event e = {.type = ENGINE_SYNCED};

	e.u.synced.device = &b->device;
	e.u.synced.wall_ns = b->now.ns;
	feed(b, e);
}

void sync_fails(struct bench *b, int err, const char *trouble)
{
	struct engine_event e = {.type = ENGINE_SYNCED};

	e.u.synced.err = err;
	e.u.synced.trouble = trouble;
	feed(b, e);
}

void resolved(struct bench *b, unsigned node, const char *addr)
{
	struct engine_event e = {.type = ENGINE_RESOLVED};
	sock_addr a;

	e.u.resolved.peer = id(b, node);
	if (addr) {
		assert_true(sock_addr_parse(&a, addr));
		e.u.resolved.addrs = &a;
		e.u.resolved.n = 1;
	}
	feed(b, e);
}

void endpoint_set(struct bench *b, unsigned node, const char *addr, int err)
{
	struct engine_event e = {.type = ENGINE_ENDPOINT_SET};

	e.u.endpoint_set.peer = id(b, node);
	e.u.endpoint_set.err = err;
	assert_true(sock_addr_parse(&e.u.endpoint_set.endpoint, addr));
	feed(b, e);
}

/* Time goes to the next deadline, which must be this one. */
void wait_until_at(struct bench *b, double s, int line)
{
	instant due = engine_deadline(b->e);

	if (due.ns != at(s).ns)
		fail_msg("line %d: the deadline is %.3f", line, (double)due.ns / 1e9);
	b->now = due;
	happens(b, ENGINE_TIME);
}

void run_until(struct bench *b, double s)
{
	while (!instant_before(at(s), engine_deadline(b->e))) {
		size_t before = b->todo.n;

		b->now = engine_deadline(b->e);
		happens(b, ENGINE_TIME);
		for (size_t i = before, n = b->todo.n; i < n; i++)
			if (b->todo.items[i].type == ENGINE_SYNC)
				synced(b);
	}
	b->now = at(s);
}

/* --- a device --- */

static bool wants(const struct bench *b, enum engine_action_type type)
{
	for (size_t i = 0; i < b->todo.n; i++)
		if (b->todo.items[i].type == type)
			return true;
	return false;
}

void until_sync(struct bench *b)
{
	for (b->todo.n = 0; !wants(b, ENGINE_SYNC); happens(b, ENGINE_TIME)) {
		b->todo.n = 0;
		b->now = engine_deadline(b->e);
	}
	b->todo.n = 0;
}

/* A stranger to nobody: of our own inventory, with nothing said yet. */
struct live_report report_of(struct bench *b, unsigned max_owners)
{
	const struct generation *g = engine_generation(b->e);
	struct live_report r = {.inventory_time = g->inventory_time, .max_owners = max_owners};

	memcpy(r.digest, g->digest, sizeof(r.digest));
	live_report_init_nodes(&r, (uint32_t)g->inv->n_nodes);
	return r;
}

void reports(struct bench *b, unsigned node, struct live_report *r)
{
	struct engine_event e = {.type = ENGINE_REPORT};

	e.u.report.peer = id(b, node);
	e.u.report.report = r;
	feed(b, e);
	live_report_done(r);
}

void device_has(struct bench *b, unsigned node, const char *endpoint, const char *prefix)
{
	struct device_peer *p = &b->peers[node];
	ip_prefix own = ip_prefix_host(&b->build->nodes.items[node].addresses[0].addr);

	*p = (struct device_peer){
		.key = b->build->nodes.items[node].public_key, .allowed = b->allowed[node]};
	if (endpoint)
		assert_true(sock_addr_parse(&p->endpoint, endpoint));
	p->allowed[p->n_allowed++] = own;
	if (prefix)
		p->allowed[p->n_allowed++] = mesh_build_prefix(prefix);
	b->device.peers = b->peers;
	b->device.n_peers = node + 1 > b->device.n_peers ? node + 1 : b->device.n_peers;
}

void handshake_now(struct bench *b, unsigned node)
{
	b->peers[node].last_handshake.tv_sec = b->now.ns / NS_PER_S;
}

int begin(void **state)
{
	struct bench *b = mem_zalloc(1, sizeof(*b));

	b->now = at(1000);
	b->e = engine_new(b->now);
	inventory(b);
	*state = b;
	return 0;
}

int end(void **state)
{
	struct bench *b = *state;

	engine_free(b->e);
	for (size_t i = 0; i < b->builds.n; i++) {
		mesh_build_done(b->builds.items[i]);
		free(b->builds.items[i]);
	}
	vec_done(&b->builds);
	vec_done(&b->todo);
	live_report_done(&b->told);
	buf_done(&b->text);
	free(b);
	return 0;
}

void find(struct bench *b)
{
	struct engine_event e = {.type = ENGINE_FOUND};

	e.u.found.device = &b->device;
	e.u.found.max_owners = b->max_owners ? b->max_owners : 1;
	e.u.found.drain = b->drain;
	feed(b, e);
}

/* Both hubs are up, and where the inventory says; hub-a carries all. */
void start(struct bench *b)
{
	take_generation(b);
	if (endpoints_is_open(engine_endpoints(b->e), id(b, HUB_A)))
		resolved(b, HUB_A, "192.0.2.1:51820");
	resolved(b, HUB_B, "192.0.2.2:51820");
	device_has(b, HUB_A, "192.0.2.1:51820", SITE_2_NET);
	device_has(b, HUB_B, "192.0.2.2:51820", "0.0.0.0/0");
	handshake_now(b, HUB_A);
	handshake_now(b, HUB_B);
	find(b);
	synced(b);
	forget(b);
}

void probed(struct bench *b, enum live_state a, enum live_state hub_b)
{
	struct live_event v[] = {{.type = LIVE_EVENT_PEER, .peer = id(b, HUB_A), .state = a},
		{.type = LIVE_EVENT_PEER, .peer = id(b, HUB_B), .state = hub_b}};
	struct engine_event e = {.type = ENGINE_PROBED};

	v[0].generation = v[1].generation = engine_generation(b->e)->number;
	e.u.verdicts.events = v;
	e.u.verdicts.n = 2;
	feed(b, e);
}

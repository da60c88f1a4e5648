/* SPDX-License-Identifier: MIT */
/*
 * How long one step of the daemon's engine takes, since a move waits for it: the longest of each
 * act, in milliseconds of the processor, and how many steps the act took. A site behind two hubs
 *sees 100,000 prefixes of another site, all alike or each with a metric of its own (no set of
 *candidates is shared: the worst case); a hub sees 2,000 sites.
 *
 *	engine [--json] [--prefixes N] [--peers N]
 */
#include "daemon/engine.h"

#include "base/mem.h"
#include "mesh_build.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HUB_A, HUB_B, SELF, OTHER };

struct act {
	const char *name;
	double longest_ms, whole_ms;
	unsigned steps;
};

struct bench {
	struct engine *e;
	struct mesh_build builds[2]; /* by turns */
	unsigned turn;
	engine_actions todo;
	struct device_state device;
	instant now;
	struct act act;
	bool was_sync, was_move; /* what the last step asked for */
};

/* Of our own thread, whatever else the machine does. */
static double now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* --- acts ----------------------------------------------------------------------------------------
 */

static void begin(struct bench *b, const char *name)
{
	b->act = (struct act){.name = name};
}

static void note(struct bench *b, double ms)
{
	b->act.steps++;
	b->act.whole_ms += ms;
	if (ms > b->act.longest_ms)
		b->act.longest_ms = ms;
}

static bool as_json;
static unsigned n_told;
static char group[80]; /* of acts */

static void head(unsigned n, const char *of)
{
	snprintf(group, sizeof(group), "%u %s", n, of);
	if (!as_json)
		printf("%s:\n", group);
}

static void tell(const struct bench *b)
{
	if (as_json) {
		printf("%s{\"of\": \"%s\", \"act\": \"%s\", \"longest_ms\": %.3f, "
		       "\"steps\": %u, \"whole_ms\": %.3f}",
			n_told++ ? ", " : "", group, b->act.name, b->act.longest_ms, b->act.steps,
			b->act.whole_ms);
		return;
	}
	printf("  %-34s %8.3f ms at most, %4u step%s, %8.3f ms\n", b->act.name, b->act.longest_ms,
		b->act.steps, b->act.steps == 1 ? " " : "s", b->act.whole_ms);
}

static void step(struct bench *b, struct engine_event e)
{
	double began = now_ms();

	b->todo.n = 0;
	if (e.type != ENGINE_GENERATION)
		e.generation = engine_generation(b->e)->number;
	engine_step(b->e, &e, b->now, &b->todo);
	note(b, now_ms() - began);
	b->was_sync = b->was_move = false;
	for (size_t i = 0; i < b->todo.n; i++) {
		b->was_sync |= b->todo.items[i].type == ENGINE_SYNC;
		if (b->todo.items[i].type == ENGINE_LET_GO)
			generation_put(b->todo.items[i].u.generation);
		b->was_move |= b->todo.items[i].type == ENGINE_MOVE;
	}
}

static void synced(struct bench *b)
{
	struct engine_event e = {.type = ENGINE_SYNCED};

	e.u.synced.device = &b->device;
	step(b, e);
}

/* Given by its owner: the device first, then the prober's answer. */
static void reload(struct bench *b, const struct generation *g)
{
	struct engine_event e = {.type = ENGINE_GENERATION};

	e.u.generation = g;
	step(b, e);
	while (!b->was_sync)
		step(b, (struct engine_event){.type = ENGINE_TIME});
}

static void verdict(struct bench *b, uint32_t peer, enum live_state state)
{
	struct live_event v = {.type = LIVE_EVENT_PEER, .peer = peer, .state = state};
	struct engine_event e = {.type = ENGINE_VERDICTS};

	v.generation = engine_generation(b->e)->number;
	e.u.verdicts.events = &v;
	e.u.verdicts.n = 1;
	step(b, e);
	if (b->was_move)
		step(b, (struct engine_event){.type = ENGINE_MOVED});
}

static const struct generation *make(struct bench *b, struct mesh_build *m, unsigned self)
{
	wg_key key = {{1}};
	struct generation_parts parts = {.topology = mesh_topology_new(&m->inv),
		.self = &m->nodes.items[self],
		.private_key = &key,
		.before = b->e ? engine_generation(b->e) : NULL};

	return generation_make(&parts);
}

static void start(struct bench *b, const struct generation *g)
{
	struct engine_event e = {.type = ENGINE_GENERATION};

	b->e = engine_new(b->now);
	e.u.generation = g;
	engine_step(b->e, &e, b->now, &b->todo);
	e = (struct engine_event){.type = ENGINE_FOUND};
	e.u.found.device = &b->device;
	e.u.found.max_owners = 1;
	step(b, e);
	synced(b);
}

static void end(struct bench *b)
{
	engine_free(b->e);
	mesh_build_done(&b->builds[0]);
	mesh_build_done(&b->builds[1]);
	vec_done(&b->todo);
	free(b->device.peers);
}

/* --- many prefixes -------------------------------------------------------------------------------
 */

/* The last one is another where it is said so. */
static void make_site(
	struct mesh_build *m, unsigned n, bool own_metrics, unsigned hub_metric, bool another)
{
	char prefix[IP_PREFIX_STRLEN];

	mesh_build_begin(m, MESH_HUB_AND_SPOKE, "10.9.0.0/24");
	mesh_build_node(m, "hub-a", MESH_HUB, "10.9.0.1");
	mesh_build_node(m, "hub-b", MESH_HUB, "10.9.0.2");
	mesh_build_node(m, "site-1", MESH_SPOKE, "10.9.0.3");
	mesh_build_node(m, "site-2", MESH_SPOKE, "10.9.0.4");
	m->nodes.items[HUB_A].metric = hub_metric;
	m->nodes.items[HUB_B].metric = 20;
	for (unsigned i = 0; i < n; i++) {
		unsigned at = another && i == n - 1 ? n : i;

		snprintf(prefix, sizeof(prefix), "%u.%u.%u.0/24", 16 + (at >> 16), at >> 8 & 255,
			at & 255);
		mesh_build_network(m, OTHER, prefix, own_metrics ? i + 1 : 0);
	}
	mesh_build_end(m);
}

static void reload_site(struct bench *b, const char *name, unsigned n, bool own_metrics,
	unsigned hub_metric, bool another)
{
	struct mesh_build *m = &b->builds[++b->turn & 1];
	const struct generation *g;
	char text[64];

	mesh_build_done(m);
	make_site(m, n, own_metrics, hub_metric, another);
	begin(b, "  (made, by a worker)");
	double began = now_ms();
	g = make(b, m, SELF);
	note(b, now_ms() - began);
	snprintf(text, sizeof(text), "reload, %s", name);
	if (!another && hub_metric == 10)
		tell(b);
	begin(b, text);
	reload(b, g);
	tell(b);
	synced(b);
}

static void many_prefixes(unsigned n, bool own_metrics)
{
	struct bench b = {.now = {NS_PER_S}};

	head(n, own_metrics ? "prefixes, each with a metric of its own" : "prefixes, all alike");
	make_site(&b.builds[0], n, own_metrics, 10, false);
	begin(&b, "start");
	start(&b, make(&b, &b.builds[0], SELF));
	tell(&b);
	verdict(&b, HUB_A, LIVE_UP);
	verdict(&b, HUB_B, LIVE_UP);
	begin(&b, "verdict, all behind the peer");
	verdict(&b, HUB_A, LIVE_DOWN);
	verdict(&b, HUB_A, LIVE_UP);
	tell(&b);
	reload_site(&b, "nothing changed", n, own_metrics, 10, false);
	reload_site(&b, "one prefix changed", n, own_metrics, 10, true);
	reload_site(&b, "all changed", n, own_metrics, 15, true);
	begin(&b, "a generation's end");
	const struct generation *g = make(&b, &b.builds[0], SELF);
	double began = now_ms();
	generation_put(g);
	note(&b, now_ms() - began);
	tell(&b);
	end(&b);
}

/* --- many peers ----------------------------------------------------------------------------------
 */

/* Sites that the hub calls, at names or at addresses; the last one is another where it is said so.
 */
static void make_hub(struct mesh_build *m, unsigned n, bool another)
{
	char name[32], address[32];

	mesh_build_begin(m, MESH_HUB_AND_SPOKE, "10.0.0.0/8");
	mesh_build_node(m, "hub-a", MESH_HUB, "10.200.0.1");
	for (unsigned i = 1; i <= n; i++) {
		struct mesh_node *site;

		snprintf(name, sizeof(name), "site-%u", another && i == n ? n + 1 : i);
		snprintf(address, sizeof(address), "10.9.%u.%u", i >> 8, i & 255);
		mesh_build_node(m, name, MESH_SPOKE, address);
		site = &m->nodes.items[i];
		site->endpoint.host =
			i & 1 ? arena_printf(&m->arena, "192.0.2.%u", i & 255) : site->name;
		site->endpoint.port = (uint16_t)(1024 + i);
	}
	mesh_build_end(m);
}

static int compare_peers(const void *a, const void *b)
{
	return memcmp(((const struct device_peer *)a)->key.bytes,
		((const struct device_peer *)b)->key.bytes, sizeof(wg_key));
}

static void make_device(struct bench *b, const struct mesh_build *m)
{
	free(b->device.peers);
	b->device.n_peers = m->nodes.n - 1;
	b->device.peers = mem_zalloc(m->nodes.n, sizeof(*b->device.peers));
	for (size_t i = 0; i + 1 < m->nodes.n; i++)
		b->device.peers[i].key = m->nodes.items[i + 1].public_key;
	qsort(b->device.peers, b->device.n_peers, sizeof(*b->device.peers), compare_peers);
}

static void many_peers(unsigned n)
{
	struct bench b = {.now = {NS_PER_S}};

	head(n, "peers");
	make_hub(&b.builds[0], n, false);
	make_device(&b, &b.builds[0]);
	begin(&b, "start");
	start(&b, make(&b, &b.builds[0], HUB_A));
	tell(&b);
	begin(&b, "a second passes");
	for (b.was_sync = false; !b.was_sync;) {
		b.now = engine_deadline(b.e);
		step(&b, (struct engine_event){.type = ENGINE_TIME});
	}
	tell(&b);
	begin(&b, "the device is read");
	synced(&b);
	tell(&b);
	make_hub(&b.builds[1], n, true);
	begin(&b, "reload, one peer changed");
	reload(&b, make(&b, &b.builds[1], HUB_A));
	tell(&b);
	begin(&b, "the device is read after that");
	synced(&b);
	tell(&b);
	end(&b);
}

int main(int argc, char **argv)
{
	unsigned prefixes = 100000, peers = 2000;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--json")) {
			as_json = true;
		} else if (!strcmp(argv[i], "--prefixes") && i + 1 < argc) {
			prefixes = (unsigned)strtoul(argv[++i], NULL, 10);
		} else if (!strcmp(argv[i], "--peers") && i + 1 < argc) {
			peers = (unsigned)strtoul(argv[++i], NULL, 10);
		} else {
			fprintf(stderr, "usage: %s [--json] [--prefixes N] [--peers N]\n", argv[0]);
			return 2;
		}
	}
	if (as_json)
		printf("{\"bench\": \"engine\", \"acts\": [");
	many_prefixes(prefixes, false);
	many_prefixes(prefixes, true);
	many_peers(peers);
	if (as_json)
		printf("]}\n");
	return 0;
}

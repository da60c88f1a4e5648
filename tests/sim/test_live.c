/* SPDX-License-Identifier: MIT */
/*
 * Scenes in the life of live cores, as traces that a person can read: golden/live_*.txt, compared
 * byte by byte. SHUNT_GOLDEN_WRITE=1 writes them anew; read the difference before you commit it.
 * Times are milliseconds of virtual time; every line takes 5 ms.
 */
#include "base/mem.h"
#include "live_world.h"
#include <string.h>

#define MS NS_PER_MS
#define S NS_PER_S

/* --- scenes --- */

enum { HUB_A, HUB_B, SITE };

static void add_mesh(struct world *w)
{
	world_add(w, HUB_A, "hub-a", LIVE_PROBE_BFD, true);
	world_add(w, HUB_B, "hub-b", LIVE_PROBE_BFD, true);
	world_add(w, SITE, "site", LIVE_PROBE_BFD, true);
}

static void start_all(struct world *w, bool cold)
{
	for (unsigned i = 0; i < WORLD_NODES; i++)
		if (w->nodes[i].name)
			world_start(w, i, cold, false);
}

/* Runs without a trace. */
static void pass_over(struct world *w, int64_t ns)
{
	w->is_tracing = false;
	world_run(w, ns);
	w->is_tracing = true;
}

static void mesh_up(struct world *w)
{
	add_mesh(w);
	w->is_tracing = false;
	start_all(w, false);
	pass_over(w, 3 * S);
	world_say(w, "(all are up)");
}

/* New devices: everybody is last resort to everybody until the holds are over. */
static void scene_cold_start(struct world *w)
{
	add_mesh(w);
	start_all(w, true);
	world_run(w, 7 * S);
}

static void scene_cut_and_return(struct world *w)
{
	mesh_up(w);
	world_isolate(w, HUB_A, true);
	world_run(w, 2 * S);
	world_isolate(w, HUB_A, false);
	world_run(w, 7 * S);
	world_say(w, "# A second time within ten minutes: twice as long");
	pass_over(w, 30 * S);
	world_isolate(w, HUB_A, true);
	world_run(w, 2 * S);
	world_isolate(w, HUB_A, false);
	world_run(w, 12 * S);
	world_say(w, "# Ten minutes later all is forgotten");
	pass_over(w, 601 * S);
	world_isolate(w, HUB_A, true);
	pass_over(w, 2 * S);
	world_isolate(w, HUB_A, false);
	world_run(w, 7 * S);
}

static void scene_drain(struct world *w)
{
	mesh_up(w);
	world_drain(w, HUB_A, true);
	world_run(w, 1 * S);
	world_say(w, "# A drain survives a restart");
	world_kill(w, HUB_A);
	world_run(w, 500 * MS);
	world_start(w, HUB_A, false, true);
	world_run(w, 1 * S);
	world_drain(w, HUB_A, false);
	world_run(w, 1 * S);
}

/* The machine lives on, so nothing moves. */
static void scene_restart(struct world *w)
{
	mesh_up(w);
	world_kill(w, HUB_A);
	world_run(w, 2 * S);
	world_start(w, HUB_A, false, true);
	world_run(w, 4 * S);
	world_say(w, "# So quickly that nobody missed it");
	world_kill(w, HUB_A);
	world_run(w, 50 * MS);
	world_start(w, HUB_A, false, true);
	world_run(w, 4 * S);
	world_say(w, "# All at once");
	for (unsigned i = HUB_A; i <= SITE; i++)
		world_kill(w, i);
	world_run(w, 2 * S);
	for (unsigned i = HUB_A; i <= SITE; i++)
		world_start(w, i, false, true);
	world_run(w, 4 * S);
}

/* First the daemon, then the machine; and a start that finds nobody. */
static void scene_death(struct world *w)
{
	mesh_up(w);
	world_kill(w, HUB_A);
	world_run(w, 2 * S);
	world_power(w, HUB_A, false);
	world_run(w, 1 * S);
	world_say(w, "# hub-b's daemon starts: what it adopts of hub-a isn't confirmed");
	world_kill(w, HUB_B);
	world_run(w, 100 * MS);
	world_start(w, HUB_B, false, true);
	world_run(w, 4 * S);
}

/* site hears hub-a, but hub-a doesn't hear site. */
static void scene_one_way(struct world *w)
{
	mesh_up(w);
	world_say(w, "(nothing gets from site to hub-a any more)");
	world_cut(w, SITE, HUB_A, true);
	world_run(w, 2 * S);
	world_say(w, "(mended)");
	world_cut(w, SITE, HUB_A, false);
	world_run(w, 3 * S);
}

/* Two nodes only: being alone is being cut off. */
static void scene_pair(struct world *w)
{
	world_add(w, 0, "left", LIVE_PROBE_BFD, true);
	world_add(w, 1, "right", LIVE_PROBE_BFD, true);
	start_all(w, false);
	world_run(w, 1 * S);
	world_cut_both(w, 0, 1, true);
	world_run(w, 2 * S);
	world_cut_both(w, 0, 1, false);
	world_run(w, 7 * S);
}

/* A speaker that doesn't signal: our own hold lies on it. */
static void scene_foreign(struct world *w)
{
	world_add(w, 0, "node", LIVE_PROBE_BFD, false);
	world_add(w, 1, "router", LIVE_PROBE_BFD, false);
	start_all(w, false);
	world_run(w, 2 * S);
	for (int64_t hold = 5; hold <= 20; hold *= 2) {
		world_say(w, "# Returning, %lld s", (long long)hold);
		world_cut_both(w, 0, 1, true);
		world_run(w, 2 * S);
		world_cut_both(w, 0, 1, false);
		world_run(w, (hold + 2) * S);
	}
	world_say(w, "# Ten minutes up");
	pass_over(w, 600 * S);
	world_cut_both(w, 0, 1, true);
	world_run(w, 2 * S);
	world_cut_both(w, 0, 1, false);
	world_run(w, 7 * S);
}

static struct bfd_packet forged(const struct world *w, enum bfd_state s, enum bfd_diag d)
{
	struct live_peer_info i;

	assert_true(live_peer_info(w->nodes[0].live, 1, &i));
	return (struct bfd_packet){
		.state = s,
		.diag = d,
		.detect_mult = 3,
		.my_discriminator = i.remote_discriminator ? i.remote_discriminator : 99,
		.your_discriminator = i.local_discriminator,
		.desired_min_tx = 1000000,
		.required_min_rx = 100000,
	};
}

static void pair_up(struct world *w)
{
	world_add(w, 0, "node", LIVE_PROBE_BFD, true);
	world_add(w, 1, "peer", LIVE_PROBE_BFD, true);
	w->is_tracing = false;
	start_all(w, false);
	pass_over(w, 2 * S);
}

/* AdminDown says nothing about the path: echoes decide. */
static void scene_admin_down(struct world *w)
{
	struct bfd_packet p;

	pair_up(w);
	p = forged(w, BFD_ADMIN_DOWN, BFD_DIAG_ADMIN_DOWN);
	world_say(w, "(peer's daemon says AdminDown and ends)");
	live_free(w->nodes[1].live);
	w->nodes[1].live = NULL;
	world_inject(w, 1, 0, &p);
	world_run(w, 2 * S);
	world_power(w, 1, false);
	world_run(w, 1 * S);
}

/* Down with diagnostic 0 and another discriminator: traffic stays only if echoes come back. */
static void scene_reset(struct world *w)
{
	struct bfd_packet p;

	pair_up(w);
	world_say(w, "(a Down of a new daemon of peer, which isn't heard again, machine dead)");
	p = forged(w, BFD_DOWN, BFD_DIAG_NONE);
	p.my_discriminator++;
	p.your_discriminator = 0;
	world_inject(w, 1, 0, &p);
	world_power(w, 1, false);
	world_run(w, 1 * S);
}

static void scene_stock(struct world *w)
{
	world_add(w, 0, "node", LIVE_PROBE_BFD, true);
	world_add(w, 1, "phone", LIVE_PROBE_ECHO, false);
	world_power(w, 1, false);
	world_start(w, 0, true, false);
	world_run(w, 2 * S);
	world_power(w, 1, true);
	world_run(w, 2 * S);
	world_cut_both(w, 0, 1, true);
	world_run(w, 1 * S);
	world_cut_both(w, 0, 1, false);
	world_run(w, 7 * S);
	world_say(w, "# A restart of ours");
	world_kill(w, 0);
	world_run(w, 100 * MS);
	world_start(w, 0, false, true);
	world_run(w, 1 * S);
	world_say(w, "# And one while the phone is away");
	world_kill(w, 0);
	world_power(w, 1, false);
	world_start(w, 0, false, true);
	world_run(w, 5 * S);
}

static void filter(struct world *w, bool on)
{
	world_say(w, "(the firewall of site %s BFD)", on ? "drops" : "lets in");
	w->no_bfd[0][1] = on;
}

/* The site's firewall lets echoes in, but not BFD. */
static void scene_filtered(struct world *w)
{
	world_add(w, 0, "hub", LIVE_PROBE_BFD, true);
	world_add(w, 1, "site", LIVE_PROBE_BFD, true);
	filter(w, true);
	start_all(w, true);
	world_run(w, 13 * S);
	filter(w, false);
	world_run(w, 7 * S);
	world_say(w, "# While all is up");
	filter(w, true);
	world_run(w, 13 * S);
	world_say(w, "# The site dies of something else");
	world_power(w, 1, false);
	world_run(w, 2 * S);
	world_power(w, 1, true);
	world_start(w, 1, true, false);
	world_run(w, 13 * S);
	world_say(w, "# The hub's daemon starts anew");
	world_kill(w, 0);
	world_run(w, 1 * S);
	world_start(w, 0, false, true);
	world_run(w, 13 * S);
	filter(w, false);
	world_run(w, 7 * S);
}

/* One sample of the device a second: age of the handshake in seconds, received bytes. */
static void samples(struct world *w, int64_t seconds, int64_t *age, uint64_t *rx, uint64_t growth)
{
	for (int64_t i = 0; i < seconds; i++) {
		live_on_handshake(w->nodes[0].live, 1, *age < 0 ? -1 : *age * S, *rx, w->now);
		world_run(w, 1 * S);
		if (*age >= 0)
			++*age;
		if (i % 25 == 0)
			*rx += growth;
	}
}

static void scene_handshake(struct world *w)
{
	int64_t age = -1;
	uint64_t rx = 0;

	world_add(w, 0, "node", LIVE_PROBE_BFD, true);
	world_add(w, 1, "modem", LIVE_PROBE_HANDSHAKE, false);
	world_start(w, 0, true, false);
	samples(w, 5, &age, &rx, 0);
	world_say(w, "(a handshake)");
	age = 0;
	samples(w, 100, &age, &rx, 32);
	world_say(w, "(no handshake any more, but keepalives)");
	samples(w, 200, &age, &rx, 32);
	world_say(w, "(nothing any more)");
	samples(w, 100, &age, &rx, 0);
	world_say(w, "(a handshake)");
	age = 0;
	samples(w, 10, &age, &rx, 0);
}

/* --- frame --- */

static const struct {
	const char *name;
	void (*play)(struct world *w);
} scenes[] = {
	{"cold_start", scene_cold_start},
	{"cut_and_return", scene_cut_and_return},
	{"drain", scene_drain},
	{"restart", scene_restart},
	{"death", scene_death},
	{"one_way", scene_one_way},
	{"pair", scene_pair},
	{"foreign", scene_foreign},
	{"admin_down", scene_admin_down},
	{"reset", scene_reset},
	{"stock", scene_stock},
	{"handshake", scene_handshake},
	{"filtered", scene_filtered},
};

static void read_file(const char *path, struct buf *b)
{
	FILE *f = fopen(path, "r");
	size_t n;

	if (!f)
		return;
	while ((n = fread(buf_room(b, 65536), 1, 65536, f)) > 0)
		b->n += n;
	buf_puts(b, "");
	fclose(f);
}

static void write_file(const char *path, const struct buf *b)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(b->data, 1, b->n, f), b->n);
	assert_int_equal(fclose(f), 0);
}

static void test_scene(void **state)
{
	size_t i = (size_t)(uintptr_t)*state;
	char path[512];
	struct world w;
	AUTO_BUF want = {0};

	snprintf(path, sizeof(path), "%s/live_%s.txt", GOLDEN_DIR, scenes[i].name);
	world_init(&w, 1);
	w.is_tracing = true;
	scenes[i].play(&w);
	if (getenv("SHUNT_GOLDEN_WRITE"))
		write_file(path, &w.trace);
	read_file(path, &want);
	assert_string_equal(buf_str(&w.trace), buf_str(&want));
	world_done(&w);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(scenes)];

	for (size_t i = 0; i < ARRAY_SIZE(scenes); i++)
		tests[i] = (struct CMUnitTest){
			scenes[i].name, test_scene, NULL, NULL, (void *)(uintptr_t)i};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/*
 * Scripted days in the life of a RIB, as traces that a person can read: golden/rib_*.txt, compared
 * byte by byte. SHUNT_GOLDEN_WRITE=1 writes them anew; read the difference before you commit it.
 *
 *	      hub-a 10     hub-b 20
 *	      /   |   \    /  |   \        every site has a line to both hubs, the hubs to each
 *other; site-1  site-2  site-3 ... dc      client has a line to hub-a only
 */
#include "base/buf.h"
#include "base/mem.h"
#include "route/rib.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* In the order of the inventory. */
static const struct {
	const char *name;
	uint32_t metric;
} nodes[] = {{"hub-a", 10}, {"hub-b", 20}, {"site-1", 0}, {"site-2", 0}, {"site-3", 0}, {"dc", 0},
	{"client", 0}};

#define MAX_CANDIDATES 4

/* A prefix of a scenario; a candidate is "node" (direct) or "hub>origin", then perhaps a metric. */
struct network {
	const char *prefix;
	enum rib_on_dead on_dead;
	bool pinned;
	const char *candidates[MAX_CANDIDATES + 1];
};

/*
 * One line of a script:
 *	"# text"		a heading
 *	"hub-a down, dc up"	events of one step
 *	"why PREFIX"		its candidates
 *	"to ADDRESS"		who gets a packet
 */
struct scenario {
	const char *file;
	const char *title;
	const struct network *networks;
	size_t n_networks;
	const char *const *script;
};

/* What site-3 knows: the hubs, and what lies behind them. */
static const struct network site_networks[] = {
	{"0.0.0.0/0", RIB_RELEASE, false, {"hub-a>dc", "hub-b>dc"}},
	{"10.10.0.1/32", RIB_FALL_BACK, true, {"hub-a"}},
	{"10.10.0.2/32", RIB_FALL_BACK, true, {"hub-b"}},
	{"10.20.1.0/24", RIB_FALL_BACK, false, {"hub-a>site-1", "hub-b>site-1"}},
	{"10.20.2.0/24", RIB_HOLD, false, {"hub-a>site-2", "hub-b>site-2"}},
	{"10.30.0.0/24", RIB_FALL_BACK, false, {"hub-a", "hub-b>hub-a"}},
	{"10.99.0.0/24", RIB_FALL_BACK, false, {"hub-a>client"}},
	{"192.0.2.53/32", RIB_FALL_BACK, false,
		{"hub-a>site-1 10", "hub-b>site-1 10", "hub-a>site-2 20", "hub-b>site-2 20"}},
	{"fd20:1::/48", RIB_FALL_BACK, false, {"hub-a>site-1", "hub-b>site-1"}},
};

static const char *const site_script[] = {
	"# Start: the hubs come up, hub-b first",
	"hub-b up",
	"hub-a up",
	"why 10.20.1.0/24",
	"why 192.0.2.53/32",
	"# Cut: hub-a dies. What only hub-a reaches is withdrawn, the rest moves to hub-b",
	"hub-a down",
	"why 10.99.0.0/24",
	"to 10.99.0.7",
	"# Return: hub-a is last resort during its hold time, which is enough for the client "
	"behind it",
	"hub-a last-resort",
	"why 10.20.1.0/24",
	"# The hold time ends",
	"hub-a up",
	"# Drain of hub-a, and its end",
	"hub-a last-resort",
	"why 10.30.0.0/24",
	"hub-a up",
	"# Drain of both hubs at once: the better one again",
	"hub-a last-resort, hub-b last-resort",
	"why 10.20.1.0/24",
	"hub-a up, hub-b up",
	"# A flap within one step is no event",
	"hub-a down, hub-a up",
	"# All is lost, hub by hub: hold keeps hub-b, release gives its route back",
	"hub-a down",
	"hub-b down",
	"why 10.20.2.0/24",
	"why 10.10.0.2/32",
	"to 10.20.2.7",
	"to 10.20.1.7",
	"# hub-a lives again",
	"hub-a last-resort",
	NULL,
};

/* What hub-a knows: every site directly, and hub-b as another way to most. */
static const struct network hub_networks[] = {
	{"10.10.0.11/32", RIB_FALL_BACK, true, {"site-1"}},
	{"10.20.0.0/16", RIB_FALL_BACK, false, {"dc", "hub-b>dc"}},
	{"10.20.1.0/24", RIB_FALL_BACK, false, {"site-1", "hub-b>site-1"}},
	{"10.20.7.0/24", RIB_FALL_BACK, false, {"client"}},
	{"192.0.2.53/32", RIB_FALL_BACK, false,
		{"site-1 10", "hub-b>site-1 10", "site-2 20", "hub-b>site-2 20"}},
};

static const char *const hub_script[] = {
	"# Start",
	"hub-b up, site-1 up, site-2 up, site-3 up, dc up, client up",
	"why 192.0.2.53/32",
	"to 192.0.2.53",
	"# An anycast origin dies: the way to it through hub-b has the better metric, yet site-2 "
	"gets all",
	"site-1 down",
	"why 192.0.2.53/32",
	"why 10.20.1.0/24",
	"# The other origin drains: still better than a dead one, and no better through hub-b",
	"site-2 last-resort",
	"why 192.0.2.53/32",
	"# It dies, too: hub-b may know better",
	"site-2 down",
	"why 192.0.2.53/32",
	"# Both return",
	"site-1 last-resort, site-2 last-resort",
	"why 10.20.1.0/24",
	"site-1 up, site-2 up",
	"# An anycast origin drains: the other one takes over, and what site-1 alone has stays "
	"where it is",
	"site-1 last-resort",
	"why 192.0.2.53/32",
	"site-1 up",
	"# Nested fall-back: a dead specific falls back to its cover, on another peer",
	"to 10.20.7.1",
	"client down",
	"to 10.20.7.1",
	"dc down",
	"to 10.20.7.1",
	"hub-b down",
	"to 10.20.7.1",
	"dc up",
	"to 10.20.7.1",
	"client up",
	"to 10.20.7.1",
	NULL,
};

/* Covers of a specific, as hub-a knows them: what its packets would meet decides. */
static const struct network cover_networks[] = {
	{"10.0.0.0/8", RIB_FALL_BACK, false, {"site-3"}},
	{"10.20.0.0/16", RIB_HOLD, false, {"dc"}},
	{"10.20.1.0/24", RIB_FALL_BACK, false, {"site-1", "hub-b>site-1"}},
	{"fd20::/32", RIB_HOLD, false, {"dc"}},
	{"fd20:0:1::/48", RIB_FALL_BACK, false, {"site-1", "hub-b>site-1"}},
	{"fd30::/32", RIB_RELEASE, false, {"site-1", "hub-b>site-1"}},
	{"fd30:0:1::/48", RIB_FALL_BACK, false, {"site-2", "hub-b>site-2"}},
};

static const char *const cover_script[] = {
	"# Start",
	"hub-b up, site-1 up, site-2 up, site-3 up, dc up",
	"# The covers' owner dies and is held: it carries nothing, whatever stands around it",
	"dc down",
	"# The specific's origin dies: its detour serves",
	"site-1 down",
	"why 10.20.1.0/24",
	"to 10.20.1.1",
	"# A cover that is a detour itself is no better",
	"site-2 down",
	"why fd30:0:1::/48",
	"# The held one lives again, in its hold time: the cover carries the packets",
	"dc last-resort",
	"why 10.20.1.0/24",
	"to 10.20.1.1",
	"to fd20:0:1::1",
	"# And dies again",
	"dc down",
	"to fd20:0:1::1",
	NULL,
};

static const struct scenario scenarios[] = {
	{"rib_site.txt", "The RIB of site-3", site_networks, ARRAY_SIZE(site_networks),
		site_script},
	{"rib_hub.txt", "The RIB of hub-a", hub_networks, ARRAY_SIZE(hub_networks), hub_script},
	{"rib_cover.txt", "Covers, in the RIB of hub-a", cover_networks, ARRAY_SIZE(cover_networks),
		cover_script},
};

struct trace {
	struct rib *rib;
	struct rib_diff diff;
	struct buf out;
};

static uint32_t node_of(const char *name, size_t len)
{
	for (uint32_t i = 0; i < ARRAY_SIZE(nodes); i++)
		if (strlen(nodes[i].name) == len && !memcmp(nodes[i].name, name, len))
			return i;
	fail_msg("no node %.*s", (int)len, name);
	return 0;
}

static struct rib_candidate candidate_of(const char *text)
{
	struct rib_candidate c = {.distance = RIB_DISTANCE_INVENTORY};
	size_t len = strcspn(text, "> ");

	c.peer = c.origin = node_of(text, len);
	text += len;
	if (*text == '>') {
		len = strcspn(++text, " ");
		c.origin = node_of(text, len);
		c.transit = true;
		c.hub_metric = nodes[c.peer].metric;
		text += len;
	}
	c.metric = (uint32_t)strtoul(text, NULL, 10);
	c.place = c.peer;
	c.origin_place = c.origin;
	return c;
}

static void print_owners(struct trace *t, const struct rib_owners *o)
{
	if (!o->n)
		buf_puts(&t->out, "nobody");
	for (unsigned i = 0; i < o->n; i++)
		buf_printf(&t->out, "%s%s", i ? "+" : "", nodes[o->peer[i]].name);
}

static void print_diff(struct trace *t)
{
	char text[IP_PREFIX_STRLEN];
	AUTO_FREE struct rib_change *changes = NULL;
	size_t n = rib_diff_list(&t->diff, &changes);

	if (!n)
		buf_puts(&t->out, "    no change\n");
	for (size_t i = 0; i < n; i++) {
		const struct rib_turn *c = &changes[i].turn;

		buf_printf(&t->out, "    %-16s ", ip_prefix_format(&changes[i].prefix, text));
		print_owners(t, &c->old_owners);
		buf_puts(&t->out, " -> ");
		print_owners(t, &c->owners);
		if (c->why != RIB_WINS)
			buf_printf(&t->out, ", %s", rib_reason_name(c->why));
		if (c->route != c->old_route)
			buf_puts(&t->out, c->route ? ", route set" : ", route withdrawn");
		buf_putc(&t->out, '\n');
	}
}

static void load(struct trace *t, const struct network *networks, size_t n)
{
	struct rib_candidate candidates[MAX_CANDIDATES];
	struct rib_event ev;

	for (size_t i = 0; i < n; i++) {
		memset(&ev, 0, sizeof(ev));
		ev.type = RIB_EVENT_PREFIX;
		assert_true(ip_prefix_parse(&ev.u.prefix.prefix, networks[i].prefix));
		while (networks[i].candidates[ev.u.prefix.n]) {
			candidates[ev.u.prefix.n] =
				candidate_of(networks[i].candidates[ev.u.prefix.n]);
			ev.u.prefix.n++;
		}
		ev.u.prefix.candidates = candidates;
		ev.u.prefix.on_dead = networks[i].on_dead;
		ev.u.prefix.pinned = networks[i].pinned;
		rib_step(t->rib, &ev, 1, &t->diff);
		print_diff(t);
	}
}

static enum rib_state state_of(const char *text, size_t len)
{
	static const char *const names[] = {
		[RIB_DOWN] = "down", [RIB_LAST_RESORT] = "last-resort", [RIB_UP] = "up"};

	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strlen(names[i]) == len && !memcmp(names[i], text, len))
			return (enum rib_state)i;
	fail_msg("no state %.*s", (int)len, text);
	return RIB_DOWN;
}

static void run_step(struct trace *t, const char *line)
{
	struct rib_event events[ARRAY_SIZE(nodes)] = {{0}};
	size_t n = 0, len;

	buf_printf(&t->out, "  %s\n", line);
	for (;; n++) {
		assert_true(n < ARRAY_SIZE(events));
		len = strcspn(line, " ");
		events[n].type = RIB_EVENT_PEER;
		events[n].u.peer.id = node_of(line, len);
		line += len + 1;
		len = strcspn(line, ",");
		events[n].u.peer.state = state_of(line, len);
		line += len;
		if (!*line)
			break;
		line += 2;
	}
	rib_step(t->rib, events, n + 1, &t->diff);
	print_diff(t);
}

static void print_why(struct trace *t, const char *text)
{
	struct rib_answer a;
	ip_prefix p;

	buf_printf(&t->out, "  why %s\n", text);
	assert_true(ip_prefix_parse(&p, text));
	assert_true(rib_explain(t->rib, &p, &a));
	for (size_t i = 0; i < a.n; i++) {
		const struct rib_candidate *c = &a.candidates[i];

		buf_printf(&t->out, "    %s", nodes[c->peer].name);
		if (c->transit)
			buf_printf(&t->out, " to %s", nodes[c->origin].name);
		if (c->metric)
			buf_printf(&t->out, ", metric %u", (unsigned)c->metric);
		buf_printf(&t->out, ": %s\n", rib_reason_name(a.reasons[i]));
	}
}

static void print_lookup(struct trace *t, const char *text)
{
	char prefix[IP_PREFIX_STRLEN];
	struct rib_answer a;
	ip_addr addr;

	assert_true(ip_addr_parse(&addr, text));
	buf_printf(&t->out, "  to %s: ", text);
	if (!rib_lookup(t->rib, &addr, &a)) {
		buf_puts(&t->out, "nobody\n");
		return;
	}
	print_owners(t, &a.owners);
	buf_printf(&t->out, ", by %s\n", ip_prefix_format(&a.prefix, prefix));
}

static void run_script(struct trace *t, const char *const *script)
{
	for (; *script; script++) {
		if (!strncmp(*script, "# ", 2))
			buf_printf(&t->out, "\n%s\n", *script);
		else if (!strncmp(*script, "why ", 4))
			print_why(t, *script + 4);
		else if (!strncmp(*script, "to ", 3))
			print_lookup(t, *script + 3);
		else
			run_step(t, *script);
	}
}

static void write_golden(const char *path, const struct buf *trace)
{
	FILE *f = fopen(path, "w");

	if (!f || fwrite(trace->data, 1, trace->n, f) != trace->n || fclose(f))
		fail_msg("%s: %s", path, strerror(errno));
}

static void compare_golden(const char *path, const struct buf *trace)
{
	FILE *f = fopen(path, "r");
	AUTO_BUF want = {0};
	size_t at = 0, line = 1;

	if (!f)
		fail_msg("%s: %s", path, strerror(errno));
	while (!feof(f) && !ferror(f))
		want.n += fread(buf_room(&want, 4096), 1, 4096, f);
	fclose(f);
	for (; at < want.n && at < trace->n && want.data[at] == trace->data[at]; at++)
		line += trace->data[at] == '\n';
	if (at != want.n || at != trace->n) {
		print_message("%s", buf_str(trace));
		fail_msg("%s:%zu differs from the trace above", path, line);
	}
}

static void test_scenario(void **state)
{
	const struct scenario *s = *state;
	struct trace t = {.rib = rib_new(1, NULL, NULL)};
	AUTO_FREE char *path = mem_printf("%s/%s", GOLDEN_DIR, s->file);

	buf_printf(&t.out, "%s\n\n# The inventory is read, no peer has been heard of\n", s->title);
	load(&t, s->networks, s->n_networks);
	run_script(&t, s->script);
	if (getenv("SHUNT_GOLDEN_WRITE"))
		write_golden(path, &t.out);
	compare_golden(path, &t.out);
	buf_done(&t.out);
	rib_diff_done(&t.diff);
	rib_free(t.rib);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(scenarios)];
	struct scenario copies[ARRAY_SIZE(scenarios)];

	memcpy(copies, scenarios, sizeof(copies));
	for (size_t i = 0; i < ARRAY_SIZE(scenarios); i++)
		tests[i] = (struct CMUnitTest){.name = copies[i].file,
			.test_func = test_scenario,
			.initial_state = &copies[i]};
	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
#include "daemon/lines.h"

#include "base/buf.h"

struct search {
	const struct lines_facts *f;
	instant now;
	lines_fn *fn;
	void *data;
	VEC(uint32_t) hubs; /* peers whose word counts; ids */
	unsigned left;	    /* lines that may still be told: who lost all his has one trouble */
};

#define LINES_MAX 20

static const char *name_of(const struct search *s, uint32_t id)
{
	return names_text(&s->f->gen->names, id);
}

static uint32_t self_id(const struct search *s)
{
	return s->f->gen->ids[s->f->gen->self->index];
}

/* --- what is known of a line ---------------------------------------------------------------------
 */

/* We, or a hub. */
static struct reports_line line_between(const struct search *s, uint32_t who, uint32_t node)
{
	return who == self_id(s) ? reports_own_line(s->f->reports, node)
				 : reports_line_of(s->f->reports, who, node);
}

static bool says(const struct search *s, uint32_t who, uint32_t node, enum live_line line)
{
	struct reports_line l = line_between(s, who, node);

	return who != node && l.line == line;
}

static bool says_for_long(const struct search *s, uint32_t who, uint32_t node, enum live_line line)
{
	return says(s, who, node, line) &&
	       instant_diff(s->now, line_between(s, who, node).since) >= LINES_QUIET;
}

static bool has(const struct search *s, uint32_t who, uint32_t node)
{
	return says(s, who, node, LIVE_LINE_UP) || says(s, who, node, LIVE_LINE_POOR);
}

/* Somebody has it, or it speaks to us though it doesn't hear us. */
static bool lives(const struct search *s, uint32_t node)
{
	if (has(s, self_id(s), node))
		return true;
	for (size_t i = 0; i < s->hubs.n; i++)
		if (has(s, s->hubs.items[i], node))
			return true;
	return generation_peer_by_id(s->f->gen, node) && s->f->is_heard(node, s->f->data);
}

/* Somebody other than we could know it. */
static bool can_be_known(const struct search *s, uint32_t node)
{
	for (size_t i = 0; i < s->hubs.n; i++)
		if (s->hubs.items[i] != node &&
			line_between(s, s->hubs.items[i], node).line != LIVE_LINE_UNKNOWN)
			return true;
	return false;
}

/* --- in words ------------------------------------------------------------------------------------
 */

struct relay {
	uint32_t by;
	bool is_known; /* something of it stands in the RIB */
	bool is_reached;
};

/* By whom the node is reached from here: its networks, else its address. */
static struct relay relay_to(const struct search *s, uint32_t node)
{
	const struct generation *g = s->f->gen;
	const struct mesh_view *v = &g->view;
	struct relay r = {0};
	struct rib_answer a;

	for (size_t i = 0; i < v->n_candidates; i++) {
		const struct mesh_candidate *c = &v->candidates[i];

		if (g->ids[c->origin] != node || (r.is_known && c->address) ||
			!rib_explain(s->f->rib, &c->prefix, &a) || a.pinned)
			continue;
		r = (struct relay){.is_known = true, .is_reached = a.owners.n};
		if (a.owners.n)
			r.by = a.owners.peer[0];
		if (!c->address)
			break;
	}
	return r;
}

/* What becomes of the traffic from here to the node. */
static void put_relay(const struct search *s, uint32_t node, struct buf *text)
{
	struct relay r = relay_to(s, node);

	if (!r.is_known)
		return;
	if (!r.is_reached)
		buf_printf(text, "; from here nothing reaches %s", name_of(s, node));
	else if (r.by != node)
		buf_printf(text, "; from here %s is reached by way of %s", name_of(s, node),
			name_of(s, r.by));
}

static void put_look(const struct search *s, uint32_t a, uint32_t b, struct buf *text)
{
	const struct mesh_inventory *inv = s->f->gen->inv;
	int64_t place = reports_place(s->f->reports, b);

	buf_printf(text,
		"look at the way between the two: on both, `tcpdump -ni any udp port %u` shows "
		"what comes from the other, and `ping` between the addresses outside what is lost",
		place < 0 ? 51820 : (unsigned)inv->nodes[place].listen_port);
}

static bool is_hub(const struct search *s, uint32_t node)
{
	int64_t place = reports_place(s->f->reports, node);

	return place >= 0 && s->f->gen->inv->nodes[place].role == MESH_HUB;
}

static void tell_line(
	struct search *s, enum lines_kind kind, uint32_t who, uint32_t node, const char *is)
{
	bool turns = !is_hub(s, who) && is_hub(s, node);
	struct lines_trouble t = {.kind = kind,
		.a = name_of(s, turns ? node : who),
		.b = name_of(s, turns ? who : node)};
	AUTO_BUF what = {0};
	AUTO_BUF fix = {0};

	if (!s->left)
		return;
	s->left--;
	buf_printf(&what, "the line between %s and %s %s", t.a, t.b, is);
	put_relay(s, node, &what);
	put_look(s, who, node, &fix);
	t.what = buf_str(&what);
	t.fix = buf_str(&fix);
	s->fn(&t, s->data);
}

/* --- lines ---------------------------------------------------------------------------------------
 */

/* The other end says the same, and its word is the one that is told. */
static bool is_told_by_other(
	const struct search *s, uint32_t who, uint32_t node, enum live_line line)
{
	bool speaks = node == self_id(s);

	for (size_t i = 0; !speaks && i < s->hubs.n; i++)
		speaks = s->hubs.items[i] == node;
	if (!speaks || !says_for_long(s, node, who, line))
		return false;
	return node == self_id(s) ||
	       (who != self_id(s) &&
		       reports_place(s->f->reports, node) < reports_place(s->f->reports, who));
}

static void look_at_line(struct search *s, uint32_t who, uint32_t node)
{
	if (says_for_long(s, who, node, LIVE_LINE_POOR) &&
		!is_told_by_other(s, who, node, LIVE_LINE_POOR))
		tell_line(s, LINES_POOR, who, node,
			"loses packets, or breaks down again and again: it is the last resort of "
			"both until it has been clean for a while");
	if (!says_for_long(s, who, node, LIVE_LINE_LOST) ||
		is_told_by_other(s, who, node, LIVE_LINE_LOST))
		return;
	if (lives(s, node))
		tell_line(s, LINES_DEAD, who, node, "is down, though both live");
}

/* One hub alone can't tell a dead site from a dead line. */
static void look_at_own_line(struct search *s, uint32_t node)
{
	bool is_seen = false;

	if (s->f->gen->self->role != MESH_HUB || is_hub(s, node) ||
		!says(s, self_id(s), node, LIVE_LINE_LOST) || lives(s, node) ||
		can_be_known(s, node))
		return;
	for (size_t i = 0; i < s->f->gen->n_peers; i++)
		is_seen |= has(s, self_id(s), s->f->gen->peers[i].id);
	if (is_seen)
		tell_line(s, LINES_DEAD, self_id(s), node,
			"is down, or the latter is; nobody here could tell");
}

static void find_lines(struct search *s)
{
	const struct generation *g = s->f->gen;

	for (size_t i = 0; i < g->inv->n_nodes; i++) {
		uint32_t node = g->ids[i];

		if (node == self_id(s) || g->inv->nodes[i].role == MESH_CLIENT)
			continue;
		look_at_line(s, self_id(s), node);
		look_at_own_line(s, node);
		for (size_t k = 0; k < s->hubs.n; k++)
			look_at_line(s, s->hubs.items[k], node);
	}
}

/* --- inventories ---------------------------------------------------------------------------------
 */

enum age { OLDER, NEWER, AS_OLD, N_AGES };

#define NAMES_MAX 3

struct others {
	struct buf names;
	size_t n;
	int64_t differs_s; /* of the first */
};

static enum age age_of(const struct search *s, const struct reports_heard *h)
{
	int64_t ours = s->f->gen->inventory_time;

	if (!ours || !h->inventory_time || ours == h->inventory_time)
		return AS_OLD;
	return h->inventory_time < ours ? OLDER : NEWER;
}

static void add_name(struct others *o, const char *name)
{
	if (o->n < NAMES_MAX)
		buf_printf(&o->names, "%s%s", o->n ? ", " : "", name);
	o->n++;
}

static void put_span(int64_t seconds, struct buf *text)
{
	static const struct {
		int64_t seconds;
		const char *name;
	} units[] = {{86400, "day"}, {3600, "hour"}, {60, "minute"}, {1, "second"}};
	size_t i = 0;

	while (i + 1 < ARRAY_SIZE(units) && seconds < units[i].seconds)
		i++;
	seconds /= units[i].seconds;
	buf_printf(text, "%lld %s%s", (long long)seconds, units[i].name, seconds == 1 ? "" : "s");
}

static void tell_others(const struct search *s, enum age age, struct others *o)
{
	bool several = o->n > 1;
	struct lines_trouble t = {.kind = LINES_OTHER_INVENTORY};
	AUTO_BUF what = {0};
	AUTO_BUF fix = {0};

	if (o->n > NAMES_MAX)
		buf_printf(&o->names, " and %zu others", o->n - NAMES_MAX);
	buf_printf(&what, "%s %s another inventory than this node", buf_str(&o->names),
		several ? "run" : "runs");
	if (age != AS_OLD) {
		buf_printf(&what, ", %s by ", age == OLDER ? "older" : "newer");
		put_span(o->differs_s, &what);
	}
	buf_puts(&what, ": what the two say differently may lose packets");
	if (age == NEWER)
		buf_printf(&fix, "bring the newer one to %s here, then `shunt reload`", s->f->file);
	else if (age == OLDER)
		buf_printf(&fix, "bring %s to %s, then `shunt reload` there", s->f->file,
			buf_str(&o->names));
	else
		buf_puts(&fix, "bring one file to all nodes, then `shunt reload` on each");
	t.what = buf_str(&what);
	t.fix = buf_str(&fix);
	s->fn(&t, s->data);
}

static void find_inventories(const struct search *s)
{
	const struct generation *g = s->f->gen;
	struct others others[N_AGES] = {0};

	for (size_t i = 0; i < g->n_peers; i++) {
		struct reports_heard h;
		enum age age;

		if (!reports_heard(s->f->reports, g->peers[i].id, &h) || h.is_of_our_inventory ||
			instant_diff(s->now, h.other_since) < LINES_ROLL_OUT)
			continue;
		age = age_of(s, &h);
		if (!others[age].n)
			others[age].differs_s = h.inventory_time > g->inventory_time
							? h.inventory_time - g->inventory_time
							: g->inventory_time - h.inventory_time;
		add_name(&others[age], g->peers[i].node->name);
	}
	for (unsigned age = 0; age < N_AGES; age++) {
		if (others[age].n)
			tell_others(s, (enum age)age, &others[age]);
		buf_done(&others[age].names);
	}
}

/* --- all of it -----------------------------------------------------------------------------------
 */

void lines_find(const struct lines_facts *f, instant now, lines_fn *fn, void *data)
{
	struct search s = {.f = f, .now = now, .fn = fn, .data = data, .left = LINES_MAX};
	struct reports_heard h;

	for (size_t i = 0; i < f->gen->n_peers; i++) {
		const struct generation_peer *p = &f->gen->peers[i];

		if (p->node->role == MESH_HUB && rib_peer_state(f->rib, p->id) != RIB_DOWN &&
			reports_heard(f->reports, p->id, &h))
			vec_push(&s.hubs, p->id);
	}
	find_lines(&s);
	find_inventories(&s);
	vec_done(&s.hubs);
}

/* SPDX-License-Identifier: MIT */
/*
 * BIRD 2. Things in it that need care:
 *
 * On a point-to-point interface BIRD drops the gateway of a next hop that resolves through a route
 * without one, and then nobody can tell the peer from the kernel's route. So next hops are resolved
 * by the signals alone, which have one, in tables of their own (igp table), and sessions are
 * `multihop 1`: `direct` ones wait for ever on an interface that has a host address.
 *
 * The protocols' names tell where a route comes from: what came by shunt_site* and shunt_new* is
 * passed on by a hub.
 */
#include "mesh/render_routing.h"
#include "mesh/render_routing_internal.h"
#include <stdio.h>

/* ROUTING_MARK_NEW as BIRD writes it. */
#define NEW_MARK "(4200000000, 213, 1)"

static const int families[] = {AF_INET, AF_INET6};

static int digit(int family)
{
	return family == AF_INET ? 4 : 6;
}

/* --- sets of prefixes ------------------------------------------------------------------------ */

/* Entries one by one, some to a line; `[` before the first and `]` after the last. */
struct set {
	struct buf *out;
	size_t n;
};

static void add_entry(struct set *s, const ip_prefix *p, const char *pattern)
{
	char text[IP_PREFIX_STRLEN];

	buf_puts(s->out, s->n == 0 ? "[ " : s->n % 4 ? ", " : ",\n\t\t");
	buf_printf(s->out, "%s%s", ip_prefix_format(p, text), pattern);
	s->n++;
}

static const ip_prefix *default_route(int family)
{
	static const ip_prefix v4 = {.family = AF_INET}, v6 = {.family = AF_INET6};

	return family == AF_INET ? &v4 : &v6;
}

/* What the entries permit, of which there is one. */
static void add_permits(const struct permits *p, struct buf *out)
{
	struct set s = {out, 0};
	char pattern[16];

	if (p->has_default)
		add_entry(&s, default_route(p->family), "");
	for (size_t i = 0; i < p->items.n; i++) {
		const struct permit *item = &p->items.items[i];

		snprintf(
			pattern, sizeof(pattern), "{%u,%u}", item->from, ip_family_bits(p->family));
		add_entry(&s, &item->prefix, item->from == item->prefix.len ? "+" : pattern);
	}
	buf_puts(out, " ]");
}

/* What holds one of the entries or lies within it, and default routes. */
static void add_overlaps(const struct permits *p, struct buf *out)
{
	struct set s = {out, 0};
	char pattern[16];

	snprintf(pattern, sizeof(pattern), "{0,%u}", ip_family_bits(p->family));
	add_entry(&s, default_route(p->family), "");
	for (size_t i = 0; i < p->items.n; i++)
		add_entry(&s, &p->items.items[i].prefix, pattern);
	buf_puts(out, " ]");
}

static void add_within(const char *name, const struct permits *p, const char *what, struct buf *out)
{
	buf_printf(
		out, "\n# %s\nfunction shunt_%s%d()\n{\n\treturn ", what, name, digit(p->family));
	if (permits_is_empty(p)) {
		buf_puts(out, "false");
	} else {
		buf_puts(out, "net ~ ");
		add_permits(p, out);
	}
	buf_puts(out, ";\n}\n");
}

/* --- filters --------------------------------------------------------------------------------- */

void routing_bird_shared(const struct routing_shared *s, struct buf *out)
{
	add_within("mesh", &s->mesh, "What any node may announce.", out);
	add_within("never", &s->never,
		"Overlay addresses, endpoints, and what is nobody's network.", out);
	buf_printf(out,
		"\n# Apart from all that: of a node that is newer than this file.\n"
		"function shunt_unknown%d()\n{\n\treturn net !~ ",
		digit(s->mesh.family));
	add_overlaps(&s->mesh, out);
	buf_puts(out, ";\n}\n");
}

static void add_functions(const struct routing_node *n, int family, struct buf *out)
{
	const struct buf *shared = n->shared[family == AF_INET6];
	int d = digit(family);

	buf_add(out, shared->data, shared->n);
	add_within("own", &n->own[family == AF_INET6], "What this node may announce.", out);
	buf_printf(out,
		"\n# Of this node: what the kernel has or another protocol gave.\n"
		"function shunt_local%d()\n{\n"
		"\tif source = RTS_BGP && proto ~ \"shunt_*\" then return false;\n"
		"\treturn shunt_own%d() && !shunt_never%d();\n}\n",
		d, d, d);
}

static void add_import(const struct routing_node *n, int d, struct buf *out)
{
	buf_printf(out,
		"\n# Behind what the announcing node gives itself, also in one AS.\n"
		"filter shunt_from_hub%d {\n"
		"\tif shunt_never%d() then reject;\n"
		"\tbgp_local_pref = %d;\n"
		"\tif shunt_mesh%d() then accept;\n"
		"\tif bgp_large_community ~ [" NEW_MARK "] && shunt_unknown%d() then accept;\n"
		"\treject;\n}\n",
		d, d, ROUTING_BY_HUB, d, d);
	if (!routing_is_hub(n))
		return;
	buf_printf(out,
		"\nfilter shunt_from_new%d {\n"
		"\tif shunt_never%d() || !shunt_unknown%d() then reject;\n"
		"\tbgp_large_community.add(" NEW_MARK ");\n"
		"\taccept;\n}\n",
		d, d, d);
}

static void add_export(const struct routing_node *n, int d, struct buf *out)
{
	buf_printf(out, "\nfilter shunt_to%d {\n", d);
	if (routing_is_hub(n))
		buf_puts(out,
			"\tif proto ~ \"shunt_site*\" || proto ~ \"shunt_new*\" then accept;\n");
	buf_printf(out, "\tif shunt_local%d() then accept;\n\treject;\n}\n", d);
}

/* For the main table's protocol, ours or an operator's own. */
static void add_kernel_filters(const struct routing_node *n, int d, struct buf *out)
{
	buf_printf(out,
		"\n# What the kernel has of this node's networks, but not from shuntd or through "
		"the "
		"mesh.\n"
		"filter shunt_learn%d {\n"
		"\tif krt_source = %d || ifname = \"%s\" || !shunt_own%d() then reject;\n"
		"\tpreference = 200;\n"
		"\taccept;\n}\n\n"
		"filter shunt_kernel%d {\n"
		"\tif source = RTS_BGP && proto ~ \"shunt_*\" then accept;\n"
		"\treject;\n}\n",
		d, ROUTING_OUR_PROTOCOL, n->self->interface, d, d);
}

static void add_signals(const struct routing_node *n, int family, struct buf *out)
{
	int d = digit(family);

	buf_printf(out,
		"\nipv%d table shunt_peers%d;\n"
		"protocol kernel shunt_signal%d {\n"
		"\tkernel table %u;\n\tlearn;\n\tscan time 20;\n\tnetlink rx buffer 16777216;\n"
		"\tipv%d { table shunt_peers%d; import where krt_source = %d; export none; };\n}\n",
		d, d, d, mesh_signal_table(n->self->interface), d, d, ROUTING_OUR_PROTOCOL);
}

/* --- sessions -------------------------------------------------------------------------------- */

static void add_group_name(const struct neighbour_group *g, struct buf *out)
{
	static const char *const kinds[] = {"hub", "site", "new"};

	buf_printf(out, "shunt_%s%d%s%s", kinds[g->kind], digit(g->family),
		g->internal ? "_internal" : "", g->both ? "_both" : "");
}

static bool is_client(const struct routing_node *n, const struct neighbour_group *g)
{
	return g->internal && routing_is_hub(n) && g->kind != NEIGHBOUR_HUB;
}

static void add_channel(const struct neighbour_group *g, int family, struct buf *out)
{
	int d = digit(family);

	buf_printf(
		out, "\tipv%d {\n\t\tigp table shunt_peers%d;\n\t\timport ", d, digit(g->family));
	if (g->kind == NEIGHBOUR_SITE)
		buf_puts(out, "none");
	else
		buf_printf(
			out, "filter shunt_from_%s%d", g->kind == NEIGHBOUR_HUB ? "hub" : "new", d);
	buf_printf(out, ";\n\t\texport filter shunt_to%d;\n\t\tnext hop self;\n", d);
	if (family != g->family)
		buf_puts(out, "\t\textended next hop on;\n");
	buf_puts(out, "\t};\n");
}

static void add_template(
	const struct routing_node *n, const struct neighbour_group *g, struct buf *out)
{
	char local[IP_ADDR_STRLEN];
	/* BIRD waits with its own recovery for each that has it, and who only listens never comes.
	 */
	const char *graceful = g->kind == NEIGHBOUR_NEW ? "off" : "on";

	buf_puts(out, "\ntemplate bgp ");
	add_group_name(g, out);
	buf_printf(out,
		" {\n\tlocal %s as %u;\n\tmultihop 1;\n\thold time %d;\n\tkeepalive time %d;\n"
		"\tconnect delay time 1;\n\tconnect retry time 1;\n"
		"\terror wait time 1, 2;\n\terror forget time 2;\n"
		"\tgraceful restart %s;\n\tgraceful restart time %d;\n",
		ip_addr_format(&g->local, local), n->asn, ROUTING_HOLD, ROUTING_KEEPALIVE, graceful,
		ROUTING_RESTART);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (neighbours_carry(g, families[i]))
			add_channel(g, families[i], out);
	buf_puts(out, "}\n");
}

/* What a site may announce is its own session's filter. */
static void add_site_imports(
	const struct neighbour_group *g, const struct mesh_node *node, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		int d = digit(families[i]);
		struct permits own;

		if (!neighbours_carry(g, families[i]))
			continue;
		permits_init(&own, families[i]);
		permits_add_node(&own, node);
		permits_sort(&own);
		if (!permits_is_empty(&own)) { /* else none, as the template has it */
			buf_printf(out, "\tipv%d { import where !shunt_never%d() && net ~ ", d, d);
			add_permits(&own, out);
			buf_puts(out, "; };\n");
		}
		permits_done(&own);
	}
}

static void add_member(const struct routing_node *n, const struct neighbour_group *g,
	const struct neighbour *member, struct buf *out)
{
	const struct mesh_node *node = &n->inv->nodes[member->node];
	char name[ROUTING_NAME_MAX], remote[IP_ADDR_STRLEN];

	buf_printf(out, "\nprotocol bgp shunt_%s%d_%s from ",
		g->kind == NEIGHBOUR_HUB ? "hub" : "site", digit(g->family),
		routing_safe_name(node->name, name));
	add_group_name(g, out);
	buf_printf(out, " {\n\tneighbor %s as %u;\n", ip_addr_format(&member->remote, remote),
		mesh_asn(node));
	if (is_client(n, g))
		buf_puts(out, "\trr client;\n");
	if (g->kind == NEIGHBOUR_SITE)
		add_site_imports(g, node, out);
	buf_puts(out, "}\n");
}

static void add_ranges(
	const struct routing_node *n, const struct neighbour_group *g, struct buf *out)
{
	char text[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < n->inv->n_overlays; i++) {
		const ip_prefix *overlay = &n->inv->overlays[i].prefix;

		if (overlay->family != g->family)
			continue;
		buf_printf(
			out, "\nprotocol bgp shunt_new%d_range%zu from ", digit(g->family), i + 1);
		add_group_name(g, out);
		buf_printf(out,
			" {\n\tneighbor range %s %s;\n\tdynamic name \"shunt_new%d_%zu_\";\n",
			ip_prefix_format(overlay, text), g->internal ? "internal" : "external",
			digit(g->family), i + 1);
		if (is_client(n, g))
			buf_puts(out, "\trr client;\n");
		buf_puts(out, "}\n");
	}
}

static void add_group(
	const struct routing_node *n, const struct neighbour_group *g, struct buf *out)
{
	add_template(n, g, out);
	for (size_t i = 0; i < g->members.n; i++)
		add_member(n, g, &g->members.items[i], out);
	if (g->kind == NEIGHBOUR_NEW)
		add_ranges(n, g, out);
}

void routing_bird_body(const struct routing_node *n, struct buf *out)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		add_functions(n, families[i], out);
		add_import(n, digit(families[i]), out);
		add_export(n, digit(families[i]), out);
		add_kernel_filters(n, digit(families[i]), out);
	}
	buf_puts(out,
		"\n# Which peers live, from shuntd: next hops of sessions are resolved by these "
		"alone.\n");
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		add_signals(n, families[i], out);
	for (size_t i = 0; i < n->groups.n; i++)
		add_group(n, &n->groups.items[i], out);
}

static void add_main_table(const struct routing_node *n, int family, struct buf *out)
{
	const struct mesh_routing *r = &n->self->routing;
	int d = digit(family);

	buf_printf(out, "\nprotocol kernel shunt_main%d {\n", d);
	if (r->n_tables && r->tables[0] != ROUTING_MAIN_TABLE)
		buf_printf(out, "\tkernel table %u;\n", r->tables[0]);
	buf_printf(out,
		"\tlearn;\n\tgraceful restart;\n\tmerge paths on limit %d;\n\tscan time 20;\n"
		"\tnetlink rx buffer 16777216;\n"
		"\tipv%d { import filter shunt_learn%d; export filter shunt_kernel%d; };\n}\n",
		ROUTING_PATHS, d, d, d);
}

void routing_bird_around(const struct routing_node *n, const struct buf *body, struct buf *out)
{
	ip_addr id = mesh_router_id(n->self);
	char text[IP_ADDR_STRLEN];

	buf_printf(out,
		"log syslog all;\n"
		"router id %s;\n"
		"graceful restart wait %d;\n\n"
		"protocol device { scan time 10; }\n"
		"protocol direct shunt_connected { ipv4; ipv6; interface -\"%s\", \"*\"; }\n",
		ip_addr_format(&id, text), ROUTING_RESTART, n->self->interface);
	buf_add(out, body->data, body->n);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		add_main_table(n, families[i], out);
}

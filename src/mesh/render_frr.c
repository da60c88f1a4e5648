/* SPDX-License-Identifier: MIT */
/*
 * FRR: zebra and bgpd. Things in it that need care:
 *
 * Next hops are tracked in the main table. A peer's host route stands there while the peer lives;
 * without the route-map of `ip nht` the next hop of a dead one would resolve through whatever else
 * holds the overlay.
 *
 * FRR can't ask from whom a route came when it announces it, so each import leaves a note: a large
 * community, ours alone as it begins with our AS number.
 *
 * `coalesce-time`: by default bgpd says that it has told all (End-of-RIB) before it has, and
 * whoever restarts takes the way by another hub for that second.
 *
 * `update-delay`: one that restarts waits for the End-of-RIB of those sessions that stand already.
 * Without it it says that it has told all when it has heard of the first neighbour, and the others
 * drop what it still forwards. With it, it waits for all, or for those that came in that time.
 *
 * The numbers of entries are steps of 10 in route-maps, of 5 in lists.
 */
#include "mesh/render_routing.h"
#include "mesh/render_routing_internal.h"
#include <stdio.h>
#include <string.h>

static const int families[] = {AF_INET, AF_INET6};

static int digit(int family)
{
	return family == AF_INET ? 4 : 6;
}

static const char *ip(int family)
{
	return family == AF_INET ? "ip" : "ipv6";
}

/* --- lists of prefixes ----------------------------------------------------------------------- */

/* Entries of one list, in order. */
struct list {
	struct buf *out;
	int family;
	const char *name; /* the family's digit follows, or stands before it */
	unsigned seq;
};

static void begin_entry(struct list *l, const char *what)
{
	l->seq += 5;
	buf_printf(l->out, "%s prefix-list %s seq %u %s", ip(l->family), l->name, l->seq, what);
}

/* Within the prefix, from that length on to that. */
static void add_entry(struct list *l, const ip_prefix *p, unsigned from, unsigned to)
{
	char text[IP_PREFIX_STRLEN];

	begin_entry(l, "permit ");
	buf_puts(l->out, ip_prefix_format(p, text));
	if (from > p->len)
		buf_printf(l->out, " ge %u", from);
	if (to > p->len && to > from)
		buf_printf(l->out, " le %u", to);
	buf_putc(l->out, '\n');
}

static void add_permits(struct list *l, const struct permits *p)
{
	unsigned bits = ip_family_bits(p->family);
	ip_prefix any = {.family = (uint8_t)p->family};

	if (p->has_default)
		add_entry(l, &any, 0, 0);
	for (size_t i = 0; i < p->items.n; i++)
		add_entry(l, &p->items.items[i].prefix, p->items.items[i].from, bits);
	/* An empty list would permit all. */
	if (!l->seq) {
		begin_entry(l, "deny any");
		buf_putc(l->out, '\n');
	}
}

static void add_list(const char *name, const struct permits *p, struct buf *out)
{
	char whole[32];
	struct list l = {out, p->family, whole, 0};

	snprintf(whole, sizeof(whole), "SHUNT-%s%d", name, digit(p->family));
	add_permits(&l, p);
}

/* What holds an entry of `mesh` or lies within it, and all that is shorter than the shortest. */
static void add_known(const struct routing_shared *s, struct buf *out)
{
	int family = s->mesh.family;
	unsigned shortest = permits_shortest(&s->mesh);
	ip_prefix any = {.family = (uint8_t)family};
	struct list l = {out, family, family == AF_INET ? "SHUNT-KNOWN4" : "SHUNT-KNOWN6", 0};

	add_entry(&l, &any, 0, shortest ? shortest - 1 : 0);
	for (size_t i = 0; i < s->n_covers; i++)
		add_entry(&l, &s->covers[i], 0, 0);
	for (size_t i = 0; i < s->mesh.items.n; i++)
		add_entry(&l, &s->mesh.items.items[i].prefix, 0, ip_family_bits(family));
}

/* All that could resolve an overlay address and isn't its host route. */
static void add_overlay_covers(const struct routing_node *n, int family, struct buf *out)
{
	struct list l = {out, family, family == AF_INET ? "SHUNT-COVER4" : "SHUNT-COVER6", 0};
	struct permits overlays;
	ip_prefix *covers;
	size_t n_covers;

	permits_init(&overlays, family);
	for (size_t i = 0; i < n->inv->n_overlays; i++)
		permits_add(&overlays, &n->inv->overlays[i].prefix);
	permits_sort(&overlays);
	n_covers = permits_covers(&overlays, 0, &covers);
	for (size_t i = 0; i < n_covers; i++)
		add_entry(&l, &covers[i], 0, 0);
	for (size_t i = 0; i < overlays.items.n; i++)
		add_entry(&l, &overlays.items.items[i].prefix, 0, ip_family_bits(family) - 1);
	if (!l.seq) {
		begin_entry(&l, "deny any");
		buf_putc(out, '\n');
	}
	free(covers);
	permits_done(&overlays);
}

static void member_list_name(const struct mesh_node *node, int family, char buf[static 96])
{
	char name[ROUTING_NAME_MAX];

	snprintf(buf, 96, "SHUNT%d-%s", digit(family), routing_safe_name(node->name, name));
}

/* What nodes that are no hubs may announce, each its own list. */
static void add_member_lists(const struct routing_node *n, int family, struct buf *out)
{
	for (size_t i = 0; i < n->groups.n; i++) {
		const struct neighbour_group *g = &n->groups.items[i];

		if (g->kind != NEIGHBOUR_SITE || !neighbours_carry(g, family))
			continue;
		for (size_t k = 0; k < g->members.n; k++) {
			const struct mesh_node *node = &n->inv->nodes[g->members.items[k].node];
			char name[96];
			struct list l = {out, family, name, 0};
			struct permits own;

			member_list_name(node, family, name);
			permits_init(&own, family);
			permits_add_node(&own, node);
			permits_sort(&own);
			add_permits(&l, &own);
			permits_done(&own);
		}
	}
}

void routing_frr_shared(const struct routing_shared *s, struct buf *out)
{
	buf_puts(out,
		"!\n! NEVER: overlay addresses, endpoints, and what is nobody's network. MESH: "
		"what any node may\n! announce. KNOWN: what touches that.\n");
	add_list("NEVER", &s->never, out);
	add_list("MESH", &s->mesh, out);
	add_known(s, out);
}

static void add_lists(const struct routing_node *n, int family, struct buf *out)
{
	const struct buf *shared = n->shared[family == AF_INET6];

	buf_add(out, shared->data, shared->n);
	buf_puts(out, "!\n! What this node may announce, and neighbours that are no hubs.\n");
	add_list("OWN", &n->own[family == AF_INET6], out);
	add_member_lists(n, family, out);
}

/* --- route-maps ------------------------------------------------------------------------------ */

struct map_text {
	struct buf *out;
	int family;
	const char *name;
	unsigned seq;
};

static void add_step(struct map_text *m, const char *what)
{
	m->seq += 10;
	buf_printf(m->out, "route-map SHUNT-%s%d %s %u\n", m->name, digit(m->family), what, m->seq);
}

static void match_list(const struct map_text *m, const char *list)
{
	buf_printf(m->out, " match %s address prefix-list SHUNT-%s%d\n", ip(m->family), list,
		digit(m->family));
}

static void deny_list(struct map_text *m, const char *list)
{
	add_step(m, "deny");
	match_list(m, list);
	buf_puts(m->out, "exit\n");
}

/* Of an import: what is accepted gets our note, and the mark of what is new or NULL. The next hop
 * is the global address, as its liveness is the one that is told. */
static void end_import(const struct map_text *m, uint32_t asn, int note, const char *mark)
{
	if (m->family == AF_INET6)
		buf_puts(m->out, " set ipv6 next-hop prefer-global\n");
	if (!strcmp(m->name, "FROM-HUB"))
		buf_printf(m->out, " set local-preference %d\n", ROUTING_BY_HUB);
	buf_printf(m->out, " set large-community %u:%d:%d%s%s additive\nexit\n", asn,
		ROUTING_OUR_PROTOCOL, note, mark ? " " : "", mark ? mark : "");
}

static void add_imports(const struct routing_node *n, int family, struct buf *out)
{
	struct map_text hub = {out, family, "FROM-HUB", 0}, site = {out, family, "FROM-SITE", 0},
			new = {out, family, "FROM-NEW", 0};
	bool is_hub = routing_is_hub(n);

	deny_list(&hub, "NEVER");
	add_step(&hub, "permit");
	match_list(&hub, "MESH");
	end_import(&hub, n->asn, ROUTING_MARK_STAY, NULL);
	deny_list(&hub, "KNOWN");
	add_step(&hub, "permit");
	buf_puts(out, " match large-community SHUNT-NEW\n");
	end_import(&hub, n->asn, ROUTING_MARK_STAY, NULL);

	/* The neighbour's own list stands before it. */
	deny_list(&site, "NEVER");
	add_step(&site, "permit");
	end_import(&site, n->asn, is_hub ? ROUTING_MARK_SITE : ROUTING_MARK_STAY, NULL);
	if (!is_hub)
		return;
	deny_list(&new, "NEVER");
	deny_list(&new, "KNOWN");
	add_step(&new, "permit");
	end_import(&new, n->asn, ROUTING_MARK_SITE, ROUTING_MARK_NEW);
}

static void add_exports(const struct routing_node *n, int family, struct buf *out)
{
	struct map_text to = {out, family, "TO", 0}, local = {out, family, "LOCAL", 0};

	add_step(&to, "deny");
	buf_puts(out, " match large-community SHUNT-STAY\nexit\n");
	if (routing_is_hub(n)) {
		add_step(&to, "permit");
		buf_puts(out, " match large-community SHUNT-SITE\nexit\n");
	}
	deny_list(&to, "NEVER");
	add_step(&to, "permit");
	match_list(&to, "OWN");
	buf_puts(out, "exit\n");

	add_step(&local, "deny");
	buf_printf(out, " match interface %s\nexit\n", n->self->interface);
	/* What refuses in place of a route of the mesh (fib/want.h), as zebra reads its metric: the
	 * top byte is a distance. FRR can't ask for the protocol of a kernel's route. */
	add_step(&local, "deny");
	buf_puts(out, " match metric 16777215\nexit\n");
	deny_list(&local, "NEVER");
	add_step(&local, "permit");
	match_list(&local, "OWN");
	/* As BIRD says it: those who announce the same are equals. */
	buf_puts(out, " set metric 0\n set origin igp\nexit\n");
}

static void add_tracking(const struct routing_node *n, int family, struct buf *out)
{
	struct map_text nht = {out, family, "NHT", 0};

	buf_puts(out, "!\n! An overlay address is reached by its own route, which stands while the "
		      "peer lives, or not at all.\n");
	add_overlay_covers(n, family, out);
	deny_list(&nht, "COVER");
	add_step(&nht, "permit");
	buf_printf(out, "exit\n%s nht bgp route-map SHUNT-NHT%d\nno %s nht resolve-via-default\n",
		ip(family), digit(family), ip(family));
}

static void add_communities(const struct routing_node *n, struct buf *out)
{
	buf_printf(out,
		"!\n"
		"! Notes on a route: from a node that is newer than the hub's file; not to be "
		"passed on; from a site.\n"
		"bgp large-community-list standard SHUNT-NEW seq 5 permit " ROUTING_MARK_NEW "\n"
		"bgp large-community-list standard SHUNT-STAY seq 5 permit %u:%d:%d\n"
		"bgp large-community-list standard SHUNT-SITE seq 5 permit %u:%d:%d\n",
		n->asn, ROUTING_OUR_PROTOCOL, ROUTING_MARK_STAY, n->asn, ROUTING_OUR_PROTOCOL,
		ROUTING_MARK_SITE);
}

/* --- sessions -------------------------------------------------------------------------------- */

static const char *const kinds[] = {"HUB", "SITE", "NEW"};

static char *group_name(const struct neighbour_group *g, char buf[static 32])
{
	snprintf(buf, 32, "SHUNT-%sS%d%s%s", kinds[g->kind], digit(g->family),
		g->internal ? "-INTERNAL" : "", g->both ? "-BOTH" : "");
	return buf;
}

static void add_group(
	const struct routing_node *n, const struct neighbour_group *g, struct buf *out)
{
	char name[32], local[IP_ADDR_STRLEN];

	group_name(g, name);
	buf_printf(out, " neighbor %s peer-group\n", name);
	if (g->kind == NEIGHBOUR_NEW)
		buf_printf(out, " neighbor %s remote-as %s\n", name,
			g->internal ? "internal" : "external");
	buf_printf(out,
		" neighbor %s disable-connected-check\n"
		" neighbor %s update-source %s\n"
		" neighbor %s advertisement-interval 0\n"
		" neighbor %s timers %d %d\n"
		" neighbor %s timers connect 1\n",
		name, name, ip_addr_format(&g->local, local), name, name, ROUTING_KEEPALIVE,
		ROUTING_HOLD, name);
	if (g->both)
		buf_printf(out, " neighbor %s capability extended-nexthop\n", name);
}

static void add_members(
	const struct routing_node *n, const struct neighbour_group *g, struct buf *out)
{
	char name[32], remote[IP_ADDR_STRLEN];

	group_name(g, name);
	for (size_t i = 0; i < g->members.n; i++) {
		const struct mesh_node *node = &n->inv->nodes[g->members.items[i].node];

		ip_addr_format(&g->members.items[i].remote, remote);
		buf_printf(out,
			" neighbor %s remote-as %u\n neighbor %s peer-group %s\n"
			" neighbor %s description %s\n",
			remote, mesh_asn(node), remote, name, remote, node->name);
	}
}

static void add_ranges(
	const struct routing_node *n, const struct neighbour_group *g, struct buf *out)
{
	char name[32], text[IP_PREFIX_STRLEN];

	group_name(g, name);
	for (size_t i = 0; i < n->inv->n_overlays; i++) {
		const ip_prefix *overlay = &n->inv->overlays[i].prefix;

		if (overlay->family == g->family)
			buf_printf(out, " bgp listen range %s peer-group %s\n",
				ip_prefix_format(overlay, text), name);
	}
}

/* A group's part of one family's routes. */
static void add_policy(
	const struct routing_node *n, const struct neighbour_group *g, int family, struct buf *out)
{
	int d = digit(family);
	char name[32], list[96], remote[IP_ADDR_STRLEN];

	group_name(g, name);
	buf_printf(out,
		"  neighbor %s activate\n"
		"  neighbor %s next-hop-self force\n"
		"  neighbor %s route-map SHUNT-FROM-%s%d in\n"
		"  neighbor %s route-map SHUNT-TO%d out\n",
		name, name, name, kinds[g->kind], d, name, d);
	if (g->internal && routing_is_hub(n) && g->kind != NEIGHBOUR_HUB)
		buf_printf(out, "  neighbor %s route-reflector-client\n", name);
	for (size_t i = 0; g->kind == NEIGHBOUR_SITE && i < g->members.n; i++) {
		member_list_name(&n->inv->nodes[g->members.items[i].node], family, list);
		buf_printf(out, "  neighbor %s prefix-list %s in\n",
			ip_addr_format(&g->members.items[i].remote, remote), list);
	}
}

static void add_routes(const struct routing_node *n, int family, struct buf *out)
{
	static const char *const sources[] = {"connected", "kernel", "static"};

	buf_printf(out, " address-family ipv%d unicast\n", digit(family));
	for (size_t i = 0; i < ARRAY_SIZE(sources); i++)
		buf_printf(out, "  redistribute %s route-map SHUNT-LOCAL%d\n", sources[i],
			digit(family));
	buf_printf(
		out, "  maximum-paths %d\n  maximum-paths ibgp %d\n", ROUTING_PATHS, ROUTING_PATHS);
	for (size_t i = 0; i < n->groups.n; i++)
		if (neighbours_carry(&n->groups.items[i], family))
			add_policy(n, &n->groups.items[i], family, out);
	buf_puts(out, " exit-address-family\n");
}

static void add_bgp(const struct routing_node *n, struct buf *out)
{
	ip_addr id = mesh_router_id(n->self);
	char text[IP_ADDR_STRLEN];

	buf_printf(out,
		"!\nrouter bgp %u\n"
		" bgp router-id %s\n"
		" no bgp default ipv4-unicast\n"
		" bgp bestpath as-path multipath-relax\n"
		" bgp graceful-restart\n"
		" bgp graceful-restart preserve-fw-state\n"
		" bgp graceful-restart restart-time %d\n"
		" bgp graceful-restart select-defer-time %d\n"
		" no bgp graceful-restart notification\n"
		" coalesce-time 0\n"
		" update-delay %d %d\n"
		" timers bgp %d %d\n",
		n->asn, ip_addr_format(&id, text), ROUTING_RESTART, ROUTING_RESTART / 2,
		ROUTING_RESTART / 2, ROUTING_ESTABLISH, ROUTING_KEEPALIVE, ROUTING_HOLD);
	if (routing_is_hub(n))
		buf_puts(out, " bgp listen limit 50000\n");
	for (size_t i = 0; i < n->groups.n; i++) {
		add_group(n, &n->groups.items[i], out);
		add_members(n, &n->groups.items[i], out);
		if (n->groups.items[i].kind == NEIGHBOUR_NEW)
			add_ranges(n, &n->groups.items[i], out);
	}
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		add_routes(n, families[i], out);
	buf_puts(out, "exit\n");
}

void routing_frr_body(const struct routing_node *n, struct buf *out)
{
	add_communities(n, out);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		add_lists(n, families[i], out);
		add_imports(n, families[i], out);
		add_exports(n, families[i], out);
		add_tracking(n, families[i], out);
	}
	add_bgp(n, out);
	buf_puts(out, "!\n");
}

void routing_frr_around(const struct routing_node *n, const struct buf *body, struct buf *out)
{
	(void)n;
	buf_puts(out, "frr defaults traditional\nlog syslog informational\nservice "
		      "integrated-vtysh-config\n");
	buf_add(out, body->data, body->n);
}

void routing_frr_daemons(struct buf *out)
{
	static const char *const others[] = {"ospfd", "ospf6d", "ripd", "ripngd", "isisd", "pimd",
		"pim6d", "ldpd", "nhrpd", "eigrpd", "babeld", "sharpd", "pbrd", "bfdd", "fabricd",
		"vrrpd", "pathd"};

	buf_puts(out, "bgpd=yes\n");
	for (size_t i = 0; i < ARRAY_SIZE(others); i++)
		buf_printf(out, "%s=no\n", others[i]);
	buf_printf(out,
		"\nvtysh_enable=yes\n"
		"# Routes of before a restart stay for that many seconds (-K), until they are "
		"confirmed.\n"
		"zebra_options=\"  -A 127.0.0.1 -s 90000000 -K %d\"\n"
		"bgpd_options=\"   -A 127.0.0.1\"\n"
		"staticd_options=\"-A 127.0.0.1\"\n",
		ROUTING_RESTART);
}

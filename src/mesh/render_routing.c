/* SPDX-License-Identifier: MIT */
#include "mesh/render_routing.h"

#include "base/hash.h"
#include "mesh/render.h"
#include "mesh/render_routing_internal.h"
#include <assert.h>
#include <ctype.h>
#include <stdio.h>
#include <string.h>

/* "T" before 24 bits; the daemon's own tables begin with "S". */
#define SIGNAL_TABLES 0x54000000u

struct mesh_engine_renderer {
	const struct mesh_topology_index *t;
	const struct mesh_inventory *inv;
	struct routing_shared shared[2]; /* IPv4, IPv6 */
	struct buf texts[2][2];		 /* of shared, for BIRD and FRR; empty until needed */
};

static const int families[] = {AF_INET, AF_INET6};
/* What is nobody's network: this host, the link, groups. */
static const char *const special[] = {"0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/3",
	"::/80", "fe80::/10", "ff00::/8"};

uint32_t mesh_signal_table(const char *interface)
{
	return SIGNAL_TABLES | (hash_text_32(interface) >> 8);
}

char *routing_safe_name(const char *name, char buf[static ROUTING_NAME_MAX])
{
	char *to = buf;

	for (const char *c = name; *c && to - buf <= 40; c++) {
		if (isalnum((unsigned char)*c))
			*to++ = *c;
		else if (*c == '-' && c > name && isalnum((unsigned char)c[-1]) &&
			 isalnum((unsigned char)c[1]))
			*to++ = '_';
		else
			to += sprintf(to, "__%02x", (unsigned char)*c);
	}
	*to = '\0';
	/* Two hashes of 32 bits, of which one starts elsewhere. */
	if (to - buf > 40)
		sprintf(buf + 23, "__%08x%08x", hash_text_32(name), hash_text_32(name + 1));
	return buf;
}

/* --- names of files -------------------------------------------------------------------------- */

const char *mesh_engine_file_name(const struct mesh_node *node, enum mesh_engine_file f)
{
	/* By engine and file: its name, and the one for a node whose interface is called so; no
	 * interface's name is as long as those. */
	static const char *const names[][MESH_N_ENGINE_FILES][2] = {
		[MESH_ENGINE_BIRD] = {{"shunt-bird.conf", "routing-engine-shunt-bird.conf"},
			{"bird.conf", "routing-engine-bird.conf"}},
		[MESH_ENGINE_FRR] = {{"shunt-frr.conf", "routing-engine-shunt-frr.conf"},
			{"frr.conf", "routing-engine-frr.conf"}, {"daemons", "daemons"}},
	};
	enum mesh_engine engine = node->routing.engine;
	size_t n = strlen(node->interface);

	if (!mesh_has_engine(node) || engine >= ARRAY_SIZE(names) || !names[engine][f][0])
		return NULL;
	bool taken = !strncmp(names[engine][f][0], node->interface, n) &&
		     !strcmp(names[engine][f][0] + n, ".conf");
	return names[engine][f][taken];
}

/* --- what is the same on all nodes ----------------------------------------------------------- */

static void add_endpoint(struct permits *ret, const struct mesh_endpoint *e)
{
	ip_addr a;
	ip_prefix p;

	if (!e->host || !ip_addr_parse(&a, e->host))
		return;
	p = ip_prefix_host(&a);
	permits_add(ret, &p);
}

static void fill_never(const struct mesh_inventory *inv, struct permits *ret)
{
	ip_prefix p;

	for (size_t i = 0; i < ARRAY_SIZE(special); i++)
		if (ip_prefix_parse(&p, special[i]))
			permits_add(ret, &p);
	for (size_t i = 0; i < inv->n_overlays; i++)
		permits_add(ret, &inv->overlays[i].prefix);
	for (size_t i = 0; i < inv->n_nodes; i++) {
		for (size_t k = 0; k < inv->nodes[i].n_addresses; k++) {
			p = ip_prefix_host(&inv->nodes[i].addresses[k].addr);
			permits_add(ret, &p);
		}
		add_endpoint(ret, &inv->nodes[i].endpoint);
	}
	for (size_t i = 0; i < inv->n_links; i++) {
		add_endpoint(ret, &inv->links[i].endpoints[0]);
		add_endpoint(ret, &inv->links[i].endpoints[1]);
	}
	permits_sort(ret);
}

static void fill_mesh(const struct mesh_inventory *inv, struct permits *ret)
{
	for (size_t i = 0; i < inv->n_nodes; i++)
		if (mesh_has_engine(&inv->nodes[i]))
			permits_add_node(ret, &inv->nodes[i]);
	permits_sort(ret);
}

struct mesh_engine_renderer *mesh_engine_renderer_new(const struct mesh_topology_index *t)
{
	struct mesh_engine_renderer *r = mem_zalloc(1, sizeof(*r));

	r->t = t;
	r->inv = mesh_topology_inventory(t);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		struct routing_shared *s = &r->shared[i];

		permits_init(&s->mesh, families[i]);
		permits_init(&s->never, families[i]);
		fill_mesh(r->inv, &s->mesh);
		fill_never(r->inv, &s->never);
		s->n_covers = permits_covers(&s->mesh, permits_shortest(&s->mesh), &s->covers);
	}
	return r;
}

void mesh_engine_renderer_free(struct mesh_engine_renderer *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		permits_done(&r->shared[i].mesh);
		permits_done(&r->shared[i].never);
		free(r->shared[i].covers);
		buf_done(&r->texts[i][0]);
		buf_done(&r->texts[i][1]);
	}
	free(r);
}

/* --- one node -------------------------------------------------------------------------------- */

static bool runs_bird(const struct routing_node *n)
{
	return n->self->routing.engine == MESH_ENGINE_BIRD;
}

static const struct buf *shared_text(
	struct mesh_engine_renderer *r, const struct routing_node *n, size_t family)
{
	struct buf *text = &r->texts[family][!runs_bird(n)];

	if (!text->n)
		(runs_bird(n) ? routing_bird_shared : routing_frr_shared)(&r->shared[family], text);
	return text;
}

static void node_init(struct mesh_engine_renderer *r, unsigned node, struct routing_node *n)
{
	*n = (struct routing_node){.inv = r->inv, .self = &r->inv->nodes[node]};
	n->asn = mesh_asn(n->self);
	neighbours_of(r->t, node, &n->groups);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
		permits_init(&n->own[i], families[i]);
		permits_add_node(&n->own[i], n->self);
		permits_sort(&n->own[i]);
		n->shared[i] = shared_text(r, n, i);
	}
}

static void node_done(struct routing_node *n)
{
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		permits_done(&n->own[i]);
	neighbours_done(&n->groups);
}

static void add_head(const struct routing_node *n, enum mesh_engine_file f, struct buf *out)
{
	bool is_bird = runs_bird(n);

	mesh_render_mark(n->inv, n->self->name, out);
	buf_puts(out, "Change the inventory, not this file.\n#\n");
	if (f == MESH_ENGINE_DAEMONS)
		buf_puts(out, "# For /etc/frr/daemons. After a change: systemctl restart frr\n");
	else if (f == MESH_ENGINE_WHOLE)
		buf_puts(out,
			is_bird ? "# For /etc/bird/bird.conf, and BIRD_ARGS=\"-R\" for "
				  "/etc/bird/envvars. Readable by the user bird.\n"
				  "# After a change: birdc configure\n"
				: "# For /etc/frr/frr.conf; the file daemons goes with it. After a "
				  "change:\n"
				  "# /usr/lib/frr/frr-reload.py --reload /etc/frr/frr.conf\n");
	else
		buf_puts(out,
			is_bird ? "# For a bird.conf of your own: include "
				  "\"/etc/bird/shunt-bird.conf\"; what else must stand there is\n"
				  "# in docs/routing.md. After a change: birdc configure\n"
				: "# For an frr.conf of your own: append it; what else must stand "
				  "there is in docs/routing.md.\n"
				  "# After a change: /usr/lib/frr/frr-reload.py --reload "
				  "/etc/frr/frr.conf\n");
}

void mesh_render_engine(
	struct mesh_engine_renderer *r, unsigned node, enum mesh_engine_file f, struct buf *out)
{
	struct routing_node n;
	AUTO_BUF body = {0};

	assert(mesh_engine_file_name(&r->inv->nodes[node], f));
	node_init(r, node, &n);
	bool is_bird = runs_bird(&n);
	add_head(&n, f, out);
	if (f == MESH_ENGINE_DAEMONS) {
		routing_frr_daemons(out);
	} else {
		(is_bird ? routing_bird_body : routing_frr_body)(&n, &body);
		if (f == MESH_ENGINE_INCLUDE)
			buf_add(out, body.data, body.n);
		else
			(is_bird ? routing_bird_around : routing_frr_around)(&n, &body, out);
	}
	node_done(&n);
}

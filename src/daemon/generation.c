/* SPDX-License-Identifier: MIT */
#include "daemon/generation.h"

#include "base/secret.h"
#include "mesh/check.h"
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#define STACK_BYTES (32 * 1024)

static int refuse_errors(const struct mesh_errors *errors, const char *file, struct buf *why)
{
	for (size_t i = 0; i < errors->n; i++) {
		const struct mesh_error *e = &errors->items[i];

		if (e->pos.line)
			buf_printf(why, "%s%s:%u:%u: %s", i ? "\n" : "", file, e->pos.line,
				e->pos.column, e->message);
		else
			buf_printf(why, "%s%s: %s", i ? "\n" : "", file, e->message);
	}
	return -EINVAL;
}

/* What isn't a file may keep a reader waiting for ever: a pipe that nobody writes to. */
static bool is_other_than_file(const char *path)
{
	struct stat st;

	return !stat(path, &st) && !S_ISREG(st.st_mode);
}

static int read_inventory(
	const char *file, struct mesh_inventory **ret, struct mesh_errors *errors, struct buf *why)
{
	int err;

	if (is_other_than_file(file)) {
		buf_printf(why, "%s: an inventory is a plain file, and this is none", file);
		return -EINVAL;
	}
	err = mesh_inventory_read(file, ret, errors);
	if (err)
		refuse_errors(errors, file, why);
	return err;
}

static int read_key(wg_key *ret, const char *file)
{
	return is_other_than_file(file) ? -EINVAL : wg_key_read_file(ret, file);
}

static int refuse_findings(struct generation *g, const char *file, struct buf *why)
{
	struct mesh_findings findings = {0};
	int err = 0;

	mesh_check(g->topology, &findings);
	for (size_t i = 0; i < findings.n; i++) {
		const struct mesh_finding *f = &findings.items[i];

		if (f->severity != MESH_ERROR)
			continue;
		if (f->contained) {
			vec_push(&g->faults, mem_printf("%s:%u:%u: %s: %s", file, f->pos.line,
						     f->pos.column, f->code, f->effect));
			continue;
		}
		buf_printf(why, "%s%s:%u:%u: %s: %s", err ? "\n" : "", file, f->pos.line,
			f->pos.column, f->code, f->effect);
		err = -EINVAL;
	}
	if (err)
		buf_printf(why, "\n`shunt check %s` says how to mend it", file);
	mesh_findings_done(&findings);
	return err;
}

static int find_self(struct generation *g, const char *node, struct buf *why)
{
	g->self = mesh_inventory_node(g->inv, node);
	if (!g->self) {
		const char *meant = mesh_inventory_guess(g->inv, node);

		buf_printf(why, "%s has no node named %s%s%s%s", g->inv->file, node,
			meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
		return -ENOENT;
	}
	if (g->self->role == MESH_CLIENT) {
		buf_printf(why,
			"%s is a client in %s: it runs stock WireGuard from the file that `shunt "
			"render` writes, not shuntd",
			node, g->inv->file);
		return -EINVAL;
	}
	return 0;
}

static int read_private_key(struct generation *g, struct buf *why)
{
	const char *file = g->self->private_key_file;
	int err = read_key(&g->private_key, file);
	wg_key public;

	if (err == -EINVAL) {
		buf_printf(why, "%s holds no private key of WireGuard (one line of base64)", file);
		return err;
	}
	if (err) {
		/* Only where there is none would a new one do no harm. */
		buf_printf(why, "can't read %s's private key %s: %s", g->self->name, file,
			strerror(-err));
		if (err == -ENOENT)
			buf_printf(why, "; `shunt key -o %s` makes one", file);
		return err;
	}
	public = wg_key_public(&g->private_key);
	if (!wg_key_eq(&public, &g->self->public_key)) {
		buf_printf(why,
			"the private key in %s isn't the one whose public key %s gives for %s",
			file, g->inv->file, g->self->name);
		return -EINVAL;
	}
	return 0;
}

/* Everything that stands in the way, not only the first of it. A public key that is none is no
 * reason to look at the private one. */
static int judge(struct generation *g, const char *file, const char *node, struct buf *why)
{
	AUTO_BUF more = {0};
	int err = refuse_findings(g, file, why);
	int own = find_self(g, node, &more);

	if (!own && (!err || g->self->key_valid))
		own = read_private_key(g, &more);
	if (own)
		buf_printf(why, "%s%s", err ? "\n" : "", buf_str(&more));
	return err ? err : own;
}

static void make_addresses(struct generation *g)
{
	g->addresses = mem_zalloc(g->self->n_addresses + 1, sizeof(*g->addresses));
	for (size_t i = 0; i < g->self->n_addresses; i++) {
		const ip_addr *a = &g->self->addresses[i].addr;
		const struct mesh_overlay *overlay = mesh_overlay_of(g->inv, a);
		ip_prefix *p = &g->addresses[g->n_addresses++];

		*p = ip_prefix_host(a);
		if (overlay)
			p->len = overlay->prefix.len;
	}
}

static void make_peers(struct generation *g, struct names *names)
{
	g->ids = mem_zalloc(g->inv->n_nodes + 1, sizeof(*g->ids));
	for (size_t i = 0; i < g->inv->n_nodes; i++)
		g->ids[i] = names_id(names, g->inv->nodes[i].name);
	g->n_peers = g->view.n_peers;
	g->peers = secret_zalloc(g->n_peers + 1, sizeof(*g->peers));
	for (size_t i = 0; i < g->n_peers; i++) {
		struct generation_peer *p = &g->peers[i];

		p->view = &g->view.peers[i];
		p->node = &g->inv->nodes[p->view->node];
		p->id = g->ids[p->view->node];
		if (p->view->preshared_key_file)
			p->psk_error = read_key(&p->psk, p->view->preshared_key_file);
		map_put(g->by_id, &p->id, sizeof(p->id), p);
		map_put(g->by_key, &p->node->public_key, sizeof(p->node->public_key), p);
	}
}

int generation_load(const char *file, const char *node, struct names *names,
	struct generation **ret, struct buf *why)
{
	struct generation *g = secret_zalloc(1, sizeof(*g));
	struct mesh_errors errors = {0};
	int err;

	g->by_id = map_new();
	g->by_key = map_new();
	err = read_inventory(file, &g->inv, &errors, why);
	if (err)
		goto out;
	g->topology = mesh_topology_new(g->inv);
	err = judge(g, file, node, why);
	if (err)
		goto out;
	mesh_view_build(g->topology, g->self->index, &g->view);
	make_addresses(g);
	make_peers(g, names);
out:
	mesh_errors_done(&errors);
	sodium_stackzero(STACK_BYTES); /* what reading keys left there */
	if (err) {
		generation_free(g);
		return err;
	}
	*ret = g;
	return 0;
}

void generation_free(struct generation *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->faults.n; i++)
		free(g->faults.items[i]);
	vec_done(&g->faults);
	map_free(g->by_id);
	map_free(g->by_key);
	secret_free(g->peers, (g->n_peers + 1) * sizeof(*g->peers));
	free(g->ids);
	free(g->addresses);
	mesh_view_done(&g->view);
	mesh_topology_free(g->topology);
	mesh_inventory_free(g->inv);
	secret_free(g, sizeof(*g));
}

const struct generation_peer *generation_peer_by_id(const struct generation *g, uint32_t id)
{
	return map_get(g->by_id, &id, sizeof(id));
}

const struct generation_peer *generation_peer_by_key(const struct generation *g, const wg_key *key)
{
	return map_get(g->by_key, key, sizeof(*key));
}

bool generation_prefix_is_connected(const struct generation *g, const ip_prefix *p)
{
	for (size_t i = 0; i < g->n_addresses; i++) {
		ip_prefix overlay = ip_prefix_masked(&g->addresses[i]);

		if (ip_prefix_contains(&overlay, p))
			return true;
	}
	return false;
}

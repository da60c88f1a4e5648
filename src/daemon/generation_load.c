/* SPDX-License-Identifier: MIT */
#include "daemon/generation_load.h"

#include "base/secret.h"
#include "mesh/check.h"
#include <errno.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>

#define STACK_BYTES (32 * 1024)

/* On the way to a generation. */
struct reading {
	struct mesh_inventory *inv;
	struct mesh_topology_index *topology;
	const struct mesh_node *self;
	wg_key *private_key; /* of secret_zalloc */
	int64_t inventory_time;
	generation_faults faults;
};

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

/* Asked before it is read, so that who changes it meanwhile has the younger one. */
static int64_t time_of(const char *path)
{
	struct stat st;

	return stat(path, &st) ? 0 : (int64_t)st.st_mtim.tv_sec;
}

static int read_key(wg_key *ret, const char *file)
{
	return is_other_than_file(file) ? -EINVAL : wg_key_read_file(ret, file);
}

static int refuse_findings(struct reading *r, const char *file, struct buf *why)
{
	struct mesh_findings findings = {0};
	int err = 0;

	mesh_check(r->topology, &findings);
	for (size_t i = 0; i < findings.n; i++) {
		const struct mesh_finding *f = &findings.items[i];

		if (f->severity != MESH_ERROR)
			continue;
		if (f->contained) {
			vec_push(&r->faults, mem_printf("%s:%u:%u: %s: %s", file, f->pos.line,
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

static int find_self(struct reading *r, const char *node, struct buf *why)
{
	r->self = mesh_inventory_node(r->inv, node);
	if (!r->self) {
		const char *meant = mesh_inventory_guess(r->inv, node);

		buf_printf(why, "%s has no node named %s%s%s%s", r->inv->file, node,
			meant ? "; did you mean " : "", meant ? meant : "", meant ? "?" : "");
		return -ENOENT;
	}
	if (r->self->role == MESH_CLIENT) {
		buf_printf(why,
			"%s is a client in %s: it runs stock WireGuard from the file that `shunt "
			"render` writes, not shuntd",
			node, r->inv->file);
		return -EINVAL;
	}
	return 0;
}

static int read_private_key(struct reading *r, struct buf *why)
{
	const char *file = r->self->private_key_file;
	int err = read_key(r->private_key, file);
	wg_key public;

	if (err == -EINVAL) {
		buf_printf(why, "%s holds no private key of WireGuard (one line of base64)", file);
		return err;
	}
	if (err) {
		/* Only where there is none would a new one do no harm. */
		buf_printf(why, "can't read %s's private key %s: %s", r->self->name, file,
			strerror(-err));
		if (err == -ENOENT)
			buf_printf(why, "; `shunt key -o %s` makes one", file);
		return err;
	}
	public = wg_key_public(r->private_key);
	if (!wg_key_eq(&public, &r->self->public_key)) {
		buf_printf(why,
			"the private key in %s isn't the one whose public key %s gives for %s",
			file, r->inv->file, r->self->name);
		return -EINVAL;
	}
	return 0;
}

/* Everything that stands in the way, not only the first of it. A public key that is none is no
 * reason to look at the private one. */
static int judge(struct reading *r, const char *file, const char *node, struct buf *why)
{
	AUTO_BUF more = {0};
	int err = refuse_findings(r, file, why);
	int own = find_self(r, node, &more);

	if (!own && (!err || r->self->key_valid))
		own = read_private_key(r, &more);
	if (own)
		buf_printf(why, "%s%s", err ? "\n" : "", buf_str(&more));
	return err ? err : own;
}

static struct generation *finish(struct reading *r, const struct generation *before)
{
	struct generation_parts parts = {
		.topology = r->topology,
		.self = r->self,
		.private_key = r->private_key,
		.inventory_time = r->inventory_time,
		.read_psk = read_key,
		.before = before,
	};
	struct generation *g = generation_make(&parts);

	g->owned = r->inv;
	g->faults = r->faults;
	return g;
}

static void give_up(struct reading *r)
{
	generation_faults_done(&r->faults);
	mesh_topology_free(r->topology);
	mesh_inventory_free(r->inv);
}

int generation_load(const char *file, const char *node, const struct generation *before,
	const struct generation **ret, struct buf *why)
{
	struct reading r = {.private_key = secret_zalloc(1, sizeof(*r.private_key)),
		.inventory_time = time_of(file)};
	struct mesh_errors errors = {0};
	int err = read_inventory(file, &r.inv, &errors, why);

	if (!err) {
		r.topology = mesh_topology_new(r.inv);
		err = judge(&r, file, node, why);
	}
	if (err)
		give_up(&r);
	else
		*ret = finish(&r, before);
	secret_free(r.private_key, sizeof(*r.private_key));
	mesh_errors_done(&errors);
	sodium_stackzero(STACK_BYTES); /* what reading keys left there */
	return err;
}

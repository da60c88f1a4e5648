/* SPDX-License-Identifier: MIT */
#include "mesh/inventory.h"

#include "base/buf.h"
#include "base/map.h"
#include "base/mem.h"
#include "mesh/check.h"
#include "mesh/errors.h"
#include "mesh/parse.h"
#include "mesh/text.h"
#include "mesh/yaml.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define READ_STEP (256u << 10)

const char *const mesh_topology_words[2] = {
	[MESH_HUB_AND_SPOKE] = "hub-and-spoke", [MESH_FULL_MESH] = "full-mesh"};
const char *const mesh_role_words[3] = {
	[MESH_SPOKE] = "spoke", [MESH_HUB] = "hub", [MESH_CLIENT] = "client"};
const char *const mesh_on_dead_words[3] = {
	[MESH_FALL_BACK] = "fall-back", [MESH_HOLD] = "hold", [MESH_RELEASE] = "release"};
const char *const mesh_probe_words[3] = {
	[MESH_PROBE_BFD] = "bfd", [MESH_PROBE_ECHO] = "echo", [MESH_PROBE_HANDSHAKE] = "handshake"};
const char *const mesh_device_words[4] = {[MESH_DEVICE_KERNEL] = "kernel",
	[MESH_DEVICE_SHUNT_WG] = "shunt-wg",
	[MESH_DEVICE_OTHER] = "other"};
const char *const mesh_engine_words[4] = {[MESH_ENGINE_NONE] = "none",
	[MESH_ENGINE_BIRD] = "bird",
	[MESH_ENGINE_FRR] = "frr",
	[MESH_ENGINE_OTHER] = "other"};

/* What the caller sees, and what holds it. */
struct holder {
	struct mesh_inventory inventory;
	struct arena arena; /* of everything but the holder itself */
	struct map *by_name;
};

static struct holder *holder_of(const struct mesh_inventory *inv)
{
	return (struct holder *)(uintptr_t)inv;
}

static void index_names(struct holder *h)
{
	const struct mesh_inventory *inv = &h->inventory;

	for (size_t i = 0; i < inv->n_nodes; i++)
		map_put_str(h->by_name, inv->nodes[i].name, (void *)(uintptr_t)(i + 1));
}

static struct holder *holder_new(const char *file)
{
	struct holder *h = mem_zalloc(1, sizeof(*h));

	h->by_name = map_new();
	h->inventory.file = arena_strdup(&h->arena, file);
	return h;
}

/* What the check finds in those parts that could be read, so that one run tells all. */
static void add_findings(const struct mesh_inventory *inv, struct mesh_errors *errors)
{
	struct mesh_topology_index *t = mesh_topology_new(inv);
	struct mesh_findings findings = {0};

	mesh_check_partial(t, &findings);
	for (size_t i = 0; i < findings.n; i++) {
		const struct mesh_finding *f = &findings.items[i];

		mesh_errors_add(errors, f->pos, "%s: %s", f->code, f->effect);
	}
	mesh_findings_done(&findings);
	mesh_topology_free(t);
}

int mesh_inventory_parse(const char *file, const char *text, size_t len,
	struct mesh_inventory **ret, struct mesh_errors *errors)
{
	struct holder *h = holder_new(file);
	struct arena scratch = {0};
	struct parse p = {&h->arena, &scratch, errors, ""};
	size_t before = errors->n;
	const struct yaml_node *root = yaml_parse(&scratch, text, len, errors);

	if (root)
		parse_inventory(&p, root, &h->inventory);
	arena_done(&scratch);
	if (errors->n != before) {
		if (h->inventory.n_nodes)
			add_findings(&h->inventory, errors);
		mesh_errors_sort(errors, before);
		mesh_inventory_free(&h->inventory);
		return -EINVAL;
	}
	index_names(h);
	*ret = &h->inventory;
	return 0;
}

/* All of the file into text; one byte more than the cap at most, for the parser to refuse. */
static int read_all(const char *file, struct buf *text)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	ssize_t n = 1;
	int err = 0;

	if (fd < 0)
		return -errno;
	while (n && text->n <= YAML_SIZE_MAX) {
		n = read(fd, buf_room(text, READ_STEP), READ_STEP);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			err = -errno;
			break;
		}
		text->n += (size_t)n;
	}
	close(fd);
	return err;
}

int mesh_inventory_read(const char *file, struct mesh_inventory **ret, struct mesh_errors *errors)
{
	AUTO_BUF text = {0};
	int err = read_all(file, &text);

	if (err) {
		mesh_errors_add(errors, (struct mesh_pos){0}, "can't be read: %s", strerror(-err));
		return err;
	}
	return mesh_inventory_parse(file, buf_str(&text), text.n, ret, errors);
}

void mesh_inventory_free(struct mesh_inventory *inv)
{
	struct holder *h = inv ? holder_of(inv) : NULL;

	if (!h)
		return;
	map_free(h->by_name);
	arena_done(&h->arena);
	free(h);
}

const struct mesh_node *mesh_inventory_node(const struct mesh_inventory *inv, const char *name)
{
	uintptr_t found = (uintptr_t)map_get_str(holder_of(inv)->by_name, name);

	return found ? &inv->nodes[found - 1] : NULL;
}

const char *mesh_inventory_guess(const struct mesh_inventory *inv, const char *name)
{
	const char *meant = NULL;
	unsigned best = TEXT_NO_GUESS;

	for (size_t i = 0; i < inv->n_nodes; i++)
		if (text_is_closer(name, inv->nodes[i].name, &best))
			meant = inv->nodes[i].name;
	return meant;
}

const struct mesh_overlay *mesh_overlay_of(const struct mesh_inventory *inv, const ip_addr *a)
{
	const struct mesh_overlay *longest = NULL;

	for (size_t i = 0; i < inv->n_overlays; i++) {
		const struct mesh_overlay *o = &inv->overlays[i];

		if (ip_prefix_has_addr(&o->prefix, a) &&
			(!longest || o->prefix.len > longest->prefix.len))
			longest = o;
	}
	return longest;
}

enum mesh_owners mesh_owners_of(const struct mesh_node *node)
{
	if (node->role == MESH_CLIENT)
		return MESH_OWNERS_ONE;
	if (node->device == MESH_DEVICE_UNKNOWN)
		return MESH_OWNERS_UNKNOWN;
	return node->device == MESH_DEVICE_SHUNT_WG ? MESH_OWNERS_MANY : MESH_OWNERS_ONE;
}

bool mesh_takes(const struct mesh_node *self, const struct mesh_node *origin, const ip_prefix *p)
{
	const struct mesh_takers *t = &origin->takers;

	if (!t->stated || !ip_prefix_is_default(p) || (t->clients && self->role == MESH_CLIENT))
		return true;
	for (size_t i = 0; i < t->n_nodes; i++)
		if (t->nodes[i] == self->index)
			return true;
	return false;
}

const char *mesh_role_name(enum mesh_role r)
{
	return mesh_role_words[r];
}

const char *mesh_on_dead_name(enum mesh_on_dead d)
{
	return mesh_on_dead_words[d];
}

const char *mesh_probe_name(enum mesh_probe p)
{
	return mesh_probe_words[p];
}

const char *mesh_topology_name(enum mesh_topology t)
{
	return mesh_topology_words[t];
}

const char *mesh_device_name(enum mesh_device d)
{
	return mesh_device_words[d];
}

const char *mesh_engine_name(enum mesh_engine e)
{
	return mesh_engine_words[e];
}

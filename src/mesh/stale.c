/* SPDX-License-Identifier: MIT */
#include "mesh/stale.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/vec.h"
#include "mesh/render.h"
#include <stdlib.h>
#include <string.h>

/* A line of a file that means something, by the peer under which it stands (NULL: none yet). */
struct line {
	const char *peer, *text;
};

struct file {
	char *copy;
	VEC(struct line) lines;
};

/* Cut in place. A comment right before [Peer] is the peer's name. */
static void file_read(struct file *f, const char *text)
{
	const char *peer = NULL, *comment = NULL;
	char *rest, *line;

	*f = (struct file){.copy = mem_strdup(text)};
	rest = f->copy;
	while ((line = strsep(&rest, "\n"))) {
		if (!strncmp(line, "# ", 2))
			comment = line + 2;
		else if (!strcmp(line, "[Interface]"))
			peer = NULL;
		else if (!strcmp(line, "[Peer]"))
			peer = comment ? comment : "a peer";
		if (*line && *line != '#' && *line != '[')
			vec_push(&f->lines, (struct line){peer, line});
		else if (!strcmp(line, "[Peer]"))
			vec_push(&f->lines, (struct line){peer, "[Peer]"});
	}
}

static void file_done(struct file *f)
{
	free(f->copy);
	vec_done(&f->lines);
}

static bool is_same_peer(const struct line *a, const struct line *b)
{
	return a->peer && b->peer ? !strcmp(a->peer, b->peer) : !a->peer && !b->peer;
}

static bool has_line(const struct file *f, const struct line *line)
{
	for (size_t i = 0; i < f->lines.n; i++)
		if (is_same_peer(&f->lines.items[i], line) &&
			!strcmp(f->lines.items[i].text, line->text))
			return true;
	return false;
}

static bool has_peer(const struct file *f, const struct line *line)
{
	for (size_t i = 0; i < f->lines.n; i++)
		if (is_same_peer(&f->lines.items[i], line))
			return true;
	return false;
}

/* What the line is, told once; PostUp sets the preshared keys, the reader's own key aside. */
static void tell(const struct file *other, const struct line *line, bool is_gone, struct buf *out)
{
	AUTO_BUF what = {0};
	int n = (int)strcspn(line->text, " ");

	if (line->peer && !has_peer(other, line))
		buf_printf(&what, "%s, who is %s", line->peer, is_gone ? "gone" : "new");
	else if (!strncmp(line->text, "PostUp", 6))
		buf_puts(&what, "a key's file");
	else
		buf_printf(&what, "%.*s%s%s", n, line->text, line->peer ? " of " : "",
			line->peer ? line->peer : "");
	if (out->n && strstr(buf_str(out), buf_str(&what)))
		return;
	buf_printf(out, "%s%s", out->n ? ", " : "", buf_str(&what));
}

void mesh_stale_difference(const char *was, const char *is, struct buf *out)
{
	struct file a, b;

	file_read(&a, was);
	file_read(&b, is);
	for (size_t i = 0; i < b.lines.n; i++)
		if (!has_line(&a, &b.lines.items[i]))
			tell(&a, &b.lines.items[i], false, out);
	for (size_t i = 0; i < a.lines.n; i++)
		if (!has_line(&b, &a.lines.items[i]))
			tell(&b, &a.lines.items[i], true, out);
	file_done(&a);
	file_done(&b);
}

/* A mesh as it was or is. */
struct side {
	const struct mesh_topology_index *t;
	struct mesh_renderer *renderer; /* NULL until needed */
};

/* The client's files for all of its servers, one behind the other. */
static void render_all(struct side *s, unsigned client, struct buf *out)
{
	AUTO_FREE unsigned *servers = NULL;
	size_t n = mesh_servers_of(s->t, client, &servers);

	s->renderer = s->renderer ? s->renderer : mesh_renderer_new(s->t);
	for (size_t i = 0; i < n; i++)
		mesh_render_by(s->renderer, client, (int)servers[i], out);
	if (!n)
		mesh_render_node(s->renderer, client, out);
}

static void compare(struct side *was, unsigned before, struct side *is,
	const struct mesh_node *client, bool has_new_key, mesh_stale_fn *fn, void *data)
{
	AUTO_BUF a = {0}, b = {0}, what = {0}, sentence = {0};

	render_all(was, before, &a);
	render_all(is, client->index, &b);
	if (has_new_key)
		buf_puts(&what, "its key");
	mesh_stale_difference(buf_str(&a), buf_str(&b), &what);
	if (!what.n)
		return;
	buf_printf(&sentence, "%s's file is stale: %s", client->name, buf_str(&what));
	fn(buf_str(&sentence), data);
}

void mesh_stale_clients(const struct mesh_topology_index *was, const struct mesh_topology_index *is,
	mesh_stale_fn *fn, void *data)
{
	const struct mesh_inventory *old = mesh_topology_inventory(was);
	const struct mesh_inventory *new = mesh_topology_inventory(is);
	struct side a = {was, NULL}, b = {is, NULL};
	struct map *clients = map_new();

	for (size_t i = 0; i < old->n_nodes; i++)
		if (old->nodes[i].role == MESH_CLIENT)
			map_put_str(clients, old->nodes[i].name, (void *)(uintptr_t)(i + 1));
	for (size_t i = 0; i < new->n_nodes; i++) {
		const struct mesh_node *client = &new->nodes[i];
		uintptr_t found = (uintptr_t)map_get_str(clients, client->name);

		if (client->role != MESH_CLIENT || !found)
			continue;
		const struct mesh_node *before = &old->nodes[found - 1];

		compare(&a, before->index, &b, client,
			!wg_key_eq(&before->public_key, &client->public_key), fn, data);
	}
	map_free(clients);
	mesh_renderer_free(a.renderer);
	mesh_renderer_free(b.renderer);
}

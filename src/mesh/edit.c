/* SPDX-License-Identifier: MIT */
#include "mesh/edit.h"

#include "mesh/edit_place.h"
#include <errno.h>
#include <string.h>

#define PATH_MAX_NODES 8

/* From the root down to what is meant. */
struct path {
	const struct yaml_node *at[PATH_MAX_NODES];
	unsigned n;
};

static const struct yaml_node *node_of(const struct edit_source *s, const char *name)
{
	return edit_child(edit_child(s->root, "nodes"), name);
}

bool mesh_edit_has_node(const char *text, size_t len, const char *node)
{
	struct edit_source s;
	bool has = !edit_source_init(&s, text, len) && node_of(&s, node);

	edit_source_done(&s);
	return has;
}

/* The text with other bytes in the place of [from, to). */
static void splice(
	const struct edit_source *s, size_t from, size_t to, const char *with, struct buf *out)
{
	buf_add(out, s->text, from);
	buf_puts(out, with);
	buf_add(out, s->text + to, s->len - to);
}

static size_t column_of(const struct edit_source *s, size_t at)
{
	return at - edit_line_begin(s, at);
}

static void put_blanks(struct buf *out, size_t n)
{
	while (n--)
		buf_putc(out, ' ');
}

/* The quotes that a neighbour has: JSON wants them. */
static const char *quote_like(struct edit_source *s, const struct yaml_node *key)
{
	size_t at = edit_begin(s, key);

	return !s->unsure && s->text[at] == '"' ? "\"" : "";
}

/* In front of the first key of the node's map, in its layout. */
static int insert_key(
	struct edit_source *s, const struct yaml_node *node, const char *key, struct buf *out)
{
	AUTO_BUF line = {0};

	if (node->kind != YAML_MAP || !node->first)
		return -ENOTSUP;
	size_t at = edit_begin(s, node->first->key);
	const char *q = quote_like(s, node->first->key);

	buf_printf(&line, "%spublic_key%s: %s%s%s", q, q, q, key, q);
	if (edit_is_flow(s, node)) {
		buf_puts(&line, ", ");
	} else {
		buf_puts(&line, s->newline);
		put_blanks(&line, column_of(s, at));
	}
	if (s->unsure || (!edit_is_flow(s, node) && !edit_is_blank(s, edit_line_begin(s, at), at)))
		return -ENOTSUP;
	splice(s, at, at, buf_str(&line), out);
	return 0;
}

static int replace_value(
	struct edit_source *s, const struct yaml_node *value, const char *with, struct buf *out)
{
	AUTO_BUF text = {0};

	if (value->kind != YAML_SCALAR)
		return -ENOTSUP;
	size_t end = edit_end(s, value), begin = end;

	if (value->n || !value->plain) {
		begin = edit_begin(s, value);
		if (value->plain)
			buf_puts(&text, with);
		else
			buf_printf(&text, "%c%s%c", s->text[begin], with, s->text[begin]);
	} else {
		buf_printf(&text, " %s", with);
	}
	if (s->unsure)
		return -ENOTSUP;
	splice(s, begin, end, buf_str(&text), out);
	return 0;
}

int mesh_edit_set_key(
	const char *text, size_t len, const char *node, const char *key, struct buf *out)
{
	struct edit_source s;
	int err = edit_source_init(&s, text, len);
	const struct yaml_node *n = err ? NULL : node_of(&s, node);
	const struct yaml_node *value = edit_child(n, "public_key");

	if (!err && !n)
		err = -ENOENT;
	if (!err)
		err = value ? replace_value(&s, value, key, out) : insert_key(&s, n, key, out);
	edit_source_done(&s);
	return err;
}

struct client {
	const char *name, *key;
	const char *const *addresses;
	size_t n_addresses;
};

static void put_addresses(const struct client *c, const char *quote, struct buf *out)
{
	if (c->n_addresses > 1)
		buf_putc(out, '[');
	for (size_t i = 0; i < c->n_addresses; i++) {
		const char *q = strchr(c->addresses[i], ':') ? "\"" : quote;

		buf_printf(out, "%s%s%s%s", i ? ", " : "", q, c->addresses[i], q);
	}
	if (c->n_addresses > 1)
		buf_putc(out, ']');
}

static void put_flow_client(const struct client *c, const char *q, struct buf *out)
{
	buf_printf(out, "%s%s%s: {%srole%s: %sclient%s, %spublic_key%s: %s%s%s, %saddress%s: ", q,
		c->name, q, q, q, q, q, q, q, q, c->key, q, q, q);
	put_addresses(c, q, out);
	buf_putc(out, '}');
}

static void put_block_client(const struct edit_source *s, const struct client *c, size_t column,
	size_t step, struct buf *out)
{
	buf_printf(out, "%s:%s", c->name, s->newline);
	put_blanks(out, column + step);
	buf_printf(out, "role: client%s", s->newline);
	put_blanks(out, column + step);
	buf_printf(out, "public_key: %s%s", c->key, s->newline);
	put_blanks(out, column + step);
	buf_puts(out, "address: ");
	put_addresses(c, "", out);
}

/* Behind the last of nodes in brackets; on a line of its own if that is. */
static int add_in_flow(struct edit_source *s, const struct yaml_node *last, const struct client *c,
	struct buf *out)
{
	AUTO_BUF text = {0};
	size_t key = edit_begin(s, last->key), end = edit_end(s, last);
	const char *q = quote_like(s, last->key);

	if (s->unsure)
		return -ENOTSUP;
	size_t line = edit_line_begin(s, key);

	buf_puts(&text, ",");
	if (edit_is_blank(s, line, key)) {
		buf_puts(&text, s->newline);
		buf_add(&text, s->text + line, key - line);
	} else {
		buf_putc(&text, ' ');
	}
	put_flow_client(c, q, &text);
	splice(s, end, end, buf_str(&text), out);
	return 0;
}

/* Where the line before begins. */
static size_t previous_line(const struct edit_source *s, size_t line)
{
	size_t end = line - 1;

	if (end && s->text[end] == '\n' && s->text[end - 1] == '\r')
		end--;
	return edit_line_begin(s, end);
}

/* True if an empty line stands before the one that begins there. */
static bool follows_empty_line(const struct edit_source *s, size_t line)
{
	return line > s->lines.items[0] && edit_is_blank(s, previous_line(s, line), line);
}

static int add_in_block(struct edit_source *s, const struct yaml_node *nodes,
	const struct yaml_node *last, const struct client *c, struct buf *out)
{
	AUTO_BUF text = {0};
	size_t key = edit_begin(s, last->key), column = column_of(s, key), step = 2;
	bool flow = last->kind == YAML_MAP && edit_is_flow(s, last);

	if (last->kind == YAML_MAP && !flow && last->first)
		step = column_of(s, edit_begin(s, last->first->key)) - column;
	size_t end = edit_lines_end(s, edit_end(s, last), column);
	if (s->unsure || !edit_is_blank(s, edit_line_begin(s, key), key))
		return -ENOTSUP;
	if (end && s->text[end - 1] != '\n' && s->text[end - 1] != '\r')
		buf_puts(&text, s->newline);
	if (last != nodes->first && follows_empty_line(s, edit_line_begin(s, key)))
		buf_puts(&text, s->newline);
	put_blanks(&text, column);
	if (flow)
		put_flow_client(c, "", &text);
	else
		put_block_client(s, c, column, step, &text);
	buf_puts(&text, s->newline);
	splice(s, end, end, buf_str(&text), out);
	return 0;
}

static int add_client(struct edit_source *s, const struct client *c, struct buf *out)
{
	const struct yaml_node *nodes = edit_child(s->root, "nodes");

	if (!nodes || nodes->kind != YAML_MAP || !nodes->first)
		return -ENOTSUP;
	if (edit_child(nodes, c->name))
		return -EEXIST;
	const struct yaml_node *last = nodes->first;

	while (last->next)
		last = last->next;
	return edit_is_flow(s, nodes) ? add_in_flow(s, last, c, out)
				      : add_in_block(s, nodes, last, c, out);
}

int mesh_edit_add_client(const char *text, size_t len, const char *node, const char *key,
	const char *const *addresses, size_t n, struct buf *out)
{
	struct client c = {node, key, addresses, n};
	struct edit_source s;
	int err = edit_source_init(&s, text, len);

	if (!err)
		err = add_client(&s, &c, out);
	edit_source_done(&s);
	return err;
}

static bool has_hash(const struct edit_source *s, size_t from, size_t to)
{
	return from < to && memchr(s->text + from, '#', to - from);
}

/* Where an entry of a container begins: at its key in a map. */
static size_t entry_begin(struct edit_source *s, const struct yaml_node *n)
{
	return edit_begin(s, n->is_item ? n : n->key);
}

/* With its comma. Comments between entries stay, whatever that looks like. */
static void cut_in_flow(struct edit_source *s, const struct yaml_node *prev,
	const struct yaml_node *entry, size_t *from, size_t *to)
{
	*from = entry_begin(s, entry);
	*to = edit_end(s, entry);
	if (s->unsure)
		return;
	if (entry->next) {
		size_t next = entry_begin(s, entry->next);
		const char *comma = memchr(s->text + *to, ',', s->len - *to);

		if (!has_hash(s, *to, next))
			*to = next;
		else if (comma)
			*to = (size_t)(comma - s->text) + 1;
		s->unsure |= !comma;
	} else if (prev && !has_hash(s, edit_end(s, prev), *from)) {
		*from = edit_end(s, prev);
	}
}

/* The dash of a list's item, or where the key of a map's stands. */
static size_t block_column(struct edit_source *s, const struct yaml_node *entry, size_t begin)
{
	size_t line = edit_line_begin(s, begin), at = begin;

	if (entry->is_item) {
		while (at > line && s->text[at - 1] == ' ')
			at--;
		if (at == line || s->text[at - 1] != '-')
			s->unsure = true;
		else
			at--;
	}
	s->unsure |= !edit_is_blank(s, line, at);
	return at - line;
}

/* Whole lines; of two empty ones that would meet one goes, too. */
static void cut_in_block(
	struct edit_source *s, const struct yaml_node *entry, size_t *from, size_t *to)
{
	size_t begin = entry_begin(s, entry), end = edit_end(s, entry);

	if (s->unsure)
		return;
	size_t column = block_column(s, entry, begin);

	*from = edit_line_begin(s, begin);
	*to = edit_lines_end(s, end, column);
	if (s->unsure)
		return;
	if (follows_empty_line(s, *from) && edit_is_blank(s, *to, edit_line_end(s, *to)))
		*from = previous_line(s, *from);
}

/* Takes the last of the path out of its container; one that it leaves empty goes instead. */
static int cut(struct edit_source *s, const struct path *path, struct buf *out)
{
	unsigned i = path->n - 1;
	size_t from = 0, to = 0;
	const struct yaml_node *prev = NULL;

	while (i > 1 && path->at[i - 1]->n == 1)
		i--;
	const struct yaml_node *in = path->at[i - 1];

	if (in->n == 1)
		return -ENOTSUP;
	for (const struct yaml_node *c = in->first; c != path->at[i]; c = c->next)
		prev = c;
	if (edit_is_flow(s, in))
		cut_in_flow(s, prev, path->at[i], &from, &to);
	else
		cut_in_block(s, path->at[i], &from, &to);
	if (s->unsure || from > to)
		return -ENOTSUP;
	splice(s, from, to, "", out);
	return 0;
}

static bool is_name(const struct yaml_node *n, const char *name)
{
	return n && n->kind == YAML_SCALAR && n->text && !strcmp(n->text, name);
}

static bool names(const struct yaml_node *list, const char *name)
{
	for (const struct yaml_node *n = list ? list->first : NULL; n; n = n->next)
		if (is_name(n, name))
			return true;
	return false;
}

static void push(struct path *p, const struct yaml_node *n)
{
	p->at[p->n++] = n;
}

static bool find_link(const struct edit_source *s, const char *name, struct path *ret)
{
	const struct yaml_node *links = edit_child(s->root, "links");

	for (const struct yaml_node *l = links ? links->first : NULL; l; l = l->next) {
		const struct yaml_node *pair = l->kind == YAML_MAP ? edit_child(l, "between") : l;

		if (pair && pair->kind == YAML_LIST && names(pair, name)) {
			push(ret, s->root);
			push(ret, links);
			push(ret, l);
			return true;
		}
	}
	return false;
}

/* The name in a list of names, or as the only one without a list. */
static bool find_in_list(const struct yaml_node *list, const char *name, struct path *p)
{
	if (!list)
		return false;
	push(p, list);
	if (is_name(list, name))
		return true;
	for (const struct yaml_node *n = list->first; n; n = n->next)
		if (is_name(n, name)) {
			push(p, n);
			return true;
		}
	p->n--;
	return false;
}

/* The lists of names that a node, or defaults, may have. */
static bool find_in_settings(const struct yaml_node *settings, const char *name, struct path *p)
{
	const struct yaml_node *routing = edit_child(settings, "routing");

	push(p, settings);
	push(p, routing);
	if (find_in_list(edit_child(routing, "reflectors"), name, p))
		return true;
	p->n--;
	if (find_in_list(edit_child(settings, "default_route"), name, p))
		return true;
	p->n--;
	return false;
}

static bool find_mention(const struct edit_source *s, const char *name, struct path *ret)
{
	const struct yaml_node *nodes = edit_child(s->root, "nodes");
	const struct yaml_node *defaults = edit_child(s->root, "defaults");

	push(ret, s->root);
	if (defaults && find_in_settings(defaults, name, ret))
		return true;
	push(ret, nodes);
	for (const struct yaml_node *n = nodes->first; n; n = n->next)
		if (find_in_settings(n, name, ret))
			return true;
	ret->n = 0;
	return false;
}

/* Takes out one thing. 0: there was nothing left to take; 1 and *what: something was. */
static int remove_one(const char *text, size_t len, const char *name, struct buf *out,
	size_t **what, size_t *counts)
{
	struct edit_source s;
	struct path path = {.n = 0};
	int err = edit_source_init(&s, text, len);
	const struct yaml_node *node = err ? NULL : node_of(&s, name);

	if (node && find_link(&s, name, &path)) {
		*what = &counts[0];
	} else if (node && find_mention(&s, name, &path)) {
		*what = &counts[1];
	} else if (node) {
		*what = NULL;
		push(&path, s.root);
		push(&path, edit_child(s.root, "nodes"));
		push(&path, node);
	}
	if (!err)
		err = node ? cut(&s, &path, out) : -ENOENT;
	edit_source_done(&s);
	return err;
}

int mesh_edit_remove_node(const char *text, size_t len, const char *node, struct buf *out,
	size_t *ret_n_links, size_t *ret_n_lists)
{
	AUTO_BUF before = {0};
	size_t counts[2] = {0}, *what;
	int err;

	buf_add(&before, text, len);
	do {
		AUTO_BUF after = {0};

		err = remove_one(
			before.data ? before.data : "", before.n, node, &after, &what, counts);
		if (err)
			return err;
		if (what)
			++*what;
		struct buf swap = before;
		before = after;
		after = swap;
	} while (what);
	buf_add(out, before.data ? before.data : "", before.n);
	*ret_n_links = counts[0];
	*ret_n_lists = counts[1];
	return 0;
}

/* A list of keys that isn't there yet, behind all else. */
static int add_first_revoked(
	struct edit_source *s, const char *key, const char *node, struct buf *out)
{
	AUTO_BUF text = {0};
	const struct yaml_node *last = s->root->first;

	while (last->next)
		last = last->next;
	size_t end = edit_is_flow(s, s->root) ? edit_end(s, last) : s->len;

	if (edit_is_flow(s, s->root)) {
		const char *q = quote_like(s, last->key);

		buf_printf(&text, ", %srevoked%s: [%s%s%s]", q, q, q, key, q);
	} else {
		if (end && s->text[end - 1] != '\n' && s->text[end - 1] != '\r')
			buf_puts(&text, s->newline);
		buf_printf(&text, "revoked:%s  - %s  # %s%s", s->newline, key, node, s->newline);
	}
	if (s->unsure)
		return -ENOTSUP;
	splice(s, end, end, buf_str(&text), out);
	return 0;
}

static int add_in_revoked(struct edit_source *s, const struct yaml_node *list, const char *key,
	const char *node, struct buf *out)
{
	AUTO_BUF text = {0};
	const struct yaml_node *last = list->first;

	while (last && last->next)
		last = last->next;
	if (list->kind != YAML_LIST || (!last && !edit_is_flow(s, list)))
		return -ENOTSUP;
	bool flow = edit_is_flow(s, list);
	size_t begin = last ? edit_begin(s, last) : 0;
	size_t end = last ? edit_end(s, last) : edit_begin(s, list) + 1;

	if (flow) {
		const char *q =
			s->text[s->root->first ? edit_begin(s, s->root) : 0] == '{' ? "\"" : "";

		buf_printf(&text, "%s%s%s%s", last ? ", " : "", q, key, q);
	} else {
		size_t line = edit_line_begin(s, begin);

		end = edit_lines_end(s, end, begin - line);
		if (end && s->text[end - 1] != '\n' && s->text[end - 1] != '\r')
			buf_puts(&text, s->newline);
		buf_add(&text, s->text + line, begin - line);
		buf_printf(&text, "%s  # %s%s", key, node, s->newline);
	}
	if (s->unsure)
		return -ENOTSUP;
	splice(s, end, end, buf_str(&text), out);
	return 0;
}

int mesh_edit_add_revoked(
	const char *text, size_t len, const char *key, const char *node, struct buf *out)
{
	struct edit_source s;
	int err = edit_source_init(&s, text, len);
	const struct yaml_node *list = err ? NULL : edit_child(s.root, "revoked");

	if (!err && (s.root->kind != YAML_MAP || !s.root->first))
		err = -ENOTSUP;
	if (!err)
		err = list ? add_in_revoked(&s, list, key, node, out)
			   : add_first_revoked(&s, key, node, out);
	edit_source_done(&s);
	return err;
}

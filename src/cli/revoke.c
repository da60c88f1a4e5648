/* SPDX-License-Identifier: MIT */
/*
 * shunt revoke: a node out of the inventory, in place, and its key among those that no node may
 * have again. Tells who has it on his device still.
 */
#include "base/mem.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/inplace.h"
#include "mesh/edit.h"
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct job {
	const char *name;
	bool dry_run, json;

	struct inplace file;
	struct buf text; /* the inventory to be */
	const struct mesh_node *node;
	size_t n_links, n_lists;
	VEC(const char *) daemons; /* who have the key on their device */
	VEC(const char *) clients; /* whose files name the node */
};

static int find_node(struct job *j)
{
	if (!j->file.was)
		return inplace_say_errors(&j->file);
	j->node = mesh_inventory_node(j->file.was, j->name);
	if (j->node)
		return CLI_OK;
	const char *near = mesh_inventory_guess(j->file.was, j->name);

	cli_error("%s has no node \"%s\"%s%s%s", j->file.name, j->name,
		near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return CLI_USAGE;
}

static int edit(struct job *j)
{
	AUTO_BUF without = {0};
	const struct buf *text = &j->file.text;
	int err = mesh_edit_remove_node(
		buf_str(text), text->n, j->name, &without, &j->n_links, &j->n_lists);

	if (!err && j->node->key_valid)
		err = mesh_edit_add_revoked(
			buf_str(&without), without.n, j->node->public_key_text, j->name, &j->text);
	else if (!err)
		buf_add(&j->text, without.data, without.n);
	return err ? inplace_say_failed(&j->file, err)
		   : inplace_judge(&j->file, &j->text, j->name, INPLACE_NO_NEW_ERRORS);
}

/* Those whose configuration lists the node, in the order of the file. */
static void list_holders(struct job *j)
{
	struct mesh_topology_index *t = mesh_topology_new(j->file.was);

	for (unsigned i = 0; i < j->file.was->n_nodes; i++) {
		const struct mesh_node *other = &j->file.was->nodes[i];

		if (i == j->node->index || !mesh_linked(t, i, j->node->index))
			continue;
		if (other->role != MESH_CLIENT)
			vec_push(&j->daemons, other->name);
		else if (mesh_direct(t, i, j->node->index))
			vec_push(&j->clients, other->name);
	}
	mesh_topology_free(t);
}

static void report_text(const struct job *j)
{
	printf("%s is out of %s", j->name, j->file.name);
	if (j->n_links)
		printf(", with %zu link%s", j->n_links, j->n_links == 1 ? "" : "s");
	if (j->n_lists)
		printf(", and out of %zu list%s", j->n_lists, j->n_lists == 1 ? "" : "s");
	printf("; no node may have its key again.\n");
	if (j->daemons.n)
		printf("These take it until they have the new inventory and run shunt reload:\n");
	for (size_t i = 0; i < j->daemons.n; i++)
		printf("  %s\n", j->daemons.items[i]);
	if (j->clients.n)
		printf("These clients' files name it; make them anew:\n");
	for (size_t i = 0; i < j->clients.n; i++)
		printf("  %s\n", j->clients.items[i]);
}

static json_t *names(const char *const *items, size_t n)
{
	json_t *list = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_string(items[i]));
	return list;
}

static void report_json(const struct job *j)
{
	json_t *all = json_pack("{s:s, s:s, s:I, s:I, s:o, s:o}", "node", j->name, "public_key",
		j->node->public_key_text, "links", (json_int_t)j->n_links, "lists",
		(json_int_t)j->n_lists, "reload", names(j->daemons.items, j->daemons.n), "clients",
		names(j->clients.items, j->clients.n));

	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

static int do_job(struct job *j)
{
	int code = find_node(j);

	if (!code)
		code = edit(j);
	if (!code && j->dry_run)
		return inplace_print_changes(&j->file, &j->text, stdout), CLI_OK;
	if (!code)
		code = inplace_replace(&j->file, &j->text);
	if (code)
		return code;
	list_holders(j);
	if (j->json)
		report_json(j);
	else
		report_text(j);
	return CLI_OK;
}

int verb_revoke(const struct command_line *line)
{
	struct job j = {.name = line->operands[0],
		.dry_run = command_has(line, "dry-run"),
		.json = command_has(line, "json"),
		.file = {.fd = -1}};
	int code = inplace_open(&j.file, line->operands[1]);

	if (!code)
		code = do_job(&j);
	vec_done(&j.daemons);
	vec_done(&j.clients);
	buf_done(&j.text);
	inplace_done(&j.file);
	return code;
}

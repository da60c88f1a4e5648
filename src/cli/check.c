/* SPDX-License-Identifier: MIT */
/*
 * shunt check: judges an inventory as a whole before anything runs. Findings are the answer and go
 * to standard output; what keeps the file from being read goes to standard error. With --json both
 * are in the answer, so that a program has one place to look.
 */
#include "mesh/check.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/findings.h"
#include <jansson.h>
#include <stdlib.h>

/* A path may hold any bytes, JSON only UTF-8. */
static json_t *text_of(const char *s)
{
	json_t *j = json_string(s);
	if (j)
		return j;
	AUTO_FREE char *masked = mem_strdup(s);
	for (char *p = masked; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	return json_string(masked);
}

static json_t *place_of(const char *file, struct mesh_pos pos)
{
	return json_pack("{s:o, s:I, s:I}", "file", text_of(file), "line", (json_int_t)pos.line,
		"column", (json_int_t)pos.column);
}

static json_t *nodes_of(const struct mesh_inventory *inv, const struct mesh_finding *f)
{
	json_t *list = json_array();
	for (size_t i = 0; i < f->n_nodes; i++)
		json_array_append_new(list, text_of(inv->nodes[f->nodes[i]].name));
	return list;
}

static json_t *prefixes_of(const struct mesh_finding *f)
{
	json_t *list = json_array();
	char text[IP_PREFIX_STRLEN];
	for (size_t i = 0; i < f->n_prefixes; i++)
		json_array_append_new(list, json_string(ip_prefix_format(&f->prefixes[i], text)));
	return list;
}

static json_t *finding_of(const struct mesh_inventory *inv, const struct mesh_finding *f)
{
	json_t *j = json_pack("{s:s, s:s, s:o, s:o}", "code", f->code, "severity",
		f->severity == MESH_ERROR ? "error" : "warning", "nodes", nodes_of(inv, f),
		"prefixes", prefixes_of(f));
	json_object_update_new(j, place_of(inv->file, f->pos));
	json_object_set_new(j, "effect", text_of(f->effect));
	json_object_set_new(j, "fix", text_of(f->fix));
	return j;
}

static void print_json(json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(answer);
}

static void print_findings_json(const struct mesh_inventory *inv, const struct mesh_findings *f)
{
	json_t *list = json_array();
	for (size_t i = 0; i < f->n; i++)
		json_array_append_new(list, finding_of(inv, &f->items[i]));
	print_json(json_pack("{s:o}", "findings", list));
}

static void print_errors_json(const char *file, const struct mesh_errors *errors)
{
	json_t *list = json_array();
	for (size_t i = 0; i < errors->n; i++) {
		json_t *j = place_of(file, errors->items[i].pos);
		json_object_set_new(j, "message", text_of(errors->items[i].message));
		json_array_append_new(list, j);
	}
	print_json(json_pack("{s:o, s:[]}", "errors", list, "findings"));
}

static int judge(const struct mesh_inventory *inv, bool json)
{
	struct mesh_topology_index *t = mesh_topology_new(inv);
	struct mesh_findings findings = {0};
	mesh_check(t, &findings);
	if (json)
		print_findings_json(inv, &findings);
	else
		findings_print(stdout, inv, &findings, MESH_WARNING);
	int code = mesh_findings_have_errors(&findings) ? CLI_REFUSED : CLI_OK;
	mesh_findings_done(&findings);
	mesh_topology_free(t);
	return code;
}

static int check_file(const char *file, bool json)
{
	struct mesh_errors errors = {0};
	struct mesh_inventory *inv = NULL;
	int code = CLI_USAGE;
	if (mesh_inventory_read(file, &inv, &errors) == 0) {
		code = judge(inv, json);
	} else {
		findings_print_errors(stderr, file, &errors);
		if (json)
			print_errors_json(file, &errors);
	}
	mesh_errors_done(&errors);
	mesh_inventory_free(inv);
	return code;
}

int verb_check(const struct command_line *line)
{
	return check_file(line->operands[0], command_has(line, "json"));
}

/* SPDX-License-Identifier: MIT */
/* shunt status --via NODE: the nodes that are reached by way of it now, and with what prefixes. */
#include "base/mem.h"
#include "cli/status.h"
#include "cli/table.h"
#include <string.h>

/* The candidate that carries packets by way of the node; NULL: none does. */
static const json_t *winner_via(const json_t *route, const char *via)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(route, "candidates"), i, c)
	{
		if (!strcmp(client_text(c, "via"), via) &&
			!strcmp(client_text(c, "reason"), "wins"))
			return c;
	}
	return NULL;
}

/* {origin: [prefix, ...]} */
static json_t *prefixes_by_origin(const json_t *routes, const char *via)
{
	json_t *found = json_object();
	const json_t *route;
	size_t i;

	json_array_foreach(json_object_get(routes, "routes"), i, route)
	{
		const json_t *c = winner_via(route, via);
		const char *origin = c ? client_text(c, "origin") : NULL;

		if (!c)
			continue;
		if (!json_object_get(found, origin))
			json_object_set_new(found, origin, json_array());
		json_array_append(json_object_get(found, origin), json_object_get(route, "prefix"));
	}
	return found;
}

/* The peer of that name; NULL: it is none. */
static json_t *peer_of(const json_t *status, const char *node)
{
	json_t *p;
	size_t i;

	json_array_foreach(json_object_get(status, "peers"), i, p)
	{
		if (!strcmp(client_text(p, "node"), node))
			return p;
	}
	return NULL;
}

/* {"node", "via", "state", "nodes": [{"node", "state", "prefixes"}]} */
static json_t *answer_of(const json_t *status, const json_t *routes, const char *via)
{
	json_t *by_origin = prefixes_by_origin(routes, via), *list = json_array(), *prefixes;
	const char *origin;

	json_object_foreach(by_origin, origin, prefixes)
	{
		json_t *peer = peer_of(status, origin);

		json_array_append_new(list,
			json_pack("{s:s, s:s?, s:O}", "node", origin, "state",
				peer ? client_text(peer, "state") : NULL, "prefixes", prefixes));
	}
	json_decref(by_origin);
	return json_pack("{s:O, s:O, s:s, s:s, s:o}", "at", json_object_get(status, "at"), "node",
		json_object_get(status, "node"), "via", via, "state",
		client_text(peer_of(status, via), "state"), "nodes", list);
}

static void add_node(struct table *t, const json_t *n)
{
	const json_t *prefixes = json_object_get(n, "prefixes"), *p;
	AUTO_FREE char *text = mem_strdup("");
	size_t i;

	json_array_foreach(prefixes, i, p)
	{
		char *longer = mem_printf("%s%s%s", text, i ? ", " : "", json_string_value(p));

		free(text);
		text = longer;
	}
	table_cell(t, TERM_BOLD, "%s", client_text(n, "node"));
	table_cell(t, TERM_PLAIN, "%s", client_text(n, "state"));
	table_cell(t, TERM_PLAIN, "%s", text);
}

static void print_answer(const json_t *a, const char *via, unsigned width)
{
	static const struct table_column columns[] = {
		{"NODE", TABLE_TRUNCATE}, {"SEEN FROM HERE", 0}, {"PREFIXES", TABLE_FOLD}};
	const json_t *nodes = json_object_get(a, "nodes"), *n;
	struct table *t = table_new(columns, ARRAY_SIZE(columns), width);
	size_t i;

	printf("%s: %zu node%s reached by %s, which is %s\n", client_text(a, "node"),
		json_array_size(nodes), json_array_size(nodes) == 1 ? "" : "s", via,
		client_text(a, "state"));
	json_array_foreach(nodes, i, n) add_node(t, n);
	if (json_array_size(nodes))
		putchar('\n');
	table_print(t, stdout);
	table_free(t);
}

int status_show_via(
	const struct command_line *line, const struct client_options *o, const char *via)
{
	json_t *status, *routes = NULL, *answer = NULL;
	int code;

	status = client_ask(o, "status", NULL, &code);
	if (!status)
		return code;
	if (!peer_of(status, via)) {
		cli_error("%s is no peer of %s", via, client_text(status, "node"));
		code = CLI_USAGE;
	} else {
		routes = client_ask(o, "routes", NULL, &code);
	}
	if (routes) {
		code = CLI_OK;
		answer = answer_of(status, routes, via);
	}
	if (answer && o->json)
		client_print_json(answer);
	else if (answer)
		print_answer(answer, via,
			command_has(line, "wide") ? TABLE_ANY_WIDTH : term_width(stdout));
	json_decref(answer);
	json_decref(routes);
	json_decref(status);
	return code;
}

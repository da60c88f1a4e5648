/* SPDX-License-Identifier: MIT */
/* shunt routes: a summary, what is without an owner, and every candidate. */
#include "base/mem.h"
#include "base/prefix.h"
#include "cli/client.h"
#include "cli/table.h"
#include <string.h>

static bool is_cut(const char *reason)
{
	return !strcmp(reason, "cut-from-set") || !strcmp(reason, "cut-for-origin");
}

static enum term_style style_of(const char *reason)
{
	if (!strcmp(reason, "wins"))
		return TERM_GREEN;
	return strcmp(reason, "peer-down") ? TERM_PLAIN : TERM_RED;
}

/* The winners, and who is equal to them but gets nothing. */
static const char *mark_of(const char *reason)
{
	return !strcmp(reason, "wins") ? "*" : is_cut(reason) ? "=" : " ";
}

/* Percent of the prefix's flows; 0: none, or not told. */
static double share_of(const json_t *candidate)
{
	return json_number_value(json_object_get(candidate, "share"));
}

static bool is_shared(const json_t *route)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(route, "candidates"), i, c)
	{
		if (share_of(c) > 0 && share_of(c) < 100)
			return true;
	}
	return false;
}

/* True if flows of some prefix are shared: else the mark says all. */
static bool has_shares(const json_t *routes)
{
	const json_t *route;
	size_t i;

	json_array_foreach(routes, i, route)
	{
		if (is_shared(route))
			return true;
	}
	return false;
}

static bool is_of_kernel(const json_t *candidate)
{
	return !strcmp(client_text(candidate, "source"), "kernel");
}

/* True if some candidate isn't the inventory's, and so a source is worth telling. */
static bool has_sources(const json_t *routes)
{
	const json_t *route, *c;
	size_t i, k;

	json_array_foreach(routes, i, route)
	{
		json_array_foreach(json_object_get(route, "candidates"), k, c)
		{
			if (is_of_kernel(c))
				return true;
		}
	}
	return false;
}

/* Nobody but the routing engine knows of it. */
static bool is_of_kernel_alone(const json_t *route)
{
	const json_t *c;
	size_t i;

	json_array_foreach(json_object_get(route, "candidates"), i, c)
	{
		if (!is_of_kernel(c))
			return false;
	}
	return true;
}

/* The columns that are there only where they tell something. */
struct extra {
	bool sources, shares, is_wide;
};

static void add_number(struct table *t, const json_t *number)
{
	if (json_is_integer(number))
		table_cell(t, TERM_PLAIN, "%lld", (long long)json_integer_value(number));
	else
		table_cell(t, TERM_PLAIN, "%s", "");
}

static void add_share(struct table *t, const json_t *c)
{
	if (share_of(c) > 0)
		table_cell(t, TERM_PLAIN, "%.3g%%", share_of(c));
	else
		table_cell(t, TERM_PLAIN, "%s", "");
}

static void add_origin_columns(struct table *t, const json_t *c, struct extra with)
{
	table_cell(t, TERM_PLAIN, "%s", client_text(c, "origin"));
	if (with.sources)
		table_cell(t, TERM_PLAIN, "%s", client_text(c, "source"));
	if (with.sources && with.is_wide)
		add_number(t, json_object_get(c, "distance"));
	if (!with.is_wide)
		return;
	add_number(t, json_object_get(c, "metric"));
	add_number(t, json_object_get(c, "hub_metric"));
	table_cell(t, TERM_PLAIN, "%s", client_text(c, "state"));
}

static void add_candidate(
	struct table *t, const json_t *route, const json_t *c, bool first, struct extra with)
{
	const char *reason = client_text(c, "reason");
	const json_t *age = json_object_get(route, "since_s");
	char text[32] = "";

	if (json_is_number(age))
		client_duration(json_number_value(age), text);
	table_cell(t, TERM_BOLD, "%s", first ? client_text(route, "prefix") : " ");
	table_cell(t, style_of(reason), "%s", mark_of(reason));
	table_cell(t, style_of(reason), "%s", client_text(c, "via"));
	add_origin_columns(t, c, with);
	if (with.shares)
		add_share(t, c);
	table_cell(t, TERM_PLAIN, "%s", first ? text : " ");
	table_cell(t, TERM_DIM, "%s", client_text(c, "why"));
}

static struct table *new_table(struct extra with, unsigned width)
{
	struct table_column columns[TABLE_MAX_COLUMNS] = {
		{"PREFIX", TABLE_FOLD}, {"", 0}, {"VIA", TABLE_FOLD}, {"ORIGIN", TABLE_FOLD}};
	size_t n = 4;

	if (with.sources)
		columns[n++] = (struct table_column){"SOURCE", 0};
	if (with.sources && with.is_wide)
		columns[n++] = (struct table_column){"DISTANCE", TABLE_RIGHT};
	if (with.is_wide) {
		columns[n++] = (struct table_column){"METRIC", TABLE_RIGHT};
		columns[n++] = (struct table_column){"HUB METRIC", TABLE_RIGHT};
		columns[n++] = (struct table_column){"STATE", 0};
	}
	if (with.shares)
		columns[n++] = (struct table_column){"SHARE", TABLE_RIGHT};
	columns[n++] = (struct table_column){"AGE", TABLE_RIGHT};
	columns[n++] = (struct table_column){"WHY", TABLE_FOLD};
	return table_new(columns, n, width);
}

/* --best: winners; where nobody wins, the first to be asked. */
static bool is_shown(const json_t *route, const json_t *c, size_t k, bool best)
{
	if (!best || !strcmp(client_text(c, "reason"), "wins"))
		return true;
	return k == 0 && json_is_null(json_object_get(route, "owner"));
}

static void print_table(const json_t *routes, bool best, bool is_wide)
{
	struct extra with = {has_sources(routes), has_shares(routes), is_wide};
	struct table *t = new_table(with, is_wide ? TABLE_ANY_WIDTH : term_width(stdout));
	const json_t *route, *c;
	size_t i, k;

	json_array_foreach(routes, i, route)
	{
		bool first = true;

		json_array_foreach(json_object_get(route, "candidates"), k, c)
		{
			if (!is_shown(route, c, k, best))
				continue;
			add_candidate(t, route, c, first, with);
			first = false;
		}
	}
	table_print(t, stdout);
	table_free(t);
}

/* What becomes of packets to a prefix that has no owner. */
static const char *fate_of(const json_t *route)
{
	if (is_of_kernel_alone(route))
		return "the kernel's route is the routing engine's, and leads to a peer that is "
		       "down; a covering prefix may carry its packets";
	return json_is_true(json_object_get(route, "kernel_route"))
		       ? "its packets stay on the device, a covering prefix may carry them"
		       : "the kernel's route is released";
}

/* "site-2: 40 prefixes, 38 carried, 2 without a usable candidate" */
static void print_summary(const json_t *answer)
{
	const json_t *routes = json_object_get(answer, "routes"), *route;
	size_t i, n = json_array_size(routes), carried = 0, shared = 0;

	json_array_foreach(routes, i, route)
	{
		carried += json_is_string(json_object_get(route, "owner"));
		shared += is_shared(route);
	}
	printf("%s%s%s: %zu prefix%s, %zu carried", term_begin(stdout, TERM_BOLD),
		client_text(answer, "node"), term_end(stdout, TERM_BOLD), n, n == 1 ? "" : "es",
		carried);
	if (shared)
		printf(", %zu shared", shared);
	if (carried < n)
		printf(", %s%zu without a usable candidate%s", term_begin(stdout, TERM_RED),
			n - carried, term_end(stdout, TERM_RED));
	putchar('\n');
}

static void print_routes(const json_t *answer, const struct command_line *line)
{
	const json_t *routes = json_object_get(answer, "routes"), *route;
	bool is_wide = command_has(line, "wide");
	size_t i;

	print_summary(answer);
	json_array_foreach(routes, i, route)
	{
		AUTO_FREE char *rest = NULL;
		const char *prefix = client_text(route, "prefix");

		if (!json_is_null(json_object_get(route, "owner")))
			continue;
		rest = mem_printf("has no usable candidate (%s)", fate_of(route));
		printf("%s%s%s ", term_begin(stdout, TERM_RED), prefix, term_end(stdout, TERM_RED));
		command_fill(stdout, rest, is_wide ? 0 : term_width(stdout), strlen(prefix) + 1, 2);
	}
	if (json_array_size(routes))
		putchar('\n');
	print_table(routes, command_has(line, "best"), is_wide);
}

/* --- what is asked for ---------------------------------------------------------------------------
 */

static bool has_owner(const json_t *route, const char *node)
{
	const json_t *owner;
	size_t i;

	json_array_foreach(json_object_get(route, "owners"), i, owner)
	{
		if (!strcmp(json_string_value(owner) ? json_string_value(owner) : "", node))
			return true;
	}
	return false;
}

static bool is_within(const json_t *route, const ip_prefix *outer)
{
	ip_prefix p;

	return ip_prefix_parse(&p, client_text(route, "prefix")) && ip_prefix_contains(outer, &p);
}

/* within, via: NULL for any. */
static void keep(json_t *answer, const ip_prefix *within, const char *via)
{
	json_t *routes = json_object_get(answer, "routes");

	for (size_t i = json_array_size(routes); i-- > 0;) {
		const json_t *route = json_array_get(routes, i);

		if ((via && !has_owner(route, via)) || (within && !is_within(route, within)))
			json_array_remove(routes, i);
	}
}

static void keep_best(json_t *answer)
{
	json_t *route;
	size_t i;

	json_array_foreach(json_object_get(answer, "routes"), i, route)
	{
		json_t *candidates = json_object_get(route, "candidates");

		for (size_t k = json_array_size(candidates); k-- > 0;)
			if (!is_shown(route, json_array_get(candidates, k), k, true))
				json_array_remove(candidates, k);
	}
}

static void print_answer(json_t *answer, const struct command_line *line)
{
	if (command_has(line, "json") && command_has(line, "best"))
		keep_best(answer);
	if (command_has(line, "json"))
		client_print_json(answer);
	else if (json_is_true(json_object_get(answer, "own")))
		printf("%s is %s's own\n", line->operands[0], client_text(answer, "node"));
	else
		print_routes(answer, line);
}

int verb_routes(const struct command_line *line)
{
	const char *query = line->operands[0], *within = command_value(line, "within");
	struct client_options o;
	ip_prefix queried, outer;
	json_t *answer;
	int code = client_options_of(line, &o);

	if (code)
		return code;
	if ((query && !ip_prefix_parse(&queried, query)) ||
		(within && !ip_prefix_parse(&outer, within))) {
		cli_error("%s is neither a prefix nor an address",
			query && !ip_prefix_parse(&queried, query) ? query : within);
		return CLI_USAGE;
	}
	if (within)
		outer = ip_prefix_masked(&outer);
	answer = client_ask(&o, "routes", query, &code);
	if (!answer)
		return code;
	keep(answer, within ? &outer : NULL, command_value(line, "via"));
	print_answer(answer, line);
	json_decref(answer);
	return CLI_OK;
}

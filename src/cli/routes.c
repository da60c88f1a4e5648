/* SPDX-License-Identifier: MIT */
#include "base/prefix.h"
#include "cli/client.h"
#include "cli/table.h"
#include <string.h>
#include <unistd.h>

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
	bool sources, shares;
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

static void add_candidate(
	struct table *t, const json_t *route, const json_t *c, bool first, struct extra with)
{
	const char *reason = client_text(c, "reason");

	table_cell(t, TERM_BOLD, "%s", first ? client_text(route, "prefix") : " ");
	table_cell(t, style_of(reason), "%s", mark_of(reason));
	table_cell(t, style_of(reason), "%s", client_text(c, "via"));
	table_cell(t, TERM_PLAIN, "%s", client_text(c, "origin"));
	if (with.sources) {
		table_cell(t, TERM_PLAIN, "%s", client_text(c, "source"));
		add_number(t, json_object_get(c, "distance"));
	}
	add_number(t, json_object_get(c, "metric"));
	add_number(t, json_object_get(c, "hub_metric"));
	if (with.shares)
		add_share(t, c);
	table_cell(t, TERM_PLAIN, "%s", client_text(c, "state"));
	table_cell(t, TERM_DIM, "%s", client_text(c, "why"));
}

static struct table *new_table(struct extra with)
{
	const char *columns[16];
	size_t n = 0;

	columns[n++] = "PREFIX";
	columns[n++] = "";
	columns[n++] = "VIA";
	columns[n++] = "ORIGIN";
	if (with.sources) {
		columns[n++] = "SOURCE";
		columns[n++] = ">DISTANCE";
	}
	columns[n++] = ">METRIC";
	columns[n++] = ">HUB METRIC";
	if (with.shares)
		columns[n++] = ">SHARE";
	columns[n++] = "STATE";
	columns[n++] = "WHY";
	columns[n] = NULL;
	return table_new(columns);
}

static void print_table(const json_t *routes)
{
	struct extra with = {has_sources(routes), has_shares(routes)};
	struct table *t = new_table(with);
	const json_t *route, *c;
	size_t i, k;

	json_array_foreach(routes, i, route)
	{
		json_array_foreach(json_object_get(route, "candidates"), k, c)
		{
			add_candidate(t, route, c, k == 0, with);
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

static void print_routes(const json_t *answer)
{
	const json_t *routes = json_object_get(answer, "routes"), *route;
	size_t i;

	print_table(routes);
	json_array_foreach(routes, i, route)
	{
		if (!json_is_null(json_object_get(route, "owner")))
			continue;
		printf("%s%s has no usable candidate%s (%s)\n", term_begin(stdout, TERM_RED),
			client_text(route, "prefix"), term_end(stdout, TERM_RED), fate_of(route));
	}
}

static int run(int argc, char **argv)
{
	struct client_options o;
	ip_prefix queried;
	json_t *answer;
	int code = client_parse(&cli_routes, argc, argv, &o);

	if (code)
		return code;
	if (argc - optind > 1)
		return cli_usage_error(&cli_routes, "one prefix or address at a time");
	if (argv[optind] && !ip_prefix_parse(&queried, argv[optind])) {
		cli_error("%s is neither a prefix nor an address", argv[optind]);
		return CLI_USAGE;
	}
	answer = client_ask(&o, "routes", argv[optind], &code);
	if (!answer)
		return code;
	if (o.json)
		client_print_json(answer);
	else if (json_is_true(json_object_get(answer, "own")))
		printf("%s is %s's own\n", argv[optind], client_text(answer, "node"));
	else
		print_routes(answer);
	json_decref(answer);
	return CLI_OK;
}

const struct cli_verb cli_routes = {
	.name = "routes",
	.usage = "[PREFIX|ADDRESS] [--node NAME] [--json]",
	.summary = "show every candidate of a prefix, the winner, and why the others lose",
	.help = CLIENT_HELP
	"\n"
	"A prefix is looked up as it is, an address by the longest prefix that has an\n"
	"owner now; without either all prefixes are shown.\n"
	"\n"
	"* wins: it gets the packets, or the share of the flows that is told. = is equal to\n"
	"the winner but gets none, since the set was cut: WHY tells the reason. SOURCE and\n"
	"DISTANCE are told where a routing engine has a say: kernel is what its routes say.\n",
	.run = run,
};

/* SPDX-License-Identifier: MIT */
#include "base/prefix.h"
#include "cli/client.h"
#include "cli/table.h"
#include <string.h>
#include <unistd.h>

static enum term_style style_of(const char *reason)
{
	if (!strcmp(reason, "wins"))
		return TERM_GREEN;
	return strcmp(reason, "peer-down") ? TERM_PLAIN : TERM_RED;
}

static void add_candidate(struct table *t, const json_t *route, const json_t *c, bool first)
{
	const char *reason = client_text(c, "reason");
	const char *via = client_text(c, "via"), *origin = client_text(c, "origin");
	const json_t *hub_metric = json_object_get(c, "hub_metric");

	table_cell(t, TERM_BOLD, "%s", first ? client_text(route, "prefix") : " ");
	table_cell(t, style_of(reason), "%s", strcmp(reason, "wins") ? " " : "*");
	table_cell(t, style_of(reason), "%s", via);
	table_cell(t, TERM_PLAIN, "%s", origin);
	table_cell(
		t, TERM_PLAIN, "%lld", (long long)json_integer_value(json_object_get(c, "metric")));
	if (json_is_integer(hub_metric))
		table_cell(t, TERM_PLAIN, "%lld", (long long)json_integer_value(hub_metric));
	else
		table_cell(t, TERM_PLAIN, "%s", "");
	table_cell(t, TERM_PLAIN, "%s", client_text(c, "state"));
	table_cell(t, TERM_DIM, "%s", client_text(c, "why"));
}

static void print_routes(const json_t *answer)
{
	static const char *const headings[] = {
		"PREFIX", "", "VIA", "ORIGIN", ">METRIC", ">HUB METRIC", "STATE", "WHY", NULL};
	struct table *t = table_new(headings);
	const json_t *route, *c;
	size_t i, k;

	json_array_foreach(json_object_get(answer, "routes"), i, route) json_array_foreach(
		json_object_get(route, "candidates"), k, c) add_candidate(t, route, c, k == 0);
	table_print(t, stdout);
	table_free(t);
	json_array_foreach(json_object_get(answer, "routes"), i,
		route) if (json_is_null(json_object_get(route, "owner")))
		printf("%s%s has no usable candidate%s (%s)\n", term_begin(stdout, TERM_RED),
			client_text(route, "prefix"), term_end(stdout, TERM_RED),
			json_is_true(json_object_get(route, "kernel_route"))
				? "its packets stay on the device, a covering prefix may carry them"
				: "the kernel's route is released");
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
	"owner now; without either all prefixes are shown.\n",
	.run = run,
};

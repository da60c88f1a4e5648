/* SPDX-License-Identifier: MIT */
#include "cli/client.h"
#include <unistd.h>

/* "peers_added" -> "2 peers added" */
static void print_count(const char *between, long long n, const char *what)
{
	printf("%s%lld ", between, n);
	for (; *what; what++)
		putchar(*what == '_' ? ' ' : *what);
}

static void print_counts(json_t *counts)
{
	const char *what;
	json_t *count;
	bool any = false;

	json_object_foreach(counts, what, count)
	{
		long long n = json_integer_value(count);

		if (n)
			print_count(any ? ", " : ": ", n, what);
		any |= n != 0;
	}
	puts(any ? "" : "; the device needed no change");
}

static void print_names(const json_t *lines)
{
	const json_t *line;
	size_t i;

	json_array_foreach(lines, i, line)
		printf("  %s\n", json_string_value(line) ? json_string_value(line) : "");
}

int verb_reload(const struct command_line *line)
{
	struct client_options o;
	json_t *answer;
	int code = client_options_of(line, &o);

	if (code)
		return code;
	answer = client_ask(&o, "reload", NULL, &code);
	if (!answer)
		return code;
	if (o.json) {
		client_print_json(answer);
	} else {
		printf("%s has taken the new inventory", client_text(answer, "node"));
		print_counts(json_object_get(answer, "changed"));
		print_names(json_object_get(answer, "changes"));
	}
	json_decref(answer);
	return CLI_OK;
}

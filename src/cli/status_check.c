/* SPDX-License-Identifier: MIT */
/* shunt status --check: the status as a probe for monitoring, one line and an exit code. */
#include "base/buf.h"
#include "cli/status.h"
#include <string.h>

#define NAMED_MAX 8 /* more nodes than this are counted, not named */

enum status_rank status_rank_of(const json_t *peer)
{
	const char *state = client_text(peer, "state");

	if (!strcmp(state, "up"))
		return STATUS_UP;
	return strcmp(state, "last-resort") ? STATUS_DOWN : STATUS_LAST_RESORT;
}

bool status_is_client(const json_t *peer)
{
	return !strcmp(client_text(peer, "role"), "client");
}

struct status_counts status_count(const json_t *answer)
{
	struct status_counts n = {.problems = json_array_size(json_object_get(answer, "problems"))};
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(answer, "peers"), i, p)
	{
		enum status_rank rank = status_rank_of(p);

		if (status_is_client(p)) {
			n.clients++;
			n.clients_up += rank != STATUS_DOWN;
			continue;
		}
		n.all++;
		n.up += rank == STATUS_UP;
		n.last_resort += rank == STATUS_LAST_RESORT;
		n.down += rank == STATUS_DOWN;
	}
	return n;
}

enum status_verdict status_judge(const json_t *answer)
{
	struct status_counts n = status_count(answer);

	if (n.all && n.down == n.all)
		return STATUS_CRITICAL;
	if (n.up < n.all || n.problems || json_is_true(json_object_get(answer, "drained")) ||
		json_is_true(json_object_get(answer, "holding")))
		return STATUS_WARNING;
	return STATUS_OK;
}

/* "; down: site-1, site-2 and 3 more" */
static void add_names(
	struct buf *line, const json_t *answer, enum status_rank rank, const char *word)
{
	size_t i, n = 0;
	const json_t *p;

	json_array_foreach(json_object_get(answer, "peers"), i, p)
	{
		if (status_is_client(p) || status_rank_of(p) != rank)
			continue;
		if (n < NAMED_MAX)
			buf_printf(line, n ? ", %s" : "; %s: %s", n ? client_text(p, "node") : word,
				client_text(p, "node"));
		n++;
	}
	if (n > NAMED_MAX)
		buf_printf(line, " and %zu more", n - NAMED_MAX);
}

/* A line of output and "|" mean something to who reads it. */
static void put_line(const char *text)
{
	for (; *text; text++)
		putchar(*text == '\n' || *text == '|' ? ' ' : *text);
}

static void print_line(const json_t *answer, enum status_verdict verdict)
{
	static const char *const words[] = {"OK", "WARNING", "CRITICAL", "UNKNOWN"};
	struct status_counts n = status_count(answer);
	AUTO_BUF line = {0};

	buf_printf(&line, "SHUNT %s - %s: %zu of %zu up, %zu problem%s", words[verdict],
		client_text(answer, "node"), n.up, n.all, n.problems, n.problems == 1 ? "" : "s");
	add_names(&line, answer, STATUS_DOWN, "down");
	add_names(&line, answer, STATUS_LAST_RESORT, "last-resort");
	if (json_is_true(json_object_get(answer, "drained")))
		buf_puts(&line, "; drained");
	if (json_is_true(json_object_get(answer, "holding")))
		buf_puts(&line, "; holding");
	if (n.problems)
		buf_printf(&line, "; %s",
			client_text(
				json_array_get(json_object_get(answer, "problems"), 0), "what"));
	put_line(buf_str(&line));
	printf(" | up=%zu;;;0;%zu down=%zu last_resort=%zu problems=%zu clients=%zu;;;0;%zu\n",
		n.up, n.all, n.down, n.last_resort, n.problems, n.clients_up, n.clients);
}

int status_check(const struct client_options *o)
{
	AUTO_BUF why = {0};
	json_t *answer;
	enum status_verdict verdict;
	int code;

	cli_divert_errors(&why);
	answer = client_ask(o, "status", NULL, &code);
	cli_divert_errors(NULL);
	if (!answer) {
		fputs("SHUNT UNKNOWN - ", stdout);
		put_line(buf_str(&why));
		putchar('\n');
		return STATUS_UNKNOWN;
	}
	verdict = status_judge(answer);
	print_line(answer, verdict);
	json_decref(answer);
	return (int)verdict;
}

/* SPDX-License-Identifier: MIT */
/* shunt status: what is wrong comes first, and the worst of the peers. */
#include "cli/status.h"
#include "base/buf.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/table.h"
#include "cli/users.h"
#include <string.h>
#include <unistd.h>

#define WATCH_S 2

static enum term_style style_of_state(const char *state)
{
	return !strcmp(state, "up") ? TERM_GREEN : !strcmp(state, "down") ? TERM_RED : TERM_YELLOW;
}

static const char *bytes_text(double n, char buf[static 32])
{
	static const char units[] = " KMGTP";
	size_t i = 0;

	for (; n >= 1024 && i < strlen(units) - 1; i++)
		n /= 1024;
	if (i == 0)
		snprintf(buf, 32, "%.0f B", n);
	else
		snprintf(buf, 32, "%.1f %ciB", n, units[i]);
	return buf;
}

/* --- what is said above the table ----------------------------------------------------------------
 */

static void print_summary(const json_t *a)
{
	struct status_counts n = status_count(a);
	AUTO_BUF more = {0};

	printf("%s%s%s: %s%zu of %zu up%s, %s%zu problem%s%s", term_begin(stdout, TERM_BOLD),
		client_text(a, "node"), term_end(stdout, TERM_BOLD),
		term_begin(stdout, n.up == n.all ? TERM_GREEN : TERM_YELLOW), n.up, n.all,
		term_end(stdout, TERM_GREEN),
		term_begin(stdout, n.problems ? TERM_RED : TERM_PLAIN), n.problems,
		n.problems == 1 ? "" : "s", term_end(stdout, n.problems ? TERM_RED : TERM_PLAIN));
	if (n.down)
		buf_printf(&more, "; %zu down", n.down);
	if (n.last_resort)
		buf_printf(&more, "; %zu last-resort", n.last_resort);
	if (n.clients)
		buf_printf(&more, "; %zu of %zu client%s here", n.clients_up, n.clients,
			n.clients == 1 ? "" : "s");
	printf("%s\n", buf_str(&more));
}

static void print_self(const json_t *a, unsigned width)
{
	const json_t *device = json_object_get(a, "device");
	char uptime[32];
	AUTO_FREE char *text = mem_printf(
		"%s of mesh %s: %s, %s WireGuard (%s%s), port %lld, shuntd up %s",
		client_text(a, "role"), client_text(a, "mesh"), client_text(device, "interface"),
		client_text(device, "kind"), client_text(device, "name"),
		json_integer_value(json_object_get(device, "max_owners")) > 1 ? ", several owners"
									      : "",
		(long long)json_integer_value(json_object_get(device, "listen_port")),
		client_duration(json_number_value(json_object_get(a, "uptime_s")), uptime));

	command_fill(stdout, text, width, 0, 0);
}

/* A word in a colour, and what it means. */
static void print_notice(enum term_style style, const char *word, const char *text, unsigned width)
{
	printf("%s%s%s", term_begin(stdout, style), word, term_end(stdout, style));
	command_fill(stdout, text, width, strlen(word), 2);
}

/* Of a drained node. */
static void print_users(const json_t *users, unsigned width)
{
	AUTO_BUF text = {0};

	if (!json_is_array(users))
		return;
	if (json_array_size(users)) {
		buf_puts(&text, "still used: ");
		users_text(users, &text);
	} else {
		buf_puts(&text, "nobody sends through it any more");
	}
	fputs("  ", stdout);
	command_fill(stdout, buf_str(&text), width, 2, 4);
}

static void print_own_state(const json_t *a, unsigned width)
{
	const char *until = json_string_value(json_object_get(a, "drained_until"));
	AUTO_FREE char *drained =
		mem_printf(": last resort for all peers until %s%s`shunt undrain %s`",
			until ? until : "", until ? " or " : "", client_text(a, "node"));

	if (json_is_true(json_object_get(a, "drained"))) {
		print_notice(TERM_YELLOW, "drained", drained, width);
		print_users(json_object_get(a, "users"), width);
	}
	if (json_is_true(json_object_get(a, "holding")))
		print_notice(TERM_YELLOW, "holding",
			": has just returned and is last resort for all peers until its hold time "
			"is over",
			width);
}

static void print_routing(const json_t *a, unsigned width)
{
	const json_t *r = json_object_get(a, "routing"), *answers = json_object_get(r, "answers");
	AUTO_FREE char *sessions = NULL;

	if (!json_is_object(r))
		return;
	printf("routing engine %s: ", client_text(r, "engine"));
	sessions = mem_printf("%lld of %lld sessions established, %lld routes from them",
		(long long)json_integer_value(json_object_get(r, "established")),
		(long long)json_integer_value(json_object_get(r, "sessions")),
		(long long)json_integer_value(json_object_get(r, "routes")));
	if (json_is_true(answers))
		command_fill(stdout, sessions, width, 17 + strlen(client_text(r, "engine")), 2);
	else if (json_is_false(answers))
		printf("%sdoesn't answer%s at %s\n", term_begin(stdout, TERM_RED),
			term_end(stdout, TERM_RED), client_text(r, "socket"));
	else
		printf("%s\n", json_is_string(json_object_get(r, "socket"))
				       ? "not asked yet"
				       : "its sessions aren't known here");
}

/* What mends it is to be copied, and stays on one line. */
static void print_problems(const json_t *a, unsigned width)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(a, "problems"), i, item)
	{
		const char *fix = json_string_value(json_object_get(item, "fix"));

		printf("\n%sproblem%s  ", term_begin(stdout, TERM_RED), term_end(stdout, TERM_RED));
		command_fill(stdout, client_text(item, "what"), width, 9, 9);
		if (fix)
			printf("   mend it: %s\n", fix);
	}
}

/* --- the table -----------------------------------------------------------------------------------
 */

struct shown {
	bool has_engine, is_wide;
};

/* Of a routing engine: what all sessions with a peer do, or how many stand. */
static void add_sessions(struct table *t, const json_t *p)
{
	const json_t *list = json_object_get(p, "sessions"), *s;
	const char *state = "";
	size_t i, n = json_array_size(list), established = 0;
	long long routes = 0;

	json_array_foreach(list, i, s)
	{
		state = client_text(s, "state");
		established += !strcmp(state, "established");
		routes += json_integer_value(json_object_get(s, "routes"));
	}
	if (!established)
		table_cell(t, n ? TERM_RED : TERM_PLAIN, "%s", state);
	else if (established < n)
		table_cell(t, TERM_YELLOW, "%zu of %zu, %lld routes", established, n, routes);
	else
		table_cell(t, TERM_GREEN, "%lld routes", routes);
}

static void add_wide(struct table *t, const json_t *p)
{
	char rx[32], tx[32];

	table_cell(t, TERM_PLAIN, "%s", client_text(p, "since"));
	table_cell(t, TERM_PLAIN, "%s", client_text(p, "probe"));
	table_cell(t, TERM_PLAIN, "%s", client_text(p, "endpoint"));
	table_cell(t, TERM_PLAIN, "%s",
		bytes_text(json_number_value(json_object_get(p, "rx_bytes")), rx));
	table_cell(t, TERM_PLAIN, "%s",
		bytes_text(json_number_value(json_object_get(p, "tx_bytes")), tx));
}

static void add_peer(struct table *t, const json_t *p, struct shown shown)
{
	const char *state = client_text(p, "state");
	const json_t *age = json_object_get(p, "handshake_age_s");
	char since[32], handshake[32] = "never";

	if (json_is_number(age))
		client_duration(json_number_value(age), handshake);
	table_cell(t, TERM_BOLD, "%s", client_text(p, "node"));
	table_cell(t, style_of_state(state), "%s", state);
	table_cell(t, TERM_PLAIN, "%s",
		client_duration(json_number_value(json_object_get(p, "since_s")), since));
	table_cell(
		t, TERM_PLAIN, "%lld", (long long)json_integer_value(json_object_get(p, "flaps")));
	table_cell(t, TERM_PLAIN, "%s", handshake);
	if (shown.is_wide)
		add_wide(t, p);
	if (shown.has_engine)
		add_sessions(t, p);
	table_cell(t, TERM_DIM, "%s", client_text(p, "why"));
}

static struct table *new_table(struct shown shown, unsigned width)
{
	struct table_column columns[TABLE_MAX_COLUMNS] = {{"PEER", TABLE_TRUNCATE}, {"STATE", 0},
		{"FOR", TABLE_RIGHT}, {"FLAPS", TABLE_RIGHT}, {"HANDSHAKE", TABLE_RIGHT}};
	size_t n = 5;

	if (shown.is_wide) {
		columns[n++] = (struct table_column){"SINCE", 0};
		columns[n++] = (struct table_column){"PROBE", 0};
		columns[n++] = (struct table_column){"ENDPOINT", 0};
		columns[n++] = (struct table_column){"RECEIVED", TABLE_RIGHT};
		columns[n++] = (struct table_column){"SENT", TABLE_RIGHT};
	}
	if (shown.has_engine)
		columns[n++] = (struct table_column){"BGP", 0};
	columns[n++] = (struct table_column){"WHY", TABLE_FOLD};
	return table_new(columns, n, width);
}

static void print_peers(const json_t *a, bool is_wide, unsigned width)
{
	struct shown shown = {json_is_object(json_object_get(a, "routing")), is_wide};
	struct table *t = new_table(shown, width);
	const json_t *p;
	size_t i;

	for (enum status_rank r = STATUS_DOWN; r <= STATUS_UP; r++)
		json_array_foreach(json_object_get(a, "peers"), i, p) if (status_rank_of(p) == r)
			add_peer(t, p, shown);
	if (json_array_size(json_object_get(a, "peers")))
		putchar('\n');
	table_print(t, stdout);
	table_free(t);
}

/* --- asked ---------------------------------------------------------------------------------------
 */

static void keep_those_not_up(json_t *a)
{
	json_t *peers = json_object_get(a, "peers");

	for (size_t i = json_array_size(peers); i-- > 0;)
		if (status_rank_of(json_array_get(peers, i)) == STATUS_UP)
			json_array_remove(peers, i);
}

static void print_screen(json_t *a, const struct command_line *line)
{
	bool is_wide = command_has(line, "wide");
	unsigned width = is_wide ? TABLE_ANY_WIDTH : term_width(stdout);

	print_summary(a);
	print_self(a, width);
	print_own_state(a, width);
	print_routing(a, width);
	print_problems(a, width);
	if (command_has(line, "down"))
		keep_those_not_up(a);
	print_peers(a, is_wide, width);
}

static int show(const struct command_line *line, const struct client_options *o)
{
	const char *via = command_value(line, "via");
	json_t *answer;
	int code;

	if (via)
		return status_show_via(line, o, via);
	answer = client_ask(o, "status", NULL, &code);
	if (!answer)
		return code;
	if (command_has(line, "watch") && isatty(STDOUT_FILENO))
		fputs("\033[H\033[J", stdout);
	if (!o->json) {
		print_screen(answer, line);
	} else {
		if (command_has(line, "down"))
			keep_those_not_up(answer);
		client_print_json(answer);
	}
	json_decref(answer);
	return CLI_OK;
}

/* Until somebody ends it, or nobody reads any more. */
static int watch(const struct command_line *line, const struct client_options *o)
{
	for (;;) {
		show(line, o);
		if (!isatty(STDOUT_FILENO) && !o->json)
			putchar('\n');
		if (fflush(stdout))
			return CLI_FAILED;
		sleep(WATCH_S);
	}
}

int verb_status(const struct command_line *line)
{
	struct client_options o;
	int code = client_options_of(line, &o);

	if (command_has(line, "check"))
		return code ? STATUS_UNKNOWN : status_check(&o);
	if (code)
		return code;
	return command_has(line, "watch") ? watch(line, &o) : show(line, &o);
}

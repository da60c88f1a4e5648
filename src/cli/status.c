/* SPDX-License-Identifier: MIT */
#include "cli/client.h"
#include "cli/table.h"
#include <string.h>
#include <unistd.h>

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

static void print_head(const json_t *a)
{
	const json_t *device = json_object_get(a, "device");
	const char *b = term_begin(stdout, TERM_BOLD), *e = term_end(stdout, TERM_BOLD);
	char uptime[32];

	printf("%s%s%s (%s) of mesh %s: %s, %s WireGuard (%s%s), port %lld, shuntd up %s\n", b,
		client_text(a, "node"), e, client_text(a, "role"), client_text(a, "mesh"),
		client_text(device, "interface"), client_text(device, "kind"),
		client_text(device, "name"),
		json_integer_value(json_object_get(device, "max_owners")) > 1 ? ", several owners"
									      : "",
		(long long)json_integer_value(json_object_get(device, "listen_port")),
		client_duration(json_number_value(json_object_get(a, "uptime_s")), uptime));
	if (json_is_true(json_object_get(a, "drained")))
		printf("%sdrained%s: last resort for all peers until `shunt undrain %s`\n",
			term_begin(stdout, TERM_YELLOW), term_end(stdout, TERM_YELLOW),
			client_text(a, "node"));
	if (json_is_true(json_object_get(a, "holding")))
		printf("%sholding%s: has just returned and is last resort for all peers until its "
		       "hold time is over\n",
			term_begin(stdout, TERM_YELLOW), term_end(stdout, TERM_YELLOW));
}

/* Of a routing engine. What all sessions with a peer do, or how many stand. */
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
		table_cell(t, TERM_YELLOW, "%zu of %zu established, %lld routes", established, n,
			routes);
	else
		table_cell(t, TERM_GREEN, "established, %lld routes", routes);
}

static void add_peer(struct table *t, const json_t *p, bool has_engine)
{
	const char *state = client_text(p, "state");
	const json_t *age = json_object_get(p, "handshake_age_s");
	char since[32], handshake[32] = "never", rx[32], tx[32];

	if (json_is_number(age))
		client_duration(json_number_value(age), handshake);
	table_cell(t, TERM_BOLD, "%s", client_text(p, "node"));
	table_cell(t, style_of_state(state), "%s", state);
	table_cell(t, TERM_PLAIN, "%s",
		client_duration(json_number_value(json_object_get(p, "since_s")), since));
	table_cell(t, TERM_PLAIN, "%s", client_text(p, "probe"));
	table_cell(t, TERM_PLAIN, "%s", client_text(p, "endpoint"));
	table_cell(t, TERM_PLAIN, "%s", handshake);
	table_cell(t, TERM_PLAIN, "%s",
		bytes_text(json_number_value(json_object_get(p, "rx_bytes")), rx));
	table_cell(t, TERM_PLAIN, "%s",
		bytes_text(json_number_value(json_object_get(p, "tx_bytes")), tx));
	if (has_engine)
		add_sessions(t, p);
	table_cell(t, TERM_DIM, "%s", client_text(p, "why"));
}

static void print_peers(const json_t *a)
{
	static const char *const headings[] = {"PEER", "STATE", ">FOR", "PROBE", "ENDPOINT",
		">HANDSHAKE", ">RECEIVED", ">SENT", "WHY", NULL};
	static const char *const with_engine[] = {"PEER", "STATE", ">FOR", "PROBE", "ENDPOINT",
		">HANDSHAKE", ">RECEIVED", ">SENT", "BGP", "WHY", NULL};
	bool has_engine = json_is_object(json_object_get(a, "routing"));
	struct table *t = table_new(has_engine ? with_engine : headings);
	const json_t *p;
	size_t i;

	json_array_foreach(json_object_get(a, "peers"), i, p) add_peer(t, p, has_engine);
	putchar('\n');
	table_print(t, stdout);
	table_free(t);
}

static void print_troubles(const json_t *a)
{
	const char *b = term_begin(stdout, TERM_RED), *e = term_end(stdout, TERM_RED);
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(a, "problems"), i, item)
	{
		const char *fix = json_string_value(json_object_get(item, "fix"));

		printf("\n%sproblem%s  %s\n", b, e, client_text(item, "what"));
		if (fix)
			printf("   mend it: %s\n", fix);
	}
}

static void print_routing(const json_t *a)
{
	const json_t *r = json_object_get(a, "routing"), *answers = json_object_get(r, "answers");

	if (!json_is_object(r))
		return;
	printf("routing engine %s: ", client_text(r, "engine"));
	if (json_is_true(answers))
		printf("%lld of %lld sessions established, %lld routes from them\n",
			(long long)json_integer_value(json_object_get(r, "established")),
			(long long)json_integer_value(json_object_get(r, "sessions")),
			(long long)json_integer_value(json_object_get(r, "routes")));
	else if (json_is_false(answers))
		printf("%sdoesn't answer%s at %s\n", term_begin(stdout, TERM_RED),
			term_end(stdout, TERM_RED), client_text(r, "socket"));
	else
		printf("%s\n", json_is_string(json_object_get(r, "socket"))
				       ? "not asked yet"
				       : "its sessions aren't known here");
}

static int run(int argc, char **argv)
{
	struct client_options o;
	json_t *answer;
	int code = client_parse(&cli_status, argc, argv, &o);

	if (code)
		return code;
	if (optind != argc)
		return cli_usage_error(&cli_status, "it takes no operand");
	answer = client_ask(&o, "status", NULL, &code);
	if (!answer)
		return code;
	if (o.json) {
		client_print_json(answer);
	} else {
		print_head(answer);
		print_routing(answer);
		print_peers(answer);
		print_troubles(answer);
	}
	json_decref(answer);
	return CLI_OK;
}

const struct cli_verb cli_status = {
	.name = "status",
	.usage = "[--node NAME] [--json]",
	.summary = "show this node's peers, who is alive and why, and what is wrong",
	.help = CLIENT_HELP
	"\n"
	"A peer is up, last-resort (it drains or holds: used where there is nobody else)\n"
	"or down. Problems come with the command that mends them.\n",
	.run = run,
};

/* SPDX-License-Identifier: MIT */
/*
 * The prober with one peer or many, for tests and benches: prints its events as JSON lines and
 * takes commands on standard input.
 *
 *   prober_tool DEVICE [--hold MS] [--cold] [--drained] PEER...
 *   PEER:
 * LOCAL,REMOTE,INTERVAL_MS,MULTIPLIER[,bfd|echo][,signals][,adopted][,hold=MS][,secret=WORD]
 *         secret: both ends have the same and authenticate by it
 *
 * Commands, one a line: "drain", "undrain", "clear", "reopen", "info N", "error", "stats", "set N
 * INTERVAL_MS MULTIPLIER", "tell NODES TIME" (a report made of these two numbers), "report N",
 * "quit". The end of the input ends it too.
 */
#include "base/buf.h"
#include "base/mem.h"
#include "prober/prober.h"
#include "sys/clock.h"
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct tool {
	struct prober *prober;
	struct live_self_config self;
	struct live_peer_config *peers;
	size_t n;
	struct buf input;
	bool quit;
};

static void die(const char *text)
{
	fprintf(stderr, "prober_tool: %s\n", text);
	exit(2);
}

/* Of the word and of who sends to whom. */
static void make_keys(struct live_peer_config *c, const char *secret)
{
	const ip_addr *ends[] = {&c->local, &c->remote};
	uint8_t *keys[] = {c->keys.send, c->keys.receive};

	for (int i = 0; i < 2; i++) {
		crypto_generichash_state state;

		crypto_generichash_init(
			&state, (const uint8_t *)secret, strlen(secret), BFD_KEY_LEN);
		crypto_generichash_update(&state, ends[i]->bytes, sizeof(ends[i]->bytes));
		crypto_generichash_final(&state, keys[i], BFD_KEY_LEN);
	}
	c->authenticates = true;
}

static void parse_word(struct live_peer_config *c, const char *word)
{
	if (strcmp(word, "bfd") == 0)
		c->probe = LIVE_PROBE_BFD;
	else if (strcmp(word, "echo") == 0)
		c->probe = LIVE_PROBE_ECHO;
	else if (strcmp(word, "signals") == 0)
		c->signals = true;
	else if (strcmp(word, "adopted") == 0)
		c->adopted_as = LIVE_UP;
	else if (strncmp(word, "hold=", 5) == 0)
		c->hold_ns = atol(word + 5) * NS_PER_MS;
	else if (strncmp(word, "secret=", 7) == 0)
		make_keys(c, word + 7);
	else
		die(word);
}

static void parse_peer(struct tool *t, char *text)
{
	struct live_peer_config c = {.peer = (uint32_t)t->n, .probe = LIVE_PROBE_BFD};
	char *rest = text;
	char *word;

	if (!ip_addr_parse(&c.local, strsep(&rest, ",")) || !rest ||
		!ip_addr_parse(&c.remote, strsep(&rest, ",")) || !rest)
		die("bad address");
	c.interval_ns = atol(strsep(&rest, ",")) * NS_PER_MS;
	c.multiplier = rest ? (unsigned)atoi(strsep(&rest, ",")) : 3;
	while ((word = strsep(&rest, ",")))
		parse_word(&c, word);
	t->peers = mem_realloc(t->peers, t->n + 1, sizeof(c));
	t->peers[t->n++] = c;
}

static void parse_arguments(struct tool *t, int argc, char **argv)
{
	t->self.sequence = (uint32_t)(sys_now().ns / (NS_PER_S / BFD_AUTH_RATE));
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--cold") == 0)
			t->self.cold_start = true;
		else if (strcmp(argv[i], "--drained") == 0)
			t->self.drained = true;
		else if (strcmp(argv[i], "--hold") == 0 && i + 1 < argc)
			t->self.hold_ns = atol(argv[++i]) * NS_PER_MS;
		else
			parse_peer(t, argv[i]);
	}
}

static const char *truth(bool b)
{
	return b ? "true" : "false";
}

static void print_event(const struct live_event *e)
{
	if (e->type == LIVE_EVENT_PEER)
		printf("{\"event\": \"peer\", \"peer\": %u, \"state\": \"%s\", \"cause\": \"%s\"",
			e->peer, live_state_name(e->state), live_cause_name(e->cause));
	else if (e->type == LIVE_EVENT_REPORT)
		printf("{\"event\": \"report\", \"peer\": %u", e->peer);
	else
		printf("{\"event\": \"%s\"", e->type == LIVE_EVENT_SELF ? "self" : "hold-over");
	printf(", \"drained\": %s, \"holding\": %s, \"at_ns\": %" PRId64 "}\n", truth(e->drained),
		truth(e->holding), e->at.ns);
}

static void print_events(struct tool *t)
{
	struct live_event events[256];
	size_t n;

	do {
		n = prober_events(t->prober, events, ARRAY_SIZE(events));
		for (size_t i = 0; i < n; i++)
			print_event(&events[i]);
	} while (n == ARRAY_SIZE(events));
}

static void print_info(struct tool *t, uint32_t peer)
{
	struct live_peer_info i;

	if (!prober_info(t->prober, peer, &i)) {
		printf("{\"info\": null}\n");
		return;
	}
	printf("{\"info\": {\"state\": \"%s\", \"cause\": \"%s\", \"session\": \"%s\", "
	       "\"remote_session\": \"%s\", \"diag\": %d, \"remote_diag\": %d, ",
		live_state_name(i.state), live_cause_name(i.cause), bfd_state_name(i.session),
		bfd_state_name(i.remote_session), i.diag, i.remote_diag);
	printf("\"local_discriminator\": %u, \"remote_discriminator\": %u, "
	       "\"tx_interval_ms\": %g, \"detection_time_ms\": %g, \"flaps\": %u, "
	       "\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"refused\": %" PRIu64 "}}\n",
		i.local_discriminator, i.remote_discriminator, (double)i.tx_interval_ns / 1e6,
		(double)i.detection_time_ns / 1e6, i.flaps, i.packets_sent, i.packets_received,
		i.packets_refused);
}

static void print_stats(struct tool *t)
{
	struct prober_stats s;

	prober_stats(t->prober, &s);
	printf("{\"stats\": {\"sent\": %" PRIu64 ", \"received\": %" PRIu64 ", \"rounds\": %" PRIu64
	       ", \"cpu_ns\": %" PRId64 ", \"worst_lateness_ns\": %" PRId64 "}}\n",
		s.sent, s.received, s.rounds, s.cpu_ns, s.worst_lateness_ns);
}

static void print_error(struct tool *t)
{
	char text[200] = "";
	int r = prober_error(t->prober, text, sizeof(text));

	printf("{\"error\": %d, \"text\": \"%s\"}\n", r, text);
}

static void tell(struct tool *t, const char *arguments)
{
	struct live_report r = {.max_owners = 16};
	unsigned n, time;

	if (sscanf(arguments, "%u %u", &n, &time) != 2)
		die("bad tell");
	r.inventory_time = time;
	live_report_init_nodes(&r, n);
	for (unsigned i = 0; i < n; i++) {
		r.lines[i] = (uint8_t)((i * 7 + time) % 4);
		r.takes_many[i] = (i + time) % 3 == 0;
	}
	prober_tell(t->prober, &r);
	live_report_done(&r);
}

/* A digit for each node: its line, and 4 more if it takes packets of several. */
static void print_report(struct tool *t, uint32_t peer)
{
	struct live_report r;

	if (!prober_report(t->prober, peer, &r)) {
		printf("{\"report\": null}\n");
		return;
	}
	printf("{\"report\": {\"time\": %" PRId64 ", \"max_owners\": %u, \"nodes\": \"",
		r.inventory_time, r.max_owners);
	for (uint32_t i = 0; i < r.n_nodes; i++)
		putchar('0' + r.lines[i] + (r.takes_many[i] ? 4 : 0));
	printf("\"}}\n");
	live_report_done(&r);
}

static void set(struct tool *t, const char *arguments)
{
	unsigned peer, interval_ms, multiplier;

	if (sscanf(arguments, "%u %u %u", &peer, &interval_ms, &multiplier) != 3 || peer >= t->n)
		die("bad set");
	t->peers[peer].interval_ns = interval_ms * NS_PER_MS;
	t->peers[peer].multiplier = multiplier;
	prober_set_peers(t->prober, t->peers, t->n);
}

static void command(struct tool *t, const char *line)
{
	if (strcmp(line, "drain") == 0 || strcmp(line, "undrain") == 0)
		prober_drain(t->prober, line[0] == 'd');
	else if (strcmp(line, "clear") == 0)
		prober_hold_clear(t->prober);
	else if (strcmp(line, "reopen") == 0)
		prober_reopen(t->prober);
	else if (strncmp(line, "info ", 5) == 0)
		print_info(t, (uint32_t)atoi(line + 5));
	else if (strcmp(line, "error") == 0)
		print_error(t);
	else if (strcmp(line, "stats") == 0)
		print_stats(t);
	else if (strncmp(line, "set ", 4) == 0)
		set(t, line + 4);
	else if (strncmp(line, "tell ", 5) == 0)
		tell(t, line + 5);
	else if (strncmp(line, "report ", 7) == 0)
		print_report(t, (uint32_t)atoi(line + 7));
	else if (strcmp(line, "quit") == 0)
		t->quit = true;
	else
		die(line);
}

static void read_commands(struct tool *t)
{
	ssize_t got = read(STDIN_FILENO, buf_room(&t->input, 4096), 4096);
	char *end;

	if (got <= 0) {
		t->quit = true;
		return;
	}
	t->input.n += (size_t)got;
	while ((end = memchr(t->input.data, '\n', t->input.n))) {
		*end = '\0';
		command(t, t->input.data);
		buf_drop(&t->input, (size_t)(end + 1 - t->input.data));
		if (!t->input.n)
			break;
	}
}

int main(int argc, char **argv)
{
	struct tool t = {0};
	int r;

	if (argc < 3)
		die("usage: prober_tool DEVICE [OPTION]... PEER...");
	setvbuf(stdout, NULL, _IOLBF, 0);
	parse_arguments(&t, argc, argv);
	r = prober_start(argv[1], &t.self, &t.prober);
	if (r < 0)
		die(strerror(-r));
	prober_set_peers(t.prober, t.peers, t.n);
	while (!t.quit) {
		struct pollfd fds[] = {{.fd = prober_fd(t.prober), .events = POLLIN},
			{.fd = STDIN_FILENO, .events = POLLIN}};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (fds[0].revents)
			print_events(&t);
		if (fds[1].revents)
			read_commands(&t);
	}
	prober_stop(t.prober);
	buf_done(&t.input);
	free(t.peers);
	return 0;
}

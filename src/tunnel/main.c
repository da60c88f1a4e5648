/* SPDX-License-Identifier: MIT */
/* shunt-wg: its command line. */
#include "tunnel/declared.h"
#include "tunnel/environment.h"
#include "tunnel/program.h"
#include "tunnel/start.h"
#include "tunnel/stats.h"
#include "wg/aead.h"

#include <net/if.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_version(void)
{
	const struct aead_backend *b = aead_choose(NULL);

	printf("shunt-wg %s\nAEAD: %s\n", SHUNT_VERSION, b ? b->name : "none");
	return b ? 0 : 1;
}

static bool is_interface_name(const char *name)
{
	static const char chars[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=+.-";
	size_t n = strlen(name);

	return n >= 1 && n < IFNAMSIZ && strspn(name, chars) == n && strcmp(name, ".") &&
	       strcmp(name, "..");
}

static int usage_error(const struct command_line *line, const char *why)
{
	fprintf(stderr, "shunt-wg: %s\n", why);
	command_print_usage(&tunnel_command, line->verb, stderr);
	return 2;
}

/* signals: as they were before they were held. */
static int run(int argc, char **argv, const sigset_t *signals)
{
	struct command_line line;
	int err = command_parse(tunnel_command.verbs, argc, argv, &line);
	const char *stats = command_value(&line, "stats"), *interface = line.operands[0];

	if (command_has(&line, "help")) {
		command_print_help(&tunnel_command, line.verb, stdout);
		return 0;
	}
	if (command_has(&line, "version"))
		return print_version();
	if (err)
		return usage_error(&line, line.wrong);
	if (stats && !interface) {
		sigprocmask(SIG_SETMASK, signals, NULL);
		return stats_print(stats, command_has(&line, "json"));
	}
	if (stats || command_has(&line, "json"))
		return usage_error(&line, "--json goes with --stats, which takes the interface");
	if (!interface)
		return usage_error(&line, line.verb->complaint);
	if (!is_interface_name(interface))
		return usage_error(&line, "that can't be an interface's name");
	return program_run(
		interface, environment_wants_foreground() || command_has(&line, "foreground"));
}

int main(int argc, char **argv)
{
	sigset_t signals;

	start_hold_signals(&signals);
	/* Some tools send the latter two to whatever has a log. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	if (start_open_standard() || sodium_init() < 0) {
		fputs("shunt-wg: /dev/null can't be opened, or there is no randomness\n", stderr);
		return 1;
	}
	return run(argc, argv, &signals);
}

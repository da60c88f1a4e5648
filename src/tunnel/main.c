/* SPDX-License-Identifier: MIT */
/* shunt-wg: its command line. Options and environment are wireguard-go's, so that wg-quick and
 * others may start it in its place. */
#include "tunnel/environment.h"
#include "tunnel/program.h"
#include "tunnel/start.h"
#include "tunnel/stats.h"
#include "wg/aead.h"

#include <getopt.h>
#include <net/if.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char usage[] =
	"Usage: shunt-wg [-f|--foreground] INTERFACE\n"
	"       shunt-wg --stats INTERFACE [--json]\n"
	"       shunt-wg --version\n"
	"A WireGuard device in userspace, configured by `wg` and driven by wg-quick\n"
	"(WG_QUICK_USERSPACE_IMPLEMENTATION=shunt-wg).\n"
	"\n"
	"Environment: LOG_LEVEL=verbose|debug|error|silent, WG_PROCESS_FOREGROUND=1,\n"
	"WG_TUN_FD, WG_UAPI_FD: file descriptors of a TUN and of a listening socket to take "
	"over;\n"
	"SHUNT_WG_WORKERS=auto|0..6: threads that help a busy direction, by default while cores "
	"are idle.\n";

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

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"foreground", no_argument, NULL, 'f'},
		{"stats", required_argument, NULL, 's'},
		{"json", no_argument, NULL, 'j'},
		{"version", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{0},
	};
	bool foreground = environment_wants_foreground(), json = false;
	const char *stats = NULL;
	sigset_t signals;
	int c;

	start_hold_signals(&signals);
	/* Some tools send the latter two to whatever has a log. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	if (start_open_standard() || sodium_init() < 0) {
		fputs("shunt-wg: /dev/null can't be opened, or there is no randomness\n", stderr);
		return 1;
	}
	while ((c = getopt_long(argc, argv, "fh", options, NULL)) != -1) {
		switch (c) {
		case 'f':
			foreground = true;
			break;
		case 's':
			stats = optarg;
			break;
		case 'j':
			json = true;
			break;
		case 'v':
			return print_version();
		case 'h':
			fputs(usage, stdout);
			return 0;
		default:
			fputs(usage, stderr);
			return 2;
		}
	}
	if (stats && optind == argc) {
		sigprocmask(SIG_SETMASK, &signals, NULL);
		return stats_print(stats, json);
	}
	if (stats || json || optind + 1 != argc || !is_interface_name(argv[optind])) {
		fputs(usage, stderr);
		return 2;
	}
	return program_run(argv[optind], foreground);
}

/* SPDX-License-Identifier: MIT */
#include "daemon/log.h"
#include "daemon/run.h"
#include "sys/process.h"

#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* One that the build names stands in for the usual one, and for one that isn't shunt-wg. */
#ifdef SHUNT_USERSPACE
#define SHUNT_USERSPACE_TEXT SHUNT_USERSPACE
#define SHUNT_USERSPACE_OTHER SHUNT_USERSPACE
#else
#define SHUNT_USERSPACE NULL
#define SHUNT_USERSPACE_TEXT "shunt-wg, else wireguard-go"
#define SHUNT_USERSPACE_OTHER "wireguard-go"
#endif

static const char usage[] =
	"Usage: shuntd --node NAME [OPTION]... FILE\n"
	"Runs the node NAME of the inventory FILE: owns its WireGuard device, watches its peers "
	"and\n"
	"keeps every prefix on the best peer that is alive.\n"
	"\n"
	"  -n, --node NAME          the node of the inventory that this machine is\n"
	"  -d, --device KIND        kernel, uapi, or auto (default): the inventory's `device`, "
	"else\n"
	"                           what is there, the kernel's, or one in userspace\n"
	"  -u, --userspace PROGRAM  what to start where uapi finds no device "
	"(default " SHUNT_USERSPACE_TEXT ")\n"
	"      --run-dir DIR        lock and control socket (default /run/shunt/NAME)\n"
	"      --state-dir DIR      journal and drain flag (default /var/lib/shunt/NAME)\n"
	"      --set-sysctl         mend forwarding and reverse path filters that would stop "
	"traffic\n"
	"      --stop-devices       at the end drain, wait a second, and take the device down\n"
	"  -v, --verbose            log more\n"
	"  -h, --help               this text\n"
	"      --version            the version\n"
	"\n"
	"It stays in the foreground and logs to standard error. SIGHUP takes a new inventory, "
	"SIGTERM\n"
	"ends it and leaves the device running. Exit status: 0 ended by a signal, 1 could not "
	"start,\n"
	"2 wrong usage.\n";

enum { OPT_RUN_DIR = 256, OPT_STATE_DIR, OPT_SET_SYSCTL, OPT_STOP_DEVICES, OPT_VERSION };

static const struct option options[] = {
	{"node", required_argument, NULL, 'n'},
	{"device", required_argument, NULL, 'd'},
	{"userspace", required_argument, NULL, 'u'},
	{"run-dir", required_argument, NULL, OPT_RUN_DIR},
	{"state-dir", required_argument, NULL, OPT_STATE_DIR},
	{"set-sysctl", no_argument, NULL, OPT_SET_SYSCTL},
	{"stop-devices", no_argument, NULL, OPT_STOP_DEVICES},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{0},
};

__attribute__((format(printf, 1, 2))) static int usage_error(const char *fmt, ...)
{
	va_list ap;

	fputs("shuntd: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("; see shuntd --help\n", stderr);
	return 2;
}

static bool parse_kind(const char *text, enum device_kind *ret)
{
	static const char *const kinds[] = {
		[DEVICE_AUTO] = "auto", [DEVICE_KERNEL] = "kernel", [DEVICE_UAPI] = "uapi"};

	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (!strcmp(text, kinds[i])) {
			*ret = (enum device_kind)i;
			return true;
		}
	}
	return false;
}

/* -1: go on; otherwise the exit status. */
static int parse_option(int c, struct daemon_options *o)
{
	switch (c) {
	case 'n':
		o->node = optarg;
		return -1;
	case 'd':
		return parse_kind(optarg, &o->kind)
			       ? -1
			       : usage_error("--device is auto, kernel or uapi, not %s", optarg);
	case 'u':
		o->programs.stated = optarg;
		return -1;
	case OPT_RUN_DIR:
		o->run_dir = optarg;
		return -1;
	case OPT_STATE_DIR:
		o->state_dir = optarg;
		return -1;
	case OPT_SET_SYSCTL:
		o->set_sysctl = true;
		return -1;
	case OPT_STOP_DEVICES:
		o->stop_devices = true;
		return -1;
	case 'v':
		o->verbose = true;
		return -1;
	case 'h':
		fputs(usage, stdout);
		return 0;
	case OPT_VERSION:
		puts("shuntd " SHUNT_VERSION);
		return 0;
	default:
		fputs("See shuntd --help\n", stderr);
		return 2;
	}
}

static int parse(int argc, char **argv, struct daemon_options *o)
{
	int c, status;

	while ((c = getopt_long(argc, argv, "n:d:u:vh", options, NULL)) != -1) {
		status = parse_option(c, o);
		if (status >= 0)
			return status;
	}
	if (!o->node)
		return usage_error("%s is missing", "--node NAME");
	if (optind + 1 != argc)
		return usage_error("%s",
			optind < argc ? "one inventory, please" : "the inventory FILE is missing");
	o->file = argv[optind];
	return -1;
}

static bool is_in_path(const char *program)
{
	AUTO_FREE char *path = mem_printf("%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	char *rest = path;
	bool found = false;

	for (char *folder; !found && (folder = strsep(&rest, ":"));) {
		AUTO_FREE char *file = mem_printf("%s/%s", *folder ? folder : ".", program);

		found = !access(file, X_OK);
	}
	return found;
}

/* As it was built with us, else as it is installed. */
static char *find_shunt_wg(void)
{
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self));
	char *slash = n > 0 && n < PATH_MAX ? memrchr(self, '/', (size_t)n) : NULL;

	if (slash) {
		char *beside = mem_printf("%.*s/shunt-wg", (int)(slash - self), self);

		if (!access(beside, X_OK))
			return beside;
		free(beside);
	}
	return mem_printf("shunt-wg");
}

/* shunt-wg; without it, the one that others have. */
static void find_programs(struct device_programs *p)
{
	bool is_there = strchr(p->shunt_wg, '/') || is_in_path(p->shunt_wg);

	p->other = SHUNT_USERSPACE_OTHER;
	p->usual = SHUNT_USERSPACE;
	if (!p->usual)
		p->usual = is_there ? p->shunt_wg : "wireguard-go";
}

/* A name that stands in a path must be one that an inventory can hold. */
static bool is_node_name(const char *name)
{
	static const char chars[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=+.-";
	size_t n = strlen(name);

	return n >= 1 && n <= 63 && strspn(name, chars) == n && strcmp(name, ".") &&
	       strcmp(name, "..");
}

int main(int argc, char **argv)
{
	struct daemon_options o = {0};
	AUTO_FREE char *run_dir = NULL;
	AUTO_FREE char *state_dir = NULL;
	AUTO_FREE char *shunt_wg = NULL;
	int status;

	daemon_block_signals();
	/* Some tools send the latter two to whatever has a log. */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
	status = parse(argc, argv, &o);
	if (status >= 0)
		return status;
	if (!is_node_name(o.node))
		return usage_error("%s can't be a node's name", o.node);
	o.programs.shunt_wg = shunt_wg = find_shunt_wg();
	find_programs(&o.programs);
	run_dir = mem_printf("/run/shunt/%s", o.node);
	state_dir = mem_printf("/var/lib/shunt/%s", o.node);
	o.run_dir = o.run_dir ? o.run_dir : run_dir;
	o.state_dir = o.state_dir ? o.state_dir : state_dir;
	process_keep_secrets();
	if (sodium_init() < 0)
		return 1;
	log_init(o.node, o.verbose);
	return daemon_run(&o);
}

/* SPDX-License-Identifier: MIT */
#include "daemon/declared.h"
#include "daemon/log.h"
#include "daemon/run.h"
#include "sys/process.h"

#include <limits.h>
#include <signal.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One that the build names stands in for the usual one, and for one that isn't shunt-wg. */
#ifdef SHUNT_USERSPACE
#define SHUNT_USERSPACE_OTHER SHUNT_USERSPACE
#else
#define SHUNT_USERSPACE NULL
#define SHUNT_USERSPACE_OTHER "wireguard-go"
#endif

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

/* One of the words that are declared. */
static enum device_kind kind_of(const char *text)
{
	static const char *const kinds[] = {
		[DEVICE_AUTO] = "auto", [DEVICE_KERNEL] = "kernel", [DEVICE_UAPI] = "uapi"};

	for (size_t i = 0; text && i < ARRAY_SIZE(kinds); i++)
		if (!strcmp(text, kinds[i]))
			return (enum device_kind)i;
	return DEVICE_AUTO;
}

/* -1: go on; otherwise the exit status. */
static int parse(int argc, char **argv, struct daemon_options *o)
{
	struct command_line line;
	int err = command_parse(daemon_command.verbs, argc, argv, &line);

	if (command_has(&line, "help"))
		command_print_help(&daemon_command, line.verb, stdout);
	else if (command_has(&line, "version"))
		puts("shuntd " SHUNT_VERSION);
	else if (err)
		return usage_error("%s", line.wrong);
	if (command_has(&line, "help") || command_has(&line, "version"))
		return 0;
	o->node = command_value(&line, "node");
	o->file = line.operands[0];
	o->kind = kind_of(command_value(&line, "device"));
	o->programs.stated = command_value(&line, "userspace");
	o->run_dir = command_value(&line, "run-dir");
	o->state_dir = command_value(&line, "state-dir");
	o->set_sysctl = command_has(&line, "set-sysctl");
	o->stop_devices = command_has(&line, "stop-devices");
	o->verbose = command_has(&line, "verbose");
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

/* What stands in for it, else as it was built with us, else as it is installed. */
static char *find_shunt_wg(void)
{
	const char *stand_in = getenv("SHUNT_WG");
	char self[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self));
	char *slash = n > 0 && n < PATH_MAX ? memrchr(self, '/', (size_t)n) : NULL;

	if (stand_in && stand_in[0] == '/' && !access(stand_in, X_OK))
		return mem_printf("%s", stand_in);
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

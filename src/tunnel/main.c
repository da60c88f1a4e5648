/* SPDX-License-Identifier: MIT */
/*
 * shunt-wg: the program around a device. Options and environment are wireguard-go's, so that
 * wg-quick and others may start it in its place. It goes to the background by a fork before any
 * thread runs; the parent waits until the child has its socket and says so.
 *
 * Descriptors: what a device needs at its busiest is counted before anything is made, so that later
 * nothing fails for want of one; configurators share what is left.
 */
#include "base/mem.h"
#include "base/secret.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "tunnel/duty.h"
#include "tunnel/events.h"
#include "tunnel/start.h"
#include "tunnel/stats.h"
#include "tunnel/tunnel.h"
#include "tunnel/uapi.h"
#include "tunnel/watch.h"
#include "tunnel/workers.h"
#include "wg/aead.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <linux/capability.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

/* What a device may have open at once beside the standard three: 25 for good, the sockets of an old
 * and a new port, what is opened for a moment, and one that a client is told by to wait. */
#define DESCRIPTORS 32

enum log_level { LOG_SILENT, LOG_ERROR, LOG_VERBOSE };

struct program {
	const char *name;
	bool foreground;
	enum log_level level;
	uv_loop_t loop;
	struct tun tun;
	struct tunnel *tunnel;
	struct uapi_server *server;
	struct watch *watch;
	uv_signal_t signals[3];
	uv_fs_event_t socket_watch;
	uv_prepare_t look_at_locks;
	unsigned max_clients;
	char *socket_path;
	bool owns_socket;
	struct stat socket_id;
	bool lock_was_refused;
	pthread_mutex_t event_lock;
	struct event_limit events;
};

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

static void say(const struct program *p, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static void say(const struct program *p, enum log_level level, const char *fmt, ...)
{
	struct pollfd fd = {STDERR_FILENO, POLLOUT, 0};
	char line[512];
	va_list ap;

	/* Packets don't wait for whoever doesn't read the log. */
	if (level > p->level || poll(&fd, 1, 0) == 0)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	dprintf(STDERR_FILENO, "shunt-wg: (%s) %s\n", p->name, line);
}

static void log_socket_line(const char *line, void *data)
{
	say(data, LOG_ERROR, "%s", line);
}

/* For LOG_LEVEL=verbose; a flood of whatever kind doesn't fill the disk. */
static void on_event(const wg_key *peer, const char *what, void *data)
{
	struct program *p = data;
	char name[EVENT_PEER_STRLEN];
	unsigned left_out = 0;
	bool may;

	pthread_mutex_lock(&p->event_lock);
	may = event_limit_allow(&p->events, sys_now(), &left_out);
	pthread_mutex_unlock(&p->event_lock);
	if (left_out)
		say(p, LOG_VERBOSE, "%u lines were left out", left_out);
	if (may && peer)
		say(p, LOG_VERBOSE, "%s - %s", event_peer_name(peer, name), what);
	else if (may)
		say(p, LOG_VERBOSE, "%s", what);
}

/* --- while it runs -------------------------------------------------------------------------------
 */

static void end(struct program *p)
{
	uv_stop(&p->loop);
}

/* More peers may be more than may be locked: looked at now and then, said once. */
static void note_refused_lock(struct program *p)
{
	if (p->lock_was_refused || !secret_lock_was_refused())
		return;
	p->lock_was_refused = true;
	say(p, LOG_ERROR,
		"keys can't all be locked in memory (see ulimit -l); they are kept out of core "
		"dumps");
}

static void on_round(uv_prepare_t *h)
{
	note_refused_lock(h->data);
}

static void on_said(bool is_error, const char *line, void *data)
{
	say(data, is_error ? LOG_ERROR : LOG_VERBOSE, "%s", line);
}

static void on_gone(void *data)
{
	end(data);
}

static void on_signal(uv_signal_t *s, int signum)
{
	end(s->data);
}

/* Another program's may stand there by now. */
static void remove_socket(struct program *p)
{
	struct stat st;

	if (p->owns_socket && !stat(p->socket_path, &st) && st.st_ino == p->socket_id.st_ino &&
		st.st_dev == p->socket_id.st_dev)
		unlink(p->socket_path);
	p->owns_socket = false;
}

static void on_socket_event(uv_fs_event_t *w, const char *file, int events, int status)
{
	struct program *p = w->data;

	if (access(p->socket_path, F_OK) && errno == ENOENT) {
		say(p, LOG_VERBOSE, "the socket was deleted");
		end(p);
	}
}

/* They were held from the first line on: what came meanwhile comes now. */
static int take_signals(struct program *p)
{
	static const int ending[] = {SIGTERM, SIGINT, SIGHUP};
	int err = 0;

	for (size_t i = 0; !err && i < ARRAY_SIZE(ending); i++) {
		err = uv_signal_init(&p->loop, &p->signals[i]);
		p->signals[i].data = p;
		if (!err && !start_is_ignored(ending[i]))
			err = uv_signal_start(&p->signals[i], on_signal, ending[i]);
	}
	if (!err)
		start_release_signals();
	return err;
}

static int watch_socket(struct program *p)
{
	int err = uv_fs_event_init(&p->loop, &p->socket_watch);

	p->socket_watch.data = p;
	if (!err && p->owns_socket)
		err = uv_fs_event_start(&p->socket_watch, on_socket_event, "/var/run/wireguard", 0);
	return err;
}

static int watch_all(struct program *p)
{
	int err = take_signals(p);

	if (!err)
		err = watch_socket(p);
	if (!err)
		err = uv_prepare_init(&p->loop, &p->look_at_locks);
	if (err)
		return err;
	p->look_at_locks.data = p;
	uv_prepare_start(&p->look_at_locks, on_round);
	return watch_start(p->watch, &p->loop, p->tunnel);
}

static void close_handle(uv_handle_t *h, void *data)
{
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

/* Whoever started us may wait for the end of a pipe; only who wants a log, or is the journal, keeps
 * it. */
static void let_go_of_stderr(void)
{
	int null;

	if (getenv("LOG_LEVEL") || getenv("JOURNAL_STREAM"))
		return;
	null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (null >= 0) {
		dup2(null, STDERR_FILENO);
		close(null);
	}
}

static void tell_ready(struct program *p, int ready_fd)
{
	if (ready_fd < 0)
		return;
	let_go_of_stderr();
	if (write(ready_fd, "+", 1) < 0)
		say(p, LOG_VERBOSE, "whoever started it has gone");
	close(ready_fd);
}

static void close_loop(struct program *p)
{
	uapi_stop(p->server);
	watch_stop(p->watch);
	uv_walk(&p->loop, close_handle, NULL);
	uv_run(&p->loop, UV_RUN_DEFAULT);
	uv_loop_close(&p->loop);
}

static int serve(struct program *p, int uapi_fd, int ready_fd)
{
	int err = uv_loop_init(&p->loop);

	if (err) {
		say(p, LOG_ERROR, "the event loop can't be made: %s", strerror(-err));
		return 1;
	}
	err = uapi_serve(&p->loop, uapi_fd, p->tunnel, p->max_clients, &p->server);
	if (err)
		say(p, LOG_ERROR, "the socket can't be served: %s", strerror(-err));
	if (!err) {
		err = watch_all(p);
		if (err)
			say(p, LOG_ERROR, "signals, socket and interface can't be watched: %s",
				strerror(-err));
	}
	if (!err) {
		tell_ready(p, ready_fd);
		process_forget_start();
		say(p, LOG_VERBOSE, "device started, AEAD by %s", tunnel_aead_name(p->tunnel));
		uv_run(&p->loop, UV_RUN_DEFAULT);
		say(p, LOG_VERBOSE, "ends");
	}
	remove_socket(p);
	close_loop(p);
	return err ? 1 : 0;
}

/* --- start ---------------------------------------------------------------------------------------
 */

static int fd_of_environment(const char *name)
{
	const char *text = getenv(name);
	char *rest;
	long fd;

	if (!text)
		return -1;
	fd = strtol(text, &rest, 10);
	return *text && !*rest && fd >= 0 && fd < 1 << 20 ? (int)fd : -2;
}

/* False: it is no number of workers. */
static bool workers_of_environment(int *ret)
{
	const char *text = getenv("SHUNT_WG_WORKERS");

	*ret = DUTY_AUTO;
	if (!text || !*text || !strcmp(text, "auto"))
		return true;
	*ret = text[0] - '0';
	return *ret >= 0 && *ret <= WORKERS_MAX && !text[1];
}

static int open_tun(struct program *p)
{
	char why[256];
	int fd = fd_of_environment("WG_TUN_FD");

	if (fd == -2) {
		say(p, LOG_ERROR, "WG_TUN_FD is no file descriptor");
		return -EINVAL;
	}
	if ((fd < 0 ? tun_create(p->name, &p->tun, why, sizeof(why))
		    : tun_adopt(fd, &p->tun, why, sizeof(why)))) {
		say(p, LOG_ERROR, "%s", why);
		return -1;
	}
	return 0;
}

static bool is_bound_to(int fd, const char *path)
{
	struct sockaddr_un addr = {0};
	socklen_t len = sizeof(addr) - 1;
	struct stat its, there;

	/* By another name of the same folder, perhaps. */
	return !getsockname(fd, (struct sockaddr *)&addr, &len) && addr.sun_family == AF_UNIX &&
	       !stat(addr.sun_path, &its) && !stat(path, &there) && its.st_ino == there.st_ino &&
	       its.st_dev == there.st_dev;
}

static int open_socket(struct program *p)
{
	int fd = fd_of_environment("WG_UAPI_FD");

	p->socket_path = uapi_path(p->tun.name);
	if (fd >= 0) {
		fcntl(fd, F_SETFD, FD_CLOEXEC);
		p->owns_socket =
			is_bound_to(fd, p->socket_path) && !stat(p->socket_path, &p->socket_id);
		return fd;
	}
	fd = fd == -2 ? -EBADF : uapi_bind(p->tun.name);
	p->owns_socket = fd >= 0 && !stat(p->socket_path, &p->socket_id);
	if (fd == -EADDRINUSE)
		say(p, LOG_ERROR, "another program serves %s already", p->socket_path);
	else if (fd < 0)
		say(p, LOG_ERROR, "the socket %s can't be made: %s", p->socket_path, strerror(-fd));
	return fd;
}

static void harden(void)
{
	/* The second for a listen port below 1024. */
	static const int keep[] = {CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_IPC_LOCK};

	prctl(PR_SET_DUMPABLE, 0);
	process_keep_caps(keep, ARRAY_SIZE(keep), ARRAY_SIZE(keep));
}

/* False: a limit leaves too few. */
static bool count_descriptors(struct program *p)
{
	unsigned n = start_count_descriptors(DESCRIPTORS + UAPI_MAX_CLIENTS);

	if (n <= DESCRIPTORS) {
		say(p, LOG_ERROR,
			"only %u files can be opened, %d are needed: raise the limit (ulimit -n)",
			n, DESCRIPTORS + 1);
		return false;
	}
	p->max_clients = n - DESCRIPTORS;
	return true;
}

/* In the background, if that was asked for: there are no threads yet. */
static int start_device(struct program *p, int uapi_fd, int n_workers)
{
	const struct watch_calls calls = {on_said, on_gone, p};
	int ready_fd = -1, status = 1, err;

	if (!p->foreground) {
		err = start_background(&ready_fd);
		if (err) {
			say(p, LOG_ERROR, "it can't go to the background: %s", strerror(-err));
			return 1;
		}
	}
	/* Large answers and requests go back to the system, always. */
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	err = watch_new(&p->tun, &calls, &p->watch);
	if (err) {
		say(p, LOG_ERROR, "the kernel's news can't be had: %s", strerror(-err));
		return 1;
	}
	/* Before there are threads: capabilities are each thread's own. */
	harden();
	p->tunnel = tunnel_new(&p->tun, n_workers, log_socket_line, p);
	if (p->tunnel && p->level >= LOG_VERBOSE)
		tunnel_listen(p->tunnel, on_event, p);
	if (p->tunnel)
		status = serve(p, uapi_fd, ready_fd);
	else
		say(p, LOG_ERROR,
			"the device can't be started: memory, threads or descriptors are short");
	tunnel_free(p->tunnel);
	watch_free(p->watch);
	return status;
}

static int run_device(struct program *p)
{
	int uapi_fd, status = 1, n_workers;

	if (!workers_of_environment(&n_workers)) {
		say(p, LOG_ERROR, "SHUNT_WG_WORKERS is neither auto nor a number from 0 to %d",
			WORKERS_MAX);
		return 1;
	}
	if (!count_descriptors(p) || open_tun(p))
		return 1;
	uapi_fd = open_socket(p);
	if (uapi_fd >= 0)
		status = start_device(p, uapi_fd, n_workers);
	remove_socket(p);
	free(p->socket_path);
	return status;
}

static enum log_level level_of_environment(void)
{
	const char *text = getenv("LOG_LEVEL");

	if (text && (!strcmp(text, "verbose") || !strcmp(text, "debug")))
		return LOG_VERBOSE;
	return text && !strcmp(text, "silent") ? LOG_SILENT : LOG_ERROR;
}

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
	const char *foreground = getenv("WG_PROCESS_FOREGROUND"), *stats = NULL;
	struct program p = {.foreground = foreground && !strcmp(foreground, "1"),
		.event_lock = PTHREAD_MUTEX_INITIALIZER,
		.level = level_of_environment()};
	sigset_t signals;
	bool json = false;
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
			p.foreground = true;
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
	p.name = argv[optind];
	return run_device(&p);
}

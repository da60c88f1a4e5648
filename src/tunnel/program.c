/* SPDX-License-Identifier: MIT */
#include "tunnel/program.h"

#include "base/mem.h"
#include "base/secret.h"
#include "sys/process.h"
#include "sys/rounds.h"
#include "tunnel/environment.h"
#include "tunnel/log.h"
#include "tunnel/start.h"
#include "tunnel/tunnel.h"
#include "tunnel/uapi_server.h"
#include "tunnel/uapi_socket.h"
#include "tunnel/watch.h"
#include "tunnel/workers.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* What a device may have open at once beside the standard three: 25 for good, the sockets of an old
 * and a new port, what is opened for a moment, and one that a client is told by to wait. */
#define DESCRIPTORS 32

struct program {
	const char *name; /* of the interface, as asked for */
	bool foreground;
	struct log log;
	uv_loop_t loop;
	struct tun tun;
	struct tunnel *tunnel;
	struct uapi_server *server;
	struct watch *watch;
	uv_signal_t signals[3];
	uv_fs_event_t socket_watch;
	uv_prepare_t between_rounds;
	struct rounds *rounds;
	unsigned max_clients;
	struct uapi_socket socket;
	bool lock_was_refused; /* said already */
};

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
	log_say(&p->log, LOG_ERROR,
		"keys can't all be locked in memory (see ulimit -l); they are kept out of core "
		"dumps");
}

static void on_round(uv_prepare_t *h)
{
	struct program *p = h->data;

	note_refused_lock(p);
	rounds_next(p->rounds);
}

static void on_said(bool is_error, const char *line, void *data)
{
	struct program *p = data;

	log_say(&p->log, is_error ? LOG_ERROR : LOG_VERBOSE, "%s", line);
}

static void on_gone(void *data)
{
	end(data);
}

static void on_signal(uv_signal_t *s, int signum)
{
	end(s->data);
}

static void on_socket_event(uv_fs_event_t *w, const char *file, int events, int status)
{
	struct program *p = w->data;

	if (uapi_socket_is_gone(&p->socket)) {
		log_say(&p->log, LOG_VERBOSE, "the socket was deleted");
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
	if (!err && p->socket.is_ours)
		err = uv_fs_event_start(&p->socket_watch, on_socket_event, UAPI_SOCKET_DIR, 0);
	return err;
}

static int watch_all(struct program *p)
{
	int err = take_signals(p);

	if (!err)
		err = watch_socket(p);
	if (!err)
		err = uv_prepare_init(&p->loop, &p->between_rounds);
	if (err)
		return err;
	p->between_rounds.data = p;
	uv_prepare_start(&p->between_rounds, on_round);
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
		log_say(&p->log, LOG_VERBOSE, "whoever started it has gone");
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
		log_say(&p->log, LOG_ERROR, "the event loop can't be made: %s", strerror(-err));
		return 1;
	}
	err = uapi_serve(&p->loop, uapi_fd, p->tunnel, p->max_clients, &p->server);
	if (err)
		log_say(&p->log, LOG_ERROR, "the socket can't be served: %s", strerror(-err));
	if (!err) {
		err = watch_all(p);
		if (err)
			log_say(&p->log, LOG_ERROR,
				"signals, socket and interface can't be watched: %s",
				strerror(-err));
	}
	if (!err) {
		tell_ready(p, ready_fd);
		/* Only a unit's own program: NOTIFY_SOCKET may be that of whoever started us. */
		if (p->foreground)
			process_notify("READY=1");
		process_forget_start();
		log_say(&p->log, LOG_VERBOSE, "device started, AEAD by %s",
			tunnel_aead_name(p->tunnel));
		uv_run(&p->loop, UV_RUN_DEFAULT);
		log_say(&p->log, LOG_VERBOSE, "ends");
	}
	uapi_socket_remove(&p->socket);
	close_loop(p);
	return err ? 1 : 0;
}

/* --- start ---------------------------------------------------------------------------------------
 */

static int open_tun(struct program *p)
{
	char why[256];
	int fd = environment_fd("WG_TUN_FD");

	if (fd == -2) {
		log_say(&p->log, LOG_ERROR, "WG_TUN_FD is no file descriptor");
		return -EINVAL;
	}
	if ((fd < 0 ? tun_create(p->name, &p->tun, why, sizeof(why))
		    : tun_adopt(fd, &p->tun, why, sizeof(why)))) {
		log_say(&p->log, LOG_ERROR, "%s", why);
		return -1;
	}
	return 0;
}

static int open_socket(struct program *p)
{
	int fd = uapi_socket_open(&p->socket, p->tun.name, environment_fd("WG_UAPI_FD"));

	if (fd == -EADDRINUSE)
		log_say(&p->log, LOG_ERROR, "another program serves %s already", p->socket.path);
	else if (fd < 0)
		log_say(&p->log, LOG_ERROR, "the socket %s can't be made: %s", p->socket.path,
			strerror(-fd));
	return fd;
}

static void harden(void)
{
	/* The second for a listen port below 1024, the last until the threads run. */
	static const int keep[] = {CAP_NET_ADMIN, CAP_NET_BIND_SERVICE, CAP_IPC_LOCK, CAP_SYS_NICE};

	prctl(PR_SET_DUMPABLE, 0);
	process_keep_caps(keep, ARRAY_SIZE(keep), ARRAY_SIZE(keep));
}

/* False: a limit leaves too few. */
static bool count_descriptors(struct program *p)
{
	unsigned n = start_count_descriptors(DESCRIPTORS + UAPI_MAX_CLIENTS);

	if (n <= DESCRIPTORS) {
		log_say(&p->log, LOG_ERROR,
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
			log_say(&p->log, LOG_ERROR, "it can't go to the background: %s",
				strerror(-err));
			return 1;
		}
	}
	process_go_first();
	/* Large answers and requests go back to the system, always. */
	mallopt(M_MMAP_THRESHOLD, 256 * 1024);
	err = watch_new(&p->tun, &calls, &p->watch);
	if (err) {
		log_say(&p->log, LOG_ERROR, "the kernel's news can't be had: %s", strerror(-err));
		return 1;
	}
	/* Before there are threads: capabilities are each thread's own. */
	harden();
	p->tunnel = tunnel_new(&p->tun, n_workers, log_line, &p->log);
	p->rounds = rounds_begin();
	process_drop_cap(CAP_SYS_NICE);
	if (p->tunnel && p->log.level >= LOG_VERBOSE)
		tunnel_listen(p->tunnel, log_event, &p->log);
	if (p->tunnel)
		status = serve(p, uapi_fd, ready_fd);
	else
		log_say(&p->log, LOG_ERROR,
			"the device can't be started: memory, threads or descriptors are short");
	rounds_end(p->rounds);
	tunnel_free(p->tunnel);
	watch_free(p->watch);
	return status;
}

static int run(struct program *p)
{
	int uapi_fd, status = 1, n_workers;

	if (!environment_workers(&n_workers)) {
		log_say(&p->log, LOG_ERROR,
			"SHUNT_WG_WORKERS is neither auto nor a number from 0 to %d", WORKERS_MAX);
		return 1;
	}
	if (!count_descriptors(p) || open_tun(p))
		return 1;
	uapi_fd = open_socket(p);
	if (uapi_fd >= 0)
		status = start_device(p, uapi_fd, n_workers);
	uapi_socket_remove(&p->socket);
	free(p->socket.path);
	return status;
}

int program_run(const char *interface, bool foreground)
{
	struct program p = {.name = interface, .foreground = foreground};

	log_init(&p.log, interface, environment_log_level());
	return run(&p);
}

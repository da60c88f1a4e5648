/* SPDX-License-Identifier: MIT */
/*
 * Starting a userspace program. It must outlive us and hold nothing of ours: a session of its own,
 * every descriptor closed, standard output and error in a file in memory, whose last line says why
 * a start failed and which is sealed against growth once the start is over.
 *
 * Between us and it stands a process of ours, the keeper, which only waits for it and passes on how
 * it ended. Programs that go to the background by themselves end soon; for one that stays in the
 * foreground the keeper is ended when the socket accepts, and init takes the program over.
 */
#include "device/internal.h"

#include "sys/clock.h"
#include "sys/process.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define START_MS 5000
/* How long a program's socket may be missing after the program went to the background. */
#define GRACE_MS 1000
#define POLL_MS 10

#define EXIT_NOT_FOUND 127
#define EXIT_NOT_STARTED 126

/* In the child: only calls that are safe after fork in a program with threads. */
static _Noreturn void become(const char *program, const char *ifname, int null, int log)
{
	struct sigaction usual = {.sa_handler = SIG_DFL};
	sigset_t none;
	char *argv[] = {(char *)(uintptr_t)program, (char *)(uintptr_t)ifname, NULL};

	for (int s = 1; s < NSIG; s++)
		(void)sigaction(s, &usual, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (chdir("/") < 0 || dup2(null, 0) < 0 || dup2(log, 1) < 0 || dup2(log, 2) < 0)
		_exit(EXIT_NOT_STARTED);
	close_range(3, ~0u, 0);
	execvp(program, argv);
	_exit(errno == ENOENT ? EXIT_NOT_FOUND : EXIT_NOT_STARTED);
}

static _Noreturn void keep(const char *program, const char *ifname, int null, int log)
{
	int status;
	pid_t pid;

	setsid();
	process_go_first();
	pid = fork();
	if (pid == 0)
		become(program, ifname, null, log);
	close_range(0, ~0u, 0);
	if (pid < 0)
		_exit(EXIT_NOT_STARTED);
	while (waitpid(pid, &status, 0) < 0)
		if (errno != EINTR)
			_exit(EXIT_NOT_STARTED);
	_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

static pid_t spawn(const char *program, const char *ifname, int log)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	sigset_t all, before;
	int err;
	pid_t pid;

	if (null < 0)
		return -errno;
	/* No handler of ours may run in the child. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = fork();
	err = -errno;
	if (pid == 0)
		keep(program, ifname, null, log);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	close(null);
	return pid < 0 ? err : pid;
}

/* The last line that isn't empty, without what isn't printable. */
static void last_line(int log, char *ret, size_t size)
{
	char text[4096];
	off_t end = lseek(log, 0, SEEK_END);
	off_t from = end > (off_t)sizeof(text) ? end - (off_t)sizeof(text) : 0;
	ssize_t n = end < 0 ? -1 : pread(log, text, sizeof(text), from);
	ssize_t start;

	ret[0] = '\0';
	while (n > 0 && (unsigned char)text[n - 1] <= ' ')
		n--;
	if (n <= 0)
		return;
	for (start = n; start > 0 && text[start - 1] != '\n'; start--)
		;
	snprintf(ret, size, ": %.*s", (int)(n - start), text + start);
	for (char *c = ret; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
}

struct start {
	const char *program, *path;
	pid_t keeper; /* 0: ended and reaped */
	int status;   /* of the program */
	int log;
};

/* True once the program's process ended. */
static bool has_ended(struct start *s)
{
	int status;

	if (!s->keeper)
		return true;
	if (waitpid(s->keeper, &status, WNOHANG) != s->keeper)
		return false;
	s->keeper = 0;
	s->status = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_NOT_STARTED;
	return true;
}

/* 0 when the socket accepts, -ETIMEDOUT, or -EIO if the program ended without that. */
static int wait_for_socket(struct start *s)
{
	instant end = instant_add(sys_now(), START_MS * NS_PER_MS);
	bool ended = false;

	for (;;) {
		if (uapi_probe(s->path) == 0)
			return 0;
		if (!ended && has_ended(s)) {
			ended = true;
			if (s->status)
				return -EIO;
			end = instant_min(end, instant_add(sys_now(), GRACE_MS * NS_PER_MS));
		}
		if (!instant_before(sys_now(), end))
			return ended ? -EIO : -ETIMEDOUT;
		poll(NULL, 0, POLL_MS);
	}
}

static void end_keeper(struct start *s, bool and_program)
{
	int status;

	if (!s->keeper)
		return;
	/* The keeper leads the group that the program was born in. */
	kill(and_program ? -s->keeper : s->keeper, SIGKILL);
	while (waitpid(s->keeper, &status, 0) < 0 && errno == EINTR)
		;
	s->keeper = 0;
}

static int explain(const struct start *s, int r, char *why, size_t size)
{
	char line[512];

	last_line(s->log, line, sizeof(line));
	if (r == -ETIMEDOUT) {
		snprintf(why, size, "%s was started, but its socket %s isn't there after %d s%s",
			s->program, s->path, START_MS / 1000, line);
	} else if (s->status == EXIT_NOT_FOUND) {
		snprintf(why, size, "the program %s isn't installed", s->program);
		return -ENOENT;
	} else if (s->status == EXIT_NOT_STARTED) {
		snprintf(why, size, "the program %s can't be started%s", s->program, line);
	} else if (s->status > 128) {
		snprintf(why, size, "%s was killed by signal %d%s", s->program, s->status - 128,
			line);
	} else {
		snprintf(why, size, "%s ended with status %d%s", s->program, s->status, line);
	}
	return r;
}

int uapi_start(const char *program, const char *ifname, const char *path, char *why, size_t size)
{
	struct start s = {.program = program, .path = path};
	int r;

	s.log = memfd_create("shunt-userspace", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (s.log < 0)
		return -errno;
	s.keeper = spawn(program, ifname, s.log);
	if (s.keeper < 0) {
		r = s.keeper;
		snprintf(why, size, "%s can't be started: %s", program, strerror(-r));
		close(s.log);
		return r;
	}
	r = wait_for_socket(&s);
	end_keeper(&s, r < 0);
	if (r < 0)
		r = explain(&s, r, why, size);
	else
		(void)fcntl(s.log, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL);
	close(s.log);
	return r;
}

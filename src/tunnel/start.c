/* SPDX-License-Identifier: MIT */
#include "tunnel/start.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/types.h>
#include <unistd.h>

/* --- descriptors ---------------------------------------------------------------------------------
 */

int start_open_standard(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		/* The lowest that is free: this one. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) < 0)
			return -errno;
	return 0;
}

unsigned start_count_descriptors(unsigned most)
{
	int fds[START_DESCRIPTORS_MOST];
	unsigned n = 0;

	assert(most <= START_DESCRIPTORS_MOST);
	while (n < most && (fds[n] = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 0)) >= 0)
		n++;
	for (unsigned i = 0; i < n; i++)
		close(fds[i]);
	return n;
}

/* --- signals -------------------------------------------------------------------------------------
 */

static void ending_signals(sigset_t *ret)
{
	sigemptyset(ret);
	sigaddset(ret, SIGTERM);
	sigaddset(ret, SIGINT);
	sigaddset(ret, SIGHUP);
}

void start_hold_signals(sigset_t *ret)
{
	sigset_t set;

	ending_signals(&set);
	sigprocmask(SIG_BLOCK, &set, ret);
}

void start_release_signals(void)
{
	sigset_t set;

	ending_signals(&set);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
}

bool start_is_ignored(int signum)
{
	struct sigaction a;

	return !sigaction(signum, NULL, &a) && a.sa_handler == SIG_IGN;
}

/* --- the background ------------------------------------------------------------------------------
 */

static void interrupt(int signum)
{
}

/* True once the child said that it is ready, false if it ended before. A signal is meant for what
 * was started: the child ends then as it would later. */
static bool wait_for_child(int fd, pid_t child)
{
	static const int ending[] = {SIGTERM, SIGINT, SIGHUP};
	struct pollfd ready = {fd, POLLIN, 0};
	sigset_t none;
	char byte;

	for (unsigned i = 0; i < sizeof(ending) / sizeof(ending[0]); i++)
		if (!start_is_ignored(ending[i]))
			sigaction(ending[i], &(struct sigaction){.sa_handler = interrupt}, NULL);
	sigemptyset(&none);
	while (ppoll(&ready, 1, NULL, &none) < 0 && errno == EINTR)
		kill(child, SIGTERM);
	return read(fd, &byte, 1) == 1;
}

static int leave_terminal(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (null < 0)
		return -errno;
	setsid();
	dup2(null, STDIN_FILENO);
	dup2(null, STDOUT_FILENO);
	close(null);
	return chdir("/") ? -errno : 0;
}

int start_background(int *ret)
{
	int fds[2], err;
	pid_t child;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	child = fork();
	if (child > 0) {
		close(fds[1]);
		_exit(wait_for_child(fds[0], child) ? 0 : 1);
	}
	err = child < 0 ? -errno : leave_terminal();
	close(fds[0]);
	if (err)
		close(fds[1]);
	else
		*ret = fds[1];
	return err;
}

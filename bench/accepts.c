/* SPDX-License-Identifier: MIT */
/*
 * accepts SOCKET COMMAND...: starts the command and prints how many seconds it takes until a
 * connection to the Unix socket is accepted; then ends the command, which has to stay in the
 * foreground. Exit status 1 if that is not so within ten seconds.
 */
#include <errno.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY_NS 50000
#define GIVE_UP_S 10.0

extern char **environ;

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static bool is_accepting(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	bool accepting;

	strncpy(to.sun_path, path, sizeof(to.sun_path) - 1);
	accepting = fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof(to));
	if (fd >= 0)
		close(fd);
	return accepting;
}

/* Negative: it never accepted. */
static double seconds_until_accepting(const char *path, pid_t pid, double start)
{
	const struct timespec pause = {0, LOOK_EVERY_NS};

	while (!is_accepting(path)) {
		if (now() - start > GIVE_UP_S || waitpid(pid, NULL, WNOHANG) == pid)
			return -1;
		nanosleep(&pause, NULL);
	}
	return now() - start;
}

int main(int argc, char **argv)
{
	double start, seconds;
	pid_t pid;
	int err;

	if (argc < 3) {
		fprintf(stderr, "usage: accepts SOCKET COMMAND...\n");
		return 2;
	}
	prctl(PR_SET_TIMERSLACK, 1000);
	start = now();
	err = posix_spawn(&pid, argv[2], NULL, NULL, argv + 2, environ);
	if (err) {
		fprintf(stderr, "accepts: %s: %s\n", argv[2], strerror(err));
		return 1;
	}
	seconds = seconds_until_accepting(argv[1], pid, start);
	if (seconds < 0)
		fprintf(stderr, "accepts: %s: nothing accepts on %s\n", argv[2], argv[1]);
	else
		printf("%.6f\n", seconds);
	kill(pid, SIGTERM);
	waitpid(pid, NULL, 0);
	return seconds < 0;
}

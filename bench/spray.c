/* SPDX-License-Identifier: MIT */
/*
 * spray FILE PORT SIZE SECONDS: datagrams of SIZE bytes, as fast as they are taken, to all
 * addresses that the file has, one a line, in its order and then again. Says how many there were.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#define BATCH 64
#define MAX_SIZE 65507

struct targets {
	struct sockaddr_in6 *to;
	size_t n, room;
};

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void die(const char *what)
{
	fprintf(stderr, "spray: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* IPv4 as a mapped address, so that one socket does for all. */
static int parse(struct sockaddr_in6 *to, const char *line)
{
	char mapped[96];

	if (strchr(line, ':'))
		return inet_pton(AF_INET6, line, &to->sin6_addr);
	snprintf(mapped, sizeof(mapped), "::ffff:%s", line);
	return inet_pton(AF_INET6, mapped, &to->sin6_addr);
}

static void add(struct targets *t, const char *line, unsigned port)
{
	struct sockaddr_in6 to = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};

	if (parse(&to, line) != 1)
		return;
	if (t->n == t->room) {
		t->room = t->room ? 2 * t->room : 1024;
		t->to = realloc(t->to, t->room * sizeof(*t->to));
		if (!t->to)
			die("memory");
	}
	t->to[t->n++] = to;
}

static struct targets read_targets(const char *path, unsigned port)
{
	struct targets t = {0};
	char line[80];
	FILE *f = fopen(path, "r");

	if (!f)
		die(path);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		add(&t, line, port);
	}
	fclose(f);
	if (!t.n) {
		errno = EINVAL;
		die(path);
	}
	return t;
}

static unsigned long long spray(const struct targets *t, int fd, size_t size, double seconds)
{
	static char payload[MAX_SIZE];
	struct iovec iov = {payload, size};
	struct mmsghdr m[BATCH] = {0};
	unsigned long long n = 0;
	size_t at = 0;

	for (double end = now() + seconds; now() < end;) {
		int done;

		for (unsigned i = 0; i < BATCH; i++) {
			m[i].msg_hdr = (struct msghdr){.msg_name = &t->to[at],
				.msg_namelen = sizeof(t->to[at]),
				.msg_iov = &iov,
				.msg_iovlen = 1};
			at = at + 1 == t->n ? 0 : at + 1;
		}
		done = sendmmsg(fd, m, BATCH, 0);
		if (done < 0 && errno != ENOBUFS && errno != EAGAIN)
			die("sendmmsg");
		n += done > 0 ? (unsigned)done : 0;
	}
	return n;
}

int main(int argc, char **argv)
{
	int fd = socket(AF_INET6, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct targets t;
	size_t size;

	if (argc != 5) {
		fprintf(stderr, "usage: %s FILE PORT SIZE SECONDS\n", argv[0]);
		return 2;
	}
	if (fd < 0)
		die("socket");
	size = strtoul(argv[3], NULL, 10);
	t = read_targets(argv[1], (unsigned)strtoul(argv[2], NULL, 10));
	printf("%llu\n", spray(&t, fd, size < MAX_SIZE ? size : MAX_SIZE, strtod(argv[4], NULL)));
	free(t.to);
	return 0;
}

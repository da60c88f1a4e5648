/* SPDX-License-Identifier: MIT */
#include "tunnel/stats.h"

#include "base/buf.h"
#include "base/mem.h"
#include "sys/unix.h"
#include "tunnel/uapi_socket.h"
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PREFIX "shunt_"
#define PATIENCE_S 30

static bool is_whole(const struct buf *answer)
{
	return answer->n >= 2 && !memcmp(answer->data + answer->n - 2, "\n\n", 2);
}

static int ask(const char *path, struct buf *ret)
{
	int fd = unix_connect(path, PATIENCE_S), err = 0;

	if (fd < 0)
		return fd;
	if (send(fd, "get=1\n\n", 7, MSG_NOSIGNAL) != 7)
		err = -errno;
	while (!err && !is_whole(ret)) {
		ssize_t n = recv(fd, buf_room(ret, 65536), 65536, 0);

		if (n > 0)
			ret->n += (size_t)n;
		else if (n == 0 || errno != EINTR)
			err = n ? -errno : -ECONNRESET;
	}
	close(fd);
	return err;
}

static json_t *read_counters(struct buf *answer)
{
	json_t *counters = json_object();
	char *line, *rest = answer->data;

	while (rest && (line = strsep(&rest, "\n"))) {
		char *value = strchr(line, '=');

		if (strncmp(line, PREFIX, strlen(PREFIX)) || !value)
			continue;
		*value++ = '\0';
		json_object_set_new(counters, line + strlen(PREFIX),
			json_integer((json_int_t)strtoumax(value, NULL, 10)));
	}
	return counters;
}

static void complain(const char *name, const char *path, int err)
{
	if (err == -ENOENT || err == -ECONNREFUSED)
		fprintf(stderr, "shunt-wg: no program serves %s; does %s run?\n", path, name);
	else if (err == -EACCES)
		fprintf(stderr, "shunt-wg: %s may not be used by this user; try as root\n", path);
	else
		fprintf(stderr, "shunt-wg: %s can't be asked: %s\n", name,
			err == -EAGAIN ? "it took too long" : strerror(-err));
}

static void print(json_t *counters, bool json)
{
	const char *name;
	json_t *value;

	if (json) {
		json_dumpf(counters, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
		return;
	}
	json_object_foreach(counters, name, value)
		printf("%-26s %lld\n", name, (long long)json_integer_value(value));
}

int stats_print(const char *name, bool json)
{
	struct buf answer = {.is_secret = true}; /* there are keys in it */
	AUTO_FREE char *path = uapi_path(name);
	json_t *counters = NULL;
	int err = ask(path, &answer), status = 1;

	if (err) {
		complain(name, path, err);
		goto out;
	}
	counters = read_counters(&answer);
	if (!json_object_size(counters)) {
		fprintf(stderr, "shunt-wg: %s is another implementation's; it tells no counters\n",
			name);
		goto out;
	}
	print(counters, json);
	if (fflush(stdout) || ferror(stdout))
		fprintf(stderr, "shunt-wg: standard output: %s\n", strerror(errno));
	else
		status = 0;
out:
	json_decref(counters);
	buf_wipe(&answer);
	return status;
}

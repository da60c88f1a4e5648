/* SPDX-License-Identifier: MIT */
#include "tunnel/stats.h"

#include "base/buf.h"
#include "base/mem.h"
#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PREFIX "shunt_"

static int ask(const char *name, struct buf *ret)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), err = 0;
	ssize_t n;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "/var/run/wireguard/%s.sock", name);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
		send(fd, "get=1\n\n", 7, MSG_NOSIGNAL) != 7)
		err = -errno;
	while (!err && (n = recv(fd, buf_room(ret, 65536), 65536, 0))) {
		if (n < 0) {
			err = -errno;
			break;
		}
		ret->n += (size_t)n;
		if (ret->n >= 2 && !memcmp(ret->data + ret->n - 2, "\n\n", 2))
			break;
	}
	close(fd);
	return err;
}

int stats_print(const char *name, bool json)
{
	struct buf answer = {.is_secret = true}; /* there are keys in it */
	json_t *object = json_object();
	int err = ask(name, &answer);
	char *line, *rest = answer.data;

	if (err) {
		fprintf(stderr, "shunt-wg: %s can't be asked: %s\n", name, strerror(-err));
		json_decref(object);
		buf_wipe(&answer);
		return 1;
	}
	while (rest && (line = strsep(&rest, "\n"))) {
		char *value = strchr(line, '=');

		if (strncmp(line, PREFIX, strlen(PREFIX)) || !value)
			continue;
		*value++ = '\0';
		if (json)
			json_object_set_new(object, line + strlen(PREFIX),
				json_integer((json_int_t)strtoumax(value, NULL, 10)));
		else
			printf("%-26s %s\n", line + strlen(PREFIX), value);
	}
	if (json) {
		json_dumpf(object, stdout, JSON_INDENT(2) | JSON_PRESERVE_ORDER);
		putchar('\n');
	}
	json_decref(object);
	buf_wipe(&answer);
	return 0;
}

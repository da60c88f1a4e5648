/* SPDX-License-Identifier: MIT */
#include "cli/client.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/vec.h"
#include "mesh/text.h"
#include "sys/unix.h"
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RUN_ROOT "/run/shunt"
#define PATIENCE_S 30
#define MAX_ANSWER ((size_t)1 << 30)

int client_options_of(const struct command_line *line, struct client_options *ret)
{
	ret->node = command_value(line, "node");
	ret->run_dir = command_value(line, "run-dir");
	ret->json = command_has(line, "json");
	if (ret->node && ret->run_dir)
		return cli_usage_error(
			line->verb, "--node and --run-dir both name a daemon; one is enough");
	return CLI_OK;
}

/* The name of a daemon that runs here and is near to what was typed; the caller frees it. NULL:
 * none is. */
static char *nearest_daemon(const char *typed)
{
	DIR *root = opendir(RUN_ROOT);
	struct dirent *entry;
	unsigned best = TEXT_NO_GUESS;
	char *meant = NULL;

	while (root && (entry = readdir(root)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, typed) &&
			text_is_closer(typed, entry->d_name, &best)) {
			free(meant);
			meant = mem_strdup(entry->d_name);
		}
	if (root)
		closedir(root);
	return meant;
}

/* node: what the directory was made of; NULL: the user named it. */
static int connect_in(const char *dir, const char *node)
{
	AUTO_FREE char *path = mem_printf("%s/control.sock", dir);
	int fd = unix_connect(path, PATIENCE_S);

	if (fd == -ENOENT || fd == -ECONNREFUSED) {
		AUTO_FREE char *near = node ? nearest_daemon(node) : NULL;

		cli_error("no shuntd answers at %s; is it running?%s%s%s", path,
			near ? " Did you mean --node " : "", near ? near : "", near ? "?" : "");
	} else if (fd == -EACCES) {
		cli_error("%s may not be used by this user; try as root", path);
	} else if (fd < 0) {
		cli_error("can't connect to %s: %s", path, strerror(-fd));
	}
	return fd;
}

/* Every daemon below RUN_ROOT that accepts a connection; one is what the caller hopes for. */
static int connect_to_only(void)
{
	AUTO_BUF names = {0};
	DIR *root = opendir(RUN_ROOT);
	struct dirent *entry;
	int found = -1, n = 0;
	bool refused = false;

	if (!root && errno == EACCES) {
		cli_error(RUN_ROOT " may not be read by this user; try as root");
		return -EACCES;
	}
	while (root && (entry = readdir(root))) {
		AUTO_FREE char *path = mem_printf(RUN_ROOT "/%s/control.sock", entry->d_name);
		int fd = entry->d_name[0] == '.' ? -ENOENT : unix_connect(path, PATIENCE_S);

		if (fd == -EACCES) {
			cli_error("%s may not be used by this user; try as root", path);
			refused = true;
		}
		if (fd < 0)
			continue;
		buf_printf(&names, "%s%s", n ? ", " : "", entry->d_name);
		if (n++)
			close(fd);
		else
			found = fd;
	}
	if (root)
		closedir(root);
	if (n == 1)
		return found;
	if (n == 0 && !refused) {
		cli_error("no shuntd runs here (looked in " RUN_ROOT
			  "); --run-dir names another place");
	} else if (n > 1) {
		close(found);
		cli_error("several daemons run here: %s; choose one with --node", buf_str(&names));
	}
	return -ENOENT;
}

int client_connect(const struct client_options *o)
{
	AUTO_FREE char *dir = NULL;

	if (o->run_dir)
		return connect_in(o->run_dir, NULL);
	if (!o->node)
		return connect_to_only();
	dir = mem_printf(RUN_ROOT "/%s", o->node);
	return connect_in(dir, o->node);
}

int client_send(int fd, json_t *request)
{
	char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;
	struct buf line = {0};
	size_t sent = 0;
	int err = text ? 0 : -EILSEQ;

	buf_printf(&line, "%s\n", text ? text : "");
	while (!err && sent < line.n) {
		ssize_t n = send(fd, line.data + sent, line.n - sent, MSG_NOSIGNAL);

		if (n < 0 && errno != EINTR)
			err = -errno;
		else if (n > 0)
			sent += (size_t)n;
	}
	buf_done(&line);
	free(text);
	json_decref(request);
	return err;
}

/* Up to the end of the line. */
static int read_answer(int fd, struct buf *ret)
{
	for (;;) {
		char *room = buf_room(ret, 65536);
		ssize_t n = recv(fd, room, 65536, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		ret->n += (size_t)n;
		if (room[n - 1] == '\n')
			return 0;
		if (ret->n > MAX_ANSWER)
			return -EMSGSIZE;
	}
}

json_t *client_parse(const char *text, size_t n, int *ret_code)
{
	json_error_t error;
	json_t *answer = json_loadb(text, n, 0, &error);

	if (!json_is_object(answer)) {
		json_decref(answer);
		cli_error("the daemon's answer can't be read: %s", error.text);
		*ret_code = CLI_FAILED;
		return NULL;
	}
	if (!json_is_true(json_object_get(answer, "ok"))) {
		const char *why = json_string_value(json_object_get(answer, "error"));

		cli_error("%s", why ? why : "the daemon refused");
		json_decref(answer);
		*ret_code = CLI_REFUSED;
		return NULL;
	}
	json_object_del(answer, "ok");
	return answer;
}

json_t *client_request(const struct client_options *o, json_t *request, int *ret_code)
{
	AUTO_BUF text = {0};
	int fd = client_connect(o);
	int err;

	*ret_code = CLI_FAILED;
	if (fd < 0) {
		json_decref(request);
		return NULL;
	}
	err = client_send(fd, request);
	if (!err)
		err = read_answer(fd, &text);
	close(fd);
	if (err) {
		cli_error("the daemon gave no answer: %s",
			err == -EAGAIN ? "it took too long" : strerror(-err));
		return NULL;
	}
	return client_parse(text.data, text.n, ret_code);
}

json_t *client_ask_with(const struct client_options *o, const char *op, const char *argument,
	const char *text, int *ret_code)
{
	return client_request(o, json_pack("{s:s, s:s*}", "op", op, argument, text), ret_code);
}

json_t *client_ask(const struct client_options *o, const char *op, const char *query, int *ret_code)
{
	return client_ask_with(o, op, "query", query, ret_code);
}

void client_print_json(const json_t *answer)
{
	json_dumpf(answer, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(10));
	putchar('\n');
}

const char *client_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));

	return text ? text : "-";
}

char *client_duration(double seconds, char buf[static 32])
{
	static const struct {
		long long seconds;
		char unit;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	long long left = (long long)seconds;

	if (seconds < 10) {
		snprintf(buf, 32, seconds < 1 ? "%.0fms" : "%.1fs",
			seconds < 1 ? seconds * 1000 : seconds);
		return buf;
	}
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		long long whole = left / units[i].seconds;

		if (!whole)
			continue;
		left -= whole * units[i].seconds;
		if (i + 1 < ARRAY_SIZE(units) && left / units[i + 1].seconds)
			snprintf(buf, 32, "%lld%c%lld%c", whole, units[i].unit,
				left / units[i + 1].seconds, units[i + 1].unit);
		else
			snprintf(buf, 32, "%lld%c", whole, units[i].unit);
		break;
	}
	return buf;
}

/* SPDX-License-Identifier: MIT */
#include "daemon/state.h"

#include "base/map.h"
#include "base/vec.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct state {
	int run_fd, state_fd, lock_fd;
	bool drained;
	bool unwritten;	      /* the file lags behind what stands here */
	struct map *peers;    /* wg_key -> itself */
	struct map *prefixes; /* ip_prefix -> itself */
	VEC(ip_prefix) addresses;
};

static int make_dirs(const char *path)
{
	AUTO_FREE char *copy = mem_strdup(path);

	for (char *p = copy + 1;; p++) {
		char c = *p;

		if (c != '/' && c != '\0')
			continue;
		*p = '\0';
		if (mkdir(copy, c ? 0755 : 0700) < 0 && errno != EEXIST)
			return -errno;
		if (!c)
			return 0;
		*p = c;
	}
}

static int open_dir(const char *what, const char *path, struct buf *why)
{
	int err = make_dirs(path);
	int fd = err ? err : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	err = err ? err : -errno;
	buf_printf(why, "can't use the %s directory %s: %s", what, path, strerror(-err));
	return err;
}

static void forget_all(struct map *m)
{
	size_t cursor = 0;
	const void *key;
	size_t len;
	void *value;

	while (map_next(m, &cursor, &key, &len, &value))
		free(value);
	map_free(m);
}

static bool remember(struct map *m, const void *value, size_t len)
{
	void *copy;

	if (map_get(m, value, len))
		return false;
	copy = mem_alloc(len);
	memcpy(copy, value, len);
	map_put(m, copy, len, copy);
	return true;
}

static bool remember_address(struct state *s, const ip_prefix *a)
{
	for (size_t i = 0; i < s->addresses.n; i++)
		if (ip_prefix_eq(&s->addresses.items[i], a))
			return false;
	vec_push(&s->addresses, *a);
	return true;
}

/* A line that says nothing we know is left out: an older or newer version's, or damage that a
 * rewrite mends. */
static void read_journal_line(struct state *s, const char *line)
{
	wg_key key;
	ip_prefix prefix;

	if (!strncmp(line, "peer ", 5) && wg_key_from_base64(&key, line + 5))
		remember(s->peers, &key, sizeof(key));
	else if (!strncmp(line, "prefix ", 7) && ip_prefix_parse(&prefix, line + 7))
		remember(s->prefixes, &prefix, sizeof(prefix));
	else if (!strncmp(line, "address ", 8) && ip_prefix_parse(&prefix, line + 8))
		remember_address(s, &prefix);
}

static int read_journal(struct state *s)
{
	char line[256];
	FILE *f;
	int fd = openat(s->state_fd, "journal", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	f = fdopen(fd, "r");
	if (!f) {
		close(fd);
		return -ENOMEM;
	}
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		read_journal_line(s, line);
	}
	fclose(f);
	return 0;
}

int state_open(const char *run_dir, const char *state_dir, struct state **ret, struct buf *why)
{
	struct state *s = mem_zalloc(1, sizeof(*s));
	int err;

	s->run_fd = s->state_fd = s->lock_fd = -1;
	s->peers = map_new();
	s->prefixes = map_new();
	err = s->run_fd = open_dir("run", run_dir, why);
	if (err < 0)
		goto out;
	err = s->state_fd = open_dir("state", state_dir, why);
	if (err < 0)
		goto out;
	s->lock_fd = openat(s->run_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	err = s->lock_fd < 0 || flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0 ? -errno : 0;
	if (err == -EWOULDBLOCK) {
		err = -EBUSY;
		buf_printf(why,
			"another shuntd runs with the run directory %s; give this one its own by "
			"--run-dir",
			run_dir);
	} else if (err) {
		buf_printf(why, "can't lock %s/lock: %s", run_dir, strerror(-err));
	}
	if (err)
		goto out;
	s->drained = faccessat(s->state_fd, "drained", F_OK, 0) == 0;
	err = read_journal(s);
	if (err)
		buf_printf(why, "can't read %s/journal: %s", state_dir, strerror(-err));
out:
	if (err < 0) {
		state_close(s);
		return err;
	}
	*ret = s;
	return 0;
}

void state_close(struct state *s)
{
	if (!s)
		return;
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	if (s->state_fd >= 0)
		close(s->state_fd);
	if (s->run_fd >= 0)
		close(s->run_fd);
	forget_all(s->peers);
	forget_all(s->prefixes);
	vec_done(&s->addresses);
	free(s);
}

bool state_is_drained(const struct state *s)
{
	return s->drained;
}

int state_set_drained(struct state *s, bool drained)
{
	if (drained) {
		int fd = openat(s->state_fd, "drained", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

		if (fd < 0)
			return -errno;
		close(fd);
	} else if (unlinkat(s->state_fd, "drained", 0) < 0 && errno != ENOENT) {
		return -errno;
	}
	fsync(s->state_fd);
	s->drained = drained;
	return 0;
}

bool state_has_peer(const struct state *s, const wg_key *key)
{
	return map_get(s->peers, key, sizeof(*key)) != NULL;
}

bool state_has_prefix(const struct state *s, const ip_prefix *p)
{
	return map_get(s->prefixes, p, sizeof(*p)) != NULL;
}

size_t state_addresses(const struct state *s, const ip_prefix **ret)
{
	*ret = s->addresses.items;
	return s->addresses.n;
}

static int by_bytes(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The lines in order, so that the same content is the same file. */
static void journal_text(const struct state *s, struct buf *out)
{
	VEC(char *) lines = {0};
	char key_text[WG_KEY_BASE64_LEN], prefix_text[IP_PREFIX_STRLEN];
	size_t cursor = 0, len;
	const void *key;
	void *value;

	while (map_next(s->peers, &cursor, &key, &len, &value))
		vec_push(&lines, mem_printf("peer %s", wg_key_to_base64(value, key_text)));
	cursor = 0;
	while (map_next(s->prefixes, &cursor, &key, &len, &value))
		vec_push(&lines, mem_printf("prefix %s", ip_prefix_format(value, prefix_text)));
	for (size_t i = 0; i < s->addresses.n; i++)
		vec_push(&lines, mem_printf("address %s",
					 ip_prefix_format(&s->addresses.items[i], prefix_text)));
	if (lines.n)
		qsort(lines.items, lines.n, sizeof(*lines.items), by_bytes);
	for (size_t i = 0; i < lines.n; i++) {
		buf_puts(out, lines.items[i]);
		buf_putc(out, '\n');
		free(lines.items[i]);
	}
	vec_done(&lines);
}

static int write_all(int fd, const char *data, size_t n)
{
	while (n) {
		ssize_t done = write(fd, data, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done <= 0)
			return done < 0 ? -errno : -EIO;
		data += done;
		n -= (size_t)done;
	}
	return 0;
}

static int write_journal(const struct state *s)
{
	AUTO_BUF text = {0};
	int fd, err;

	journal_text(s, &text);
	fd = openat(s->state_fd, "journal.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	err = write_all(fd, buf_str(&text), text.n);
	if (!err && fsync(fd) < 0)
		err = -errno;
	close(fd);
	if (!err && renameat(s->state_fd, "journal.new", s->state_fd, "journal") < 0)
		err = -errno;
	return err;
}

static bool journal_is(const struct state *s, const struct state_journal *j)
{
	if (map_count(s->peers) != j->n_peers || map_count(s->prefixes) != j->n_prefixes ||
		s->addresses.n != j->n_addresses)
		return false;
	for (size_t i = 0; i < j->n_peers; i++)
		if (!state_has_peer(s, &j->peers[i]))
			return false;
	for (size_t i = 0; i < j->n_prefixes; i++)
		if (!state_has_prefix(s, &j->prefixes[i]))
			return false;
	return true;
}

int state_journal(struct state *s, const struct state_journal *j, bool exactly)
{
	int err;

	if (exactly && !journal_is(s, j)) {
		forget_all(s->peers);
		forget_all(s->prefixes);
		s->peers = map_new();
		s->prefixes = map_new();
		s->addresses.n = 0;
		s->unwritten = true;
	}
	for (size_t i = 0; i < j->n_peers; i++)
		s->unwritten |= remember(s->peers, &j->peers[i], sizeof(j->peers[i]));
	for (size_t i = 0; i < j->n_prefixes; i++)
		s->unwritten |= remember(s->prefixes, &j->prefixes[i], sizeof(j->prefixes[i]));
	for (size_t i = 0; i < j->n_addresses; i++)
		s->unwritten |= remember_address(s, &j->addresses[i]);
	err = s->unwritten ? write_journal(s) : 0;
	s->unwritten = err != 0;
	return err;
}

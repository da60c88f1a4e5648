/* SPDX-License-Identifier: MIT */
#include "daemon/state.h"

#include "daemon/journal.h"
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
	bool unwritten; /* the file lags behind the journal */
	struct journal journal;
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

/* All of a file; 0 or negative errno. */
static int read_all(int fd, struct buf *ret)
{
	for (;;) {
		ssize_t n = read(fd, buf_room(ret, 65536), 65536);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		ret->n += (size_t)n;
	}
}

static int read_journal(struct state *s)
{
	AUTO_BUF text = {0};
	int fd = openat(s->state_fd, "journal", O_RDONLY | O_CLOEXEC);
	int err;

	if (fd < 0)
		return errno == ENOENT ? 0 : -errno;
	err = read_all(fd, &text);
	close(fd);
	if (!err)
		journal_read(&s->journal, buf_str(&text), text.n);
	return err;
}

int state_open(const char *run_dir, const char *state_dir, struct state **ret, struct buf *why)
{
	struct state *s = mem_zalloc(1, sizeof(*s));
	int err;

	s->run_fd = s->state_fd = s->lock_fd = -1;
	journal_init(&s->journal);
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
	journal_done(&s->journal);
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
	return journal_has_peer(&s->journal, key);
}

bool state_has_prefix(const struct state *s, const ip_prefix *p)
{
	return journal_has_prefix(&s->journal, p);
}

size_t state_addresses(const struct state *s, const ip_prefix **ret)
{
	*ret = s->journal.addresses.items;
	return s->journal.addresses.n;
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

	journal_write(&s->journal, &text);
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

static bool journal_is(const struct journal *have, const struct state_journal *want)
{
	bool same = map_count(have->peers) == want->n_peers &&
		    map_count(have->prefixes) == want->n_prefixes &&
		    have->addresses.n == want->n_addresses;

	for (size_t i = 0; same && i < want->n_peers; i++)
		same = journal_has_peer(have, &want->peers[i]);
	for (size_t i = 0; same && i < want->n_prefixes; i++)
		same = journal_has_prefix(have, &want->prefixes[i]);
	for (size_t i = 0; same && i < want->n_addresses; i++)
		same = journal_has_address(have, &want->addresses[i]);
	return same;
}

int state_journal(struct state *s, const struct state_journal *j, bool exactly)
{
	int err;

	if (exactly && !journal_is(&s->journal, j)) {
		journal_done(&s->journal);
		journal_init(&s->journal);
		s->unwritten = true;
	}
	for (size_t i = 0; i < j->n_peers; i++)
		s->unwritten |= journal_add_peer(&s->journal, &j->peers[i]);
	for (size_t i = 0; i < j->n_prefixes; i++)
		s->unwritten |= journal_add_prefix(&s->journal, &j->prefixes[i]);
	for (size_t i = 0; i < j->n_addresses; i++)
		s->unwritten |= journal_add_address(&s->journal, &j->addresses[i]);
	err = s->unwritten ? write_journal(s) : 0;
	s->unwritten = err != 0;
	return err;
}

/* SPDX-License-Identifier: MIT */
#include "daemon/state.h"

#include "daemon/plain_file.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define DRAINED "drained"
#define DRAINED_NEW "drained.new"
#define JOURNAL "journal"
#define JOURNAL_NEW "journal.new"

struct state {
	int run_fd, state_fd, lock_fd; /* its own, the same as long as it lives */
	_Atomic int64_t drained_until; /* of who says so, as the file has it; others read it */
	/* Of who writes the journal: */
	struct journal journal;
	bool unwritten; /* the file lags behind the journal */
};

static int open_dir(const char *what, const char *path, struct buf *why)
{
	int fd = plain_folder_open(path);

	if (fd < 0)
		buf_printf(
			why, "can't use the %s directory %s: %s", what, path, plain_file_error(fd));
	return fd;
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

/* -ENOENT: it isn't there. */
static int read_file(const struct state *s, const char *name, struct buf *ret)
{
	int fd = plain_file_open(s->state_fd, name, O_RDONLY);
	int err;

	if (fd < 0)
		return fd;
	err = read_all(fd, ret);
	close(fd);
	return err;
}

static int read_journal(struct state *s)
{
	AUTO_BUF text = {0};
	int err = read_file(s, JOURNAL, &text);

	if (!err)
		journal_read(&s->journal, buf_str(&text), text.n);
	return err == -ENOENT ? 0 : err;
}

static int take_lock(struct state *s, const char *run_dir, struct buf *why)
{
	int err;

	s->lock_fd = plain_file_open(s->run_fd, "lock", O_RDWR | O_CREAT);
	err = s->lock_fd < 0 ? s->lock_fd : 0;
	if (!err && flock(s->lock_fd, LOCK_EX | LOCK_NB) < 0)
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
	if (err == -EBUSY)
		buf_printf(why,
			"another shuntd runs with the run directory %s; give this one its own by "
			"--run-dir",
			run_dir);
	else if (err)
		buf_printf(why, "can't lock %s/lock: %s", run_dir, plain_file_error(err));
	return err;
}

/* What no end can be read in has none: a drain is ended by who knows why it began. */
static int64_t parse_end(const char *text)
{
	char *end;
	long long ns = strtoll(text, &end, 10);

	return *end == '\n' && ns > STATE_NOT_DRAINED ? ns : STATE_NO_END;
}

static int read_drained(struct state *s)
{
	AUTO_BUF text = {0};
	int err = read_file(s, DRAINED, &text);

	if (!err)
		s->drained_until = parse_end(buf_str(&text));
	return err == -ENOENT ? 0 : err;
}

/* 1: it is there and ours, 0: it isn't there. */
static int has_file(const struct state *s, const char *name)
{
	int fd = plain_file_open(s->state_fd, name, O_RDONLY);

	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	close(fd);
	return 1;
}

/* Whatever has the name of a file of ours must be one, or a change would find out too late. */
static int read_files(struct state *s, const char *state_dir, struct buf *why)
{
	const char *name = DRAINED;
	int err = read_drained(s);

	if (err >= 0)
		err = has_file(s, name = JOURNAL_NEW);
	if (err >= 0)
		err = has_file(s, name = DRAINED_NEW);
	if (err >= 0) {
		name = JOURNAL;
		err = read_journal(s);
	}
	if (err < 0)
		buf_printf(why, "can't read %s/%s: %s", state_dir, name, plain_file_error(err));
	return err < 0 ? err : 0;
}

int state_open(const char *run_dir, const char *state_dir, struct state **ret, struct buf *why)
{
	struct state *s = mem_zalloc(1, sizeof(*s));
	int err;

	s->run_fd = s->state_fd = s->lock_fd = -1;
	journal_init(&s->journal);
	err = s->run_fd = open_dir("run", run_dir, why);
	if (err >= 0)
		err = s->state_fd = open_dir("state", state_dir, why);
	if (err >= 0)
		err = take_lock(s, run_dir, why);
	if (err >= 0)
		err = read_files(s, state_dir, why);
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

int64_t state_drained_until(const struct state *s)
{
	return s->drained_until;
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

/* Names and removals reach the disk with their folder. */
static int sync_folder(const struct state *s)
{
	/* A file system that has nothing to do for a folder says EINVAL. */
	return fsync(s->state_fd) < 0 && errno != EINVAL ? -errno : 0;
}

/* Puts a file in its place, whole and on disk, or leaves everything as it is; aside is where it is
 * made. After an error of the folder's own either may be on disk. */
static int put_file(
	const struct state *s, const char *name, const char *aside, const char *data, size_t n)
{
	int fd, err;

	/* A rest of a life that ended in between, or somebody's pipe. */
	if (unlinkat(s->state_fd, aside, 0) < 0 && errno != ENOENT)
		return -errno;
	fd = plain_file_open(s->state_fd, aside, O_WRONLY | O_CREAT | O_EXCL);
	if (fd < 0)
		return fd;
	err = write_all(fd, data, n);
	if (!err && fsync(fd) < 0)
		err = -errno;
	if (close(fd) < 0 && !err)
		err = -errno;
	if (!err && renameat(s->state_fd, aside, s->state_fd, name) < 0)
		err = -errno;
	if (err) {
		unlinkat(s->state_fd, aside, 0);
		return err;
	}
	return sync_folder(s);
}

static int remove_file(const struct state *s, const char *name)
{
	if (unlinkat(s->state_fd, name, 0) < 0 && errno != ENOENT)
		return -errno;
	return sync_folder(s);
}

/* Empty without an end. */
static int mark_drained(const struct state *s, int64_t until)
{
	char end[32] = "";

	if (until == STATE_NOT_DRAINED)
		return remove_file(s, DRAINED);
	if (until != STATE_NO_END)
		snprintf(end, sizeof(end), "%" PRId64 "\n", until);
	return put_file(s, DRAINED, DRAINED_NEW, end, strlen(end));
}

int state_set_drained(struct state *s, int64_t until)
{
	int err = mark_drained(s, until);

	if (err) { /* the next start shall find what is in force now */
		(void)mark_drained(s, s->drained_until);
		return err;
	}
	s->drained_until = until;
	return 0;
}

const struct journal *state_journal(const struct state *s)
{
	return &s->journal;
}

static int write_journal(const struct state *s)
{
	AUTO_BUF text = {0};

	journal_write(&s->journal, &text);
	return put_file(s, JOURNAL, JOURNAL_NEW, buf_str(&text), text.n);
}

int state_journal_write(struct state *s, const struct journal_content *c, bool exactly)
{
	int err;

	if (exactly && !journal_is(&s->journal, c)) {
		journal_done(&s->journal);
		journal_init(&s->journal);
		s->unwritten = true;
	}
	s->unwritten |= journal_add(&s->journal, c);
	err = s->unwritten ? write_journal(s) : 0;
	s->unwritten = err != 0;
	return err;
}

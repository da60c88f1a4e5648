/* SPDX-License-Identifier: MIT */
#include "daemon/plain_file.h"

#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_ours(const struct stat *st)
{
	return st->st_uid == 0 || st->st_uid == geteuid();
}

/* A sticky folder (that of temporary files) keeps what is ours as it is. */
static bool is_open_to_others(const struct stat *st)
{
	bool group = st->st_mode & S_IWGRP && st->st_gid != 0 && st->st_gid != getegid();

	return !(st->st_mode & S_ISVTX) && (group || st->st_mode & S_IWOTH);
}

static int make_folders(const char *path)
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

/* Closes it and gives the error if there is one. */
static int keep_or_close(int fd, int err)
{
	if (!err)
		return fd;
	close(fd);
	return err;
}

int plain_folder_open(const char *path)
{
	struct stat st;
	int err = *path ? make_folders(path) : -ENOENT;
	int fd = err ? err : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		return err ? err : -errno;
	if (fstat(fd, &st) < 0)
		return keep_or_close(fd, -errno);
	return keep_or_close(fd, is_ours(&st) && !is_open_to_others(&st) ? 0 : -EPERM);
}

int plain_file_open(int folder, const char *name, int flags)
{
	struct stat st;
	int fd = openat(folder, name, flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0600);

	if (fd < 0) /* a link, a pipe that nobody reads, a socket */
		return errno == ELOOP || errno == ENXIO || errno == EISDIR ? -EINVAL : -errno;
	if (fstat(fd, &st) < 0)
		return keep_or_close(fd, -errno);
	if (!S_ISREG(st.st_mode))
		return keep_or_close(fd, -EINVAL);
	return keep_or_close(fd, is_ours(&st) ? 0 : -EPERM);
}

const char *plain_file_error(int err)
{
	switch (err) {
	case -EINVAL:
		return "it is no plain file";
	case -EPERM:
		return "it belongs to another user or may be changed by others";
	default:
		return strerror(-err);
	}
}

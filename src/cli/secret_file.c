/* SPDX-License-Identifier: MIT */
#include "cli/secret_file.h"

#include "base/mem.h"
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

int write_synced(int fd, const void *bytes, size_t n)
{
	const char *at = bytes;

	while (n) {
		ssize_t done = write(fd, at, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		if (!done)
			return -ENOSPC;
		at += done;
		n -= (size_t)done;
	}
	return fsync(fd) ? -errno : 0;
}

/* Gives the file its name; without replace, -EEXIST if the name is taken. */
static int give_name(const char *from, const char *to, bool replace)
{
	if (replace)
		return rename(from, to) ? -errno : 0;
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL)
		return -errno;
	/* A filesystem without the flag. */
	if (link(from, to))
		return -errno;
	unlink(from);
	return 0;
}

int sync_folder_of(const char *path)
{
	AUTO_FREE char *copy = mem_strdup(path);
	int fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return errno == EACCES ? 0 : -errno;
	int err = fsync(fd) && errno != EINVAL ? -errno : 0;
	close(fd);
	return err;
}

int secret_file_write(struct secret_file *f, const char *path, const void *bytes, size_t n)
{
	*f = (struct secret_file){.path = mem_strdup(path), .aside = mem_printf("%s.XXXXXX", path)};
	int fd = mkostemp(f->aside, O_CLOEXEC);

	if (fd < 0) {
		int err = -errno;

		free(f->aside);
		f->aside = NULL;
		return err;
	}
	int err = write_synced(fd, bytes, n);

	if (close(fd) && !err)
		err = -errno;
	return err;
}

int secret_file_name(struct secret_file *f, bool replace)
{
	int err = give_name(f->aside, f->path, replace);

	if (err)
		return err;
	free(f->aside);
	f->aside = NULL;
	err = sync_folder_of(f->path);
	if (err && !replace)
		unlink(f->path);
	return err;
}

void secret_file_done(struct secret_file *f)
{
	if (f->aside)
		unlink(f->aside);
	free(f->aside);
	free(f->path);
	*f = (struct secret_file){0};
}

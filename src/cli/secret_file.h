/* SPDX-License-Identifier: MIT */
/* A new file of mode 0600 that has its name only once it is whole and on disk. */
#ifndef SHUNT_CLI_SECRET_FILE_H
#define SHUNT_CLI_SECRET_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct secret_file {
	char *path;
	char *aside; /* NULL: it has its name, or isn't there */
};

/* Writes the bytes to a file beside path. secret_file_done in any case. */
int secret_file_write(struct secret_file *f, const char *path, const void *bytes, size_t n);
/* Gives it its name; without replace, -EEXIST if the name is taken. A file that may be gone
 * tomorrow (the folder can't be synced) is removed, unless it replaced another. */
int secret_file_name(struct secret_file *f, bool replace);
/* Removes what has no name. */
void secret_file_done(struct secret_file *f);

/* A name reaches the disk with its folder; a file system that has nothing to do for folders says
 * EINVAL, and one that may be written but not listed can't be asked: these are 0. */
int sync_folder_of(const char *path);
/* 0 once all of the bytes are on disk. */
int write_synced(int fd, const void *bytes, size_t n);

#endif

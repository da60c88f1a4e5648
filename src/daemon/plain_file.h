/* SPDX-License-Identifier: MIT */
/*
 * Opening what has a known name: folders and files that must be ours and what they seem to be.
 * Nothing here waits, whatever stands there: a pipe, a device, a symbolic link somewhere else.
 */
#ifndef SHUNT_DAEMON_PLAIN_FILE_H
#define SHUNT_DAEMON_PLAIN_FILE_H

#include <stddef.h>

/*
 * Opens the folder, making it (mode 0700) and those above it (0755) where they are missing. A file
 * descriptor, or negative errno. -EPERM: somebody who is neither root nor us owns it or may replace
 * what is in it.
 */
int plain_folder_open(const char *path);

/*
 * openat(2) with O_NOFOLLOW and O_CLOEXEC (mode 0600) for a file that must be plain and belong to
 * root or us. A file descriptor, or negative errno. -EINVAL: it is no plain file; -EPERM: it is
 * somebody else's.
 */
int plain_file_open(int folder, const char *name, int flags);

/* strerror, and for these two errors what they mean here. */
const char *plain_file_error(int err);

#endif

/* SPDX-License-Identifier: MIT */
/* Unix sockets, from the client's side. */
#ifndef SHUNT_SYS_UNIX_H
#define SHUNT_SYS_UNIX_H

/* A blocking stream to the socket at path, whose reads and writes fail with EAGAIN after patience_s
 * seconds without progress. A file descriptor, or negative errno of connect(2). */
int unix_connect(const char *path, int patience_s);

#endif

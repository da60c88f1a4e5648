/* SPDX-License-Identifier: MIT */
/*
 * The journal by its native protocol (systemd's JOURNAL_NATIVE_PROTOCOL): one datagram an entry, of
 * lines FIELD=value. It is a socket and a dozen lines of text, which is why nothing is linked for
 * it: a daemon for machines without systemd as well must not need its library.
 */
#ifndef SHUNT_DAEMON_LOG_JOURNAL_H
#define SHUNT_DAEMON_LOG_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>

#define LOG_JOURNAL_SOCKET "/run/systemd/journal/socket"

struct log_journal_field {
	const char *name;
	const char *value; /* NULL: it isn't told; without zero bytes */
};

/* Standard error is a stream to the journal, as it says itself in JOURNAL_STREAM. */
bool log_journal_has_stderr(void);
/* A socket for entries; negative errno: there can't be one. */
int log_journal_open(void);
/* Now or not at all: false if nobody takes it, or it is too much for a datagram. */
bool log_journal_put(int fd, const char *path, const struct log_journal_field *fields, size_t n);

#endif

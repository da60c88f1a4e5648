/* SPDX-License-Identifier: MIT */
/*
 * The daemon's log: one line an event, in names, to standard error; never a secret. Where that is
 * the journal, a line is an entry of it with fields: NODE, and what it is about. Nothing waits for
 * it: a line that isn't taken at once is left out, and how many were is said with the next one that
 * is.
 */
#ifndef SHUNT_DAEMON_LOG_H
#define SHUNT_DAEMON_LOG_H

#include <stdbool.h>

/* Severities of syslog(3), so that the journal sorts them. */
enum log_level {
	LOG_LEVEL_ERROR = 3,
	LOG_LEVEL_WARNING = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7
};

/* The name at the head of each line; verbose shows LOG_LEVEL_DEBUG as well. A pipe or terminal at
 * standard error is opened anew, without blocking. */
void log_init(const char *node, bool verbose);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Fields of the journal, PEER and PREFIX; NULL: it is about none. */
struct log_about {
	const char *peer, *prefix;
};

void log_about(enum log_level level, const struct log_about *about, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Entries of the journal go to that socket from now on; NULL: there is none. For tests. */
void log_set_journal(const char *path);

/* Says how many lines were left out, if any were; false if that isn't taken either. */
bool log_tell_left_out(void);

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif

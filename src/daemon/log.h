/* SPDX-License-Identifier: MIT */
/* The daemon's log: one line an event, in names, to standard error; never a secret. */
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

/* The name at the head of each line; verbose shows LOG_LEVEL_DEBUG as well. */
void log_init(const char *node, bool verbose);
void log_line(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_line(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_line(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_info(...) log_line(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_line(LOG_LEVEL_DEBUG, __VA_ARGS__)

#endif

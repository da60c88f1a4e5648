/* SPDX-License-Identifier: MIT */
#include "daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct {
	const char *node;
	bool verbose;
	bool journal; /* standard error goes to the journal: it has the time and wants the severity
		       */
} logger;

void log_init(const char *node, bool verbose)
{
	logger.node = node;
	logger.verbose = verbose;
	logger.journal = getenv("JOURNAL_STREAM") != NULL && !isatty(STDERR_FILENO);
}

static const char *level_word(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERROR:
		return "error: ";
	case LOG_LEVEL_WARNING:
		return "warning: ";
	default:
		return "";
	}
}

void log_line(enum log_level level, const char *fmt, ...)
{
	char head[64], line[1024];
	struct timespec now;
	struct tm tm;
	va_list ap;

	if (level == LOG_LEVEL_DEBUG && !logger.verbose)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (logger.journal) {
		snprintf(head, sizeof(head), "<%d>", level);
	} else {
		size_t n;

		clock_gettime(CLOCK_REALTIME, &now);
		localtime_r(&now.tv_sec, &tm);
		n = strftime(head, sizeof(head), "%H:%M:%S", &tm);
		snprintf(head + n, sizeof(head) - n, ".%03ld ", now.tv_nsec / 1000000);
	}
	/* One write, so that lines of several threads or daemons don't mix. */
	dprintf(STDERR_FILENO, "%s%s%s%s%s\n", head, logger.node ? logger.node : "shuntd", ": ",
		level_word(level), line);
}

/* SPDX-License-Identifier: MIT */
#include "daemon/log.h"

#include "daemon/log_journal.h"
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
	const char *node;
	bool verbose;
	bool socket;
	atomic_uint left_out; /* lines since the last one that was taken */
	bool journal; /* standard error goes to the journal: it has the time and wants the severity
		       */
	const char *entries; /* its socket for entries with fields; NULL: lines must do */
	int entries_fd;	     /* 0: not asked for yet; negative: there can't be one */
} logger;

/*
 * A pipe or a terminal that nobody reads would hold up whoever logs. Opened anew it has a mode of
 * its own, so that it doesn't block for us and stays as it is for all others who have it. As
 * standard error, so that a failed assertion doesn't wait either.
 */
static void open_anew(void)
{
	int fd = open("/proc/self/fd/2", O_WRONLY | O_APPEND | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0) /* it isn't ours to open; each line asks first then */
		return;
	dup2(fd, STDERR_FILENO);
	close(fd);
}

void log_set_journal(const char *path)
{
	if (!logger.entries_fd)
		logger.entries_fd = log_journal_open();
	logger.entries = logger.entries_fd < 0 ? NULL : path;
}

void log_init(const char *node, bool verbose)
{
	struct stat st = {0};

	logger.node = node;
	logger.verbose = verbose;
	logger.journal = getenv("JOURNAL_STREAM") != NULL && !isatty(STDERR_FILENO);
	if (log_journal_has_stderr())
		log_set_journal(LOG_JOURNAL_SOCKET);
	if (fstat(STDERR_FILENO, &st) < 0)
		return;
	logger.socket = S_ISSOCK(st.st_mode);
	if (S_ISFIFO(st.st_mode) || isatty(STDERR_FILENO))
		open_anew();
}

/* Now or not at all. One write, so that lines of several threads or daemons don't mix. */
static bool put(const char *text, size_t n)
{
	struct pollfd out = {STDERR_FILENO, POLLOUT, 0};

	if (logger.socket)
		return send(STDERR_FILENO, text, n, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)n;
	return poll(&out, 1, 0) == 1 && write(STDERR_FILENO, text, n) == (ssize_t)n;
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

/* What stands before a line's words; the length. */
static size_t head(enum log_level level, char *ret, size_t size)
{
	struct timespec now;
	struct tm tm;
	size_t n;

	if (logger.journal) {
		n = (size_t)snprintf(ret, size, "<%d>", level);
	} else {
		clock_gettime(CLOCK_REALTIME, &now);
		localtime_r(&now.tv_sec, &tm);
		n = strftime(ret, size, "%H:%M:%S", &tm);
		n += (size_t)snprintf(ret + n, size - n, ".%03ld ", now.tv_nsec / 1000000);
	}
	n += (size_t)snprintf(ret + n, size - n, "%s: %s", logger.node ? logger.node : "shuntd",
		level_word(level));
	return n;
}

/* Well below PIPE_BUF, so that a pipe takes a line whole or not at all. */
static bool put_line(enum log_level level, const char *words)
{
	char text[1280];
	size_t n = head(level, text, sizeof(text));

	n += (size_t)snprintf(text + n, sizeof(text) - n, "%s", words);
	if (n > sizeof(text) - 2)
		n = sizeof(text) - 2;
	text[n++] = '\n';
	return put(text, n);
}

/* False: there is no journal, or it doesn't take entries; as a line it may. */
static bool put_entry(enum log_level level, const struct log_about *about, const char *words)
{
	char message[1280], priority[2] = {(char)('0' + level), '\0'};
	const struct log_journal_field fields[] = {
		{"PRIORITY", priority},
		{"SYSLOG_IDENTIFIER", "shuntd"},
		{"MESSAGE", message},
		{"NODE", logger.node},
		{"PEER", about->peer},
		{"PREFIX", about->prefix},
	};

	if (!logger.entries)
		return false;
	snprintf(message, sizeof(message), "%s: %s%s", logger.node ? logger.node : "shuntd",
		level_word(level), words);
	return log_journal_put(
		logger.entries_fd, logger.entries, fields, sizeof(fields) / sizeof(*fields));
}

bool log_tell_left_out(void)
{
	unsigned n = atomic_exchange(&logger.left_out, 0);
	char words[96];

	if (!n)
		return true;
	snprintf(words, sizeof(words), "%u line%s of the log %s left out: nobody took them", n,
		n > 1 ? "s" : "", n > 1 ? "were" : "was");
	if (put_line(LOG_LEVEL_WARNING, words))
		return true;
	atomic_fetch_add(&logger.left_out, n);
	return false;
}

__attribute__((format(printf, 3, 0))) static void put_words(
	enum log_level level, const struct log_about *about, const char *fmt, va_list ap)
{
	char words[1024];

	if (level == LOG_LEVEL_DEBUG && !logger.verbose)
		return;
	vsnprintf(words, sizeof(words), fmt, ap);
	if (put_entry(level, about, words))
		return;
	if (!log_tell_left_out() || !put_line(level, words))
		atomic_fetch_add(&logger.left_out, 1);
}

void log_line(enum log_level level, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_words(level, &(struct log_about){NULL, NULL}, fmt, ap);
	va_end(ap);
}

void log_about(enum log_level level, const struct log_about *about, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	put_words(level, about, fmt, ap);
	va_end(ap);
}

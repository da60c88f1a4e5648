/* SPDX-License-Identifier: MIT */
#include "tunnel/log.h"

#include "sys/clock.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

void log_init(struct log *l, const char *name, enum log_level level)
{
	*l = (struct log){.name = name, .level = level, .lock = PTHREAD_MUTEX_INITIALIZER};
}

void log_say(const struct log *l, enum log_level level, const char *fmt, ...)
{
	struct pollfd fd = {STDERR_FILENO, POLLOUT, 0};
	char line[512];
	va_list ap;

	if (level > l->level || poll(&fd, 1, 0) == 0)
		return;
	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	dprintf(STDERR_FILENO, "shunt-wg: (%s) %s\n", l->name, line);
}

void log_line(const char *line, void *log)
{
	log_say(log, LOG_ERROR, "%s", line);
}

void log_event(const wg_key *peer, const char *what, void *log)
{
	struct log *l = log;
	char name[EVENT_PEER_STRLEN];
	unsigned left_out = 0;
	bool may;

	pthread_mutex_lock(&l->lock);
	may = event_limit_allow(&l->events, sys_now(), &left_out);
	pthread_mutex_unlock(&l->lock);
	if (left_out)
		log_say(l, LOG_VERBOSE, "%u lines were left out", left_out);
	if (may && peer)
		log_say(l, LOG_VERBOSE, "%s - %s", event_peer_name(peer, name), what);
	else if (may)
		log_say(l, LOG_VERBOSE, "%s", what);
}

/* SPDX-License-Identifier: MIT */
/* The program's log, on stderr. Packets don't wait for whoever doesn't read it. */
#ifndef SHUNT_TUNNEL_LOG_H
#define SHUNT_TUNNEL_LOG_H

#include "base/key.h"
#include "tunnel/events.h"
#include <pthread.h>

enum log_level { LOG_SILENT, LOG_ERROR, LOG_VERBOSE };

struct log {
	const char *name; /* of the interface: what each line begins with */
	enum log_level level;
	pthread_mutex_t lock; /* of events */
	struct event_limit events;
};

void log_init(struct log *l, const char *name, enum log_level level);
/* One line, if the level asks for it and it can be written at once. Any thread. */
void log_say(const struct log *l, enum log_level level, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A udp_log_fn: what the operator should know. */
void log_line(const char *line, void *log);
/* A tunnel_event_fn, for LOG_VERBOSE; a flood of whatever kind doesn't fill the disk. */
void log_event(const wg_key *peer, const char *what, void *log);

#endif

/* SPDX-License-Identifier: MIT */
/* What happens, told twice: as a line of the log, and as an event (chronicle.h). */
#ifndef SHUNT_DAEMON_SAY_H
#define SHUNT_DAEMON_SAY_H

#include "daemon/daemon.h"
#include "daemon/log.h"

struct when say_now(void);
/* None yet. The moment tells this life of the daemon from others. */
struct events *say_events_new(const char *node);

/* Around a step of the engine: what it says between is of that step. */
void say_step(struct daemon *d, const struct engine_event *event);
void say_step_end(struct daemon *d);

void say_line(struct daemon *d, const struct engine_line *l);
/* What an order moves; the log has it at once, and an event tells it once it is done. */
void say_moves(struct daemon *d, const struct rib_diff *move);
void say_order_done(struct daemon *d, uint64_t order, int err, instant at);
/* Of the device or the daemon itself; kind: EVENT_DEVICE, EVENT_START, EVENT_STOP. state: static,
 * or NULL. */
void say_own(struct daemon *d, enum event_kind kind, const char *state, enum log_level level,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif

/* SPDX-License-Identifier: MIT */
/*
 * When a peer's last handshake took place, on the clock that never steps. Devices report it by the
 * wall clock, which may be set back or forth at any time, so the report is used as a mark only: it
 * changed, hence there was a handshake since the last look. How long before this look it was the
 * wall clock may say within these bounds.
 *
 * The first report that we see has no look before it. It is taken at its word if it can be true:
 * not in the future, and not before this machine was started. Else nothing is known but that there
 * once was a handshake; received bytes or the next handshake decide then.
 */
#ifndef SHUNT_LIVE_HANDSHAKE_CLOCK_H
#define SHUNT_LIVE_HANDSHAKE_CLOCK_H

#include "base/time.h"

#define HANDSHAKE_NEVER (-1)
#define HANDSHAKE_UNKNOWN INT64_MAX

/* All zero: no report was seen yet. */
struct handshake_clock {
	int64_t reported_ns; /* 0: no handshake yet */
	instant looked_at;
	instant at;	 /* of the handshake; of the first look, if it is in doubt */
	bool is_started; /* there was a look */
	bool is_in_doubt;
};

/* What the device says now: the wall clock of the last handshake in nanoseconds, 0 for never;
 * wall_ns is the wall clock of now, and now counts from the start of the machine. */
void handshake_clock_look(
	struct handshake_clock *h, int64_t reported_ns, int64_t wall_ns, instant now);
/* In nanoseconds, HANDSHAKE_NEVER or HANDSHAKE_UNKNOWN. */
int64_t handshake_clock_age(const struct handshake_clock *h, instant now);

#endif

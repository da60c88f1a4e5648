/* SPDX-License-Identifier: MIT */
/*
 * A thread that works in rounds and is never kept from the next one for more than a moment, however
 * busy the machine is, though it is no real-time thread: those starve others, or are throttled,
 * when there is much to do. It always holds a lock that lends priority (PTHREAD_PRIO_INHERIT),
 * another one each round. A guard of real-time priority, which sleeps or waits, asks for that lock
 * whenever no round has ended for GUARD_NAP: so long as it waits, the thread runs at the guard's
 * priority, up to the end of its round and no further, and a tenth of the time at most.
 */
#ifndef SHUNT_SYS_ROUNDS_H
#define SHUNT_SYS_ROUNDS_H

struct rounds;

/* By the thread itself, before its first round: starts the guard. NULL, and the thread does
 * without, where that isn't allowed (CAP_SYS_NICE or RLIMIT_RTPRIO), or the thread isn't asked to
 * go first (its niceness isn't below 0). rounds_end frees it. */
struct rounds *rounds_begin(void);
/* Between two rounds, by the same thread; what it waits for belongs to the round that follows, or
 * it would wake up without priority. Of NULL: nothing. */
void rounds_next(struct rounds *r);
/* Ends the guard; by the same thread, after the last round. Of NULL: nothing. */
void rounds_end(struct rounds *r);

#endif

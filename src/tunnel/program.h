/* SPDX-License-Identifier: MIT */
/*
 * A device as a process: made, served in an event loop until its interface, its socket or a signal
 * ends it. It goes to the background by a fork before any thread runs; the parent waits until the
 * child has its socket and says so.
 *
 * Descriptors: what a device needs at its busiest is counted before anything is made, so that later
 * nothing fails for want of one; configurators share what is left.
 */
#ifndef SHUNT_TUNNEL_PROGRAM_H
#define SHUNT_TUNNEL_PROGRAM_H

#include <stdbool.h>

/* With start_hold_signals in force. Returns the exit status; in the background the parent doesn't
 * return. */
int program_run(const char *interface, bool foreground);

#endif

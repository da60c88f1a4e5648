/* SPDX-License-Identifier: MIT */
/*
 * What a governor asks, asked of the system: how busy the calling thread was (its CPU clock) and
 * how long the cores that it may use had nothing to do (/proc/stat; read only while the thread is
 * busy). Belongs to one thread.
 */
#ifndef SHUNT_TUNNEL_DUTY_H
#define SHUNT_TUNNEL_DUTY_H

#include "base/time.h"

/* In place of a number of workers: as many as cores beside the thread itself, while governors ask
 * for them. */
#define DUTY_AUTO (-1)

struct duty;

/* How many threads n_workers (DUTY_AUTO, or a number) is here. */
unsigned duty_threads(int n_workers);
/* Of the calling thread. A number given: it gets help whatever it does. NULL without memory. */
struct duty *duty_new(int n_workers);
void duty_free(struct duty *d);
/* True if workers shall help until it is asked again: once a batch, with the bytes it carried.
 * Never if d is NULL. */
bool duty_wants_help(struct duty *d, uint64_t bytes, instant now);

#endif

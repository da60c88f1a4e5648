/* SPDX-License-Identifier: MIT */
/* The last events of a daemon, so many as there is room for: a ring. No I/O, no clock. */
#ifndef SHUNT_CONTROL_EVENTS_H
#define SHUNT_CONTROL_EVENTS_H

#include "control/event.h"
#include <stddef.h>

/* A burst of all peers of a large mesh and what it moves; some hundred bytes each. */
#define EVENTS_KEPT 2048

struct events;

/* node, started (when, as text: it tells lives of the daemon apart): copied. */
struct events *events_new(size_t max, const char *node, const char *started);
/* Accepts NULL. */
void events_free(struct events *s);

/* Copied; it gets its number, which is returned. */
uint64_t events_add(struct events *s, const struct event *e);
/* Who is told of each that is added, once it is there; fn NULL: nobody. */
void events_listen(struct events *s, void (*fn)(void *data), void *data);

/* The numbers of the first that is there and of the last; first is last + 1 if there is none. */
uint64_t events_first(const struct events *s);
uint64_t events_last(const struct events *s);
/* One that is there; its own until another one is added. */
const struct event *events_at(const struct events *s, uint64_t number);
/* The number of the first of the last n that pass. */
uint64_t events_tail(const struct events *s, const struct event_filter *f, size_t n);
const char *events_node(const struct events *s);
const char *events_started(const struct events *s);

#endif

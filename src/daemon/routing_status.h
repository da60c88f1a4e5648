/* SPDX-License-Identifier: MIT */
/* The node's routing engine, as `shunt status` shows it: its sessions beside our peers, and what is
 * wrong with them. Decides nothing. */
#ifndef SHUNT_DAEMON_ROUTING_STATUS_H
#define SHUNT_DAEMON_ROUTING_STATUS_H

#include "control/snapshot.h"
#include "daemon/routing_watch.h"
#include <uv.h>

struct daemon;
struct routing_status;

struct routing_status *routing_status_new(uv_loop_t *loop);
/* Before the loop ends. Accepts NULL. */
void routing_status_free(struct routing_status *r);
/* Once a second. */
void routing_status_step(struct daemon *d, instant now);
void routing_status_check(const struct daemon *d, instant now, routing_watch_fn *fn, void *data);
/* The engine as a whole, and each peer's sessions, whose peers are there already. */
void routing_status_show(const struct daemon *d, struct snapshot *s);

#endif

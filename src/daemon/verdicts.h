/* SPDX-License-Identifier: MIT */
/* What comes in about peers (verdicts of the prober, handshakes, resolved endpoints) and what it
 * sets in motion. */
#ifndef SHUNT_DAEMON_VERDICTS_H
#define SHUNT_DAEMON_VERDICTS_H

#include "daemon/changes.h"
#include "daemon/daemon.h"

/* Before the RIB's first prefixes: peers that the adopted FIB uses are up, all others down until
 * they are heard. */
void verdicts_adopt(struct daemon *d, const struct device_state *adopted);
/* After them: a peer that the adopted table passes over is last resort (adoption.h). */
void verdicts_refine(struct daemon *d, const struct device_state *adopted);
/*
 * After a reload: a new peer is down until it is heard; one that is no peer any more is judged no
 * more, so that no candidate of it counts as doubtful (nobody uses it as a next hop).
 */
void verdicts_of_reload(struct daemon *d, const struct generation *old);
/* uv_poll callback of prober_fd: all waiting events become one RIB step and one change of the FIB.
 */
void verdicts_on_events(uv_poll_t *p, int status, int events);
/* After the prober got a new generation's peers: takes over the verdicts as they stand, since
 * events of the generation before count no more. */
void verdicts_refresh(struct daemon *d);
/* Takes note of the handshakes of a fresh mirror and hands them to the prober. */
void verdicts_of_mirror(struct daemon *d);
/* Asks again for the endpoints of peers that are overdue. */
void verdicts_check_endpoints(struct daemon *d);
/* After the sync of a reload: a peer that is where the old inventory had it goes where the new one
 * has it. How many, and in c which ones. */
unsigned verdicts_endpoints_of_reload(struct daemon *d, struct changes *c);
/* endpoints_fn with the daemon as data. */
void verdicts_endpoint_resolved(uint32_t peer, const sock_addr *endpoint, void *daemon);

#endif

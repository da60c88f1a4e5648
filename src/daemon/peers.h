/* SPDX-License-Identifier: MIT */
/* The peers of a generation handed to the prober, with the keys by which their BFD is
 * authenticated. */
#ifndef SHUNT_DAEMON_PEERS_H
#define SHUNT_DAEMON_PEERS_H

#include "daemon/daemon.h"

/* Carries out an ENGINE_PROBE_SET; the first starts the prober (d->start_error if it can't). The
 * outcome says how all peers stand; it borrows d->standing. */
struct engine_event peers_probe(struct daemon *d, const struct engine_action *a);

/* What the prober has to tell: verdicts and reports, for the engine. */
void peers_take_events(struct daemon *d);

#endif

/* SPDX-License-Identifier: MIT */
/* The handshakes of a device's peers by our own clock (live/handshake_clock.h), by public key. */
#ifndef SHUNT_DAEMON_HANDSHAKES_H
#define SHUNT_DAEMON_HANDSHAKES_H

#include "device/device.h"
#include "live/handshake_clock.h"

struct handshakes;

struct handshakes *handshakes_new(void);
/* Accepts NULL. */
void handshakes_free(struct handshakes *h);
/* Notes what the device reports now; forgets peers that it doesn't have any more. wall_ns: the wall
 * clock of now. */
void handshakes_look(
	struct handshakes *h, const struct device_state *s, int64_t wall_ns, instant now);
/* The age of the peer's last handshake in nanoseconds, HANDSHAKE_NEVER (also of a peer that the
 * device doesn't have) or HANDSHAKE_UNKNOWN. */
int64_t handshakes_age(const struct handshakes *h, const wg_key *peer, instant now);

#endif

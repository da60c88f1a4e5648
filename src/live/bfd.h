/* SPDX-License-Identifier: MIT */
/*
 * One BFD session: RFC 5880 asynchronous mode, the parts that RFC 5881 (single hop) needs. A pure
 * state machine over 24-byte control packets; authentication lies around it (bfd_auth.h); no echo
 * function, no demand mode towards the peer (a peer's demand bit is honoured as RFC 5880 6.6
 * wants).
 */
#ifndef SHUNT_LIVE_BFD_H
#define SHUNT_LIVE_BFD_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BFD_PORT 3784 /* RFC 5881 section 4 */
#define BFD_PACKET_LEN 24
#define BFD_PACKET_MAX 52 /* with the authentication section of SHA1, section 4.4 */
#define BFD_KEY_LEN 20
#define BFD_AUTH_RATE 64 /* sequence numbers a second, by the clock: bfd_auth.h */

enum bfd_state {
	BFD_ADMIN_DOWN,
	BFD_DOWN,
	BFD_INIT,
	BFD_UP
}; /* RFC 5880 section 4.1, as on the wire */
enum bfd_diag {
	BFD_DIAG_NONE,
	BFD_DIAG_TIME_EXPIRED,
	BFD_DIAG_ECHO_FAILED,
	BFD_DIAG_NEIGHBOR_DOWN,
	BFD_DIAG_FORWARDING_RESET,
	BFD_DIAG_PATH_DOWN,
	BFD_DIAG_CONCATENATED_PATH_DOWN,
	BFD_DIAG_ADMIN_DOWN,
	BFD_DIAG_REVERSE_CONCATENATED_PATH_DOWN,
};

/* A control packet, decoded. Intervals in microseconds as on the wire. */
struct bfd_packet {
	enum bfd_state state;
	enum bfd_diag diag;
	bool poll, final, control_plane_independent, demand, is_authenticated;
	uint8_t detect_mult;
	uint32_t my_discriminator, your_discriminator;
	uint32_t desired_min_tx, required_min_rx, required_min_echo_rx;
};

/* One key for each direction, so that nothing of ours can be sent back to us. */
struct bfd_keys {
	uint8_t send[BFD_KEY_LEN], receive[BFD_KEY_LEN];
};

/* Decodes and validates what RFC 5880 section 6.8.6 demands before a session is looked for. What
 * stands behind the first 24 bytes isn't looked at. */
bool bfd_packet_decode(struct bfd_packet *ret, const void *bytes, size_t len);
/* The first 24 bytes; of one that is authenticated the length says that 28 more follow. */
void bfd_packet_encode(const struct bfd_packet *p, uint8_t out[static BFD_PACKET_LEN]);

const char *bfd_state_name(enum bfd_state s); /* "Up" */
const char *bfd_diag_name(enum bfd_diag d);   /* "Control Detection Time Expired" */

#endif

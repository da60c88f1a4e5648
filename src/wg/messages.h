/* SPDX-License-Identifier: MIT */
/* Every protocol number and wire format of WireGuard (the paper, section 5.4, and Linux's
 * messages.h), in one place. */
#ifndef SHUNT_WG_MESSAGES_H
#define SHUNT_WG_MESSAGES_H

#include <stdint.h>

#define WG_PUBLIC_LEN 32
#define WG_TAG_LEN 16
#define WG_HASH_LEN 32
#define WG_MAC_LEN 16
#define WG_COOKIE_LEN 16
#define WG_COOKIE_NONCE_LEN 24
#define WG_TIMESTAMP_LEN 12

enum wg_message_type { WG_INITIATION = 1, WG_RESPONSE = 2, WG_COOKIE_REPLY = 3, WG_DATA = 4 };

/* Limits by count and by time; section 6.1. Nanoseconds. */
#define WG_REKEY_AFTER_MESSAGES (UINT64_C(1) << 60)
#define WG_REJECT_AFTER_MESSAGES (UINT64_MAX - WG_REPLAY_BITS_USABLE - 1)
#define WG_REPLAY_BITS 8192
#define WG_REPLAY_BITS_USABLE (WG_REPLAY_BITS - 64)
#define WG_REKEY_AFTER_TIME (120 * NS_PER_S)
#define WG_REJECT_AFTER_TIME (180 * NS_PER_S)
#define WG_REKEY_TIMEOUT (5 * NS_PER_S)
#define WG_REKEY_TIMEOUT_JITTER (NS_PER_S / 3)
#define WG_KEEPALIVE_TIMEOUT (10 * NS_PER_S)
#define WG_MAX_HANDSHAKE_TRIES 18 /* 90 s / REKEY_TIMEOUT */
#define WG_COOKIE_SECRET_MAX_AGE (120 * NS_PER_S)
#define WG_COOKIE_SECRET_LATENCY \
	(5 * NS_PER_S) /* the sender of a cookie uses it for the difference */
#define WG_INITIATIONS_PER_SECOND 50
#define WG_MAX_STAGED 128
#define WG_MAX_QUEUED_HANDSHAKES 4096
#define WG_UNDER_LOAD_AT 512 /* of the handshake queue */

/* Integers are little-endian on the wire; bytes here, so that alignment and order are explicit. */
struct wg_macs {
	uint8_t mac1[WG_MAC_LEN];
	uint8_t mac2[WG_MAC_LEN];
};

struct wg_initiation {
	uint8_t type[4]; /* little-endian: the three reserved bytes must be 0 */
	uint8_t sender[4];
	uint8_t ephemeral[WG_PUBLIC_LEN];
	uint8_t sealed_static[WG_PUBLIC_LEN + WG_TAG_LEN];
	uint8_t sealed_timestamp[WG_TIMESTAMP_LEN + WG_TAG_LEN];
	struct wg_macs macs;
};

struct wg_response {
	uint8_t type[4];
	uint8_t sender[4];
	uint8_t receiver[4];
	uint8_t ephemeral[WG_PUBLIC_LEN];
	uint8_t sealed_nothing[WG_TAG_LEN];
	struct wg_macs macs;
};

struct wg_cookie_reply {
	uint8_t type[4];
	uint8_t receiver[4];
	uint8_t nonce[WG_COOKIE_NONCE_LEN];
	uint8_t sealed_cookie[WG_COOKIE_LEN + WG_TAG_LEN];
};

struct wg_data_header {
	uint8_t type[4];
	uint8_t receiver[4];
	uint8_t counter[8];
};

#define WG_INITIATION_LEN 148
#define WG_RESPONSE_LEN 92
#define WG_COOKIE_REPLY_LEN 64
#define WG_DATA_HEADER_LEN 16
#define WG_DATA_OVERHEAD (WG_DATA_HEADER_LEN + WG_TAG_LEN)
#define WG_PADDING 16

_Static_assert(sizeof(struct wg_initiation) == WG_INITIATION_LEN, "initiation");
_Static_assert(sizeof(struct wg_response) == WG_RESPONSE_LEN, "response");
_Static_assert(sizeof(struct wg_cookie_reply) == WG_COOKIE_REPLY_LEN, "cookie reply");
_Static_assert(sizeof(struct wg_data_header) == WG_DATA_HEADER_LEN, "data");

#endif

/* SPDX-License-Identifier: MIT */
/* The sliding window of RFC 6479: 8,192 bits, 8,128 usable. One owner at a time; checked after
 * decryption only. */
#ifndef SHUNT_WG_REPLAY_H
#define SHUNT_WG_REPLAY_H

#include "wg/messages.h"
#include <stdbool.h>

struct replay {
	uint64_t next; /* one more than the greatest counter seen */
	uint64_t bits[WG_REPLAY_BITS / 64];
};

/* True, and remembered, if the counter is new and neither too old nor at the limit
 * WG_REJECT_AFTER_MESSAGES. */
bool replay_accept(struct replay *r, uint64_t counter);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_TESTS_CRYPTOKEY_WHOSE_H
#define SHUNT_TESTS_CRYPTOKEY_WHOSE_H

#include "wg/cryptokey.h"
#include <string.h>

/* To whom a packet to this address goes that is of no flow in particular; NULL: nobody. */
static inline struct cryptokey_owner *whose_address(
	const struct cryptokey_table *t, int family, const uint8_t *addr)
{
	uint8_t packet[40] = {family == AF_INET ? 0x45 : 0x60};

	memcpy(packet + (family == AF_INET ? 16 : 24), addr, family == AF_INET ? 4 : 16);
	return cryptokey_choose(t, packet, sizeof(packet), NULL).owner;
}

#endif

/* SPDX-License-Identifier: MIT */
/*
 * UDP datagrams as a raw socket gives them: of IPv4 with the IP header, of IPv6 without. A raw
 * socket is asked because it gets its copy whoever else binds the port or takes the packets; what
 * UDP would have checked is checked here.
 */
#ifndef SHUNT_PROBER_BFD_DATAGRAM_H
#define SHUNT_PROBER_BFD_DATAGRAM_H

#include "base/prefix.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bfd_datagram {
	uint16_t port; /* it was sent from */
	unsigned ttl;  /* of IPv4 only, else as given */
	const uint8_t *payload;
	size_t len; /* of the payload, as far as it is here */
};

/* What a socket gave: got bytes of a packet of len. */
struct bfd_raw {
	ip_addr src, dst;
	uint16_t port; /* it must go to */
	const uint8_t *bytes;
	size_t got, len;
};

/* True if it is whole and right, and goes to that port. */
bool bfd_datagram_parse(struct bfd_datagram *ret, const struct bfd_raw *raw);
/* Takes the first control packet off a payload; false: there is none any more. Devices that merge
 * packets hand over several of one sender as one. */
bool bfd_datagram_next(struct bfd_datagram *d, const uint8_t **ret, size_t *ret_len);

#endif

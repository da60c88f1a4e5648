/* SPDX-License-Identifier: MIT */
/* What the loop's thread knows of device and kernel: of the last SYNC that went well, and what has
 * been said since. */
#ifndef SHUNT_DAEMON_FIB_FACTS_H
#define SHUNT_DAEMON_FIB_FACTS_H

#include "fib/trouble.h"
#include "fib/want.h"

struct fib_facts {
	int ifindex;	 /* of the device; 0: not known yet */
	uint32_t fwmark; /* of the device, and the table of what stands apart; 0: nothing does */
	/* Prefixes whose routes would carry the tunnel's own packets, sorted (fib/want.h).
	 * Whoever changes the inventory forgets them, and the SYNC finds them anew. */
	prefix_vec apart;
	bool no_rules[2];      /* fib/want.h */
	prefix_vec foreign;    /* sorted: what foreign peers own */
	bool moves_cut;	       /* since the last SYNC began: turns_plan left something out */
	int part_error;	       /* of the beginning of an order whose rest is under way; 0: none */
	fib_troubles problems; /* what could not be done, for status */
};

#endif

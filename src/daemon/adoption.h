/* SPDX-License-Identifier: MIT */
/*
 * What a table that is found at the start says of the peers in it. A restart must move nothing, but
 * the verdicts of the life before are gone, and a prefix that stands with a peer who isn't the best
 * by the rules says that the best was last resort: it drained or held. Taken for up, it would get
 * its prefixes until its first packet came, and lose them to the source checks of all others.
 */
#ifndef SHUNT_DAEMON_ADOPTION_H
#define SHUNT_DAEMON_ADOPTION_H

#include "route/rib.h"

/* Who owns the prefix in the table that was found; false: nobody we know. */
typedef bool adoption_owner_fn(const ip_prefix *prefix, uint32_t *ret_peer, void *data);

/* Given a RIB with all candidates, in which the peers of the table are up and all others down:
 * makes those last resort that the table passes over. */
void adoption_refine(struct rib *rib, adoption_owner_fn *owner, void *data);

#endif

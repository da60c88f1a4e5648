/* SPDX-License-Identifier: MIT */
/* Sets of owners by number, as configured (config.h), and what the device knows of its peers as
 * owners. */
#ifndef SHUNT_TUNNEL_OWNERS_H
#define SHUNT_TUNNEL_OWNERS_H

struct tunnel;

/* All sets go; none is left, and no peer. The table may still be there. */
void owners_free(struct tunnel *t);

#endif

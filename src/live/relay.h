/* SPDX-License-Identifier: MIT */
/*
 * Whether a hub hands on what it gets: echoes from end to end, through the hub, each to another
 * site. Pure, per hub and family: the caller chooses sites, sends, and tells of the answers.
 *
 * A site that is down doesn't answer either, so a silence proves nothing by itself: the next ask
 * comes soon, to another site where there is one, and then an echo to a network behind that site
 * goes with it. A hub that relays and knows the site for dead has nobody for that network and says
 * so (ICMP host unreachable): that answer is as good as an echo's, unless the site's own address is
 * refused in the same way, which is what a firewall does. RELAY_SILENCES asks without any answer
 * are called silence.
 */
#ifndef SHUNT_LIVE_RELAY_H
#define SHUNT_LIVE_RELAY_H

#include "base/time.h"

#define RELAY_PERIOD (10 * NS_PER_S)
#define RELAY_TIMEOUT (2 * NS_PER_S)
#define RELAY_SILENCES 4

struct relay {
	unsigned silences; /* in a row */
	uint32_t site;	   /* asked last */
	bool is_asked;	   /* one is under way */
	bool network_unreachable, site_unreachable;
	instant next_at;
};

/* The first ask is at first_at. */
void relay_init(struct relay *r, instant first_at);
/* Ends an ask whose time is over. True: it is time to ask a site, which relay_on_asked tells. */
bool relay_step(struct relay *r, instant now);
/* Whether the network behind the site is to be asked too. */
bool relay_wants_network(const struct relay *r);
void relay_on_asked(struct relay *r, uint32_t site, instant now);
/* The site answered. */
void relay_on_reply(struct relay *r, instant now);
/* The hub knows no way to the site's own address, or to the network behind it. */
void relay_on_unreachable(struct relay *r, bool network);
instant relay_deadline(const struct relay *r);
bool relay_is_silent(const struct relay *r);

#endif

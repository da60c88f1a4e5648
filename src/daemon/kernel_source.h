/* SPDX-License-Identifier: MIT */
/*
 * From the kernel's routes to candidates: what a routing engine chose, in peers. A source of the
 * RIB beside the inventory. Pure: views of the mirror and time in, what the source says of prefixes
 * out.
 *
 * A route through our device is candidates of the peers that own its next hops: their overlay
 * addresses, or fixed link-local ones. The engine supplies the equal-cost set and nothing more: the
 * hub's metric, the weight and the place are the inventory's, so that both ends of a path order a
 * set alike. Behind each stands as origin who may announce the prefix.
 *
 * What is refused is named (kernel_source_troubles): a route without a gateway; a next hop that is
 * no peer's; a prefix that holds nothing but an address of ours, of a direct peer or an endpoint; a
 * default route that no node offers; what its next hop may not announce. What is of an overlay
 * address of a node that isn't a direct peer may come.
 *
 * Additions count at once. A withdrawal (route_mirror.h) counts a moment later, when no change is
 * left unread: its writer may be about to say more. What was swept stays as long as one of its next
 * hops lives and no longer than KERNEL_SOURCE_SWEPT; what is refused now stays for
 * KERNEL_SOURCE_REFUSED, since an engine that looks for another path says unreachable meanwhile.
 *
 * A next hop that leaves a route which stands, and lives, stays for KERNEL_SOURCE_LINGERS. Engines
 * of different nodes take it out at different times, and whoever still sends by it would be refused
 * by who takes from the others alone. It is behind all others, unless the engine has started within
 * that time: that knows less than the one before for a while, and nothing moves meanwhile.
 */
#ifndef SHUNT_DAEMON_KERNEL_SOURCE_H
#define SHUNT_DAEMON_KERNEL_SOURCE_H

#include "base/arena.h"
#include "base/time.h"
#include "daemon/kernel_facts.h"
#include "route/rib.h"
#include "sys/route_mirror.h"

/* As long as a writer is new: what it leaves out until then it may not have heard of. */
#define KERNEL_SOURCE_LINGERS ROUTE_WRITER_SETTLED
#define KERNEL_SOURCE_LEAVES (5 * NS_PER_MS)
/* FRR replaces an IPv6 route by taking it away and adding it, and may have to wait in between. */
#define KERNEL_SOURCE_LEAVES6 (50 * NS_PER_MS)
#define KERNEL_SOURCE_SWEPT (60 * NS_PER_S)
#define KERNEL_SOURCE_REFUSED (1 * NS_PER_S)

struct kernel_source;

struct kernel_source *kernel_source_new(void);
/* Accepts NULL. */
void kernel_source_free(struct kernel_source *s);
/* Others from now on; the caller then gives all views that stand again, and settles: what differs
 * is said, and of what is held, too. */
void kernel_source_set(struct kernel_source *s, const struct kernel_source_facts *f);
/* Other endpoints alone: the caller gives again what it has of the host prefixes of those that came
 * or went. */
void kernel_source_set_endpoints(struct kernel_source *s, const struct kernel_source_facts *f);
/* What was said of that prefix counted for nothing: it is said anew, once the caller gives its view
 * again, if it stands, and settles. */
void kernel_source_unsay(struct kernel_source *s, const ip_prefix *prefix);

/* What it says of a prefix from now on: events of RIB_EVENT_PREFIX, source RIB_KERNEL, with the
 * memory of their candidates. Zeroed: empty. */
struct kernel_words {
	VEC(struct rib_event) events;
	struct arena candidates;
};
void kernel_words_done(struct kernel_words *w);

/* Appends to ret what that view changes in what the source says, if it does. Not before the first
 * set. */
void kernel_source_take(
	struct kernel_source *s, const struct route_view *v, instant now, struct kernel_words *ret);
/* No change is left unread: withdrawals count that are KERNEL_SOURCE_LEAVES old, those of IPv6
 * KERNEL_SOURCE_LEAVES6. */
void kernel_source_settle(struct kernel_source *s, instant now, struct kernel_words *ret);
/* A peer isn't down any more (until told otherwise none is), or is: what was swept and led to it
 * alone goes. */
void kernel_source_peer(
	struct kernel_source *s, uint32_t peer, bool lives, instant now, struct kernel_words *ret);
/* What is held no longer goes. */
void kernel_source_time(struct kernel_source *s, instant now, struct kernel_words *ret);
/* When time is due, or something is to be settled; INSTANT_NEVER: nothing is held or goes. */
instant kernel_source_deadline(const struct kernel_source *s);

/* Appends them; constant work for each. */
void kernel_source_troubles(const struct kernel_source *s, kernel_troubles *ret);
/* How many prefixes it has candidates of. */
size_t kernel_source_count(const struct kernel_source *s);

#endif

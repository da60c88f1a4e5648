/* SPDX-License-Identifier: MIT */
/*
 * A mirror of the kernel's routes: news in, what each prefix's packets would take out. Pure values,
 * no I/O and no clock but the one that it is told.
 *
 * It holds all routes of the chosen tables, next-hop objects and groups, and with each route who
 * wrote it. Of the chosen protocols' routes the first of the lowest metric carries a prefix's
 * packets; others wait behind it (an appended IPv4 route is a route of its own; an appended IPv6
 * hop is one hop more, and so is its deletion one hop less). Others' routes are held, since they
 * take and give places in that order, but whether they carry packets is not asked: what an engine
 * chose counts, and a set of IPv6 next hops is of the protocol of its oldest one. Not looked at are
 * routes for one TOS, and those to link-local and multicast prefixes, which each link has.
 *
 * The kernel doesn't tell of all that goes (IPv4 routes go with a link, an address, a next-hop
 * object without a word): route_mirror_wants_dump says so, and what a dump doesn't have any more
 * went. A dump is taken beside the news: what news said of a prefix since it began counts more.
 * Nor does a dump have all: it passes by what stands between the hops of an IPv6 set. Where news
 * were lost that shows in another one, which is wanted when such a set went or has fewer hops.
 *
 * Who withdrew a route tells what it means:
 *   ROUTE_WITHDRAWN   its writer did, or the one who has written for its protocol for ten seconds
 *                     (one that starts may write before it sweeps); or it went while news were lost
 *   ROUTE_SWEPT       somebody else, or before a writer was known, or it is not there after a link,
 *                     an address or an object went: an engine that starts clears away what it will
 *                     bring back
 *   ROUTE_REFUSED     it became unreachable, blackhole or prohibit: no owner (yet)
 */
#ifndef SHUNT_SYS_ROUTE_MIRROR_H
#define SHUNT_SYS_ROUTE_MIRROR_H

#include "base/time.h"
#include "base/vec.h"
#include "sys/route_news.h"

/* An engine that starts may write before it sweeps, and before it knows all: for so long what its
 * forerunner wrote isn't its to withdraw. */
#define ROUTE_WRITER_SETTLED (10 * NS_PER_S)

enum route_state { ROUTE_STANDS, ROUTE_WITHDRAWN, ROUTE_SWEPT, ROUTE_REFUSED };

/* What a prefix's packets take, as of now. */
struct route_view {
	ip_prefix prefix;
	enum route_state state;
	uint8_t protocol;
	uint32_t table, priority;
	instant writes_since; /* ROUTE_STANDS: when it was first heard of who wrote it last, as one
				 who writes for the protocol; zero: it isn't known, or another
				 one does by now */
	const struct route_hop *hops; /* ROUTE_STANDS: of the route that carries, next-hop objects
					 resolved; borrowed until the next news */
	size_t n_hops;
};

struct route_mirror_config {
	const uint32_t *tables; /* in the order in which rules ask them: the first that has the
				   prefix carries it */
	size_t n_tables;
	const uint8_t *protocols;
	size_t n_protocols;
};

struct route_mirror;

/* Copies the configuration. */
struct route_mirror *route_mirror_new(const struct route_mirror_config *c);
/* Accepts NULL. */
void route_mirror_free(struct route_mirror *m);

/* Takes one of the news. */
void route_mirror_take(struct route_mirror *m, const struct route_news *news, instant now);
/* News were lost. */
void route_mirror_overrun(struct route_mirror *m);

/* A dump is wanted, of all protocols' routes in the chosen tables: something may have gone without
 * a word. Not again before route_mirror_dump_ends, but for what happens meanwhile. */
bool route_mirror_wants_dump(const struct route_mirror *m);
/* A dump begins; what it has is taken by route_mirror_dumped. */
void route_mirror_dump_begins(struct route_mirror *m);
void route_mirror_dumped(struct route_mirror *m, const struct route_news *news);
/* Before this, all news that waited behind the dump's end are taken. It is whole: what it hadn't,
 * and no news spoke of since, is gone. Otherwise nothing is, and another one is wanted. */
void route_mirror_dump_ends(struct route_mirror *m, bool is_whole, instant now);
/* A dump was taken whole at least once: what isn't here isn't in the kernel. */
bool route_mirror_is_filled(const struct route_mirror *m);

typedef void route_view_fn(const struct route_view *v, void *data);

/* The prefixes whose view is another than when they were last taken, at most n of them: those that
 * stand first, then those that went. Returns how many are left. */
size_t route_mirror_take_changes(struct route_mirror *m, size_t n, route_view_fn *fn, void *data);
/* False: nothing is known of it. */
bool route_mirror_view(const struct route_mirror *m, const ip_prefix *p, struct route_view *ret);
/* Of all that stand, in no order. */
void route_mirror_each(const struct route_mirror *m, route_view_fn *fn, void *data);
/* Prefixes that stand. */
size_t route_mirror_count(const struct route_mirror *m);

#endif

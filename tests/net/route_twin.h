/* SPDX-License-Identifier: MIT */
/* A mirror that follows the kernel of its namespace, and another that only ever sees one dump. */
#ifndef SHUNT_TESTS_ROUTE_TWIN_H
#define SHUNT_TESTS_ROUTE_TWIN_H

#include "sys/route_mirror.h"
#include "sys/route_news.h"

struct twin {
	struct route_news_socket *socket;
	struct route_mirror *mirror;
	struct route_mirror_config config;
	size_t n_news, n_dumps, n_overruns, n_compared;
};

/* Tables main and 100, protocols of BIRD and FRR. Ends the program where it can't. */
void twin_start(struct twin *t, int room);
void twin_end(struct twin *t);
/* Reads what waits and asks for all as often as the mirror wants; the kernel may go on. */
void twin_settle(struct twin *t);
/* Reads what waits only. */
void twin_read(struct twin *t);
/* Whether the mirror is what one dump shows. Tells what isn't. Changes that are still under way are
 * waited for. */
bool twin_compare(struct twin *t);

/* n random changes of routes, next-hop objects, links and addresses in the namespace of the caller,
 * compared after each few. mixes: also IPv6 routes of other kinds beside a set, which a dump hides.
 * False: the twins differ. */
bool twin_random(struct twin *t, uint64_t seed, size_t n, bool mixes);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The kernel's routes as values: what it tells of them as they change, and what it holds when asked
 * for all. Nothing is kept here (route_mirror.h keeps).
 *
 * A socket of its own, with room for a whole table, since what is missed costs a dump. News carry
 * the netlink port of who caused them: a route's own writer withdraws it, another one sweeps.
 */
#ifndef SHUNT_SYS_ROUTE_NEWS_H
#define SHUNT_SYS_ROUTE_NEWS_H

#include "base/prefix.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define ROUTE_HOPS_MAX                                                            \
	32 /* of a set; the kernel may hold more, we count those behind as absent \
	    */

struct route_hop {
	int ifindex;
	ip_addr via; /* of either family, whatever the route's; family 0: straight to the device */
	uint8_t protocol; /* who gave it: an IPv6 set may be of several */
	uint16_t weight;  /* 1.. */
};

/* A route of one of the two families. */
struct kernel_route {
	ip_prefix dst;
	uint32_t table;	   /* main: RT_TABLE_MAIN */
	uint32_t priority; /* the metric, as the kernel has it: IPv6's usual one is 1024 */
	uint8_t tos;
	uint8_t protocol;
	uint8_t type;	     /* RTN_UNICAST, RTN_UNREACHABLE, ... */
	uint32_t nexthop_id; /* of an object; 0: none. hops then hold what the kernel told along, or
				nothing (nexthop_compat_mode 0): the object counts */
	uint64_t identity;   /* a digest of all that makes it another route than its like of the
				same prefix, table, TOS and metric: hops in their order, or the
				object; protocol, source, scope, ... */
	size_t n_hops;
	uint32_t dead; /* bits of hops that don't carry now, since their link is down */
	struct route_hop hops[ROUTE_HOPS_MAX];
};

/* A next-hop object: one hop, or a group of others. */
struct kernel_nexthop {
	uint32_t id;
	bool is_blackhole, is_group;
	bool is_dead;	  /* its link is down */
	size_t n_members; /* of a group; else hop counts */
	struct route_hop hop;
	struct {
		uint32_t id;
		uint16_t weight;
	} members[ROUTE_HOPS_MAX];
};

enum route_news_type {
	ROUTE_NEWS_ROUTE,   /* route */
	ROUTE_NEWS_NEXTHOP, /* nexthop; gone: its id alone counts */
	/* link: as it is now. With one that goes down or away IPv4 routes go of which nobody tells,
	 * and without its carrier next-hop objects; when it is back their hops carry again. */
	ROUTE_NEWS_LINK,
	ROUTE_NEWS_ADDRESS, /* link.ifindex: an address went away or (IPv4) came, likewise */
	/* Of a dump: a part of it begins, which the kernel wrote in one go. Between two its walk
	 * may begin anew and pass a second time what it had. */
	ROUTE_NEWS_PART,
};

/* How a route stands to others of its prefix, table, TOS and metric: NLM_F_* of the message. */
enum route_news_flags {
	ROUTE_REPLACES = 1, /* the first of them; or it is one of them, told again */
	ROUTE_APPENDS = 2,  /* behind them, else before */
	ROUTE_ANEW = 4,	    /* it wasn't one of them before */
	ROUTE_ALONE = 8,    /* there were none */
};

struct route_news {
	enum route_news_type type;
	bool gone;	/* RTM_DEL* */
	unsigned flags; /* enum route_news_flags */
	uint32_t port;	/* netlink port of who caused it; 0: the kernel itself */
	uint32_t seq;	/* and the number of their request */
	union {
		struct kernel_route route;
		struct kernel_nexthop nexthop;
		struct {
			int ifindex;
			unsigned flags; /* of IFF_UP, IFF_RUNNING and IFF_LOWER_UP */
		} link;
	} u;
};

/* False ends the walk. */
typedef bool route_news_fn(const struct route_news *news, void *data);

/* Every message of one datagram of n bytes, aligned for struct nlmsghdr, in order. What isn't
 * understood is left out, and what carries only some of a prefix's packets: clones, IPv6 routes by
 * source. False: fn ended it. Fuzzed. */
bool route_news_parse(const char *bytes, size_t n, route_news_fn *fn, void *data);

struct route_news_socket;

/* Listens to routes, next-hop objects, links and addresses of both families. room: bytes for news
 * that wait, as far as it may be had. 0 or negative errno. */
int route_news_open(int room, struct route_news_socket **ret);
/* Accepts NULL. */
void route_news_close(struct route_news_socket *s);
/* To poll for reading. */
int route_news_fd(const struct route_news_socket *s);
/* Reads what waits, at most so many datagrams, each in the order of the kernel. Returns how many it
 * read; -ENOBUFS: some were lost (also what fn didn't want any more), all must be asked for; else
 * negative errno. What came before the loss was told. */
int route_news_read(struct route_news_socket *s, unsigned most, route_news_fn *fn, void *data);

/* What a dump asks for; 0: any. The kernel tells of a link before the link's routes have gone, and
 * gives next-hop objects when that change is done (both hold its lock), but routes at any time: so
 * objects are asked for first. */
struct route_news_question {
	int family;
	uint32_t table;
	uint8_t protocol;
};

/*
 * All routes that answer the question, as ROUTE_NEWS_ROUTE; of family 0 all next-hop objects. Each
 * part stands behind a ROUTE_NEWS_PART. Over
 * a socket of its own, strict (NETLINK_GET_STRICT_CHK), begun anew when the kernel says that it was
 * interrupted: fn gets nothing of a try that failed. 0 or negative errno; -ENOENT counts as none.
 */
int route_news_dump(const struct route_news_question *q, route_news_fn *fn, void *data);

#endif

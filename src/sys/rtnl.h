/* SPDX-License-Identifier: MIT */
/*
 * The kernel's links, addresses, routes and rules by rtnetlink. One request at a time on a socket
 * of its own; a second socket, rtnl_monitor, tells of changes. Dumps read every chunk and are
 * repeated when interrupted.
 */
#ifndef SHUNT_SYS_RTNL_H
#define SHUNT_SYS_RTNL_H

#include "base/prefix.h"
#include <net/if.h>

/* Our mark on kernel routes and rules: RTPROT, shown by `ip route` as "proto 213". */
#define RTNL_PROTO_SHUNT 213

struct rtnl;

int rtnl_open(struct rtnl **ret);
void rtnl_close(struct rtnl *r);

struct rtnl_link {
	int index;
	char name[IFNAMSIZ];
	char kind[32];	/* "wireguard", "tun", ... or empty */
	unsigned flags; /* IFF_* */
	unsigned mtu;
	bool makes_link_local; /* the kernel gives it an IPv6 address of its own choice */
};

/* -ENODEV if there is none. */
int rtnl_link_get(struct rtnl *r, const char *ifname, struct rtnl_link *ret);
/* The same of another network namespace, by the id of rtnl_netns_id; -1: our own. */
int rtnl_link_get_in(struct rtnl *r, int netns_id, const char *ifname, struct rtnl_link *ret);
/* The id by which our namespace knows that of netns_fd; it is given one if it has none. */
int rtnl_netns_id(struct rtnl *r, int netns_fd, int *ret);
/* mtu 0: leave. */
int rtnl_link_set(struct rtnl *r, int ifindex, bool up, unsigned mtu);
/* The kernel makes no link-local address for it any more (addrgenmode none), and what it made goes.
 * 0 where there is no IPv6. */
int rtnl_link_quiet(struct rtnl *r, int ifindex);
/* kind "wireguard". -EOPNOTSUPP: the kernel knows no such kind; -EEXIST. */
int rtnl_link_add(struct rtnl *r, const char *ifname, const char *kind);
int rtnl_link_del(struct rtnl *r, int ifindex);

/* prefix carries the address with its host bits. Added without duplicate address detection. Adding
 * what is there is 0. */
int rtnl_addr_add(struct rtnl *r, int ifindex, const ip_prefix *address);
int rtnl_addr_del(struct rtnl *r, int ifindex, const ip_prefix *address);
/* All global addresses of the interface, and the link-local ones of IPv6 that the kernel hasn't
 * made; *ret is malloc'd. */
int rtnl_addr_list(struct rtnl *r, int ifindex, ip_prefix **ret, size_t *ret_n);

struct rtnl_route {
	ip_prefix dst;
	int ifindex;	/* 0: several next hops, or none */
	uint32_t table; /* 0: main */
	uint8_t protocol;
	uint32_t metric;
	uint8_t type; /* 0: to the device; else the kernel's RTN_UNREACHABLE, RTN_BLACKHOLE, ... */
	ip_addr via;  /* the gateway, of dst's family; family 0: none, or several. What is set is on
			 the link, whatever the addresses say (onlink) */
	ip_addr src;  /* what packets come from whose sender leaves it open; family 0: not said */
};

/* For rtnl_route_list_where. */
#define RTNL_ANY_TYPE 255

/* Refuses what it holds: unreachable, blackhole or prohibit. */
bool rtnl_route_refuses(const struct rtnl_route *route);

/* Creates the route or leaves an identical one of ours. A foreign route to the same prefix, table
 * and metric: -EEXIST, untouched. */
int rtnl_route_add(struct rtnl *r, const struct rtnl_route *route);
/* Removes only a route of that protocol on that interface (or, of one that refuses, that metric);
 * absent is 0. */
int rtnl_route_del(struct rtnl *r, const struct rtnl_route *route);
/* Routes of all protocols (0) or of one, in all tables; *ret is malloc'd. */
int rtnl_route_list(struct rtnl *r, uint8_t protocol, struct rtnl_route **ret, size_t *ret_n);
/* Routes that match what isn't 0 in only: ifindex, table (main: RT_TABLE_MAIN), protocol; and its
 * type, where 0 is a route to a device and RTNL_ANY_TYPE any. -ENODEV: there is no such interface.
 */
int rtnl_route_list_where(
	struct rtnl *r, const struct rtnl_route *only, struct rtnl_route **ret, size_t *ret_n);
/* The route the kernel takes to an address: the interface and whether it is one. -ENETUNREACH:
 * none. */
int rtnl_route_get(struct rtnl *r, const ip_addr *dst, uint32_t fwmark, struct rtnl_route *ret);

/* A datagram of UDP that this host may send; what is zero isn't said. */
struct rtnl_flow {
	ip_addr to, from;
	uint16_t to_port, from_port;
	uint32_t fwmark;
	int ifindex; /* that it must leave by */
};

/* The way that it takes: the interface and the kind of route (RTN_UNICAST, RTN_LOCAL, ...). Else
 * the kernel's negative errno: for IPv4 -EINVAL where from isn't an address of this host. */
int rtnl_flow_route(
	struct rtnl *r, const struct rtnl_flow *flow, int *ret_ifindex, uint8_t *ret_type);

enum rtnl_rule_action {
	RTNL_RULE_TABLE,
	RTNL_RULE_GOTO,	     /* on to the rule whose priority is target; there is none: no effect */
	RTNL_RULE_NOP,	     /* a place to go to */
	RTNL_RULE_BLACKHOLE, /* dropped, and nobody is told */
	RTNL_RULE_UNREACHABLE,
	RTNL_RULE_PROHIBIT,
};

/* Policy rules: `not fwmark M lookup table` and `lookup main suppress_prefixlength 0` as for a
 * default route through the device, `from P iif D blackhole`, `to P lookup table`. What is zero
 * doesn't match. */
struct rtnl_rule {
	int family;
	uint32_t fwmark;
	bool invert; /* not */
	uint32_t table;
	int suppress_prefixlen; /* -1: none */
	uint32_t priority;	/* 0: the kernel chooses */
	enum rtnl_rule_action action;
	uint32_t target;
	ip_prefix from, to;
	char iif[IFNAMSIZ]; /* need not exist (yet, or any more) */
	/* Told, never set: whose rule it is, and whether it is for some packets only, by anything
	 * but their destination or the lack of a mark. */
	uint8_t protocol;
	bool selective;
};

/* True if the rule that is there does what is wanted, where a priority of 0 is any. */
bool rtnl_rule_is(const struct rtnl_rule *have, const struct rtnl_rule *want);
/* Adds the rule under our protocol unless it is there. */
int rtnl_rule_add(struct rtnl *r, const struct rtnl_rule *rule);
/* Removes one such rule of ours; absent is 0. */
int rtnl_rule_del(struct rtnl *r, const struct rtnl_rule *rule);
/* Our rules of one family; *ret is malloc'd. */
int rtnl_rule_list(struct rtnl *r, int family, struct rtnl_rule **ret, size_t *ret_n);
/* Everybody's rules of one family, in the order in which the kernel goes through them. */
int rtnl_rule_list_all(struct rtnl *r, int family, struct rtnl_rule **ret, size_t *ret_n);

struct rtnl_monitor;

/* What changed; a hint to look, never a truth to act upon. */
enum rtnl_monitor_what {
	RTNL_LINK = 1,
	RTNL_ADDR = 2,
	RTNL_ROUTE = 4,
	RTNL_OVERRUN = 8,
	RTNL_RULE = 16
};

/* Listens to links, addresses, routes and rules of both families. */
int rtnl_monitor_open(struct rtnl_monitor **ret);
/* Listens to what of it alone (with rules: to next hops that routes share, too). room: bytes for
 * news that wait; with little, a flood of them is an overrun and costs no more than that. */
int rtnl_monitor_open_for(unsigned what, int room, struct rtnl_monitor **ret);
/* From now on also to other network namespaces, those that ours knows by an id. -EPERM: it needs
 * CAP_NET_BROADCAST. */
int rtnl_monitor_everywhere(struct rtnl_monitor *m);
/* News of routes of these protocols alone are left out from now on, by the kernel, and of next hops
 * that zebra makes for them; n 0: none are. 0 or negative errno. */
int rtnl_monitor_ignore(struct rtnl_monitor *m, const uint8_t *protocols, size_t n);
void rtnl_monitor_close(struct rtnl_monitor *m);
int rtnl_monitor_fd(const struct rtnl_monitor *m);
/* Reads all that waits; the union of enum rtnl_monitor_what, or negative errno. After an overrun
 * all must be looked at. */
int rtnl_monitor_read(struct rtnl_monitor *m);

#endif

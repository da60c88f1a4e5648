/* SPDX-License-Identifier: MIT */
/*
 * What is, and what shall be: one type for both.
 *
 * LOOK fills one with what the kernel and the devices report, WANT makes the other from the
 * inventory's facts and the RIB, PLAN is the way from the first to the second. DO walks it and
 * keeps the first in step, so that nothing is read back after our own change: between two looks
 * that value is the mirror.
 *
 * Lists are sorted, so that a search needs no index. What only a shall-be has says so.
 */
#ifndef SHUNT_FIB_STATE_H
#define SHUNT_FIB_STATE_H

#include "base/arena.h"
#include "device/device.h"
#include "fib/want.h"
#include "route/rib.h"
#include "sys/nft.h"

#define FIB_SYSCTL_PATH_MAX 96
#define FIB_NFT_TABLE_MAX (IFNAMSIZ + 8)

/* All of it is its own, and fib_state_done releases it. */
struct fib_device {
	char name[IFNAMSIZ];
	int ifindex;		/* the kernel's */
	bool up;		/* of the link */
	bool makes_link_local;	/* the kernel gives it an IPv6 address of its own choice; shall be:
				   it may */
	unsigned mtu;		/* of the link; shall be, 0: leave */
	prefix_vec addresses;	/* with host bits; all but what the kernel made, by ip_prefix_cmp */
	struct device_state wg; /* shall be: port 0 leaves the port, an endpoint AF_UNSPEC the
				   endpoint; has_key tells of private_key */
	wg_key private_key;	/* shall be; wiped */
	bool leave_fwmark;	/* shall be: an operator's mark stays */
	struct nft_mark mark;	/* of the table in nftables; zeroes: none */
	int mark_error;		/* is: why nftables can't be asked, else 0 */
	bool port_is_taken;	/* is: the port that was asked for isn't the device's, and another
				   program has it */
};

struct fib_sysctl {
	char path[FIB_SYSCTL_PATH_MAX];
	int value;	 /* is: -1 if it can't be read */
	bool is_needed;	 /* shall be: tried, and named, even where it can't be read */
	const char *why; /* shall be: what goes wrong otherwise; borrowed, static */
};

typedef VEC(struct fib_sysctl) fib_sysctls;

/* Likewise. Of one thread at a time: who gives it away keeps nothing of it. */
struct fib_state {
	VEC(struct fib_device) devices; /* by name */
	route_vec routes;    /* into the devices, whoever's, and those of ours that refuse; by
				want_route_cmp */
	rule_vec rules;	     /* is: those of our protocol; in the order to be added */
	fib_sysctls sysctls; /* those that we set */
	bool no_rules[2];    /* is: the kernel has none, of IPv4, of IPv6 */
	uint32_t free_table; /* is: the number of a table that nobody else uses; 0: none was
				looked for */
};

/* Wipes the secrets. Accepts a zeroed one. */
void fib_state_done(struct fib_state *s);
/* NULL if absent. */
struct fib_device *fib_state_device(const struct fib_state *s, const char *name);
/* have, if it is the same address, whatever the lengths; else NULL. */
const ip_prefix *fib_same_address(const ip_prefix *have, const ip_prefix *a);
/* The name of our table in nftables for that interface. */
void fib_nft_table(const char *ifname, char out[static FIB_NFT_TABLE_MAX]);
/* --- levels and owners, in the device's words --- */

enum device_level fib_level_of(enum rib_state state);
/* key: of its peer. */
struct device_owner fib_owner_of(const struct rib_owner *o, const wg_key *key);
/* False: nobody of them is ever sent to. */
bool fib_owners_send(const struct device_owner *owners, size_t n);
/* True if they are the same ones, in any order. */
bool fib_owners_eq(
	const struct device_owner *a, size_t n_a, const struct device_owner *b, size_t n_b);
struct device_owner *fib_copy_owners(struct arena *a, const struct device_owner *owners, size_t n);
/* A copy that the caller releases by device_state_done. */
void fib_copy_device(const struct device_state *from, struct device_state *ret);

#endif

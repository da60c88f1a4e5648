/* SPDX-License-Identifier: MIT */
/*
 * The kernel's packet filter (nf_tables) by nfnetlink: one table of our own, to set a mark on what
 * comes in for our port. Nothing of others is changed.
 *
 * By hand over libmnl and not by libnftnl: five expressions are less than its interface, and no
 * library is added. The program `nft` is never started.
 */
#ifndef SHUNT_SYS_NFT_H
#define SHUNT_SYS_NFT_H

#include <stdint.h>

struct nft;

/* -EPROTONOSUPPORT: the kernel has no nfnetlink. */
int nft_open(struct nft **ret);
/* Accepts NULL. */
void nft_close(struct nft *n);

/*
 * The rule `fib daddr type local udp dport PORT meta mark set MARK` in the table inet NAME, chain
 * prerouting, before raw (and before whoever else asks the FIB): the kernel's reverse path filter
 * and `fib` expressions look a packet up by its mark.
 */
struct nft_mark {
	uint16_t port;
	uint32_t mark;
};

/* What the table has; zeroes if it isn't there or isn't whole. 0 or negative errno. */
int nft_mark_get(struct nft *n, const char *table, struct nft_mark *ret);
/* Makes the table exactly this, in one transaction. */
int nft_mark_set(struct nft *n, const char *table, const struct nft_mark *m);
/* Removes the table; absent is 0. */
int nft_mark_remove(struct nft *n, const char *table);

#endif

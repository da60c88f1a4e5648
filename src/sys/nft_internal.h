/* SPDX-License-Identifier: MIT */
/* What the files of nft.h share. */
#ifndef SHUNT_SYS_NFT_INTERNAL_H
#define SHUNT_SYS_NFT_INTERNAL_H

#include "sys/nft.h"
#include "sys/nl.h"
/* Before the kernel's, which then leave out what it has. */
#include <arpa/inet.h>

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>

struct nft {
	struct nl *nl;
};

/* Starts a request, or appends one to a batch (last: the message before, else NULL). */
struct nlmsghdr *nft_message(
	struct nft *n, struct nlmsghdr *last, uint16_t type, uint16_t flags, uint8_t family);

/* The kernel's numbers are in network order. */
void nft_put_u32(struct nlmsghdr *h, uint16_t type, uint32_t value);

#endif

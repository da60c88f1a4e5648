/* SPDX-License-Identifier: MIT */
/* What the files of nft.h share. */
#ifndef SHUNT_SYS_NFT_INTERNAL_H
#define SHUNT_SYS_NFT_INTERNAL_H

#include "sys/nft_read.h"
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
uint32_t nft_u32(const struct nlattr *a);
/* A string of an answer, cut to the room. */
void nft_text(const struct nlattr *a, char out[static NFT_NAME_MAX]);
/* What a rule's expressions say (nft_expression.c). */
void nft_read_expressions(const struct nlattr *list, struct nft_rule *rule);

#endif

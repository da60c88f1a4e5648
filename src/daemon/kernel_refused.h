/* SPDX-License-Identifier: MIT */
/* Prefixes by what is wrong with them and by peer, each kind and peer in order: what status tells
 * of a hundred thousand in a few lines. Pure. */
#ifndef SHUNT_DAEMON_KERNEL_REFUSED_H
#define SHUNT_DAEMON_KERNEL_REFUSED_H

#include "base/prefix.h"
#include "daemon/kernel_facts.h"

struct kernel_refused;

/* One prefix in it, in its owner's memory: there it stays while it is in. Zeroed: it is in none. */
struct kernel_refused_entry {
	ip_prefix prefix;
	uint8_t protocol;
	ip_addr hop;
	struct kernel_refused_group *group; /* NULL: it isn't in */
};

struct kernel_refused *kernel_refused_new(void);
/* Accepts NULL. */
void kernel_refused_free(struct kernel_refused *r);
/* Under that kind and peer from now on, and under no other; KERNEL_N_TROUBLES: out. */
void kernel_refused_put(struct kernel_refused *r, struct kernel_refused_entry *e,
	enum kernel_trouble_kind kind, uint32_t peer);
/* Appends them; constant work for each. */
void kernel_refused_tell(const struct kernel_refused *r, kernel_troubles *ret);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The cryptokey table (the paper, section 2): longest prefix match from addresses to owners, both
 * families. Lookups take no lock while the table changes; changes are serialised by the caller. An
 * insertion of a prefix that another peer owns moves it in one store: every lookup finds the old
 * owner or the new one, never none. Entries have room for several owners. Changes now and then
 * reclaim what was retired to the table's qsbr.
 */
#ifndef SHUNT_WG_CRYPTOKEY_H
#define SHUNT_WG_CRYPTOKEY_H

#include "base/list.h"
#include "base/prefix.h"
#include "wg/qsbr.h"

struct cryptokey_table;
struct cryptokey_entry;

/* In each owner: the list of its entries. */
struct cryptokey_owner {
	struct list entries;
	size_t n_entries;
};

struct cryptokey_table *cryptokey_new(struct qsbr *q);
/* Accepts NULL. Owners that still have entries are not to be used any more. */
void cryptokey_free(struct cryptokey_table *t);
void cryptokey_owner_init(struct cryptokey_owner *o);

/* Gives the prefix (host bits are masked) to the owner, whoever had it. 0 or -ENOMEM, nothing
 * changed then. */
int cryptokey_insert(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_owner *o);
/* Removes it if this owner has it; true if so. */
bool cryptokey_remove(struct cryptokey_table *t, const ip_prefix *p, struct cryptokey_owner *o);
void cryptokey_remove_owner(struct cryptokey_table *t, struct cryptokey_owner *o);
size_t cryptokey_count(const struct cryptokey_table *t);

/* Any thread that is a qsbr worker and awake; addresses in network order. NULL: nobody. The answer
 * is valid until its next quiescent state. */
struct cryptokey_owner *cryptokey_lookup4(const struct cryptokey_table *t, const void *addr);
struct cryptokey_owner *cryptokey_lookup6(const struct cryptokey_table *t, const void *addr);

/* The owner's prefixes in ip_prefix_cmp order is not promised. */
int cryptokey_walk_owner(
	const struct cryptokey_owner *o, int (*fn)(const ip_prefix *p, void *data), void *data);

#endif

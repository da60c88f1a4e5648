/* SPDX-License-Identifier: MIT */
/*
 * The journal of what we put on the device, as a value and as text; no I/O. One line per thing:
 * "peer KEY", "prefix PREFIX", "within PREFIX", "address PREFIX", "backstop PREFIX", "mark NUMBER",
 * in the order of bytes, so that the same content is the same file.
 */
#ifndef SHUNT_DAEMON_JOURNAL_H
#define SHUNT_DAEMON_JOURNAL_H

#include "base/buf.h"
#include "base/key.h"
#include "base/map.h"
#include "base/prefix.h"
#include "base/vec.h"

struct journal {
	struct map *peers;     /* wg_key -> itself */
	struct map *prefixes;  /* ip_prefix -> itself */
	struct map *backstops; /* ip_prefix -> itself; fib/want.h */
	struct map *within;    /* ip_prefix -> itself: whatever a peer of ours has in one of them is
				  ours, as routing engines say what, faster than could be written */
	VEC(ip_prefix) addresses;
	VEC(uint32_t) marks; /* of the device, each with its table */
};

void journal_init(struct journal *j);
void journal_done(struct journal *j);

/* True if it wasn't there yet. */
bool journal_add_peer(struct journal *j, const wg_key *key);
bool journal_add_prefix(struct journal *j, const ip_prefix *p);
bool journal_add_within(struct journal *j, const ip_prefix *p);
bool journal_add_address(struct journal *j, const ip_prefix *a);
bool journal_add_backstop(struct journal *j, const ip_prefix *p);
bool journal_add_mark(struct journal *j, uint32_t mark);

bool journal_has_peer(const struct journal *j, const wg_key *key);
bool journal_has_prefix(const struct journal *j, const ip_prefix *p);
bool journal_is_within(const struct journal *j, const ip_prefix *p);
bool journal_has_address(const struct journal *j, const ip_prefix *a);
bool journal_has_backstop(const struct journal *j, const ip_prefix *p);
bool journal_has_mark(const struct journal *j, uint32_t mark);

/* What a journal may be told at once; borrowed. */
struct journal_content {
	const wg_key *peers;
	size_t n_peers;
	const ip_prefix *prefixes;
	size_t n_prefixes;
	const ip_prefix *addresses; /* with their host bits */
	size_t n_addresses;
	const ip_prefix *backstops;
	size_t n_backstops;
	uint32_t mark; /* 0: none */
	const ip_prefix *within;
	size_t n_within;
};

/* True if it has just that. */
bool journal_is(const struct journal *j, const struct journal_content *c);
/* True if something wasn't there yet. */
bool journal_add(struct journal *j, const struct journal_content *c);

/* Adds what n bytes of text say. A line that says nothing we know is left out: an older or newer
 * version's, or damage that a rewrite mends. The last line needs no newline. */
void journal_read(struct journal *j, const char *text, size_t n);
void journal_write(const struct journal *j, struct buf *out);

#endif

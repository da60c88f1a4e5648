/* SPDX-License-Identifier: MIT */
/*
 * What a daemon keeps between its lives. In the state directory: whether the node is drained, and
 * the journal of what we put on the device, since allowed IPs carry no owner's mark. The journal is
 * written before the device is changed and shrunk only after it was cleaned, so that it always
 * names at least what is ours. In the run directory: the lock and the control socket.
 */
#ifndef SHUNT_DAEMON_STATE_H
#define SHUNT_DAEMON_STATE_H

#include "base/buf.h"
#include "base/key.h"
#include "base/prefix.h"

struct state;

/*
 * Makes both directories (mode 0700) where they are missing, takes the lock and reads what is
 * there. -EBUSY: another daemon runs there. -EINVAL, -EPERM: something of a name of ours is no
 * plain file, or another user's. why gets a sentence on failure. Waits for nothing.
 */
int state_open(const char *run_dir, const char *state_dir, struct state **ret, struct buf *why);
/* Releases the lock. Accepts NULL. */
void state_close(struct state *s);

bool state_is_drained(const struct state *s);
/* Remembered on disk before it returns 0; otherwise nothing has changed. */
int state_set_drained(struct state *s, bool drained);

bool state_has_peer(const struct state *s, const wg_key *key);
bool state_has_prefix(const struct state *s, const ip_prefix *p);
/* Addresses that we put on the interface, with their host bits. */
size_t state_addresses(const struct state *s, const ip_prefix **ret);
/* We put a route that refuses behind it. */
bool state_has_backstop(const struct state *s, const ip_prefix *p);
/* Marks, and tables of the same numbers, in which we put routes. */
size_t state_marks(const struct state *s, const uint32_t **ret);

struct state_journal {
	const wg_key *peers;
	size_t n_peers;
	const ip_prefix *prefixes;
	size_t n_prefixes;
	const ip_prefix *addresses;
	size_t n_addresses;
	const ip_prefix *backstops;
	size_t n_backstops;
	uint32_t mark; /* 0: none */
};

/* Adds these to the journal, or (exactly) makes them the whole of it; on disk before it returns 0.
 * Nothing is written if nothing
 * changes; what could not be written is tried again by the next call. */
int state_journal(struct state *s, const struct state_journal *j, bool exactly);

#endif

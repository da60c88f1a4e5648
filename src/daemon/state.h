/* SPDX-License-Identifier: MIT */
/*
 * What a daemon keeps between its lives. In the state directory: whether the node is drained, and
 * until when, and the journal of what we put on the device, since allowed IPs carry no owner's
 * mark. The journal is written before the device is changed and shrunk only after it was cleaned,
 * so that it always names at least what is ours. In the run directory: the lock and the control
 * socket.
 *
 * Two threads may have one: whoever says that the node is drained, and whoever reads and writes the
 * journal. Neither touches what is the other's, on disk or here.
 */
#ifndef SHUNT_DAEMON_STATE_H
#define SHUNT_DAEMON_STATE_H

#include "daemon/journal.h"

struct state;

/*
 * Makes both directories (mode 0700) where they are missing, takes the lock and reads what is
 * there. -EBUSY: another daemon runs there. -EINVAL, -EPERM: something of a name of ours is no
 * plain file, or another user's. why gets a sentence on failure. Waits for nothing.
 */
int state_open(const char *run_dir, const char *state_dir, struct state **ret, struct buf *why);
/* Releases the lock. Accepts NULL. */
void state_close(struct state *s);

/* Until when the node is drained, in nanoseconds of the wall clock, or one of these. */
#define STATE_NOT_DRAINED INT64_C(0)
#define STATE_NO_END INT64_MAX
int64_t state_drained_until(const struct state *s);
/* Remembered on disk before it returns 0; otherwise nothing has changed. */
int state_set_drained(struct state *s, int64_t until);

/* What we put on the device, as of the last write. Nobody else may write meanwhile. */
const struct journal *state_journal(const struct state *s);
/* Adds the content to the journal, or (exactly) makes it the whole of it; on disk before it returns
 * 0. Nothing is written if nothing changes; what could not be written is tried again by the next
 * call. */
int state_journal_write(struct state *s, const struct journal_content *c, bool exactly);

#endif

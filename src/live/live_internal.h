/* SPDX-License-Identifier: MIT */
/* What the parts of the core share: live.c has the peers and their verdicts, live_lines.c what
 * several of them say together, live_reports.c what nodes tell each other. */
#ifndef SHUNT_LIVE_LIVE_INTERNAL_H
#define SHUNT_LIVE_LIVE_INTERNAL_H

#include "base/heap.h"
#include "base/map.h"
#include "live/peer.h"
#include "live/self.h"

struct live {
	const struct live_ops *ops; /* the caller's, and their data */
	void *data;
	struct self self; /* what we say */
	instant born;
	uint32_t sequence;				       /* of authentication, when born */
	instant grace_end;				       /* of peers that were adopted */
	struct list peers;				       /* peer.link; owns them */
	size_t signallers;				       /* of them */
	struct map *by_number, *by_address, *by_discriminator; /* peers */
	struct heap timers;				       /* peer.timer */
	instant awake_at;	  /* after the last nap of ours, and what it left was read */
	unsigned naps;		  /* times that we were called before */
	struct report_out report; /* ours */
};

/* NULL: there is none of that number. */
struct peer *live_find(const struct live *l, uint32_t number);
/* Tells the owner; p NULL: of ourselves. */
void live_tell(struct live *l, enum live_event_type type, const struct peer *p, instant now);

/* What we signal may have changed: tells the owner, and all peers back to back. */
void live_signal_self(struct live *l, bool was_drained, bool was_holding, instant now);
/* The line has become poor, while another peer is looked at: tells the verdict and the peer. */
void live_line_changed(struct live *l, struct peer *p, instant now);
/* Whose fault it is if the peer flaps or its line loses, and what we say for it. */
void live_lines_judge(struct live *l, struct peer *p, instant now);

/* Its session, or the verdict on it, may have changed. */
void live_reports_follow(struct live *l, struct peer *p, instant now);
/* Its session goes on under another discriminator of ours. */
void live_reports_renew(struct peer *p);
/* The peer goes. */
void live_reports_leave(struct live *l, struct peer *p);
/* Sends what is due. */
void live_reports_step(struct live *l, instant now);

#endif

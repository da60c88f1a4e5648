/* SPDX-License-Identifier: MIT */
/*
 * Whose fault it is. Where several peers flap it is ours, and we hold for all of them. Where one
 * line alone flaps, or loses packets, nobody knows; both ends take it for last resort: who sees it
 * says so on that session (diagnostic 6), and a hub's report says so to those who would come by it.
 * When one line is found poor the others aren't waited for long, if they look like it: those that
 * lean on a hub should leave it together.
 */
#include "live/live_internal.h"

#include "base/mem.h"

/* Several peers, a third of those with us at least, and not all in one moment. */
static bool do_several_flap(const struct live *l, instant now)
{
	instant first = INSTANT_NEVER, last = l->self.isolated_at;
	size_t n = 0;

	list_for_each (link, &l->peers) {
		const struct peer *p = container_of(link, struct peer, link);
		instant at = flaps_last(&p->flaps, now);

		if (!peer_is_signaller(&p->config) || instant_is_never(at) ||
			!instant_before(l->self.isolated_at, at))
			continue;
		n++;
		first = instant_min(first, at);
		last = instant_before(last, at) ? at : last;
	}
	return n >= SELF_FLAPPERS && n * 3 >= l->self.engaged &&
	       instant_diff(last, first) > SELF_FLAPS_APART;
}

static void condemn(struct live *l, struct peer *first, instant now)
{
	peer_condemn_line(first, now);
	list_for_each (link, &l->peers) {
		struct peer *p = container_of(link, struct peer, link);

		if (p->line.is_poor || !peer_is_signaller(&p->config) ||
			!line_is_bad(&p->line, true, now))
			continue;
		peer_condemn_line(p, now);
		live_line_changed(l, p, now);
	}
}

static void judge_flap(struct live *l, struct peer *p, instant now)
{
	bool was_holding = l->self.is_holding;

	if (!p->has_flapped)
		return;
	p->has_flapped = false;
	if (!peer_is_signaller(&p->config))
		return;
	if (do_several_flap(l, now)) {
		self_flap(&l->self, now);
		live_signal_self(l, l->self.is_drained, was_holding, now);
	} else if (p->line.is_poor || flaps_are_many(&p->flaps, now)) {
		peer_condemn_line(p, now);
	}
}

void live_lines_judge(struct live *l, struct peer *p, instant now)
{
	judge_flap(l, p, now);
	if (!p->line.is_poor && peer_is_signaller(&p->config) && line_is_bad(&p->line, false, now))
		condemn(l, p, now);
}

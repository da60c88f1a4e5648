/* SPDX-License-Identifier: MIT */
#include "live/clone.h"

#include <string.h>

static void note_handshake(struct clone_watch *w, int64_t handshake, instant now)
{
	if (!handshake || handshake == w->handshake)
		return;
	w->handshake = handshake;
	memmove(w->handshakes + 1, w->handshakes, sizeof(w->handshakes) - sizeof(*w->handshakes));
	w->handshakes[0] = now;
	w->n_handshakes += w->n_handshakes < CLONE_HANDSHAKES;
}

/* True if it is another than the last. */
static bool note_call(struct clone_watch *w, const sock_addr *from, instant now)
{
	if (from->sa.sa_family == AF_UNSPEC ||
		(w->n_calls && sock_addr_eq(&w->calls[0].from, from)))
		return false;
	memmove(w->calls + 1, w->calls, sizeof(w->calls) - sizeof(*w->calls));
	w->calls[0] = (struct clone_call){*from, now};
	w->n_calls += w->n_calls < CLONE_CALLS_MANY;
	return true;
}

/* The last calls, so many of them, within that time. */
static bool alternates(const struct clone_watch *w, unsigned calls, int64_t within, instant now)
{
	if (w->n_calls < calls || instant_diff(now, w->calls[calls - 1].at) > within)
		return false;
	for (unsigned i = 2; i < calls; i++)
		if (!sock_addr_eq(&w->calls[i].from, &w->calls[i - 2].from))
			return false;
	return true;
}

static unsigned handshakes_within(const struct clone_watch *w, int64_t time, instant now)
{
	unsigned n = 0;

	while (n < w->n_handshakes && instant_diff(now, w->handshakes[n]) <= time)
		n++;
	return n;
}

static bool is_restless(const struct clone_watch *w, unsigned flaps, instant now)
{
	unsigned n = handshakes_within(w, CLONE_WINDOW, now);

	return n >= CLONE_HANDSHAKES || (n > 1 && flaps >= CLONE_FLAPS) ||
	       (handshakes_within(w, CLONE_SHORT, now) > 1 &&
		       alternates(w, CLONE_CALLS_MANY, CLONE_SHORT, now));
}

void clone_note(struct clone_watch *w, const struct clone_sample *s, instant now)
{
	unsigned later;

	note_handshake(w, s->handshake, now);
	if (!note_call(w, &s->endpoint, now) || !alternates(w, CLONE_CALLS, CLONE_WINDOW, now) ||
		!is_restless(w, s->flaps, now))
		return;
	w->named_at = now;
	later = memcmp(&w->calls[0].from, &w->calls[1].from, sizeof(sock_addr)) > 0;
	w->pair[later] = w->calls[0].from;
	w->pair[!later] = w->calls[1].from;
}

bool clone_is_two(const struct clone_watch *w, instant now, sock_addr ret[static 2])
{
	if (w->pair[0].sa.sa_family == AF_UNSPEC || instant_diff(now, w->named_at) > CLONE_MEMORY)
		return false;
	ret[0] = w->pair[0];
	ret[1] = w->pair[1];
	return true;
}

bool clone_is_open(const struct clone_watch *w, instant now)
{
	return w->n_calls > 1 && instant_diff(now, w->calls[0].at) < CLONE_WINDOW;
}

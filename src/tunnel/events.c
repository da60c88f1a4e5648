/* SPDX-License-Identifier: MIT */
#include "tunnel/events.h"

#include "tunnel/device.h"

#include <stdio.h>

void tunnel_listen(struct tunnel *t, tunnel_event_fn *fn, void *data)
{
	t->listener_data = data;
	atomic_store_explicit(&t->listener, fn, memory_order_release);
}

void tunnel_tell(struct tunnel *t, const wg_key *peer, const char *what)
{
	tunnel_event_fn *fn = atomic_load_explicit(&t->listener, memory_order_acquire);

	if (fn)
		fn(peer, what, t->listener_data);
}

const char *event_peer_name(const wg_key *peer, char buf[static EVENT_PEER_STRLEN])
{
	char key[WG_KEY_BASE64_LEN];

	wg_key_to_base64(peer, key);
	/* The last of the 44 is always the same. */
	snprintf(buf, EVENT_PEER_STRLEN, "peer(%.4s…%.4s)", key, key + 39);
	return buf;
}

bool event_limit_allow(struct event_limit *l, instant now, unsigned *ret_left_out)
{
	if (instant_diff(now, l->since) >= NS_PER_S) {
		l->since = now;
		l->n = 0;
	}
	if (l->n >= EVENT_LINES_PER_S) {
		l->left_out++;
		return false;
	}
	l->n++;
	*ret_left_out = l->left_out;
	l->left_out = 0;
	return true;
}

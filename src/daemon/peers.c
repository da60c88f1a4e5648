/* SPDX-License-Identifier: MIT */
#include "daemon/peers.h"

#include "sys/clock.h"
#include <sodium.h>
#include <string.h>
#include <time.h>

/* So that a daemon that starts anew is ahead of itself: see live/bfd_auth.h. */
static uint32_t first_sequence(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint32_t)t.tv_sec * BFD_AUTH_RATE +
	       (uint32_t)(t.tv_nsec / (NS_PER_S / BFD_AUTH_RATE));
}

/* One whose time is over is about to be ended, and nobody need hear of it. */
static bool is_drained(const struct daemon *d)
{
	instant now = sys_now();
	struct engine_drain known = remember_known(d->state, now, sys_wall_ns());

	return known.drained && !(known.has_end && !instant_before(now, known.until));
}

static int start(struct daemon *d)
{
	struct live_self_config self = {
		.hold_ns = d->gen->self->liveness.hold_ns,
		.cold_start = d->cold_start,
		.drained = is_drained(d),
		.sequence = first_sequence(),
	};

	d->session_keys = session_keys_new();
	d->start_error = prober_start(d->gen->self->interface, &self, &d->prober);
	return d->start_error;
}

static void set(struct daemon *d, const struct live_peer_config *peers, size_t n)
{
	size_t size = (n + 1) * sizeof(*peers);
	struct live_peer_config *configs = mem_zalloc(1, size);

	session_keys_begin(d->session_keys, &d->gen->private_key);
	for (size_t i = 0; i < n; i++) {
		const struct generation_peer *p = generation_peer_by_id(d->gen, peers[i].peer);

		configs[i] = peers[i];
		if (configs[i].authenticates)
			session_keys_get(d->session_keys, &p->node->public_key, &configs[i].keys);
	}
	session_keys_end(d->session_keys);
	prober_set_peers(d->prober, configs, n);
	sodium_memzero(configs, size);
	free(configs);
}

static void ask(struct daemon *d)
{
	struct live_peer_info info;

	d->standing.n = 0;
	for (size_t i = 0; i < d->gen->n_peers; i++) {
		struct live_event e = {.type = LIVE_EVENT_PEER,
			.peer = d->gen->peers[i].id,
			.generation = d->gen->number};

		if (!prober_info(d->prober, e.peer, &info))
			continue;
		e.state = info.state;
		e.cause = info.cause;
		e.at = info.since;
		vec_push(&d->standing, e);
	}
}

struct engine_event peers_probe(struct daemon *d, const struct engine_action *a)
{
	struct engine_event done = {.type = ENGINE_PROBED, .generation = a->generation};
	bool is_first = !d->prober;

	if (is_first && start(d))
		return done;
	set(d, a->u.probe.peers, a->u.probe.n);
	/* At the start they stand as they were found, and what is new comes by itself. */
	if (is_first)
		return done;
	ask(d);
	done.u.verdicts.events = d->standing.items;
	done.u.verdicts.n = d->standing.n;
	return done;
}

/* --- what it tells -------------------------------------------------------------------------------
 */

/* Taken at once: one step of the engine. */
#define EVENTS_MAX 64

static void take_report(struct daemon *d, uint32_t peer)
{
	struct live_report report = {0};
	struct engine_event e = {.type = ENGINE_REPORT, .u.report.peer = peer};

	if (prober_report(d->prober, peer, &report))
		e.u.report.report = &report;
	d->feed(d, &e);
	live_report_done(&report);
}

/* Verdicts first: of what a peer reports the last word counts, whenever it is asked for. */
void peers_take_events(struct daemon *d)
{
	struct live_event live[EVENTS_MAX];
	struct engine_event e = {.type = ENGINE_VERDICTS, .u.verdicts.events = live};

	while ((e.u.verdicts.n = prober_events(d->prober, live, ARRAY_SIZE(live)))) {
		d->feed(d, &e);
		for (size_t i = 0; i < e.u.verdicts.n; i++)
			if (live[i].type == LIVE_EVENT_REPORT)
				take_report(d, live[i].peer);
	}
}

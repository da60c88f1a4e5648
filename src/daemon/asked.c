/* SPDX-License-Identifier: MIT */
#include "daemon/asked.h"

#include "daemon/actions.h"
#include "daemon/reload.h"
#include "daemon/snapshot_make.h"
#include "sys/clock.h"
#include <string.h>

#define DEVICE_AGE NS_PER_S
#define SNAPSHOT_AGE (100 * NS_PER_MS)

static void refresh(void *data, control_ready_fn *ready, void *arg)
{
	struct daemon *d = data;

	device_reader_ask(d->reader, &d->device.at, instant_diff(sys_now(), d->mirror_at),
		&(struct device_question){DEVICE_AGE, ready, arg});
}

/* The next one is made anew. */
static void forget_snapshot(struct daemon *d)
{
	snapshot_put(d->snapshot);
	d->snapshot = NULL;
}

static struct snapshot *young_snapshot(void *data)
{
	struct daemon *d = data;
	instant now = sys_now();

	if (!d->snapshot || instant_diff(now, d->snapshot->when.at) >= SNAPSHOT_AGE ||
		instant_before(d->snapshot->when.at, d->mirror_at)) {
		forget_snapshot(d);
		d->snapshot = snapshot_make(d);
	}
	return snapshot_get(d->snapshot);
}

static int routes_after(
	void *data, const ip_prefix *after, size_t max, control_route_fn *fn, void *arg)
{
	struct daemon *d = data;

	return rib_walk_after(d->rib, after, max, fn, arg);
}

/* What answers a question for a prefix that need not be in the RIB. */
static bool route_of(void *data, const ip_prefix *prefix, struct rib_answer *ret)
{
	struct daemon *d = data;
	ip_addr addr = ip_prefix_addr(prefix);

	if (rib_explain(d->rib, prefix, ret))
		return true;
	if (prefix->len == ip_family_bits(prefix->family) && rib_lookup(d->rib, &addr, ret))
		return true;
	return rib_cover(d->rib, prefix, ret);
}

static enum rib_state peer_state(void *data, uint32_t peer)
{
	struct daemon *d = data;

	return rib_peer_state(d->rib, peer);
}

static const char *name(void *data, uint32_t peer)
{
	struct daemon *d = data;

	return engine_name(d->engine, peer);
}

static enum live_line line(void *data, uint32_t peer, uint32_t node)
{
	struct daemon *d = data;

	return reports_line_of(engine_reports(d->engine), peer, node).line;
}

static void drain(void *data, const struct control_drain *want, control_drained_fn *done, void *arg)
{
	struct daemon *d = data;
	struct engine_drain drain = {.drained = want->drained, .has_end = want->for_ns};

	drain.until = instant_add(sys_now(), want->for_ns);
	vec_push(&d->drainers, ((struct daemon_drainer){done, arg}));
	actions_feed(d, &(struct engine_event){.type = ENGINE_DRAIN, .u.drain = drain});
}

void asked_on_remembered(struct daemon *d, int err)
{
	struct daemon_drainer first = d->drainers.items[0];
	AUTO_BUF why = {0};

	d->drainers.n--;
	memmove(&d->drainers.items[0], &d->drainers.items[1], d->drainers.n * sizeof(first));
	if (err)
		buf_printf(&why, "the state directory %s doesn't take it: %s",
			d->options->state_dir, strerror(-err));
	forget_snapshot(d);
	first.done(err ? buf_str(&why) : NULL, first.arg);
}

static void reload(void *data, control_reloaded_fn *done, void *arg)
{
	struct daemon *d = data;

	reload_ask(d->reload, done, arg);
}

static struct events *happened(void *data)
{
	struct daemon *d = data;

	return d->events;
}

const struct control_source asked_source = {
	refresh,
	young_snapshot,
	routes_after,
	route_of,
	peer_state,
	name,
	line,
	drain,
	reload,
	happened,
};

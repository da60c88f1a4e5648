/* SPDX-License-Identifier: MIT */
#include "daemon/leave.h"

#include "daemon/say.h"
#include "daemon/takedown.h"
#include "daemon/transit_watch.h"
#include "sys/clock.h"
#include "sys/process.h"
#include <string.h>

#define LOOK_EVERY_MS 100
/* Nobody sends through us any more who did so long ago; a second is longer than a move takes. */
#define IDLE_NS NS_PER_S
/* What peers get where the device goes with us, and nothing says more. */
#define TAKEDOWN_NS NS_PER_S

static void take_down(struct daemon *d)
{
	int err;

	fib_thread_stop(d->fib_thread);
	takedown_kernel(d);
	err = device_destroy(d->io.device);
	if (err)
		log_error("%s can't be taken down: %s", d->gen->self->interface, strerror(-err));
	else
		say_own(d, EVENT_STOP, "taken-down", LOG_LEVEL_INFO, "%s is down",
			d->gen->self->interface);
}

static void stop_now(struct daemon *d)
{
	d->stopping = true;
	uv_timer_stop(&d->engine_timer);
	uv_timer_stop(&d->stop_timer);
	if (d->options->stop_devices)
		take_down(d);
	else
		say_own(d, EVENT_STOP, "left", LOG_LEVEL_INFO, "ends; %s stays as it is",
			d->gen->self->interface);
	uv_stop(&d->loop);
}

/* Where it can't be seen who uses us, all the time that they have is waited for. */
static bool has_been_left(const struct daemon *d, instant now)
{
	const struct transit *seen = transit_watch_seen(d->transit);

	return d->leave.waits_for_users && seen && transit_is_idle(seen, now, IDLE_NS);
}

static void on_timer(uv_timer_t *t)
{
	struct daemon *d = t->data;
	instant now = sys_now();

	transit_watch_step(d->transit, now);
	if (has_been_left(d, now))
		say_own(d, EVENT_DRAIN, "left", LOG_LEVEL_INFO,
			"nobody sends through this node any more");
	else if (instant_before(now, d->leave.until))
		return;
	stop_now(d);
}

/* How long peers have to move what they can; 0: nothing moves, since the device lives on. */
static int64_t time_to_leave(const struct daemon *d)
{
	int64_t stated = d->gen->self->drain_on_stop_ns;

	return stated || !d->options->stop_devices ? stated : TAKEDOWN_NS;
}

/* The engine goes on meanwhile: a peer may die. */
static void begin(struct daemon *d, int64_t ns)
{
	char text[32];

	d->leave.is_leaving = true;
	d->leave.waits_for_users = d->gen->self->drain_on_stop_ns;
	d->leave.until = instant_add(sys_now(), ns);
	prober_drain(d->prober, true);
	transit_watch_step(d->transit, sys_now());
	say_own(d, EVENT_DRAIN, "drained", LOG_LEVEL_INFO, "drains for %s at most, then %s",
		duration_format(ns, text),
		d->options->stop_devices ? "takes the device down" : "ends");
	uv_timer_start(&d->stop_timer, on_timer, LOOK_EVERY_MS, LOOK_EVERY_MS);
}

void leave_on_signal(uv_signal_t *s, int signum)
{
	struct daemon *d = s->data;
	int64_t ns = time_to_leave(d);

	if (d->stopping)
		return;
	process_notify("STOPPING=1");
	if (ns && !d->leave.is_leaving)
		begin(d, ns);
	else
		stop_now(d);
}

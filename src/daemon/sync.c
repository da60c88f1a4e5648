/* SPDX-License-Identifier: MIT */
/*
 * When the device and the kernel are read back and brought into line: at the start, after a reload,
 * when the kernel has news of links, addresses or routes, after a change that was refused, and now
 * and then, since nobody tells of allowed IPs that change. A device that is gone is made anew; what
 * can't be had is tried again with a growing pause.
 */
#include "daemon/daemon.h"

#include "daemon/diagnosis.h"
#include "daemon/log.h"
#include "daemon/verdicts.h"
#include "sys/clock.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* How often the device is read back: with nothing to suspect, with peers known by their handshakes
 * only, when the kernel has news, and when a peer was lost. */
#define SYNC_DRIFT_MS 10000
#define SYNC_HANDSHAKES_MS 2000
#define SYNC_SOON_MS 200
#define SYNC_LOST_MS 1000
#define SYNC_FAILED_MS 2000
#define RETRY_MAX_MS 30000

static bool probes_handshakes(const struct daemon *d)
{
	for (size_t i = 0; i < d->gen->n_peers; i++)
		if (d->gen->peers[i].node->liveness.probe == MESH_PROBE_HANDSHAKE)
			return true;
	return false;
}

static void on_sync_timer(uv_timer_t *t);

static void sync_in(struct daemon *d, uint64_t ms)
{
	if (!d->stopping)
		uv_timer_start(&d->sync_timer, on_sync_timer, ms, 0);
}

static void schedule_next_sync(struct daemon *d, int err)
{
	uint64_t ms = probes_handshakes(d) ? SYNC_HANDSHAKES_MS : SYNC_DRIFT_MS;

	if (err) {
		ms = 500u << (d->failures < 6 ? d->failures : 6);
		ms = ms > RETRY_MAX_MS ? RETRY_MAX_MS : ms;
		d->failures++;
	} else {
		d->failures = 0;
	}
	sync_in(d, ms);
}

static void log_counts(const char *what, const struct fib_counts *c)
{
	char text[512];
	size_t n = 0;
	const struct {
		unsigned count;
		const char *name;
	} parts[] = {
		{c->peers_added, "peers added"},
		{c->settings_changed, "settings of the device changed"},
		{c->peers_changed, "peers changed"},
		{c->endpoints_set, "endpoints set"},
		{c->peers_removed, "peers removed"},
		{c->prefixes_added, "allowed IPs added"},
		{c->prefixes_moved, "allowed IPs moved"},
		{c->prefixes_removed, "allowed IPs withdrawn"},
		{c->routes_added, "routes added"},
		{c->routes_removed, "routes removed"},
		{c->addresses_added, "addresses added"},
		{c->addresses_removed, "addresses removed"},
	};

	text[0] = '\0';
	for (size_t i = 0; i < ARRAY_SIZE(parts); i++)
		if (parts[i].count && n < sizeof(text))
			n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%u %s", n ? ", " : "",
				parts[i].count, parts[i].name);
	log_info("%s: %s", what, text);
}

/* The device is gone: make it anew and let the prober open its sockets on it. */
static int reopen_device(struct daemon *d)
{
	struct device_options o = {
		.kind = d->options->kind,
		.ifname = d->gen->self->interface,
		.userspace = d->options->userspace,
	};
	struct device *fresh;
	char why[512];
	bool created;
	int err = device_open(&o, &fresh, &created, why, sizeof(why));

	if (err) {
		if (!d->failures || strcmp(d->trouble, why) != 0)
			log_error("%s can't be made again: %s", o.ifname, why);
		snprintf(d->trouble, sizeof(d->trouble), "%s", why);
		return err;
	}
	device_close(d->fib.device);
	d->fib.device = fresh;
	log_warning(
		"%s was gone and has been %s", o.ifname, created ? "made anew" : "taken up again");
	daemon_mend_sysctls(d);
	return 0;
}

static void note_trouble(struct daemon *d, int err)
{
	snprintf(d->trouble, sizeof(d->trouble), "%s",
		err == -EADDRINUSE ? "a port or an address is taken by another program"
				   : strerror(-err));
	if (!d->failures)
		log_error("%s can't be brought into line: %s", d->gen->self->interface, d->trouble);
}

static int sync_or_reopen(struct daemon *d, struct device_state *mirror, struct fib_counts *counts)
{
	int err = fib_sync(&d->fib, mirror, counts);

	if (err == -ENODEV && !d->stopping) {
		err = reopen_device(d);
		if (err)
			return err;
		device_state_done(mirror);
		err = fib_sync(&d->fib, mirror, counts);
		if (d->prober)
			prober_reopen(d->prober);
	}
	if (err)
		note_trouble(d, err);
	return err;
}

static void take_mirror(struct daemon *d, const struct device_state *fresh)
{
	device_state_done(&d->mirror);
	d->mirror = *fresh;
	d->mirror_at = sys_now();
	verdicts_of_mirror(d);
	diagnosis_of_mirror(d->diagnosis);
}

void daemon_refresh_mirror(struct daemon *d, int64_t max_age_ns)
{
	struct device_state fresh = {0};

	if (instant_diff(sys_now(), d->mirror_at) >= max_age_ns &&
		!device_get(d->fib.device, &fresh))
		take_mirror(d, &fresh);
}

int daemon_sync(struct daemon *d, const char *what, struct fib_counts *ret)
{
	struct device_state mirror = {0};
	struct fib_counts counts = {0};
	int err;

	d->fib.gen = d->gen;
	d->fib.endpoints = endpoints_of_peers(d->endpoints);
	err = sync_or_reopen(d, &mirror, &counts);
	if (!err && !fib_counts_are_zero(&counts))
		log_counts(what, &counts);
	if (!err) {
		take_mirror(d, &mirror);
	} else {
		device_state_done(&mirror);
	}
	schedule_next_sync(d, err);
	if (!err && !foreign_look_begin(d->foreign, &d->fib, &d->mirror))
		daemon_sync_soon(d);
	if (ret)
		*ret = counts;
	return err;
}

static void on_sync_timer(uv_timer_t *t)
{
	daemon_sync(t->data, "drift mended", NULL);
}

void daemon_sync_soon(struct daemon *d)
{
	if (!d->failures && uv_timer_get_due_in(&d->sync_timer) > SYNC_LOST_MS)
		sync_in(d, SYNC_LOST_MS);
}

static void on_monitor(uv_poll_t *p, int status, int events)
{
	struct daemon *d = p->data;
	int what = rtnl_monitor_read(d->monitor);
	/* Our own vain tries make news, too. */
	uint64_t soon = d->failures ? SYNC_FAILED_MS : SYNC_SOON_MS;

	/* An overrun is an error of the socket, after which libuv watches it no more. */
	if (status < 0)
		daemon_watch_kernel(d);
	if (what & RTNL_OVERRUN)
		log_debug("the kernel's news came too fast; all is looked at");
	if (what > 0 && uv_timer_get_due_in(&d->sync_timer) > soon)
		sync_in(d, soon);
}

void daemon_watch_kernel(struct daemon *d)
{
	uv_poll_start(&d->monitor_poll, UV_READABLE, on_monitor);
}

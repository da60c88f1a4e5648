/* SPDX-License-Identifier: MIT */
#include "daemon/sync.h"

#include "daemon/health.h"
#include "daemon/log.h"
#include "sys/clock.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

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

void sync_sysctls(struct daemon *d)
{
	AUTO_BUF why = {0};

	if (d->options->set_sysctl && health_mend(d->gen, &why))
		log_error("%s", buf_str(&why));
}

/* The device is gone: make it anew. */
struct engine_event sync_reopen(struct daemon *d, const struct engine_action *a)
{
	struct engine_event done = {.type = ENGINE_REOPENED, .generation = a->generation};
	struct device_options o = {
		.kind = d->options->kind,
		.ifname = d->gen->self->interface,
		.userspace = d->options->userspace,
	};
	struct device *fresh;
	bool created;

	done.u.synced.err = device_open(&o, &fresh, &created, d->trouble, sizeof(d->trouble));
	if (done.u.synced.err) {
		done.u.synced.trouble = d->trouble;
		return done;
	}
	device_close(d->fib.device);
	d->fib.device = fresh;
	log_warning(
		"%s was gone and has been %s", o.ifname, created ? "made anew" : "taken up again");
	sync_sysctls(d);
	return done;
}

/* What changes a reload has to tell. */
static int bring_into_line(struct daemon *d, struct device_state *mirror, struct fib_counts *counts)
{
	const struct generation *before = engine_generation_before(d->engine);
	struct daemon_report *r = before ? d->report : NULL;
	int err;

	d->fib.gen = d->gen;
	d->fib.rib = d->rib;
	d->fib.endpoints = endpoints_of_peers(engine_endpoints(d->engine));
	if (r) {
		r->changes.before = before;
		d->fib.changes = &r->changes;
	}
	err = fib_sync(&d->fib, mirror, counts);
	d->fib.changes = NULL;
	if (r) {
		r->changes.before = NULL;
		r->err = err;
		r->counts = *counts;
	}
	return err;
}

struct engine_event sync_device(struct daemon *d, const struct engine_action *a)
{
	struct engine_event done = {.type = ENGINE_SYNCED, .generation = a->generation};
	struct device_state mirror = {0};
	struct fib_counts counts = {0};
	int err = bring_into_line(d, &mirror, &counts);

	done.u.synced.err = err;
	if (err) {
		device_state_done(&mirror);
		snprintf(d->trouble, sizeof(d->trouble), "%s",
			err == -EADDRINUSE ? "a port or an address is taken by another program"
					   : strerror(-err));
		done.u.synced.trouble = d->trouble;
		return done;
	}
	if (!fib_counts_are_zero(&counts))
		log_counts(a->u.sync, &counts);
	daemon_take_mirror(d, &mirror);
	done.u.synced.device = &d->mirror;
	done.u.synced.wall_ns = sys_wall_ns();
	done.u.synced.again = !foreign_look_begin(d->foreign, &d->fib, &d->mirror);
	return done;
}

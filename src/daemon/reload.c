/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"
#include "daemon/listen_port.h"
#include "daemon/log.h"
#include "daemon/verdicts.h"
#include "sys/clock.h"
#include "sys/process.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static int same_interface(const struct daemon *d, const struct generation *fresh, struct buf *why)
{
	if (!strcmp(d->gen->self->interface, fresh->self->interface))
		return 0;
	buf_printf(why,
		"%s's interface is %s in the new inventory and %s now: restart shuntd for that",
		fresh->self->name, fresh->self->interface, d->gen->self->interface);
	return -EINVAL;
}

static json_t *counts_json(const struct fib_counts *c)
{
	return json_pack("{s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i, s:i}", "peers_added",
		c->peers_added, "peers_changed", c->peers_changed, "peers_removed",
		c->peers_removed, "prefixes_added", c->prefixes_added, "prefixes_removed",
		c->prefixes_removed, "routes_added", c->routes_added, "routes_removed",
		c->routes_removed, "addresses_added", c->addresses_added, "addresses_removed",
		c->addresses_removed);
}

static void notify_reloading(void)
{
	char text[64];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(text, sizeof(text), "RELOADING=1\nMONOTONIC_USEC=%lld",
		(long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
	process_notify(text);
}

int daemon_reload(struct daemon *d, struct buf *why, json_t **changed)
{
	struct generation *fresh = NULL, *old = d->gen;
	struct fib_counts counts;
	int err;

	notify_reloading();
	err = generation_load(d->options->file, d->options->node, &d->names, &fresh, why);
	if (!err)
		err = same_interface(d, fresh, why);
	if (!err && fresh->self->listen_port != d->gen->self->listen_port)
		err = listen_port_check(fresh, d->mirror.listen_port, why);
	if (err) {
		generation_free(fresh);
		process_notify("READY=1");
		return err;
	}
	d->gen = fresh;
	endpoints_set(d->endpoints, fresh, sys_now());
	daemon_feed_rib(d, old);
	verdicts_of_reload(d, old);
	err = daemon_sync(d, "reload", &counts);
	verdicts_endpoints_of_reload(d);
	daemon_mend_sysctls(d);
	if (err)
		buf_printf(why,
			"the new inventory is in force, but the device refused a part of it (%s); "
			"trying again",
			strerror(-err));
	daemon_feed_prober(d, NULL);
	generation_free(old);
	log_info("reloaded %s: %zu peers", d->options->file, d->gen->n_peers);
	*changed = counts_json(&counts);
	process_notify("READY=1");
	return err;
}

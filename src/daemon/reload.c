/* SPDX-License-Identifier: MIT */
#include "daemon/reload.h"

#include "daemon/actions.h"
#include "daemon/generation_load.h"
#include "daemon/listen_port.h"
#include "daemon/log.h"
#include "daemon/sync.h"
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

#define COUNTS(X)           \
	X(settings_changed) \
	X(peers_added)      \
	X(peers_changed)    \
	X(endpoints_set)    \
	X(peers_removed)    \
	X(prefixes_added)   \
	X(prefixes_moved)   \
	X(prefixes_removed) \
	X(routes_added)     \
	X(routes_removed)   \
	X(addresses_added)  \
	X(addresses_removed)

static json_t *counts_json(const struct fib_counts *c)
{
	json_t *counts = json_object();

#define PUT(name) json_object_set_new(counts, #name, json_integer(c->name));
	COUNTS(PUT)
#undef PUT
	return counts;
}

static json_t *names_json(const struct changes *c)
{
	json_t *lines = json_array();

	for (size_t i = 0; i < c->lines.n; i++)
		json_array_append_new(lines, json_string(c->lines.items[i]));
	if (c->left_out)
		json_array_append_new(lines, json_sprintf("and %zu more", c->left_out));
	return lines;
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

static int load(struct daemon *d, const struct generation **ret, struct buf *why)
{
	const struct generation *fresh = NULL;
	int err = generation_load(
		d->options->file, d->options->node, engine_generation(d->engine), &fresh, why);

	if (!err)
		err = same_interface(d, fresh, why);
	if (!err && fresh->self->listen_port != d->gen->self->listen_port)
		err = listen_port_check(fresh, d->mirror.listen_port, why);
	if (err) {
		generation_put(fresh);
		return err;
	}
	*ret = fresh;
	return 0;
}

/* From here on the new generation is in force, whatever the device says. */
static void put_in_force(
	struct daemon *d, const struct generation *fresh, struct daemon_report *report)
{
	struct engine_event e = {.type = ENGINE_GENERATION, .u.generation = fresh};

	d->fib.apart.n = 0;
	d->report = report;
	actions_feed(d, &e);
	while (engine_is_feeding(d->engine))
		actions_feed_type(d, ENGINE_TIME);
	d->report = NULL;
	sync_sysctls(d);
}

/* The device program knows nothing of it: it is the interface's. */
static void report_mtu(struct daemon_report *report, unsigned before, unsigned now)
{
	if (before == now)
		return;
	report->counts.settings_changed++;
	changes_add(&report->changes, "MTU: %u -> %u", before, now);
}

static int reload(struct daemon *d, struct buf *why, json_t **counts, json_t **names)
{
	struct daemon_report report = {0};
	unsigned mtu = d->gen->self->mtu;
	const struct generation *fresh;
	int err = load(d, &fresh, why);

	if (err) {
		log_error("the new inventory is refused, the old one stays: %s", buf_str(why));
		return err;
	}
	put_in_force(d, fresh, &report);
	report_mtu(&report, mtu, d->gen->self->mtu);
	*counts = counts_json(&report.counts);
	*names = names_json(&report.changes);
	changes_done(&report.changes);
	log_info("reloaded %s: %zu peers", d->options->file, d->gen->n_peers);
	if (report.err) {
		buf_printf(why,
			"the new inventory is in force, but the device refused a part of it (%s); "
			"trying again",
			strerror(-report.err));
		log_error("%s", buf_str(why));
	}
	return report.err;
}

int daemon_reload(struct daemon *d, struct buf *why, json_t **counts, json_t **names)
{
	int err;

	if (d->stopping) {
		buf_puts(why, "shuntd is about to end");
		return -ECANCELED;
	}
	notify_reloading();
	err = reload(d, why, counts, names);
	process_notify("READY=1");
	return err;
}

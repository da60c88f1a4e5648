/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include "daemon/health.h"
#include "daemon/log.h"
#include "sys/clock.h"
#include <stdio.h>

static unsigned useful(unsigned max_owners)
{
	unsigned n = max_owners ? max_owners : 1;

	return n < RIB_MAX_OWNERS ? n : RIB_MAX_OWNERS;
}

unsigned daemon_max_owners(const struct device_state *s)
{
	return useful(s->max_owners);
}

void daemon_take_mirror(struct daemon *d, struct device_state *fresh, instant began)
{
	device_state_done(&d->mirror);
	d->mirror = *fresh;
	d->mirror_at = began;
	d->device.max_owners = daemon_max_owners(fresh);
	handshakes_look(d->handshakes, &d->mirror, sys_wall_ns(), sys_now());
}

void daemon_take_reading(struct device_state *fresh, instant began, void *daemon)
{
	struct daemon *d = daemon;

	if (instant_before(began, d->mirror_at))
		device_state_done(fresh);
	else
		daemon_take_mirror(d, fresh, began);
}

/* In the FIB thread. */
static void change_device(struct fib_io *io, void *device)
{
	struct kernel_io *k = container_of(io, struct kernel_io, io);

	device_close(k->device);
	k->device = device;
}

void daemon_take_device(struct daemon *d, struct device *device)
{
	d->device = (struct daemon_device){
		.kind = device_kind_of(device),
		.max_owners = useful(device_max_owners(device)),
	};
	snprintf(d->device.name, sizeof(d->device.name), "%s", device_name(device));
	(void)device_address(device, &d->device.at);
	if (d->fib_thread)
		fib_thread_do(d->fib_thread, change_device, device);
	else
		change_device(&d->io.io, device);
}

bool daemon_is_syncing(const struct daemon *d)
{
	return d->syncs || d->is_reopening || d->endpoint_orders;
}

void daemon_set_sysctls(const struct daemon *d)
{
	AUTO_BUF why = {0};

	if (d->options->set_sysctl && health_mend(d->gen, &why))
		log_error("%s", buf_str(&why));
}

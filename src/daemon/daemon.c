/* SPDX-License-Identifier: MIT */
#include "daemon/daemon.h"

#include "sys/clock.h"

void daemon_take_mirror(struct daemon *d, struct device_state *fresh)
{
	device_state_done(&d->mirror);
	d->mirror = *fresh;
	d->mirror_at = sys_now();
	handshakes_look(d->handshakes, &d->mirror, sys_wall_ns(), d->mirror_at);
}

void daemon_take_reading(struct device_state *fresh, instant began, void *daemon)
{
	struct daemon *d = daemon;

	if (instant_before(began, d->mirror_at))
		device_state_done(fresh);
	else
		daemon_take_mirror(d, fresh);
}

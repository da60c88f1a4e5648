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

void daemon_refresh_mirror(struct daemon *d, int64_t max_age_ns)
{
	struct device_state fresh = {0};

	if (instant_diff(sys_now(), d->mirror_at) >= max_age_ns &&
		!device_get(d->fib.device, &fresh))
		daemon_take_mirror(d, &fresh);
}

/* SPDX-License-Identifier: MIT */
/*
 * The device read beside all else, for those who only want to know: in a thread of libuv's, over a
 * connection of its own, since a dump of a large table takes its time and a move must not wait for
 * it.
 */
#ifndef SHUNT_DAEMON_DEVICE_READER_H
#define SHUNT_DAEMON_DEVICE_READER_H

#include "base/time.h"
#include "device/device.h"
#include <uv.h>

struct device_reader;

/* Takes over what the device said; began: not older than this. */
typedef void device_reader_fn(struct device_state *fresh, instant began, void *data);
typedef void device_ready_fn(void *arg);

struct device_question {
	int64_t max_age_ns;
	device_ready_fn *ready; /* called once; NULL: nobody waits */
	void *arg;
};

struct device_reader *device_reader_new(uv_loop_t *loop, device_reader_fn *take, void *data);
/* Whoever waits is called. Accepts NULL. */
void device_reader_free(struct device_reader *r);
/* Reads the device unless what is known of it is young enough, or somebody reads it already. Who
 * waits is called when it was read or couldn't be, at once if nothing has to be read. */
void device_reader_ask(struct device_reader *r, const struct device_address *at, int64_t age_ns,
	const struct device_question *q);
/* How long the last reading took. */
int64_t device_reader_took(const struct device_reader *r);

#endif

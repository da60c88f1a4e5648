/* SPDX-License-Identifier: MIT */
/* The parts of shall_make; s has what those before it made. */
#ifndef SHUNT_DAEMON_SHALL_INTERNAL_H
#define SHUNT_DAEMON_SHALL_INTERNAL_H

#include "daemon/shall.h"

/* Our networks and addresses that are covered by what others carry. */
void shall_decide_own(struct shall *s);
/* s->apart. is: endpoints as the device has them. */
void shall_decide_apart(struct shall *s, const struct device_state *is);
/* s->mark and s->marks. *ret_clear: the mark on the device is ours and has no more use. 0, or
 * -EAGAIN as shall_make. */
int shall_decide_mark(struct shall *s, const struct fib_state *is, bool *ret_clear);
/* now: the device's mark. */
void shall_add_known_marks(struct shall *s, uint32_t now);
/* s->ours, of the journal and the generation. */
void shall_fill_ours(struct shall *s);
/* The settings of the kernel; with what stands apart. */
void shall_add_sysctls(
	const struct generation *g, const ip_prefix *apart, size_t n_apart, fib_sysctls *ret);
/* The device: peers, allowed IPs, addresses, port, mark. */
void shall_add_device(struct shall *s, const struct fib_device *is, bool clear_mark);

#endif

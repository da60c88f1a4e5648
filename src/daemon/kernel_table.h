/* SPDX-License-Identifier: MIT */
/*
 * The numbers of our tables. The device's mark and the table that only unmarked packets ask have
 * the same one: the mark that the device has already, else the one that the journal names, else the
 * first free one from KERNEL_MARK_FIRST on. The table of the overlay and that of signals have one
 * made of the interface's name, so that two daemons of one machine have two. Pure.
 */
#ifndef SHUNT_DAEMON_KERNEL_TABLE_H
#define SHUNT_DAEMON_KERNEL_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#define KERNEL_MARK_FIRST 51820
#define KERNEL_MARK_LAST (KERNEL_MARK_FIRST + 255)

/* Within the range from which we choose. */
bool kernel_mark_is_chosen(uint32_t mark);

uint32_t kernel_overlay_table(const char *interface);
/* Where BIRD learns which peers live (fib/want.h); stated in its configuration, too. */
uint32_t kernel_signal_table(const char *interface);

#endif

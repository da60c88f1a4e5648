/* SPDX-License-Identifier: MIT */
/* Which WireGuard device a node gets, from the command line and what its inventory states. */
#ifndef SHUNT_DAEMON_DEVICE_CHOICE_H
#define SHUNT_DAEMON_DEVICE_CHOICE_H

#include "device/device.h"
#include "mesh/inventory.h"

/* The programs to start where there is no device; none is NULL but stated. */
struct device_programs {
	const char *stated;   /* on the command line; NULL: nothing */
	const char *usual;    /* where the inventory states no device */
	const char *shunt_wg; /* where it states shunt-wg */
	const char *other;    /* where it states another */
};

/*
 * kind is the command line's; AUTO leaves it to the node's `device`. What is there already is
 * adopted whatever the inventory states, since a device that runs is never ended for a word in a
 * file; what the command line states is insisted on. Borrows all it is given.
 */
struct device_options device_choice(enum device_kind kind, const struct device_programs *programs,
	const struct mesh_node *node);

/* True if the device, with room for so many owners of a prefix, is another than the node states. */
bool device_choice_differs(
	const struct mesh_node *node, enum device_kind kind, unsigned max_owners);

#endif

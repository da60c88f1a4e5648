/* SPDX-License-Identifier: MIT */
#include "daemon/device_choice.h"

static enum device_kind kind_of(enum mesh_device d)
{
	switch (d) {
	case MESH_DEVICE_KERNEL:
		return DEVICE_KERNEL;
	case MESH_DEVICE_SHUNT_WG:
	case MESH_DEVICE_OTHER:
		return DEVICE_UAPI;
	default:
		return DEVICE_AUTO;
	}
}

static const char *program_of(const struct device_programs *programs, enum mesh_device d)
{
	if (programs->stated)
		return programs->stated;
	switch (d) {
	case MESH_DEVICE_SHUNT_WG:
		return programs->shunt_wg;
	case MESH_DEVICE_OTHER:
		return programs->other;
	default:
		return programs->usual;
	}
}

struct device_options device_choice(
	enum device_kind kind, const struct device_programs *programs, const struct mesh_node *node)
{
	return (struct device_options){
		.kind = kind == DEVICE_AUTO ? kind_of(node->device) : kind,
		.adopts_any = kind == DEVICE_AUTO,
		.ifname = node->interface,
		.userspace = program_of(programs, node->device),
	};
}

bool device_choice_differs(const struct mesh_node *node, enum device_kind kind, unsigned max_owners)
{
	switch (node->device) {
	case MESH_DEVICE_KERNEL:
		return kind != DEVICE_KERNEL;
	case MESH_DEVICE_SHUNT_WG:
		return max_owners < 2;
	case MESH_DEVICE_OTHER:
		return kind == DEVICE_KERNEL || max_owners > 1;
	default:
		return false;
	}
}

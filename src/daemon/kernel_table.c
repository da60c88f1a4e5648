/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_table.h"

#include "mesh/render_routing.h"

/* "S" before 24 bits: far from what people choose. */
#define OVERLAY_TABLES 0x53000000u

uint32_t kernel_overlay_table(const char *interface)
{
	uint32_t hash = 2166136261u; /* FNV-1a */

	for (const char *c = interface; *c; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	return OVERLAY_TABLES | (hash >> 8);
}

uint32_t kernel_signal_table(const char *interface)
{
	return mesh_signal_table(interface);
}

bool kernel_mark_is_chosen(uint32_t mark)
{
	return mark >= KERNEL_MARK_FIRST && mark <= KERNEL_MARK_LAST;
}

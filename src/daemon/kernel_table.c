/* SPDX-License-Identifier: MIT */
#include "daemon/kernel_table.h"

#include "base/hash.h"
#include "mesh/render_routing.h"

/* "S" before 24 bits: far from what people choose. */
#define OVERLAY_TABLES 0x53000000u

uint32_t kernel_overlay_table(const char *interface)
{
	return OVERLAY_TABLES | (hash_text_32(interface) >> 8);
}

uint32_t kernel_signal_table(const char *interface)
{
	return mesh_signal_table(interface);
}

bool kernel_mark_is_chosen(uint32_t mark)
{
	return mark >= KERNEL_MARK_FIRST && mark <= KERNEL_MARK_LAST;
}

/* SPDX-License-Identifier: MIT */
/* Superpackets from a TUN, well made, patched or raw: split as the naive twin splits them. */
#include "../support/gso_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	gso_case_run(data, size);
	return 0;
}

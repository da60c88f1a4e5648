/* SPDX-License-Identifier: MIT */
/* Packets of a batch, right and spoilt: merged as the kernel would, and all there again after the
 * naive twin has taken them apart. Small ones, some thousands of cases a second; the unit test has
 * them of real size. */
#include "../support/gro_case.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	gro_case_run(data, size, &GRO_SCALE_SMALL);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/* Packets of a batch, right and spoilt: merged as the kernel would, and all there again after the
 * naive twin has taken them apart. Small ones, some thousands of cases a second; the unit test has
 * them of real size. */
/* The twin's ways aren't what is looked for, and to trace them takes most of the time. */
#ifdef __clang__
#pragma clang attribute push(__attribute__((no_sanitize("coverage"))), apply_to = function)
#endif
#include "../support/gro_case.h"
#ifdef __clang__
#pragma clang attribute pop
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	gro_case_run(data, size, &GRO_SCALE_SMALL);
	return 0;
}

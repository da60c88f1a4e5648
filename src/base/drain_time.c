/* SPDX-License-Identifier: MIT */
#include "base/drain_time.h"

#define SHORTEST_NS NS_PER_S
#define LONGEST_NS (366 * 24 * 3600 * NS_PER_S)

bool drain_time_parse(const char *text, int64_t *ret_ns)
{
	int64_t ns;

	if (!duration_parse_days(&ns, text) || ns < SHORTEST_NS || ns > LONGEST_NS)
		return false;
	*ret_ns = ns;
	return true;
}

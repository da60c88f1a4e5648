/* SPDX-License-Identifier: MIT */
#include "control/when.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

json_t *when_wall_json(int64_t wall_ns)
{
	time_t s = (time_t)(wall_ns / NS_PER_S);
	struct tm utc;
	char text[40], whole[64];

	if (wall_ns < 0 || !gmtime_r(&s, &utc) ||
		!strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &utc))
		return json_null();
	snprintf(whole, sizeof(whole), "%s.%03dZ", text, (int)(wall_ns % NS_PER_S / NS_PER_MS));
	return json_string(whole);
}

json_t *when_json(const struct when *now, instant t)
{
	if (instant_is_never(t))
		return json_null();
	return when_wall_json(now->wall_ns - instant_diff(now->at, t));
}

json_t *when_seconds(int64_t ns)
{
	return json_real(round((double)ns / 1e6) / 1e3);
}

/* SPDX-License-Identifier: MIT */
#include "base/time.h"

#include "base/mem.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define HOURS_A_DAY 24

/* Longest first: the first that divides a duration gives its shortest text. */
static const struct unit {
	const char *name;
	int64_t ns;
} units[] = {
	{"h", 3600 * NS_PER_S},
	{"m", 60 * NS_PER_S},
	{"s", NS_PER_S},
	{"ms", NS_PER_MS},
	{"us", NS_PER_US},
	{"ns", 1},
};

bool duration_parse(int64_t *ret_ns, const char *text)
{
	const char *p = text;
	int64_t n = 0;

	for (; *p >= '0' && *p <= '9'; p++)
		if (__builtin_mul_overflow(n, 10, &n) || __builtin_add_overflow(n, *p - '0', &n))
			return false;
	if (p == text)
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++)
		if (!strcmp(p, units[i].name)) {
			if (__builtin_mul_overflow(n, units[i].ns, &n))
				return false;
			*ret_ns = n;
			return true;
		}
	return false;
}

bool duration_parse_days(int64_t *ret_ns, const char *text)
{
	size_t n = strlen(text);
	char hours[32];
	int64_t ns;

	if (!n || text[n - 1] != 'd')
		return duration_parse(ret_ns, text);
	snprintf(hours, sizeof(hours), "%.*sh", (int)n - 1, text);
	if (n > sizeof(hours) - 2 || !duration_parse(&ns, hours) ||
		__builtin_mul_overflow(ns, HOURS_A_DAY, &ns))
		return false;
	*ret_ns = ns;
	return true;
}

char *duration_format(int64_t ns, char buf[static 32])
{
	const struct unit *u = units;

	if (!ns)
		u = &units[2];
	while (ns % u->ns)
		u++;
	snprintf(buf, 32, "%" PRId64 "%s", ns / u->ns, u->name);
	return buf;
}

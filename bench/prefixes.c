/* SPDX-License-Identifier: MIT */
#include "prefixes.h"

#include "base/mem.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- chance and time -----------------------------------------------------------------------------
 */

uint64_t chance(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

int64_t read_clock(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

/* --- prefixes ------------------------------------------------------------------------------------
 */

static const struct {
	int family;
	unsigned len, count;
} lengths[] = {{AF_INET, 8, 15}, {AF_INET, 10, 64}, {AF_INET, 11, 168}, {AF_INET, 12, 404},
	{AF_INET, 13, 714}, {AF_INET, 14, 1458}, {AF_INET, 15, 2589}, {AF_INET, 16, 6942},
	{AF_INET, 17, 3350}, {AF_INET, 18, 5370}, {AF_INET, 19, 9977}, {AF_INET, 20, 11796},
	{AF_INET, 21, 16949}, {AF_INET, 22, 50974}, {AF_INET, 23, 24445}, {AF_INET, 24, 39762},
	{AF_INET6, 29, 16318}, {AF_INET6, 32, 31699}, {AF_INET6, 36, 1680}, {AF_INET6, 40, 1884},
	{AF_INET6, 44, 1054}, {AF_INET6, 47, 339}, {AF_INET6, 48, 13823}};

ip_prefix prefix_within(const ip_prefix *p, unsigned bits, uint64_t *state)
{
	uint64_t noise[2] = {chance(state), chance(state)};
	const uint8_t *from = (const uint8_t *)noise;
	ip_addr a = ip_prefix_addr(p);

	for (unsigned i = p->len; i < bits; i++)
		a.bytes[i / 8] |= from[i / 8] & (uint8_t)(0x80 >> i % 8);
	return ip_prefix_of(&a, bits);
}

static bool read_real(struct prefixes *all, const char *directory, const char *file)
{
	char command[512], line[128];
	FILE *f;

	if (!directory)
		return false;
	snprintf(command, sizeof(command), "xz -dc '%s/%s' 2>/dev/null", directory, file);
	f = popen(command, "r");
	while (f && fgets(line, sizeof(line), f) && all->n < all->max) {
		line[strcspn(line, "\n")] = 0;
		all->n += ip_prefix_parse(&all->p[all->n], line);
	}
	if (f)
		pclose(f);
	return all->n;
}

static void invent(struct prefixes *all, int family, uint64_t *state)
{
	ip_prefix none = {.family = (uint8_t)family};

	/* Of 2000::/3, as all that is in use. */
	none.bytes[0] = family == AF_INET6 ? 0x20 : 0;
	none.len = family == AF_INET6 ? 3 : 0;
	for (size_t i = 0; i < ARRAY_SIZE(lengths); i++)
		for (unsigned j = 0; lengths[i].family == family && j < lengths[i].count; j++)
			if (all->n < all->max)
				all->p[all->n++] = prefix_within(&none, lengths[i].len, state);
}

static int compare(const void *a, const void *b)
{
	return ip_prefix_cmp(a, b);
}

static size_t unique(ip_prefix *p, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++)
		if (!kept || !ip_prefix_eq(&p[kept - 1], &p[i]))
			p[kept++] = p[i];
	return kept;
}

struct prefixes prefixes_load(int family, size_t max, const char *directory, uint64_t *state)
{
	struct prefixes all = {.p = mem_zalloc(max, sizeof(ip_prefix)), .max = max};
	unsigned longest = family == AF_INET ? 32 : 64;

	if (read_real(&all, directory,
		    family == AF_INET ? "prefixes-v4.txt.xz" : "prefixes-v6.txt.xz"))
		all.n_real = all.n;
	else
		invent(&all, family, state);
	for (size_t base = all.n; all.n < max; all.n++) {
		const ip_prefix *p = &all.p[chance(state) % base];
		unsigned len = p->len + 1 + (unsigned)(chance(state) % 8);

		all.p[all.n] = prefix_within(p, len < longest ? len : longest, state);
	}
	qsort(all.p, all.n, sizeof(*all.p), compare);
	all.n = unique(all.p, all.n);
	for (size_t i = all.n; i > 1; i--) {
		size_t j = chance(state) % i;
		ip_prefix swap = all.p[i - 1];

		all.p[i - 1] = all.p[j];
		all.p[j] = swap;
	}
	return all;
}

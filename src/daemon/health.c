/* SPDX-License-Identifier: MIT */
#include "daemon/health.h"

#include "sys/process.h"
#include <stdio.h>
#include <string.h>

struct setting {
	char path[96]; /* below /proc/sys, with slashes: an interface's name may hold dots */
	int want;
	const char *what;
};

#define MAX_SETTINGS 4

static bool uses_family(const struct generation *g, int family)
{
	for (size_t i = 0; i < g->n_overlays; i++)
		if (g->overlays[i].family == family)
			return true;
	return false;
}

static bool forwards(const struct generation *g, int family)
{
	if (g->self->role == MESH_HUB)
		return uses_family(g, family);
	for (size_t i = 0; i < g->self->n_networks; i++) {
		const ip_prefix *p = &g->self->networks[i].prefix;

		/* An address of the node's own (an anycast service, say) needs no forwarding. */
		if (p->family == family && p->len < ip_family_bits(family))
			return true;
	}
	return false;
}

static int sysctl_or(const char *path, int otherwise)
{
	int value;

	return sysctl_read_int(path, &value) ? otherwise : value;
}

static void check_forwarding(const struct generation *g, struct setting *out, size_t *n)
{
	if (forwards(g, AF_INET) && sysctl_or("net/ipv4/ip_forward", 1) == 0)
		out[(*n)++] = (struct setting){"net/ipv4/ip_forward", 1,
			"IPv4 forwarding is off: nothing that comes through the tunnel for others "
			"goes on"};
	if (forwards(g, AF_INET6) && sysctl_or("net/ipv6/conf/all/forwarding", 1) == 0)
		out[(*n)++] = (struct setting){"net/ipv6/conf/all/forwarding", 1,
			"IPv6 forwarding is off: nothing that comes through the tunnel for others "
			"goes on"};
}

/* The kernel takes the greater of all's and the interface's: 1 is strict, 2 loose. */
static void check_rp_filter(const struct generation *g, struct setting *out, size_t *n)
{
	struct setting s = {.want = 2,
		.what = "the reverse path filter is strict: packets whose way back is another "
			"interface are dropped"};
	int all = sysctl_or("net/ipv4/conf/all/rp_filter", 0), own;

	if (!uses_family(g, AF_INET))
		return;
	snprintf(s.path, sizeof(s.path), "net/ipv4/conf/%s/rp_filter", g->self->interface);
	own = sysctl_or(s.path, 0);
	if ((all > own ? all : own) == 1)
		out[(*n)++] = s;
}

static size_t wrong_settings(const struct generation *g, struct setting out[static MAX_SETTINGS])
{
	size_t n = 0;

	check_forwarding(g, out, &n);
	check_rp_filter(g, out, &n);
	return n;
}

void health_check(const struct generation *g, health_fn *fn, void *data)
{
	struct setting wrong[MAX_SETTINGS];
	size_t n = wrong_settings(g, wrong);

	for (size_t i = 0; i < n; i++) {
		char fix[160];

		snprintf(fix, sizeof(fix), "sysctl -w %.100s=%d", wrong[i].path, wrong[i].want);
		fn(wrong[i].what, fix, data);
	}
}

int health_mend(const struct generation *g, struct buf *why)
{
	struct setting wrong[MAX_SETTINGS];
	size_t n = wrong_settings(g, wrong);
	int first = 0;

	for (size_t i = 0; i < n; i++) {
		int err = sysctl_write_int(wrong[i].path, wrong[i].want);

		if (!err || first)
			continue;
		first = err;
		buf_printf(why, "can't set %s to %d: %s", wrong[i].path, wrong[i].want,
			strerror(-err));
	}
	return first;
}

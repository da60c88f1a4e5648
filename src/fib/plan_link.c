/* SPDX-License-Identifier: MIT */
/* The link, its addresses, and the mark on what comes in for its port. */
#include "fib/plan.h"

static bool has_address(const prefix_vec *list, const ip_prefix *a)
{
	for (size_t i = 0; i < list->n; i++)
		if (ip_prefix_eq(&list->items[i], a))
			return true;
	return false;
}

static bool is_our_address(const struct fib_ours *ours, const ip_prefix *a)
{
	return ours->has_address && ours->has_address(a, ours->data);
}

/* Ours, with another length; of IPv6, of which the kernel holds an address once. NULL: none. */
static const ip_prefix *find_turning(
	const struct fib_device *is, const struct fib_ours *ours, const ip_prefix *a)
{
	for (size_t i = 0; i < is->addresses.n && a->family == AF_INET6; i++) {
		const ip_prefix *have = fib_same_address(&is->addresses.items[i], a);

		if (have && have->len != a->len && is_our_address(ours, have))
			return have;
	}
	return NULL;
}

static void plan_missing_address(const struct fib_device *is, const char *name,
	const struct fib_ours *ours, const ip_prefix *a, struct fib_plan *p)
{
	bool turns = find_turning(is, ours, a);
	struct fib_op *op = fib_plan_add(p, turns ? FIB_AT_ADDRESS_TURN : FIB_AT_ADDRESS_ADD,
		turns ? FIB_DIFFERS : FIB_MISSING, name);

	op->u.address = *a;
}

static bool is_turned(const struct fib_device *shall, const ip_prefix *have)
{
	for (size_t i = 0; i < shall->addresses.n && have->family == AF_INET6; i++)
		if (fib_same_address(&shall->addresses.items[i], have))
			return true;
	return false;
}

static void plan_addresses(const struct fib_device *is, const struct fib_device *shall,
	const struct fib_ours *ours, struct fib_plan *p)
{
	for (size_t i = 0; i < shall->addresses.n; i++) {
		const ip_prefix *a = &shall->addresses.items[i];

		if (!has_address(&is->addresses, a))
			plan_missing_address(is, shall->name, ours, a, p);
	}
	for (size_t i = 0; i < is->addresses.n; i++) {
		const ip_prefix *a = &is->addresses.items[i];

		if (!has_address(&shall->addresses, a) && is_our_address(ours, a) &&
			!is_turned(shall, a))
			fib_plan_add(p, FIB_AT_ADDRESS_DEL, FIB_UNWANTED, shall->name)->u.address =
				*a;
	}
}

/*
 * What the device sends goes by the routes of its mark; what comes back has none, so a strict
 * reverse path filter (or `fib` in somebody's nftables) looks its sender up where the tunnel is the
 * way to everywhere, and drops it. A table of our own in nftables, before all other chains, gives
 * it the mark too:
 *
 *	table inet shunt-wg0 { chain prerouting { type filter hook prerouting priority -350;
 *		fib daddr type local udp dport 51820 meta mark set 51820; } }
 *
 * Rejected: wg-quick's way, a mark saved with the connection and restored: it turns connection
 * tracking on for the whole namespace and overwrites the marks that other tools keep there.
 *
 * The table is there for as long as the device has a mark of ours. It outlives the daemon, as the
 * device does, and the next one adopts it. One per interface, so that daemons don't meet. What
 * somebody flushed is set again. Of a datagram that comes in fragments only the first carries a
 * port: the others pass where connection tracking puts them together, else not.
 */
static void plan_mark(
	const struct fib_device *is, const struct fib_device *shall, struct fib_plan *p)
{
	bool has = is->mark.mark || is->mark.port;

	if (!shall->mark.mark) {
		if (has)
			fib_plan_add(p, FIB_AT_MARK, FIB_UNWANTED, shall->name);
	} else if (shall->mark.port &&
		   (is->mark.port != shall->mark.port || is->mark.mark != shall->mark.mark)) {
		fib_plan_add(p, FIB_AT_MARK, has ? FIB_DIFFERS : FIB_MISSING, shall->name);
	}
}

void plan_link(const struct fib_device *is, const struct fib_device *shall,
	const struct fib_ours *ours, struct fib_plan *p)
{
	bool quiet = is->makes_link_local && !shall->makes_link_local;

	if (is->up != shall->up || (shall->mtu && is->mtu != shall->mtu) || quiet)
		fib_plan_add(p, FIB_AT_LINK, FIB_DIFFERS, shall->name);
	plan_addresses(is, shall, ours, p);
	plan_mark(is, shall, p);
}

/* SPDX-License-Identifier: MIT */
/*
 * From what the device reports and what it should be, the change that makes it so: nothing more.
 * Pure.
 *
 * Ours are the peers and prefixes that the inventory names or that the journal says we made;
 * whatever else stands on the device is foreign, and neither changed nor removed. A prefix that we
 * want but that a foreign peer owns is not taken: it comes back as a conflict.
 */
#ifndef SHUNT_DEVICE_RECONCILE_H
#define SHUNT_DEVICE_RECONCILE_H

#include "device/device.h"

struct desired_peer {
	wg_key key;
	bool has_psk; /* false: the preshared key is left as it is if psk_unknown, else removed */
	bool psk_unknown; /* its file could not be read: leave what is there */
	wg_key psk;
	sock_addr endpoint; /* set on the device only where it has none, or if force_endpoint */
	bool force_endpoint;
	uint16_t keepalive;
	const ip_prefix *allowed; /* sorted by ip_prefix_cmp */
	size_t n_allowed;
};

struct desired_device {
	bool has_private_key;
	wg_key private_key;
	uint16_t listen_port; /* 0: leave */
	bool set_fwmark;
	uint32_t fwmark;
	const struct desired_peer *peers;
	size_t n_peers;
};

/* What we made earlier; both answer for things that the desired device doesn't name. */
struct device_ownership {
	bool (*peer_is_ours)(const wg_key *key, void *data);
	bool (*prefix_is_ours)(const ip_prefix *p, void *data);
	void *data;
};

struct device_conflict {
	ip_prefix prefix;
	wg_key foreign_owner;
};

struct reconcile; /* owns the memory of the change */

/* Never fails. reconcile_change(r) is valid until reconcile_free(r). */
struct reconcile *reconcile_new(const struct device_state *mirror,
	const struct desired_device *want, const struct device_ownership *own);
const struct device_change *reconcile_change(const struct reconcile *r);
bool reconcile_is_empty(const struct reconcile *r);
size_t reconcile_conflicts(const struct reconcile *r, const struct device_conflict **ret);
/* How many peers are added, changed (of them with another endpoint), removed; prefixes that had no
 * owner, that move from one to another, that end up without; settings of the device itself. For
 * the log. */
struct reconcile_counts {
	unsigned peers_added, peers_changed, endpoints_set, peers_removed;
	unsigned prefixes_added, prefixes_moved, prefixes_removed, settings_changed;
};
struct reconcile_counts reconcile_counts(const struct reconcile *r);
/* Wipes the secrets in it. Accepts NULL. */
void reconcile_free(struct reconcile *r);

#endif

/* SPDX-License-Identifier: MIT */
#include "daemon/bfd_filter.h"

static bool is_without_session(const struct live_peer_info *info, instant now)
{
	return info->config.probe == LIVE_PROBE_BFD && info->session != BFD_UP &&
	       info->remote_session != BFD_ADMIN_DOWN && !instant_is_never(info->answered_since) &&
	       instant_diff(now, info->answered_since) >= LIVE_NO_SESSION_AFTER;
}

static void tell_its_filter(
	const struct mesh_node *self, const struct mesh_node *peer, health_fn *fn, void *data)
{
	AUTO_FREE char *what = mem_printf(
		"%s hears nothing of %s's BFD (UDP port %d), but answers echoes: the firewall of "
		"%s seems to drop it",
		peer->name, self->name, BFD_PORT, peer->name);
	AUTO_FREE char *fix = mem_printf("on %s, let UDP port %d in from %s (in nft: iifname "
					 "\"%s\" udp dport %d accept)",
		peer->name, BFD_PORT, peer->interface, peer->interface, BFD_PORT);

	fn(what, fix, data);
}

static void tell_own_filter(
	const struct mesh_node *self, const struct mesh_node *peer, health_fn *fn, void *data)
{
	AUTO_FREE char *what = mem_printf(
		"no BFD (UDP port %d) of %s reaches %s, but %s answers echoes: the firewall of %s "
		"seems to drop it, or %s doesn't run on %s",
		BFD_PORT, peer->name, self->name, peer->name, self->name,
		peer->role == MESH_CLIENT ? "no BFD" : "shuntd", peer->name);
	AUTO_FREE char *fix = mem_printf("on %s, let UDP port %d in from %s (in nft: iifname "
					 "\"%s\" udp dport %d accept)",
		self->name, BFD_PORT, self->interface, self->interface, BFD_PORT);

	fn(what, fix, data);
}

void bfd_filter_check(const struct daemon *d, instant now, health_fn *fn, void *data)
{
	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];
		struct live_peer_info info;

		if (!prober_info(d->prober, p->id, &info) || !is_without_session(&info, now))
			continue;
		if (!info.is_heard)
			tell_own_filter(d->gen->self, p->node, fn, data);
		else if (!info.hears_us)
			tell_its_filter(d->gen->self, p->node, fn, data);
	}
}

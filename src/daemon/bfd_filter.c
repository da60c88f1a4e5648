/* SPDX-License-Identifier: MIT */
#include "daemon/bfd_filter.h"

#include "base/vec.h"
#include "daemon/daemon.h"
#include "sys/bfd_tap.h"
#include <unistd.h>

/* Whoever has no session sends once a second. */
#define RECENT (5 * NS_PER_S)

struct seen {
	ip_addr peer;
	instant in_at, out_at; /* INSTANT_NEVER: not yet */
};

struct bfd_filter {
	int tap; /* -1: none */
	int ifindex;
	instant opened_at;
	VEC(struct seen) seen;
};

struct bfd_filter *bfd_filter_new(void)
{
	struct bfd_filter *f = mem_zalloc(1, sizeof(*f));

	f->tap = -1;
	return f;
}

static void close_tap(struct bfd_filter *f)
{
	if (f->tap >= 0)
		close(f->tap);
	f->tap = -1;
	f->seen.n = 0;
}

void bfd_filter_free(struct bfd_filter *f)
{
	if (!f)
		return;
	close_tap(f);
	vec_done(&f->seen);
	free(f);
}

static bool is_without_session(const struct live_peer_info *info, instant now, int64_t for_ns)
{
	return info->config.probe == LIVE_PROBE_BFD && info->session != BFD_UP &&
	       info->remote_session != BFD_ADMIN_DOWN && !instant_is_never(info->answered_since) &&
	       instant_diff(now, info->answered_since) >= for_ns;
}

static bool is_recent(instant at, instant now)
{
	return !instant_is_never(at) && instant_diff(now, at) < RECENT;
}

/* --- the watch ---------------------------------------------------------------------------------
 */

static bool is_anybody_without(const struct daemon *d, instant now)
{
	struct live_peer_info info;

	for (size_t i = 0; i < d->gen->n_peers; i++)
		if (prober_info(d->prober, d->gen->peers[i].id, &info) &&
			is_without_session(&info, now, 0))
			return true;
	return false;
}

static const struct seen *find(const struct bfd_filter *f, const ip_addr *peer)
{
	for (size_t i = 0; i < f->seen.n; i++)
		if (ip_addr_eq(&f->seen.items[i].peer, peer))
			return &f->seen.items[i];
	return NULL;
}

static struct seen *seen_of(struct bfd_filter *f, const ip_addr *peer)
{
	const struct seen *known = find(f, peer);
	struct seen fresh = {*peer, INSTANT_NEVER, INSTANT_NEVER};

	if (known)
		return &f->seen.items[known - f->seen.items];
	vec_push(&f->seen, fresh);
	return &f->seen.items[f->seen.n - 1];
}

static bool is_peer(const struct daemon *d, const ip_addr *addr)
{
	for (size_t i = 0; i < d->gen->n_peers; i++)
		if (ip_addr_eq(&d->gen->peers[i].view->remote, addr))
			return true;
	return false;
}

static void take(struct bfd_filter *f, const struct daemon *d, instant now)
{
	ip_addr peer;
	bool outgoing;

	for (size_t i = 0; i <= 2 * d->gen->n_peers && bfd_tap_next(f->tap, &peer, &outgoing);
		i++) {
		if (!is_peer(d, &peer))
			continue;
		if (outgoing)
			seen_of(f, &peer)->out_at = now;
		else
			seen_of(f, &peer)->in_at = now;
	}
}

/* For the verdict on peers that nothing is heard of. */
static void tell_prober(const struct bfd_filter *f, const struct daemon *d, instant now)
{
	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];
		const struct seen *s = find(f, &p->view->remote);
		struct live_peer_info info;

		if (s && is_recent(s->in_at, now) && prober_info(d->prober, p->id, &info) &&
			!info.is_heard)
			prober_bfd_lost(d->prober, p->id);
	}
}

void bfd_filter_step(struct bfd_filter *f, const struct daemon *d, instant now)
{
	bool is_wanted = is_anybody_without(d, now);

	if (f->tap >= 0 && (!is_wanted || f->ifindex != d->fib.ifindex))
		close_tap(f);
	if (is_wanted && f->tap < 0) {
		f->ifindex = d->fib.ifindex;
		f->opened_at = now;
		f->tap = bfd_tap_open((unsigned)f->ifindex);
		f->tap = f->tap < 0 ? -1 : f->tap;
	}
	if (f->tap < 0)
		return;
	take(f, d, now);
	tell_prober(f, d, now);
}

/* --- what follows --------------------------------------------------------------------------------
 */

enum whose { ITS_INPUT, ITS_OUTPUT, OWN_INPUT, OWN_OUTPUT, LIKELY_OWN_INPUT };

static enum whose judge(const struct bfd_filter *f, const struct live_peer_info *info, instant now)
{
	const struct seen *s = find(f, &info->config.remote);
	bool is_watched = f->tap >= 0 && instant_diff(now, f->opened_at) >= RECENT;

	if (info->is_heard)
		return is_watched && !(s && is_recent(s->out_at, now)) ? OWN_OUTPUT : ITS_INPUT;
	if (!is_watched)
		return LIKELY_OWN_INPUT;
	return s && is_recent(s->in_at, now) ? OWN_INPUT : ITS_OUTPUT;
}

static void tell(enum whose whose, const struct mesh_node *self, const struct mesh_node *peer,
	health_fn *fn, void *data)
{
	bool is_ours_lost = whose == ITS_INPUT || whose == OWN_OUTPUT;
	bool is_out = whose == ITS_OUTPUT || whose == OWN_OUTPUT;
	const struct mesh_node *from = is_ours_lost ? self : peer;
	const struct mesh_node *to = is_ours_lost ? peer : self;
	const struct mesh_node *at = whose == ITS_INPUT || whose == ITS_OUTPUT ? peer : self;
	bool may_be_off = whose == ITS_OUTPUT || whose == LIKELY_OWN_INPUT;
	const char *speaker = peer->role == MESH_CLIENT ? "a BFD speaker" : "shuntd";
	AUTO_FREE char *off = mem_printf(", or %s doesn't run on %s", speaker, peer->name);
	AUTO_FREE char *what = mem_printf(
		"no BFD (UDP port %d) of %s reaches %s, but %s answers echoes: the firewall of %s "
		"seems to drop it on the way %s%s",
		BFD_PORT, from->name, to->name, peer->name, at->name, is_out ? "out" : "in",
		may_be_off ? off : "");
	AUTO_FREE char *fix =
		mem_printf("on %s, let UDP port %d %s %s (in nft: %sifname \"%s\" udp "
			   "dport %d accept)",
			at->name, BFD_PORT, is_out ? "out to" : "in from", at->interface,
			is_out ? "o" : "i", at->interface, BFD_PORT);

	fn(what, fix, data);
}

void bfd_filter_check(
	const struct bfd_filter *f, const struct daemon *d, instant now, health_fn *fn, void *data)
{
	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];
		struct live_peer_info info;

		if (!prober_info(d->prober, p->id, &info) ||
			!is_without_session(&info, now, LIVE_NO_SESSION_AFTER))
			continue;
		if (!info.is_heard || !info.hears_us)
			tell(judge(f, &info, now), d->gen->self, p->node, fn, data);
	}
}

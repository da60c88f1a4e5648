/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi_get.h"

#include "base/mem.h"
#include "base/vec.h"
#include "tunnel/config.h"
#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_LINES 512
#define PIECE_PREFIXES 4096
#define PREFIXES_PER_PEER 8 /* that a peer takes the time of */
#define TRIES 4		    /* the last one in one piece */

/* The allowed IPs of all stand in one row, peer after peer; this one's end before allowed_end. */
struct peer_copy {
	struct tunnel_peer_info info;
	size_t allowed_end;
};

/* Where the copy goes on, and of what it is one. */
struct copying {
	unsigned tries; /* begun */
	uint64_t changes;
	struct tunnel_peer *peer; /* the last one that is copied, or under way; NULL: none yet */
	bool is_in_peer;	  /* some of its allowed IPs are missing */
	const struct list *at;	  /* of its allowed IPs */
};

struct uapi_get {
	struct tunnel *tunnel; /* NULL: the copy is whole */
	struct copying copying;
	struct tunnel_info device;
	uint64_t counters[TUNNEL_COUNTERS];
	struct peer_copy *peers;
	size_t n_peers, room;
	VEC(ip_prefix) allowed;
	int error; /* that the answer ends with */

	bool is_begun; /* the device's own lines are written */
	size_t peer;   /* the next one to write; with is_in_peer the one under way */
	bool is_in_peer;
	size_t prefix; /* the next one of allowed */
};

/* --- the copy ------------------------------------------------------------------------------------
 */

/* Those that are written are wiped already. */
static void drop_peers(struct uapi_get *g)
{
	if (g->peer < g->n_peers)
		sodium_memzero(&g->peers[g->peer], (g->n_peers - g->peer) * sizeof(*g->peers));
	free(g->peers);
	g->peers = NULL;
	g->n_peers = g->room = 0;
	g->allowed.n = 0;
}

static void begin_copy(struct uapi_get *g)
{
	drop_peers(g);
	g->copying = (struct copying){
		.tries = g->copying.tries + 1, .changes = tunnel_changes(g->tunnel)};
	tunnel_get(g->tunnel, &g->device);
	for (int c = 0; c < TUNNEL_COUNTERS; c++)
		g->counters[c] = tunnel_counter(g->tunnel, (enum tunnel_counter)c);
	/* In one piece from the first: keys are not to be left behind where it stood before. */
	g->room = tunnel_n_peers(g->tunnel);
	g->peers = mem_zalloc(g->room + 1, sizeof(*g->peers));
}

/* False: there are no more. */
static bool copy_next_peer(struct uapi_get *g)
{
	struct tunnel_peer *p = tunnel_peer_next(g->tunnel, g->copying.peer);

	if (!p)
		return false;
	assert(g->n_peers < g->room);
	tunnel_peer_get(g->tunnel, p, &g->peers[g->n_peers++].info);
	g->copying.peer = p;
	g->copying.is_in_peer = true;
	g->copying.at = NULL;
	return true;
}

/* Of the peer under way; how many. */
static size_t copy_allowed(struct uapi_get *g, size_t max)
{
	size_t n;

	vec_reserve(&g->allowed, g->allowed.n + max);
	n = tunnel_peer_allowed(
		g->copying.peer, &g->copying.at, &g->allowed.items[g->allowed.n], max);
	g->allowed.n += n;
	g->peers[g->n_peers - 1].allowed_end = g->allowed.n;
	g->copying.is_in_peer = n == max;
	return n;
}

/* True: the copy is whole. */
static bool copy_piece(struct uapi_get *g)
{
	for (size_t n = 0; n < PIECE_PREFIXES;) {
		if (!g->copying.is_in_peer && !copy_next_peer(g))
			return true;
		n += PREFIXES_PER_PEER + copy_allowed(g, PIECE_PREFIXES - n);
	}
	return false;
}

static void copy_more(struct uapi_get *g)
{
	struct tunnel *t = g->tunnel;
	bool is_whole;

	tunnel_lock_to_read(t);
	if (!g->copying.tries || g->copying.changes != tunnel_changes(t))
		begin_copy(g);
	do
		is_whole = copy_piece(g);
	while (!is_whole && g->copying.tries == TRIES);
	tunnel_unlock(t);
	if (is_whole)
		g->tunnel = NULL;
}

struct uapi_get *uapi_get_begin(struct tunnel *t, const char *text, size_t len)
{
	struct uapi_get *g;

	if (len < 6 || strncmp(text, "get=1\n", 6))
		return NULL;
	g = mem_zalloc(1, sizeof(*g));
	g->tunnel = t;
	g->error = len > 7 ? EINVAL : 0; /* a get takes no lines */
	return g;
}

void uapi_get_free(struct uapi_get *g)
{
	if (!g)
		return;
	drop_peers(g);
	vec_done(&g->allowed);
	sodium_memzero(g, sizeof(*g));
	free(g);
}

/* --- the text ------------------------------------------------------------------------------------
 */

static void add_key(struct buf *out, const char *name, const wg_key *key)
{
	char text[WG_KEY_HEX_LEN];

	buf_printf(out, "%s=%s\n", name, wg_key_to_hex(key, text));
	sodium_memzero(text, sizeof(text));
}

static void add_device(const struct uapi_get *g, struct buf *out)
{
	if (g->device.has_private_key)
		add_key(out, "private_key", &g->device.private_key);
	if (g->device.listen_port)
		buf_printf(out, "listen_port=%u\n", g->device.listen_port);
	if (g->device.fwmark)
		buf_printf(out, "fwmark=%u\n", g->device.fwmark);
	/* An extension; stock `wg` passes over keys that it doesn't know. */
	for (int c = 0; c < TUNNEL_COUNTERS; c++)
		buf_printf(out, "shunt_%s=%llu\n", tunnel_counter_name((enum tunnel_counter)c),
			(unsigned long long)g->counters[c]);
}

static void add_peer(const struct tunnel_peer_info *i, struct buf *out)
{
	char endpoint[SOCK_ADDR_STRLEN];

	add_key(out, "public_key", &i->public_key);
	add_key(out, "preshared_key", &i->psk);
	buf_puts(out, "protocol_version=1\n");
	if (i->endpoint.sa.sa_family != AF_UNSPEC)
		buf_printf(out, "endpoint=%s\n", sock_addr_format(&i->endpoint, endpoint));
	buf_printf(out, "last_handshake_time_sec=%lld\nlast_handshake_time_nsec=%ld\n",
		(long long)i->last_handshake.tv_sec, i->last_handshake.tv_nsec);
	buf_printf(out, "tx_bytes=%llu\nrx_bytes=%llu\npersistent_keepalive_interval=%u\n",
		(unsigned long long)i->tx_bytes, (unsigned long long)i->rx_bytes, i->keepalive);
}

static void add_allowed(const ip_prefix *p, struct buf *out)
{
	char text[IP_PREFIX_STRLEN];

	buf_puts(out, "allowed_ip=");
	buf_puts(out, ip_prefix_format(p, text));
	buf_puts(out, "\n");
}

/* Writes some of the peer that is next or under way; how many lines, about. */
static unsigned add_some(struct uapi_get *g, unsigned max, struct buf *out)
{
	struct peer_copy *p = &g->peers[g->peer];
	unsigned lines = 0;

	if (!g->is_in_peer) {
		add_peer(&p->info, out);
		g->is_in_peer = true;
		lines = 8;
	}
	for (; g->prefix < p->allowed_end && lines < max; lines++)
		add_allowed(&g->allowed.items[g->prefix++], out);
	if (g->prefix == p->allowed_end) {
		sodium_memzero(&p->info, sizeof(p->info));
		g->is_in_peer = false;
		g->peer++;
	}
	return lines;
}

bool uapi_get_more(struct uapi_get *g, struct buf *out)
{
	unsigned lines = 0;

	if (g->tunnel) {
		copy_more(g);
		return true;
	}
	if (!g->is_begun)
		add_device(g, out);
	g->is_begun = true;
	while (g->peer < g->n_peers && lines < PIECE_LINES)
		lines += add_some(g, PIECE_LINES - lines, out);
	if (g->peer < g->n_peers)
		return true;
	buf_printf(out, "errno=%d\n\n", g->error);
	return false;
}

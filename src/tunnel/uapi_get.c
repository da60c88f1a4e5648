/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi_get.h"

#include "base/mem.h"
#include "tunnel/uapi_copy.h"
#include "tunnel/uapi_owners.h"
#include <errno.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define PIECE_LINES 512
#define TRIES 4

enum stage { COPY, DEVICE, PEERS, SETS, END };

struct uapi_get {
	struct tunnel *tunnel; /* while there is something to be copied */
	struct uapi_copy copy;
	int error; /* that the answer ends with */

	enum stage stage;      /* what is next, or under way */
	size_t n;	       /* the peer, or the set */
	bool is_begun;	       /* its own lines are written */
	size_t next_set;       /* of the peer's, to be written after the prefixes under way */
	struct uapi_range run; /* these */
};

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
	/* Peers that are written are wiped already. */
	uapi_copy_done(&g->copy, g->stage < PEERS ? 0 : g->stage > PEERS ? g->copy.n_peers : g->n);
	sodium_memzero(g, sizeof(*g));
	free(g);
}

/* --- lines ---------------------------------------------------------------------------------------
 */

static void add_key(struct buf *out, const char *name, const wg_key *key)
{
	char text[WG_KEY_HEX_LEN];

	buf_printf(out, "%s=%s\n", name, wg_key_to_hex(key, text));
	sodium_memzero(text, sizeof(text));
}

static void add_device(const struct uapi_copy *c, struct buf *out)
{
	if (c->device.has_private_key)
		add_key(out, "private_key", &c->device.private_key);
	if (c->device.listen_port)
		buf_printf(out, "listen_port=%u\n", c->device.listen_port);
	if (c->device.fwmark)
		buf_printf(out, "fwmark=%u\n", c->device.fwmark);
	/* Extensions; stock `wg` passes over keys that it doesn't know. */
	buf_printf(out, "max_owners=%d\n", CRYPTOKEY_MAX_OWNERS);
	if (c->device.has_multicast)
		buf_puts(out, "multicast=true\n");
	for (int i = 0; i < TUNNEL_COUNTERS; i++)
		buf_printf(out, "shunt_%s=%llu\n", tunnel_counter_name((enum tunnel_counter)i),
			(unsigned long long)c->counters[i]);
}

/* What is as it is without being told otherwise isn't told. */
static void add_extensions(const struct tunnel_peer_info *i, struct buf *out)
{
	char text[IP_ADDR_STRLEN];

	if (i->level != CRYPTOKEY_UP)
		buf_printf(out, "level=%s\n", uapi_level_name(i->level));
	if (!i->answers)
		buf_puts(out, "answers=false\n");
	if (i->has_multicast)
		buf_puts(out, "multicast=true\n");
	if (i->link_local.family != AF_UNSPEC)
		buf_printf(out, "link_local=%s\n", ip_addr_format(&i->link_local, text));
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
	add_extensions(i, out);
}

static void add_owner(const struct uapi_owner_copy *o, struct buf *out)
{
	char key[WG_KEY_HEX_LEN];

	buf_printf(out, "owner=%s,%u,%u%s\n", wg_key_to_hex(&o->key, key), o->rank, o->weight,
		o->is_relay ? ",relay" : "");
}

/* --- pieces --------------------------------------------------------------------------------------
 */

/* Prefixes of the run; how many. */
static unsigned add_run(struct uapi_get *g, const char *name, unsigned max, struct buf *out)
{
	char text[IP_PREFIX_STRLEN];
	unsigned n = 0;

	for (; g->run.at < g->run.end && n < max; n++) {
		buf_puts(out, name);
		buf_puts(out, ip_prefix_format(&g->copy.prefixes.items[g->run.at++], text));
		buf_puts(out, "\n");
	}
	return n;
}

/* Some of the peer under way, how many lines, about: his own prefixes, then those of the sets that
 * are shown under him. */
static unsigned add_some_of_peer(struct uapi_get *g, unsigned max, struct buf *out)
{
	struct uapi_peer_copy *p = &g->copy.peers[g->n];
	unsigned lines = 8;

	if (!g->is_begun) {
		add_peer(&p->info, out);
		g->is_begun = true;
		g->run = p->allowed;
		g->next_set = p->first_set;
	} else if (g->run.at < g->run.end) {
		lines = add_run(g, "allowed_ip=", max, out);
	} else if (g->next_set != UAPI_COPY_NONE) {
		const struct uapi_set_copy *s = &g->copy.sets.items[g->next_set];

		if (s->allowed.at < s->allowed.end)
			buf_printf(out, "owners=%" PRIu64 "\n", s->number);
		g->run = s->allowed;
		g->next_set = s->next;
	} else {
		sodium_memzero(&p->info, sizeof(p->info));
		g->is_begun = false;
		g->n++;
	}
	return lines;
}

/* Who the owners are, after all peers: a set that refers to a peer can be set again as it is told.
 * Prefixes of those that have nobody to be shown under come here, by a name that leads nobody to
 * take them for the last peer's. */
static unsigned add_some_of_set(struct uapi_get *g, unsigned max, struct buf *out)
{
	const struct uapi_set_copy *s = &g->copy.sets.items[g->n];
	unsigned lines = 8;

	if (!g->is_begun) {
		buf_printf(out, "owners=%" PRIu64 "\n", s->number);
		for (size_t i = 0; i < s->n_owners; i++)
			add_owner(&s->owners[i], out);
		g->is_begun = true;
		g->run = s->preferred ? (struct uapi_range){0} : s->allowed;
	} else if (g->run.at < g->run.end) {
		lines = add_run(g, "shared_ip=", max, out);
	} else {
		g->is_begun = false;
		g->n++;
	}
	return lines;
}

static unsigned add_some(struct uapi_get *g, unsigned max, struct buf *out)
{
	size_t n = g->stage == PEERS ? g->copy.n_peers : g->copy.sets.n;

	if (g->stage == DEVICE) {
		add_device(&g->copy, out);
	} else if (g->n < n) {
		return g->stage == PEERS ? add_some_of_peer(g, max, out)
					 : add_some_of_set(g, max, out);
	} else if (g->stage == SETS) {
		buf_printf(out, "errno=%d\n\n", g->error);
	}
	g->stage++;
	g->n = 0;
	return 8;
}

bool uapi_get_is_copied(const struct uapi_get *g)
{
	return g->stage > COPY;
}

bool uapi_get_is_disturbed(const struct uapi_get *g)
{
	return g->stage == COPY && g->copy.tries >= TRIES;
}

bool uapi_get_more(struct uapi_get *g, struct buf *out)
{
	if (g->stage == COPY) {
		if (uapi_copy_more(&g->copy, g->tunnel))
			g->stage = DEVICE;
		return true;
	}
	for (unsigned lines = 0; g->stage != END && lines < PIECE_LINES;)
		lines += add_some(g, PIECE_LINES - lines, out);
	return g->stage != END;
}

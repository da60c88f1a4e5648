/* SPDX-License-Identifier: MIT */
#include "daemon/changes.h"

#include "base/buf.h"
#include "base/map.h"
#include "fib/want_own.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 100

void changes_done(struct changes *c)
{
	for (size_t i = 0; i < c->lines.n; i++)
		free(c->lines.items[i]);
	vec_done(&c->lines);
}

void changes_add(struct changes *c, const char *fmt, ...)
{
	AUTO_BUF line = {0};
	va_list ap;

	if (c->lines.n == LINES_MAX) {
		c->left_out++;
		return;
	}
	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	vec_push(&c->lines, buf_steal(&line));
}

static const char *endpoint_text(const sock_addr *a, char buf[static SOCK_ADDR_STRLEN])
{
	return a->sa.sa_family == AF_UNSPEC ? "none" : sock_addr_format(a, buf);
}

void changes_endpoint(
	struct changes *c, const char *name, const sock_addr *before, const sock_addr *after)
{
	char was[SOCK_ADDR_STRLEN], is[SOCK_ADDR_STRLEN];

	changes_add(c, "%s's endpoint: %s -> %s", name, endpoint_text(before, was),
		endpoint_text(after, is));
}

/* --- a device ------------------------------------------------------------------------------------
 */

struct work {
	struct changes *c;
	const struct generation *gen;
	const struct device_state *have;
	const struct device_change *done;
};

static const char *name_of(const struct work *w, const wg_key *key)
{
	const struct generation_peer *p = generation_peer_by_key(w->gen, key);
	wg_key nobody = want_nobody_key();

	if (wg_key_eq(key, &nobody))
		return "nobody (own networks that others cover)";
	if (!p && w->c->before)
		p = generation_peer_by_key(w->c->before, key);
	return p ? p->node->name : "a peer of an older inventory";
}

static void add_settings(const struct work *w)
{
	if (w->done->set_private_key && w->have->has_key)
		changes_add(w->c, "the node's private key is another");
	if (w->done->set_listen_port)
		changes_add(
			w->c, "listen port: %u -> %u", w->have->listen_port, w->done->listen_port);
	if (w->done->set_fwmark)
		changes_add(w->c, "mark of the tunnel's own packets: %#x -> %#x", w->have->fwmark,
			w->done->fwmark);
}

static void add_peer(const struct work *w, const struct device_peer_change *p)
{
	const struct device_peer *have = device_state_peer(w->have, &p->key);
	const char *name = name_of(w, &p->key);

	if (p->remove || !have) {
		changes_add(w->c, "peer %s: %s", name, p->remove ? "removed" : "added");
		return;
	}
	if (p->set_endpoint)
		changes_endpoint(w->c, name, &have->endpoint, &p->endpoint);
	if (p->set_keepalive)
		changes_add(w->c, "keepalive towards %s: %u s -> %u s", name, have->keepalive,
			p->keepalive);
	if (p->set_psk)
		changes_add(w->c, "preshared key with %s: %s", name,
			wg_key_is_zero(&p->psk) ? "none any more"
			: have->has_psk		? "another"
						: "set");
}

/* A prefix that goes from one peer to another; NULL: nobody. */
struct turn {
	const char *from, *to;
	ip_prefix prefix;
};

typedef VEC(struct turn) turns;

static int name_cmp(const char *a, const char *b)
{
	return strcmp(a ? a : "", b ? b : "");
}

static int by_names(const void *a, const void *b)
{
	const struct turn *x = a, *y = b;
	int c = name_cmp(x->from, y->from);

	if (!c)
		c = name_cmp(x->to, y->to);
	return c ? c : ip_prefix_cmp(&x->prefix, &y->prefix);
}

static struct map *owners_of(const struct device_state *s)
{
	struct map *owners = map_new();

	for (size_t i = 0; i < s->n_peers; i++)
		for (size_t k = 0; k < s->peers[i].n_allowed; k++)
			map_put(owners, &s->peers[i].allowed[k], sizeof(ip_prefix), &s->peers[i]);
	return owners;
}

static void collect_turns(const struct work *w, turns *ret)
{
	struct map *owners = owners_of(w->have);

	for (size_t i = 0; i < w->done->n_peers; i++) {
		const struct device_peer_change *p = &w->done->peers[i];
		const char *name = name_of(w, &p->key);

		for (size_t k = 0; k < p->n_add; k++) {
			const struct device_peer *o =
				map_get(owners, &p->add[k], sizeof(ip_prefix));

			vec_push(ret,
				((struct turn){o ? name_of(w, &o->key) : NULL, name, p->add[k]}));
		}
		for (size_t k = 0; k < p->n_del; k++)
			vec_push(ret, ((struct turn){name, NULL, p->del[k]}));
	}
	map_free(owners);
}

/* One line per pair: "10.20.2.0/24 and 3 others: hub-a -> hub-b". */
static void add_turns(const struct work *w)
{
	turns all = {0};
	char prefix[IP_PREFIX_STRLEN], others[48];

	collect_turns(w, &all);
	if (all.n)
		qsort(all.items, all.n, sizeof(*all.items), by_names);
	for (size_t i = 0, end; i < all.n; i = end) {
		const struct turn *t = &all.items[i];

		for (end = i + 1; end < all.n && !name_cmp(t->from, all.items[end].from) &&
				  !name_cmp(t->to, all.items[end].to);
			end++)
			;
		others[0] = '\0';
		if (end - i > 1)
			snprintf(others, sizeof(others), " and %zu other%s", end - i - 1,
				end - i > 2 ? "s" : "");
		changes_add(w->c, "%s%s: %s -> %s", ip_prefix_format(&t->prefix, prefix), others,
			t->from ? t->from : "nobody", t->to ? t->to : "nobody");
	}
	vec_done(&all);
}

void changes_of_device(struct changes *c, const struct generation *gen,
	const struct device_state *have, const struct device_change *done)
{
	struct work w = {c, gen, have, done};

	add_settings(&w);
	for (size_t i = 0; i < done->n_peers; i++)
		add_peer(&w, &done->peers[i]);
	add_turns(&w);
}

/* SPDX-License-Identifier: MIT */
#include "daemon/endpoints.h"

#include "base/map.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* WireGuard calls every five seconds: an address that is tried gets one call at least. */
#define PAUSE_FIRST (6 * NS_PER_S)
#define PAUSE_MAX (60 * NS_PER_S)

struct known {
	const struct mesh_endpoint *name; /* of the generation; NULL: none */
	char *text;			  /* the same, where somebody must resolve it, or NULL */
	/* By generations before, if it is another: the last one that the device was known to
	 * follow, and what it was being given when this one came. AF_UNSPEC: none. */
	sock_addr before, in_flight_before;
	sock_addr on_device;
	sock_addr in_flight; /* the device is being given it; AF_UNSPEC: nothing */
	instant given_at;    /* the last time that the device took one */
	bool is_on_device;   /* the peer */
	bool failed;	     /* the last answer was none */
	instant next;	     /* not asked again before */
	int64_t pause_ns;
};

struct endpoints {
	struct known *known; /* as gen->peers */
	sock_addr *addrs;    /* the same; what is wanted on the device */
	size_t n;
	struct map *by_text;	      /* text -> the address of the first that has it */
	const struct generation *gen; /* whose peers these are; NULL: none yet */
};

struct endpoints *endpoints_new(void)
{
	struct endpoints *e = mem_zalloc(1, sizeof(*e));

	e->by_text = map_new();
	return e;
}

static void forget(struct endpoints *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->known[i].text);
	free(e->known);
	free(e->addrs);
	map_free(e->by_text);
}

void endpoints_free(struct endpoints *e)
{
	if (!e)
		return;
	forget(e);
	free(e);
}

static bool is_none(const sock_addr *a)
{
	return a->sa.sa_family == AF_UNSPEC;
}

/* The place of a peer; -1: not of this generation. */
static ptrdiff_t find(const struct endpoints *e, uint32_t peer)
{
	const struct generation_peer *p = e->gen ? generation_peer_by_id(e->gen, peer) : NULL;

	return p ? p - e->gen->peers : -1;
}

static bool numeric(const struct mesh_endpoint *name, sock_addr *ret)
{
	char text[SOCK_ADDR_STRLEN];

	snprintf(text, sizeof(text), strchr(name->host, ':') ? "[%s]:%u" : "%s:%u", name->host,
		name->port);
	return sock_addr_parse(ret, text);
}

static bool is_same(const struct mesh_endpoint *a, const struct mesh_endpoint *b)
{
	return a->port == b->port && !strcmp(a->host, b->host);
}

/* --- a generation --------------------------------------------------------------------------------
 */

/* A generation whose place the device never got is passed over: it still has that of the one
 * before. */
static sock_addr followed(const struct endpoints *e, ptrdiff_t i, const struct known *k)
{
	const struct known *old = &e->known[i];

	if (!is_none(&old->before) && sock_addr_eq(&old->before, &old->on_device))
		return old->before;
	if (old->name && !is_same(old->name, k->name))
		return e->addrs[i];
	return (sock_addr){0};
}

static void take_old(const struct endpoints *e, uint32_t peer, struct known *k)
{
	ptrdiff_t i = find(e, peer);

	if (i < 0)
		return;
	k->is_on_device = e->known[i].is_on_device;
	k->on_device = e->known[i].on_device;
	k->given_at = e->known[i].given_at;
	if (!k->name)
		return;
	k->before = followed(e, i, k);
	k->in_flight_before = e->known[i].in_flight;
}

/* By its text, or what the same name stood for in the generation before. */
static void take_name(const struct endpoints *e, const struct mesh_endpoint *name, struct known *k,
	sock_addr *ret)
{
	const sock_addr *old;

	if (!name->host)
		return;
	k->name = name;
	if (numeric(name, ret))
		return;
	k->text = mem_printf("%s:%u", name->host, name->port);
	old = map_get_str(e->by_text, k->text);
	if (old)
		*ret = *old;
}

void endpoints_set(struct endpoints *e, const struct generation *g, instant now)
{
	struct known *known = mem_zalloc(g->n_peers + 1, sizeof(*known));
	sock_addr *addrs = mem_zalloc(g->n_peers + 1, sizeof(*addrs));
	struct map *by_text = map_new();

	for (size_t i = 0; i < g->n_peers; i++) {
		struct known *k = &known[i];

		k->next = now;
		k->given_at = (instant){INT64_MIN};
		k->pause_ns = PAUSE_FIRST;
		take_name(e, g->peers[i].view->endpoint, k, &addrs[i]);
		if (k->text && !map_get_str(by_text, k->text))
			map_put_str(by_text, k->text, &addrs[i]);
		take_old(e, g->peers[i].id, k);
	}
	forget(e);
	e->by_text = by_text;
	e->known = known;
	e->addrs = addrs;
	e->n = g->n_peers;
	e->gen = g;
}

/* --- what is known -------------------------------------------------------------------------------
 */

const sock_addr *endpoints_of_peers(const struct endpoints *e)
{
	return e->addrs;
}

sock_addr endpoints_of(const struct endpoints *e, uint32_t peer)
{
	ptrdiff_t i = find(e, peer);

	return i < 0 ? (sock_addr){0} : e->addrs[i];
}

sock_addr endpoints_set_on_device(const struct endpoints *e, uint32_t peer)
{
	ptrdiff_t i = find(e, peer);

	return i < 0 ? (sock_addr){0} : e->known[i].on_device;
}

bool endpoints_is_open(const struct endpoints *e, uint32_t peer)
{
	ptrdiff_t i = find(e, peer);

	return i >= 0 && e->known[i].name && is_none(&e->addrs[i]);
}

const char *endpoints_unknown(const struct endpoints *e, uint32_t peer)
{
	ptrdiff_t i = find(e, peer);

	return endpoints_is_open(e, peer) && e->known[i].failed ? e->known[i].name->host : NULL;
}

/* --- asking --------------------------------------------------------------------------------------
 */

enum endpoints_next endpoints_overdue(struct endpoints *e, uint32_t peer, instant now)
{
	ptrdiff_t i = find(e, peer);
	struct known *k = i < 0 ? NULL : &e->known[i];
	sock_addr ignored;

	if (!k || !k->name || instant_before(now, k->next))
		return ENDPOINTS_WAIT;
	k->next = instant_add(now, k->pause_ns);
	k->pause_ns = k->pause_ns * 2 > PAUSE_MAX ? PAUSE_MAX : k->pause_ns * 2;
	return numeric(k->name, &ignored) ? ENDPOINTS_OFFER : ENDPOINTS_ASK;
}

void endpoints_working(struct endpoints *e, uint32_t peer)
{
	ptrdiff_t i = find(e, peer);

	if (i >= 0)
		e->known[i].pause_ns = PAUSE_FIRST;
}

const struct mesh_endpoint *endpoints_name(const struct endpoints *e, uint32_t peer)
{
	ptrdiff_t i = find(e, peer);

	assert(i >= 0 && e->known[i].name);
	return e->known[i].name;
}

/* The one after that which was tried last, since it is asked for only if that didn't work. */
static const sock_addr *choose(const sock_addr *addrs, size_t n, const sock_addr *last)
{
	for (size_t i = 0; i + 1 < n; i++)
		if (sock_addr_eq(&addrs[i], last))
			return &addrs[i + 1];
	return &addrs[0];
}

bool endpoints_resolved(struct endpoints *e, uint32_t peer, const sock_addr *addrs, size_t n)
{
	ptrdiff_t i = find(e, peer);

	if (i < 0 || !e->known[i].name)
		return false;
	e->known[i].failed = n == 0;
	if (n)
		e->addrs[i] = *choose(addrs, n, &e->addrs[i]);
	return n > 0;
}

/* --- the device ----------------------------------------------------------------------------------
 */

void endpoints_read(struct endpoints *e, uint32_t peer, const sock_addr *on_device, instant began)
{
	ptrdiff_t i = find(e, peer);
	struct known *k = i < 0 ? NULL : &e->known[i];

	if (!k)
		return;
	k->is_on_device = on_device;
	if (!on_device)
		k->on_device = (sock_addr){0};
	else if (is_none(&k->in_flight) && !instant_before(began, k->given_at))
		k->on_device = *on_device;
}

void endpoints_giving(struct endpoints *e, uint32_t peer, const sock_addr *endpoint)
{
	ptrdiff_t i = find(e, peer);

	if (i >= 0)
		e->known[i].in_flight = *endpoint;
}

void endpoints_given(
	struct endpoints *e, uint32_t peer, const sock_addr *endpoint, bool well, instant now)
{
	ptrdiff_t i = find(e, peer);
	struct known *k = i < 0 ? NULL : &e->known[i];

	if (!k)
		return;
	k->in_flight = (sock_addr){0};
	if (!well)
		return;
	k->is_on_device = true;
	k->on_device = *endpoint;
	k->given_at = now;
}

bool endpoints_is_on_device(const struct endpoints *e, uint32_t peer)
{
	ptrdiff_t i = find(e, peer);

	return i >= 0 && e->known[i].is_on_device;
}

bool endpoints_may_set(const struct endpoints *e, uint32_t peer, bool overdue)
{
	ptrdiff_t i = find(e, peer);
	const struct known *k = i < 0 ? NULL : &e->known[i];

	if (!k || is_none(&e->addrs[i]) || !is_none(&k->in_flight))
		return false;
	if (is_none(&k->on_device))
		return true;
	if (sock_addr_eq(&k->on_device, &e->addrs[i]))
		return false;
	return sock_addr_eq(&k->on_device, &k->before) ||
	       sock_addr_eq(&k->on_device, &k->in_flight_before) || overdue;
}

bool endpoints_has_moved(const struct endpoints *e, uint32_t peer)
{
	ptrdiff_t i = find(e, peer);

	return i >= 0 && !is_none(&e->addrs[i]) &&
	       (!is_none(&e->known[i].before) || !is_none(&e->known[i].in_flight_before));
}

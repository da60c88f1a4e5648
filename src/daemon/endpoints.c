/* SPDX-License-Identifier: MIT */
#include "daemon/endpoints.h"

#include "daemon/log.h"
#include <stdio.h>
#include <string.h>

/* WireGuard calls every five seconds: an address that is tried gets one call at least. */
#define PAUSE_FIRST (6 * NS_PER_S)
#define PAUSE_MAX (60 * NS_PER_S)

struct known {
	uint32_t peer;
	const char *host; /* of the generation */
	uint16_t port;
	sock_addr addr;
	sock_addr before; /* by the generation before, if it is another */
	bool failed;	  /* the last answer was none */
	instant next;	  /* not asked again before */
	int64_t pause_ns;
};

struct endpoints {
	uv_loop_t *loop;
	endpoints_fn *resolved;
	void *data;
	struct known *known; /* as gen->peers */
	sock_addr *addrs;
	size_t n;
	const struct generation *gen; /* whose peers these are */
	struct query *queries;	      /* under way */
};

/* Outlives its endpoints if need be: libuv can't take back what a thread is doing. */
struct query {
	uv_getaddrinfo_t req;
	struct endpoints *owner; /* NULL: nobody wants the answer any more */
	struct query *next;
	uint32_t peer;
	char *host;
	uint16_t port;
};

struct endpoints *endpoints_new(uv_loop_t *loop, endpoints_fn *resolved, void *data)
{
	struct endpoints *e = mem_zalloc(1, sizeof(*e));

	e->loop = loop;
	e->resolved = resolved;
	e->data = data;
	return e;
}

static void forget_known(struct endpoints *e)
{
	free(e->known);
	free(e->addrs);
	e->known = NULL;
	e->addrs = NULL;
	e->n = 0;
}

void endpoints_free(struct endpoints *e)
{
	if (!e)
		return;
	for (struct query *q = e->queries; q; q = q->next) {
		q->owner = NULL;
		uv_cancel((uv_req_t *)&q->req);
	}
	forget_known(e);
	free(e);
}

static struct known *find(const struct endpoints *e, uint32_t peer)
{
	const struct generation_peer *p = e->gen ? generation_peer_by_id(e->gen, peer) : NULL;

	return p ? &e->known[p - e->gen->peers] : NULL;
}

static bool numeric(const char *host, uint16_t port, sock_addr *ret)
{
	char text[SOCK_ADDR_STRLEN];

	snprintf(text, sizeof(text), strchr(host, ':') ? "[%s]:%u" : "%s:%u", host, port);
	return sock_addr_parse(ret, text);
}

static sock_addr addr_of(const struct addrinfo *ai)
{
	sock_addr addr = {0};

	if (ai->ai_addrlen <= sizeof(addr))
		memcpy(&addr, ai->ai_addr, ai->ai_addrlen);
	return addr;
}

/* The one after that which was tried last, since it is asked for only if that didn't work. */
static sock_addr choose(const struct addrinfo *first, const sock_addr *last)
{
	for (const struct addrinfo *ai = first; ai; ai = ai->ai_next) {
		sock_addr a = addr_of(ai);

		if (ai->ai_next && sock_addr_eq(&a, last))
			return addr_of(ai->ai_next);
	}
	return addr_of(first);
}

/* NULL: the inventory has changed meanwhile. */
static struct known *asked_for(struct endpoints *e, const struct query *q)
{
	struct known *k = find(e, q->peer);

	return k && k->host && !strcmp(k->host, q->host) && k->port == q->port ? k : NULL;
}

static void take_answer(struct endpoints *e, const struct query *q, const struct addrinfo *ai)
{
	struct known *k = asked_for(e, q);
	sock_addr addr;

	if (!k)
		return;
	k->failed = ai == NULL;
	if (!ai)
		return;
	addr = choose(ai, &k->addr);
	k->addr = e->addrs[k - e->known] = addr;
	e->resolved(q->peer, &addr, e->data);
}

static void unlink_query(struct query *q)
{
	for (struct query **at = &q->owner->queries; *at; at = &(*at)->next) {
		if (*at == q) {
			*at = q->next;
			return;
		}
	}
}

static void answered(uv_getaddrinfo_t *req, int status, struct addrinfo *res)
{
	struct query *q = container_of(req, struct query, req);

	if (q->owner) {
		unlink_query(q);
		if (status)
			log_debug("the endpoint %s can't be resolved: %s", q->host,
				uv_strerror(status));
		take_answer(q->owner, q, status ? NULL : res);
	}
	uv_freeaddrinfo(res);
	free(q->host);
	free(q);
}

static void ask(struct endpoints *e, struct known *k, instant now)
{
	struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_flags = AI_ADDRCONFIG};
	struct query *q;
	char port[8];

	if (instant_before(now, k->next))
		return;
	k->next = instant_add(now, k->pause_ns);
	k->pause_ns = k->pause_ns * 2 > PAUSE_MAX ? PAUSE_MAX : k->pause_ns * 2;
	if (numeric(k->host, k->port, &k->addr)) {
		e->addrs[k - e->known] = k->addr;
		e->resolved(k->peer, &k->addr, e->data);
		return;
	}
	q = mem_zalloc(1, sizeof(*q));
	q->owner = e;
	q->peer = k->peer;
	q->host = mem_strdup(k->host);
	q->port = k->port;
	snprintf(port, sizeof(port), "%u", k->port);
	if (uv_getaddrinfo(e->loop, &q->req, answered, q->host, port, &hints)) {
		free(q->host);
		free(q);
		return;
	}
	q->next = e->queries;
	e->queries = q;
}

/* The same name as one of the generation before. */
static void take_known(const struct endpoints *e, struct known *k)
{
	for (size_t i = 0; i < e->n; i++)
		if (e->known[i].host && e->known[i].port == k->port &&
			!strcmp(e->known[i].host, k->host))
			k->addr = e->known[i].addr;
}

static void note_change(struct endpoints *e, struct known *k)
{
	const struct known *old = find(e, k->peer);

	if (old && old->host && k->host && (strcmp(old->host, k->host) || old->port != k->port))
		k->before = old->addr;
}

void endpoints_set(struct endpoints *e, const struct generation *g, instant now)
{
	struct known *known = mem_zalloc(g->n_peers + 1, sizeof(*known));
	sock_addr *addrs = mem_zalloc(g->n_peers + 1, sizeof(*addrs));

	for (size_t i = 0; i < g->n_peers; i++) {
		const struct generation_peer *p = &g->peers[i];
		struct known *k = &known[i];

		*k = (struct known){
			.peer = p->id,
			.host = p->view->endpoint->host,
			.port = p->view->endpoint->port,
			.next = now,
			.pause_ns = PAUSE_FIRST,
		};
		if (k->host && !numeric(k->host, k->port, &k->addr))
			take_known(e, k);
		note_change(e, k);
	}
	for (size_t i = 0; i < g->n_peers; i++)
		addrs[i] = known[i].addr;
	forget_known(e);
	e->known = known;
	e->addrs = addrs;
	e->n = g->n_peers;
	e->gen = g;
	for (size_t i = 0; i < e->n; i++)
		if (known[i].host && known[i].addr.sa.sa_family == AF_UNSPEC)
			ask(e, &known[i], now);
}

bool endpoints_are_asked(const struct endpoints *e)
{
	return e->queries != NULL;
}

const sock_addr *endpoints_of_peers(const struct endpoints *e)
{
	return e->addrs;
}

sock_addr endpoints_before(const struct endpoints *e, uint32_t peer)
{
	const struct known *k = find(e, peer);

	return k ? k->before : (sock_addr){0};
}

const char *endpoints_unknown(const struct endpoints *e, uint32_t peer)
{
	const struct known *k = find(e, peer);

	return k && k->host && k->failed && k->addr.sa.sa_family == AF_UNSPEC ? k->host : NULL;
}

void endpoints_overdue(struct endpoints *e, uint32_t peer, instant now)
{
	struct known *k = find(e, peer);

	if (k && k->host)
		ask(e, k, now);
}

void endpoints_working(struct endpoints *e, uint32_t peer)
{
	struct known *k = find(e, peer);

	if (k)
		k->pause_ns = PAUSE_FIRST;
}

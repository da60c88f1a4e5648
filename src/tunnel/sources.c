/* SPDX-License-Identifier: MIT */
#include "tunnel/sources.h"

#include "base/mem.h"
#include "sys/rtnl.h"
#include "tunnel/device.h"
#include "tunnel/handshake_queue.h"
#include "tunnel/peer.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>

#define NEWS_ROOM 4096		    /* some messages */
#define PAUSE_LEAST (5 * NS_PER_MS) /* between looks at all peers, twice as long each time */
#define PAUSE_MOST (100 * NS_PER_MS)
#define QUIET (NS_PER_S)     /* after which it is short again */
#define PAUSE_FACTOR 9	     /* and so many times as long as the last one took */
#define RETRY_NS (NS_PER_MS) /* while somebody configures */

struct sources {
	struct rtnl *rtnl; /* NULL: can't be had */
	struct rtnl_monitor *news;
	pthread_mutex_t lock; /* a leaf */
	struct list asked;    /* source_entry.link of peers to be judged; lock */
	/* The handshake thread's. */
	bool has_news;
	bool is_looking; /* at all peers, since began */
	instant began, not_before;
	int64_t pause;
};

int sources_new(struct sources **ret)
{
	struct sources *s = mem_zalloc(1, sizeof(*s));
	int err = rtnl_open(&s->rtnl);

	pthread_mutex_init(&s->lock, NULL);
	list_init(&s->asked);
	if (!err)
		err = rtnl_monitor_open_for(
			RTNL_LINK | RTNL_ADDR | RTNL_ROUTE | RTNL_RULE, NEWS_ROOM, &s->news);
	if (err == -EMFILE || err == -ENFILE || err == -ENOMEM) {
		sources_free(s);
		return err;
	}
	*ret = s;
	return 0;
}

void sources_free(struct sources *s)
{
	if (!s)
		return;
	rtnl_monitor_close(s->news);
	rtnl_close(s->rtnl);
	pthread_mutex_destroy(&s->lock);
	free(s);
}

/* --- who is to be judged -------------------------------------------------------------------------
 */

void source_entry_init(struct source_entry *e)
{
	list_init(&e->link);
}

static bool hang(struct tunnel_peer *p)
{
	struct sources *s = p->tunnel->sources;
	bool was_empty;

	pthread_mutex_lock(&s->lock);
	was_empty = list_is_empty(&s->asked);
	/* Who is removed is marked first and taken off the list then. */
	if (list_is_empty(&p->source.link) && !atomic_load_explicit(&p->dead, memory_order_acquire))
		list_append(&s->asked, &p->source.link);
	pthread_mutex_unlock(&s->lock);
	return was_empty;
}

void sources_ask(struct tunnel_peer *p)
{
	if (p->tunnel->sources->rtnl && hang(p))
		handshake_queue_wake(p->tunnel->handshakes);
}

void sources_forget(struct tunnel_peer *p)
{
	struct sources *s = p->tunnel->sources;

	pthread_mutex_lock(&s->lock);
	list_remove(&p->source.link);
	pthread_mutex_unlock(&s->lock);
}

static struct tunnel_peer *next_asked(struct sources *s)
{
	struct tunnel_peer *p = NULL;

	pthread_mutex_lock(&s->lock);
	if (!list_is_empty(&s->asked)) {
		p = container_of(s->asked.next, struct tunnel_peer, source.link);
		list_remove(&p->source.link);
	}
	pthread_mutex_unlock(&s->lock);
	return p;
}

/* --- verdicts ------------------------------------------------------------------------------------
 */

enum verdict { SOURCE_GOOD, SOURCE_BAD, SOURCE_UNKNOWN };

static bool is_link_local(const ip_addr *a)
{
	if (a->family == AF_INET)
		return a->bytes[0] == 169 && a->bytes[1] == 254;
	return a->bytes[0] == 0xfe && (a->bytes[1] & 0xc0) == 0x80;
}

/* IPv6 looks routes up from whatever address. */
static bool is_ours(struct sources *s, const ip_addr *a, int ifindex)
{
	struct rtnl_flow flow = {.to = *a, .ifindex = is_link_local(a) ? ifindex : 0};
	uint8_t type = 0;
	int by;

	return !rtnl_flow_route(s->rtnl, &flow, &by, &type) && type == RTN_LOCAL;
}

static enum verdict judge(struct tunnel *t, const struct udp_endpoint *e)
{
	struct rtnl_flow flow = {.to = sock_addr_ip(&e->remote),
		.from = e->local,
		.to_port = sock_addr_port(&e->remote),
		.from_port = t->listen_port,
		.fwmark = t->fwmark};
	struct sources *s = t->sources;
	uint8_t type = 0;
	int err, ifindex = 0;

	if (!s->rtnl || !e->local_ifindex || flow.to.family != e->local.family)
		return SOURCE_GOOD;
	if (e->local.family == AF_INET6 && !is_ours(s, &e->local, e->local_ifindex))
		return SOURCE_BAD;
	/* As it will be sent (udp.c). */
	if (is_link_local(&e->local))
		flow.ifindex = e->local_ifindex;
	else if (is_link_local(&flow.to) && flow.to.family == AF_INET6)
		flow.ifindex = (int)e->remote.in6.sin6_scope_id;
	err = rtnl_flow_route(s->rtnl, &flow, &ifindex, &type);
	if (err == -EINVAL || err == -ENODEV)
		return SOURCE_BAD;
	/* No way at all, for now: another source has none either. */
	if (err || (type != RTN_UNICAST && type != RTN_LOCAL))
		return SOURCE_UNKNOWN;
	return type == RTN_LOCAL || ifindex == e->local_ifindex ? SOURCE_GOOD : SOURCE_BAD;
}

/* With p->lock held. */
static void settle(struct tunnel_peer *p, const struct udp_endpoint *e, enum verdict verdict)
{
	bool is_refused = udp_endpoint_eq(&p->refused, e);

	if (verdict == SOURCE_BAD) {
		p->refused = *e;
		if (udp_endpoint_eq(&p->endpoint, e))
			peer_forget_source(p);
	} else if (verdict == SOURCE_GOOD && is_refused) {
		p->refused = (struct udp_endpoint){0};
		/* So that the next packet teaches it. */
		atomic_fetch_add_explicit(&p->endpoint_epoch, 1, memory_order_release);
	}
}

static void judge_peer(struct tunnel_peer *p)
{
	struct udp_endpoint es[2];

	pthread_mutex_lock(&p->lock);
	es[0] = p->endpoint;
	es[1] = p->refused;
	pthread_mutex_unlock(&p->lock);
	for (unsigned i = 0; i < 2; i++) {
		enum verdict v = es[i].local.family ? judge(p->tunnel, &es[i]) : SOURCE_UNKNOWN;

		pthread_mutex_lock(&p->lock);
		settle(p, &es[i], v);
		pthread_mutex_unlock(&p->lock);
	}
}

struct udp_endpoint sources_check(struct tunnel_peer *p, const struct udp_endpoint *from)
{
	struct udp_endpoint e = *from;
	bool is_known, is_bad;

	pthread_mutex_lock(&p->lock);
	is_known = udp_endpoint_eq(&p->endpoint, from);
	is_bad = udp_endpoint_eq(&p->refused, from);
	pthread_mutex_unlock(&p->lock);
	if (!is_known && !is_bad && from->local.family) {
		is_bad = judge(p->tunnel, from) == SOURCE_BAD;
		pthread_mutex_lock(&p->lock);
		settle(p, from, is_bad ? SOURCE_BAD : SOURCE_UNKNOWN);
		pthread_mutex_unlock(&p->lock);
	}
	if (is_bad) {
		e.local = (ip_addr){0};
		e.local_ifindex = 0;
	}
	return e;
}

/* --- news ----------------------------------------------------------------------------------------
 */

int sources_fd(const struct sources *s)
{
	return s->news && !s->has_news ? rtnl_monitor_fd(s->news) : -1;
}

void sources_note(struct sources *s)
{
	s->has_news = true;
}

instant sources_deadline(const struct sources *s)
{
	return s->has_news && !s->is_looking ? s->not_before : INSTANT_NEVER;
}

/* All peers that have a source, or were refused one. */
static void look_at_all(struct tunnel *t, instant now)
{
	struct sources *s = t->sources;

	if (pthread_mutex_trylock(&t->config_lock)) {
		s->not_before = instant_add(now, RETRY_NS);
		return;
	}
	/* What changes from here on is news again. */
	(void)rtnl_monitor_read(s->news);
	s->has_news = false;
	s->is_looking = true;
	/* The first news of a change often come in the middle of it. */
	s->pause = instant_diff(now, s->began) > QUIET ? PAUSE_LEAST : s->pause * 2;
	if (s->pause > PAUSE_MOST)
		s->pause = PAUSE_MOST;
	s->began = now;
	list_for_each (at, &t->peers) {
		struct tunnel_peer *p = container_of(at, struct tunnel_peer, in_order);
		bool has_any;

		pthread_mutex_lock(&p->lock);
		has_any = p->endpoint.local.family || p->refused.local.family;
		pthread_mutex_unlock(&p->lock);
		if (has_any)
			hang(p);
	}
	pthread_mutex_unlock(&t->config_lock);
}

bool sources_work(struct tunnel *t, instant now)
{
	struct sources *s = t->sources;
	struct tunnel_peer *p;

	if (s->has_news && !s->is_looking && now.ns >= s->not_before.ns)
		look_at_all(t, now);
	p = next_asked(s);
	if (p) {
		judge_peer(p);
		return true;
	}
	if (s->is_looking) {
		int64_t pause = instant_diff(now, s->began) * PAUSE_FACTOR;

		s->is_looking = false;
		s->not_before = instant_add(now, pause > s->pause ? pause : s->pause);
	}
	return false;
}

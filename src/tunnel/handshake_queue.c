/* SPDX-License-Identifier: MIT */
#include "tunnel/handshake_queue.h"

#include "sys/clock.h"
#include "sys/wake.h"
#include "tunnel/device.h"
#include "tunnel/packet.h"
#include "tunnel/peer.h"
#include "wg/index.h"
#include "wg/ratelimit.h"

#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHARE 256 /* of the queue, of one source */
#define BUCKETS 4096
#define MAX_SUSPECTS 1024
#define MAX_PROVEN 64

/* First in, first out. */
struct ring {
	struct queued *items;
	unsigned size, head, n;
};

/* Of the sources that fall into it. */
struct bucket {
	unsigned n; /* in the queue */
	instant suspected_until;
};

struct handshake_queue {
	pthread_mutex_t lock; /* handshake_lock: of all in here */
	int wake;
	struct ring queue, suspects, proven;
	struct queued room[WG_MAX_QUEUED_HANDSHAKES + MAX_SUSPECTS + MAX_PROVEN];
	/* A source has a bucket in each row; those who share one hardly share the other too. */
	struct bucket buckets[HANDSHAKE_ROWS][BUCKETS];
	uint8_t bucket_key[crypto_shorthash_KEYBYTES];
	struct list wishes; /* peers that want an initiation, by initiation_wish.link */
	instant loaded_until;
	struct cookie_checker checker; /* a copy */
	struct ratelimit *ratelimit;   /* the handshake thread's */
};

struct handshake_queue *handshake_queue_new(void)
{
	struct handshake_queue *q = calloc(1, sizeof(*q));
	uint8_t seed[16];

	if (!q)
		return NULL;
	pthread_mutex_init(&q->lock, NULL);
	list_init(&q->wishes);
	q->queue = (struct ring){q->room, WG_MAX_QUEUED_HANDSHAKES, 0, 0};
	q->suspects = (struct ring){q->room + WG_MAX_QUEUED_HANDSHAKES, MAX_SUSPECTS, 0, 0};
	q->proven = (struct ring){q->suspects.items + MAX_SUSPECTS, MAX_PROVEN, 0, 0};
	randombytes_buf(q->bucket_key, sizeof(q->bucket_key));
	randombytes_buf(seed, sizeof(seed));
	q->ratelimit = ratelimit_new(seed);
	q->wake = wake_new();
	if (q->wake >= 0 && q->ratelimit)
		return q;
	handshake_queue_free(q);
	return NULL;
}

void handshake_queue_free(struct handshake_queue *q)
{
	if (!q)
		return;
	if (q->wake >= 0)
		close(q->wake);
	ratelimit_free(q->ratelimit);
	pthread_mutex_destroy(&q->lock);
	sodium_memzero(&q->checker, sizeof(q->checker));
	free(q);
}

int handshake_queue_fd(const struct handshake_queue *q)
{
	return q->wake;
}

void handshake_queue_wake(struct handshake_queue *q)
{
	wake_up(q->wake);
}

/* --- rings ---------------------------------------------------------------------------------------
 */

/* The place of a new last one, or NULL: it is full. */
static struct queued *ring_add(struct ring *r)
{
	return r->n < r->size ? &r->items[(r->head + r->n++) % r->size] : NULL;
}

static bool ring_take(struct ring *r, struct queued *ret)
{
	if (!r->n)
		return false;
	*ret = r->items[r->head];
	r->head = (r->head + 1) % r->size;
	r->n--;
	return true;
}

/* --- messages come -------------------------------------------------------------------------------
 */

static void find_rows(
	const struct handshake_queue *q, const sock_addr *from, uint16_t rows[HANDSHAKE_ROWS])
{
	ip_addr a = sock_addr_ip(from);
	uint64_t hash;

	if (a.family == AF_INET6)
		memset(a.bytes + 8, 0, 8);
	crypto_shorthash((uint8_t *)&hash, (const uint8_t *)&a, sizeof(a), q->bucket_key);
	for (unsigned i = 0; i < HANDSHAKE_ROWS; i++, hash /= BUCKETS)
		rows[i] = (uint16_t)(hash % BUCKETS);
}

static bool is_suspected(
	const struct handshake_queue *q, const uint16_t rows[HANDSHAKE_ROWS], instant now)
{
	for (unsigned i = 0; i < HANDSHAKE_ROWS; i++)
		if (now.ns >= q->buckets[i][rows[i]].suspected_until.ns)
			return false;
	return true;
}

/* It has, or had within the last second. */
static bool has_its_share(
	struct handshake_queue *q, const uint16_t rows[HANDSHAKE_ROWS], instant now)
{
	for (unsigned i = 0; i < HANDSHAKE_ROWS; i++)
		if (q->buckets[i][rows[i]].n < SHARE)
			return is_suspected(q, rows, now);
	for (unsigned i = 0; i < HANDSHAKE_ROWS; i++)
		q->buckets[i][rows[i]].suspected_until = instant_add(now, NS_PER_S);
	return true;
}

/* Only who got our message knows its index; a cookie reply may come for a session's first one too.
 */
static bool knows_our_index(struct tunnel *t, const uint8_t *message)
{
	uint32_t type = get_le32(message);
	size_t at = type == WG_RESPONSE ? 8 : 4;
	const enum ref_kind *ref;

	if (type == WG_INITIATION)
		return false;
	ref = index_lookup(t->indices, get_le32(message + at));
	return ref && (type == WG_COOKIE_REPLY || *ref == REF_HANDSHAKE);
}

/* Its cookie, or our index: whoever forges its address has neither. Without a lock. */
static bool has_proof(struct tunnel *t, const struct cookie_checker *checker,
	const struct udp_in *in, const uint8_t *message, size_t len, instant now)
{
	static const uint8_t none[WG_MAC_LEN];
	struct cookie_checker c = *checker;

	if (get_le32(message) == WG_COOKIE_REPLY ||
		!memcmp(message + len - WG_MAC_LEN, none, WG_MAC_LEN))
		return knows_our_index(t, message);
	return cookie_check(&c, message, len, &in->from.remote, true, now) == COOKIE_MAC2_GOOD ||
	       knows_our_index(t, message);
}

static void put(struct queued *e, const struct udp_in *in, const uint8_t *message, size_t len)
{
	e->from = in->from;
	e->len = (uint16_t)len;
	e->needs_cookie = e->is_proven = false;
	memcpy(e->message, message, len);
}

/* The four with the lock held; the place, or NULL. */
static struct queued *add_to_queue(
	struct handshake_queue *q, const uint16_t rows[HANDSHAKE_ROWS], instant now)
{
	struct queued *e = ring_add(&q->queue);

	if (!e)
		return NULL;
	memcpy(e->rows, rows, sizeof(e->rows));
	for (unsigned i = 0; i < HANDSHAKE_ROWS; i++)
		q->buckets[i][rows[i]].n++;
	if (q->queue.n >= WG_UNDER_LOAD_AT)
		q->loaded_until = instant_add(now, NS_PER_S);
	return e;
}

/* So many a second and source as get a handshake by their cookie. */
static struct queued *add_proven(struct handshake_queue *q, const struct udp_in *in, instant now)
{
	ip_addr from = sock_addr_ip(&in->from.remote);

	return ratelimit_allow(q->ratelimit, &from, now) ? ring_add(&q->proven) : NULL;
}

static bool is_loaded(const struct handshake_queue *q, instant now)
{
	return q->queue.n >= WG_UNDER_LOAD_AT || now.ns < q->loaded_until.ns;
}

static unsigned n_waiting(const struct handshake_queue *q)
{
	return q->queue.n + q->suspects.n + q->proven.n;
}

void handshake_enqueue(
	struct tunnel *t, const struct udp_in *in, const uint8_t *message, size_t len, instant now)
{
	struct handshake_queue *q = t->handshakes;
	bool is_suspect, is_crowded, is_proven = false, was_empty;
	struct cookie_checker checker;
	uint16_t rows[HANDSHAKE_ROWS];
	struct queued *e = NULL;

	find_rows(q, &in->from.remote, rows);
	pthread_mutex_lock(&q->lock);
	is_suspect = has_its_share(q, rows, now);
	is_crowded = is_suspect || is_loaded(q, now);
	if (is_crowded) {
		checker = q->checker;
		pthread_mutex_unlock(&q->lock);
		is_proven = has_proof(t, &checker, in, message, len, now);
		pthread_mutex_lock(&q->lock);
	}
	was_empty = !n_waiting(q);
	if (is_proven)
		e = add_proven(q, in, now);
	is_proven = e;
	if (!e && !is_suspect)
		e = add_to_queue(q, rows, now);
	else if (!e && get_le32(message) != WG_COOKIE_REPLY)
		e = ring_add(&q->suspects);
	if (e) {
		put(e, in, message, len);
		e->is_proven = is_proven;
		e->needs_cookie = is_suspect;
	}
	pthread_mutex_unlock(&q->lock);
	if (!e)
		tunnel_count(t, TUNNEL_DROP_HANDSHAKE, 1);
	else if (was_empty)
		handshake_queue_wake(q);
}

/* --- and go --------------------------------------------------------------------------------------
 */

bool handshake_dequeue(struct handshake_queue *q, struct queued *ret)
{
	bool any, from_queue;

	pthread_mutex_lock(&q->lock);
	any = ring_take(&q->proven, ret);
	from_queue = !any && ring_take(&q->queue, ret);
	for (unsigned i = 0; from_queue && i < HANDSHAKE_ROWS; i++)
		q->buckets[i][ret->rows[i]].n--;
	/* What came before its source had its share. */
	if (from_queue && is_suspected(q, ret->rows, sys_now()))
		ret->needs_cookie = true;
	pthread_mutex_unlock(&q->lock);
	return any || from_queue;
}

size_t handshake_take_suspects(struct handshake_queue *q, struct queued *ret, size_t most)
{
	size_t n = 0;

	pthread_mutex_lock(&q->lock);
	while (n < most && ring_take(&q->suspects, &ret[n]))
		n++;
	pthread_mutex_unlock(&q->lock);
	return n;
}

bool handshake_is_under_load(struct handshake_queue *q, instant now)
{
	bool loaded;

	pthread_mutex_lock(&q->lock);
	loaded = is_loaded(q, now);
	pthread_mutex_unlock(&q->lock);
	return loaded;
}

bool handshake_has_token(struct handshake_queue *q, const sock_addr *from, instant now)
{
	ip_addr source = sock_addr_ip(from);
	bool has;

	pthread_mutex_lock(&q->lock);
	has = ratelimit_allow(q->ratelimit, &source, now);
	pthread_mutex_unlock(&q->lock);
	return has;
}

void handshake_show_checker(struct handshake_queue *q, const struct cookie_checker *c)
{
	/* The handshake thread alone writes it. */
	if (!sodium_memcmp(&q->checker, c, sizeof(*c)))
		return;
	pthread_mutex_lock(&q->lock);
	q->checker = *c;
	pthread_mutex_unlock(&q->lock);
}

/* --- wishes --------------------------------------------------------------------------------------
 */

void initiation_wish_init(struct initiation_wish *w)
{
	list_init(&w->link);
}

void handshake_request(struct tunnel_peer *p, bool is_retry)
{
	struct handshake_queue *q = p->tunnel->handshakes;
	bool is_new;

	pthread_mutex_lock(&q->lock);
	is_new = !p->initiation.is_there && !atomic_load_explicit(&p->dead, memory_order_acquire);
	if (is_new) {
		list_append(&q->wishes, &p->initiation.link);
		p->initiation.is_retry = is_retry;
		p->initiation.is_there = true;
	} else if (!is_retry) {
		p->initiation.is_retry = false;
	}
	pthread_mutex_unlock(&q->lock);
	if (is_new)
		handshake_queue_wake(q);
}

void handshake_forget(struct tunnel_peer *p)
{
	struct handshake_queue *q = p->tunnel->handshakes;

	pthread_mutex_lock(&q->lock);
	list_remove(&p->initiation.link);
	p->initiation.is_there = false;
	pthread_mutex_unlock(&q->lock);
}

struct tunnel_peer *handshake_next_wish(struct handshake_queue *q, bool *is_retry)
{
	struct tunnel_peer *p = NULL;

	pthread_mutex_lock(&q->lock);
	if (!list_is_empty(&q->wishes)) {
		p = container_of(q->wishes.next, struct tunnel_peer, initiation.link);
		list_remove(&p->initiation.link);
		p->initiation.is_there = false;
		*is_retry = p->initiation.is_retry;
	}
	pthread_mutex_unlock(&q->lock);
	return p;
}

/* SPDX-License-Identifier: MIT */
/*
 * The thread, and rx's first job: datagrams are received, many at once, and each data message's
 * session found by its index; handshake messages are handed on. Now and then all that workers have
 * is completed, so that this thread can say that it holds nothing.
 */
#include "tunnel/rx.h"

#include "base/mem.h"
#include "sys/clock.h"
#include "sys/process.h"
#include "sys/rounds.h"
#include "sys/wake.h"
#include "tunnel/device.h"
#include "tunnel/duty.h"
#include "tunnel/handshake_queue.h"
#include "tunnel/keypair.h"
#include "tunnel/packet.h"
#include "tunnel/rx_open.h"
#include "tunnel/sockets.h"
#include "wg/index.h"

#include <linux/capability.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define COMPLETE_EVERY 16 /* rounds */
#define ASK_EVERY 32	  /* rounds */

struct rx {
	struct tunnel *t;
	struct rx_opener opener;
	unsigned worker; /* of qsbr */
	struct duty *duty;
	unsigned n_rounds; /* after every so many all is completed */
	uint64_t bytes;	   /* since duty was asked */
	/* The last session looked up in this recvmmsg, or NULL. */
	struct keypair *last_keypair;
	uint32_t last_index;
	bool is_active[2]; /* the sockets of IPv4 and IPv6: worth asking */
};

/* --- datagrams -----------------------------------------------------------------------------------
 */

static struct keypair *keypair_of(struct rx *x, uint32_t index)
{
	struct keypair *k;

	if (x->last_keypair && x->last_index == index)
		return x->last_keypair;
	k = index_lookup(x->t->indices, index);
	if (!k || k->kind != REF_KEYPAIR)
		return NULL;
	x->last_index = index;
	x->last_keypair = k;
	return k;
}

static void take_data(struct rx *x, const struct udp_in *in, uint8_t *data, size_t len)
{
	struct rx_arrival a = {keypair_of(x, get_le32(data + 4)), in, get_le64(data + 8),
		data + WG_DATA_HEADER_LEN, len - WG_DATA_OVERHEAD};

	if (!a.keypair)
		tunnel_count(x->t, TUNNEL_DROP_UNKNOWN_INDEX, 1);
	else if (instant_diff(x->opener.out.now, a.keypair->born) >= WG_REJECT_AFTER_TIME)
		tunnel_count(x->t, TUNNEL_DROP_NO_SESSION, 1);
	else
		rx_open_add(&x->opener, &a);
}

static void take_datagram(struct rx *x, const struct udp_in *in, uint8_t *data, size_t len)
{
	uint32_t type = len >= 4 ? get_le32(data) : 0;

	if (type == WG_DATA && len >= WG_DATA_OVERHEAD)
		take_data(x, in, data, len);
	else if ((type == WG_INITIATION && len == WG_INITIATION_LEN) ||
		 (type == WG_RESPONSE && len == WG_RESPONSE_LEN) ||
		 (type == WG_COOKIE_REPLY && len == WG_COOKIE_REPLY_LEN))
		handshake_enqueue(x->t, in, data, len, x->opener.out.now);
	else
		tunnel_count(x->t, TUNNEL_DROP_MALFORMED, 1);
}

static void take_message(struct rx *x, const struct udp_in *in)
{
	size_t step = in->segment ? in->segment : in->len;

	if (!in->len) /* empty, or truncated */
		tunnel_count(x->t, TUNNEL_DROP_MALFORMED, 1);
	for (size_t at = 0; at < in->len; at += step)
		take_datagram(x, in, in->data + at, in->len - at < step ? in->len - at : step);
}

static bool receive_round(struct rx *x, int family)
{
	struct udp *udp = sockets_udp(x->t->sockets);
	const struct udp_in *in;
	size_t n;

	if (udp_fd(udp, family) < 0)
		return false;
	n = udp_receive(udp, family, x->opener.filling->receiver, &in);
	for (size_t i = 0; i < n; i++) {
		x->bytes += in[i].len;
		take_message(x, &in[i]);
	}
	if (n)
		rx_open_turn(&x->opener);
	x->last_keypair = NULL;
	return n;
}

/*
 * A socket that is empty while the other has something isn't asked again until poll says so, or
 * until enough rounds have passed.
 */
static bool receive_active(struct rx *x)
{
	bool got[2] = {false, false};

	if (x->n_rounds % ASK_EVERY == 0)
		x->is_active[0] = x->is_active[1] = true;
	for (unsigned i = 0; i < 2; i++)
		got[i] = x->is_active[i] && receive_round(x, i ? AF_INET6 : AF_INET);
	if (got[0] || got[1])
		memcpy(x->is_active, got, sizeof(got));
	return got[0] || got[1];
}

/* --- the thread ----------------------------------------------------------------------------------
 */

/* While nothing is pending. */
static void ask_for_help(struct rx *x)
{
	rx_open_set_help(&x->opener, duty_wants_help(x->duty, x->bytes, x->opener.out.now) &&
					     workers_start(x->t->workers));
	x->bytes = 0;
}

static void wait_for_work(struct rx *x)
{
	struct udp *udp = sockets_udp(x->t->sockets);
	struct pollfd fds[] = {{sockets_wake_fd(x->t->sockets), POLLIN, 0},
		{udp_fd(udp, AF_INET), POLLIN, 0}, {udp_fd(udp, AF_INET6), POLLIN, 0}};

	x->t->aead->forget(x->opener.aead);
	qsbr_sleep(x->t->qsbr, x->worker);
	poll(fds, 3, -1);
	x->is_active[0] = fds[1].revents;
	x->is_active[1] = fds[2].revents;
	if (fds[0].revents)
		wake_clear(fds[0].fd);
	qsbr_wake(x->t->qsbr, x->worker);
}

/* True if anything came. */
static bool work(struct rx *x)
{
	bool got;

	sockets_let_others(x->t->sockets);
	x->opener.out.now = sys_now();
	if (!x->opener.pending)
		ask_for_help(x);
	got = receive_active(x);
	if (!got || ++x->n_rounds % COMPLETE_EVERY == 0)
		rx_open_complete(&x->opener);
	if (!x->opener.pending)
		qsbr_quiescent(x->t->qsbr, x->worker);
	return got;
}

static struct rx *rx_new(struct tunnel *t)
{
	struct rx *x = mem_zalloc(1, sizeof(*x));

	x->t = t;
	rx_open_init(&x->opener, t, t->aead->thread_new(t->aead));
	x->duty = duty_new(t->n_workers);
	x->worker = qsbr_register(t->qsbr);
	return x;
}

static void rx_free(struct rx *x)
{
	qsbr_unregister(x->t->qsbr, x->worker);
	duty_free(x->duty);
	x->t->aead->thread_free(x->opener.aead);
	rx_open_done(&x->opener);
	free(x);
}

void *rx_run(void *tunnel)
{
	struct rx *x = rx_new(tunnel);
	struct rounds *rounds = rounds_begin();
	unsigned yields = 0;

	process_drop_cap(CAP_SYS_NICE);
	qsbr_wake(x->t->qsbr, x->worker);
	sockets_take(x->t->sockets);
	while (!atomic_load_explicit(&x->t->stopping, memory_order_acquire)) {
		bool got = work(x);

		rounds_next(rounds); /* what ends a wait is urged as well */
		if (got) {
			yields = 0;
		} else if (yields < TUNNEL_YIELDS) {
			sched_yield();
			yields++;
		} else {
			wait_for_work(x);
			yields = 0;
		}
	}
	rx_open_complete(&x->opener);
	sockets_release(x->t->sockets);
	qsbr_sleep(x->t->qsbr, x->worker);
	rounds_end(rounds);
	rx_free(x);
	return NULL;
}

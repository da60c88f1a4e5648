/* SPDX-License-Identifier: MIT */
#include "tunnel/sockets.h"

#include "base/mem.h"
#include "sys/wake.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct sockets {
	struct udp *udp;
	pthread_mutex_t send_lock; /* of udp_send, and of changing udp */
	pthread_mutex_t rx_round;  /* held by rx while it may use udp, and by who changes it */
	_Atomic bool is_wanted;	   /* rx shall let go; tunnel_lock */
	int wake;
};

struct sockets *sockets_new(udp_log_fn *log, void *data)
{
	struct sockets *s = mem_zalloc(1, sizeof(*s));

	pthread_mutex_init(&s->send_lock, NULL);
	pthread_mutex_init(&s->rx_round, NULL);
	s->udp = udp_new(log, data);
	s->wake = wake_new();
	if (s->udp && s->wake >= 0)
		return s;
	sockets_free(s);
	return NULL;
}

void sockets_free(struct sockets *s)
{
	if (!s)
		return;
	udp_free(s->udp);
	close(s->wake);
	pthread_mutex_destroy(&s->send_lock);
	pthread_mutex_destroy(&s->rx_round);
	free(s);
}

size_t sockets_send(struct sockets *s, const struct udp_out *out, size_t n)
{
	size_t sent;

	pthread_mutex_lock(&s->send_lock);
	sent = udp_send(s->udp, out, n, NULL);
	pthread_mutex_unlock(&s->send_lock);
	return sent;
}

/* --- who binds and closes ------------------------------------------------------------------------
 */

void sockets_pause(struct sockets *s)
{
	atomic_store_explicit(&s->is_wanted, true, memory_order_release);
	sockets_wake(s);
	pthread_mutex_lock(&s->rx_round);
	pthread_mutex_lock(&s->send_lock);
}

void sockets_resume(struct sockets *s)
{
	pthread_mutex_unlock(&s->send_lock);
	atomic_store_explicit(&s->is_wanted, false, memory_order_release);
	pthread_mutex_unlock(&s->rx_round);
}

int sockets_bind(struct sockets *s, uint16_t *port, uint32_t fwmark)
{
	int err;

	sockets_pause(s);
	err = udp_bind(s->udp, port, fwmark);
	sockets_resume(s);
	return err;
}

void sockets_unbind(struct sockets *s)
{
	sockets_pause(s);
	udp_unbind(s->udp);
	sockets_resume(s);
}

int sockets_set_fwmark(struct sockets *s, uint32_t fwmark)
{
	int err;

	pthread_mutex_lock(&s->send_lock);
	err = udp_set_fwmark(s->udp, fwmark);
	pthread_mutex_unlock(&s->send_lock);
	return err;
}

uint64_t sockets_receive_drops(struct sockets *s)
{
	return udp_receive_drops(s->udp);
}

/* --- rx ------------------------------------------------------------------------------------------
 */

void sockets_take(struct sockets *s)
{
	pthread_mutex_lock(&s->rx_round);
}

void sockets_release(struct sockets *s)
{
	pthread_mutex_unlock(&s->rx_round);
}

void sockets_let_others(struct sockets *s)
{
	if (!atomic_load_explicit(&s->is_wanted, memory_order_acquire))
		return;
	pthread_mutex_unlock(&s->rx_round);
	/* A mutex isn't fair: wait until the other has it. */
	while (atomic_load_explicit(&s->is_wanted, memory_order_acquire))
		sched_yield();
	pthread_mutex_lock(&s->rx_round);
}

struct udp *sockets_udp(struct sockets *s)
{
	return s->udp;
}

int sockets_wake_fd(const struct sockets *s)
{
	return s->wake;
}

void sockets_wake(struct sockets *s)
{
	wake_up(s->wake);
}

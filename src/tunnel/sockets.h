/* SPDX-License-Identifier: MIT */
/*
 * A device's UDP sockets among its threads: any of them sends, rx alone receives, configurators
 * bind and close. Who binds or closes must be alone with them: senders are kept out by a lock, and
 * rx is stopped between two of its rounds, out of poll, and goes on with the new ones.
 */
#ifndef SHUNT_TUNNEL_SOCKETS_H
#define SHUNT_TUNNEL_SOCKETS_H

#include "tunnel/udp.h"

struct sockets;

/* Not bound yet; log is for what the operator should know, may be NULL. NULL without memory or a
 * descriptor. */
struct sockets *sockets_new(udp_log_fn *log, void *data);
/* rx has ended. Accepts NULL. */
void sockets_free(struct sockets *s);

/* Any thread: udp_send. Returns how many datagrams were sent. */
size_t sockets_send(struct sockets *s, const struct udp_out *out, size_t n);

/* Under tunnel_lock: between the two nobody sends, and rx is between two of its rounds. */
void sockets_pause(struct sockets *s);
void sockets_resume(struct sockets *s);
/* Under tunnel_lock: as udp_bind, udp_unbind, udp_set_fwmark, udp_receive_drops. */
int sockets_bind(struct sockets *s, uint16_t *port, uint32_t fwmark);
void sockets_unbind(struct sockets *s);
int sockets_set_fwmark(struct sockets *s, uint32_t fwmark);
uint64_t sockets_receive_drops(struct sockets *s);

/* rx alone: between these two it may receive on sockets_udp. */
void sockets_take(struct sockets *s);
void sockets_release(struct sockets *s);
/* The same one after the other, if somebody wants to bind or close; else nothing. */
void sockets_let_others(struct sockets *s);
struct udp *sockets_udp(struct sockets *s);
/* Readable when rx is to look up from waiting for datagrams. */
int sockets_wake_fd(const struct sockets *s);
void sockets_wake(struct sockets *s);

#endif

/* SPDX-License-Identifier: MIT */
/* All peers at once, under tunnel_lock. */
#ifndef SHUNT_TUNNEL_PEERS_H
#define SHUNT_TUNNEL_PEERS_H

struct tunnel;

/* Up: those with a persistent keepalive send one, those with staged packets shake hands. */
void peers_start(struct tunnel *t);
/* Down: sessions and handshakes are wiped, timers stopped. */
void peers_stop(struct tunnel *t);
/* Another port or mark: the source addresses that were learned may be wrong. */
void peers_forget_sources(struct tunnel *t);
/* Another private key: nothing more is sent by sessions of the old one; they still receive. */
void peers_expire_sending(struct tunnel *t);

#endif

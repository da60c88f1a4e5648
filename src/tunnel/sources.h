/* SPDX-License-Identifier: MIT */
/*
 * Which of our addresses a peer may be answered from. Answers go from the address that a peer's
 * packets come to, so that one with two addresses on an interface is reached by either. But a host
 * with two ways to the world must not send one provider's address by the other, who drops it: a
 * source is forgotten, and not learned again, while the route looked up from it leaves by another
 * interface than the peer's packets came in by, or while it is no address of ours.
 *
 * The handshake thread judges, by rtnetlink: each new source once, those of handshake messages
 * before they are answered, and all of them after news of links, addresses, routes and rules. News
 * are no more than a mark to look, however many there are: while one is pending none is read, what
 * doesn't fit the small buffer of their socket is an overrun, which says the same, and looking may
 * take no more than a tenth of the time. A data packet costs nothing.
 */
#ifndef SHUNT_TUNNEL_SOURCES_H
#define SHUNT_TUNNEL_SOURCES_H

#include "base/list.h"
#include "base/time.h"
#include "tunnel/udp.h"

struct sources;
struct tunnel;
struct tunnel_peer;

/* A peer's place among those to be judged; the lock of sources. */
struct source_entry {
	struct list link;
};

/* Negative errno if there are no descriptors; where netlink can't be had everything is a good
 * source. */
int sources_new(struct sources **ret);
/* Accepts NULL. */
void sources_free(struct sources *s);

void source_entry_init(struct source_entry *e);
/* Any thread: the source of the peer's endpoint is new. */
void sources_ask(struct tunnel_peer *p);
/* The peer is about to be removed. */
void sources_forget(struct tunnel_peer *p);

/* The handshake thread: where to answer an authenticated message, without its source if that may
 * not be used. */
struct udp_endpoint sources_check(struct tunnel_peer *p, const struct udp_endpoint *from);
/* The handshake thread: judges one peer that waits for it; false: none does. */
bool sources_work(struct tunnel *t, instant now);
/* The handshake thread, before it sleeps: the descriptor on which news come, -1 while they aren't
 * read; and when there is work by itself. */
int sources_fd(const struct sources *s);
instant sources_deadline(const struct sources *s);
/* News have come. */
void sources_note(struct sources *s);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * What a node with shuntd tells its peers about itself, beside BFD: which inventory it runs, how
 * many owners a prefix may have on its device, and which of its own lines live. A hub's word on
 * its lines is what others choose between hubs by; they can't see them.
 *
 * A report goes to every peer whose session is up: at once when it changed, three times, and every
 * LIVE_REPORT_EVERY. It is one datagram or several (parts); only a whole one counts. Each carries
 * the receiver's discriminator and a number that only grows within the session, and a digest by
 * the key of the session, so nobody else can make or repeat one. Nodes are named by their place in
 * the inventory: what is said of nodes counts only between two that run the same one. A report
 * stands until the next one, or until the peer is down.
 *
 * Handshakes go in datagrams of their own, as ages, behind the report that they belong to; each
 * counts by itself, and none that is older than one that was heard.
 */
#ifndef SHUNT_LIVE_REPORT_H
#define SHUNT_LIVE_REPORT_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

#define LIVE_REPORT_PORT 7484
#define LIVE_REPORT_EVERY (5 * NS_PER_S)
#define LIVE_REPORT_APART (100 * NS_PER_MS) /* between two changes that are told */
#define LIVE_REPORT_DATAGRAM 1200	    /* bytes of UDP payload, at most */
#define LIVE_REPORT_NODES_MAX 100000	    /* an inventory of more says nothing of nodes */
#define LIVE_DIGEST_LEN 16

/* A node's line to another, as it sees it. */
enum live_line {
	LIVE_LINE_UNKNOWN, /* it has none, or hasn't heard of it since its start */
	LIVE_LINE_UP,
	LIVE_LINE_POOR, /* it loses packets, or flaps, this line alone */
	LIVE_LINE_LOST,
};

/* When a client that has several servers last had a handshake with the speaker, who has it. */
struct live_handshake {
	uint32_t place;
	instant at; /* by our own clock; of a peer's, no later than it was by more than the way of
		       its word took */
};

/* All zero is an empty one. */
struct live_report {
	uint8_t digest[LIVE_DIGEST_LEN]; /* of the inventory */
	int64_t inventory_time;		 /* seconds of the wall clock: the file's */
	unsigned max_owners;		 /* per prefix, on its device: 1 to 65535 */
	uint32_t n_nodes;		 /* 0: nothing is said of nodes */
	uint8_t *lines;			 /* enum live_line of each node, by its place */
	bool *takes_many; /* of each: it is known to take packets of one source from several peers
			   */
	bool *by_word;	  /* of each line that is poor: it is so by the other end's word alone */
	struct live_handshake *handshakes; /* by place; told beside the rest, and not at once */
	uint32_t n_handshakes;
};

/* Makes room for n nodes, of which nothing is said yet, in one that is empty. */
void live_report_init_nodes(struct live_report *r, uint32_t n);
/* Frees what it holds and leaves an empty one. */
void live_report_done(struct live_report *r);
/* ret is overwritten, not freed. */
void live_report_copy(const struct live_report *from, struct live_report *ret);
/* But for handshakes. */
bool live_report_eq(const struct live_report *a, const struct live_report *b);
/* Those of from in the place of ret's; copied. */
void live_report_copy_handshakes(const struct live_report *from, struct live_report *ret);

#endif

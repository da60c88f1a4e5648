/* SPDX-License-Identifier: MIT */
/*
 * A WireGuard device, whoever implements it: the kernel's by generic netlink, any userspace one by
 * its UAPI socket. Two operations, get and set; a set says only what changes, and nothing here ever
 * removes first, replaces the allowed IPs of a peer, or touches what it isn't told to.
 *
 * Allowed IPs move by being added to their new peer (one atomic step). Removing one that nobody
 * takes over uses the incremental flag where the device has it, and else the parking peer: the
 * prefix is added to a throw-away peer without endpoint, which is then removed. Which of the two is
 * learned at the first removal.
 *
 * Where device_max_owners is above one (shunt-wg; its docs/uapi.md), a prefix may belong to a set
 * of owners in place of one peer: sets have numbers that whoever configures chooses, and both
 * states and changes say who a set's owners are and which prefixes it has. A prefix stands once in
 * a state, with its peer or its set, and adding it to either moves it there. A plan compares sets
 * by number; that one's owners change costs one entry, however many prefixes it has. All else has
 * one owner a prefix: there all of these fields are zero, and a change that has them is refused.
 */
#ifndef SHUNT_DEVICE_DEVICE_H
#define SHUNT_DEVICE_DEVICE_H

#include "base/key.h"
#include "base/prefix.h"
#include <net/if.h>
#include <time.h>

enum device_kind { DEVICE_AUTO, DEVICE_KERNEL, DEVICE_UAPI };

/* Before whom others go, whatever the ranks. */
enum device_level { DEVICE_UP, DEVICE_LAST_RESORT, DEVICE_DOWN };

struct device_peer {
	wg_key key;
	bool has_psk;
	bool leave_psk; /* in what shall be: its file can't be read, so what is there stays */
	wg_key psk;
	sock_addr endpoint; /* AF_UNSPEC: none known */
	uint16_t keepalive; /* seconds, 0: off */
	uint64_t rx_bytes, tx_bytes;
	struct timespec last_handshake; /* wall clock; zero: never */
	ip_prefix *allowed;		/* his alone; sorted by ip_prefix_cmp */
	size_t n_allowed;
	/* Of many owners. */
	enum device_level level;
	bool is_silent;	    /* as the device itself sees it */
	bool multicast;	    /* he gets what is sent to groups */
	ip_addr link_local; /* in fe80::/64; AF_UNSPEC: none */
};

struct device_owner {
	wg_key key; /* of a peer */
	uint16_t rank, weight;
	bool is_relay;
};

/* Prefixes with the same owners. */
struct device_owner_set {
	uint64_t number;
	struct device_owner *owners; /* by rank, those of weight 0 last */
	size_t n_owners;
	ip_prefix *allowed; /* sorted by ip_prefix_cmp */
	size_t n_allowed;
};

/* What the device reports: the mirror. Private key material is reduced to the public key. */
struct device_state {
	bool has_key;
	wg_key public_key;
	uint16_t listen_port;
	uint32_t fwmark;
	struct device_peer *peers; /* sorted by key bytes; secret memory (base/secret.h) */
	size_t n_peers;
	unsigned max_owners; /* per prefix, 1 or more; in what shall be 0 */
	bool multicast;
	struct device_owner_set *sets; /* sorted by number */
	size_t n_sets;
};

struct device_peer_change {
	wg_key key;
	bool remove;	  /* nothing else counts then */
	bool update_only; /* don't create the peer */
	bool set_psk;
	wg_key psk; /* zero: none */
	bool set_endpoint;
	sock_addr endpoint;
	bool set_keepalive;
	uint16_t keepalive;
	const ip_prefix *add; /* moves each prefix here, whoever owns it now */
	size_t n_add;
	const ip_prefix *del; /* removes each prefix if this peer owns it */
	size_t n_del;
	/* Of many owners. */
	bool set_level;
	enum device_level level;
	bool set_multicast;
	bool multicast;
	bool set_link_local;
	ip_addr link_local; /* AF_UNSPEC: none any more */
};

struct device_owner_set_change {
	uint64_t number;
	bool remove;			   /* with its prefixes; nothing else counts then */
	const struct device_owner *owners; /* all of them from now on, in one step; peers that are
					      there or come with this change */
	size_t n_owners;      /* 0: they stay; more than the device can hold: -EINVAL */
	const ip_prefix *add; /* moves each prefix here, whoever owns it now */
	size_t n_add;
	const ip_prefix *del; /* removes each prefix if this set has it */
	size_t n_del;
};

struct device_change {
	bool set_private_key;
	wg_key private_key;
	bool set_listen_port;
	uint16_t listen_port;
	bool set_fwmark;
	uint32_t fwmark;
	const struct device_peer_change
		*peers; /* applied in this order; all additions before any removal */
	size_t n_peers;
	/* Of many owners. */
	bool set_multicast;
	bool multicast;
	const struct device_owner_set_change *sets; /* after the peers, likewise */
	size_t n_sets;
};

struct device;

struct device_options {
	enum device_kind kind;
	bool adopts_any; /* kind is about what is made: what is there is taken, whatever it is */
	const char *ifname;
	const char
		*userspace; /* program to start if kind allows and no socket is there; NULL: none */
	const char *socket_dir; /* NULL: /var/run/wireguard */
	unsigned patience_ms;	/* how long what looks like a program that is just dying is looked
				   at again; 0: not at all */
};

/*
 * Adopts the interface of that name or creates it, by the kind: AUTO takes what is there, else
 * creates the kernel's, else starts the userspace program, which lives on without us. *ret_created
 * tells whether it is new. -EEXIST: an interface of that name is there and isn't WireGuard; -EPERM,
 * -ENOENT (program not found), -EOPNOTSUPP (no kernel WireGuard) and others; why gets a sentence
 * for people.
 */
int device_open(const struct device_options *o, struct device **ret, bool *ret_created, char *why,
	size_t why_size);
/* Where a device that is open can be opened again, by another thread for instance. */
struct device_address {
	enum device_kind kind; /* KERNEL or UAPI */
	char ifname[IFNAMSIZ];
	char path[108]; /* of the UAPI socket */
};

/* -EOPNOTSUPP: nowhere. */
int device_address(const struct device *d, struct device_address *ret);
/* Makes and starts nothing; -ENODEV and others: it isn't there any more. */
int device_open_at(const struct device_address *at, struct device **ret);
/* Lets go of it; the device lives on. Accepts NULL. */
void device_close(struct device *d);
/* Takes the interface down and away (a userspace process ends by it). */
int device_destroy(struct device *d);

const char *device_ifname(const struct device *d);
enum device_kind device_kind_of(const struct device *d); /* KERNEL or UAPI */
/* For people: "kernel", or the userspace program's name as far as it is known. */
const char *device_name(const struct device *d);
/* How many owners a prefix may have on it, as the last device_get told; before the first: one. */
unsigned device_max_owners(const struct device *d);
/* How a prefix that nobody takes over is removed: "incremental flag", "parking peer", or "unknown"
 * before the first such removal. */
const char *device_removal_way(const struct device *d);
/* The public key of the parking peer on a device with this public key (zero: none). It is always
 * the same one, so that a peer left behind by a process that died in between is known for what it
 * is.
 */
wg_key device_parking_key(const wg_key *device_public);

/*
 * Reads the whole device: every chunk, and again if it changed meanwhile (NLM_F_DUMP_INTR), up to a
 * bound, then -EAGAIN; never a partial answer. The caller releases ret with device_state_done.
 * -ENODEV: it vanished. -ETIMEDOUT, -EPROTO, -ECONNRESET: a userspace program that stalls, answers
 * nonsense, or ends in mid-answer.
 */
int device_get(struct device *d, struct device_state *ret);
void device_state_done(struct device_state *s);
/* NULL if absent. */
const struct device_peer *device_state_peer(const struct device_state *s, const wg_key *key);
const struct device_owner_set *device_state_set(const struct device_state *s, uint64_t number);
/* A copy for another state. */
struct device_owner_set *device_owner_sets_copy(const struct device_owner_set *sets, size_t n);

/*
 * Applies the change, split into as many messages as it takes; additions of all peers come first,
 * then removals. Stops at the first error: what was before it stays applied. -EADDRINUSE: the port
 * is taken. -ENODEV: it vanished. -EOPNOTSUPP, before anything is applied: it has what only a
 * device of many owners can.
 */
int device_set(struct device *d, const struct device_change *c);

#endif

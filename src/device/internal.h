/* SPDX-License-Identifier: MIT */
/* What the two back ends share: the device's base, and the builder of its state. */
#ifndef SHUNT_DEVICE_INTERNAL_H
#define SHUNT_DEVICE_INTERNAL_H

#include "base/vec.h"
#include "device/device.h"

struct device_ops {
	int (*get)(struct device *d, struct device_state *ret);
	/* Sends the change as it stands, in its order; a del becomes a removal by the incremental
	 * flag. */
	int (*apply)(struct device *d, const struct device_change *c);
	void (*close)(struct device *d);
	int (*address)(const struct device *d, struct device_address *ret); /* NULL: has none */
};

enum removal_way { REMOVAL_UNKNOWN, REMOVAL_FLAG, REMOVAL_PARKING };

/* A back end's device begins with it. */
struct device {
	const struct device_ops *ops;
	enum device_kind kind;
	enum removal_way removal;
	unsigned max_owners; /* 0: not known yet */
	char ifname[IFNAMSIZ];
	char name[64];
};

/* More peers than any implementation holds: the answer is nonsense. */
#define DEVICE_PEERS_MAX (1u << 20)
#define DEVICE_PREFIXES_MAX (1u << 25)
#define DEVICE_OWNERS_MAX 256 /* of a set */

struct map;

struct owner_set_builder {
	uint64_t number;
	VEC(struct device_owner) owners;
	VEC(ip_prefix) allowed;
};

/* Gathers a state from the pieces of an answer. */
struct state_builder {
	struct device_state state; /* without the peers */
	VEC(struct device_peer) peers;
	VEC(ip_prefix) allowed; /* of the last peer */
	size_t n_prefixes;	/* of all */
	VEC(struct owner_set_builder *) sets;
	struct map *by_number; /* NULL: no sets */
};

/* The peer of that key: the last one again if it is the same, which a dump continues in its next
 * chunk. NULL: too many. Valid until the next call. */
struct device_peer *state_builder_peer(struct state_builder *b, const wg_key *key);
/* Adds an allowed IP to the last peer; false if there is none, or too many, or p has no family. */
bool state_builder_allowed(struct state_builder *b, const ip_prefix *p);
/* The set of that number, which may be said in several pieces. NULL: too many. */
struct owner_set_builder *state_builder_set(struct state_builder *b, uint64_t number);
/* Add to a set; false if there are too many, or p has no family. */
bool state_builder_owner(struct owner_set_builder *s, const struct device_owner *o);
bool state_builder_shared(struct state_builder *b, struct owner_set_builder *s, const ip_prefix *p);
/* state_builder_finish's and _reset's part for the sets. */
void state_builder_finish_sets(struct state_builder *b, struct device_state *ret);
void state_builder_reset_sets(struct state_builder *b);
void device_owner_sets_free(struct device_owner_set *sets, size_t n);
/* Hands over the sorted state and leaves the builder empty. -EPROTO: a peer stands in it twice. */
int state_builder_finish(struct state_builder *b, struct device_state *ret);
/* Wipes and frees; the builder is empty and ready again. */
void state_builder_reset(struct state_builder *b);

/* --- the kernel's --- */

struct nl;

/* A handle on the kernel's WireGuard interface of that name. -EOPNOTSUPP: the kernel has none. */
int kernel_device_open(const char *ifname, struct device **ret);
/* The same over a netlink socket that is open already; it is closed with the device. */
int kernel_device_new(struct nl *nl, const char *ifname, struct device **ret);

/* --- a userspace program's --- */

/* A handle on the socket of that path, after a first exchange. -ENODEV: nobody listens there. */
int uapi_device_open(const char *path, const char *ifname, struct device **ret);
/* How long it waits for each piece of an answer; for tests that don't want to wait. */
void uapi_device_set_timeout(struct device *d, unsigned ms);
/* The full path of the socket. */
const char *uapi_device_path(const struct device *d);
/* Starts the program for the interface and waits until the socket accepts. */
int uapi_start(const char *program, const char *ifname, const char *path, char *why, size_t size);
/* 0 if somebody accepts there; -ENODEV if not. */
int uapi_probe(const char *path);

#endif

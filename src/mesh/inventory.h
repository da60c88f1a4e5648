/* SPDX-License-Identifier: MIT */
/*
 * The inventory as read: what the file says, defaults already applied to every node, each thing
 * with the place where it stands, so that a finding can point at it. Nothing is derived here: who
 * is linked with whom is topology.h, what a node may use is view.h, whether the whole makes sense
 * is check.h.
 *
 * An inventory is immutable once parsed and owns all its memory in one arena. Nodes are known by
 * their index, which is their place in the file.
 */
#ifndef SHUNT_MESH_INVENTORY_H
#define SHUNT_MESH_INVENTORY_H

#include "base/key.h"
#include "base/prefix.h"
#include <net/if.h>

/* 1-based, as an editor counts; line 0: nowhere. */
struct mesh_pos {
	uint32_t line;
	uint32_t column;
};

enum mesh_topology { MESH_HUB_AND_SPOKE, MESH_FULL_MESH };
enum mesh_role { MESH_SPOKE, MESH_HUB, MESH_CLIENT };
enum mesh_on_dead { MESH_FALL_BACK, MESH_HOLD, MESH_RELEASE };
enum mesh_probe { MESH_PROBE_BFD, MESH_PROBE_ECHO, MESH_PROBE_HANDSHAKE };
/* What a node's WireGuard device is, as stated; other: one owner per prefix, and not the kernel's.
 */
enum mesh_device {
	MESH_DEVICE_UNKNOWN,
	MESH_DEVICE_KERNEL,
	MESH_DEVICE_SHUNT_WG,
	MESH_DEVICE_OTHER
};
/* How many owners a prefix may have on a node's device, as far as the inventory tells. */
enum mesh_owners { MESH_OWNERS_UNKNOWN, MESH_OWNERS_ONE, MESH_OWNERS_MANY };

/* What decides by a routing protocol on a node; other: whatever writes the kernel's table. */
enum mesh_engine { MESH_ENGINE_NONE, MESH_ENGINE_BIRD, MESH_ENGINE_FRR, MESH_ENGINE_OTHER };
enum mesh_protocol { MESH_BGP };
/* One interface with all peers; others are to come. */
enum mesh_layout { MESH_SINGLE };

#define MESH_KEEPALIVE_AUTO (-1)
#define MESH_KEEPALIVE_AUTO_SECONDS 25
/* A metric that isn't stated: as a hub's metric it loses to every stated one, as a prefix's it is
 * 0. */
#define MESH_METRIC_NONE UINT32_MAX
/* Shares of flows among equals. */
#define MESH_WEIGHT_DEFAULT 1
#define MESH_WEIGHT_MAX 1000

struct mesh_liveness {
	enum mesh_probe probe;
	bool probe_set; /* stated on the node itself or in defaults, not implied */
	int64_t interval_ns;
	unsigned multiplier;
	int64_t hold_ns;
};

struct mesh_address {
	ip_addr addr;
	struct mesh_pos pos;
};

struct mesh_network {
	ip_prefix prefix; /* host bits cleared */
	bool had_host_bits;
	uint32_t metric; /* MESH_METRIC_NONE: not stated */
	uint16_t weight; /* its share of the flows among equals; 0 counts as 1 */
	enum mesh_on_dead on_dead;
	struct mesh_pos pos;
};

/* Where a node is reached. */
struct mesh_endpoint {
	const char *host; /* NULL: none. A name, or a numeric address, IPv6 without brackets and
			     with its zone if it has one */
	uint16_t port;
	struct mesh_pos pos;
};

/* Of a node, defaults applied. */
struct mesh_routing {
	enum mesh_engine engine; /* of a client always none */
	enum mesh_protocol protocol;
	enum mesh_layout layout;
	uint32_t asn;	  /* 0: none stated, see mesh_asn */
	uint8_t distance; /* administrative, of the engine's routes; lower wins */
	/* Of the kernel's routes that count: in these tables, in the order in which they are asked,
	 * and of these protocols. What isn't stated is filled in: main, the engine's own. */
	const uint32_t *tables;
	size_t n_tables;
	const uint8_t *protocols; /* none only without an engine, or of an `other` that check
				     refuses */
	size_t n_protocols;
	const unsigned *reflectors; /* whom it has sessions with; none: see mesh_is_reflector_of */
	size_t n_reflectors;
	const char *socket; /* where the engine is asked for its sessions; NULL: its usual place */
	/* The first key that the node itself states without an engine that it could be meant for;
	 * of a client, `engine` too; of an engine that is `other`, `socket`. NULL: there is none.
	 */
	const char *idle_key;
	struct mesh_pos idle_pos;
	struct mesh_pos pos; /* where the engine is stated, under defaults if it stands there; as
				those below it falls back to the node's */
	struct mesh_pos asn_pos;
	struct mesh_pos reflectors_pos;
};

/* Who takes a default route that a node offers. */
struct mesh_takers {
	bool stated; /* false: everybody */
	bool clients;
	const unsigned *nodes; /* besides */
	size_t n_nodes;
	struct mesh_pos pos; /* under defaults, if it stands there */
	bool own;	     /* it doesn't stand there */
};

struct mesh_node {
	const char *name;
	unsigned index; /* place in the file, from 0 */
	enum mesh_role role;
	wg_key public_key; /* zero if key_valid is false */
	bool key_valid;	   /* base64 of exactly 32 bytes; weakness is judged by check.h */
	const char *public_key_text;
	const struct mesh_address *addresses;
	size_t n_addresses;
	struct mesh_endpoint endpoint; /* its place falls back to pos, as those below do */
	uint32_t metric; /* of transit through this hub; MESH_METRIC_NONE: not stated */
	uint16_t weight; /* likewise: its share of the flows among equals; 0 counts as 1 */
	enum mesh_device device;
	bool nat;
	const struct mesh_network *networks;
	size_t n_networks;
	struct mesh_takers takers;
	struct mesh_routing routing;
	const struct mesh_overlay *may_announce; /* besides its networks */
	size_t n_may_announce;
	char interface[IFNAMSIZ];
	uint16_t listen_port;
	int keepalive; /* seconds, 0: off, MESH_KEEPALIVE_AUTO */
	uint16_t mtu;
	struct mesh_liveness liveness; /* how others probe this node */
	const char *private_key_file;
	int64_t drain_on_stop_ns; /* how long its peers get to use others before it ends; 0: none */
	const char *const *dns;	  /* of a client: addresses of resolvers and domains to search in */
	size_t n_dns;
	struct mesh_pos pos;	       /* of the name */
	struct mesh_pos key_pos;       /* of public_key's value */
	struct mesh_pos interface_pos; /* under defaults, if it stands there */
	struct mesh_pos mtu_pos;
};

struct mesh_overlay {
	ip_prefix prefix; /* host bits cleared */
	bool had_host_bits;
	struct mesh_pos pos;
};

/* A pair as listed under links; the pair (a, b) with a < b, no pair twice. */
struct mesh_link {
	unsigned a, b;
	const char *preshared_key_file; /* NULL: none */
	struct mesh_pos pos;
	struct mesh_endpoint endpoints[2]; /* of a for b, of b for a, in place of the node's own */
};

/* A key that no node may have again. */
struct mesh_revoked {
	wg_key key;
	struct mesh_pos pos;
};

struct mesh_inventory {
	const char *file; /* as the user named it */
	const char *name;
	enum mesh_topology topology;
	const struct mesh_overlay *overlays;
	size_t n_overlays;
	const struct mesh_node *nodes;
	size_t n_nodes;
	const struct mesh_link *links;
	size_t n_links;
	const struct mesh_revoked *revoked;
	size_t n_revoked;
	struct mesh_pos topology_pos;
	const char
		*idle_key; /* of `routing` under defaults, where no node has an engine; or NULL */
	struct mesh_pos idle_pos;
};

/* One reason why a text can't be read as an inventory: file:line:column and a sentence with the key
 * named. */
struct mesh_error {
	struct mesh_pos pos;
	char *message;
};

struct mesh_errors {
	struct mesh_error *items;
	size_t n;
	size_t cap;
};

void mesh_errors_done(struct mesh_errors *e);

/*
 * Reads an inventory from text (not zero-terminated). 0 and *ret, which the caller frees; or
 * -EINVAL with every error found in errors, in the order of the file, *ret untouched. file is only
 * for naming.
 */
int mesh_inventory_parse(const char *file, const char *text, size_t len,
	struct mesh_inventory **ret, struct mesh_errors *errors);
/* The same from a file; an error of open or read stands in errors too (line 0) and is returned. */
int mesh_inventory_read(const char *file, struct mesh_inventory **ret, struct mesh_errors *errors);
/* Accepts NULL. */
void mesh_inventory_free(struct mesh_inventory *inv);

/* NULL if there is no node of that name. */
const struct mesh_node *mesh_inventory_node(const struct mesh_inventory *inv, const char *name);
/* The name of a node that was probably meant by one that there isn't; NULL: none is near. */
const char *mesh_inventory_guess(const struct mesh_inventory *inv, const char *name);

/* The longest prefix of overlay that holds the address: the one whose length the address has on its
 * interface. NULL: none does. */
const struct mesh_overlay *mesh_overlay_of(const struct mesh_inventory *inv, const ip_addr *a);

/* A client's prefixes have one owner, whatever its device is: nobody tells it of more. */
enum mesh_owners mesh_owners_of(const struct mesh_node *node);

/* Whether self takes that network of the origin: any but a default route that is for others. */
bool mesh_takes(const struct mesh_node *self, const struct mesh_node *origin, const ip_prefix *p);

const char *mesh_role_name(enum mesh_role r);	      /* "hub" */
const char *mesh_on_dead_name(enum mesh_on_dead d);   /* "fall-back" */
const char *mesh_probe_name(enum mesh_probe p);	      /* "bfd" */
const char *mesh_topology_name(enum mesh_topology t); /* "hub-and-spoke" */
const char *mesh_device_name(enum mesh_device d);     /* "shunt-wg"; NULL: unknown */
const char *mesh_engine_name(enum mesh_engine e);     /* "bird" */

#endif

/* SPDX-License-Identifier: MIT */
/*
 * Inside of the inventory's reader. A map of the file is read by a table of fields: what is not in
 * the table is an unknown key, what a reader can't take is an error, and reading goes on, so that
 * one run finds every error. Defaults and nodes share `struct settings`, at the same offsets, so a
 * setting is described once.
 */
#ifndef SHUNT_MESH_PARSE_H
#define SHUNT_MESH_PARSE_H

#include "base/arena.h"
#include "mesh/inventory.h"
#include "mesh/yaml.h"

struct parse {
	struct arena *arena;   /* of the inventory */
	struct arena *scratch; /* gone after reading */
	struct mesh_errors *errors;
	const char *where; /* " in node `site-1`"; "" at the top */
};

struct parse_field {
	const char *key;
	void (*read)(struct parse *p, const struct yaml_node *value, void *into);
	size_t offset; /* of `into` in what the table describes */
	bool required;
};

#define PARSE_FIELDS_MAX 24

/* False and an error for anything else. */
bool parse_is_map(struct parse *p, const struct yaml_node *value);
/* Reads a map by its table into the struct at base. */
void parse_map(struct parse *p, const struct yaml_node *map, const struct parse_field *fields,
	size_t n_fields, void *base);

/* True once no more errors are taken: what is left of the file needn't be looked at. */
bool parse_is_full(const struct parse *p);
/* Where a key belongs that is right elsewhere: "under `defaults` or on a node"; NULL: nowhere. */
const char *parse_home_of(const char *key);

/* "`mtu` in node `site-1` must be <want>, not `x`"; silent about a YAML_BAD, as is the next. */
void parse_refuse(struct parse *p, const struct yaml_node *value, const char *want_fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The same with a free sentence: "`mtu` in node `site-1`: <sentence>". */
void parse_complain(struct parse *p, const struct yaml_node *value, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * The items of a list, or the scalar itself where a list of one is meant: walk from the returned
 * node by parse_next(). NULL: empty, or an error that was added.
 */
const struct yaml_node *parse_items(
	struct parse *p, const struct yaml_node *value, const char *want, bool may_be_empty);
const struct yaml_node *parse_next(const struct yaml_node *list, const struct yaml_node *item);

/* True for a scalar that is a text by its looks; otherwise false and an error: what looks like a
 * number wants quotes. */
bool parse_is_text(struct parse *p, const struct yaml_node *v, const char *want);

/* Readers of values: each writes to `into` or adds an error. */
void parse_name(struct parse *p, const struct yaml_node *v, void *into);   /* const char * */
void parse_bool(struct parse *p, const struct yaml_node *v, void *into);   /* bool */
void parse_metric(struct parse *p, const struct yaml_node *v, void *into); /* uint32_t */
void parse_weight(struct parse *p, const struct yaml_node *v, void *into); /* uint16_t */
void parse_port(struct parse *p, const struct yaml_node *v, void *into);   /* uint16_t */
void parse_mtu(struct parse *p, const struct yaml_node *v, void *into);	   /* struct stated_mtu */
void parse_keepalive(struct parse *p, const struct yaml_node *v, void *into);	  /* int */
void parse_multiplier(struct parse *p, const struct yaml_node *v, void *into);	  /* unsigned */
void parse_interval(struct parse *p, const struct yaml_node *v, void *into);	  /* int64_t */
void parse_hold(struct parse *p, const struct yaml_node *v, void *into);	  /* int64_t */
void parse_drain_on_stop(struct parse *p, const struct yaml_node *v, void *into); /* int64_t */
/* struct stated_interface */
void parse_interface(struct parse *p, const struct yaml_node *v, void *into);
void parse_path(struct parse *p, const struct yaml_node *v, void *into);     /* const char * */
void parse_topology(struct parse *p, const struct yaml_node *v, void *into); /* int */
void parse_role(struct parse *p, const struct yaml_node *v, void *into);     /* int */
void parse_on_dead(struct parse *p, const struct yaml_node *v, void *into);  /* int */
void parse_probe(struct parse *p, const struct yaml_node *v, void *into);    /* int */
void parse_device(struct parse *p, const struct yaml_node *v, void *into);   /* int */
void parse_engine(struct parse *p, const struct yaml_node *v, void *into);   /* int */

/* The words of the enums, in their order. */
extern const char *const mesh_topology_words[2];
extern const char *const mesh_role_words[3];
extern const char *const mesh_on_dead_words[3];
extern const char *const mesh_probe_words[3];
extern const char *const mesh_device_words[4]; /* the first isn't one */
extern const char *const mesh_engine_words[4];

/* A whole number; false and an error: it is none from least to most. */
bool parse_number(
	struct parse *p, const struct yaml_node *v, uint64_t least, uint64_t most, uint64_t *ret);

/* A prefix as written, host bits and all. */
bool parse_prefix(struct parse *p, const struct yaml_node *v, ip_prefix *ret);

/* A prefix or a list of them, none twice; ret and ret_n are set in any case. */
void parse_prefixes(struct parse *p, const struct yaml_node *v, bool may_be_empty,
	const struct mesh_overlay **ret, size_t *ret_n);

/* struct mesh_endpoint; port 0: left out. */
void parse_endpoint(struct parse *p, const struct yaml_node *v, void *into);

/* A host name; an address of digits alone isn't one. */
bool parse_is_host_name(const char *s);
/* struct stated_dns: resolvers' addresses and domains, for clients. */
void parse_dns(struct parse *p, const struct yaml_node *v, void *into);

/* Valid as the name of a node: false adds no error. */
bool parse_is_node_name(const char *name);
#define PARSE_NODE_NAME_RULE \
	"1 to 63 characters of A-Z a-z 0-9 _ = + . - (no `-` first, and not `.` or `..`)"

/* What may stand under `defaults` and on every node; stated_settings_init: nothing is stated. */
struct stated_liveness {
	int probe;	     /* -1: not stated */
	int64_t interval_ns; /* 0: not stated */
	unsigned multiplier; /* 0: not stated */
	int64_t hold_ns;     /* -1: not stated */
};

struct stated_interface {
	char name[IFNAMSIZ]; /* "": not stated */
	struct mesh_pos pos;
};

struct stated_mtu {
	uint16_t value; /* 0: not stated */
	struct mesh_pos pos;
};

struct stated_dns {
	const char *const *items;
	size_t n;
	struct mesh_pos pos; /* line 0: not stated */
};

struct stated_takers {
	const struct yaml_node *names; /* of `default_route`; NULL: not stated */
	struct mesh_takers takers;     /* once all nodes are known */
};

/* A key of `routing`, by its place; line 0: not stated. */
enum stated_routing_key {
	STATED_ENGINE,
	STATED_PROTOCOL,
	STATED_LAYOUT,
	STATED_ASN,
	STATED_REFLECTORS,
	STATED_DISTANCE,
	STATED_TABLES,
	STATED_PROTOCOLS,
	STATED_SOCKET,
	N_STATED_ROUTING
};

struct stated_routing {
	struct mesh_pos pos[N_STATED_ROUTING];
	int engine;
	uint32_t asn;
	uint8_t distance;
	const uint32_t *tables;
	size_t n_tables;
	const uint8_t *protocols;
	size_t n_protocols;
	const char *socket;
	const struct yaml_node *names; /* of reflectors, until all nodes are known */
	const unsigned *reflectors;
	size_t n_reflectors;
};

struct stated_settings {
	struct stated_interface interface;
	uint16_t listen_port; /* 0: not stated */
	int keepalive;	      /* STATED_KEEPALIVE_NONE: not stated */
	struct stated_mtu mtu;
	struct stated_liveness liveness;
	const char *private_key_file; /* NULL: not stated */
	int device;		      /* MESH_DEVICE_UNKNOWN: not stated */
	struct stated_dns dns;
	struct stated_takers takers;
	struct stated_routing routing;
	int64_t drain_on_stop_ns; /* -1: not stated */
};

#define STATED_KEEPALIVE_NONE (-2)

void stated_settings_init(struct stated_settings *s);
void parse_defaults(
	struct parse *p, const struct yaml_node *v, void *into); /* struct stated_settings */

/* A node as far as it stands in its own map. */
struct stated_node {
	struct stated_settings own; /* first: the tables share offsets */
	struct mesh_node node;	    /* role, metric, nat, lists, key; settings still empty */
	int role;
};

/* All nodes of the map; those with errors too. */
struct stated_nodes {
	struct stated_node *items;
	size_t n, cap;
	struct map *by_name; /* name -> index + 1 */
};
void parse_nodes(struct parse *p, const struct yaml_node *v, struct stated_nodes *ret);
/* Own settings over defaults over what is built in. */
void stated_node_finish(
	struct parse *p, struct stated_node *n, const struct stated_settings *defaults);

/* Looks for nodes by the names that some list of the file has. */
struct parse_finder {
	const struct stated_nodes *nodes;
	const char *in; /* the list's key */
	unsigned guesses;
};
/* The index of the node that is named, or -1 and an error; with no nodes at all, which is an error
 * told elsewhere, none is added. */
int parse_find_node(struct parse *p, const struct yaml_node *name, struct parse_finder *f);

/* `default_route`: struct stated_takers. */
void parse_takers(struct parse *p, const struct yaml_node *v, void *into);
/* Names become indices. */
void stated_takers_resolve(struct parse *p, struct stated_takers *s, struct parse_finder *f);

/* `routing` of a node or of defaults: struct stated_routing. */
void parse_routing(struct parse *p, const struct yaml_node *v, void *into);
/* Names become indices. */
void stated_routing_resolve(struct parse *p, struct stated_routing *s, struct parse_finder *f);
/* What the node states over defaults over what is built in; own is resolved, as defaults are. */
void stated_routing_finish(
	struct stated_routing *own, const struct stated_routing *defaults, struct mesh_node *ret);
/* The first key but engine that is stated; with engine, also one that is stated and none. -1: no
 * such. */
int stated_routing_idle(const struct stated_routing *s, bool with_engine);
/* "asn" */
const char *stated_routing_name(int key);

struct stated_links {
	struct mesh_link *items;
	size_t n, cap;
};
/* Links between nodes of the map; with none in it, which is an error told elsewhere, names aren't
 * looked up. Ports that are left out are 0. */
void parse_links(struct parse *p, const struct yaml_node *v, const struct stated_nodes *nodes,
	struct stated_links *ret);

/* The whole document into ret's lists and names, its file aside. With errors added, ret has what
 * could be read: a list may lack items, a value may be its default. */
void parse_inventory(struct parse *p, const struct yaml_node *root, struct mesh_inventory *ret);

/* One prefix of a list with its place, to find what stands there twice. */
struct parse_placed {
	ip_prefix prefix;
	struct mesh_pos pos;
};
/* An error for each that stands in the list before. */
void parse_refuse_twins(
	struct parse *p, const struct parse_placed *list, size_t n, const char *what);

#endif

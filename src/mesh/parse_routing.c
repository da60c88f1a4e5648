/* SPDX-License-Identifier: MIT */
/*
 * `routing`: on a node, over defaults, key by key. With an exception: `protocols` and `socket`
 * under defaults are those of the engine that is stated there, and mean nothing to a node that
 * states another one.
 *
 * Names of reflectors are kept until all nodes are known.
 */
#include "mesh/parse.h"

#include "base/vec.h"
#include "mesh/errors.h"
#include "mesh/text.h"
#include <assert.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/un.h>

/* The protocol number that shuntd's own routes have. */
#define OWN_PROTOCOL 213
#define DISTANCE_DEFAULT 5

static const char *const keys[N_STATED_ROUTING] = {
	[STATED_ENGINE] = "engine",
	[STATED_PROTOCOL] = "protocol",
	[STATED_LAYOUT] = "layout",
	[STATED_ASN] = "asn",
	[STATED_REFLECTORS] = "reflectors",
	[STATED_DISTANCE] = "distance",
	[STATED_TABLES] = "tables",
	[STATED_PROTOCOLS] = "protocols",
	[STATED_SOCKET] = "socket",
};

static void read_engine(struct parse *p, const struct yaml_node *v, void *into)
{
	struct stated_routing *s = into;

	s->pos[STATED_ENGINE] = v->pos;
	parse_engine(p, v, &s->engine);
}

/* One word is there so far; others that are known are told apart from nonsense. */
static void read_word(
	struct parse *p, const struct yaml_node *v, const char *there, const char *const *to_come)
{
	if (v->kind == YAML_SCALAR && !strcmp(v->text, there))
		return;
	for (; v->kind == YAML_SCALAR && *to_come; to_come++)
		if (!strcmp(v->text, *to_come)) {
			parse_complain(p, v, "`%s` isn't there yet; what is there is `%s`", v->text,
				there);
			return;
		}
	parse_refuse(p, v, "`%s`", there);
}

static void read_protocol(struct parse *p, const struct yaml_node *v, void *into)
{
	static const char *const to_come[] = {"ospf", "babel", NULL};
	struct stated_routing *s = into;

	s->pos[STATED_PROTOCOL] = v->pos;
	read_word(p, v, "bgp", to_come);
}

static void read_layout(struct parse *p, const struct yaml_node *v, void *into)
{
	static const char *const to_come[] = {"per-peer", NULL};
	struct stated_routing *s = into;

	s->pos[STATED_LAYOUT] = v->pos;
	read_word(p, v, "single", to_come);
}

static void read_asn(struct parse *p, const struct yaml_node *v, void *into)
{
	struct stated_routing *s = into;
	uint64_t n;

	s->pos[STATED_ASN] = v->pos;
	if (parse_number(p, v, 1, UINT32_MAX - 1, &n))
		s->asn = (uint32_t)n;
}

static void read_distance(struct parse *p, const struct yaml_node *v, void *into)
{
	struct stated_routing *s = into;
	uint64_t n;

	s->pos[STATED_DISTANCE] = v->pos;
	if (parse_number(p, v, 1, UINT8_MAX, &n))
		s->distance = (uint8_t)n;
}

static void read_reflectors(struct parse *p, const struct yaml_node *v, void *into)
{
	struct stated_routing *s = into;

	s->pos[STATED_REFLECTORS] = v->pos;
	s->names = parse_items(p, v, "the name of a node or a list of names", false) ? v : NULL;
}

static void read_socket(struct parse *p, const struct yaml_node *v, void *into)
{
	struct stated_routing *s = into;

	s->pos[STATED_SOCKET] = v->pos;
	if (v->kind == YAML_SCALAR && v->n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		parse_refuse(p, v, "the absolute path of a socket, of %zu bytes at most",
			sizeof(((struct sockaddr_un *)0)->sun_path) - 1);
	else
		parse_path(p, v, &s->socket);
}

/* --- lists of numbers ----------------------------------------------------------------------------
 */

typedef VEC(uint64_t) number_list;

struct kernel_numbers {
	uint64_t most;
	const char *(*fault)(uint64_t n); /* NULL: it is one that may count */
};

static void read_numbers(struct parse *p, const struct yaml_node *v, const struct kernel_numbers *k,
	number_list *ret)
{
	const struct yaml_node *item =
		parse_items(p, v, "a whole number or a list of whole numbers", false);

	for (; item; item = parse_next(v, item)) {
		bool is_twin = false;
		uint64_t n;

		if (!parse_number(p, item, 1, k->most, &n))
			continue;
		for (size_t i = 0; i < ret->n; i++)
			is_twin |= ret->items[i] == n;
		if (is_twin)
			parse_complain(p, item, "%llu stands twice", (unsigned long long)n);
		else if (k->fault(n))
			parse_complain(p, item, "%llu is %s", (unsigned long long)n, k->fault(n));
		else
			vec_push(ret, n);
	}
}

static const char *table_fault(uint64_t n)
{
	return n == RT_TABLE_LOCAL ? "the kernel's table of its own addresses, where no engine "
				     "writes"
				   : NULL;
}

static void read_tables(struct parse *p, const struct yaml_node *v, void *into)
{
	struct stated_routing *s = into;
	number_list list = {0};
	uint32_t *copy;

	s->pos[STATED_TABLES] = v->pos;
	read_numbers(p, v, &(struct kernel_numbers){UINT32_MAX, table_fault}, &list);
	copy = arena_array(p->arena, uint32_t, list.n);
	for (size_t i = 0; i < list.n; i++)
		copy[i] = (uint32_t)list.items[i];
	s->tables = copy;
	s->n_tables = list.n;
	vec_done(&list);
}

static const char *protocol_fault(uint64_t n)
{
	if (n == RTPROT_KERNEL)
		return "what the kernel's own routes have, which no engine chose";
	return n == OWN_PROTOCOL ? "what shuntd's own routes have, which no engine chose" : NULL;
}

static void read_protocols(struct parse *p, const struct yaml_node *v, void *into)
{
	struct stated_routing *s = into;
	number_list list = {0};
	uint8_t *copy;

	s->pos[STATED_PROTOCOLS] = v->pos;
	read_numbers(p, v, &(struct kernel_numbers){UINT8_MAX, protocol_fault}, &list);
	copy = arena_array(p->arena, uint8_t, list.n);
	for (size_t i = 0; i < list.n; i++)
		copy[i] = (uint8_t)list.items[i];
	s->protocols = copy;
	s->n_protocols = list.n;
	vec_done(&list);
}

/* --- the whole -----------------------------------------------------------------------------------
 */

void parse_routing(struct parse *p, const struct yaml_node *v, void *into)
{
	static const struct parse_field fields[] = {
		{"engine", read_engine, 0},
		{"protocol", read_protocol, 0},
		{"layout", read_layout, 0},
		{"asn", read_asn, 0},
		{"reflectors", read_reflectors, 0},
		{"distance", read_distance, 0},
		{"tables", read_tables, 0},
		{"protocols", read_protocols, 0},
		{"socket", read_socket, 0},
	};
	const char *where = p->where;

	if (!parse_is_map(p, v))
		return;
	p->where = arena_printf(p->scratch, " in `routing`%s", where);
	parse_map(p, v, fields, ARRAY_SIZE(fields), into);
	p->where = where;
}

void stated_routing_resolve(struct parse *p, struct stated_routing *s, struct parse_finder *f)
{
	VEC(unsigned) list = {0};
	const struct yaml_node *item;
	unsigned *copy;

	if (!s->names)
		return;
	item = parse_items(p, s->names, "", false);
	for (; item; item = parse_next(s->names, item)) {
		int found = parse_find_node(p, item, f);
		bool is_twin = false;

		for (size_t i = 0; i < list.n; i++)
			is_twin |= (int)list.items[i] == found;
		if (is_twin)
			mesh_errors_add(p->errors, item->pos, "node %s stands twice in `%s`",
				text_quote(p->scratch, item->text, item->n), f->in);
		else if (found >= 0)
			vec_push(&list, (unsigned)found);
	}
	copy = arena_array(p->arena, unsigned, list.n);
	if (list.n)
		memcpy(copy, list.items, list.n * sizeof(*copy));
	s->reflectors = copy;
	s->n_reflectors = list.n;
	s->names = NULL;
	vec_done(&list);
}

int stated_routing_idle(const struct stated_routing *s, bool with_engine)
{
	if (with_engine && s->pos[STATED_ENGINE].line && s->engine != MESH_ENGINE_NONE)
		return STATED_ENGINE;
	for (int key = STATED_ENGINE + 1; key < N_STATED_ROUTING; key++)
		if (s->pos[key].line)
			return key;
	return -1;
}

const char *stated_routing_name(int key)
{
	return keys[key];
}

/* The protocol numbers that the engine's routes have in the kernel. */
static size_t protocols_of(enum mesh_engine engine, const uint8_t **ret)
{
	static const uint8_t bird[] = {RTPROT_BIRD};
	static const uint8_t frr[] = {
		RTPROT_BGP, 196 /* static */, RTPROT_OSPF, RTPROT_BABEL, RTPROT_ISIS, RTPROT_RIP};

	*ret = engine == MESH_ENGINE_BIRD ? bird : engine == MESH_ENGINE_FRR ? frr : NULL;
	return engine == MESH_ENGINE_BIRD  ? ARRAY_SIZE(bird)
	       : engine == MESH_ENGINE_FRR ? ARRAY_SIZE(frr)
					   : 0;
}

static void finish_lists(struct mesh_routing *r, const struct stated_routing *own,
	const struct stated_routing *defaults)
{
	static const uint32_t main_table = RT_TABLE_MAIN;
	bool is_other = own->pos[STATED_ENGINE].line && defaults->pos[STATED_ENGINE].line &&
			own->engine != defaults->engine;
	const struct stated_routing *s = own->n_tables ? own : defaults;

	r->tables = s->n_tables ? s->tables : &main_table;
	r->n_tables = s->n_tables ? s->n_tables : 1;
	s = own->n_protocols || is_other ? own : defaults;
	r->protocols = s->protocols;
	r->n_protocols = s->n_protocols;
	if (!r->n_protocols)
		r->n_protocols = protocols_of(r->engine, &r->protocols);
	s = own->socket || is_other ? own : defaults;
	r->socket = r->engine == MESH_ENGINE_OTHER ? NULL : s->socket;
	s = own->pos[STATED_REFLECTORS].line ? own : defaults;
	r->reflectors = s->reflectors;
	r->n_reflectors = s->n_reflectors;
	r->reflectors_pos = s->pos[STATED_REFLECTORS];
}

static void finish_idle(struct mesh_routing *r, const struct stated_routing *own, bool is_client)
{
	int key = r->engine == MESH_ENGINE_NONE ? stated_routing_idle(own, is_client) : -1;

	if (r->engine == MESH_ENGINE_OTHER && own->pos[STATED_SOCKET].line)
		key = STATED_SOCKET;
	if (key < 0)
		return;
	r->idle_key = keys[key];
	r->idle_pos = own->pos[key];
}

void stated_routing_finish(
	struct stated_routing *own, const struct stated_routing *defaults, struct mesh_node *ret)
{
	struct mesh_routing *r = &ret->routing;
	const struct stated_routing *s = own->pos[STATED_ENGINE].line ? own : defaults;

	*r = (struct mesh_routing){.protocol = MESH_BGP, .layout = MESH_SINGLE};
	r->engine = ret->role == MESH_CLIENT ? MESH_ENGINE_NONE : (enum mesh_engine)s->engine;
	r->pos = s->pos[STATED_ENGINE];
	s = own->asn ? own : defaults;
	r->asn = s->asn;
	r->asn_pos = s->pos[STATED_ASN];
	r->distance = own->distance	   ? own->distance
		      : defaults->distance ? defaults->distance
					   : DISTANCE_DEFAULT;
	finish_lists(r, own, defaults);
	finish_idle(r, own, ret->role == MESH_CLIENT);
	if (!r->pos.line)
		r->pos = ret->pos;
	if (!r->asn_pos.line)
		r->asn_pos = ret->pos;
	if (!r->reflectors_pos.line)
		r->reflectors_pos = ret->pos;
}

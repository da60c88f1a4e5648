/* SPDX-License-Identifier: MIT */
#include "story_mesh.h"

#include "route/rib.h"

#define N_FAMILIES 2
#define ENDPOINTS "198.51.100.0/24" /* holds world_uplink's */
#define PASSING "10.21.0.0/24"	    /* of one edition only, and another in IPv6 */
#define DEVICES \
	0x5fb /* by which stories that were found before there was a choice have one owner */
#define PASSING6 "fd21::/64"

const char *const story_shared[] = {"10.20.53.53/32", "fd20:0:0:53::53/128", "10.20.0.0/16",
	"fd20::/48", ENDPOINTS, PASSING, PASSING6, "0.0.0.0/0", "::/0"};
const size_t story_n_shared = ARRAY_SIZE(story_shared);
static const char *const anycast[N_FAMILIES] = {"10.20.53.53/32", "fd20:0:0:53::53/128"};
static const char *const cover[N_FAMILIES] = {"10.20.0.0/16", "fd20::/48"};
static const char *const passing[N_FAMILIES] = {PASSING, PASSING6};
static const char *const everything[N_FAMILIES] = {"0.0.0.0/0", "::/0"};

/* Apart from all other chance, so that a seed's mesh is the same whatever its devices are. */
static struct chance chance_of_devices(uint64_t seed)
{
	return (struct chance){seed ^ DEVICES};
}

enum story_devices story_devices_of(uint64_t seed)
{
	struct chance c = chance_of_devices(seed);

	return (enum story_devices)chance_below(&c, 3);
}

bool story_has_engines(uint64_t seed)
{
	return seed >> 61 == STORY_WITH_ENGINES >> 61;
}

/* What all editions have. */
struct shape {
	unsigned hubs, sites, clients, families;
	bool is_full;
};

static const char *numbered(struct mesh_build *b, const char *kind, unsigned i)
{
	return arena_printf(&b->arena, "%s%u", kind, i);
}

static void add_address6(struct mesh_build *b, struct mesh_node *n)
{
	struct mesh_address *both = arena_array(&b->arena, struct mesh_address, 2);
	bool ok = ip_addr_parse(&both[1].addr, arena_printf(&b->arena, "fd10::%x", n->index + 1));

	assert(ok);
	(void)ok;
	both[0] = n->addresses[0];
	n->addresses = both;
	n->n_addresses = 2;
}

static void add_node(struct mesh_build *b, struct chance *c, const struct shape *shape,
	enum mesh_role role, const char *name, unsigned edition)
{
	unsigned i = (unsigned)b->nodes.n;
	unsigned node = mesh_build_node(b, name, role, numbered(b, "10.10.0.", i + 1));
	struct mesh_node *n = &b->nodes.items[node];
	unsigned metric = 1 + (chance_below(c, 3) + edition * (i + 1)) % 3;

	n->metric = role == MESH_HUB ? 10 * metric : MESH_METRIC_NONE;
	n->liveness.hold_ns = (int64_t)(1 + chance_below(c, 5)) * NS_PER_S;
	if (role == MESH_CLIENT)
		n->liveness.probe = MESH_PROBE_ECHO;
	mesh_build_network(b, node, arena_printf(&b->arena, "10.20.%u.0/24", i), MESH_METRIC_NONE);
	if (shape->families < 2)
		return;
	add_address6(b, n);
	mesh_build_network(
		b, node, arena_printf(&b->arena, "fd20:0:0:%x::/64", i), MESH_METRIC_NONE);
}

static void add_nodes(
	struct mesh_build *b, struct chance *c, const struct shape *s, unsigned edition)
{
	for (unsigned i = 0; i < s->hubs; i++)
		add_node(b, c, s, MESH_HUB, numbered(b, "hub-", i + 1), edition);
	for (unsigned i = 0; i < s->sites; i++)
		add_node(b, c, s, MESH_SPOKE, numbered(b, "site-", i + 1), edition);
	for (unsigned i = 0; i < s->clients; i++) {
		add_node(b, c, s, MESH_CLIENT, numbered(b, "client-", i + 1), edition);
		/* It stays with its hub in all editions, as its file does. */
		mesh_build_link(b, chance_below(c, s->hubs), s->hubs + s->sites + i);
	}
}

static void add_anycast(
	struct mesh_build *b, struct chance *c, const struct shape *s, unsigned edition)
{
	for (unsigned i = 0; i < 2; i++) {
		unsigned metric = 10 * ((chance_below(c, 3) + edition * i) % 3);

		for (unsigned f = 0; f < s->families; f++)
			mesh_build_network(b, s->hubs + i, anycast[f], metric);
	}
}

static void add_everywhere(struct mesh_build *b, unsigned node, const char *const *what,
	const struct shape *s, uint32_t metric)
{
	for (unsigned f = 0; f < s->families; f++)
		mesh_build_network(b, node, what[f], metric);
}

/* One hub, or two, are the way out. */
static void add_way_out(
	struct mesh_build *b, struct chance *c, const struct shape *s, unsigned edition)
{
	unsigned n = 1 + chance_below(c, s->hubs > 1 ? 2 : 1);

	for (unsigned i = 0; i < n; i++)
		add_everywhere(b, i, everything, s, 10 * ((chance_below(c, 2) + edition * i) % 2));
}

static struct shape shape_of(struct chance *c)
{
	struct shape s = {.hubs = 1 + chance_below(c, 3), .sites = 2 + chance_below(c, 4)};

	s.is_full = !chance_below(c, 6);
	s.families = 1 + (chance_below(c, 3) != 0);
	s.clients = chance_below(c, 3);
	if (s.is_full)
		s.clients = 0;
	return s;
}

/* Hubs and those who carry the same get equal metrics, in one edition or in all, and weights. */
static void make_equal(struct mesh_build *b, struct chance c, unsigned edition)
{
	bool hubs = chance_below(&c, 4) > edition, anycasters = chance_below(&c, 3) > edition;

	for (size_t i = 0; i < b->nodes.n; i++) {
		struct mesh_node *n = &b->nodes.items[i];

		n->metric = hubs && n->role == MESH_HUB ? 10 : n->metric;
		n->weight = (uint16_t)(1 + (chance_below(&c, 4) + edition) % 4);
	}
	for (size_t i = 0; i < b->networks.n; i++) {
		struct mesh_network *n = &b->networks.items[i].network;

		if (anycasters && n->metric != MESH_METRIC_NONE)
			n->metric = 0;
		n->weight = (uint16_t)(1 + (chance_below(&c, 4) + edition) % 4);
	}
}

/* Hubs do, or nobody would pass anything on. */
static void add_engines(struct mesh_build *b, struct chance c)
{
	bool is_mixed = chance_below(&c, 3) == 0;
	enum mesh_engine kind = chance_below(&c, 2) ? MESH_ENGINE_BIRD : MESH_ENGINE_FRR;

	for (size_t i = 0; i < b->nodes.n; i++) {
		struct mesh_node *n = &b->nodes.items[i];

		if (n->role == MESH_CLIENT ||
			(is_mixed && n->role != MESH_HUB && chance_below(&c, 3) == 0))
			continue;
		n->routing.engine = kind;
		n->routing.distance = RIB_DISTANCE_KERNEL;
	}
}

/* Chance is the same for all editions. */
static void make_edition(struct mesh_build *b, uint64_t seed, struct chance c, unsigned edition)
{
	struct shape s = shape_of(&c);
	unsigned passer;

	mesh_build_begin(b, s.is_full ? MESH_FULL_MESH : MESH_HUB_AND_SPOKE, STORY_OVERLAY);
	if (s.families > 1)
		vec_push(&b->overlays, (struct mesh_overlay){mesh_build_prefix(STORY_OVERLAY6),
					       false, mesh_build_pos(b)});
	add_nodes(b, &c, &s, edition);
	if (chance_below(&c, 3) == edition)
		mesh_build_link(b, s.hubs, s.hubs + 1);
	if (chance_below(&c, 2))
		add_anycast(b, &c, &s, edition);
	if (chance_below(&c, 3) == 0)
		add_everywhere(b, chance_below(&c, s.hubs + s.sites), cover, &s, MESH_METRIC_NONE);
	if (chance_below(&c, 3) == 0 && !story_has_engines(seed))
		add_way_out(b, &c, &s, edition);
	passer = chance_below(&c, 2 * (s.hubs + s.sites));
	if (passer < s.hubs + s.sites && edition == passer % 2)
		add_everywhere(b, passer, passing, &s, MESH_METRIC_NONE);
	if (chance_below(&c, 4) == 0 && !story_has_engines(seed))
		mesh_build_network(
			b, chance_below(&c, s.hubs + s.sites), ENDPOINTS, MESH_METRIC_NONE);
	if (story_devices_of(seed) != STORY_ONE_OWNER)
		make_equal(b, chance_of_devices(seed), edition);
	if (story_has_engines(seed))
		add_engines(b, chance_of_devices(seed));
	mesh_build_end(b);
}

void story_make_mesh(struct mesh_build *builds, unsigned n, uint64_t seed, struct chance *c)
{
	for (unsigned i = 0; i < n; i++)
		make_edition(&builds[i], seed, *c, i);
	for (unsigned i = 0; i < 128; i++) /* past what the editions took */
		chance_u64(c);
}

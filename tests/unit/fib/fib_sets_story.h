/* SPDX-License-Identifier: MIT */
/* Random devices of many owners, what they shall become, and where packets go on them. */
#ifndef SHUNT_TESTS_FIB_SETS_STORY_H
#define SHUNT_TESTS_FIB_SETS_STORY_H

#include "fib_model.h"

#define ROUNDS 3000
#define N_OURS 8 /* prefixes, peers and sets that may be wanted */
#define N_WANTED 4
#define N_OUR_SETS 4

static const char *const nested[N_PREFIXES] = {"0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16",
	"10.1.1.0/24", "10.2.0.0/16", "fd00::/16", "fd00:1::/32", "fd00:1:1::/48", "10.1.2.0/24",
	"10.3.0.0/16", "172.16.0.0/12", "fd00:2::/32"};

/* One case. */
struct story {
	struct chance *chance;
	struct model then, now, shall;
	bool wanted[N_PEERS];
	bool lives[N_PEERS];
	struct want_facts facts;
	struct fib_state want;
	struct fib_ours ours;
	const char *fault;
};

static inline bool ours_peer(const wg_key *key, void *data)
{
	return index_of(key) < 6;
}

static inline bool ours_prefix(const ip_prefix *p, void *data)
{
	return prefix_index(p) < N_OURS;
}

static inline bool ours_any(const ip_prefix *p, void *data)
{
	return true;
}

/* --- worlds ------------------------------------------------------------------------------------
 */

/* n peers below max, each once. */
static inline void random_owners(struct model_set *s, size_t n, const bool *there, struct chance *c)
{
	for (int i = 0; i < N_PEERS && s->n < n; i++) {
		if (!there[i] || chance_below(c, 2))
			continue;
		s->owners[s->n].peer = i;
		s->owners[s->n].rank = (uint16_t)chance_below(c, 3);
		s->owners[s->n].weight = (uint16_t)chance_below(c, 3);
		s->n++;
	}
}

static inline int random_home(const struct model *m, int n_peers, int n_sets, struct chance *c)
{
	int k = (int)chance_below(c, (unsigned)(n_peers + n_sets + 1)) - 1;

	if (k >= n_peers)
		return m->sets[k - n_peers].there ? AT_SET + k - n_peers : NOBODY;
	return k >= 0 && m->has[k] ? k : NOBODY;
}

static inline void random_before(struct story *s)
{
	struct model *m = &s->then;
	struct chance *c = s->chance;

	m->is_shared = m->up = true;
	m->mtu = 1420;
	for (int i = 0; i < N_PEERS; i++) {
		m->has[i] = chance_below(c, 4);
		m->level[i] = m->has[i] ? (enum device_level)chance_below(c, 3) : DEVICE_UP;
	}
	for (int k = 0; k < N_SETS; k++) {
		m->sets[k].there = chance_below(c, 3);
		if (m->sets[k].there)
			random_owners(&m->sets[k], chance_below(c, N_OWNERS + 1), m->has, c);
	}
	for (int j = 0; j < N_PREFIXES; j++)
		m->owner[j] = random_home(m, N_PEERS, N_SETS, c);
}

/* The RIB's word: nobody of a set is sent to, or one who lives is. */
static inline bool is_sound(const struct model_set *s, const struct model *m)
{
	bool sends = false;

	for (size_t i = 0; i < s->n; i++) {
		sends |= s->owners[i].weight;
		if (s->owners[i].weight && m->level[s->owners[i].peer] != DEVICE_DOWN)
			return true;
	}
	return s->n && !sends;
}

static inline void random_set(struct story *s, int k)
{
	struct model_set *set = &s->shall.sets[k];

	/* The same as before, often. */
	if (s->then.sets[k].there && chance_below(s->chance, 2))
		*set = s->then.sets[k];
	else
		random_owners(set, N_OWNERS, s->wanted, s->chance);
	for (size_t i = 0; i < set->n; i++) {
		if (k == 3) /* a shadow */
			set->owners[i].weight = 0;
		if (!s->wanted[set->owners[i].peer])
			set->n = 0;
	}
	set->there = is_sound(set, &s->shall);
	if (!set->there)
		*set = (struct model_set){0};
}

static inline void random_after(struct story *s)
{
	struct model *m = &s->shall;
	struct chance *c = s->chance;

	*m = copy_of(&s->then);
	memset(m->sets, 0, sizeof(m->sets));
	for (int i = 0; i < N_WANTED; i++) {
		s->wanted[i] = chance_below(c, 4);
		m->has[i] = s->wanted[i];
		if (s->wanted[i] && !chance_below(c, 3))
			m->level[i] = (enum device_level)chance_below(c, 3);
	}
	for (int k = 0; k < N_OUR_SETS; k++)
		random_set(s, k);
	for (int j = 0; j < N_OURS; j++) {
		int was = s->then.owner[j], at;

		at = was >= AT_SET && was < AT_SET + N_OUR_SETS && m->sets[was - AT_SET].there &&
				     chance_below(c, 2)
			     ? was
			     : random_home(m, N_WANTED, N_OUR_SETS, c);
		m->owner[j] = at;
	}
}

/* --- as states ---------------------------------------------------------------------------------
 */

static inline void want_peers(const struct story *s, struct device_state *ret)
{
	struct device_peer peers[N_WANTED] = {0};
	size_t n = 0;

	for (int i = 0; i < N_WANTED; i++) {
		struct device_peer *p = &peers[n];

		if (!s->wanted[i])
			continue;
		n++;
		p->key = keys[i];
		p->level = s->shall.level[i];
		p->allowed = mem_zalloc(N_OURS, sizeof(*p->allowed));
		for (int j = 0; j < N_OURS; j++)
			if (s->shall.owner[j] == i)
				p->allowed[p->n_allowed++] = prefixes[j];
	}
	qsort(peers, n, sizeof(*peers), by_key);
	ret->n_peers = n;
	ret->peers = n ? secret_zalloc(n, sizeof(*peers)) : NULL;
	if (n)
		memcpy(ret->peers, peers, n * sizeof(*peers));
}

static inline void want_sets(struct story *s, struct device_state *ret)
{
	ret->sets = mem_zalloc(N_SETS, sizeof(*ret->sets));
	world = &s->shall;
	for (int k = 0; k < N_OUR_SETS; k++) {
		struct device_owner_set *set = &ret->sets[ret->n_sets];

		if (!s->shall.sets[k].there)
			continue;
		get_set(k, set);
		while (set->n_allowed && prefix_index(&set->allowed[set->n_allowed - 1]) >= N_OURS)
			set->n_allowed--;
		ret->n_sets++;
	}
}

static inline void make_wish(struct story *s)
{
	struct fib_device d = {.name = "wg0", .ifindex = WG, .up = true, .mtu = 1420};

	want_peers(s, &d.wg);
	want_sets(s, &d.wg);
	vec_push(&s->want.devices, d);
	s->facts = (struct want_facts){.overlay_table = 7, .ifindex = WG, .ifname = "wg0"};
	s->ours = (struct fib_ours){
		.facts = &s->facts,
		.has_peer = ours_peer,
		.has_address = ours_any,
		.has_backstop = ours_any,
		.has_prefix = ours_prefix,
		.data = s,
	};
}

static inline bool is_foreign_home(int home)
{
	return home == 6 || home == 7 || home == AT_SET + 4;
}

/* What is foreign stays, and what is foreign of ours goes with it. */
static inline int home_after(const struct story *s, int j)
{
	int was = s->then.owner[j];

	if (j < N_OURS)
		return is_foreign_home(was) ? was : s->shall.owner[j];
	if (was >= AT_SET && was < AT_SET + N_OUR_SETS)
		return s->shall.sets[was - AT_SET].there ? was : NOBODY;
	return was >= 0 && was < 6 && !s->wanted[was] ? NOBODY : was;
}

static inline void story_begin(struct story *s, struct chance *c)
{
	*s = (struct story){.chance = c};
	random_before(s);
	random_after(s);
	make_wish(s);
	for (int j = 0; j < N_PREFIXES; j++)
		s->shall.owner[j] = home_after(s, j);
	s->shall.sets[4] = s->then.sets[4];
	for (int i = N_WANTED; i < 6; i++) {
		s->shall.has[i] = false;
		leave_set(&s->shall.sets[4], i);
	}
	for (int i = 0; i < N_WANTED; i++)
		if (!s->wanted[i])
			leave_set(&s->shall.sets[4], i);
	for (int i = 0; i < N_PEERS; i++)
		s->lives[i] = s->shall.level[i] != DEVICE_DOWN;
	s->now = copy_of(&s->then);
	world = &s->now;
}

static inline void story_end(struct story *s)
{
	fib_state_done(&s->want);
	model_done(&s->then);
	model_done(&s->now);
	model_done(&s->shall);
}

/* --- a packet ----------------------------------------------------------------------------------
 */

/* Of a set: the best level, then the lowest rank. False: nobody is usable. */
static inline bool choose(const struct model *m, const struct model_set *s, bool ret[N_PEERS])
{
	int best = DEVICE_DOWN, rank = UINT16_MAX + 1;

	for (size_t i = 0; i < s->n; i++)
		if (s->owners[i].weight && (int)m->level[s->owners[i].peer] < best)
			best = m->level[s->owners[i].peer];
	for (size_t i = 0; i < s->n && best != DEVICE_DOWN; i++)
		if (s->owners[i].weight && (int)m->level[s->owners[i].peer] == best &&
			s->owners[i].rank < rank)
			rank = s->owners[i].rank;
	for (size_t i = 0; i < s->n && best != DEVICE_DOWN; i++)
		ret[s->owners[i].peer] = s->owners[i].weight && s->owners[i].rank == rank &&
					 (int)m->level[s->owners[i].peer] == best;
	return best != DEVICE_DOWN;
}

static inline int preferred(const struct model_set *s)
{
	int best = -1;

	for (size_t i = 0; i < s->n; i++)
		if (s->owners[i].weight && (best < 0 || s->owners[i].rank < s->owners[best].rank))
			best = (int)i;
	return best < 0 ? NOBODY : s->owners[best].peer;
}

/* The next shorter one that holds prefix j. */
static inline int cover_of(int j, int len)
{
	int best = NOBODY;

	for (int i = 0; i < N_PREFIXES; i++)
		if (prefixes[i].len < len && ip_prefix_contains(&prefixes[i], &prefixes[j]) &&
			(best == NOBODY || prefixes[i].len > prefixes[best].len))
			best = i;
	return best;
}

/* Whoever a packet to prefix j may be sent to lives. */
static inline bool reaches(const struct story *s, const struct model *m, int j)
{
	int fallback = NOBODY;

	for (int at = j; at != NOBODY; at = cover_of(j, prefixes[at].len)) {
		bool chosen[N_PEERS] = {false};
		int home = m->owner[at];
		const struct model_set *set;

		if (home == NOBODY)
			continue;
		if (home < AT_SET)
			return true;
		set = &m->sets[home - AT_SET];
		if (choose(m, set, chosen)) {
			for (int i = 0; i < N_PEERS; i++)
				if (chosen[i] && !s->lives[i])
					return false;
			return true;
		}
		fallback = fallback == NOBODY ? preferred(set) : fallback;
	}
	return fallback != NOBODY && s->lives[fallback];
}

#endif

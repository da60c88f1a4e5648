/* SPDX-License-Identifier: MIT */
/*
 * Some prefixes are always there, each strict or of one of two sets that change all the time but
 * always have peer 0, whom it may be sent to; around them others come and go, and so do peers,
 * whose memory is given back. No reader may miss the first, or find anybody who isn't meant to be
 * there.
 */
#include "cryptokey_scene.h"

#include <pthread.h>
#include <stdatomic.h>

#define STEADY 8
#define COMING 64
#define READERS 2
#define CHANGES 40000
#define ROUNDS 50
#define GUESTS 4
#define GOOD UINT64_C(0x900d)
#define GONE UINT64_C(0xdead)

struct race {
	struct qsbr *q;
	struct cryptokey_table *t;
	struct cryptokey_owner hosts[3]; /* hosts[2] is never in anything */
	struct cryptokey_owner *guests[GUESTS];
	struct cryptokey_set *sets[2];
	ip_prefix steady[STEADY], coming[COMING];
	ip_addr asked[STEADY];
	_Atomic bool stop;
	_Atomic unsigned wrong, rounds[READERS];
};

static struct race race;

struct reader {
	unsigned place;
};

static bool is_right(struct race *r, const ip_addr *a, uint16_t flow, bool from_relay)
{
	uint8_t packet[PACKET_LEN];
	struct cryptokey_answer got;
	enum cryptokey_verdict stranger;

	make_packet(packet, a, a, flow, 1);
	got = cryptokey_choose(r->t, packet, sizeof(packet), from_relay ? &r->hosts[2] : NULL);
	stranger = cryptokey_accept(r->t, packet, &r->hosts[2]);
	return got.owner && got.owner != &r->hosts[2] && got.owner->salt >> 16 == GOOD &&
	       stranger < CRYPTOKEY_ACCEPT &&
	       cryptokey_accept(r->t, packet, &r->hosts[0]) == CRYPTOKEY_ACCEPT;
}

static void *read_on(void *data)
{
	struct reader *me = data;
	struct race *r = &race;
	unsigned worker = qsbr_register(r->q);
	uint16_t flow = 0;

	while (!atomic_load_explicit(&r->stop, memory_order_acquire)) {
		qsbr_wake(r->q, worker);
		for (unsigned i = 0; i < 64; i++) {
			for (unsigned j = 0; j < STEADY; j++, flow++)
				if (!is_right(r, &r->asked[j], flow, flow & 1))
					atomic_fetch_add_explicit(
						&r->wrong, 1, memory_order_relaxed);
			qsbr_quiescent(r->q, worker);
		}
		qsbr_sleep(r->q, worker);
		atomic_fetch_add_explicit(&r->rounds[me->place], 1, memory_order_relaxed);
	}
	qsbr_unregister(r->q, worker);
	return NULL;
}

static void free_guest(void *guest)
{
	((struct cryptokey_owner *)guest)->salt = GONE;
	free(guest);
}

static struct cryptokey_owner *new_guest(unsigned place)
{
	struct cryptokey_owner *o = malloc(sizeof(*o));

	cryptokey_owner_init(o, GOOD << 16 | place);
	return o;
}

static void change_guest(struct race *r, struct chance *c)
{
	unsigned i = chance_below(c, GUESTS);

	cryptokey_remove_owner(r->t, r->guests[i]);
	qsbr_retire(r->q, r->guests[i], free_guest);
	r->guests[i] = new_guest(i);
}

/* Host 0 is in it, no relay, and may be sent to; the others are as chance has it. */
static void change_owners(struct race *r, struct chance *c, struct cryptokey_set *s)
{
	struct cryptokey_member m[2 + GUESTS] = {{&r->hosts[0], (uint16_t)chance_below(c, 3), 1}};
	size_t n = 1;

	for (unsigned i = 0; i < GUESTS; i++)
		if (chance_below(c, 2))
			m[n++] = (struct cryptokey_member){r->guests[i],
				(uint16_t)chance_below(c, 3), (uint16_t)chance_below(c, 3),
				chance_below(c, 2)};
	if (chance_below(c, 2))
		m[n++] = (struct cryptokey_member){&r->hosts[1], 0, 1, true};
	assert_int_equal(cryptokey_set_define(r->t, s, m, n), 0);
}

static void change_state(struct race *r, struct chance *c)
{
	unsigned i = chance_below(c, GUESTS + 1);
	struct cryptokey_owner *o = i < GUESTS ? r->guests[i] : &r->hosts[1];

	cryptokey_owner_set_level(o, (enum cryptokey_level)chance_below(c, 3));
	cryptokey_owner_set_answers(o, chance_below(c, 2));
}

static void change(struct race *r, struct chance *c)
{
	unsigned what = chance_below(c, 100);
	const ip_prefix *steady = &r->steady[chance_below(c, STEADY)];
	const ip_prefix *coming = &r->coming[chance_below(c, COMING)];
	struct cryptokey_set *set = r->sets[chance_below(c, 2)];
	struct cryptokey_owner *guest = r->guests[chance_below(c, GUESTS)];

	if (what < 2)
		change_guest(r, c);
	else if (what < 10)
		change_owners(r, c, set);
	else if (what < 30)
		change_state(r, c);
	else if (what < 50)
		cryptokey_bind(r->t, steady, set);
	else if (what < 60)
		cryptokey_insert(r->t, steady, &r->hosts[0]);
	else if (what < 70)
		cryptokey_insert(r->t, coming, guest);
	else if (what < 80)
		cryptokey_bind(r->t, coming, set);
	else if (what < 90)
		cryptokey_remove(r->t, coming, guest);
	else
		cryptokey_unbind(r->t, coming, set);
	qsbr_reclaim(r->q);
}

static bool is_in_the_way(const struct race *r, const ip_prefix *p)
{
	for (unsigned i = 0; i < STEADY; i++)
		if (p->len >= r->steady[i].len && ip_prefix_has_addr(p, &r->asked[i]))
			return true;
	return false;
}

static void begin_race(struct race *r, struct chance *c)
{
	*r = (struct race){.q = qsbr_new()};
	r->t = cryptokey_new(r->q, chance_u64(c));
	for (unsigned i = 0; i < 3; i++)
		cryptokey_owner_init(&r->hosts[i], GOOD << 16 | (100 + i));
	for (unsigned i = 0; i < GUESTS; i++)
		r->guests[i] = new_guest(i);
	for (unsigned i = 0; i < 2; i++) {
		r->sets[i] = cryptokey_set_new(r->t, NULL);
		change_owners(r, c, r->sets[i]);
	}
	for (unsigned i = 0; i < STEADY; i++) {
		r->asked[i] = random_addr(c);
		r->steady[i] = ip_prefix_of(
			&r->asked[i], 8 + chance_below(c, ip_family_bits(r->asked[i].family) - 7));
	}
	/* All must be there before it is known who stands in the way. */
	for (unsigned i = 0; i < STEADY; i++)
		assert_int_equal(cryptokey_bind(r->t, &r->steady[i], r->sets[i & 1]), 0);
	for (unsigned i = 0; i < COMING; i++)
		do
			r->coming[i] = random_prefix(c);
		while (is_in_the_way(r, &r->coming[i]));
}

static bool readers_have_run(struct race *r)
{
	for (unsigned i = 0; i < READERS; i++)
		if (atomic_load_explicit(&r->rounds[i], memory_order_relaxed) < ROUNDS)
			return false;
	return true;
}

static void end_race(struct race *r)
{
	cryptokey_free(r->t);
	for (unsigned i = 0; i < GUESTS; i++)
		free(r->guests[i]);
	qsbr_free(r->q);
}

static void never_missed(void **state)
{
	struct chance c = chance_start("never_missed");
	struct reader readers[READERS];
	pthread_t threads[READERS];

	begin_race(&race, &c);
	for (unsigned i = 0; i < READERS; i++) {
		readers[i] = (struct reader){i};
		assert_int_equal(pthread_create(&threads[i], NULL, read_on, &readers[i]), 0);
	}
	for (unsigned i = 0; i < CHANGES || !readers_have_run(&race); i++)
		change(&race, &c);
	atomic_store_explicit(&race.stop, true, memory_order_release);
	for (unsigned i = 0; i < READERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(race.wrong, 0);
	end_race(&race);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(never_missed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

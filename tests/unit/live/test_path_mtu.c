/* SPDX-License-Identifier: MIT */
/* The size that passes a path, found by echoes in virtual time. */
#include "live/path_mtu.h"

#include "unit.h"

#define RTT (30 * NS_PER_MS)

/* What the path does with packets of a size; the small ones may be dropped too. */
struct path {
	unsigned limit; /* 0: nothing passes */
	unsigned loss;	/* of 100 */
	struct chance *chance;
	unsigned asked;
};

static bool passes(struct path *p, unsigned size)
{
	return size <= p->limit && (!p->chance || chance_below(p->chance, 100) >= p->loss);
}

/* Lets the time pass until `until`. */
static instant run(struct path_mtu *m, struct path *p, instant now, instant until)
{
	unsigned size;

	while (!instant_before(until, now)) {
		if (path_mtu_step(m, &size, now)) {
			bool small = passes(p, PATH_MTU_SMALL), large = passes(p, size);

			assert_in_range(size, PATH_MTU_SMALL, m->largest);
			p->asked++;
			if (small)
				path_mtu_on_reply(m, PATH_MTU_SMALL, instant_add(now, RTT));
			if (large)
				path_mtu_on_reply(m, size, instant_add(now, RTT));
		}
		assert_false(instant_is_never(path_mtu_deadline(m)));
		now = path_mtu_deadline(m);
	}
	return now;
}

static void found(void **state)
{
	static const unsigned limits[] = {
		65, 66, 500, 576, 1279, 1280, 1281, 1328, 1400, 1418, 1419};

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		struct path_mtu m;
		struct path p = {.limit = limits[i]};

		path_mtu_init(&m, 1420, (instant){NS_PER_S});
		run(&m, &p, (instant){0}, (instant){20 * NS_PER_S});
		assert_int_equal(m.passes, limits[i]);
		assert_true(p.asked < 30);
		/* An hour later it is still so, at little cost. */
		p.asked = 0;
		run(&m, &p, (instant){20 * NS_PER_S}, (instant){3620 * NS_PER_S});
		assert_int_equal(m.passes, limits[i]);
		assert_true(p.asked < 8 * 61);
	}
}

static void whole_path(void **state)
{
	struct path_mtu m;
	struct path p = {.limit = 1420};

	path_mtu_init(&m, 1420, (instant){0});
	run(&m, &p, (instant){0}, (instant){3600 * NS_PER_S});
	assert_int_equal(m.passes, 0);
	assert_in_range(p.asked, 55, 65);
}

/* Who answers nothing, or is gone, says nothing of sizes. */
static void silence(void **state)
{
	struct path_mtu m;
	struct path p = {.limit = 0};

	path_mtu_init(&m, 1420, (instant){0});
	run(&m, &p, (instant){0}, (instant){600 * NS_PER_S});
	assert_int_equal(m.passes, 0);
	assert_true(p.asked < 24);
}

/* The path becomes narrower, then wide again. */
static void changes(void **state)
{
	struct path_mtu m;
	struct path p = {.limit = 1420};
	instant now = {0};

	path_mtu_init(&m, 1420, now);
	now = run(&m, &p, now, (instant){100 * NS_PER_S});
	assert_int_equal(m.passes, 0);
	p.limit = 1392;
	now = run(&m, &p, now, instant_add(now, 80 * NS_PER_S));
	assert_int_equal(m.passes, 1392);
	p.limit = 1300;
	now = run(&m, &p, now, instant_add(now, 80 * NS_PER_S));
	assert_int_equal(m.passes, 1300);
	p.limit = 1420;
	run(&m, &p, now, instant_add(now, 80 * NS_PER_S));
	assert_int_equal(m.passes, 0);
}

/* A peer that goes and comes keeps what was found, and a round that it missed says nothing. */
static void resumed(void **state)
{
	struct path_mtu m;
	struct path p = {.limit = 1400};
	instant now = {0};
	unsigned size;

	path_mtu_init(&m, 1420, now);
	now = run(&m, &p, now, (instant){30 * NS_PER_S});
	assert_int_equal(m.passes, 1400);
	assert_true(path_mtu_step(&m, &size, now));
	path_mtu_on_reply(&m, PATH_MTU_SMALL, now);
	now = instant_add(now, 100 * NS_PER_S);
	path_mtu_resume(&m, now);
	assert_int_equal(m.passes, 1400);
	p.limit = 1420;
	run(&m, &p, now, instant_add(now, NS_PER_S));
	assert_int_equal(m.passes, 0);
}

/* A path that loses a twentieth, of whatever size, isn't called narrow. */
static void lossy(void **state)
{
	struct chance chance = chance_start("lossy");
	unsigned blamed = 0;

	for (int i = 0; i < 200; i++) {
		struct path_mtu m;
		struct path p = {.limit = 1420, .loss = 5, .chance = &chance};

		path_mtu_init(&m, 1420, (instant){0});
		run(&m, &p, (instant){0}, (instant){600 * NS_PER_S});
		blamed += m.passes != 0;
	}
	assert_in_range(blamed, 0, 4);
}

/* Answers that come late or to nothing asked change nothing. */
static void stray_answers(void **state)
{
	struct path_mtu m;
	unsigned size;

	path_mtu_init(&m, 1420, (instant){NS_PER_S});
	path_mtu_on_reply(&m, 1420, (instant){1});
	assert_true(path_mtu_deadline(&m).ns == NS_PER_S);
	assert_true(path_mtu_step(&m, &size, (instant){NS_PER_S}));
	path_mtu_on_reply(&m, 1000, (instant){NS_PER_S});
	assert_false(m.large_answered || m.small_answered);
	assert_false(path_mtu_step(&m, &size, (instant){NS_PER_S + 1}));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(found), cmocka_unit_test(whole_path),
		cmocka_unit_test(silence), cmocka_unit_test(changes), cmocka_unit_test(resumed),
		cmocka_unit_test(lossy), cmocka_unit_test(stray_answers)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

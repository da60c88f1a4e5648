/* SPDX-License-Identifier: MIT */
/* Which silence is a hub's and which is not, in virtual time. */
#include "live/relay.h"

#include "unit.h"

/* What comes back of one ask: nothing, the echo, unreachable from the hub for the network behind
 * the site or for the site itself too. */
struct script {
	const char *answers; /* '.', 'e', 'n', 'b'; the last one goes on */
	int64_t for_ns;
	bool is_silent;
	unsigned asks_max;
};

static void play(const struct script *s)
{
	struct relay r;
	instant now = {0}, end = {s->for_ns};
	const char *a = s->answers;
	unsigned asks = 0;

	relay_init(&r, (instant){NS_PER_S});
	while (!instant_before(end, now)) {
		if (relay_step(&r, now)) {
			bool network = relay_wants_network(&r);

			relay_on_asked(&r, asks++, now);
			if (*a == 'e')
				relay_on_reply(&r, instant_add(now, NS_PER_MS));
			if (network && (*a == 'n' || *a == 'b'))
				relay_on_unreachable(&r, true);
			if (*a == 'b')
				relay_on_unreachable(&r, false);
			a += a[1] != '\0';
		}
		now = relay_deadline(&r);
	}
	if (relay_is_silent(&r) != s->is_silent || asks > s->asks_max)
		fail_msg("%s: silent %d, %u asks", s->answers, relay_is_silent(&r), asks);
}

static void table(void **state)
{
	static const struct script cases[] = {
		{"e", 3600 * NS_PER_S, false, 361},
		{".", 5 * NS_PER_S, false, 4},
		{".", 20 * NS_PER_S, true, 6},
		{".", 3600 * NS_PER_S, true, 370},
		{"eee.", 60 * NS_PER_S, true, 12},
		/* Sites of which some are down. */
		{"..e..e...e.ee..e.e", 60 * NS_PER_S, false, 40},
		{"....e", 30 * NS_PER_S, false, 10},
		/* All others are down, and the hub says so. */
		{"n", 3600 * NS_PER_S, false, 650},
		/* A firewall that says no. */
		{"b", 60 * NS_PER_S, true, 12},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		play(&cases[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(table)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

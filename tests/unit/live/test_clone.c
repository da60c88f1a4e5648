/* SPDX-License-Identifier: MIT */
/* One key on two machines, told from a node that roams. */
#include "live/clone.h"

#include "base/mem.h"
#include "unit.h"

struct script {
	const char *calls; /* each letter is an endpoint; a capital one has a new handshake */
	int64_t step_ns, later_ns;
	unsigned flaps;
	bool is_two;
};

static sock_addr endpoint(char letter)
{
	/* C and D are of the other family. */
	char v4[] = "192.0.2.1:51820", v6[] = "[2001:db8::1]:51820";
	sock_addr a;

	v4[8] = v6[11] = (char)('1' + (letter | 0x20) - 'a');
	assert_true(sock_addr_parse(&a, (letter | 0x20) >= 'c' ? v6 : v4));
	return a;
}

static bool is_two(const struct script *c)
{
	struct clone_watch w = {0};
	struct clone_sample s = {.handshake = 1, .flaps = c->flaps};
	instant now = {1};
	sock_addr pair[2];

	for (const char *l = c->calls; *l; l++) {
		s.endpoint = endpoint(*l);
		s.handshake += *l < 'a';
		now = instant_add(now, c->step_ns);
		clone_note(&w, &s, now);
	}
	return clone_is_two(&w, instant_add(now, c->later_ns), pair);
}

static void table(void **state)
{
	static const struct script cases[] = {
		{"", NS_PER_S, 0, 9, false},
		{"AAAAAAAA", NS_PER_S, 0, 9, false},
		{"AB", NS_PER_S, 0, 9, false},
		{"ABA", NS_PER_S, 0, 9, false},
		{"ABAB", NS_PER_S, 0, 0, true},
		{"CDCD", NS_PER_S, 0, 0, true},
		{"ACAC", NS_PER_S, 0, 0, true},
		{"AABBABBBAB", 10 * NS_PER_S, 0, 0, true},
		/* Few handshakes, but it flaps; without flaps it is one behind two lines. */
		{"AabbBaabba", NS_PER_S, 0, 3, true},
		{"AabbBaabba", NS_PER_S, 0, 2, false},
		{"aBababab", NS_PER_S, 0, 2, false},
		/* To and fro without a rest: no two lines, if it shakes hands anew meanwhile. */
		{"AababababababaBab", NS_PER_S, 0, 0, true},
		{"AabababababaB", NS_PER_S, 0, 0, true},
		{"Aababababababa", NS_PER_S, 0, 0, false},
		{"AababababababaBab", 6 * NS_PER_S, 0, 0, false},
		/* A line that is bad, and one session all the time. */
		{"abababab", NS_PER_S, 0, 9, false},
		/* Roaming: to ever new places, there and back once, or slowly. */
		{"ABEFABEF", NS_PER_S, 0, 0, false},
		{"ABAEABE", NS_PER_S, 0, 0, false},
		{"AAABBBAAA", 10 * NS_PER_S, 0, 0, false},
		{"ABABABAB", 50 * NS_PER_S, 0, 9, false},
		/* It is said for a while. */
		{"ABAB", NS_PER_S, 170 * NS_PER_S, 0, true},
		{"ABAB", NS_PER_S, 190 * NS_PER_S, 0, false},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
		if (is_two(&cases[i]) != cases[i].is_two)
			fail_msg("%s, %u flaps", cases[i].calls, cases[i].flaps);
}

/* No endpoint, or no handshake: nothing can be said. */
static void nothing(void **state)
{
	struct clone_watch w = {0};
	struct clone_sample s = {.flaps = 9};
	sock_addr pair[2];

	for (int i = 0; i < 20; i++) {
		s.handshake = i + 1;
		clone_note(&w, &s, (instant){i});
	}
	assert_false(clone_is_open(&w, (instant){100}));
	s.handshake = 0;
	w = (struct clone_watch){0};
	for (int i = 0; i < 20; i++) {
		s.endpoint = endpoint(i % 2 ? 'a' : 'b');
		clone_note(&w, &s, (instant){i});
	}
	assert_true(clone_is_open(&w, (instant){100}));
	assert_false(clone_is_two(&w, (instant){100}, pair));
}

/* The pair is the same whichever called last. */
static void order(void **state)
{
	struct clone_watch w = {0};
	struct clone_sample s = {0};
	sock_addr first[2], second[2];

	for (int i = 0; i < 4; i++) {
		s = (struct clone_sample){i + 1, endpoint(i % 2 ? 'b' : 'a'), 0};
		clone_note(&w, &s, (instant){i});
	}
	assert_true(clone_is_two(&w, (instant){5}, first));
	s = (struct clone_sample){9, endpoint('a'), 0};
	clone_note(&w, &s, (instant){6});
	assert_true(clone_is_two(&w, (instant){6}, second));
	assert_true(sock_addr_eq(&first[0], &second[0]) && sock_addr_eq(&first[1], &second[1]));
	assert_false(sock_addr_eq(&first[0], &first[1]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table), cmocka_unit_test(nothing), cmocka_unit_test(order)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* Which rules keep a node's own sources from coming out of the tunnel. */
#include "daemon/kernel_sources.h"

#include "unit.h"
#include <string.h>

struct list {
	ip_prefix items[32];
	size_t n;
};

static struct list list_of(const char *texts)
{
	char *copy = mem_strdup(texts), *save = NULL;
	struct list l = {.n = 0};

	for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save))
		assert_true(ip_prefix_parse(&l.items[l.n++], t));
	free(copy);
	return l;
}

static size_t rules_of(const struct list *own, const struct list *others, const struct list *spared,
	struct source_rule **ret)
{
	struct source_plan p = {
		.own = own->items,
		.n_own = own->n,
		.others = others->items,
		.n_others = others->n,
		.spared = spared->items,
		.n_spared = spared->n,
	};

	return source_plan_rules(&p, ret);
}

static void table(void **state)
{
	static const struct {
		const char *own, *others, *spared, *rules; /* -: refused, +: passed on */
	} cases[] = {
		{"", "0.0.0.0/0 10.20.1.0/24", "10.10.0.0/24", ""},
		/* No cover, or none that is wider: WireGuard itself refuses. */
		{"10.30.0.0/24", "10.20.1.0/24 10.31.0.0/16 ::/0", "10.10.0.0/24", ""},
		{"10.30.0.0/24", "10.30.0.0/24 10.30.0.128/25", "", ""},
		{"0.0.0.0/0", "10.20.1.0/24", "10.10.0.0/24", ""},
		{"10.30.0.0/24", "0.0.0.0/0 10.20.1.0/24", "10.10.0.0/24", "-10.30.0.0/24"},
		{"10.30.0.0/24", "10.0.0.0/8", "10.10.0.0/24", "-10.30.0.0/24"},
		{"fd30::/64 10.30.0.0/24", "::/0", "fd10::/64", "-fd30::/64"},
		{"fd10::1", "::/0 fd10::2 fd10::11", "fd10::/64", "-fd10::1/128"},
		{"fd10::1", "fd10::2 fd10::11", "fd10::/64", ""},
		/* The overlay is no cover, but what is within it goes on. */
		{"10.10.0.0/25", "", "10.10.0.0/24", ""},
		{"10.0.0.0/8", "0.0.0.0/0 10.10.0.1 10.10.0.2", "10.10.0.0/24",
			"-10.0.0.0/8 +10.10.0.0/24"},
		/* Others within ours, ours within others within ours. */
		{"10.30.0.0/16", "0.0.0.0/0 10.30.5.0/24 10.30.5.1", "",
			"-10.30.0.0/16 +10.30.5.0/24"},
		{"10.30.0.0/16", "10.30.5.0/24", "", ""},
		{"10.30.0.0/16 10.30.5.8/29", "10.30.5.0/24", "", "-10.30.5.8/29"},
		{"10.30.0.0/16 10.30.5.8/29", "10.0.0.0/8 10.30.5.0/24", "",
			"-10.30.0.0/16 +10.30.5.0/24 -10.30.5.8/29"},
		/* Ours within ours says nothing new. */
		{"10.30.0.0/16 10.30.5.0/24", "0.0.0.0/0", "", "-10.30.0.0/16"},
		{"10.30.0.0/16 10.30.0.0/16", "0.0.0.0/0 0.0.0.0/0", "", "-10.30.0.0/16"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct list own = list_of(cases[i].own), others = list_of(cases[i].others);
		struct list spared = list_of(cases[i].spared);
		AUTO_FREE struct source_rule *rules = NULL;
		size_t n = rules_of(&own, &others, &spared, &rules);
		char got[512] = "", one[IP_PREFIX_STRLEN];

		for (size_t k = 0; k < n; k++) {
			strcat(got, k ? " " : "");
			strcat(got, rules[k].refused ? "-" : "+");
			strcat(got, ip_prefix_format(&rules[k].from, one));
		}
		assert_string_equal(got, cases[i].rules);
	}
}

/* --- against what is meant, address by address --- */

/* Prefixes of 10.0.0.0/24 and wider, so that 256 addresses tell everything. */
static struct list some(struct chance *c, unsigned most)
{
	struct list l = {.n = chance_below(c, most + 1)};

	for (size_t i = 0; i < l.n; i++) {
		ip_addr a = {AF_INET, {10, 0, 0, (uint8_t)chance_below(c, 256)}};

		l.items[i] = ip_prefix_of(
			&a, chance_below(c, 8) ? 24 + chance_below(c, 9) : 8 * chance_below(c, 4));
	}
	return l;
}

/* The length of the longest that has the address, -1: none does. */
static int longest(const struct list *l, const ip_addr *a)
{
	int best = -1;

	for (size_t i = 0; i < l->n; i++)
		if (ip_prefix_has_addr(&l->items[i], a) && l->items[i].len > best)
			best = l->items[i].len;
	return best;
}

/* Is it ours by the longest match, while somebody may hold a wider prefix with it? */
static bool is_to_be_refused(const struct list *own, const struct list *others,
	const struct list *spared, const ip_addr *a)
{
	int ours = longest(own, a);

	if (ours < 0 || ours < longest(others, a) || ours < longest(spared, a))
		return false;
	for (size_t i = 0; i < others->n; i++)
		if (ip_prefix_has_addr(&others->items[i], a) && others->items[i].len < ours)
			return true;
	return false;
}

static bool is_refused(const struct source_rule *rules, size_t n, const ip_addr *a)
{
	int best = -1;
	bool refused = false;

	for (size_t i = 0; i < n; i++)
		if (ip_prefix_has_addr(&rules[i].from, a) && rules[i].from.len > best) {
			best = rules[i].from.len;
			refused = rules[i].refused;
		}
	return refused;
}

static void random_plans(void **state)
{
	struct chance c = chance_start("random_plans");

	for (int round = 0; round < 2000; round++) {
		struct list own = some(&c, 4), others = some(&c, 6), spared = some(&c, 1);
		AUTO_FREE struct source_rule *rules = NULL;
		size_t n = rules_of(&own, &others, &spared, &rules);

		for (unsigned i = 0; i < 256; i++) {
			ip_addr a = {AF_INET, {10, 0, 0, (uint8_t)i}};

			assert_int_equal(is_refused(rules, n, &a),
				is_to_be_refused(&own, &others, &spared, &a));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(random_plans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

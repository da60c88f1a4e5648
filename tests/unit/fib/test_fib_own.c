/* SPDX-License-Identifier: MIT */
/* What of a node's own sources belongs to the peer that nobody is. */
#include "fib/want_own.h"

#include "fib/diff.h"
#include "unit.h"
#include <stdio.h>
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

/* Others carry them, or may announce them. */
static void own_of(const struct list *own, const struct list *others, bool may, prefix_vec *ret)
{
	struct want_prefix carried[32];
	struct want_facts facts = {.carried = carried};
	prefix_vec sorted = {0};

	for (size_t i = 0; i < others->n; i++)
		vec_push(&sorted, others->items[i]);
	want_sort(&sorted);
	for (size_t i = 0; i < sorted.n; i++)
		carried[i] = (struct want_prefix){sorted.items[i], i % 2, i % 3 == 0};
	facts.n_carried = may ? 0 : sorted.n;
	facts.guarded = sorted.items;
	facts.n_guarded = may ? sorted.n : 0;
	want_own(&facts, own->items, own->n, ret);
	vec_done(&sorted);
}

static void table(void **state)
{
	static const struct {
		const char *own, *others, *want;
	} cases[] = {
		{"", "0.0.0.0/0 10.20.1.0/24", ""},
		/* No cover, or none that is wider. */
		{"10.30.0.0/24", "10.20.1.0/24 10.31.0.0/16 ::/0", ""},
		{"10.30.0.0/24", "10.30.0.128/25", ""},
		{"0.0.0.0/0", "10.20.1.0/24", ""},
		{"10.30.0.0/24", "0.0.0.0/0 10.20.1.0/24", "10.30.0.0/24"},
		{"10.30.0.0/24", "10.0.0.0/8", "10.30.0.0/24"},
		{"fd30::/64 10.30.0.0/24", "::/0", "fd30::/64"},
		{"fd10::1/128", "::/0 fd10::2/128", "fd10::1/128"},
		{"fd10::1/128", "fd10::2/128 fd10::11/128", ""},
		/* However many others carry within it. */
		{"10.0.0.0/8", "0.0.0.0/0 10.20.1.0/24 10.20.2.0/24", "10.0.0.0/8"},
		{"10.30.0.0/16", "10.30.5.0/24", ""},
		{"10.30.0.0/16 10.30.5.8/29", "10.30.5.0/24", "10.30.5.8/29"},
		{"10.30.0.0/16 10.30.0.0/16", "0.0.0.0/0", "10.30.0.0/16"},
		/* Of a prefix that somebody carries that one is the owner. */
		{"10.30.0.0/16", "0.0.0.0/0 10.30.0.0/16", ""},
	};

	for (size_t n = 0; n < 2 * ARRAY_SIZE(cases); n++) {
		size_t i = n / 2;
		struct list own = list_of(cases[i].own), others = list_of(cases[i].others);
		prefix_vec got = {0};
		char text[512] = "", one[IP_PREFIX_STRLEN];

		own_of(&own, &others, n % 2, &got);
		for (size_t k = 0; k < got.n; k++) {
			strcat(text, k ? " " : "");
			strcat(text, ip_prefix_format(&got.items[k], one));
		}
		assert_string_equal(text, cases[i].want);
		vec_done(&got);
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

static bool has(const struct list *l, const ip_prefix *p)
{
	for (size_t i = 0; i < l->n; i++)
		if (ip_prefix_eq(&l->items[i], p))
			return true;
	return false;
}

/* As an inventory's view has it: nobody carries what we have ourselves. */
static void spare(struct list *others, const struct list *own)
{
	size_t n = 0;

	for (size_t i = 0; i < others->n; i++)
		if (!has(own, &others->items[i]))
			others->items[n++] = others->items[i];
	others->n = n;
}

/* The length of the longest that has the address, -1: none does. */
static int longest(const ip_prefix *list, size_t n, const ip_addr *a)
{
	int best = -1;

	for (size_t i = 0; i < n; i++)
		if (ip_prefix_has_addr(&list[i], a) && list[i].len > best)
			best = list[i].len;
	return best;
}

/* Is it ours by the longest match, while somebody may hold a wider prefix with it? */
static bool is_to_be_refused(const struct list *own, const struct list *others, const ip_addr *a)
{
	int ours = longest(own->items, own->n, a);

	if (ours < 0 || ours < longest(others->items, others->n, a))
		return false;
	for (size_t i = 0; i < others->n; i++)
		if (ip_prefix_has_addr(&others->items[i], a) && others->items[i].len < ours)
			return true;
	return false;
}

static void random_nets(void **state)
{
	struct chance c = chance_start("random_nets");

	for (int round = 0; round < 2000; round++) {
		struct list own = some(&c, 4), others = some(&c, 6);
		prefix_vec got = {0};

		spare(&others, &own);
		own_of(&own, &others, false, &got);
		for (unsigned i = 0; i < 256; i++) {
			ip_addr a = {AF_INET, {10, 0, 0, (uint8_t)i}};
			int nobody = longest(got.items, got.n, &a);

			assert_int_equal(
				nobody >= 0 && nobody > longest(others.items, others.n, &a),
				is_to_be_refused(&own, &others, &a));
		}
		vec_done(&got);
	}
}

static void the_key(void **state)
{
	wg_key key = want_nobody_key();
	char text[WG_KEY_BASE64_LEN];

	assert_string_equal(
		wg_key_to_base64(&key, text), "shunt/own/networks/nobody/has/this/key00000=");
	assert_false(wg_key_is_low_order(&key));
	assert_false(key.bytes[WG_KEY_LEN - 1] & 0x80);
}

/* --- rules of earlier versions --- */

static struct rtnl_rule source(const char *from, const char *iif, enum rtnl_rule_action action)
{
	struct rtnl_rule r = {
		.family = AF_INET, .suppress_prefixlen = -1, .action = action, .priority = 32699};

	if (action == RTNL_RULE_NOP)
		return r;
	assert_true(ip_prefix_parse(&r.from, from));
	r.priority = 32500u + 32u - r.from.len;
	r.target = action == RTNL_RULE_GOTO ? 32699 : 0;
	snprintf(r.iif, sizeof(r.iif), "%s", iif);
	return r;
}

static void left_rules(void **state)
{
	struct rtnl_rule have[] = {
		source("10.30.5.0/24", "wg0", RTNL_RULE_GOTO),
		source("10.30.0.0/16", "wg0", RTNL_RULE_BLACKHOLE),
		source("10.30.0.0/16", "wg1", RTNL_RULE_BLACKHOLE),
		source("10.30.0.0/16", "wg1", RTNL_RULE_GOTO),
		source("", "", RTNL_RULE_NOP),
	};
	struct want_facts facts = {.ifname = "wg0"};
	struct fib_ours ours = {.facts = &facts};
	rule_vec none = {0}, stale = {0};

	/* The place to go to serves another daemon. */
	want_stale_rules(have, 5, &none, &ours, &stale);
	assert_int_equal(stale.n, 2);
	assert_int_equal(stale.items[0].action, RTNL_RULE_BLACKHOLE);
	assert_int_equal(stale.items[1].action, RTNL_RULE_GOTO);
	have[3] = have[2];
	want_stale_rules(have, 5, &none, &ours, &stale);
	assert_int_equal(stale.n, 3);
	assert_int_equal(stale.items[2].action, RTNL_RULE_NOP);
	vec_done(&stale);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(random_nets),
		cmocka_unit_test(the_key),
		cmocka_unit_test(left_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

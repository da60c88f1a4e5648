/* SPDX-License-Identifier: MIT */
/* What the kernel's routes and rules shall be, and how that differs from what they are. */
#include "fib/diff.h"

#include "base/buf.h"
#include "unit.h"
#include <linux/rtnetlink.h>
#include <string.h>

#define MARK 51820u
#define OWN 777u /* the overlay's table */
#define WG 5	 /* our device */

/* --- texts --- */

static ip_prefix P(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

/* "10.20.1.0/24 10.20.2.0/24": a - before one: no route now, a ~: released. */
struct list {
	struct want_prefix carried[16];
	ip_prefix prefixes[16];
	ip_addr addrs[16];
	size_t n;
};

static struct list list_of(const char *texts)
{
	char *copy = mem_strdup(texts), *save = NULL;
	struct list l = {.n = 0};

	for (char *t = strtok_r(copy, " ", &save); t; t = strtok_r(NULL, " ", &save)) {
		bool off = *t == '-', release = *t == '~';

		l.prefixes[l.n] = P(t + (off || release));
		l.addrs[l.n] = ip_prefix_addr(&l.prefixes[l.n]);
		l.carried[l.n] = (struct want_prefix){l.prefixes[l.n], !off, release};
		l.n++;
	}
	free(copy);
	return l;
}

struct setting {
	struct list carried, overlays, apart;
	struct want_facts facts;
};

static void set_up(struct setting *s, const char *carried, const char *overlays, const char *apart)
{
	s->carried = list_of(carried);
	s->overlays = list_of(overlays);
	s->apart = list_of(apart);
	s->facts = (struct want_facts){
		.carried = s->carried.carried,
		.n_carried = s->carried.n,
		.overlays = s->overlays.prefixes,
		.n_overlays = s->overlays.n,
		.apart = s->apart.prefixes,
		.n_apart = s->apart.n,
		.mark = s->apart.n ? MARK : 0,
		.overlay_table = OWN,
		.ifindex = WG,
		.ifname = "wg0",
	};
}

static void say_route(struct buf *out, const struct rtnl_route *r)
{
	char text[IP_PREFIX_STRLEN];

	buf_printf(out, "%s%s%s", out->n ? ", " : "", r->type ? "no " : "",
		ip_prefix_format(&r->dst, text));
	if (r->table)
		buf_printf(out, " %s", r->table == MARK ? "apart" : r->table == OWN ? "own" : "?");
	assert_int_equal(r->protocol, RTNL_PROTO_SHUNT);
	assert_int_equal(r->metric, r->type ? UINT32_MAX : 0);
	assert_int_equal(r->ifindex, r->type ? 0 : WG);
}

static void say_rule(struct buf *out, const struct rtnl_rule *r)
{
	char text[IP_PREFIX_STRLEN];

	buf_printf(out, "%s%u%s", out->n ? ", " : "", r->priority,
		r->family == AF_INET6 ? " six" : "");
	if (r->to.family)
		buf_printf(out, " to %s", ip_prefix_format(&r->to, text));
	if (r->invert)
		buf_printf(out, " not %u", r->fwmark);
	buf_printf(out, " table %u", r->table);
	if (r->suppress_prefixlen >= 0)
		buf_printf(out, " above %d", r->suppress_prefixlen);
}

/* --- what stands apart --- */

static void apart(void **state)
{
	static const struct {
		const char *carried, *endpoints, *before, *apart;
	} cases[] = {
		{"10.20.1.0/24 10.20.2.0/24", "198.51.100.1 2001:db8::1", "", ""},
		{"0.0.0.0/0 10.20.2.0/24", "", "", "0.0.0.0/0"},
		{"0.0.0.0/0 ::/0", "10.20.2.1", "", "0.0.0.0/0 ::/0"},
		/* The halves: the one with the endpoint. */
		{"0.0.0.0/1 128.0.0.0/1", "198.51.100.1", "", "128.0.0.0/1"},
		{"::/1 8000::/1", "2001:db8::1", "", "::/1"},
		/* Every cover, whether it has a route now or not, and nothing beside. */
		{"10.0.0.0/8 -10.20.0.0/16 10.20.1.0/24 10.20.2.0/24", "10.20.2.7", "",
			"10.0.0.0/8 10.20.0.0/16 10.20.2.0/24"},
		{"10.0.0.0/8 10.20.2.7/32", "10.20.2.7 10.20.2.7", "", "10.0.0.0/8 10.20.2.7/32"},
		{"fd20::/32 fd20:0:2::/48", "fd20:0:2::9", "", "fd20::/32 fd20:0:2::/48"},
		/* What was apart stays, as long as it is carried. */
		{"10.20.1.0/24 10.20.2.0/24", "198.51.100.1", "10.20.2.0/24 10.20.3.0/24",
			"10.20.2.0/24"},
		/* Within the overlay nothing has a route of its own. */
		{"10.10.0.2/32 10.20.2.0/24", "10.10.0.2", "", ""},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct list ends = list_of(cases[i].endpoints), before = list_of(cases[i].before);
		prefix_vec old = {before.prefixes, before.n, 16}, got = {0};
		struct setting s;
		AUTO_BUF text = {0};
		char one[IP_PREFIX_STRLEN];

		set_up(&s, cases[i].carried, "10.10.0.0/24", "");
		want_apart(&s.facts, ends.addrs, ends.n, &old, &got);
		for (size_t k = 0; k < got.n; k++) {
			buf_printf(
				&text, "%s%s", k ? " " : "", ip_prefix_format(&got.items[k], one));
			assert_true(want_is_apart(got.items, got.n, &got.items[k]));
		}
		assert_string_equal(buf_str(&text), cases[i].apart);
		vec_done(&got);
	}
}

/* --- routes and rules --- */

static void routes(void **state)
{
	static const struct {
		const char *carried, *apart, *routes;
	} cases[] = {
		{"", "", "no 10.10.0.0/24 own, no fd10::/64 own"},
		{"10.20.1.0/24 10.20.2.0/24", "",
			"no 10.10.0.0/24 own, 10.20.1.0/24, no 10.20.1.0/24, 10.20.2.0/24, no "
			"10.20.2.0/24, no fd10::/64 own"},
		/* The outermost has one for all. */
		{"10.20.0.0/16 10.20.1.0/24 10.20.1.1/32 fd20::/32 fd20:0:1::/48", "",
			"no 10.10.0.0/24 own, 10.20.0.0/16, no 10.20.0.0/16, 10.20.1.0/24, "
			"10.20.1.1/32, no fd10::/64 own, fd20::/32, no fd20::/32, fd20:0:1::/48"},
		/* Of each table: in the main one others' shorter routes may come before the mark's.
		 */
		{"0.0.0.0/0 10.20.2.0/24 ::/0", "0.0.0.0/0 ::/0",
			"0.0.0.0/0 apart, no 0.0.0.0/0 apart, no 10.10.0.0/24 own, 10.20.2.0/24, "
			"no "
			"10.20.2.0/24, ::/0 apart, no ::/0 apart, no fd10::/64 own"},
		/* Not for what may leave by another line. */
		{"~10.20.0.0/16 10.20.1.0/24", "",
			"no 10.10.0.0/24 own, 10.20.0.0/16, 10.20.1.0/24, no 10.20.1.0/24, no "
			"fd10::/64 own"},
		/* Nobody carries it now. */
		{"-10.20.1.0/24", "", "no 10.10.0.0/24 own, no 10.20.1.0/24, no fd10::/64 own"},
		{"10.10.0.2/32 fd10::2/128", "", "no 10.10.0.0/24 own, no fd10::/64 own"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		route_vec got = {0};
		struct setting s;
		AUTO_BUF text = {0};

		set_up(&s, cases[i].carried, "10.10.0.0/24 fd10::/64", cases[i].apart);
		want_routes(&s.facts, &got);
		for (size_t k = 0; k < got.n; k++)
			say_route(&text, &got.items[k]);
		assert_string_equal(buf_str(&text), cases[i].routes);
		vec_done(&got);
	}
}

static void rules(void **state)
{
	static const struct {
		const char *overlays, *apart, *rules;
	} cases[] = {
		{"", "", ""},
		{"10.10.0.0/24", "",
			"32690 to 10.10.0.0/24 table 254 above 23, 32691 to 10.10.0.0/24 table "
			"777"},
		{"", "0.0.0.0/0", "32700 table 254 above 0, 32701 not 51820 table 51820"},
		{"fd10::/64", "fd20::/48",
			"32690 six to fd10::/64 table 254 above 63, 32691 six to fd10::/64 table "
			"777, "
			"32700 six table 254 above 0, 32701 six not 51820 table 51820"},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		rule_vec got = {0};
		struct setting s;
		AUTO_BUF text = {0};

		set_up(&s, "", cases[i].overlays, cases[i].apart);
		want_rules(&s.facts, &got);
		for (size_t k = 0; k < got.n; k++)
			say_rule(&text, &got.items[k]);
		assert_string_equal(buf_str(&text), cases[i].rules);
		vec_done(&got);
	}
}

/* --- is and shall be --- */

static bool in_list(const ip_prefix *p, void *data)
{
	const struct list *l = data;

	for (size_t i = 0; i < l->n; i++)
		if (ip_prefix_eq(&l->prefixes[i], p))
			return true;
	return false;
}

/* Tests say three things by one list: journaled, and carried if in the facts. */
struct known {
	struct list journal;
	const struct setting *s;
};

static bool known_backstop(const ip_prefix *p, void *data)
{
	return in_list(p, &((struct known *)data)->journal);
}

static bool known_carried(const ip_prefix *p, void *data)
{
	struct known *k = data;

	for (size_t i = 0; i < k->s->carried.n; i++)
		if (ip_prefix_eq(&k->s->carried.prefixes[i], p))
			return true;
	return false;
}

static bool known_prefix(const ip_prefix *p, void *data)
{
	return known_backstop(p, data) || known_carried(p, data);
}

static const uint32_t marks[] = {MARK};

static struct fib_ours ours_of(const struct setting *s, struct known *k)
{
	return (struct fib_ours){
		.facts = &s->facts,
		.marks = marks,
		.n_marks = 1,
		.has_backstop = known_backstop,
		.has_prefix = known_prefix,
		.is_carried = known_carried,
		.data = k,
	};
}

static struct rtnl_route into(const char *dst, uint32_t table, uint8_t protocol)
{
	return (struct rtnl_route){P(dst), WG, table, protocol};
}

static struct rtnl_route refusing(const char *dst, uint32_t table)
{
	return (struct rtnl_route){P(dst), 0, table, RTNL_PROTO_SHUNT, UINT32_MAX, RTN_UNREACHABLE};
}

enum fate { KEPT, STALE, LEFTOVER };

static bool is_in(const route_vec *v, const struct rtnl_route *r)
{
	for (size_t i = 0; i < v->n; i++)
		if (!want_route_cmp(&v->items[i], r) && v->items[i].protocol == r->protocol)
			return true;
	return false;
}

/* What becomes of a route, where 10.20.1.0/24 and 10.30.0.0/16 are carried, the latter apart, and
 * 10.40.0.0/16 was, by the journal. */
static void fates(void **state)
{
	struct rtnl_route by_gateway = into("10.40.0.0/16", 0, RTPROT_BOOT);
	struct rtnl_route by_metric = into("10.40.0.0/16", 0, RTPROT_BOOT);
	struct rtnl_route elsewhere = into("10.40.0.0/16", 0, RTPROT_BOOT);
	struct rtnl_route weak = refusing("10.40.0.0/16", 0);
	struct setting s;
	struct known k = {.journal = list_of("10.40.0.0/16 10.30.0.0/16"), .s = &s};
	route_vec want = {0};

	by_gateway.via = (ip_addr){AF_INET, {10, 10, 0, 2}};
	by_metric.metric = 5;
	elsewhere.ifindex++;
	weak.metric = 7;
	set_up(&s, "10.20.1.0/24 10.30.0.0/16 ~10.50.0.0/16", "10.10.0.0/24", "10.30.0.0/16");
	s.carried.carried[2].route = false;
	want_routes(&s.facts, &want);

	const struct {
		struct rtnl_route have;
		enum fate fate;
	} cases[] = {
		{into("10.20.1.0/24", 0, RTNL_PROTO_SHUNT), KEPT},
		{into("10.20.1.0/24", 0, RTPROT_BOOT), KEPT},
		{into("10.20.1.0/24", MARK, RTNL_PROTO_SHUNT), STALE},
		{into("10.30.0.0/16", MARK, RTNL_PROTO_SHUNT), KEPT},
		{into("10.30.0.0/16", 0, RTNL_PROTO_SHUNT), STALE},
		/* wg-quick's: it would catch the tunnel's packets, or leads to nobody. */
		{into("10.30.0.0/16", 0, RTPROT_BOOT), STALE},
		{into("10.40.0.0/16", 0, RTPROT_BOOT), STALE},
		{into("10.98.0.0/24", 0, RTPROT_BOOT), LEFTOVER},
		{into("0.0.0.0/0", MARK, RTPROT_BOOT), LEFTOVER},
		{into("::/0", 0, RTPROT_STATIC), LEFTOVER},
		{into("10.50.0.0/16", 0, RTPROT_BOOT), LEFTOVER},
		{by_gateway, LEFTOVER},
		{by_metric, LEFTOVER},
		{into("10.40.0.0/16", 0, RTPROT_STATIC), LEFTOVER},
		{elsewhere, KEPT},
		/* The kernel's, an engine's. */
		{into("10.77.0.0/24", 0, RTPROT_KERNEL), KEPT},
		{into("fe80::/64", 0, RTPROT_BOOT), KEPT},
		{into("10.98.0.0/24", 0, RTPROT_BIRD), KEPT},
		{into("10.10.0.2/32", 0, RTPROT_BOOT), KEPT},
		/* Backstops: of a prefix that moved, that went, that an inner one has no need of.
		 */
		{refusing("10.30.0.0/16", MARK), KEPT},
		{refusing("10.30.0.0/16", 0), STALE},
		{refusing("10.40.0.0/16", 0), STALE},
		{refusing("10.40.0.0/16", MARK), STALE},
		{refusing("10.10.0.0/24", OWN), KEPT},
		{refusing("10.11.0.0/24", OWN), STALE},
		/* Another daemon's. */
		{refusing("10.60.0.0/16", 0), KEPT},
		{refusing("10.40.0.0/16", MARK + 1), KEPT},
		{refusing("10.11.0.0/24", OWN + 1), KEPT},
		{weak, KEPT},
	};

	for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
		struct fib_ours ours = ours_of(&s, &k);
		struct want_diff d = {0};

		want_diff_routes(&cases[i].have, 1, &want, &ours, &d);
		if (is_in(&d.stale, &cases[i].have) != (cases[i].fate == STALE) ||
			is_in(&d.leftover, &cases[i].have) != (cases[i].fate == LEFTOVER))
			fail_msg("case %zu: stale %zu, leftover %zu", i, d.stale.n, d.leftover.n);
		want_diff_done(&d);
	}
	vec_done(&want);
}

/* An engine may write as a hand would: what it wrote is neither taken over nor named. */
static void routes_of_an_engine(void **state)
{
	static const uint8_t protocols[] = {RTPROT_BOOT, 77};
	struct setting s;
	struct known k = {.journal = list_of("10.40.0.0/16"), .s = &s};
	struct rtnl_route taken_over = into("10.40.0.0/16", 0, RTPROT_BOOT);
	struct rtnl_route left = into("10.98.0.0/24", 0, RTPROT_BOOT);
	struct rtnl_route of_a_hand = into("10.98.0.0/24", 0, RTPROT_STATIC);
	struct rtnl_route have[] = {taken_over, left, of_a_hand};
	route_vec want = {0};
	struct fib_ours ours;

	set_up(&s, "10.20.1.0/24", "10.10.0.0/24", "");
	for (int engine = 0; engine < 2; engine++) {
		struct want_diff d = {0};

		s.facts.engine_protocols = protocols;
		s.facts.n_engine_protocols = engine ? ARRAY_SIZE(protocols) : 0;
		ours = ours_of(&s, &k);
		want_diff_routes(have, ARRAY_SIZE(have), &want, &ours, &d);
		assert_int_equal(is_in(&d.stale, &taken_over), !engine);
		assert_int_equal(is_in(&d.leftover, &left), !engine);
		assert_true(is_in(&d.leftover, &of_a_hand));
		want_diff_done(&d);
	}
}

/* Whatever was there: after what is missing was added and what is stale removed nothing is to be
 * done, and what others have made stands as it stood. */
static void random_diffs(void **state)
{
	static const char *const pool[] = {"10.0.0.0/8", "10.20.0.0/16", "10.20.1.0/24",
		"10.20.1.1/32", "fd20::/32", "fd20:0:1::/48", "0.0.0.0/0", "::/0"};
	static const char *const flags[] = {"", "-", "~"};
	struct chance c = chance_start("random_diffs");

	for (int round = 0; round < 2000; round++) {
		AUTO_BUF carried = {0}, apart_text = {0};
		struct setting s;
		struct known k = {.s = &s};
		route_vec want = {0}, have = {0}, after = {0};
		struct want_diff d = {0}, again = {0};
		struct fib_ours ours;
		static const int order[] = {6, 0, 1, 2, 3, 7, 4, 5};
		size_t foreign = 0, foreign_after = 0;

		for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
			const char *p = pool[order[i]];
			bool is_apart = order[i] >= 6 || chance_below(&c, 4) == 0;

			if (chance_below(&c, 2))
				continue;
			buf_printf(&carried, " %s%s", flags[chance_below(&c, 3)], p);
			if (is_apart)
				buf_printf(&apart_text, " %s", p);
		}
		set_up(&s, buf_str(&carried), "10.10.0.0/24", buf_str(&apart_text));
		k.journal = list_of("10.0.0.0/8 10.20.0.0/16 10.20.1.0/24 10.20.1.1/32 fd20::/32 "
				    "fd20:0:1::/48 0.0.0.0/0 ::/0");
		for (unsigned i = chance_below(&c, 12); i; i--) {
			const char *p = pool[chance_below(&c, 8)];
			uint32_t table = chance_below(&c, 2) ? MARK : 0;
			struct rtnl_route r = chance_below(&c, 2)
						      ? refusing(p, table)
						      : into(p, table, RTNL_PROTO_SHUNT);

			r.ifindex += chance_below(&c, 4) == 0 && !r.type;
			if (!is_in(&have, &r))
				vec_push(&have, r);
		}
		ours = ours_of(&s, &k);
		want_routes(&s.facts, &want);
		want_diff_routes(have.items, have.n, &want, &ours, &d);
		for (size_t i = 0; i < have.n; i++) {
			bool theirs = !have.items[i].type && have.items[i].ifindex != WG;

			foreign += theirs;
			if (is_in(&d.stale, &have.items[i]))
				continue;
			foreign_after += theirs;
			vec_push(&after, have.items[i]);
		}
		for (size_t i = 0; i < d.missing.n; i++) {
			assert_false(is_in(&after, &d.missing.items[i]));
			vec_push(&after, d.missing.items[i]);
		}
		assert_int_equal(foreign, foreign_after);
		want_diff_routes(after.items, after.n, &want, &ours, &again);
		assert_int_equal(again.missing.n + again.stale.n, 0);
		want_diff_done(&d);
		want_diff_done(&again);
		vec_done(&want);
		vec_done(&have);
		vec_done(&after);
	}
}

/* Two daemons of one machine with the same overlay: what both need goes with the last. */
static void shared_rules(void **state)
{
	struct setting mine, theirs, nothing;
	struct known k = {.s = &nothing};
	rule_vec my_rules = {0}, their_rules = {0}, none = {0}, stale = {0};
	VEC(struct rtnl_rule) have = {0};
	struct fib_ours ours;

	set_up(&mine, "", "10.10.0.0/24", "0.0.0.0/0");
	set_up(&theirs, "", "10.10.0.0/24", "0.0.0.0/0");
	set_up(&nothing, "", "", "");
	theirs.facts.mark++;
	theirs.facts.overlay_table++;
	ours = ours_of(&nothing, &k);
	want_rules(&mine.facts, &my_rules);
	want_rules(&theirs.facts, &their_rules);
	for (size_t i = 0; i < my_rules.n; i++)
		vec_push(&have, my_rules.items[i]);
	want_stale_rules(have.items, have.n, &my_rules, &ours, &stale);
	assert_int_equal(stale.n, 0);
	/* Alone: the look-ups go first. */
	want_stale_rules(have.items, have.n, &none, &ours, &stale);
	assert_int_equal(stale.n, 4);
	assert_true(stale.items[0].table != RT_TABLE_MAIN && stale.items[1].table != RT_TABLE_MAIN);
	for (size_t i = 0; i < their_rules.n; i++)
		if (their_rules.items[i].table != RT_TABLE_MAIN)
			vec_push(&have, their_rules.items[i]);
	want_stale_rules(have.items, have.n, &none, &ours, &stale);
	assert_int_equal(stale.n, 2);
	for (size_t i = 0; i < stale.n; i++)
		assert_true(stale.items[i].table == MARK || stale.items[i].table == OWN);
	vec_done(&my_rules);
	vec_done(&their_rules);
	vec_done(&stale);
	vec_done(&have);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(apart),
		cmocka_unit_test(routes),
		cmocka_unit_test(rules),
		cmocka_unit_test(fates),
		cmocka_unit_test(routes_of_an_engine),
		cmocka_unit_test(random_diffs),
		cmocka_unit_test(shared_rules),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

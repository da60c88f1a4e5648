/* SPDX-License-Identifier: MIT */
/* From the kernel's news to portions of words, with a kernel of the test's own. */
#include "kernel_bench.h"

#include "daemon/route_follow.h"
#include <errno.h>
#include <linux/rtnetlink.h>

/* --- the kernel ----------------------------------------------------------------------------------
 */

#define PORT 4711 /* the engine's */

struct route_news_socket {
	int nothing;
};

static struct {
	struct route_news_socket socket;
	VEC(struct route_news) unread;
	VEC(struct route_news) stands;
	int lost, dump_err; /* negative errno */
	unsigned dumps;
} kernel;

int route_news_open(int room, struct route_news_socket **ret)
{
	*ret = &kernel.socket;
	return 0;
}

void route_news_close(struct route_news_socket *s)
{
}

int route_news_fd(const struct route_news_socket *s)
{
	return -1;
}

int route_news_read(struct route_news_socket *s, unsigned most, route_news_fn *fn, void *data)
{
	size_t n = kernel.unread.n < most ? kernel.unread.n : most;
	int lost = kernel.lost;

	for (size_t i = 0; i < n; i++)
		fn(&kernel.unread.items[i], data);
	kernel.unread.n -= n;
	for (size_t i = 0; n && i < kernel.unread.n; i++)
		kernel.unread.items[i] = kernel.unread.items[i + n];
	kernel.lost = 0;
	return lost ? lost : (int)n;
}

int route_news_dump(const struct route_news_question *q, route_news_fn *fn, void *data)
{
	kernel.dumps += q->family == AF_INET;
	if (kernel.dump_err)
		return kernel.dump_err;
	fn(&(struct route_news){.type = ROUTE_NEWS_PART}, data);
	for (size_t i = 0; i < kernel.stands.n; i++)
		if (kernel.stands.items[i].u.route.dst.family == q->family)
			fn(&kernel.stands.items[i], data);
	return 0;
}

static struct route_news news_of(const ip_prefix *dst, const char *via)
{
	struct route_news n = {.type = ROUTE_NEWS_ROUTE, .flags = ROUTE_REPLACES, .port = PORT};

	n.u.route = (struct kernel_route){.dst = *dst,
		.table = RT_TABLE_MAIN,
		.priority = 32,
		.protocol = 12,
		.type = RTN_UNICAST,
		.n_hops = 1};
	n.u.route.hops[0] = (struct route_hop){.ifindex = WG, .protocol = 12, .weight = 1};
	n.u.route.hops[0].via = addr_of(via);
	for (size_t i = 0; i < sizeof(n.u.route.hops[0].via.bytes); i++)
		n.u.route.identity = n.u.route.identity * 31 + n.u.route.hops[0].via.bytes[i];
	return n;
}

static size_t place_of(const ip_prefix *dst)
{
	size_t i = 0;

	while (i < kernel.stands.n && !ip_prefix_eq(&kernel.stands.items[i].u.route.dst, dst))
		i++;
	return i;
}

static void has(const ip_prefix *dst, const char *via)
{
	struct route_news n = news_of(dst, via);
	size_t i = place_of(dst);

	if (i < kernel.stands.n)
		kernel.stands.items[i] = n;
	else
		vec_push(&kernel.stands, n);
	if (i == kernel.stands.n - 1)
		n.flags = ROUTE_ANEW | ROUTE_ALONE;
	vec_push(&kernel.unread, n);
}

static void adds(const char *prefix, const char *via)
{
	ip_prefix p = mesh_build_prefix(prefix);

	has(&p, via);
}

static void drops_unsaid(const char *prefix)
{
	ip_prefix p = mesh_build_prefix(prefix);
	size_t i = place_of(&p);

	kernel.stands.items[i] = kernel.stands.items[--kernel.stands.n];
}

static void drops(const char *prefix)
{
	ip_prefix p = mesh_build_prefix(prefix);
	struct route_news n = kernel.stands.items[place_of(&p)];

	n.gone = true;
	n.flags = 0;
	drops_unsaid(prefix);
	vec_push(&kernel.unread, n);
}

static ip_prefix nth(unsigned i)
{
	ip_prefix p = mesh_build_prefix("10.40.0.0/32");

	p.bytes[2] = (uint8_t)(i >> 8);
	p.bytes[3] = (uint8_t)i;
	return p;
}

/* --- the follower --------------------------------------------------------------------------------
 */

static struct route_follow *follow;
static const uint8_t protocols[] = {12};

static void sets(struct bench *b)
{
	static const uint32_t tables[] = {RT_TABLE_MAIN};
	struct route_mirror_config c = {tables, 1, protocols, 1};

	route_follow_set(follow, route_follow_facts_new(&b->facts, &c));
}

static void rounds(struct bench *b)
{
	for (int i = 0; route_follow_round(follow, b->now); i++)
		assert_true(i < 100);
}

static void waits(struct bench *b, double s)
{
	b->now = instant_add(b->now, (int64_t)(s * 1e9));
	rounds(b);
}

static int event_cmp(const void *a, const void *b)
{
	const struct rib_event *x = a, *y = b;

	return ip_prefix_cmp(&x->u.prefix.prefix, &y->u.prefix.prefix);
}

/* The next portion in words, in the order of prefixes; "" where there is none. */
static void hands_at(struct bench *b, const char *words, int line)
{
	struct route_portion p;

	buf_reset(&b->text);
	if (route_follow_next(follow, &p)) {
		buf_printf(&b->text, "%u%s:", (unsigned)p.generation, p.is_first ? " first" : "");
		if (p.words.events.n)
			qsort(p.words.events.items, p.words.events.n, sizeof(*p.words.events.items),
				event_cmp);
		for (size_t i = 0; i < p.words.events.n; i++) {
			const struct rib_event *e = &p.words.events.items[i];
			char text[IP_PREFIX_STRLEN];

			buf_printf(&b->text, " %s", ip_prefix_format(&e->u.prefix.prefix, text));
			if (e->u.prefix.n)
				buf_printf(&b->text, "=%s",
					names_text(&b->gen->names, e->u.prefix.candidates[0].peer));
		}
	}
	if (strcmp(buf_str(&b->text), words) != 0)
		fail_msg("line %d:\n%s was handed on, and not\n%s", line, buf_str(&b->text), words);
}
#define hands(b, words) hands_at(b, words, __LINE__)

static void gives_back(struct bench *b)
{
	route_follow_give_back(follow, false, b->now);
	rounds(b);
}

static void loses(struct bench *b)
{
	route_follow_give_back(follow, true, b->now);
	rounds(b);
}

static struct route_follow_view view(void)
{
	struct route_follow_view v;
	kernel_troubles t = {0};

	route_follow_look(follow, &v, &t);
	vec_done(&t);
	return v;
}

static int begin(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	assert_int_equal(route_follow_new(&follow), 0);
	return bench_begin(state);
}

static int end(void **state)
{
	route_follow_free(follow);
	vec_done(&kernel.unread);
	vec_done(&kernel.stands);
	return bench_end(state);
}

/* --- tests ---------------------------------------------------------------------------------------
 */

static void test_all_that_is_there_comes_first(void **state)
{
	struct bench *b = *state;

	adds("10.20.2.0/24", "10.9.0.1");
	adds("fd20:2::/48", "fd09::2");
	kernel.unread.n = 0;
	rounds(b);
	hands(b, ""); /* nobody said for whom */
	sets(b);
	rounds(b);
	hands(b, "1 first: 10.20.2.0/24=hub-a fd20:2::/48=hub-b");
	hands(b, ""); /* it isn't given back */
	gives_back(b);
	hands(b, "");
	assert_true(view().is_filled);
	assert_int_equal(view().n_routes, 2);
	assert_int_equal(view().n_prefixes, 2);
	assert_int_equal(view().n_waiting, 0);
}

static void test_nothing_at_all_is_said_too(void **state)
{
	struct bench *b = *state;

	sets(b);
	rounds(b);
	hands(b, "1 first:");
	gives_back(b);
	hands(b, "");
}

static void test_portions(void **state)
{
	struct bench *b = *state;
	struct route_portion p;

	for (unsigned i = 0; i < 2500; i++) {
		ip_prefix prefix = nth(i);

		has(&prefix, "10.9.0.1");
	}
	kernel.unread.n = 0;
	sets(b);
	for (unsigned i = 0; i < 3; i++) {
		rounds(b);
		assert_true(route_follow_next(follow, &p));
		assert_int_equal(p.words.events.n, i < 2 ? READER_PORTION : 500);
		assert_int_equal(p.is_first, i == 2);
		gives_back(b);
	}
	hands(b, "");
}

static void test_what_changes_meanwhile_is_one_word(void **state)
{
	struct bench *b = *state;

	sets(b);
	rounds(b);
	hands(b, "1 first:");
	for (int i = 0; i < 10; i++)
		adds("10.20.2.0/24", i % 2 ? "10.9.0.2" : "10.9.0.1");
	rounds(b);
	gives_back(b);
	hands(b, "1: 10.20.2.0/24=hub-b");
	gives_back(b);
}

static void test_a_withdrawal_waits_a_moment(void **state)
{
	struct bench *b = *state;
	instant lingers;

	adds("10.20.2.0/24", "10.9.0.1");
	adds("10.20.3.0/24", "10.9.0.1");
	sets(b);
	rounds(b);
	hands(b, "1 first: 10.20.2.0/24=hub-a 10.20.3.0/24=hub-a");
	gives_back(b);
	drops("10.20.2.0/24");
	drops("10.20.3.0/24");
	rounds(b);
	hands(b, "");
	assert_int_equal(route_follow_deadline(follow).ns, b->now.ns + KERNEL_SOURCE_LEAVES);
	adds("10.20.3.0/24", "10.9.0.2");
	lingers = instant_add(b->now, KERNEL_SOURCE_LINGERS);
	rounds(b);
	hands(b, "1: 10.20.3.0/24=hub-b");
	gives_back(b);
	waits(b, 0.005);
	hands(b, "1: 10.20.2.0/24");
	gives_back(b);
	assert_int_equal(route_follow_deadline(follow).ns, lingers.ns);
	waits(b, (double)KERNEL_SOURCE_LINGERS / NS_PER_S);
	hands(b, "1: 10.20.3.0/24=hub-b");
	gives_back(b);
	assert_true(instant_is_never(route_follow_deadline(follow)));
}

static void test_news_that_were_lost(void **state)
{
	struct bench *b = *state;
	unsigned dumps;

	adds("10.20.2.0/24", "10.9.0.1");
	sets(b);
	rounds(b);
	hands(b, "1 first: 10.20.2.0/24=hub-a");
	gives_back(b);
	drops_unsaid("10.20.2.0/24");
	adds("10.20.3.0/24", "10.9.0.1");
	kernel.unread.n = 0;
	kernel.lost = -ENOBUFS;
	kernel.dump_err = -ENOMEM;
	dumps = kernel.dumps;
	waits(b, 1);
	assert_int_equal(view().overruns, 1);
	assert_int_equal(view().err, -ENOMEM);
	waits(b, 1);
	hands(b, ""); /* nothing goes by half an answer */
	assert_false(instant_is_never(route_follow_deadline(follow)));
	kernel.dump_err = 0;
	b->now = route_follow_deadline(follow);
	rounds(b);
	assert_true(kernel.dumps > dumps);
	hands(b, "1: 10.20.3.0/24=hub-a");
	gives_back(b);
	waits(b, 0.005);
	hands(b, "1: 10.20.2.0/24");
	gives_back(b);
	assert_int_equal(view().err, 0);
}

static void test_a_link_takes_routes_without_a_word(void **state)
{
	struct bench *b = *state;
	struct route_news down = {.type = ROUTE_NEWS_LINK};

	down.u.link.ifindex = WG;
	adds("10.20.2.0/24", "10.9.0.1");
	sets(b);
	rounds(b);
	hands(b, "1 first: 10.20.2.0/24=hub-a");
	gives_back(b);
	drops_unsaid("10.20.2.0/24");
	vec_push(&kernel.unread, down);
	waits(b, 1);
	waits(b, 30);
	hands(b, ""); /* held: its next hop lives */
	route_follow_peer(follow, bench_id(b, HUB_A), false, b->now);
	rounds(b);
	hands(b, "1: 10.20.2.0/24");
	gives_back(b);
}

static void test_a_portion_that_nobody_heard(void **state)
{
	struct bench *b = *state;

	adds("10.20.2.0/24", "10.9.0.1");
	adds("10.20.3.0/24", "10.9.0.1");
	sets(b);
	rounds(b);
	hands(b, "1 first: 10.20.2.0/24=hub-a 10.20.3.0/24=hub-a");
	bench_inventory(b);
	bench_take(b);
	sets(b);
	rounds(b);
	hands(b, "");
	loses(b);
	hands(b, "2 first: 10.20.2.0/24=hub-a 10.20.3.0/24=hub-a");
	drops("10.20.2.0/24");
	waits(b, 1);
	waits(b, 0.005);
	gives_back(b);
	hands(b, "2: 10.20.2.0/24");
	bench_inventory(b);
	bench_take(b);
	sets(b);
	adds("10.20.3.0/24", "10.9.0.2");
	rounds(b);
	loses(b); /* an end, of which nothing else is left */
	hands(b, "3: 10.20.3.0/24=hub-b");
	gives_back(b);
	waits(b, 0.005);
	hands(b, "3: 10.20.2.0/24");
	gives_back(b);
}

static void test_words_that_wait_are_of_the_generation_before(void **state)
{
	struct bench *b = *state;

	sets(b);
	rounds(b);
	hands(b, "1 first:");
	adds("10.20.2.0/24", "10.9.0.1");
	adds("10.40.7.0/24", "10.9.0.1");
	rounds(b);
	assert_int_equal(view().n_waiting, 2);
	bench_inventory(b)->nodes.items[SITE_3].n_may_announce = 0;
	bench_take(b);
	sets(b);
	rounds(b);
	gives_back(b); /* it was heard before that */
	hands(b, "2: 10.20.2.0/24=hub-a");
	gives_back(b);
	waits(b, 0.005);
	hands(b, "2: 10.40.7.0/24"); /* of what nobody heard nobody keeps anything */
	gives_back(b);
	sets(b); /* the same */
	rounds(b);
	hands(b, "");
}

static void test_an_endpoint_comes_and_goes(void **state)
{
	struct bench *b = *state;

	bench_may_announce(b->build, SITE_3, "198.51.100.0/24");
	bench_take(b);
	adds("198.51.100.1/32", "10.9.0.1");
	adds("198.51.100.2/32", "10.9.0.1");
	sets(b);
	rounds(b);
	hands(b, "2 first: 198.51.100.1/32=hub-a 198.51.100.2/32=hub-a");
	gives_back(b);
	for (int i = 1; i <= 2; i++) {
		b->endpoints[0] = addr_of(i == 1 ? "198.51.100.1" : "198.51.100.2");
		b->facts.n_endpoints = 1;
		sets(b);
		rounds(b);
		waits(b, 0.005);
		hands(b,
			i == 1 ? "2: 198.51.100.1/32" : "2: 198.51.100.1/32=hub-a 198.51.100.2/32");
		gives_back(b);
	}
}

static void test_a_node_without_an_engine(void **state)
{
	struct bench *b = *state;

	adds("10.20.2.0/24", "10.9.0.1");
	sets(b);
	rounds(b);
	hands(b, "1 first: 10.20.2.0/24=hub-a");
	gives_back(b);
	bench_inventory(b)->nodes.items[SITE_1].routing.engine = MESH_ENGINE_NONE;
	bench_take(b);
	route_follow_set(
		follow, route_follow_facts_new(&b->facts, &(struct route_mirror_config){0}));
	rounds(b);
	waits(b, 1);
	waits(b, 0.005);
	hands(b, "2: 10.20.2.0/24");
	gives_back(b);
	assert_int_equal(view().n_prefixes, 0);
	assert_int_equal(view().generation, 2);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_all_that_is_there_comes_first),
		TEST(test_nothing_at_all_is_said_too),
		TEST(test_portions),
		TEST(test_what_changes_meanwhile_is_one_word),
		TEST(test_a_withdrawal_waits_a_moment),
		TEST(test_news_that_were_lost),
		TEST(test_a_link_takes_routes_without_a_word),
		TEST(test_a_portion_that_nobody_heard),
		TEST(test_words_that_wait_are_of_the_generation_before),
		TEST(test_an_endpoint_comes_and_goes),
		TEST(test_a_node_without_an_engine),
	};

	return cmocka_run_group_tests_name("route_follow", tests, NULL, NULL);
}

/* SPDX-License-Identifier: MIT */
/* What the decoder makes of the kernel's messages. */
#include "mirror_fixture.h"
#include "sys/route_news_internal.h"
#include <errno.h>

static struct route_news got;
static size_t n_got;

static bool keep(const struct route_news *news, void *data)
{
	got = *news;
	n_got++;
	return !data;
}

static const struct kernel_route *parsed_as(uint16_t type, const struct a_route *r)
{
	struct message m;

	n_got = 0;
	message_route(&m, type, r);
	assert_true(route_news_parse(m.bytes, m.n, keep, NULL));
	assert_int_equal(n_got, 1);
	assert_int_equal(got.type, ROUTE_NEWS_ROUTE);
	return &got.u.route;
}

#define PARSED(...) parsed_as(RTM_NEWROUTE, &(struct a_route){__VA_ARGS__})

static void assert_hop(const struct route_hop *h, const char *via, int dev, int weight)
{
	ip_addr want = via ? an_addr(via) : (ip_addr){0};

	assert_true(ip_addr_eq(&h->via, &want));
	assert_int_equal(h->ifindex, dev);
	assert_int_equal(h->weight, weight);
}

static void single_routes(void **state)
{
	const struct kernel_route *r;

	r = PARSED(.dst = "10.20.0.0/16", .port = 77, .flags = SAYS_ADDED, .metric = 32,
		.hops = {{"10.10.0.1", 5}});
	assert_int_equal(got.port, 77);
	assert_int_equal(got.flags, ROUTE_ANEW | ROUTE_ALONE);
	assert_false(got.gone);
	assert_int_equal(r->table, RT_TABLE_MAIN);
	assert_int_equal(r->priority, 32);
	assert_int_equal(r->protocol, 12);
	assert_int_equal(r->type, RTN_UNICAST);
	assert_int_equal(r->n_hops, 1);
	assert_hop(&r->hops[0], "10.10.0.1", 5, 1);

	r = PARSED(.dst = "fd20::/64", .table = 100000, .metric = 1024, .hops = {{"fd10::1", 6}});
	assert_int_equal(r->table, 100000);
	assert_hop(&r->hops[0], "fd10::1", 6, 1);

	r = PARSED(.dst = "10.20.0.0/16", .hops = {{"fe80::1", 5}}); /* RFC 8950: RTA_VIA */
	assert_hop(&r->hops[0], "fe80::1", 5, 1);
	r = PARSED(.dst = "0.0.0.0/0", .hops = {{NULL, 5}}, .tos = 4);
	assert_int_equal(r->dst.len, 0);
	assert_int_equal(r->tos, 4);
	assert_hop(&r->hops[0], NULL, 5, 1);
}

static void flags(void **state)
{
	PARSED(.dst = "10.0.0.0/8", .flags = SAYS_REPLACED);
	assert_int_equal(got.flags, ROUTE_REPLACES);
	PARSED(.dst = "10.0.0.0/8", .flags = SAYS_APPENDED);
	assert_int_equal(got.flags, ROUTE_APPENDS | ROUTE_ANEW);
	PARSED(.dst = "10.0.0.0/8", .flags = SAYS_PREPENDED);
	assert_int_equal(got.flags, ROUTE_ANEW);
	PARSED(.dst = "10.0.0.0/8", .flags = NLM_F_MULTI);
	assert_int_equal(got.flags, 0);
	parsed_as(RTM_DELROUTE, &(struct a_route){.dst = "10.0.0.0/8", .port = 9});
	assert_true(got.gone);
	assert_int_equal(got.port, 9);
}

static void sets(void **state)
{
	const struct kernel_route *r = PARSED(.dst = "10.0.0.0/8",
		.hops = {{"10.10.0.1", 5, 1}, {"fe80::2", 6, 200, RTNH_F_ONLINK}, {NULL, 7, 3}});

	assert_int_equal(r->n_hops, 3);
	assert_hop(&r->hops[0], "10.10.0.1", 5, 1);
	assert_hop(&r->hops[1], "fe80::2", 6, 200);
	assert_hop(&r->hops[2], NULL, 7, 3);

	r = PARSED(.dst = "fd20::/64", .hops = {{"fd10::1", 5, 1, RTNH_F_DEAD | RTNH_F_LINKDOWN},
					       {"fd10::2", 6, 1}, {"fd10::3", 7, 2}});
	assert_int_equal(r->n_hops, 3);
	assert_int_equal(r->dead, 1);
	assert_hop(&r->hops[2], "fd10::3", 7, 2);
	r = PARSED(.dst = "fd20::/64", .hops = {{"fd10::1", 5, 1, RTNH_F_DEAD}});
	assert_int_equal(r->n_hops, 1);
	assert_int_equal(r->dead, 1);
}

static void refusals(void **state)
{
	static const uint8_t types[] = {RTN_UNREACHABLE, RTN_BLACKHOLE, RTN_PROHIBIT, RTN_THROW};

	for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
		const struct kernel_route *r =
			PARSED(.dst = "fd20::/64", .type = types[i], .hops = {{NULL, 1}});

		assert_int_equal(r->type, types[i]);
		assert_int_equal(r->n_hops, 0); /* lo is no next hop */
	}
}

/* What makes two routes of one prefix, table, TOS and metric two. */
static void identities(void **state)
{
	uint64_t id = PARSED(.dst = "10.0.0.0/8", .hops = {{"10.10.0.1", 5}})->identity;
	uint64_t object =
		PARSED(.dst = "10.0.0.0/8", .nhid = 7, .hops = {{"10.10.0.1", 5}})->identity;

	assert_true(id == PARSED(.dst = "10.0.0.0/8", .flags = SAYS_ADDED, .port = 3,
				  .hops = {{"10.10.0.1", 5}})
				  ->identity);
	assert_true(
		id ==
		PARSED(.dst = "10.0.0.0/8", .hops = {{"10.10.0.1", 5, 0, RTNH_F_DEAD}})->identity);
	assert_false(id == PARSED(.dst = "10.0.0.0/8", .hops = {{"10.10.0.2", 5}})->identity);
	assert_false(id == PARSED(.dst = "10.0.0.0/8", .hops = {{"10.10.0.1", 6}})->identity);
	assert_false(id == PARSED(.dst = "10.0.0.0/8", .hops = {{NULL, 5}})->identity);
	id = PARSED(.dst = "10.0.0.0/8", .hops = {{"10.10.0.1", 5}, {"10.10.0.2", 5}})->identity;
	assert_false(id == PARSED(.dst = "10.0.0.0/8",
				   .hops = {{"10.10.0.1", 5}, {"10.10.0.2", 5, .realm = 3}})
				   ->identity);
	assert_false(id == PARSED(.dst = "10.0.0.0/8", .type = RTN_BLACKHOLE)->identity);
	assert_false(id ==
		     PARSED(.dst = "10.0.0.0/8", .proto = 4, .hops = {{"10.10.0.1", 5}})->identity);
	assert_false(
		id == PARSED(.dst = "10.0.0.0/8", .src = "10.9.9.9", .hops = {{"10.10.0.1", 5}})
			      ->identity);
	assert_false(id == object);
	/* The object's hops may be others by now. */
	assert_true(object == PARSED(.dst = "10.0.0.0/8", .nhid = 7)->identity);
	assert_true(
		object == PARSED(.dst = "10.0.0.0/8", .nhid = 7, .type = RTN_BLACKHOLE)->identity);
}

static void left_out(void **state)
{
	static const struct a_route r = {.dst = "10.0.0.0/8", .rtm_flags = RTM_F_CLONED};
	static const struct a_route by_source = {.dst = "fd20::/64"};
	struct message m;
	struct rtmsg *rt;

	n_got = 0;
	message_route(&m, RTM_NEWROUTE, &r);
	assert_true(route_news_parse(m.bytes, m.n, keep, NULL));
	message_route(&m, RTM_NEWROUTE, &by_source);
	rt = mnl_nlmsg_get_payload((const void *)m.bytes);
	rt->rtm_src_len = 64;
	assert_true(route_news_parse(m.bytes, m.n, keep, NULL));
	rt->rtm_src_len = 0;
	rt->rtm_family = AF_BRIDGE;
	assert_true(route_news_parse(m.bytes, m.n, keep, NULL));
	rt->rtm_family = AF_INET;
	rt->rtm_dst_len = 33;
	assert_true(route_news_parse(m.bytes, m.n, keep, NULL));
	assert_true(route_news_parse(m.bytes, 20, keep, NULL)); /* cut */
	assert_int_equal(n_got, 0);
	rt->rtm_dst_len = 32;
	assert_false(route_news_parse(m.bytes, m.n, keep, &m)); /* the walk is ended */
	assert_int_equal(n_got, 1);
}

static const struct kernel_nexthop *parsed_nexthop(uint16_t type, const struct a_nexthop *n)
{
	struct message m;

	n_got = 0;
	message_nexthop(&m, type, n);
	assert_true(route_news_parse(m.bytes, m.n, keep, NULL));
	assert_int_equal(n_got, 1);
	assert_int_equal(got.type, ROUTE_NEWS_NEXTHOP);
	return &got.u.nexthop;
}

static void objects(void **state)
{
	const struct kernel_nexthop *n = parsed_nexthop(RTM_NEWNEXTHOP,
		&(struct a_nexthop){.id = 7, .port = 3, .via = "10.10.0.1", .dev = 5});

	assert_int_equal(n->id, 7);
	assert_int_equal(got.port, 3);
	assert_hop(&n->hop, "10.10.0.1", 5, 1);
	n = parsed_nexthop(RTM_NEWNEXTHOP,
		&(struct a_nexthop){.id = 8, .via = "fe80::1", .dev = 5, .dead = true});
	assert_hop(&n->hop, "fe80::1", 5, 1);
	assert_true(n->is_dead);
	n = parsed_nexthop(RTM_NEWNEXTHOP, &(struct a_nexthop){.id = 9, .blackhole = true});
	assert_true(n->is_blackhole);
	/* A weight of 16 bits has its upper half behind. */
	n = parsed_nexthop(RTM_NEWNEXTHOP,
		&(struct a_nexthop){.id = 10, .members = {{7, 0, 0, 0}, {8, 2, 1, 0}}});
	assert_true(n->is_group);
	assert_int_equal(n->n_members, 2);
	assert_int_equal(n->members[0].id, 7);
	assert_int_equal(n->members[0].weight, 1);
	assert_int_equal(n->members[1].weight, 259);
	parsed_nexthop(RTM_DELNEXTHOP, &(struct a_nexthop){.id = 10});
	assert_true(got.gone);
}

static void links(void **state)
{
	struct message m;

	message_link(&m, RTM_NEWLINK, 5, IFF_UP | IFF_RUNNING);
	route_news_parse(m.bytes, m.n, keep, NULL);
	assert_int_equal(got.type, ROUTE_NEWS_LINK);
	assert_int_equal(got.u.link.ifindex, 5);
	assert_int_equal(got.u.link.flags, IFF_UP | IFF_RUNNING);
	assert_false(got.gone);
	message_link(&m, RTM_NEWLINK, 5, IFF_UP);
	route_news_parse(m.bytes, m.n, keep, NULL);
	assert_int_equal(got.u.link.flags, IFF_UP);
	message_link(&m, RTM_NEWLINK, 5, 0);
	route_news_parse(m.bytes, m.n, keep, NULL);
	assert_true(!got.u.link.flags && !got.gone);
	message_link(&m, RTM_DELLINK, 5, IFF_UP);
	route_news_parse(m.bytes, m.n, keep, NULL);
	assert_true(!got.u.link.flags && got.gone);
	/* A bridge's port: the link itself stays. */
	n_got = 0;
	((struct ifinfomsg *)mnl_nlmsg_get_payload((const void *)m.bytes))->ifi_family = AF_BRIDGE;
	route_news_parse(m.bytes, m.n, keep, NULL);
	assert_int_equal(n_got, 0);

	message_address(&m, RTM_NEWADDR, AF_INET6, 5);
	route_news_parse(m.bytes, m.n, keep, NULL);
	assert_int_equal(n_got, 0);
	message_address(&m, RTM_NEWADDR, AF_INET, 5);
	route_news_parse(m.bytes, m.n, keep, NULL);
	message_address(&m, RTM_DELADDR, AF_INET6, 5);
	route_news_parse(m.bytes, m.n, keep, NULL);
	assert_int_equal(n_got, 2);
	assert_int_equal(got.type, ROUTE_NEWS_ADDRESS);
	assert_int_equal(got.u.link.ifindex, 5);
	assert_true(got.gone);
}

/* More hops than there is room for: the first ones, and still another route than its like. */
static void long_sets(void **state)
{
	struct message m;
	struct nlmsghdr *h = message_begin(&m, RTM_NEWROUTE, 0, 0);
	struct rtmsg *rt = mnl_nlmsg_put_extra_header(h, sizeof(*rt));
	struct nlattr *set;
	uint64_t id;

	rt->rtm_family = AF_INET;
	rt->rtm_type = RTN_UNICAST;
	set = mnl_attr_nest_start(h, RTA_MULTIPATH);
	for (int i = 0; i < 100; i++) {
		struct rtnexthop *hop = mnl_nlmsg_get_payload_tail(h);

		h->nlmsg_len += sizeof(*hop);
		*hop = (struct rtnexthop){.rtnh_ifindex = i + 1, .rtnh_len = sizeof(*hop)};
	}
	mnl_attr_nest_end(h, set);
	assert_true(route_news_parse(m.bytes, h->nlmsg_len, keep, NULL));
	assert_int_equal(got.u.route.n_hops, ROUTE_HOPS_MAX);
	id = got.u.route.identity;
	((struct rtnexthop *)mnl_attr_get_payload(set))[99].rtnh_ifindex = 1;
	assert_true(route_news_parse(m.bytes, h->nlmsg_len, keep, NULL));
	assert_false(got.u.route.identity == id);
}

/* --- dumps ---------------------------------------------------------------------------------- */

/* A kernel that answers in datagrams of one route, of two, and of the end. */
struct answers {
	uint32_t seq;
	int n;
};

static ssize_t asked(void *data, const void *message, size_t n)
{
	((struct answers *)data)->seq = ((const struct nlmsghdr *)message)->nlmsg_seq;
	return (ssize_t)n;
}

static size_t put_answer(const struct answers *a, char *to, uint16_t type, const char *dst)
{
	struct message m;
	struct nlmsghdr *h = (void *)m.bytes;

	message_route(&m, RTM_NEWROUTE, &(struct a_route){.dst = dst, .flags = NLM_F_MULTI});
	h->nlmsg_seq = a->seq;
	if (type == NLMSG_DONE) {
		h->nlmsg_type = type;
		memset(mnl_nlmsg_get_payload(h), 0, 4);
	}
	memcpy(to, m.bytes, m.n);
	return m.n;
}

static ssize_t answered(void *data, void *buf, size_t size)
{
	struct answers *a = data;
	size_t n;

	switch (a->n++) {
	case 0:
		return (ssize_t)put_answer(a, buf, RTM_NEWROUTE, "fd20:1::/64");
	case 1:
		n = put_answer(a, buf, RTM_NEWROUTE, "fd20:1::/64");
		return (ssize_t)(n + put_answer(a, (char *)buf + n, RTM_NEWROUTE, "fd20:2::/64"));
	case 2:
		return (ssize_t)put_answer(a, buf, NLMSG_DONE, "fd20:2::/64");
	}
	return -EIO;
}

static void hang_up(void *data)
{
	(void)data;
}

static bool spell(const struct route_news *news, void *word)
{
	strcat(word, news->type == ROUTE_NEWS_PART ? "|" : "r");
	return true;
}

static void parts(void **state)
{
	struct answers a = {0};
	struct nl_io io = {.send = asked, .recv = answered, .close = hang_up, .data = &a};
	struct nl *nl = nl_new(&io);
	struct route_news_question q = {.family = AF_INET6};
	char word[16] = "";

	assert_int_equal(route_news_dump_over(nl, &q, spell, word), 0);
	assert_string_equal(word, "|r|rr");
	nl_close(nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(single_routes),
		cmocka_unit_test(flags),
		cmocka_unit_test(sets),
		cmocka_unit_test(refusals),
		cmocka_unit_test(identities),
		cmocka_unit_test(left_out),
		cmocka_unit_test(objects),
		cmocka_unit_test(links),
		cmocka_unit_test(long_sets),
		cmocka_unit_test(parts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

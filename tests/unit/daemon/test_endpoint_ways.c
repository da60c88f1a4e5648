/* SPDX-License-Identifier: MIT */
/* Endpoints that the tunnel's own route holds, of a kernel whose answer the test chooses. */
#include "../unit.h"
#include "base/map.h"
#include "base/mem.h"
#include "daemon/endpoint_ways.h"
#include "sys/nl.h"
#include "sys/rtnl_internal.h"
#include <libmnl/libmnl.h>
#include <linux/rtnetlink.h>
#include <string.h>

#define TUNNEL 5
#define UPLINK 2

static struct nlmsghdr asked;
static unsigned questions;
static uint32_t leads_to = TUNNEL;

static ssize_t kernel_send(void *data, const void *message, size_t n)
{
	memcpy(&asked, message, sizeof(asked));
	questions++;
	return (ssize_t)n;
}

static ssize_t acknowledge(void *buf)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = NLMSG_ERROR;
	h->nlmsg_seq = asked.nlmsg_seq;
	mnl_nlmsg_put_extra_header(h, sizeof(struct nlmsgerr));
	return h->nlmsg_len;
}

/* 203.0.113.0/24 by that interface. */
static ssize_t kernel_recv(void *data, void *buf, size_t size)
{
	static const uint8_t dst[] = {203, 0, 113, 0};
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);
	struct rtmsg *m;

	h->nlmsg_type = RTM_NEWROUTE;
	h->nlmsg_seq = asked.nlmsg_seq;
	m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
	*m = (struct rtmsg){.rtm_family = AF_INET, .rtm_dst_len = 24, .rtm_type = RTN_UNICAST};
	mnl_attr_put(h, RTA_DST, sizeof(dst), dst);
	mnl_attr_put_u32(h, RTA_OIF, leads_to);
	return h->nlmsg_len + acknowledge((char *)buf + h->nlmsg_len);
}

static void kernel_close(void *data)
{
}

static unsigned named;

static void name(const char *what, const char *fix, void *data)
{
	assert_string_equal(what, "the route to 203.0.113.0/24 holds 203.0.113.9, the endpoint of "
				  "hub-b, and leads into the tunnel: its own packets go round and "
				  "arrive nowhere");
	assert_non_null(strstr(fix, "ip route add 203.0.113.9 via GATEWAY"));
	named++;
}

struct one_peer {
	struct generation gen;
	struct mesh_node node;
	struct mesh_view_peer view;
	struct mesh_endpoint endpoint;
	struct generation_peer peer;
	struct endpoints *endpoints;
};

static void start(struct one_peer *o)
{
	static const instant begin = {1};

	*o = (struct one_peer){.node = {.name = "hub-b"}, .view = {.endpoint = &o->endpoint}};
	o->peer = (struct generation_peer){.view = &o->view, .node = &o->node, .id = 7};
	o->gen = (struct generation){
		.number = 1, .peers = &o->peer, .n_peers = 1, .by_id = map_new()};
	map_put(o->gen.by_id, &o->peer.id, sizeof(o->peer.id), &o->peer);
	o->endpoints = endpoints_new();
	endpoints_set(o->endpoints, &o->gen, begin);
}

static void is_at(struct one_peer *o, const char *where)
{
	static const instant now = {2};
	sock_addr at = {0};

	assert_true(!where || sock_addr_parse(&at, where));
	endpoints_read(o->endpoints, o->peer.id, &at, now);
}

static unsigned found(struct endpoint_ways *w, const struct one_peer *o, struct rtnl *rtnl)
{
	struct fib_facts fib = {.ifindex = TUNNEL};

	endpoint_ways_step(w, &o->gen, o->endpoints, &fib, rtnl);
	named = 0;
	endpoint_ways_check(w, &o->gen, name, NULL);
	return named;
}

static void what_leads_into_the_tunnel_is_named(void **state)
{
	const struct nl_io io = {kernel_send, kernel_recv, NULL, kernel_close, NULL};
	struct rtnl rtnl = {.nl = nl_new(&io)};
	struct endpoint_ways w = {0};
	struct one_peer o;

	start(&o);
	/* Who has no endpoint isn't asked for. */
	is_at(&o, NULL);
	assert_int_equal(found(&w, &o, &rtnl), 0);
	assert_int_equal(questions, 0);
	is_at(&o, "203.0.113.9:51820");
	assert_int_equal(found(&w, &o, &rtnl), 1);
	leads_to = UPLINK;
	assert_int_equal(found(&w, &o, &rtnl), 0);
	leads_to = TUNNEL;
	assert_int_equal(found(&w, &o, &rtnl), 1);
	/* Of another generation nothing is known yet. */
	o.gen.number = 2;
	endpoint_ways_check(&w, &o.gen, name, NULL);
	assert_int_equal(named, 1);
	assert_int_equal(found(&w, &o, &rtnl), 1);
	endpoint_ways_done(&w);
	endpoints_free(o.endpoints);
	map_free(o.gen.by_id);
	nl_close(rtnl.nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_leads_into_the_tunnel_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

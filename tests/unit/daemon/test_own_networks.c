/* SPDX-License-Identifier: MIT */
/* A node's own networks, asked for some at a time, of a kernel that has no route to any. */
#include "../unit.h"
#include "base/mem.h"
#include "daemon/own_networks.h"
#include "sys/nl.h"
#include "sys/rtnl_internal.h"
#include <errno.h>
#include <libmnl/libmnl.h>
#include <string.h>

#define N 600

static struct nlmsghdr asked;
static unsigned questions;
static int answer = -ENETUNREACH;

static ssize_t kernel_send(void *data, const void *message, size_t n)
{
	memcpy(&asked, message, sizeof(asked));
	questions++;
	return (ssize_t)n;
}

static ssize_t kernel_recv(void *data, void *buf, size_t size)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(buf);

	h->nlmsg_type = NLMSG_ERROR;
	h->nlmsg_seq = asked.nlmsg_seq;
	*(int *)mnl_nlmsg_put_extra_header(h, sizeof(struct nlmsgerr)) = answer;
	return h->nlmsg_len;
}

static void kernel_close(void *data)
{
}

static unsigned named;

static void name(const char *what, const char *fix, void *data)
{
	assert_non_null(strstr(what, "site-1, isn't reached from here: no route leads to it"));
	assert_non_null(strstr(fix, "ip route add 10."));
	named++;
}

static unsigned check(const struct own_networks *o, const struct generation *g)
{
	named = 0;
	own_networks_check(o, g, name, NULL);
	return named;
}

static void all_are_asked_for_in_turns(void **state)
{
	const struct nl_io io = {kernel_send, kernel_recv, NULL, kernel_close, NULL};
	struct rtnl rtnl = {.nl = nl_new(&io)};
	struct mesh_network *networks = mem_zalloc(N, sizeof(*networks));
	struct mesh_node self = {.name = "site-1", .networks = networks, .n_networks = N};
	struct generation g = {.number = 1, .self = &self};
	struct fib_facts fib = {.ifindex = 5};
	struct own_networks o = {0};

	for (unsigned i = 0; i < N; i++) {
		uint8_t bytes[4] = {10, (uint8_t)(i >> 8), (uint8_t)i, 0};
		ip_addr a = ip_addr_from_bytes(AF_INET, bytes);

		networks[i].prefix = ip_prefix_of(&a, 24);
	}
	own_networks_step(&o, &g, &fib, &rtnl);
	assert_in_range(questions, 1, N - 1);
	assert_int_equal(check(&o, &g), 0);
	while (!check(&o, &g))
		own_networks_step(&o, &g, &fib, &rtnl);
	assert_int_equal(check(&o, &g), N);
	assert_int_equal(questions, N);
	/* What was found stands while the next round goes on, and not longer. */
	answer = -ENOMEM; /* which says nothing */
	own_networks_step(&o, &g, &fib, &rtnl);
	assert_int_equal(check(&o, &g), N);
	while (questions < 2 * N)
		own_networks_step(&o, &g, &fib, &rtnl);
	assert_int_equal(check(&o, &g), 0);
	/* Of another generation nothing is known yet. */
	answer = -ENETUNREACH;
	for (int i = 0; i < 3; i++)
		own_networks_step(&o, &g, &fib, &rtnl);
	assert_int_equal(check(&o, &g), N);
	g.number = 2;
	assert_int_equal(check(&o, &g), 0);
	self.n_networks = 1;
	own_networks_step(&o, &g, &fib, &rtnl);
	assert_int_equal(check(&o, &g), 1);
	own_networks_done(&o);
	free(networks);
	nl_close(rtnl.nl);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_asked_for_in_turns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

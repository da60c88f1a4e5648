/* SPDX-License-Identifier: MIT */
/* A network namespace of the test's own with an interface of no use, d0, and a pair d1 and d2. */
#ifndef SHUNT_TESTS_RTNL_FIXTURE_H
#define SHUNT_TESTS_RTNL_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "sys/rtnl.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct rtnl *rt;
static int dummy;

static inline ip_prefix P(const char *text)
{
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, text));
	return p;
}

static inline ip_addr A(const char *text)
{
	ip_addr a;

	assert_true(ip_addr_parse(&a, text));
	return a;
}

static inline void run(const char *command)
{
	assert_int_equal(system(command), 0);
}

static inline int in_a_namespace(void **state)
{
	struct rtnl_link l;

	if (rtnl_open(&rt) < 0)
		return -1;
	run("ip link set lo up && ip link add d1 type veth peer name d2 && ip link set d2 up && ip "
	    "link set d1 up");
	if (rtnl_link_add(rt, "d0", "veth") < 0 || rtnl_link_get(rt, "d0", &l) < 0)
		return -1;
	dummy = l.index;
	return rtnl_link_set(rt, dummy, true, 0);
}

static inline int leave(void **state)
{
	rtnl_close(rt);
	rtnl_close(NULL);
	return 0;
}

/* 77 where it may not be made. */
static inline int run_in_a_namespace(const char *name, const struct CMUnitTest *tests, size_t n)
{
	if (unshare(CLONE_NEWNET) < 0) {
		fprintf(stderr, "skipped: no right to make a network namespace\n");
		return 77;
	}
	return _cmocka_run_group_tests(name, tests, n, in_a_namespace, leave);
}

#endif

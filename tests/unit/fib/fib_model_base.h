/* SPDX-License-Identifier: MIT */
/* What a model of a device and of the kernel holds (fib_model.h), and who stands where in it. */
#ifndef SHUNT_TESTS_FIB_MODEL_BASE_H
#define SHUNT_TESTS_FIB_MODEL_BASE_H

#include "../unit.h"
#include "base/mem.h"
#include "base/secret.h"
#include "fib/do.h"
#include "fib/tell.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>

#define N_PEERS 8
#define N_PREFIXES 12
#define N_ADDRESSES 4
#define N_SYSCTLS 2
#define NOBODY (-1)
#define N_SETS 5
#define N_OWNERS 3 /* of a set, at most */
#define AT_SET 100
#define MARK 51820u
#define WG 5
#define SOME_ENGINE 12

struct model_set {
	bool there;
	size_t n;
	struct {
		int peer;
		uint16_t rank, weight;
	} owners[N_OWNERS]; /* as named */
};

struct model {
	bool is_shared; /* a device of many owners */
	struct model_set sets[N_SETS];
	enum device_level level[N_PEERS];
	bool has[N_PEERS], psk[N_PEERS], endpoint[N_PEERS];
	uint16_t keepalive[N_PEERS];
	int owner[N_PREFIXES];
	bool address[N_ADDRESSES], up;
	unsigned mtu;
	uint32_t fwmark;
	uint16_t port;
	int sysctl[N_SYSCTLS];
	struct nft_mark mark;
	route_vec routes;
	rule_vec rules;
};

/* What the world was and shall be; looked at after every step. */
struct watch {
	const struct model *before;
	int after[N_PREFIXES];	/* the owner */
	bool route[N_PREFIXES]; /* into the device, in some table */
	bool address[N_ADDRESSES];
};

static wg_key keys[N_PEERS];
static ip_prefix prefixes[N_PREFIXES], addresses[N_ADDRESSES];
static const uint64_t set_numbers[N_SETS] = {RIB_OWNER_SET_MARK | 2, RIB_OWNER_SET_MARK | 4,
	RIB_OWNER_SET_MARK | 6, RIB_OWNER_SET_MARK | 7, 0};
static const char *const sysctls[N_SYSCTLS] = {"net/one", "net/two"};

static struct model *world;
static const struct watch *watched; /* NULL: nobody looks */
static int fail_in = -1;	    /* calls until the one that fails */

static inline int index_of(const wg_key *key)
{
	for (int i = 0; i < N_PEERS; i++)
		if (wg_key_eq(&keys[i], key))
			return i;
	fail_msg("a peer from nowhere");
	return -1;
}

static inline int set_index(uint64_t number)
{
	for (int k = 0; k < N_SETS; k++)
		if (set_numbers[k] == number)
			return k;
	fail_msg("a set from nowhere");
	return -1;
}

static inline int place_of(const ip_prefix *list, int n, const ip_prefix *p)
{
	for (int i = 0; i < n; i++)
		if (ip_prefix_eq(&list[i], p))
			return i;
	fail_msg("a prefix from nowhere");
	return -1;
}

static inline int prefix_index(const ip_prefix *p)
{
	return place_of(prefixes, N_PREFIXES, p);
}

static inline bool has_way(const struct model *m, int prefix)
{
	for (size_t i = 0; i < m->routes.n; i++)
		if (!m->routes.items[i].type && m->routes.items[i].protocol == RTNL_PROTO_SHUNT &&
			ip_prefix_eq(&m->routes.items[i].dst, &prefixes[prefix]))
			return true;
	return false;
}

static inline void check_no_hole(void)
{
	for (int j = 0; watched && j < N_PREFIXES; j++) {
		if (watched->before->owner[j] != NOBODY && watched->after[j] != NOBODY)
			assert_int_not_equal(world->owner[j], NOBODY);
		if (has_way(watched->before, j) && watched->route[j])
			assert_true(has_way(world, j));
	}
	for (int i = 0; watched && i < N_ADDRESSES; i++)
		if (watched->before->address[i] && watched->address[i])
			assert_true(world->address[i]);
}

static inline bool fails(void)
{
	return fail_in >= 0 && fail_in-- == 0;
}

#endif

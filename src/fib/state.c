/* SPDX-License-Identifier: MIT */
#include "fib/state.h"

#include "base/secret.h"
#include <stdio.h>
#include <string.h>

static void device_done(struct fib_device *d)
{
	vec_done(&d->addresses);
	device_state_done(&d->wg);
	wg_key_wipe(&d->private_key);
}

void fib_state_done(struct fib_state *s)
{
	for (size_t i = 0; i < s->devices.n; i++)
		device_done(&s->devices.items[i]);
	vec_done(&s->devices);
	vec_done(&s->routes);
	vec_done(&s->rules);
	vec_done(&s->sysctls);
}

struct fib_device *fib_state_device(const struct fib_state *s, const char *name)
{
	for (size_t i = 0; i < s->devices.n; i++)
		if (!strcmp(s->devices.items[i].name, name))
			return &s->devices.items[i];
	return NULL;
}

void fib_nft_table(const char *ifname, char out[static FIB_NFT_TABLE_MAX])
{
	snprintf(out, FIB_NFT_TABLE_MAX, "shunt-%s", ifname);
}

void fib_copy_device(const struct device_state *from, struct device_state *ret)
{
	*ret = *from;
	ret->sets = device_owner_sets_copy(from->sets, from->n_sets);
	ret->peers = NULL;
	if (!from->n_peers)
		return;
	ret->peers = secret_zalloc(from->n_peers, sizeof(*ret->peers));
	memcpy(ret->peers, from->peers, from->n_peers * sizeof(*ret->peers));
	for (size_t i = 0; i < from->n_peers; i++) {
		struct device_peer *p = &ret->peers[i];
		size_t size = p->n_allowed * sizeof(*p->allowed);

		if (p->allowed) {
			p->allowed = mem_alloc(size ? size : 1);
			memcpy(p->allowed, from->peers[i].allowed, size);
		}
	}
}

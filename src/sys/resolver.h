/* SPDX-License-Identifier: MIT */
/* Names resolved in libuv's threads, any number at once. */
#ifndef SHUNT_SYS_RESOLVER_H
#define SHUNT_SYS_RESOLVER_H

#include "base/prefix.h"
#include <uv.h>

struct resolver;

/* What is asked, as it comes back with the answer. */
struct resolver_tag {
	uint32_t peer;
	uint64_t generation; /* the asker's number of the configuration that has the name */
};

/* addrs in the system's order of preference, valid for the call; n 0: with err negative (libuv's
 * number). */
typedef void resolver_fn(const struct resolver_tag *tag, const char *host, const sock_addr *addrs,
	size_t n, int err, void *data);

struct resolver *resolver_new(uv_loop_t *loop, resolver_fn *answered, void *data);
/* Answers that are still under way are dropped. Accepts NULL. */
void resolver_free(struct resolver *r);
/* Asks for UDP addresses of host with this port; answers within uv_run, and never if there is no
 * memory or thread for it. */
void resolver_ask(
	struct resolver *r, const struct resolver_tag *tag, const char *host, uint16_t port);
/* Answers are still under way. */
bool resolver_is_asked(const struct resolver *r);

#endif

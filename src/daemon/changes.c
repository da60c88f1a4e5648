/* SPDX-License-Identifier: MIT */
#include "daemon/changes.h"

#include "base/buf.h"
#include "fib/want_own.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LINES_MAX 100

void changes_forget(struct changes *c)
{
	for (size_t i = 0; i < c->lines.n; i++)
		free(c->lines.items[i]);
	for (size_t i = 0; i < c->moves.n; i++) {
		free(c->moves.items[i].from);
		free(c->moves.items[i].to);
	}
	c->lines.n = c->left_out = c->moves.n = 0;
}

void changes_done(struct changes *c)
{
	changes_forget(c);
	vec_done(&c->lines);
	vec_done(&c->moves);
}

void changes_add(struct changes *c, const char *fmt, ...)
{
	AUTO_BUF line = {0};
	va_list ap;

	if (c->lines.n == LINES_MAX) {
		c->left_out++;
		return;
	}
	va_start(ap, fmt);
	buf_vprintf(&line, fmt, ap);
	va_end(ap);
	vec_push(&c->lines, buf_steal(&line));
}

void changes_moved(struct changes *c, const struct fib_moved *m)
{
	if (c->moves.n < LINES_MAX)
		vec_push(&c->moves, ((struct changes_move){mem_strdup(m->from), mem_strdup(m->to),
					    m->first, m->n}));
}

static const char *endpoint_text(const sock_addr *a, char buf[static SOCK_ADDR_STRLEN])
{
	return a->sa.sa_family == AF_UNSPEC ? "none" : sock_addr_format(a, buf);
}

void changes_endpoint(
	struct changes *c, const char *name, const sock_addr *before, const sock_addr *after)
{
	char was[SOCK_ADDR_STRLEN], is[SOCK_ADDR_STRLEN];

	changes_add(c, "%s's endpoint: %s -> %s", name, endpoint_text(before, was),
		endpoint_text(after, is));
}

const char *changes_name(const struct changes *c, const struct generation *gen, const wg_key *key)
{
	const struct generation_peer *p = generation_peer_by_key(gen, key);
	wg_key nobody = want_nobody_key();

	if (wg_key_eq(key, &nobody))
		return "nobody (own networks that others cover)";
	if (!p && c->before)
		p = generation_peer_by_key(c->before, key);
	return p ? p->node->name : "a peer of an older inventory";
}

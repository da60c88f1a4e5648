/* SPDX-License-Identifier: MIT */
/* A mirror that is told messages as the kernel writes them, and says in text what it makes of them.
 */
#ifndef SHUNT_TESTS_MIRROR_FIXTURE_H
#define SHUNT_TESTS_MIRROR_FIXTURE_H

#include "../../support/route_messages.h"
#include "base/mem.h"
#include "sys/route_mirror.h"
#include "unit.h"
#include <net/if.h>
#include <stdbool.h>

#define BIRD 12
#define BGP 186
#define STATIC 4
/* Netlink ports; of none ENGINE is meant. */
#define ENGINE 1001
#define OTHER 2002
#define NOBODY UINT32_MAX
#define IS_UP (IFF_UP | IFF_RUNNING)

struct bench {
	struct route_mirror *mirror;
	instant now;
	uint32_t seq; /* of the request that was told of last */
	bool is_dump;
};

static inline void bench_start_with(struct bench *b, const struct route_mirror_config *c)
{
	*b = (struct bench){.mirror = route_mirror_new(c), .now = {1000 * NS_PER_S}};
	assert_true(route_mirror_wants_dump(b->mirror));
	route_mirror_dump_begins(b->mirror);
	route_mirror_dump_ends(b->mirror, true, b->now);
	assert_false(route_mirror_wants_dump(b->mirror));
}

/* Tables main and 100, protocols of both engines; an empty kernel was seen. */
static inline void bench_start(struct bench *b)
{
	static const uint32_t tables[] = {RT_TABLE_MAIN, 100};
	static const uint8_t protocols[] = {BIRD, BGP};
	struct route_mirror_config c = {tables, 2, protocols, 2};

	bench_start_with(b, &c);
}

static inline void bench_end(struct bench *b)
{
	route_mirror_free(b->mirror);
}

static inline bool bench_on_news(const struct route_news *news, void *data)
{
	struct bench *b = data;

	if (b->is_dump)
		route_mirror_dumped(b->mirror, news);
	else
		route_mirror_take(b->mirror, news, b->now);
	return true;
}

static inline void bench_tell(struct bench *b, const struct message *m)
{
	assert_true(route_news_parse(m->bytes, m->n, bench_on_news, b));
}

static inline void from_request(struct message *m, uint32_t port, uint32_t seq)
{
	struct nlmsghdr *h = (void *)m->bytes;

	h->nlmsg_seq = seq;
	h->nlmsg_pid = port == NOBODY ? 0 : port ? port : ENGINE;
}

static inline void told_route(struct bench *b, uint16_t type, const struct a_route *r)
{
	struct message m;

	message_route(&m, type, r);
	from_request(&m, r->port, ++b->seq);
	bench_tell(b, &m);
}

/* By the request that was told of last. */
static inline void told_route_along(struct bench *b, const struct a_route *r)
{
	struct message m;

	message_route(&m, RTM_NEWROUTE, r);
	from_request(&m, r->port, b->seq);
	bench_tell(b, &m);
}

#define ADDED(b, ...) \
	told_route(b, RTM_NEWROUTE, &(struct a_route){.flags = SAYS_ADDED, __VA_ARGS__})
#define REPLACED(b, ...) \
	told_route(b, RTM_NEWROUTE, &(struct a_route){.flags = SAYS_REPLACED, __VA_ARGS__})
#define TOLD_ALONG(b, ...) \
	told_route_along(b, &(struct a_route){.flags = SAYS_REPLACED, __VA_ARGS__})
#define APPENDED(b, ...) \
	told_route(b, RTM_NEWROUTE, &(struct a_route){.flags = SAYS_APPENDED, __VA_ARGS__})
#define PREPENDED(b, ...) \
	told_route(b, RTM_NEWROUTE, &(struct a_route){.flags = SAYS_PREPENDED, __VA_ARGS__})
#define DELETED(b, ...) told_route(b, RTM_DELROUTE, &(struct a_route){__VA_ARGS__})

/* As a dump has it. */
static inline void dumped_route(struct bench *b, const struct a_route *r)
{
	b->is_dump = true;
	told_route(b, RTM_NEWROUTE, r);
	b->is_dump = false;
}

/* Between two the kernel's walk may begin anew. */
static inline void dumped_part(struct bench *b)
{
	route_mirror_dumped(b->mirror, &(struct route_news){.type = ROUTE_NEWS_PART});
}

#define DUMPED(b, ...) dumped_route(b, &(struct a_route){.flags = NLM_F_MULTI, __VA_ARGS__})

static inline void told_nexthop(struct bench *b, uint16_t type, const struct a_nexthop *n)
{
	struct message m;

	message_nexthop(&m, type, n);
	from_request(&m, n->port, ++b->seq);
	bench_tell(b, &m);
}

#define OBJECT(b, ...) told_nexthop(b, RTM_NEWNEXTHOP, &(struct a_nexthop){__VA_ARGS__})
#define OBJECT_GONE(b, ...) told_nexthop(b, RTM_DELNEXTHOP, &(struct a_nexthop){__VA_ARGS__})

static inline void told_link(struct bench *b, uint16_t type, int dev, unsigned flags)
{
	struct message m;

	message_link(&m, type, dev, flags);
	bench_tell(b, &m);
}

static inline void told_address(struct bench *b, uint16_t type, int family, int dev)
{
	struct message m;

	message_address(&m, type, family, dev);
	bench_tell(b, &m);
}

/* --- in text -------------------------------------------------------------------------------- */

static inline int text_cmp(const void *a, const void *b)
{
	return strcmp(a, b);
}

static inline void hops_text(const struct route_view *v, char *ret, size_t size)
{
	char words[ROUTE_HOPS_MAX][80], addr[IP_ADDR_STRLEN];
	size_t at = 0;

	for (size_t i = 0; i < v->n_hops; i++) {
		const struct route_hop *h = &v->hops[i];
		int n = snprintf(words[i], sizeof(words[i]), "%s%%%d",
			h->via.family ? ip_addr_format(&h->via, addr) : "", h->ifindex);

		if (h->weight != 1)
			snprintf(words[i] + n, sizeof(words[i]) - (size_t)n, "x%d", h->weight);
	}
	qsort(words, v->n_hops, sizeof(words[0]), text_cmp);
	for (size_t i = 0; i < v->n_hops && at < size; i++)
		at += (size_t)snprintf(ret + at, size - at, "%s%s", i ? " " : "", words[i]);
}

static inline const char *view_text(const struct route_view *v, char *ret, size_t size)
{
	static const char *const states[] = {"", "withdrawn", "swept", "refused"};

	snprintf(ret, size, "%s", states[v->state]);
	if (v->state == ROUTE_STANDS)
		hops_text(v, ret, size);
	return ret;
}

/* What the prefix's packets take: "10.10.0.1%5 10.10.0.2%5x3", a state, or "nothing". */
static inline void assert_view(struct bench *b, const char *dst, const char *want)
{
	char text[1024] = "nothing";
	struct route_view v;
	ip_prefix p;

	assert_true(ip_prefix_parse(&p, dst));
	if (route_mirror_view(b->mirror, &p, &v))
		view_text(&v, text, sizeof(text));
	assert_string_equal(text, want);
}

struct changes_text {
	char text[4096];
	size_t n;
};

static inline void on_change(const struct route_view *v, void *data)
{
	struct changes_text *c = data;
	char prefix[IP_PREFIX_STRLEN], view[1024];

	c->n += (size_t)snprintf(c->text + c->n, sizeof(c->text) - c->n, "%s%s: %s",
		c->n ? "; " : "", ip_prefix_format(&v->prefix, prefix),
		view_text(v, view, sizeof(view)));
}

/* "PREFIX: VIEW; ...", in the order in which they are told. */
static inline void assert_changes(struct bench *b, const char *want)
{
	struct changes_text c = {0};

	assert_int_equal(route_mirror_take_changes(b->mirror, SIZE_MAX, on_change, &c), 0);
	assert_string_equal(c.text, want);
}

#endif

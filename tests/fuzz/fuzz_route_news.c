/* SPDX-License-Identifier: MIT */
/*
 * The kernel's words about routes, to the decoder and the mirror: each datagram stands behind two
 * bytes of length (datagrams.h) and one that says what it is: news, a part of a dump, or a word of
 * the reader's. Whatever comes, the mirror counts right, tells each change once, and holds no more
 * than it was told; and the end of a whole dump leaves nothing that was in question.
 */
#include "datagrams.h"
#include "sys/route_mirror_internal.h"
#include "sys/route_news_internal.h"

#include <assert.h>
#include <linux/rtnetlink.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
	struct route_mirror *m;
	instant now;
	size_t n_standing;
};

static void check_hops(const struct route_view *v)
{
	assert(v->n_hops <= ROUTE_HOPS_MAX);
	assert((v->state == ROUTE_STANDS) == (v->n_hops > 0));
	for (size_t i = 0; i < v->n_hops; i++)
		assert(v->hops[i].weight);
}

static void on_view(const struct route_view *v, void *data)
{
	struct world *w = data;
	struct route_view again;

	check_hops(v);
	assert(v->prefix.len <= ip_family_bits(v->prefix.family));
	assert(!ip_prefix_has_host_bits(&v->prefix));
	assert(route_mirror_view(w->m, &v->prefix, &again) && again.state == v->state);
	w->n_standing += v->state == ROUTE_STANDS;
}

static bool on_news(const struct route_news *news, void *data)
{
	struct world *w = data;

	if (news->type == ROUTE_NEWS_ROUTE)
		assert(news->u.route.n_hops <= ROUTE_HOPS_MAX);
	route_mirror_take(w->m, news, w->now);
	return true;
}

static bool on_dumped(const struct route_news *news, void *data)
{
	struct world *w = data;

	route_mirror_dumped(w->m, news);
	return true;
}

/* Each prefix and route is where it says. */
static void check_held(const struct route_mirror *m)
{
	size_t cursor = 0;
	void *value;

	while (map_next(m->prefixes, &cursor, NULL, NULL, &value)) {
		const struct held_prefix *p = value;

		assert(p->first || p->is_changed || p->taken);
		for (const struct held_route *h = p->first; h; h = h->next) {
			assert(h->prefix == p && h->n_hops <= ROUTE_HOPS_MAX);
			assert(m->is_dumping || h->kind == HELD_STANDS);
		}
	}
}

static void look(struct world *w)
{
	w->n_standing = 0;
	route_mirror_each(w->m, on_view, w);
	assert(w->n_standing == route_mirror_count(w->m));
	check_held(w->m);
}

static void word(struct world *w, uint8_t what)
{
	size_t before = w->m->n_changes, left;

	w->now = instant_add(w->now, NS_PER_S);
	if (what & 4)
		route_mirror_overrun(w->m);
	if (w->m->is_dumping)
		route_mirror_dump_ends(w->m, what & 8, w->now);
	else if (route_mirror_wants_dump(w->m))
		route_mirror_dump_begins(w->m);
	if (what & 16) {
		before = w->m->n_changes;
		left = route_mirror_take_changes(w->m, 2, on_view, w);
		assert(left == (before > 2 ? before - 2 : 0));
	}
	look(w);
}

static void datagram(struct world *w, uint8_t what, const char *bytes, size_t n)
{
	if ((what & 3) == 0)
		word(w, what);
	if (w->m->is_dumping && (what & 3) == 1)
		route_news_parse(bytes, n, on_dumped, w);
	else
		route_news_parse(bytes, n, on_news, w);
}

static struct route_mirror *mirror(void)
{
	static const uint32_t tables[] = {RT_TABLE_MAIN, 100};
	static const uint8_t protocols[] = {12, 186};
	struct route_mirror_config c = {tables, 2, protocols, 2};

	return route_mirror_new(&c);
}

static bool on_answer(const struct route_news *news, void *data)
{
	const struct route_news_question *q = data;

	if (news->type == ROUTE_NEWS_ROUTE && q->table)
		assert(news->u.route.table == q->table);
	return true;
}

/* The same as the answer to a question. */
static void ask(struct datagrams in, uint8_t how)
{
	struct route_news_question q = {.family = how & 1   ? AF_INET
						  : how & 2 ? AF_INET6
							    : 0,
		.table = how & 4 ? 100 : 0};
	struct nl *nl = datagrams_nl(&in);

	route_news_dump_over(nl, &q, on_answer, &q);
	nl_close(nl);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct datagrams in = {.data = data + 1, .left = size - 1};
	struct world w = {.now = {NS_PER_S}};
	_Alignas(8) char buf[4096];
	size_t n;

	if (!size)
		return 0;
	ask(in, data[0]);
	w.m = mirror();
	while (in.left && (data = in.data, in.data++, in.left--, true) &&
		datagrams_take(&in, buf, sizeof(buf), &n))
		datagram(&w, *data, buf, n);
	look(&w);
	route_mirror_take_changes(w.m, SIZE_MAX, on_view, &w);
	assert(!route_mirror_take_changes(w.m, SIZE_MAX, on_view, &w));
	route_mirror_free(w.m);
	return 0;
}

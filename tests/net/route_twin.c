/* SPDX-License-Identifier: MIT */
/*
 * "random SEED EVENTS COMPAT ROOM MIX": changes at random in a namespace of its own, with that
 * nexthop_compat_mode and so much room for news. "follow": the caller's namespace; on standard
 * input a line each: "check" compares, "changes" tells, "quit" ends. "preload N": how long N
 * messages take that wait.
 */
#include "route_twin.h"

#include "base/list.h"
#include "base/vec.h"
#include "sys/clock.h"
#include "sys/nl.h"
#include "sys/route_mirror_internal.h"
#include <errno.h>
#include <linux/rtnetlink.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- following ------------------------------------------------------------------------------ */

static const uint32_t tables[] = {RT_TABLE_MAIN, 100};
static const uint8_t protocols[] = {12, 186, 196, 188, 42};

void twin_start(struct twin *t, int room)
{
	int err;

	*t = (struct twin){
		.config = {tables, ARRAY_SIZE(tables), protocols, ARRAY_SIZE(protocols)}};
	err = route_news_open(room, &t->socket);
	if (err < 0) {
		fprintf(stderr, "route_twin: %s\n", strerror(-err));
		exit(1);
	}
	t->mirror = route_mirror_new(&t->config);
}

void twin_end(struct twin *t)
{
	route_mirror_free(t->mirror);
	route_news_close(t->socket);
}

static bool take(const struct route_news *news, void *data)
{
	struct twin *t = data;

	route_mirror_take(t->mirror, news, sys_now());
	t->n_news++;
	return true;
}

void twin_read(struct twin *t)
{
	int r;

	while ((r = route_news_read(t->socket, 1000, take, t)) != 0) {
		if (r == -ENOBUFS) {
			t->n_overruns++;
			route_mirror_overrun(t->mirror);
		} else if (r < 0) {
			fprintf(stderr, "route_twin: reading: %s\n", strerror(-r));
			exit(1);
		}
	}
}

static bool take_dumped(const struct route_news *news, void *mirror)
{
	route_mirror_dumped(mirror, news);
	return true;
}

static int dump_all(struct route_mirror *m)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct route_news_question q = {0};
	int err = route_news_dump(&q, take_dumped, m);

	for (size_t i = 0; !err && i < ARRAY_SIZE(families) * ARRAY_SIZE(tables); i++) {
		q.family = families[i % 2];
		q.table = tables[i / 2];
		err = route_news_dump(&q, take_dumped, m);
	}
	return err;
}

void twin_settle(struct twin *t)
{
	twin_read(t);
	while (route_mirror_wants_dump(t->mirror)) {
		int err;

		route_mirror_dump_begins(t->mirror);
		err = dump_all(t->mirror);
		twin_read(t);
		route_mirror_dump_ends(t->mirror, !err, sys_now());
		t->n_dumps++;
	}
}

/* --- in text -------------------------------------------------------------------------------- */

typedef VEC(char *) lines;

static int line_cmp(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void lines_free(lines *l)
{
	for (size_t i = 0; i < l->n; i++)
		free(l->items[i]);
	vec_done(l);
}

static char *hop_text(const struct route_hop *h, const char *note)
{
	char via[IP_ADDR_STRLEN] = "-";

	if (h->via.family)
		ip_addr_format(&h->via, via);
	return mem_printf(" %s%%%d*%d%s", via, h->ifindex, h->weight, note);
}

/* " HOP HOP"; those of a set in no order. */
static char *hops_text(const struct route_hop *hops, size_t n, uint32_t dead, bool is_set)
{
	lines l = {0};
	char *text = mem_strdup("");

	for (size_t i = 0; i < n; i++)
		vec_push(&l, hop_text(&hops[i], dead >> i & 1 ? "!" : ""));
	if (is_set && l.n)
		qsort(l.items, l.n, sizeof(*l.items), line_cmp);
	for (size_t i = 0; i < l.n; i++) {
		char *longer = mem_printf("%s%s", text, l.items[i]);

		free(text);
		text = longer;
	}
	lines_free(&l);
	return text;
}

/* What a group's order hangs on stands first: table, metric, TOS, place. */
static char *route_text(const struct held_prefix *p, const struct held_route *h, size_t place)
{
	char prefix[IP_PREFIX_STRLEN];
	char *hops = h->object ? mem_printf(" nhid %u", h->object->is.id)
			       : hops_text(h->hops, h->n_hops, h->dead, h->is_set);
	char *text = mem_printf("%s table %u metric %u tos %d #%03zu proto %d type %d%s",
		ip_prefix_format(&p->prefix, prefix), h->table, h->priority, h->tos, place,
		h->protocol, h->object ? 0 : h->type, hops);

	free(hops);
	return text;
}

static size_t place_of(const struct held_prefix *p, const struct held_route *h)
{
	size_t n = 0;

	for (const struct held_route *o = p->first; o != h; o = o->next)
		n += o->table == h->table && o->priority == h->priority && o->tos == h->tos;
	return n;
}

static char *object_text(const struct held_object *o)
{
	char *hop = hop_text(&o->is.hop, "");
	char *text = mem_printf("object %u%s%s%s", o->is.id, hop,
		o->is.is_blackhole ? " blackhole" : "", o->is.is_dead ? " dead" : "");

	free(hop);
	for (size_t i = 0; i < o->is.n_members; i++) {
		char *longer =
			mem_printf("%s %u*%d", text, o->is.members[i].id, o->is.members[i].weight);

		free(text);
		text = longer;
	}
	return text;
}

/* The kernel's dump passes by what stands between the first and the last hop of an IPv6 set. */
static bool is_hidden(const struct held_prefix *p, const struct held_route *h)
{
	const struct held_route *o = p->first;

	while (o != h &&
		!(o->is_set && o->n_hops > 1 && o->table == h->table && o->priority == h->priority))
		o = o->next;
	return o != h;
}

static bool has_hidden(const struct held_prefix *p)
{
	const struct held_route *h = p ? p->first : NULL;

	while (h && !is_hidden(p, h))
		h = h->next;
	return h;
}

struct described {
	const struct route_mirror *judge;
	lines *lines;
};

static void on_view(const struct route_view *v, void *data)
{
	const struct described *d = data;
	char prefix[IP_PREFIX_STRLEN];
	char *hops, *text;

	if (has_hidden(held_prefix_find(d->judge, &v->prefix)))
		return;
	hops = hops_text(v->hops, v->n_hops, 0, true);
	text = mem_printf("view %s proto %d table %u metric %u%s",
		ip_prefix_format(&v->prefix, prefix), v->protocol, v->table, v->priority, hops);
	free(hops);
	vec_push(d->lines, text);
}

/* judge: who knows what is hidden. */
static void describe(const struct route_mirror *m, const struct route_mirror *judge, lines *ret)
{
	struct described d = {judge, ret};
	size_t cursor = 0;
	void *value;

	while (map_next(m->prefixes, &cursor, NULL, NULL, &value)) {
		const struct held_prefix *p = value;

		for (const struct held_route *h = p->first; h; h = h->next)
			if (!is_hidden(p, h))
				vec_push(ret, route_text(p, h, place_of(p, h)));
	}
	cursor = 0;
	while (map_next(m->objects, &cursor, NULL, NULL, &value)) {
		const struct held_object *o = value;

		if (o->is_known)
			vec_push(ret, object_text(o));
	}
	route_mirror_each(m, on_view, &d);
	qsort(ret->items, ret->n, sizeof(*ret->items), line_cmp);
}

/* --- comparing ------------------------------------------------------------------------------ */

/* Tells the lines that only one has. */
static bool lines_differ(const lines *a, const lines *b, bool tell)
{
	bool differ = false;
	size_t i = 0, k = 0;

	while (i < a->n || k < b->n) {
		int d = i == a->n ? 1 : k == b->n ? -1 : strcmp(a->items[i], b->items[k]);

		if (d && tell)
			printf("%s: %s\n", d < 0 ? "only the mirror" : "only the kernel",
				d < 0 ? a->items[i] : b->items[k]);
		differ |= d;
		i += d <= 0;
		k += d >= 0;
	}
	return differ;
}

static bool is_like_a_dump(struct twin *t, bool tell)
{
	struct route_mirror *fresh = route_mirror_new(&t->config);
	lines mine = {0}, theirs = {0};
	bool same;

	route_mirror_dump_begins(fresh);
	if (dump_all(fresh))
		exit(1);
	route_mirror_dump_ends(fresh, true, sys_now());
	describe(t->mirror, t->mirror, &mine);
	describe(fresh, t->mirror, &theirs);
	same = !lines_differ(&mine, &theirs, tell);
	lines_free(&mine);
	lines_free(&theirs);
	route_mirror_free(fresh);
	return same;
}

static bool something_comes(struct twin *t, int ms)
{
	struct pollfd p = {.fd = route_news_fd(t->socket), .events = POLLIN};

	return poll(&p, 1, ms) > 0;
}

bool twin_compare(struct twin *t)
{
	t->n_compared++;
	do {
		twin_settle(t);
		if (is_like_a_dump(t, false))
			return true;
	} while (something_comes(t, 500));
	return is_like_a_dump(t, true);
}

/* --- modes ---------------------------------------------------------------------------------- */

static void on_change(const struct route_view *v, void *data)
{
	static const char *const states[] = {"stands", "withdrawn", "swept", "refused"};
	char prefix[IP_PREFIX_STRLEN];

	(void)data;
	printf("%s %s", ip_prefix_format(&v->prefix, prefix), states[v->state]);
	for (size_t i = 0; i < v->n_hops; i++) {
		char *text = hop_text(&v->hops[i], "");

		printf("%s", text);
		free(text);
	}
	printf("\n");
}

static int follow(void)
{
	char line[80];
	struct twin t;

	twin_start(&t, 64 << 20);
	twin_settle(&t);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin) && strcmp(line, "quit\n")) {
		bool same = true;

		twin_settle(&t);
		if (!strcmp(line, "check\n"))
			same = twin_compare(&t);
		else
			route_mirror_take_changes(t.mirror, SIZE_MAX, on_change, NULL);
		printf(same ? "done\n" : "differ\n");
		fflush(stdout);
	}
	twin_end(&t);
	return 0;
}

static int random_mode(uint64_t seed, size_t n, const char *compat, int room, bool mixes)
{
	struct twin t;
	FILE *f;
	bool same;

	if (unshare(CLONE_NEWNET) < 0)
		return 77;
	f = fopen("/proc/sys/net/ipv4/nexthop_compat_mode", "w");
	if (f) {
		fputs(compat, f);
		fclose(f);
	}
	twin_start(&t, room);
	same = twin_random(&t, seed, n, mixes);
	printf("%zu news, %zu dumps, %zu overruns, %zu compared\n", t.n_news, t.n_dumps,
		t.n_overruns, t.n_compared);
	twin_end(&t);
	return same ? 0 : 1;
}

/* Routes 10.0.0.0/24 and on, through the first interface. */
static void write_routes(size_t n)
{
	struct nl *nl;

	if (nl_open(NETLINK_ROUTE, &nl) < 0)
		exit(1);
	for (size_t i = 0; i < n; i++) {
		struct nlmsghdr *h = nl_begin(nl, RTM_NEWROUTE, NLM_F_CREATE);
		struct rtmsg *m = mnl_nlmsg_put_extra_header(h, sizeof(*m));
		uint32_t dst = htonl((10U << 24) + (uint32_t)(i << 8));

		*m = (struct rtmsg){.rtm_family = AF_INET,
			.rtm_dst_len = 24,
			.rtm_protocol = 12,
			.rtm_table = RT_TABLE_MAIN,
			.rtm_type = RTN_UNICAST,
			.rtm_scope = RT_SCOPE_LINK};
		mnl_attr_put(h, RTA_DST, 4, &dst);
		mnl_attr_put_u32(h, RTA_OIF, 1);
		if (nl_talk(nl, h, NULL, NULL) < 0)
			exit(1);
	}
	nl_close(nl);
}

static int preload(size_t n)
{
	struct twin t;
	instant begin;

	if (unshare(CLONE_NEWNET) < 0)
		return 77;
	if (system("ip link set lo up"))
		return 1;
	twin_start(&t, 128 << 20);
	twin_settle(&t);
	write_routes(n);
	begin = sys_now();
	twin_read(&t);
	printf("%zu messages read in %.3f s; the mirror has %zu prefixes\n", t.n_news,
		(double)instant_diff(sys_now(), begin) / 1e9, route_mirror_count(t.mirror));
	route_mirror_overrun(t.mirror);
	begin = sys_now();
	twin_settle(&t);
	printf("%zu prefixes dumped in %.3f s\n", route_mirror_count(t.mirror),
		(double)instant_diff(sys_now(), begin) / 1e9);
	twin_end(&t);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 7 && !strcmp(argv[1], "random"))
		return random_mode(strtoull(argv[2], NULL, 0), strtoull(argv[3], NULL, 0), argv[4],
			atoi(argv[5]), atoi(argv[6]));
	if (argc == 2 && !strcmp(argv[1], "follow"))
		return follow();
	if (argc == 3 && !strcmp(argv[1], "preload"))
		return preload(strtoull(argv[2], NULL, 0));
	fprintf(stderr,
		"usage: route_twin random SEED EVENTS COMPAT ROOM MIX | follow | preload N\n");
	return 2;
}

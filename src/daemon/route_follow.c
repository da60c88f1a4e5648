/* SPDX-License-Identifier: MIT */
#include "daemon/route_follow.h"

#include "sys/clock.h"
#include <assert.h>
#include <errno.h>
#include <string.h>

/* For a whole table, 830 bytes a message in the kernel's count. */
#define ROOM (64 << 20)
/* So many messages are read before anything is acted on; fewer, and nothing was left. */
#define BATCH 8192
#define RETRY (250 * NS_PER_MS)
#define DRAIN_MAX 64 /* batches */

struct route_follow {
	struct route_news_socket *news;
	struct route_mirror *mirror;
	struct kernel_source *source;
	struct route_follow_facts *facts, *fresh; /* NULL: none; fresh ones wait */
	struct kernel_words filling, handing;
	bool filling_is_first, handing_is_first; /* their last word is the last of the first */
	size_t handed;				 /* of handing */
	struct {
		bool is_out;
		size_t n; /* behind those that are handed */
		bool is_first;
	} portion;
	bool said_first;
	bool is_drained;   /* the last round read all that waited */
	instant next_dump; /* not before; INSTANT_NEVER: at any time */
	int err;
	uint64_t overruns, dumps;
};

/* --- facts ---------------------------------------------------------------------------------------
 */

static int addr_cmp(const void *a, const void *b)
{
	return ip_addr_cmp(a, b);
}

static void drop_doubles(struct route_follow_facts *f)
{
	size_t n = 0;

	if (f->endpoints.n)
		qsort(f->endpoints.items, f->endpoints.n, sizeof(*f->endpoints.items), addr_cmp);
	for (size_t i = 0; i < f->endpoints.n; i++)
		if (!n || !ip_addr_eq(&f->endpoints.items[n - 1], &f->endpoints.items[i]))
			f->endpoints.items[n++] = f->endpoints.items[i];
	f->endpoints.n = n;
}

struct route_follow_facts *route_follow_facts_new(
	const struct kernel_source_facts *f, const struct route_mirror_config *c)
{
	struct route_follow_facts *copy = mem_zalloc(1, sizeof(*copy));

	copy->gen = generation_get(f->gen);
	copy->ifindex = f->ifindex;
	for (size_t i = 0; i < f->n_endpoints; i++)
		vec_push(&copy->endpoints, f->endpoints[i]);
	drop_doubles(copy);
	for (size_t i = 0; i < c->n_tables; i++)
		vec_push(&copy->tables, c->tables[i]);
	for (size_t i = 0; i < c->n_protocols; i++)
		vec_push(&copy->protocols, c->protocols[i]);
	return copy;
}

void route_follow_facts_free(struct route_follow_facts *f)
{
	if (!f)
		return;
	vec_done(&f->endpoints);
	vec_done(&f->tables);
	vec_done(&f->protocols);
	generation_put(f->gen);
	free(f);
}

#define IS_SAME_VEC(a, b) \
	((a).n == (b).n && (!(a).n || !memcmp((a).items, (b).items, (a).n * sizeof(*(a).items))))

static bool asks_alike(const struct route_follow_facts *a, const struct route_follow_facts *b)
{
	return IS_SAME_VEC(a->tables, b->tables) && IS_SAME_VEC(a->protocols, b->protocols);
}

static bool judges_alike(const struct route_follow_facts *a, const struct route_follow_facts *b)
{
	return a->gen == b->gen && a->ifindex == b->ifindex;
}

bool route_follow_facts_eq(const struct route_follow_facts *a, const struct route_follow_facts *b)
{
	return asks_alike(a, b) && judges_alike(a, b) && IS_SAME_VEC(a->endpoints, b->endpoints);
}

/* --- new and free --------------------------------------------------------------------------------
 */

int route_follow_new(struct route_follow **ret)
{
	struct route_follow *f = mem_zalloc(1, sizeof(*f));
	int err = route_news_open(ROOM, &f->news);

	if (err) {
		free(f);
		return err;
	}
	f->source = kernel_source_new();
	f->next_dump = INSTANT_NEVER;
	*ret = f;
	return 0;
}

void route_follow_free(struct route_follow *f)
{
	if (!f)
		return;
	kernel_words_done(&f->filling);
	kernel_words_done(&f->handing);
	kernel_source_free(f->source);
	route_mirror_free(f->mirror);
	route_news_close(f->news);
	route_follow_facts_free(f->facts);
	route_follow_facts_free(f->fresh);
	free(f);
}

int route_follow_fd(const struct route_follow *f)
{
	return route_news_fd(f->news);
}

/* --- other facts ---------------------------------------------------------------------------------
 */

struct hearing {
	struct route_follow *follow;
	instant now;
};

static void hear(const struct route_view *v, void *data)
{
	struct hearing *h = data;

	kernel_source_take(h->follow->source, v, h->now, &h->follow->filling);
}

static void hear_again(struct route_follow *f, const ip_prefix *p, instant now)
{
	struct route_view v;

	if (route_mirror_view(f->mirror, p, &v) && v.state == ROUTE_STANDS)
		kernel_source_take(f->source, &v, now, &f->filling);
}

static void hear_host_again(struct route_follow *f, const ip_addr *a, instant now)
{
	ip_prefix host = ip_prefix_host(a);

	hear_again(f, &host, now);
}

static struct kernel_source_facts facts_of(const struct route_follow_facts *f)
{
	return (struct kernel_source_facts){f->gen, f->ifindex, f->endpoints.items, f->endpoints.n};
}

/* Those that came or went. */
static void take_endpoints(
	struct route_follow *f, const struct route_follow_facts *before, instant now)
{
	const struct route_follow_facts *after = f->facts;
	struct kernel_source_facts facts = facts_of(after);
	size_t i = 0, k = 0;

	kernel_source_set_endpoints(f->source, &facts);
	while (i < before->endpoints.n || k < after->endpoints.n) {
		const ip_addr *a = i < before->endpoints.n ? &before->endpoints.items[i] : NULL;
		const ip_addr *b = k < after->endpoints.n ? &after->endpoints.items[k] : NULL;
		int d = !a ? 1 : !b ? -1 : ip_addr_cmp(a, b);

		if (d)
			hear_host_again(f, d < 0 ? a : b, now);
		i += d <= 0;
		k += d >= 0;
	}
}

static void renew_mirror(struct route_follow *f)
{
	struct route_mirror_config c = {f->facts->tables.items, f->facts->tables.n,
		f->facts->protocols.items, f->facts->protocols.n};

	route_mirror_free(f->mirror);
	f->mirror = route_mirror_new(&c);
}

/* What was said by the facts before and is still here nobody hears: it is said anew. */
static void drop_waiting(struct route_follow *f)
{
	size_t kept = f->handed + f->portion.n;

	for (size_t i = kept; i < f->handing.events.n; i++)
		kernel_source_unsay(f->source, &f->handing.events.items[i].u.prefix.prefix);
	for (size_t i = 0; i < f->filling.events.n; i++)
		kernel_source_unsay(f->source, &f->filling.events.items[i].u.prefix.prefix);
	if (f->handing.events.n > kept)
		f->handing.events.n = kept;
	kernel_words_done(&f->filling);
	f->said_first &= !f->filling_is_first && !(f->handing_is_first && !f->portion.is_first);
	f->filling_is_first = f->handing_is_first = false;
}

static void judge_anew(struct route_follow *f, instant now)
{
	struct kernel_source_facts facts = facts_of(f->facts);
	struct hearing h = {f, now};

	drop_waiting(f);
	kernel_source_set(f->source, &facts);
	route_mirror_each(f->mirror, hear, &h);
}

static void take_facts(struct route_follow *f, instant now)
{
	struct route_follow_facts *before = f->facts;

	f->facts = f->fresh;
	f->fresh = NULL;
	if (!before || !asks_alike(before, f->facts))
		renew_mirror(f);
	if (before && judges_alike(before, f->facts))
		take_endpoints(f, before, now);
	else
		judge_anew(f, now);
	route_follow_facts_free(before);
}

void route_follow_set(struct route_follow *f, struct route_follow_facts *facts)
{
	route_follow_facts_free(f->fresh);
	f->fresh = facts;
}

void route_follow_peer(struct route_follow *f, uint32_t peer, bool lives, instant now)
{
	kernel_source_peer(f->source, peer, lives, now, &f->filling);
}

/* --- a round -------------------------------------------------------------------------------------
 */

static bool take_news(const struct route_news *news, void *data)
{
	struct hearing *h = data;

	route_mirror_take(h->follow->mirror, news, h->now);
	return true;
}

static void read_news(struct route_follow *f, instant now)
{
	struct hearing h = {f, now};
	int n = route_news_read(f->news, BATCH, take_news, &h);

	f->is_drained = n >= 0 && n < BATCH;
	if (n == -ENOBUFS)
		f->overruns++;
	if (n < 0)
		route_mirror_overrun(f->mirror);
}

static bool take_dumped(const struct route_news *news, void *mirror)
{
	route_mirror_dumped(mirror, news);
	return true;
}

/* The objects first, which routes name. Routes of all protocols: which one the kernel replaces
 * depends on those of others, too. */
static int dump_all(struct route_follow *f)
{
	static const int families[] = {AF_INET, AF_INET6};
	struct route_news_question q = {0};
	int err = route_news_dump(&q, take_dumped, f->mirror);

	for (size_t i = 0; i < ARRAY_SIZE(families) * f->facts->tables.n && !err; i++) {
		q.family = families[i % ARRAY_SIZE(families)];
		q.table = f->facts->tables.items[i / ARRAY_SIZE(families)];
		err = route_news_dump(&q, take_dumped, f->mirror);
	}
	return err;
}

/* As long as one took, none follows: half of the time is for others. */
static void dump(struct route_follow *f, instant now)
{
	instant from = sys_now();
	int64_t took_ns;

	route_mirror_dump_begins(f->mirror);
	f->err = dump_all(f);
	f->dumps++;
	/* What is unread after this is younger than the dump. */
	for (int i = 0; i < DRAIN_MAX && (!i || !f->is_drained); i++)
		read_news(f, now);
	route_mirror_dump_ends(f->mirror, !f->err, now);
	took_ns = instant_diff(sys_now(), from);
	f->next_dump = instant_add(now, f->err ? RETRY : 2 * took_ns);
}

static bool may_dump(const struct route_follow *f, instant now)
{
	return route_mirror_wants_dump(f->mirror) &&
	       (instant_is_never(f->next_dump) || !instant_before(now, f->next_dump));
}

/* Nothing is left unread, of what the kernel tells and of what it doesn't. */
static bool is_clean(const struct route_follow *f)
{
	return f->is_drained && !route_mirror_wants_dump(f->mirror);
}

/* As many as there is room for; returns how many are left. */
static size_t hear_changes(struct route_follow *f, instant now)
{
	struct hearing h = {f, now};
	size_t n = f->filling.events.n;

	return route_mirror_take_changes(
		f->mirror, n < READER_PORTION ? READER_PORTION - n : 0, hear, &h);
}

static void mark_first(struct route_follow *f)
{
	if (!f->said_first)
		f->filling_is_first = f->said_first = true;
}

bool route_follow_round(struct route_follow *f, instant now)
{
	size_t left;

	if (!f->mirror && f->fresh)
		take_facts(f, now);
	if (!f->mirror)
		return false;
	read_news(f, now);
	if (may_dump(f, now))
		dump(f, now);
	if (f->fresh && (is_clean(f) || f->err))
		take_facts(f, now);
	kernel_source_time(f->source, now, &f->filling);
	left = hear_changes(f, now);
	if (!left && is_clean(f) && route_mirror_is_filled(f->mirror)) {
		kernel_source_settle(f->source, now, &f->filling);
		mark_first(f);
	}
	return !f->is_drained || (left && f->filling.events.n < READER_PORTION) || may_dump(f, now);
}

instant route_follow_deadline(const struct route_follow *f)
{
	/* Nothing goes before a dump that is due. */
	if (f->mirror && route_mirror_wants_dump(f->mirror))
		return f->next_dump;
	return kernel_source_deadline(f->source);
}

/* --- portions ------------------------------------------------------------------------------------
 */

/* False: nothing is to be handed on. */
static bool turn_over(struct route_follow *f)
{
	if (f->handed < f->handing.events.n || f->handing_is_first)
		return true;
	if (!f->filling.events.n && !f->filling_is_first)
		return false;
	kernel_words_done(&f->handing);
	f->handing = f->filling;
	f->handing_is_first = f->filling_is_first;
	f->filling = (struct kernel_words){0};
	f->filling_is_first = false;
	f->handed = 0;
	return true;
}

/* What is said by facts that are about to go would count for nothing. */
static bool is_passing(const struct route_follow *f)
{
	return f->fresh && f->fresh->gen != f->facts->gen;
}

bool route_follow_next(struct route_follow *f, struct route_portion *ret)
{
	size_t left;

	if (f->portion.is_out || !f->facts || is_passing(f) || !turn_over(f))
		return false;
	left = f->handing.events.n - f->handed;
	f->portion.is_out = true;
	f->portion.n = left < READER_PORTION ? left : READER_PORTION;
	f->portion.is_first = f->handing_is_first && f->portion.n == left;
	*ret = (struct route_portion){
		.generation = f->facts->gen->number, .is_first = f->portion.is_first};
	ret->words.events.n = f->portion.n;
	if (f->portion.n)
		ret->words.events.items = f->handing.events.items + f->handed;
	return true;
}

static void unsay_portion(struct route_follow *f, instant now)
{
	for (size_t i = 0; i < f->portion.n; i++) {
		const ip_prefix *p = &f->handing.events.items[f->handed + i].u.prefix.prefix;

		kernel_source_unsay(f->source, p);
		hear_again(f, p, now);
	}
	f->said_first &= !f->portion.is_first;
}

void route_follow_give_back(struct route_follow *f, bool is_lost, instant now)
{
	assert(f->portion.is_out);
	if (is_lost)
		unsay_portion(f, now);
	f->handed += f->portion.n;
	f->handing_is_first &= !f->portion.is_first;
	f->portion.n = 0;
	f->portion.is_out = f->portion.is_first = false;
}

void route_follow_look(
	const struct route_follow *f, struct route_follow_view *ret, kernel_troubles *troubles)
{
	*ret = (struct route_follow_view){
		.generation = f->facts ? f->facts->gen->number : 0,
		.is_filled = f->mirror && route_mirror_is_filled(f->mirror),
		.err = f->err,
		.n_routes = f->mirror ? route_mirror_count(f->mirror) : 0,
		.n_prefixes = kernel_source_count(f->source),
		.n_waiting = f->filling.events.n + f->handing.events.n - f->handed,
		.overruns = f->overruns,
		.dumps = f->dumps,
	};
	kernel_source_troubles(f->source, troubles);
}

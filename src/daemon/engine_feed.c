/* SPDX-License-Identifier: MIT */
/*
 * The RIB is told what a reload changes, a slice at a time, so that verdicts come between. What is
 * told of a prefix is always what the newest view says; so a reload during another leaves the list
 * of the older one as it is, and the RIB ends as if there had been the newest alone. A SYNC is
 * asked for behind the last slice, and until then differences of the slices are nobody's.
 *
 * A new peer is down from the first slice on, until it is heard: no move may lead to a peer that
 * the device doesn't have yet. One that is none any more keeps its state until no candidate leads
 * through it, and is judged no more then, so that nothing that comes from there by way of others
 * counts as doubtful: as long as candidates lead through it, "up" would draw prefixes to the dead.
 */
#include "daemon/engine_internal.h"

#include <assert.h>
#include <string.h>

void engine_feed_done(struct engine *e)
{
	for (size_t i = 0; i < e->feed.queue.n; i++)
		generation_put(e->feed.queue.items[i].of);
	vec_done(&e->feed.queue);
	vec_done(&e->feed.gone);
}

bool engine_is_feeding(const struct engine *e)
{
	return e->feed.queue.n > 0;
}

/* --- who comes and goes --------------------------------------------------------------------------
 */

typedef VEC(struct rib_event) judgements;

static void judge(judgements *j, uint32_t peer, enum rib_state state)
{
	vec_push(j, ((struct rib_event){.type = RIB_EVENT_PEER, .u.peer = {peer, state}}));
}

static void judge_all(struct engine *e, judgements *j)
{
	if (j->n)
		rib_step(e->rib, j->items, j->n, &e->diff);
	vec_done(j);
}

static bool was_gone(struct engine *e, uint32_t peer)
{
	for (size_t i = 0; i < e->feed.gone.n; i++)
		if (e->feed.gone.items[i] == peer) {
			e->feed.gone.items[i] = e->feed.gone.items[--e->feed.gone.n];
			return true;
		}
	return false;
}

/* Who comes back before it went for the RIB stands as it stood. */
static void judge_new(struct engine *e, const struct generation *before)
{
	judgements j = {0};

	for (size_t i = 0; i < e->gen->n_peers; i++) {
		uint32_t peer = e->gen->peers[i].id;

		if (!generation_peer_by_id(before, peer) && !was_gone(e, peer))
			judge(&j, peer, engine_unheard(&e->gen->peers[i]));
	}
	judge_all(e, &j);
}

static void note_gone(struct engine *e, const struct generation *before)
{
	for (size_t i = 0; i < before->n_peers; i++)
		if (!generation_peer_by_id(e->gen, before->peers[i].id))
			vec_push(&e->feed.gone, before->peers[i].id);
}

static void judge_gone(struct engine *e)
{
	judgements j = {0};

	for (size_t i = 0; i < e->feed.gone.n; i++)
		judge(&j, e->feed.gone.items[i], RIB_UP);
	e->feed.gone.n = 0;
	judge_all(e, &j);
}

/* --- slices --------------------------------------------------------------------------------------
 */

static void drop_first(struct engine *e, engine_actions *out)
{
	struct engine_feed *f = e->feed.queue.items;

	engine_emit_let_go(e, f->of, out);
	memmove(f, f + 1, --e->feed.queue.n * sizeof(*f));
}

static void feed_prefixes(struct engine *e, const ip_prefix *prefixes, size_t n)
{
	struct candidate_events c;

	candidate_events_of_prefixes(&e->gen->view, e->gen->ids, prefixes, n, &c);
	rib_step(e->rib, c.events.items, c.events.n, &e->diff);
	candidate_events_done(&c);
}

/* At most n prefixes of the eldest list; how many they were. */
static size_t feed_from_first(struct engine *e, size_t n, engine_actions *out)
{
	struct engine_feed *f = &e->feed.queue.items[0];
	size_t left = f->of->changes.n - f->next;

	if (n > left)
		n = left;
	if (n)
		feed_prefixes(e, f->of->changes.items + f->next, n);
	f->next += n;
	if (n == left)
		drop_first(e, out);
	return n;
}

void engine_feed(struct engine *e, instant now, engine_actions *out)
{
	assert(engine_is_feeding(e));
	e->feed.at = now;
	for (size_t n = e->feed.slice; n && engine_is_feeding(e);)
		n -= feed_from_first(e, n, out);
	if (engine_is_feeding(e))
		return;
	judge_gone(e);
	engine_emit_sync(e, "reload", now, out);
}

void engine_feed_change(
	struct engine *e, const struct generation *before, instant now, engine_actions *out)
{
	vec_push(&e->feed.queue, ((struct engine_feed){.of = generation_get(e->gen)}));
	note_gone(e, before);
	judge_new(e, before);
	looks_on_wait(&e->looks);
	engine_feed(e, now, out);
}

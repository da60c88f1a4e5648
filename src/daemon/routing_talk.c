/* SPDX-License-Identifier: MIT */
#include "daemon/routing_talk.h"

#include <assert.h>
#include <string.h>

static const struct {
	const char *name, *word; /* word: as BIRD and FRR have it */
} states[ROUTING_N_STATES] = {
	[ROUTING_DOWN] = {"down", "Down"},
	[ROUTING_IDLE] = {"idle", "Idle"},
	[ROUTING_PASSIVE] = {"passive", "Passive"},
	[ROUTING_CONNECT] = {"connect", "Connect"},
	[ROUTING_ACTIVE] = {"active", "Active"},
	[ROUTING_OPEN_SENT] = {"open-sent", "OpenSent"},
	[ROUTING_OPEN_CONFIRM] = {"open-confirm", "OpenConfirm"},
	[ROUTING_ESTABLISHED] = {"established", "Established"},
};

const struct routing_talk *routing_talk_of(enum mesh_engine engine)
{
	switch (engine) {
	case MESH_ENGINE_BIRD:
		return &routing_talk_bird;
	case MESH_ENGINE_FRR:
		return &routing_talk_frr;
	default:
		return NULL;
	}
}

const char *routing_state_name(enum routing_state s)
{
	assert(s < ROUTING_N_STATES);
	return states[s].name;
}

enum routing_state routing_state_of(const char *word, size_t n)
{
	const char *blank = memchr(word, ' ', n);
	size_t len = blank ? (size_t)(blank - word) : n;

	for (int s = 0; s < ROUTING_N_STATES; s++)
		if (strlen(states[s].word) == len && !memcmp(states[s].word, word, len))
			return (enum routing_state)s;
	return ROUTING_DOWN;
}

bool routing_add(routing_sessions *to, const struct routing_session *s)
{
	if (to->n >= ROUTING_SESSIONS_MAX)
		return false;
	vec_push(to, *s);
	return true;
}

static int by_neighbor(const void *a, const void *b)
{
	const struct routing_session *x = a, *y = b;

	return ip_addr_cmp(&x->neighbor, &y->neighbor);
}

/* What is farther tells of both. */
static void merge(struct routing_session *into, const struct routing_session *s)
{
	uint64_t routes = (uint64_t)into->routes + s->routes;

	if (s->state > into->state)
		*into = *s;
	into->routes = routes > UINT32_MAX ? UINT32_MAX : (uint32_t)routes;
}

void routing_settle(routing_sessions *list)
{
	size_t kept = 0;

	if (!list->n)
		return;
	qsort(list->items, list->n, sizeof(*list->items), by_neighbor);
	for (size_t i = 1; i < list->n; i++)
		if (by_neighbor(&list->items[kept], &list->items[i]))
			list->items[++kept] = list->items[i];
		else
			merge(&list->items[kept], &list->items[i]);
	list->n = kept + 1;
}

const struct routing_session *routing_session_with(
	const routing_sessions *list, const ip_addr *neighbor)
{
	struct routing_session like = {.neighbor = *neighbor};

	if (!list->n)
		return NULL;
	return bsearch(&like, list->items, list->n, sizeof(like), by_neighbor);
}

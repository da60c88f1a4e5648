/* SPDX-License-Identifier: MIT */
#include "daemon/answers.h"

#include "daemon/health.h"
#include <stdio.h>
#include <string.h>

static void add(json_t *list, const char *what, const char *fix)
{
	json_array_append_new(list, json_pack("{s:s, s:s?}", "what", what, "fix", fix));
}

static void add_health(const char *what, const char *fix, void *data)
{
	add(data, what, fix);
}

static void add_psk_problems(const struct daemon *d, json_t *list)
{
	for (size_t i = 0; i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];
		AUTO_FREE char *what = NULL;

		if (!p->psk_unreadable)
			continue;
		what = mem_printf("the preshared key with %s can't be read from %s", p->node->name,
			p->view->preshared_key_file);
		add(list, what, "put the key there (mode 0600), then `shunt reload`");
	}
}

json_t *answer_problems(struct daemon *d)
{
	json_t *list = json_array();
	char text[256];

	health_check(d->gen, add_health, list);
	for (size_t i = 0; i < d->fib.problems.n; i++)
		add(list, d->fib.problems.items[i], NULL);
	if (d->failures)
		add(list, "the device can't be brought into line; see the log", NULL);
	add_psk_problems(d, list);
	if (prober_error(d->prober, text, sizeof(text)))
		add(list, text, NULL);
	return list;
}

/* The nodes that lose the pair's far end if both live: those that would reach it through this hub.
 */
static void add_cut_pair(const struct daemon *d, json_t *list, const struct generation_peer *p)
{
	const struct mesh_node *self = d->gen->self, *far = p->node;
	const struct mesh_node *hub = self->role == MESH_HUB ? self : far;
	const struct mesh_node *other = hub == self ? far : self;
	AUTO_FREE char *effect =
		mem_printf("the line between %s and %s is down; if both live, traffic between %s "
			   "and every node that still leans on %s is lost",
			hub->name, other->name, other->name, hub->name);

	json_array_append_new(list,
		json_pack("{s:s, s:s, s:s}", "a", hub->name, "b", other->name, "effect", effect));
}

json_t *answer_cut_pairs(struct daemon *d)
{
	json_t *list = json_array();
	const struct mesh_node *self = d->gen->self;
	bool others_up = false;

	for (size_t i = 0; i < d->gen->n_peers; i++)
		others_up |= rib_peer_state(d->rib, d->gen->peers[i].id) != RIB_DOWN;
	for (size_t i = 0; others_up && i < d->gen->n_peers; i++) {
		const struct generation_peer *p = &d->gen->peers[i];

		if (rib_peer_state(d->rib, p->id) != RIB_DOWN || p->node->role == MESH_CLIENT)
			continue;
		if ((self->role == MESH_HUB) != (p->node->role == MESH_HUB))
			add_cut_pair(d, list, p);
	}
	return list;
}

/* SPDX-License-Identifier: MIT */
/* Whether device and kernel are as the RIB wants them, which the engine believes after a SYNC. */
#include "node_daemon.h"

#include "node_fib.h"

static const struct model_peer *wanted_owner(
	const struct daemon *d, const struct model *m, const struct rib_answer *a)
{
	const struct generation_peer *p =
		a->owners.n ? generation_peer_by_id(engine_generation(d->engine), a->owners.peer[0])
			    : NULL;

	return p ? model_peer(m, &p->node->public_key) : NULL;
}

static const char *name_of(const struct daemon *d, const struct model_peer *p)
{
	return p && node_of_key(d->w, &p->key) != WORLD_NOBODY
		       ? world_name(d->w, node_of_key(d->w, &p->key))
		       : "nobody";
}

static int check_one(const struct rib_answer *a, void *data)
{
	const struct daemon *d = data;
	const struct model *m = daemon_self(d)->model;
	const struct model_entry *e = model_entry(m, &a->prefix);
	const struct model_peer *is = e ? e->peer : NULL;
	const struct generation *gen = engine_generation(d->engine);
	char text[IP_PREFIX_STRLEN];

	ip_prefix_format(&a->prefix, text);
	if (!(is && is->foreign) && is != wanted_owner(d, m, a))
		world_fail(d->w, "%s: after a sync %s is %s's and not %s's",
			world_name(d->w, d->node), text, name_of(d, is),
			name_of(d, wanted_owner(d, m, a)));
	if (!generation_prefix_is_connected(gen, &a->prefix) &&
		a->route != model_has_route(m, &a->prefix))
		world_fail(d->w, "%s: after a sync the route to %s isn't as it shall be",
			world_name(d->w, d->node), text);
	return 0;
}

void node_check_line(const struct daemon *d)
{
	const struct model *m = daemon_self(d)->model;

	if (m->exists)
		rib_walk(engine_rib(d->engine), check_one, (void *)(uintptr_t)d);
}

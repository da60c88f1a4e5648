/* SPDX-License-Identifier: MIT */
#include "control/snapshot.h"

#include "base/mem.h"
#include <assert.h>
#include <stdlib.h>

struct snapshot *snapshot_new(void)
{
	struct snapshot *s = mem_zalloc(1, sizeof(*s));

	s->references = 1;
	return s;
}

struct snapshot *snapshot_get(struct snapshot *s)
{
	assert(s->references);
	s->references++;
	return s;
}

void snapshot_put(struct snapshot *s)
{
	if (!s)
		return;
	assert(s->references);
	if (--s->references)
		return;
	arena_done(&s->arena);
	free(s);
}

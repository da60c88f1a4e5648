/* SPDX-License-Identifier: MIT */
#include "daemon/names.h"

#include <string.h>

void names_init(struct names *n, const struct names *before)
{
	memset(n, 0, sizeof(*n));
	n->ids = map_new();
	for (size_t i = 0; before && i < before->texts.n; i++)
		names_id(n, before->texts.items[i]);
}

void names_done(struct names *n)
{
	for (size_t i = 0; i < n->texts.n; i++)
		free(n->texts.items[i]);
	vec_done(&n->texts);
	map_free(n->ids);
	n->ids = NULL;
}

uint32_t names_find(const struct names *n, const char *name)
{
	uintptr_t known = (uintptr_t)map_get_str(n->ids, name);

	return known ? (uint32_t)(known - 1) : NAMES_NONE;
}

uint32_t names_id(struct names *n, const char *name)
{
	uint32_t known = names_find(n, name);

	if (known != NAMES_NONE)
		return known;
	vec_push(&n->texts, mem_strdup(name));
	map_put_str(n->ids, n->texts.items[n->texts.n - 1], (void *)(uintptr_t)n->texts.n);
	return (uint32_t)(n->texts.n - 1);
}

const char *names_text(const struct names *n, uint32_t id)
{
	return id < n->texts.n ? n->texts.items[id] : "?";
}

/* SPDX-License-Identifier: MIT */
#include "live/report.h"

#include "base/mem.h"
#include <stdlib.h>
#include <string.h>

void live_report_init_nodes(struct live_report *r, uint32_t n)
{
	r->n_nodes = n;
	r->lines = n ? mem_zalloc(n, sizeof(*r->lines)) : NULL;
	r->takes_many = n ? mem_zalloc(n, sizeof(*r->takes_many)) : NULL;
	r->by_word = n ? mem_zalloc(n, sizeof(*r->by_word)) : NULL;
}

void live_report_done(struct live_report *r)
{
	free(r->lines);
	free(r->takes_many);
	free(r->by_word);
	free(r->handshakes);
	*r = (struct live_report){0};
}

void live_report_copy(const struct live_report *from, struct live_report *ret)
{
	*ret = *from;
	ret->handshakes = NULL;
	live_report_copy_handshakes(from, ret);
	live_report_init_nodes(ret, from->n_nodes);
	if (!from->n_nodes)
		return;
	memcpy(ret->lines, from->lines, from->n_nodes * sizeof(*ret->lines));
	memcpy(ret->takes_many, from->takes_many, from->n_nodes * sizeof(*ret->takes_many));
	memcpy(ret->by_word, from->by_word, from->n_nodes * sizeof(*ret->by_word));
}

bool live_report_eq(const struct live_report *a, const struct live_report *b)
{
	if (memcmp(a->digest, b->digest, sizeof(a->digest)) != 0 ||
		a->inventory_time != b->inventory_time || a->max_owners != b->max_owners ||
		a->n_nodes != b->n_nodes)
		return false;
	if (!a->n_nodes)
		return true;
	return memcmp(a->lines, b->lines, a->n_nodes * sizeof(*a->lines)) == 0 &&
	       memcmp(a->takes_many, b->takes_many, a->n_nodes * sizeof(*a->takes_many)) == 0 &&
	       memcmp(a->by_word, b->by_word, a->n_nodes * sizeof(*a->by_word)) == 0;
}

void live_report_copy_handshakes(const struct live_report *from, struct live_report *ret)
{
	size_t n = from->n_handshakes;

	free(ret->handshakes);
	ret->n_handshakes = (uint32_t)n;
	ret->handshakes = n ? mem_zalloc(n, sizeof(*ret->handshakes)) : NULL;
	if (n)
		memcpy(ret->handshakes, from->handshakes, n * sizeof(*ret->handshakes));
}

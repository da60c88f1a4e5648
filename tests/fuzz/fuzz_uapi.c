/* SPDX-License-Identifier: MIT */
/*
 * A userspace program's answer: the first byte says in pieces of which size it comes. Whatever is
 * taken holds the promises of struct device_state, and the size of the pieces changes nothing.
 */
#include "device/uapi_codec.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int parse(const char *text, size_t n, size_t piece, struct device_state *ret)
{
	struct uapi_reader r = {0};
	int err;

	for (size_t at = 0; at < n; at += piece)
		uapi_reader_feed(&r, text + at, n - at < piece ? n - at : piece);
	err = uapi_reader_finish(&r, ret);
	uapi_reader_done(&r);
	return err;
}

static void check(const struct device_state *s)
{
	for (size_t i = 0; i < s->n_peers; i++) {
		const struct device_peer *p = &s->peers[i];

		assert(i == 0 || memcmp(&s->peers[i - 1].key, &p->key, sizeof(p->key)) < 0);
		assert(device_state_peer(s, &p->key) == p);
		for (size_t j = 0; j < p->n_allowed; j++) {
			assert(!ip_prefix_has_host_bits(&p->allowed[j]));
			assert(j == 0 || ip_prefix_cmp(&p->allowed[j - 1], &p->allowed[j]) <= 0);
		}
	}
}

static void check_sets(const struct device_state *s)
{
	assert(s->max_owners);
	for (size_t i = 0; i < s->n_sets; i++) {
		const struct device_owner_set *set = &s->sets[i];

		assert(i == 0 || s->sets[i - 1].number < set->number);
		assert(device_state_set(s, set->number) == set);
		for (size_t j = 0; j < set->n_allowed; j++) {
			assert(!ip_prefix_has_host_bits(&set->allowed[j]));
			assert(j == 0 ||
				ip_prefix_cmp(&set->allowed[j - 1], &set->allowed[j]) <= 0);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct device_state whole = {0}, pieces = {0};
	const char *text;
	int a, b;

	if (!size)
		return 0;
	text = (const char *)data + 1;
	a = parse(text, size - 1, size, &whole);
	b = parse(text, size - 1, (size_t)data[0] + 1, &pieces);
	assert(a == b && whole.n_peers == pieces.n_peers && whole.n_sets == pieces.n_sets);
	if (!a) {
		check(&whole);
		check_sets(&whole);
	}
	device_state_done(&whole);
	device_state_done(&pieces);
	return 0;
}

/* SPDX-License-Identifier: MIT */
#include "fib/want_own.h"

#include <assert.h>

wg_key want_nobody_key(void)
{
	wg_key key;
	bool is_key = wg_key_from_base64(&key, "shunt/own/networks/nobody/has/this/key00000=");

	assert(is_key);
	(void)is_key;
	return key;
}

/* What a routing engine may bring at any time counts as what somebody carries now. */
static bool is_others(const struct want_facts *f, const ip_prefix *p)
{
	return want_carried(f, p) || want_is_apart(f->guarded, f->n_guarded, p);
}

static bool is_covered(const struct want_facts *f, const ip_prefix *own)
{
	ip_addr a = ip_prefix_addr(own);

	for (unsigned len = 0; len < own->len; len++) {
		ip_prefix cover = ip_prefix_of(&a, len);

		if (is_others(f, &cover))
			return true;
	}
	return false;
}

void want_own(const struct want_facts *f, const ip_prefix *own, size_t n_own, prefix_vec *ret)
{
	ret->n = 0;
	for (size_t i = 0; i < n_own; i++)
		if (is_covered(f, &own[i]) && !is_others(f, &own[i]))
			vec_push(ret, own[i]);
	want_sort(ret);
}

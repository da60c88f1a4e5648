/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi.h"

#include "tunnel/uapi_get.h"
#include "tunnel/uapi_set.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

bool uapi_answer(struct tunnel *t, const char *text, size_t len, struct buf *out)
{
	struct uapi_get *get = uapi_get_begin(t, text, len);
	struct uapi_set *set;
	char *copy;

	if (get) {
		while (uapi_get_more(get, out))
			;
		uapi_get_free(get);
		return true;
	}
	copy = malloc(len + 1);
	if (!copy)
		return false;
	memcpy(copy, text, len);
	copy[len] = '\0';
	set = uapi_set_begin(t, copy, len);
	while (set && uapi_set_more(set))
		;
	if (set)
		buf_printf(out, "errno=%d\n\n", uapi_set_end(set));
	sodium_memzero(copy, len);
	free(copy);
	return set;
}

/* SPDX-License-Identifier: MIT */
#include "tunnel/uapi.h"

#include "tunnel/uapi_get.h"
#include "tunnel/uapi_set.h"
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

bool uapi_answer(struct tunnel *t, const char *text, size_t len, struct buf *out)
{
	struct uapi_get *get = uapi_get_begin(t, text, len);
	char *copy;
	int err;

	if (get) {
		while (uapi_get_more(get, out))
			;
		uapi_get_free(get);
		return true;
	}
	if (len < 6 || strncmp(text, "set=1\n", 6))
		return false;
	copy = malloc(len - 6 + 1);
	if (!copy)
		return false;
	memcpy(copy, text + 6, len - 6);
	copy[len - 6] = '\0';
	/* A zero byte would hide what follows it. */
	err = strlen(copy) == len - 6 ? uapi_set(t, copy) : -EINVAL;
	sodium_memzero(copy, len - 6);
	free(copy);
	buf_printf(out, "errno=%d\n\n", err);
	return true;
}

/* SPDX-License-Identifier: MIT */
#include "cli/users.h"

#include "cli/client.h"

#define NAMED_MAX 8 /* more are counted, not named */

void users_text(const json_t *users, struct buf *ret)
{
	size_t n = json_array_size(users);
	const json_t *u;
	size_t i;

	json_array_foreach(users, i, u)
	{
		if (i == NAMED_MAX)
			break;
		buf_printf(ret, "%s%s to %s (%s)", i ? ", " : "", client_text(u, "node"),
			client_text(u, "prefix"), client_text(u, "to"));
	}
	if (n > NAMED_MAX)
		buf_printf(ret, " and %zu more", n - NAMED_MAX);
}

/* SPDX-License-Identifier: MIT */
#include "mesh/errors.h"

#include "base/buf.h"
#include "base/vec.h"
#include <stdarg.h>

void mesh_errors_add(struct mesh_errors *e, struct mesh_pos pos, const char *fmt, ...)
{
	struct buf message = {0};
	va_list ap;

	if (e->n > MESH_ERRORS_MAX)
		return;
	if (e->n == MESH_ERRORS_MAX) {
		pos = (struct mesh_pos){UINT32_MAX, 0};
		buf_printf(
			&message, "more than %d errors; the others aren't shown", MESH_ERRORS_MAX);
	} else {
		va_start(ap, fmt);
		buf_vprintf(&message, fmt, ap);
		va_end(ap);
	}
	vec_push(e, (struct mesh_error){.pos = pos, .message = buf_steal(&message)});
}

static bool stands_before(struct mesh_pos a, struct mesh_pos b)
{
	return a.line != b.line ? a.line < b.line : a.column < b.column;
}

/* By insertion: there are few, and nearly all are in order already. */
void mesh_errors_sort(struct mesh_errors *e, size_t from)
{
	for (size_t i = from + 1; i < e->n; i++) {
		struct mesh_error moving = e->items[i];
		size_t to = i;

		for (; to > from && stands_before(moving.pos, e->items[to - 1].pos); to--)
			e->items[to] = e->items[to - 1];
		e->items[to] = moving;
	}
	if (e->n && e->items[e->n - 1].pos.line == UINT32_MAX)
		e->items[e->n - 1].pos = (struct mesh_pos){0};
}

void mesh_errors_done(struct mesh_errors *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->items[i].message);
	vec_done(e);
}

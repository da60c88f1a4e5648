/* SPDX-License-Identifier: MIT */
#include "daemon/problem_log.h"

#include "daemon/log.h"
#include <stdbool.h>
#include <string.h>

static const char *text(const json_t *problem, const char *key)
{
	return json_string_value(json_object_get(problem, key));
}

static bool has(const json_t *list, const json_t *problem)
{
	const char *what = text(problem, "what");
	size_t i;
	json_t *p;

	json_array_foreach(list, i, p)
	{
		if (!strcmp(text(p, "what"), what))
			return true;
	}
	return false;
}

void problem_log_update(struct problem_log *l, json_t *now)
{
	size_t i;
	json_t *p;

	json_array_foreach(now, i, p)
	{
		const char *fix = text(p, "fix");

		if (!has(l->known, p))
			log_warning("problem: %s%s%s", text(p, "what"), fix ? "; mend it by: " : "",
				fix ? fix : "");
	}
	json_array_foreach(l->known, i, p)
	{
		if (!has(now, p))
			log_info("problem is over: %s", text(p, "what"));
	}
	json_decref(l->known);
	l->known = now;
}

void problem_log_done(struct problem_log *l)
{
	json_decref(l->known);
	l->known = NULL;
}

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

static void add(
	struct chronicle *to, const char *state, const json_t *problem, const struct when *now)
{
	struct event e = {.kind = EVENT_PROBLEM,
		.state = state,
		.text = text(problem, "what"),
		.fix = text(problem, "fix")};

	chronicle_add(to, &e, now);
}

static void begin(const json_t *problem)
{
	const char *fix = text(problem, "fix");

	log_warning("problem: %s%s%s", text(problem, "what"), fix ? "; mend it by: " : "",
		fix ? fix : "");
}

/* The log has a line of it from where it happens. */
static bool is_logged(const json_t *problem)
{
	return json_is_true(json_object_get(problem, "is_logged"));
}

void problem_log_update(
	struct problem_log *l, json_t *list, struct chronicle *to, const struct when *now)
{
	size_t i;
	json_t *p;

	json_array_foreach(list, i, p)
	{
		if (has(l->known, p))
			continue;
		if (!is_logged(p))
			begin(p);
		add(to, "begins", p, now);
	}
	json_array_foreach(l->known, i, p)
	{
		if (has(list, p))
			continue;
		if (!is_logged(p))
			log_info("problem is over: %s", text(p, "what"));
		add(to, "over", p, now);
	}
	json_decref(l->known);
	l->known = list;
}

void problem_log_done(struct problem_log *l)
{
	json_decref(l->known);
	l->known = NULL;
}

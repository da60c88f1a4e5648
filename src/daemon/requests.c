/* SPDX-License-Identifier: MIT */
#include "daemon/requests.h"

#include "daemon/actions.h"
#include "daemon/answers.h"
#include "daemon/reload.h"

#include <string.h>

static json_t *do_drain(struct daemon *d, bool drained)
{
	int err = actions_drain(d, drained);

	if (err)
		return control_error("the state directory %s doesn't take it: %s",
			d->options->state_dir, strerror(-err));
	return json_pack(
		"{s:b, s:s, s:b}", "ok", 1, "node", d->gen->self->name, "drained", (int)drained);
}

static json_t *do_reload(struct daemon *d)
{
	AUTO_BUF why = {0};
	json_t *counts = NULL, *names = NULL;

	if (daemon_reload(d, &why, &counts, &names)) {
		json_decref(counts);
		json_decref(names);
		return control_error("%s", buf_str(&why));
	}
	return json_pack("{s:b, s:s, s:o, s:o}", "ok", 1, "node", d->gen->self->name, "changed",
		counts, "changes", names);
}

static json_t *do_routes(struct daemon *d, const json_t *request)
{
	const json_t *query = json_object_get(request, "query");

	if (query && !json_is_string(query))
		return control_error("query is a prefix or an address, as a string");
	return answer_routes(d, query ? json_string_value(query) : NULL);
}

json_t *daemon_answer(const json_t *request, void *daemon)
{
	struct daemon *d = daemon;
	const char *op = json_string_value(json_object_get(request, "op"));

	if (!op)
		return control_error("the request has no op");
	if (!strcmp(op, "status"))
		return answer_status(d);
	if (!strcmp(op, "routes"))
		return do_routes(d, request);
	if (!strcmp(op, "drain"))
		return do_drain(d, true);
	if (!strcmp(op, "undrain"))
		return do_drain(d, false);
	if (!strcmp(op, "reload"))
		return do_reload(d);
	return control_error("unknown op %.40s", op);
}

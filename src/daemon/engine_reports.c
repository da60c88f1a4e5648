/* SPDX-License-Identifier: MIT */
/* What nodes report to each other. */
#include "daemon/engine_internal.h"

/* What a slice of reports changes is a move of its own, between which verdicts come. */
#define SLICE 100

void engine_take_reports(struct engine *e, engine_actions *out)
{
	struct rib_event events[SLICE];
	size_t n;

	if (!e->rib)
		return;
	n = reports_take(e->reports, events, SLICE);
	if (!n)
		return;
	rib_step(e->rib, events, n, &e->diff);
	engine_emit_move(e, out);
}

void engine_on_report(
	struct engine *e, const struct engine_event *event, instant now, engine_actions *out)
{
	reports_on_report(e->reports, event->u.report.peer, event->u.report.report, now);
	engine_take_reports(e, out);
}

/* Nobody is told before somebody is probed. */
void engine_tell_report(struct engine *e, engine_actions *out)
{
	const struct live_report *r = e->is_probing ? reports_news(e->reports) : NULL;

	if (r)
		engine_emit(e, ENGINE_TELL, out)->u.tell = r;
}

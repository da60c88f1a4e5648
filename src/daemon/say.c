/* SPDX-License-Identifier: MIT */
#include "daemon/say.h"

#include "sys/clock.h"
#include <string.h>

struct when say_now(void)
{
	return (struct when){sys_now(), sys_wall_ns()};
}

struct events *say_events_new(const char *node)
{
	struct when now = say_now();
	json_t *started = when_json(&now, now.at);
	struct events *events = events_new(EVENTS_KEPT, node, json_string_value(started));

	json_decref(started);
	return events;
}

static const char *name_of(const struct daemon *d, uint32_t peer)
{
	return peer == ENGINE_NOBODY ? NULL : engine_name(d->engine, peer);
}

/* --- a step of the engine ------------------------------------------------------------------------
 */

static size_t lost_of(const struct daemon *d, uint32_t peer, uint32_t ret[REPORTS_LOST_MAX])
{
	const uint32_t *lost;
	size_t n = reports_lost(engine_reports(d->engine), peer, &lost);

	if (n)
		memcpy(ret, lost, n * sizeof(*ret));
	return n;
}

void say_step(struct daemon *d, const struct engine_event *event)
{
	struct when now = say_now();

	chronicle_step(d->chronicle, &now);
	d->reporter = (struct daemon_reporter){.is_on = event->type == ENGINE_REPORT};
	if (!d->reporter.is_on)
		return;
	d->reporter.peer = event->u.report.peer;
	d->reporter.n_lost = lost_of(d, d->reporter.peer, d->reporter.lost);
}

static bool has(const uint32_t *nodes, size_t n, uint32_t node)
{
	for (size_t i = 0; i < n; i++)
		if (nodes[i] == node)
			return true;
	return false;
}

/* Of those of a that aren't in b; how many they are. */
static unsigned say_lines(
	struct daemon *d, bool lost, const uint32_t *a, size_t n_a, const uint32_t *b, size_t n_b)
{
	const char *peer = engine_name(d->engine, d->reporter.peer);
	unsigned n = 0;

	for (size_t i = 0; i < n_a; i++) {
		AUTO_FREE char *text = NULL;

		if (has(b, n_b, a[i]))
			continue;
		text = mem_printf("%s says that it %s %s%s", peer, lost ? "lost" : "has",
			engine_name(d->engine, a[i]), lost ? "" : " again");
		chronicle_report(d->chronicle, peer, lost ? "lost" : "has", text);
		n++;
	}
	return n;
}

/* What a peer says that it lost, or has again; what else it says is told where it moves something.
 */
static void say_report(struct daemon *d)
{
	const struct daemon_reporter *before = &d->reporter;
	uint32_t now[REPORTS_LOST_MAX];
	size_t n = lost_of(d, before->peer, now);
	unsigned said = say_lines(d, true, now, n, before->lost, before->n_lost);

	said += say_lines(d, false, before->lost, before->n_lost, now, n);
	if (!said && chronicle_has_moves(d->chronicle)) {
		const char *peer = engine_name(d->engine, before->peer);
		AUTO_FREE char *text = mem_printf("%s says something else of its lines", peer);

		chronicle_report(d->chronicle, peer, "other", text);
	}
}

void say_step_end(struct daemon *d)
{
	if (d->reporter.is_on)
		say_report(d);
	d->reporter.is_on = false;
	chronicle_step_end(d->chronicle);
}

/* --- lines ---------------------------------------------------------------------------------------
 */

static const char *self_word(const struct engine_line *l)
{
	return l->self.drained	  ? "drained"
	       : l->self.flapping ? "flapping"
	       : l->self.holding  ? "holding"
				  : "in-service";
}

static void add(struct daemon *d, enum event_kind kind, const char *state, const char *peer,
	const char *text)
{
	struct when now = say_now();
	struct event e = {.kind = kind, .state = state, .peer = peer, .text = text};

	chronicle_add(d->chronicle, &e, &now);
}

static void add_verdict(struct daemon *d, const struct engine_line *l, const char *text)
{
	chronicle_verdict(d->chronicle, &(struct chronicle_verdict){
						.peer = l->peer,
						.name = engine_name(d->engine, l->peer),
						.state = live_state_name(l->state),
						.cause = live_cause_name(l->cause),
						.text = text,
						.at = l->at,
					});
}

static void add_line(struct daemon *d, const struct engine_line *l, const char *text)
{
	switch (l->type) {
	case ENGINE_LINE_VERDICT:
		add_verdict(d, l, text);
		break;
	case ENGINE_LINE_SELF:
		add(d, EVENT_SIGNAL, self_word(l), NULL, text);
		break;
	case ENGINE_LINE_DRAINED:
		add(d, EVENT_DRAIN, l->drained.drained ? "drained" : "in-service", NULL, text);
		break;
	case ENGINE_LINE_ENDPOINT:
	case ENGINE_LINE_NO_ENDPOINT:
		add(d, EVENT_ENDPOINT, l->err ? "refused" : "set", engine_name(d->engine, l->peer),
			text);
		break;
	case ENGINE_LINE_MOVED: /* its order is to be done first */
		break;
	default:
		add(d, EVENT_DEVICE, NULL, NULL, text);
	}
}

static bool is_of_peer(enum engine_line_type type)
{
	return type == ENGINE_LINE_VERDICT || type == ENGINE_LINE_ENDPOINT ||
	       type == ENGINE_LINE_NO_ENDPOINT;
}

void say_line(struct daemon *d, const struct engine_line *l)
{
	AUTO_BUF text = {0};
	struct log_about about = {
		.peer = is_of_peer(l->type) ? engine_name(d->engine, l->peer) : NULL};

	engine_line_text(d->engine, l, &text);
	log_about((enum log_level)engine_line_severity(l), &about, "%s", buf_str(&text));
	add_line(d, l, buf_str(&text));
}

/* PEER is who gets them, else who had them. */
static void say_moved(const struct engine_line *l, void *daemon)
{
	struct daemon *d = daemon;
	AUTO_BUF text = {0};
	char prefix[IP_PREFIX_STRLEN];
	struct chronicle_move m = {l->moved.from, l->moved.to, name_of(d, l->moved.from),
		name_of(d, l->moved.to), l->moved.first, l->moved.n};
	struct log_about about = {m.to ? m.to : m.from, ip_prefix_format(&m.first, prefix)};

	engine_line_text(d->engine, l, &text);
	log_about((enum log_level)engine_line_severity(l), &about, "%s", buf_str(&text));
	chronicle_moves(d->chronicle, &m);
}

void say_moves(struct daemon *d, const struct rib_diff *move)
{
	engine_moved_lines(move, say_moved, d);
}

void say_order_done(struct daemon *d, uint64_t order, int err, instant at)
{
	struct when now = say_now();
	struct when then = {at, now.wall_ns - instant_diff(now.at, at)};

	chronicle_done(d->chronicle, order, err, &then);
}

void say_own(struct daemon *d, enum event_kind kind, const char *state, enum log_level level,
	const char *fmt, ...)
{
	AUTO_BUF text = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&text, fmt, ap);
	va_end(ap);
	log_line(level, "%s", buf_str(&text));
	add(d, kind, state, NULL, buf_str(&text));
}

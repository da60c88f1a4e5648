/* SPDX-License-Identifier: MIT */
#include "control/event.h"

#include "control/when.h"
#include <ctype.h>
#include <string.h>

static const char *const words[EVENT_KINDS] = {
	[EVENT_START] = "start",
	[EVENT_STOP] = "stop",
	[EVENT_VERDICT] = "verdict",
	[EVENT_MOVE] = "move",
	[EVENT_REPORT] = "report",
	[EVENT_RELOAD] = "reload",
	[EVENT_PROBLEM] = "problem",
	[EVENT_DRAIN] = "drain",
	[EVENT_SIGNAL] = "signal",
	[EVENT_ENDPOINT] = "endpoint",
	[EVENT_DEVICE] = "device",
	[EVENT_LOST] = "lost",
};

const char *event_kind_word(enum event_kind k)
{
	return words[k];
}

bool event_kind_parse(enum event_kind *ret, const char *word)
{
	for (unsigned k = 0; k < EVENT_LOST; k++)
		if (!strcmp(words[k], word)) {
			*ret = (enum event_kind)k;
			return true;
		}
	return false;
}

/* --- filters -------------------------------------------------------------------------------------
 */

static bool is(const char *name, const char *wanted)
{
	return name && !strcmp(name, wanted);
}

/* Names may have these within, but a sentence may end by them. */
static bool goes_on(const char *at)
{
	if (isalnum((unsigned char)*at) || *at == '_')
		return true;
	return *at && strchr("=+.-", *at) && isalnum((unsigned char)at[1]);
}

static bool begins_name(const char *text, const char *at)
{
	return at == text || !(isalnum((unsigned char)at[-1]) || strchr("_=+.-", at[-1]));
}

static bool names(const char *text, const char *name)
{
	size_t n = strlen(name);

	for (const char *at = text; n && (at = strstr(at, name)); at++)
		if (begins_name(text, at) && !goes_on(at + n))
			return true;
	return false;
}

static bool concerns(const struct event *e, const char *peer)
{
	if (is(e->peer, peer) || is(e->from, peer) || is(e->to, peer))
		return true;
	return (e->kind == EVENT_PROBLEM || e->kind == EVENT_REPORT) && names(e->text, peer);
}

bool event_passes(const struct event *e, const struct event_filter *f)
{
	if (e->kind == EVENT_LOST)
		return true;
	if (f->kinds && !(f->kinds & 1U << e->kind))
		return false;
	return !f->peer || concerns(e, f->peer);
}

/* --- as JSON -------------------------------------------------------------------------------------
 */

static json_t *count_json(uint64_t n)
{
	return n ? json_integer((json_int_t)n) : json_null();
}

static json_t *prefix_json(const ip_prefix *p)
{
	char text[IP_PREFIX_STRLEN];

	return p->family ? json_string(ip_prefix_format(p, text)) : json_null();
}

json_t *event_json(const struct event *e, const char *node)
{
	struct when then = {{0}, e->wall_ns};

	return json_pack("{s:I, s:o, s:s, s:s, s:o, s:s?, s:s?, s:s?, s:o, s:o, s:s?, s:s?, s:o, "
			 "s:o, s:s, s:s?}",
		"event", (json_int_t)e->number, "at", when_json(&then, then.at), "node", node,
		"kind", words[e->kind], "because", count_json(e->because), "peer", e->peer, "state",
		e->state, "cause", e->cause, "prefix", prefix_json(&e->prefix), "prefixes",
		count_json(e->n_prefixes), "from", e->from, "to", e->to, "gap_ms",
		e->gap_ns < 0 ? json_null() : json_real((double)(e->gap_ns / 1000) / 1e3), "lost",
		count_json(e->lost), "text", e->text, "fix", e->fix);
}

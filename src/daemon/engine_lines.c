/* SPDX-License-Identifier: MIT */
/* Lines of the log: from values to words, in names. */
#include "daemon/engine_internal.h"

#include "base/buf.h"
#include <string.h>
#include <syslog.h>

int engine_line_severity(const struct engine_line *l)
{
	switch (l->type) {
	case ENGINE_LINE_TROUBLE:
	case ENGINE_LINE_NOT_REOPENED:
	case ENGINE_LINE_DRAIN_STAYS:
		return LOG_ERR;
	case ENGINE_LINE_REFUSED:
	case ENGINE_LINE_NO_ENDPOINT:
		return LOG_WARNING;
	case ENGINE_LINE_VERDICT:
		return l->state == LIVE_DOWN ? LOG_WARNING : LOG_INFO;
	default:
		return LOG_INFO;
	}
}

static const char *owner_name(const struct engine *e, uint32_t peer)
{
	return peer == ENGINE_NOBODY ? "nobody" : engine_name(e, peer);
}

/* "10.20.2.0/24 and 3 others: hub-a -> hub-b" */
static void put_moved(const struct engine *e, const struct engine_line *l, struct buf *ret)
{
	char prefix[IP_PREFIX_STRLEN];

	buf_puts(ret, ip_prefix_format(&l->moved.first, prefix));
	if (l->moved.n > 1)
		buf_printf(ret, " and %u other%s", l->moved.n - 1, l->moved.n > 2 ? "s" : "");
	buf_printf(ret, ": %s -> %s", owner_name(e, l->moved.from), owner_name(e, l->moved.to));
}

static void put_self(const struct engine_line *l, struct buf *ret)
{
	buf_printf(ret, "signals to peers: %s",
		l->self.drained	   ? "drained"
		: l->self.flapping ? "holding, since several peers flap"
		: l->self.holding  ? "holding"
				   : "in service");
}

static void put_drained(const struct engine_line *l, struct buf *ret)
{
	char text[32];

	if (!l->drained.drained)
		buf_printf(ret, "no longer drained%s: peers are told to come back",
			l->drained.is_end ? ", since its time is over" : "");
	else
		buf_printf(ret, "drained%s%s: peers are told to use others where they can",
			l->drained.for_ns ? " for " : "",
			l->drained.for_ns ? duration_format(l->drained.for_ns, text) : "");
}

void engine_line_text(const struct engine *e, const struct engine_line *l, struct buf *ret)
{
	char text[SOCK_ADDR_STRLEN];

	switch (l->type) {
	case ENGINE_LINE_VERDICT:
		buf_printf(ret, "%s is %s: %s", engine_name(e, l->peer), live_state_name(l->state),
			live_cause_text(l->cause));
		break;
	case ENGINE_LINE_SELF:
		put_self(l, ret);
		break;
	case ENGINE_LINE_MOVED:
		put_moved(e, l, ret);
		break;
	case ENGINE_LINE_REFUSED:
		buf_printf(ret, "the device refused a change (%s); reading it back",
			strerror(-l->err));
		break;
	case ENGINE_LINE_TROUBLE:
		buf_printf(ret, "%s can't be brought into line: %s", e->gen->self->interface,
			l->trouble);
		break;
	case ENGINE_LINE_NOT_REOPENED:
		buf_printf(ret, "%s can't be made again: %s", e->gen->self->interface, l->trouble);
		break;
	case ENGINE_LINE_ENDPOINT:
		buf_printf(ret, "%s is looked for at %s", engine_name(e, l->peer),
			sock_addr_format(&l->endpoint, text));
		break;
	case ENGINE_LINE_NO_ENDPOINT:
		buf_printf(ret, "%s's endpoint could not be set: %s", engine_name(e, l->peer),
			strerror(-l->err));
		break;
	case ENGINE_LINE_DRAINED:
		put_drained(l, ret);
		break;
	case ENGINE_LINE_DRAIN_STAYS:
		buf_printf(ret,
			"the drain's time is over, but the state directory doesn't take it: %s; "
			"it is tried again",
			strerror(-l->err));
		break;
	}
}

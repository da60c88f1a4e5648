/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "live/live.h"

static const struct {
	const char *name, *text;
} causes[] = {
	[LIVE_CAUSE_NEW] = {"new", "nothing was heard of it yet"},
	[LIVE_CAUSE_ADOPTED] = {"adopted", "it was in use before; its probes have just begun"},
	[LIVE_CAUSE_SESSION_UP] = {"session-up", "its BFD session is up"},
	[LIVE_CAUSE_ECHO] = {"echo", "it answers echoes"},
	[LIVE_CAUSE_HANDSHAKE] = {"handshake", "its handshake is recent or bytes come in"},
	[LIVE_CAUSE_UNPROBED] = {"unprobed", "nothing probes it"},
	[LIVE_CAUSE_DAEMON_SILENT] = {"daemon-silent",
		"its daemon is silent, but it answers echoes"},
	[LIVE_CAUSE_NO_SESSION] = {"no-session", "it answers echoes, but BFD doesn't get through"},
	[LIVE_CAUSE_PEER_SIGNALS] = {"peer-signals", "it says that it drains or holds"},
	[LIVE_CAUSE_HELD] = {"held", "it came back and is held for a while"},
	[LIVE_CAUSE_POOR_LINE] = {"poor-line", "the line to it loses packets, or flaps"},
	[LIVE_CAUSE_EXPIRED] = {"expired", "nothing comes from it and echoes stay unanswered"},
	[LIVE_CAUSE_PEER_DOWN] = {"peer-down", "it says that it doesn't hear us, or goes down"},
	[LIVE_CAUSE_PEER_ADMIN_DOWN] = {"peer-admin-down",
		"it is administratively down and echoes stay unanswered"},
	[LIVE_CAUSE_NO_ECHO] = {"no-echo", "echoes stay unanswered"},
	[LIVE_CAUSE_STALE] = {"stale", "its handshake is too old and no bytes come in"},
};

const char *live_state_name(enum live_state s)
{
	static const char *const names[] = {"down", "last-resort", "up"};

	return (unsigned)s < ARRAY_SIZE(names) ? names[s] : "unknown";
}

const char *live_cause_name(enum live_cause c)
{
	return (unsigned)c < ARRAY_SIZE(causes) ? causes[c].name : "unknown";
}

const char *live_cause_text(enum live_cause c)
{
	return (unsigned)c < ARRAY_SIZE(causes) ? causes[c].text : "unknown";
}

/* SPDX-License-Identifier: MIT */
/* Options and environment are wireguard-go's, so that wg-quick and others may start it in its
 * place. */
#include "tunnel/declared.h"

static const struct command_verb verb = {
	.summary = "be a WireGuard device in userspace, configured by `wg` and driven by wg-quick "
		   "(WG_QUICK_USERSPACE_IMPLEMENTATION=shunt-wg)",
	.usage = "[-f|--foreground] INTERFACE\n--stats INTERFACE [--json]\n--version",
	.complaint = "one INTERFACE is needed",
	.operands = {{"INTERFACE", COMMAND_TEXT, .may_be_missing = true}},
	.options =
		{
			{"foreground", 'f', NULL, "stay in the foreground"},
			{"stats", 0, "INTERFACE",
				"print the counters of the device that runs: packets, and drops by "
				"reason",
				.kind = COMMAND_INTERFACE},
			{"json", 0, NULL, "the counters as one JSON object"},
			{"version", 0, NULL,
				"the version and the AEAD back end that was found fastest"},
			{"help", 'h', NULL, "this text"},
		},
	.help = "Environment: LOG_LEVEL=verbose|debug|error|silent, WG_PROCESS_FOREGROUND=1, "
		"WG_TUN_FD and WG_UAPI_FD: file descriptors of a TUN and of a listening socket to "
		"take over; SHUNT_WG_WORKERS=auto|0..6: threads that help a busy direction, by "
		"default while cores are idle.",
};

const struct command tunnel_command = {"shunt-wg", &verb, 1};

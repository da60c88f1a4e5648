/* SPDX-License-Identifier: MIT */
#include "daemon/declared.h"

/* One that the build names stands in for the usual one. */
#ifdef SHUNT_USERSPACE
#define USERSPACE SHUNT_USERSPACE
#else
#define USERSPACE "shunt-wg, else wireguard-go"
#endif

static const struct command_verb verb = {
	.summary = "run the node NAME of the inventory FILE: own its WireGuard device, watch its "
		   "peers and keep every prefix on the best peer that is alive",
	.usage = "--node NAME [OPTION]... FILE",
	.complaint = "--node NAME and one inventory FILE are needed",
	.operands = {{"FILE", COMMAND_FILE}},
	.options =
		{
			{"node", 'n', "NAME", "the node of the inventory that this machine is",
				.needed = "--node NAME is missing", .kind = COMMAND_NODE},
			{"device", 'd', "KIND",
				"kernel, uapi, or auto (default): the inventory's `device`, else "
				"what is there, the kernel's, or one in userspace",
				.words = "auto kernel uapi"},
			{"userspace", 'u', "PROGRAM",
				"what to start where uapi finds no device (default " USERSPACE ")",
				.kind = COMMAND_FILE},
			{"run-dir", 0, "DIR", "lock and control socket (default /run/shunt/NAME)",
				.kind = COMMAND_FOLDER},
			{"state-dir", 0, "DIR",
				"journal and drain flag (default /var/lib/shunt/NAME)",
				.kind = COMMAND_FOLDER},
			{"set-sysctl", 0, NULL,
				"mend forwarding and reverse path filters that would stop traffic"},
			{"stop-devices", 0, NULL,
				"at the end drain, wait a second (or drain_on_stop), and take the "
				"device "
				"down"},
			{"verbose", 'v', NULL, "log more"},
			{"help", 'h', NULL, "this text"},
			{"version", 0, NULL, "the version"},
		},
	.help = "It stays in the foreground and logs to standard error. SIGHUP takes a new "
		"inventory, SIGTERM ends it and leaves the device running. Exit status: 0 ended by "
		"a signal, 1 could not start, 2 wrong usage.",
};

const struct command daemon_command = {"shuntd", &verb, 1};

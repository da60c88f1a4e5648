/* SPDX-License-Identifier: MIT */
/*
 * Every verb of shunt with its operands and options. --help, getopt and completion follow from
 * these rows, and the manual is held against them. What a verb does stands in a file of its own;
 * main.c brings the two together.
 */
#include "cli/declared.h"

#include "base/vec.h"

/* Which daemon is asked. */
#define OPTION_NODE                                                                                \
	{                                                                                          \
		"node", 'n', "NAME", "the daemon of this node, where several run on this machine", \
			.kind = COMMAND_DAEMON                                                     \
	}
#define OPTION_RUN_DIR                                                                            \
	{                                                                                         \
		"run-dir", 0, "DIR", "the daemon with this run directory", .kind = COMMAND_FOLDER \
	}
#define DAEMON_OPTIONS                                             \
	OPTION_NODE, OPTION_RUN_DIR,                               \
	{                                                          \
		"json", 'j', NULL, "the answer as one JSON object" \
	}

static const struct command_verb verbs[] = {
	{.name = "check",
		.summary = "judge an inventory as a whole, before anything runs",
		.complaint = "one inventory is needed",
		.operands = {{"FILE", COMMAND_FILE}},
		.options = {{"json", 'j', NULL, "one JSON object on standard output"}},
		.help = "Says what will go wrong with the mesh that FILE describes: each finding "
			"with its code, the nodes and prefixes, the place in the file, what will "
			"happen, and how to mend it. `shunt help CODE` explains a code, "
			"and\n" SHUNT_DOC_DIR "/docs/findings.md all of them.\n\n"
			"Exit code: 0 no errors (there may be warnings), 1 errors, 2 FILE can't be "
			"read as an inventory."},
	{.name = "render",
		.summary = "write a wg-quick file for each node, and its routing engine's",
		.complaint = "one inventory is needed",
		.operands = {{"FILE", COMMAND_FILE}},
		.options = {{"output", 'o', "DIR", "where to; made if need be",
				    .needed = "-o DIR is needed", .kind = COMMAND_FOLDER},
			{"node", 'n', "NAME", "only this node's files", .kind = COMMAND_NODE},
			{"prune", 0, NULL,
				"remove the files that no node has any more, and no others"},
			{"json", 'j', NULL, "report as one JSON object"}},
		.help = "Writes DIR/<node>/<interface>.conf, mode 0600, for every node of the "
			"inventory FILE, and where `routing` names an engine its configuration: "
			"bird.conf, or frr.conf and daemons, and shunt-bird.conf or shunt-frr.conf "
			"to go with one of your own. All of them or, if anything goes wrong, none. "
			"Files that would not change are left alone. An inventory with errors (see "
			"shunt check) is refused."},
	{.name = "key",
		.summary = "make a key pair, or tell the public key of a private one",
		.usage = "[-o] FILE [--force]\n--preshared FILE [--force]\n--public FILE",
		.complaint = "one file is needed",
		.operands = {{"FILE", COMMAND_FILE, .may_be_missing = true}},
		.options = {{"output", 'o', "FILE", "make a key pair; the same as FILE alone",
				    .kind = COMMAND_FILE},
			{"preshared", 0, "FILE", "make a preshared key for a link; print nothing",
				.kind = COMMAND_FILE},
			{"public", 0, "FILE", "print the public key of the private key in FILE",
				.kind = COMMAND_FILE},
			{"force", 'f', NULL,
				"replace FILE if it is there (otherwise it is refused)"}},
		.help = "The private key goes to FILE (mode 0600, one line of base64), the public "
			"key, which belongs into the inventory, to standard output. Run it on the "
			"node that the key is for: a private key never travels."},
	{.name = "client",
		.summary = "give a client a new key, and its app the whole profile",
		.complaint = "a client and one inventory are needed",
		.operands = {{"NAME", COMMAND_NODE}, {"FILE", COMMAND_FILE}},
		.options = {{"qr", 0, NULL, "show the profile as a QR code; so it is without -o"},
			{"output", 'o', "OUT",
				"write it to a file, mode 0600; as a picture of the code if OUT "
				"ends in .png",
				.kind = COMMAND_FILE},
			{"address", 0, "ADDRESS",
				"of a client that is new, in place of the first free one; one for "
				"each family, with a comma between"},
			{"dry-run", 0, NULL, "show what would change in FILE, and change nothing"},
			{"force", 'f', NULL,
				"replace OUT if it is there (otherwise it is refused)"}},
		.help = "Makes a key pair for the client NAME of the inventory FILE. The public "
			"key goes into FILE, in place; the private key into a profile for the "
			"WireGuard apps of phones and desktops, and nowhere else. A client that "
			"isn't in FILE yet is added to it. An inventory that would have errors "
			"(see shunt check) is refused, and stays as it is."},
	{.name = "revoke",
		.summary = "take a lost node out of the inventory, and its key for good",
		.complaint = "a node and one inventory are needed",
		.operands = {{"NODE", COMMAND_NODE}, {"FILE", COMMAND_FILE}},
		.options = {{"dry-run", 0, NULL,
				    "show what would change in FILE, and change nothing"},
			{"json", 'j', NULL, "report as one JSON object"}},
		.help = "Takes NODE and all that names it out of the inventory FILE, in place, and "
			"puts its key under `revoked`, with which no node is accepted again. Names "
			"the nodes that have the key on their devices still. An inventory that "
			"would have errors (see shunt check) is refused, and stays as it is."},
	{.name = "hosts",
		.summary = "print names and addresses, as a hosts file or for a resolver",
		.complaint = "one inventory is needed",
		.operands = {{"FILE", COMMAND_FILE}},
		.options = {{"format", 0, "FORMAT",
				    "hosts (as without it), dnsmasq or unbound: lines for its "
				    "configuration",
				    .words = "hosts dnsmasq unbound"},
			{"domain", 0, "DOMAIN", "what follows each name"}},
		.help = "Prints each overlay address of the inventory FILE with its node's name."},
	{.name = "status",
		.summary = "show this node's peers, who is alive and why, and what is wrong",
		.options = {DAEMON_OPTIONS, {"down", 'd', NULL, "only peers that aren't up"},
			{"via", 0, "NODE", "who is reached by way of this peer now"},
			{"wide", 'w', NULL,
				"all columns, as wide as need be: since when, probe, endpoint, "
				"bytes"},
			{"check", 0, NULL, "one line and an exit code for monitoring"},
			{"watch", 0, NULL, "again every two seconds, until it is interrupted"}},
		.help = "A peer is up, last-resort (it drains or holds: used where there is nobody "
			"else) or down. Problems come first, with the command that mends them, "
			"then peers, the worst first. FOR is how long the state has lasted, FLAPS "
			"how often the peer was lost. Clients come and go, and are counted "
			"apart.\n\n"
			"With --check: 0 OK, 1 WARNING (some peer isn't up, or there is a problem, "
			"or this node is drained or holds), 2 CRITICAL (no peer is up), 3 UNKNOWN "
			"(no answer)."},
	{.name = "routes",
		.summary = "show every candidate of a prefix, the winner, and why the others lose",
		.complaint = "one prefix or address at a time",
		.operands = {{"PREFIX|ADDRESS", COMMAND_TEXT, .may_be_missing = true}},
		.options = {DAEMON_OPTIONS, {"best", 'b', NULL, "only winners"},
			{"within", 0, "PREFIX", "only prefixes within this one"},
			{"via", 0, "NODE", "only prefixes that go by way of this peer now"},
			{"wide", 'w', NULL, "all columns, as wide as need be"}},
		.help = "A prefix is looked up as it is, an address by the longest prefix that has "
			"an owner now; without either all prefixes are shown.\n\n"
			"* wins: it gets the packets, or the share of the flows that is told. = is "
			"equal to the winner but gets none, since the set was cut: WHY tells the "
			"reason. AGE is for how long packets have gone as they do. SOURCE is told "
			"where a routing engine has a say: kernel is what its routes say."},
	{.name = "drain",
		.summary = "make this node the last resort of its peers, losing nothing",
		.complaint = "one NODE, please",
		.operands = {{"NODE", COMMAND_DAEMON}},
		.options = {DAEMON_OPTIONS,
			{"for", 0, "TIME",
				"for so long, and it ends by itself: 90s, 30m, "
				"2h, 1d"},
			{"wait", 0, "TIME",
				"until nobody sends through it any more, or the time is over"}},
		.help = "NODE is the name of this machine's own node; of another one it is "
			"refused. The drain lasts until its time is over or until `shunt undrain`, "
			"over restarts; the last word counts. Clients have no other hub and stay "
			"where they are. `shunt status` names who still sends through it.\n\n"
			"Exit code with --wait: 0 nobody sends through it any more, 1 somebody "
			"does "
			"(named), 3 that can't be seen."},
	{.name = "undrain",
		.summary = "put this node back in service",
		.complaint = "one NODE, please",
		.operands = {{"NODE", COMMAND_DAEMON}},
		.options = {DAEMON_OPTIONS}},
	{.name = "reload",
		.summary = "make the daemon read its inventory again",
		.options = {DAEMON_OPTIONS},
		.help = "Only what differs is changed. An inventory with errors is refused and the "
			"old one stays."},
	{.name = "events",
		.summary = "show what happened lately, cause before effect, or as it comes",
		.options = {OPTION_NODE, OPTION_RUN_DIR,
			{"json", 'j', NULL, "each event as a JSON object, one a line"},
			{"follow", 'f', NULL,
				"and each that comes, until it is interrupted; over restarts of "
				"the daemon, too"},
			{"last", 0, "N", "so many of the last ones, in place of 20"},
			{"peer", 0, "NODE", "only what concerns this peer"},
			{"kind", 0, "KIND", "only events of this kind",
				.words = "start stop verdict move report reload problem drain "
					 "signal endpoint device"},
			{"wide", 'w', NULL,
				"whole lines, with the date; otherwise they are cut at the width "
				"of the terminal"}},
		.help = "One line an event, the eldest first: verdicts, the moves that they "
			"caused with the time from the verdict until the device had it, reloads, "
			"problems that begin and are over, drains. With --json a line is an "
			"object. The daemon keeps the last 2048; who reads too slowly is told how "
			"many were lost.\n\n"
			"Exit code: 0 shown; 3 no daemon answers, or nobody reads standard output "
			"any more. With --follow it goes on while the daemon is away."},
	{.name = "help",
		.summary = "explain a verb, or a finding of shunt check by its code",
		.complaint = "one verb or code at a time",
		.operands = {{"VERB|CODE", COMMAND_TOPIC, .may_be_missing = true}},
		.help = "A finding is explained with an example and what mends it. Without an "
			"operand all verbs are listed."},
};

const struct command cli_command = {"shunt", verbs, ARRAY_SIZE(verbs)};

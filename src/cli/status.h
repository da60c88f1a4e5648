/* SPDX-License-Identifier: MIT */
/* What the screens of `shunt status` share. */
#ifndef SHUNT_CLI_STATUS_H
#define SHUNT_CLI_STATUS_H

#include "cli/client.h"

/* Of a peer, the worst first. */
enum status_rank { STATUS_DOWN, STATUS_LAST_RESORT, STATUS_UP };

/* The exit codes of --check, as monitoring plugins have them. */
enum status_verdict { STATUS_OK, STATUS_WARNING, STATUS_CRITICAL, STATUS_UNKNOWN };

/* Clients come and go as they like, and are counted apart. */
struct status_counts {
	size_t all, up, last_resort, down;
	size_t clients, clients_up;
	size_t problems;
};

enum status_rank status_rank_of(const json_t *peer);
bool status_is_client(const json_t *peer);
struct status_counts status_count(const json_t *answer);

/* What an answer comes to: CRITICAL if nobody is up though somebody should be, WARNING if somebody
 * isn't, if there is a problem, or if this node is drained or holds. */
enum status_verdict status_judge(const json_t *answer);
/* One line for monitoring; the exit code. */
int status_check(const struct client_options *o);
/* Who is reached by way of this node now. */
int status_show_via(
	const struct command_line *line, const struct client_options *o, const char *via);

#endif

/* SPDX-License-Identifier: MIT */
/* Peers to which large packets don't get: live/path_mtu.h for each peer that is up and answers
 * echoes by its kind of probe (BFD or echo; who is known by its handshakes only is left asleep). */
#ifndef SHUNT_DAEMON_PATH_PROBE_H
#define SHUNT_DAEMON_PATH_PROBE_H

#include "daemon/daemon.h"
#include "daemon/echoes.h"
#include "live/path_mtu.h"

#define ECHO_KIND_PATH 1

struct path_probe {
	VEC(struct path_peer {
		bool is_on;
		struct path_mtu mtu;
	})
	peers; /* by id */
};

/* Asks who is due, a few at a time; when it wants to be called again. */
instant path_probe_step(
	struct path_probe *p, const struct daemon *d, struct echoes *e, instant now);
void path_probe_on_answer(struct path_probe *p, const struct echo_answer *a, instant now);
/* Calls fn per peer whose path is too narrow. */
void path_probe_name(const struct path_probe *p, const struct generation *g,
	void (*fn)(const char *what, const char *fix, void *data), void *data);
void path_probe_done(struct path_probe *p);

#endif

/* SPDX-License-Identifier: MIT */
/* Hubs that don't hand on what they get: live/relay.h for each hub through which this node reaches
 * another one now, per family. */
#ifndef SHUNT_DAEMON_RELAY_PROBE_H
#define SHUNT_DAEMON_RELAY_PROBE_H

#include "daemon/daemon.h"
#include "daemon/echoes.h"
#include "live/relay.h"

#define ECHO_KIND_RELAY 2

struct relay_probe {
	VEC(struct relay_watch {
		uint32_t hub;
		int family;
		struct relay relay;
		bool is_due;
		/* As the last look found them. */
		unsigned n_sites; /* reached through it */
		const struct mesh_node
			*site; /* one of them, by chance; of that look's generation */
	})
	watches;
	instant look_at;
};

/* Asks where it is time to; when it wants to be called again. */
instant relay_probe_step(struct relay_probe *p, struct daemon *d, struct echoes *e, instant now);
void relay_probe_on_answer(
	struct relay_probe *p, const struct daemon *d, const struct echo_answer *a, instant now);
/* Calls fn per hub and family that is silent. */
void relay_probe_name(const struct relay_probe *p, const struct daemon *d,
	void (*fn)(const char *what, const char *fix, void *data), void *data);
void relay_probe_done(struct relay_probe *p);

#endif

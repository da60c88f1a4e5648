/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_DAEMON_REQUESTS_H
#define SHUNT_DAEMON_REQUESTS_H

#include "daemon/daemon.h"

/* What a request wants; control_fn with the daemon as data. */
json_t *daemon_answer(const json_t *request, void *daemon);

#endif

/* SPDX-License-Identifier: MIT */
#ifndef SHUNT_DAEMON_RELOAD_H
#define SHUNT_DAEMON_RELOAD_H

#include "daemon/daemon.h"

/*
 * Takes a new inventory and logs how that went. 0; or negative errno with why: without counts it
 * was refused and the old one stays, with them it is in force and the device refused a part. counts
 * gets {"peers_added": n, ...}, names an array of lines for people.
 */
int daemon_reload(struct daemon *d, struct buf *why, json_t **counts, json_t **names);

#endif

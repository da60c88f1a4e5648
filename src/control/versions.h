/* SPDX-License-Identifier: MIT */
/* Of the answers over the control socket: one more when a member goes or means something else; one
 * that is added needs none. */
#ifndef SHUNT_CONTROL_VERSIONS_H
#define SHUNT_CONTROL_VERSIONS_H

#define CONTROL_STATUS_VERSION 2
#define CONTROL_ROUTES_VERSION 2
#define CONTROL_DRAIN_VERSION 1
#define CONTROL_RELOAD_VERSION 1
#define CONTROL_EVENTS_VERSION 1

#endif

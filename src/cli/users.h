/* SPDX-License-Identifier: MIT */
/* Who still sends through a node, in words. */
#ifndef SHUNT_CLI_USERS_H
#define SHUNT_CLI_USERS_H

#include "base/buf.h"
#include <jansson.h>

/* "site-1 to 10.20.2.0/24 (site-2), laptop to ... and 3 more": of a list that isn't empty. */
void users_text(const json_t *users, struct buf *ret);

#endif

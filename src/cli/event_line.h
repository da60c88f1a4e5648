/* SPDX-License-Identifier: MIT */
/* An event as one line for people. */
#ifndef SHUNT_CLI_EVENT_LINE_H
#define SHUNT_CLI_EVENT_LINE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* width: where the line is cut, with a mark; 0: nowhere. The time of today, or the day; with the
 * whole date if is_wide. now: of the wall clock, in seconds since 1970. */
void event_line_print(FILE *f, const json_t *event, unsigned width, bool is_wide, int64_t now);

#endif

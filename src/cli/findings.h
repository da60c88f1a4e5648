/* SPDX-License-Identifier: MIT */
/* What is wrong with an inventory, for people: one block per finding, with the place in the file.
 */
#ifndef SHUNT_CLI_FINDINGS_H
#define SHUNT_CLI_FINDINGS_H

#include "mesh/check.h"
#include <stdio.h>

/* "file:line:column: error: message" per error. */
void findings_print_errors(FILE *f, const char *file, const struct mesh_errors *errors);
/* The findings of at least this severity, and a last line that counts them. */
void findings_print(FILE *f, const struct mesh_inventory *inv, const struct mesh_findings *findings,
	enum mesh_severity least);

#endif

/* SPDX-License-Identifier: MIT */
/* What docs/findings.md says of each code, made of it by finding_texts.py. */
#ifndef SHUNT_CLI_FINDING_TEXTS_H
#define SHUNT_CLI_FINDING_TEXTS_H

#include <stdbool.h>
#include <stddef.h>

struct finding_block {
	bool is_verbatim; /* an example, lines as they are; else a paragraph on one line */
	const char *text;
};

struct finding_text {
	const char *code, *severity; /* "error", "warning" */
	const struct finding_block *blocks;
	size_t n_blocks;
};

extern const struct finding_text finding_texts[];
extern const size_t n_finding_texts;

#endif

/* SPDX-License-Identifier: MIT */
#include "cli/findings.h"

#include "cli/term.h"

#define NAMED_MAX 8 /* more nodes or prefixes than this are counted, not named */

void findings_print_errors(FILE *f, const char *file, const struct mesh_errors *errors)
{
	for (size_t i = 0; i < errors->n; i++) {
		const struct mesh_error *e = &errors->items[i];

		if (e->pos.line)
			fprintf(f, "%s:%u:%u: ", file, e->pos.line, e->pos.column);
		else
			fprintf(f, "%s: ", file);
		fprintf(f, "%serror%s: %s\n", term_begin(f, TERM_RED), term_end(f, TERM_RED),
			e->message);
	}
}

static void print_nodes(FILE *f, const struct mesh_inventory *inv, const struct mesh_finding *x)
{
	for (size_t i = 0; i < x->n_nodes && i < NAMED_MAX; i++)
		fprintf(f, "%s%s", i ? ", " : " ", inv->nodes[x->nodes[i]].name);
	if (x->n_nodes > NAMED_MAX)
		fprintf(f, " and %zu more", x->n_nodes - NAMED_MAX);
}

static void print_prefixes(FILE *f, const struct mesh_finding *x)
{
	char text[IP_PREFIX_STRLEN];

	for (size_t i = 0; i < x->n_prefixes && i < NAMED_MAX; i++)
		fprintf(f, "%s%s", i ? ", " : " (", ip_prefix_format(&x->prefixes[i], text));
	if (x->n_prefixes > NAMED_MAX)
		fprintf(f, " and %zu more", x->n_prefixes - NAMED_MAX);
	if (x->n_prefixes)
		fputc(')', f);
}

static void print_finding(FILE *f, const struct mesh_inventory *inv, const struct mesh_finding *x)
{
	enum term_style style = x->severity == MESH_ERROR ? TERM_RED : TERM_YELLOW;

	if (x->pos.line)
		fprintf(f, "%s:%u:%u: ", inv->file, x->pos.line, x->pos.column);
	else
		fprintf(f, "%s: ", inv->file);
	fprintf(f, "%s%s%s: %s%s%s:", term_begin(f, style),
		x->severity == MESH_ERROR ? "error" : "warning", term_end(f, style),
		term_begin(f, TERM_BOLD), x->code, term_end(f, TERM_BOLD));
	print_nodes(f, inv, x);
	print_prefixes(f, x);
	fprintf(f, "\n    %s\n    %s\n", x->effect, x->fix);
}

void findings_print(FILE *f, const struct mesh_inventory *inv, const struct mesh_findings *findings,
	enum mesh_severity least)
{
	size_t n[] = {[MESH_WARNING] = 0, [MESH_ERROR] = 0};

	for (size_t i = 0; i < findings->n; i++) {
		n[findings->items[i].severity]++;
		if (findings->items[i].severity >= least)
			print_finding(f, inv, &findings->items[i]);
	}
	fprintf(f, "%s: %zu error%s, %zu warning%s\n", inv->file, n[MESH_ERROR],
		n[MESH_ERROR] == 1 ? "" : "s", n[MESH_WARNING], n[MESH_WARNING] == 1 ? "" : "s");
}

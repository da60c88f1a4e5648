/* SPDX-License-Identifier: MIT */
/* shunt hosts: names of the mesh for what resolves names. */
#include "mesh/hosts.h"

#include "base/mem.h"
#include "cli/cli.h"
#include "cli/findings.h"
#include <string.h>

/* -1: no such word. */
static int format_of(const char *word)
{
	for (int i = 0; i < (int)ARRAY_SIZE(mesh_hosts_words); i++)
		if (!strcmp(word, mesh_hosts_words[i]))
			return i;
	return -1;
}

static void say_left_out(const struct mesh_inventory *inv)
{
	for (size_t i = 0; i < inv->n_nodes; i++)
		if (!mesh_hosts_has_name(inv->nodes[i].name))
			cli_error("%s is left out: no host can have that name", inv->nodes[i].name);
}

static int print_hosts(const char *file, int format, const char *domain)
{
	struct mesh_inventory *inv = NULL;
	struct mesh_errors errors = {0};
	AUTO_BUF text = {0};
	int err = mesh_inventory_read(file, &inv, &errors);

	if (err) {
		findings_print_errors(stderr, file, &errors);
	} else {
		mesh_hosts_render(inv, (enum mesh_hosts_format)format, domain, &text);
		fputs(buf_str(&text), stdout);
		say_left_out(inv);
	}
	mesh_errors_done(&errors);
	mesh_inventory_free(inv);
	return err ? CLI_USAGE : CLI_OK;
}

int verb_hosts(const struct command_line *line)
{
	const char *domain = command_value(line, "domain"), *word = command_value(line, "format");
	int format = word ? format_of(word) : MESH_HOSTS_FILE;

	if (format < 0)
		return cli_usage_error(line->verb, "a format is hosts, dnsmasq or unbound");
	if (domain && !mesh_hosts_has_name(domain))
		return cli_usage_error(line->verb, "\"%s\" is no domain", domain);
	return print_hosts(line->operands[0], format, domain);
}

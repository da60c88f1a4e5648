/* SPDX-License-Identifier: MIT */
#include "base/mem.h"
#include "cli/client.h"
#include "mesh/text.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The daemon of the node if it runs on this machine, whichever others do. */
static void prefer_node(struct client_options *o, const char *node)
{
	AUTO_FREE char *path = mem_printf("/run/shunt/%s/control.sock", node);

	if (!o->run_dir && !o->node && !strchr(node, '/') && !access(path, F_OK))
		o->node = node;
}

/* What to say of a name that isn't the daemon's own node: nothing more if a peer has it, else the
 * node that was probably meant. The caller frees it. */
static char *hint_for(const json_t *status, const char *node)
{
	const char *own = client_text(status, "node"), *meant = NULL;
	unsigned best = TEXT_NO_GUESS;
	const json_t *p;
	size_t i;

	if (text_is_closer(node, own, &best))
		meant = own;
	json_array_foreach(json_object_get(status, "peers"), i, p)
	{
		const char *peer = client_text(p, "node");

		if (!strcmp(peer, node))
			return mem_strdup("");
		if (text_is_closer(node, peer, &best))
			meant = peer;
	}
	if (meant)
		return mem_printf(" (which is no peer of this node; did you mean %s?)", meant);
	return mem_strdup(" (which is no peer of this node)");
}

/* Asks first who the daemon is: a wrong name must not drain another node. */
static int is_own_node(const struct client_options *o, const char *verb, const char *node)
{
	int code;
	json_t *status = client_ask(o, "status", NULL, &code);

	if (!status)
		return code;
	code = CLI_OK;
	if (strcmp(client_text(status, "node"), node)) {
		AUTO_FREE char *hint = hint_for(status, node);

		cli_error("this is %s's daemon; run `shunt %s %s` on %s%s",
			client_text(status, "node"), verb, node, node, hint);
		code = CLI_REFUSED;
	}
	json_decref(status);
	return code;
}

static int drain_or_not(const struct command_line *line)
{
	struct client_options o;
	json_t *answer;
	const char *node = line->operands[0];
	int code = client_options_of(line, &o);

	if (code)
		return code;
	prefer_node(&o, node);
	code = is_own_node(&o, line->verb->name, node);
	if (code)
		return code;
	answer = client_ask(&o, line->verb->name, NULL, &code);
	if (!answer)
		return code;
	if (o.json)
		client_print_json(answer);
	else if (json_is_true(json_object_get(answer, "drained")))
		printf("%s is drained: its peers use it only where there is nobody else\n", node);
	else
		printf("%s is back in service\n", node);
	json_decref(answer);
	return CLI_OK;
}

int verb_drain(const struct command_line *line)
{
	return drain_or_not(line);
}

int verb_undrain(const struct command_line *line)
{
	return drain_or_not(line);
}

/* SPDX-License-Identifier: MIT */
#include "base/drain_time.h"
#include "base/mem.h"
#include "cli/client.h"
#include "cli/users.h"
#include "mesh/text.h"
#include "sys/clock.h"
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

/* --- asked ---------------------------------------------------------------------------------------
 */

static void print_answer(const struct client_options *o, const json_t *answer)
{
	const char *node = client_text(answer, "node");
	const char *until = json_string_value(json_object_get(answer, "drained_until"));

	if (o->json)
		client_print_json(answer);
	else if (json_is_true(json_object_get(answer, "drained")))
		printf("%s is drained%s%s: its peers use it only where there is nobody else\n",
			node, until ? " until " : "", until ? until : "");
	else
		printf("%s is back in service\n", node);
	fflush(stdout);
}

/* for_text: how long; NULL: nothing is said of that. The answer, or NULL and *ret_code. */
static json_t *ask(const struct command_line *line, struct client_options *o, const char *for_text,
	int *ret_code)
{
	const char *node = line->operands[0];

	*ret_code = client_options_of(line, o);
	if (*ret_code)
		return NULL;
	prefer_node(o, node);
	*ret_code = is_own_node(o, line->verb->name, node);
	if (*ret_code)
		return NULL;
	return client_ask_with(o, line->verb->name, "for", for_text, ret_code);
}

/* --- until nobody uses it ------------------------------------------------------------------------
 */

#define ASK_EVERY_US 500000

enum use { USE_UNKNOWN, USE_SOME, USE_NONE };

static enum use use_of(const json_t *status)
{
	const json_t *users = json_object_get(status, "users");

	if (!json_is_array(users))
		return USE_UNKNOWN;
	return json_array_size(users) ? USE_SOME : USE_NONE;
}

static int judge(const json_t *status, const char *wait_text)
{
	const char *node = client_text(status, "node");
	AUTO_BUF names = {0};

	if (!json_is_true(json_object_get(status, "drained"))) {
		cli_error("%s isn't drained any more", node);
		return CLI_REFUSED;
	}
	if (use_of(status) == USE_NONE)
		return CLI_OK;
	if (use_of(status) == USE_UNKNOWN) {
		cli_error("who uses %s isn't known after %s: it takes some seconds to see, or its "
			  "log says why it can't be seen",
			node, wait_text);
		return CLI_FAILED;
	}
	users_text(json_object_get(status, "users"), &names);
	cli_error("%s is still used after %s: %s", node, wait_text, buf_str(&names));
	return CLI_REFUSED;
}

/* The last answer to status, as soon as nobody uses it, or the time is over; NULL and *ret_code. */
static json_t *await(const struct client_options *o, int64_t ns, int *ret_code)
{
	instant end = instant_add(sys_now(), ns);
	json_t *status = client_ask(o, "status", NULL, ret_code);

	while (status && use_of(status) != USE_NONE && instant_before(sys_now(), end) &&
		json_is_true(json_object_get(status, "drained"))) {
		usleep(ASK_EVERY_US);
		json_decref(status);
		status = client_ask(o, "status", NULL, ret_code);
	}
	return status;
}

/* The answer to drain gets who uses it at the end. */
static int wait_for_users(
	const struct client_options *o, json_t *answer, const char *wait_text, int64_t ns)
{
	int code;
	json_t *status = await(o, ns, &code);

	if (!status)
		return code;
	code = judge(status, wait_text);
	json_object_set(answer, "drained", json_object_get(status, "drained"));
	json_object_set(answer, "users", json_object_get(status, "users"));
	if (o->json)
		client_print_json(answer);
	else if (!code)
		printf("nobody sends through it any more\n");
	json_decref(status);
	return code;
}

int verb_drain(const struct command_line *line)
{
	const char *for_text = command_value(line, "for"), *wait_text = command_value(line, "wait");
	struct client_options o;
	int64_t unused, wait_ns = 0;
	json_t *answer;
	int code;

	if (for_text && !drain_time_parse(for_text, &unused))
		return cli_usage_error(line->verb, DRAIN_TIME_ERROR, for_text);
	if (wait_text && !drain_time_parse(wait_text, &wait_ns))
		return cli_usage_error(line->verb, DRAIN_TIME_ERROR, wait_text);
	answer = ask(line, &o, for_text, &code);
	if (!answer)
		return code;
	code = CLI_OK;
	if (!wait_text || !o.json)
		print_answer(&o, answer);
	if (wait_text)
		code = wait_for_users(&o, answer, wait_text, wait_ns);
	json_decref(answer);
	return code;
}

int verb_undrain(const struct command_line *line)
{
	struct client_options o;
	int code;
	json_t *answer = ask(line, &o, NULL, &code);

	if (!answer)
		return code;
	print_answer(&o, answer);
	json_decref(answer);
	return CLI_OK;
}

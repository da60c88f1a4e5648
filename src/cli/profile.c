/* SPDX-License-Identifier: MIT */
/*
 * shunt client: a client's profile with a new key, for an app. The private key is made here, is in
 * the profile alone, and is kept nowhere else: what was lost is made anew. The inventory gets the
 * public key, in place, before anybody sees the profile.
 */
#include "mesh/profile.h"

#include "base/mem.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/inplace.h"
#include "cli/qr.h"
#include "cli/secret_file.h"
#include "mesh/edit.h"
#include "mesh/free_address.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

/* One server's profile. */
struct sheet {
	int server; /* -1: the only one, without a name */
	struct buf text;
	struct qr *qr; /* NULL: not asked for */
	struct secret_file file;
};

struct job {
	const char *name, *output;
	bool qr, dry_run, force;
	char *stated;		     /* what --address says */
	VEC(const char *) addresses; /* in it */

	struct inplace file;
	struct buf text; /* the inventory to be */
	bool is_new, had_key;
	wg_key key;
	char public_key[WG_KEY_BASE64_LEN];
	struct mesh_topology_index *topology;
	const struct mesh_node *node;
	VEC(struct sheet) sheets;
};

/* The first free address of each family that the overlay has. */
static int choose_addresses(struct job *j, char texts[2][IP_ADDR_STRLEN])
{
	static const int families[] = {AF_INET, AF_INET6};
	ip_addr a;

	if (!j->file.was)
		return inplace_say_errors(&j->file);
	for (size_t i = 0; i < ARRAY_SIZE(families); i++)
		if (mesh_free_address(j->file.was, families[i], &a))
			vec_push(&j->addresses, ip_addr_format(&a, texts[i]));
	if (j->addresses.n)
		return CLI_OK;
	cli_error("%s: no address is free in the overlay; --address states one", j->file.name);
	return CLI_REFUSED;
}

static int add_node(struct job *j)
{
	char texts[2][IP_ADDR_STRLEN];
	int code = j->addresses.n ? CLI_OK : choose_addresses(j, texts);

	if (code)
		return code;
	j->is_new = true;
	int err = mesh_edit_add_client(buf_str(&j->file.text), j->file.text.n, j->name,
		j->public_key, j->addresses.items, j->addresses.n, &j->text);

	j->addresses.n = 0;
	return err ? inplace_say_failed(&j->file, err) : CLI_OK;
}

static int change_node(struct job *j)
{
	const struct mesh_node *was =
		j->file.was ? mesh_inventory_node(j->file.was, j->name) : NULL;

	if (was && was->role != MESH_CLIENT) {
		cli_error("%s is a %s: its key is made on it, by shunt key", j->name,
			mesh_role_name(was->role));
		return CLI_REFUSED;
	}
	if (j->addresses.n) {
		cli_error("%s is in %s already, with its address", j->name, j->file.name);
		return CLI_REFUSED;
	}
	j->had_key = was && was->key_valid;
	int err = mesh_edit_set_key(
		buf_str(&j->file.text), j->file.text.n, j->name, j->public_key, &j->text);

	return err ? inplace_say_failed(&j->file, err) : CLI_OK;
}

/* The inventory to be, judged. */
static int edit(struct job *j)
{
	bool is_there = mesh_edit_has_node(buf_str(&j->file.text), j->file.text.n, j->name);
	int code = is_there ? change_node(j) : add_node(j);

	if (!code)
		code = inplace_judge(&j->file, &j->text, j->name, INPLACE_NO_ERRORS);
	if (code)
		return code;
	j->topology = mesh_topology_new(j->file.is);
	j->node = mesh_inventory_node(j->file.is, j->name);
	if (j->node && j->node->role == MESH_CLIENT)
		return CLI_OK;
	cli_error("%s is no client in %s", j->name, j->file.name);
	return CLI_REFUSED;
}

static bool read_psk(const struct mesh_link *link, wg_key *ret, void *data)
{
	return wg_key_read_file(ret, link->preshared_key_file) == 0;
}

static int say_no_psk(const struct job *j, const struct mesh_link *link)
{
	unsigned other = link->a == j->node->index ? link->b : link->a;

	cli_error("the preshared key of %s and %s isn't here: the profile holds it, so copy it "
		  "from %s "
		  "to %s, or make this profile there",
		j->name, j->file.is->nodes[other].name, j->file.is->nodes[other].name,
		link->preshared_key_file);
	return CLI_REFUSED;
}

static bool wants_code(const struct job *j)
{
	size_t n = j->output ? strlen(j->output) : 0;

	return j->qr || (n > 4 && !strcasecmp(j->output + n - 4, ".png"));
}

static int fill_sheet(struct job *j, struct sheet *s)
{
	const struct mesh_link *link = NULL;

	s->text.is_secret = true;
	if (mesh_profile_render(j->topology, j->node->index, s->server, &j->key, read_psk, NULL,
		    &s->text, &link))
		return say_no_psk(j, link);
	if (!wants_code(j) || !qr_new(buf_str(&s->text), s->text.n, &s->qr))
		return CLI_OK;
	cli_error("the profile has %zu bytes, more than any QR code holds; -o FILE writes it",
		s->text.n);
	return CLI_REFUSED;
}

static int fill_sheets(struct job *j)
{
	bool all_in_one = j->file.is->topology == MESH_FULL_MESH;
	AUTO_FREE unsigned *servers = NULL;
	size_t n = all_in_one ? 0 : mesh_servers_of(j->topology, j->node->index, &servers);
	int code = CLI_OK;

	for (size_t i = 0; i < n; i++)
		vec_push(&j->sheets, (struct sheet){.server = (int)servers[i]});
	if (!n)
		vec_push(&j->sheets, (struct sheet){.server = -1});
	for (size_t i = 0; i < j->sheets.n && !code; i++)
		code = fill_sheet(j, &j->sheets.items[i]);
	return code;
}

/* Of several, each has its server's name before the suffix. */
static char *sheet_path(const struct job *j, const struct sheet *s)
{
	const char *slash = strrchr(j->output, '/'), *dot = strrchr(j->output, '.');

	if (j->sheets.n == 1)
		return mem_strdup(j->output);
	if (!dot || dot < slash)
		dot = j->output + strlen(j->output);
	return mem_printf("%.*s-%s%s", (int)(dot - j->output), j->output,
		j->file.is->nodes[s->server].name, dot);
}

static int say_unwritten(const char *path, int err)
{
	if (err == -EEXIST) {
		cli_error("%s is there already and stays as it is; --force replaces it", path);
		return CLI_REFUSED;
	}
	cli_error("%s: %s", path, strerror(-err));
	return CLI_FAILED;
}

/* The profile, or its code as a picture, on disk but without its name. */
static int write_sheet(struct job *j, struct sheet *s)
{
	AUTO_FREE char *path = sheet_path(j, s);
	size_t n = strlen(path);
	bool png = n > 4 && !strcasecmp(path + n - 4, ".png");
	struct buf picture = {.is_secret = true};
	struct stat st;
	int err = !j->force && lstat(path, &st) == 0 ? -EEXIST : 0;

	if (!err && png)
		err = qr_png(s->qr, &picture);
	if (!err && !j->dry_run)
		err = secret_file_write(&s->file, path, png ? picture.data : s->text.data,
			png ? picture.n : s->text.n);
	buf_wipe(&picture);
	return err ? say_unwritten(path, err) : CLI_OK;
}

static int write_sheets(struct job *j)
{
	int code = CLI_OK;

	for (size_t i = 0; j->output && i < j->sheets.n && !code; i++)
		code = write_sheet(j, &j->sheets.items[i]);
	return code;
}

static int name_sheets(struct job *j)
{
	int code = CLI_OK;

	for (size_t i = 0; j->output && i < j->sheets.n; i++) {
		struct sheet *s = &j->sheets.items[i];
		int err = secret_file_name(&s->file, j->force);

		if (err)
			code = say_unwritten(s->file.path, err);
	}
	return code;
}

static void warn_of_width(const struct qr *qr)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col && w.ws_col < qr_columns(qr))
		cli_error("the code has %u columns, the terminal %u: make it wider, or write a "
			  "picture "
			  "with -o FILE.png (another run makes another key)",
			qr_columns(qr), w.ws_col);
}

static void show_codes(const struct job *j)
{
	for (size_t i = 0; j->qr && i < j->sheets.n; i++) {
		const struct sheet *s = &j->sheets.items[i];

		if (j->sheets.n > 1)
			printf("%s%s by %s:\n", i ? "\n" : "", j->name,
				j->file.is->nodes[s->server].name);
		warn_of_width(s->qr);
		qr_print(s->qr, stdout);
	}
}

/* What remains to be done, on standard error: standard output has the code alone. */
static void say_what_is_left(const struct job *j)
{
	char text[IP_ADDR_STRLEN];

	if (j->is_new) {
		cli_error("%s is new in %s:", j->name, j->file.name);
		for (size_t i = 0; i < j->node->n_addresses; i++)
			fprintf(stderr, "  address %s\n",
				ip_addr_format(&j->node->addresses[i].addr, text));
	}
	cli_error("%s has %s's public key, %s; %s it once it has reloaded", j->file.name, j->name,
		j->public_key, j->is_new ? "each node knows" : "each of its hubs takes");
	if (j->had_key)
		cli_error("the key that %s had before is refused from then on", j->name);
}

static int do_job(struct job *j)
{
	int code = edit(j);

	if (!code)
		code = fill_sheets(j);
	if (!code)
		code = write_sheets(j);
	if (!code && j->dry_run) {
		inplace_print_changes(&j->file, &j->text, stdout);
		return CLI_OK;
	}
	if (!code)
		code = inplace_replace(&j->file, &j->text);
	if (!code)
		code = name_sheets(j);
	if (code)
		return code;
	show_codes(j);
	say_what_is_left(j);
	return CLI_OK;
}

static void job_done(struct job *j)
{
	for (size_t i = 0; i < j->sheets.n; i++) {
		buf_wipe(&j->sheets.items[i].text);
		qr_free(j->sheets.items[i].qr);
		secret_file_done(&j->sheets.items[i].file);
	}
	vec_done(&j->sheets);
	vec_done(&j->addresses);
	free(j->stated);
	wg_key_wipe(&j->key);
	buf_done(&j->text);
	mesh_topology_free(j->topology);
	inplace_done(&j->file);
}

static int run_job(struct job *j, const char *file)
{
	int code = inplace_open(&j->file, file);

	if (!code) {
		wg_key_generate(&j->key);
		wg_key public_key = wg_key_public(&j->key);

		wg_key_to_base64(&public_key, j->public_key);
		code = do_job(j);
	}
	return code;
}

/* "10.0.0.5,fd10::5"; false: something in it is no address. */
static bool read_addresses(struct job *j, const char *list)
{
	char *rest = j->stated = mem_strdup(list), *word;
	ip_addr a;

	while ((word = strsep(&rest, ","))) {
		if (!ip_addr_parse(&a, word))
			return false;
		vec_push(&j->addresses, word);
	}
	return true;
}

int verb_client(const struct command_line *line)
{
	const char *addresses = command_value(line, "address");
	struct job j = {.name = line->operands[0],
		.output = command_value(line, "output"),
		.qr = command_has(line, "qr") || !command_has(line, "output"),
		.dry_run = command_has(line, "dry-run"),
		.force = command_has(line, "force"),
		.file = {.fd = -1}};
	int code = CLI_OK;

	if (j.output && !*j.output)
		code = cli_usage_error(line->verb, "-o needs the name of a file");
	else if (addresses && !read_addresses(&j, addresses))
		code = cli_usage_error(line->verb, "\"%s\" is no address", addresses);
	if (!code)
		code = run_job(&j, line->operands[1]);
	job_done(&j);
	return code;
}

/* SPDX-License-Identifier: MIT */
/* shunt render: the inventory as files, of all nodes or of none: one for wg-quick, and those of a
 * routing engine. */
#include "mesh/render.h"

#include "base/mem.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/findings.h"
#include "cli/outdir.h"
#include "cli/term.h"
#include "mesh/check.h"
#include "mesh/render_routing.h"
#include "mesh/stale.h"
#include <errno.h>
#include <jansson.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct job {
	const char *file, *dir, *node_name;
	bool prune, json;

	struct mesh_inventory *inv;
	struct mesh_topology_index *topology;
	struct outdir *out;
	char **gone; /* "node/file" */
	size_t n_gone;
	size_t n_pruned;   /* of them, from the first on */
	VEC(char *) stale; /* sentences about clients' files */
};

/* Until the renames begin, a signal ends the run as an error does: without a trace. */
static volatile sig_atomic_t interrupted;

static void on_signal(int signo)
{
	interrupted = signo;
}

static void catch_signals(void)
{
	static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
	struct sigaction action = {.sa_handler = on_signal}, old;

	for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
		if (sigaction(signals[i], NULL, &old) == 0 && old.sa_handler != SIG_IGN)
			sigaction(signals[i], &action, NULL);
}

static int read_inventory(struct job *j)
{
	struct mesh_errors errors = {0};
	int err = mesh_inventory_read(j->file, &j->inv, &errors);

	if (err)
		findings_print_errors(stderr, j->file, &errors);
	mesh_errors_done(&errors);
	return err ? CLI_USAGE : CLI_OK;
}

static int judge(struct job *j)
{
	struct mesh_findings findings = {0};
	size_t n_warnings = 0;
	int code = CLI_OK;

	mesh_check(j->topology, &findings);
	if (mesh_findings_have_errors(&findings)) {
		findings_print(stderr, j->inv, &findings, MESH_ERROR);
		cli_error("%s has errors: nothing was written", j->file);
		code = CLI_REFUSED;
	}
	for (size_t i = 0; i < findings.n; i++)
		n_warnings += findings.items[i].severity == MESH_WARNING;
	if (code == CLI_OK && n_warnings)
		cli_error("%zu warning%s: shunt check %s shows %s", n_warnings,
			n_warnings == 1 ? "" : "s", j->file, n_warnings == 1 ? "it" : "them");
	mesh_findings_done(&findings);
	return code;
}

static int unknown_node(const struct job *j)
{
	const char *near = mesh_inventory_guess(j->inv, j->node_name);

	cli_error("%s has no node \"%s\"%s%s%s", j->file, j->node_name,
		near ? ", did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	return CLI_USAGE;
}

static int say_failed(const struct job *j, int err)
{
	cli_error("%s: %s; nothing was changed", outdir_where(j->out), strerror(-err));
	return CLI_FAILED;
}

struct renderers {
	struct mesh_renderer *wg_quick;
	struct mesh_engine_renderer *engine;
	struct buf text;
};

static int put_engine(struct job *j, struct renderers *r, const struct mesh_node *n)
{
	int err = 0;

	for (int f = 0; f < MESH_N_ENGINE_FILES && !err; f++) {
		const char *name = mesh_engine_file_name(n, f);

		if (!name)
			continue;
		buf_reset(&r->text);
		mesh_render_engine(r->engine, n->index, f, &r->text);
		err = outdir_put(j->out, n->name, name, r->text.data, r->text.n);
	}
	return err;
}

/* Of a client that has such a file already: whoever took it there has to take the new one. */
static void note_stale(struct job *j, const struct mesh_node *n, const char *file, const char *text)
{
	AUTO_BUF was = {0}, what = {0};

	if (n->role != MESH_CLIENT || !outdir_get(j->out, n->name, file, &was))
		return;
	mesh_stale_difference(buf_str(&was), text, &what);
	if (what.n)
		vec_push(&j->stale, mem_printf("%s's file is stale: %s", n->name, buf_str(&what)));
}

static int put_node(struct job *j, struct renderers *r, unsigned node)
{
	const struct mesh_node *n = &j->inv->nodes[node];
	AUTO_FREE char *name = mem_printf("%s.conf", n->interface);
	int err;

	buf_reset(&r->text);
	mesh_render_node(r->wg_quick, node, &r->text);
	note_stale(j, n, name, buf_str(&r->text));
	err = outdir_put(j->out, n->name, name, r->text.data, r->text.n);
	return err ? err : put_engine(j, r, n);
}

static int put_all(struct job *j, size_t first, size_t n)
{
	struct renderers r = {
		.wg_quick = mesh_renderer_new(j->topology),
		.engine = mesh_engine_renderer_new(j->topology),
	};
	struct term_progress progress;
	int err = 0;

	term_progress_start(&progress, "rendering", n);
	for (size_t i = 0; i < n && !err && !interrupted; i++) {
		err = put_node(j, &r, (unsigned)(first + i));
		term_progress_at(&progress, i);
	}
	term_progress_end(&progress);
	mesh_renderer_free(r.wg_quick);
	mesh_engine_renderer_free(r.engine);
	buf_done(&r.text);
	return err;
}

static int write_files(struct job *j)
{
	size_t first = 0, n = j->inv->n_nodes;
	int err;

	if (j->node_name) {
		const struct mesh_node *node = mesh_inventory_node(j->inv, j->node_name);

		if (!node)
			return unknown_node(j);
		first = node->index;
		n = 1;
	}
	err = outdir_open(j->dir, &j->out);
	if (err == -EBUSY)
		cli_error("%s: another shunt render is writing there", j->dir);
	else if (err)
		cli_error("%s: %s", j->dir, strerror(-err));
	if (err)
		return CLI_FAILED;
	err = put_all(j, first, n);
	if (err)
		return say_failed(j, err);
	if (interrupted) {
		cli_error("interrupted; nothing was changed");
		return CLI_FAILED;
	}
	err = outdir_commit(j->out);
	return err ? say_failed(j, err) : CLI_OK;
}

static bool has_file(const struct mesh_node *node, const char *file)
{
	size_t n = strlen(node->interface);

	if (!strncmp(file, node->interface, n) && !strcmp(file + n, ".conf"))
		return true;
	for (int f = 0; f < MESH_N_ENGINE_FILES; f++) {
		const char *name = mesh_engine_file_name(node, f);

		if (name && !strcmp(file, name))
			return true;
	}
	return false;
}

/* A file that this program made for this mesh, and that no node of it has any more. */
static bool is_gone(const struct outdir_file *f, void *data)
{
	const struct job *j = data;
	const struct mesh_node *node = mesh_inventory_node(j->inv, f->group);
	AUTO_BUF mark = {0};

	if (node && has_file(node, f->file))
		return false;
	mesh_render_mark(j->inv, f->group, &mark);
	return outdir_begins_with(f, mark.data, mark.n);
}

static int deal_with_gone(struct job *j)
{
	int err = outdir_list(j->out, is_gone, j, &j->gone, &j->n_gone);

	for (size_t i = 0; !err && j->prune && i < j->n_gone; i++) {
		err = outdir_remove(j->out, j->gone[i]);
		j->n_pruned += !err;
	}
	if (err)
		cli_error("%s: %s; the files of all nodes are written", outdir_where(j->out),
			strerror(-err));
	return err ? CLI_FAILED : CLI_OK;
}

static void report_text(const struct job *j)
{
	size_t n = outdir_n_written(j->out);

	printf("%s: %zu file%s written, %zu unchanged\n", j->dir, n, n == 1 ? "" : "s",
		outdir_n_unchanged(j->out));
	for (size_t i = 0; i < j->n_gone; i++)
		printf("%s/%s: no node has it any more, %s\n", j->dir, j->gone[i],
			i < j->n_pruned ? "removed" : "--prune removes it");
	for (size_t i = 0; i < j->stale.n; i++)
		printf("%s\n", j->stale.items[i]);
}

static void report_json(const struct job *j)
{
	json_t *written = json_array(), *gone = json_array();

	for (size_t i = 0; i < outdir_n_written(j->out); i++)
		json_array_append_new(written, json_string(outdir_written(j->out, i)));
	for (size_t i = 0; i < j->n_gone; i++)
		json_array_append_new(gone,
			json_pack("{s:s, s:b}", "file", j->gone[i], "removed", i < j->n_pruned));
	json_t *stale = json_array();

	for (size_t i = 0; i < j->stale.n; i++)
		json_array_append_new(stale, json_string(j->stale.items[i]));
	json_t *all = json_pack("{s:s, s:o, s:I, s:o, s:o}", "directory", j->dir, "written",
		written, "unchanged", (json_int_t)outdir_n_unchanged(j->out), "gone", gone, "stale",
		stale);
	json_dumpf(all, stdout, JSON_INDENT(2));
	putchar('\n');
	json_decref(all);
}

static int do_job(struct job *j)
{
	int code = read_inventory(j);

	if (code)
		return code;
	j->topology = mesh_topology_new(j->inv);
	code = judge(j);
	if (!code)
		code = write_files(j);
	if (code)
		return code;
	code = deal_with_gone(j);
	if (j->json)
		report_json(j);
	else
		report_text(j);
	return code;
}

static void job_done(struct job *j)
{
	for (size_t i = 0; i < j->n_gone; i++)
		free(j->gone[i]);
	free(j->gone);
	for (size_t i = 0; i < j->stale.n; i++)
		free(j->stale.items[i]);
	vec_done(&j->stale);
	outdir_close(j->out);
	mesh_topology_free(j->topology);
	mesh_inventory_free(j->inv);
}

int verb_render(const struct command_line *line)
{
	struct job j = {
		.file = line->operands[0],
		.dir = command_value(line, "output"),
		.node_name = command_value(line, "node"),
		.prune = command_has(line, "prune"),
		.json = command_has(line, "json"),
	};

	if (!*j.dir)
		return cli_usage_error(line->verb, "-o DIR is needed");
	catch_signals();
	int code = do_job(&j);
	job_done(&j);
	return code;
}

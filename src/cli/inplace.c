/* SPDX-License-Identifier: MIT */
#include "cli/inplace.h"

#include "base/mem.h"
#include "base/vec.h"
#include "cli/cli.h"
#include "cli/findings.h"
#include "cli/secret_file.h"
#include "mesh/check.h"
#include "mesh/yaml.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP (256u << 10)

static int read_text(int fd, struct buf *text)
{
	ssize_t n;

	do {
		n = read(fd, buf_room(text, READ_STEP), READ_STEP);
		if (n < 0 && errno != EINTR)
			return -errno;
		text->n += n > 0 ? (size_t)n : 0;
	} while (n && text->n <= YAML_SIZE_MAX);
	return text->n > YAML_SIZE_MAX ? -EFBIG : 0;
}

/* True if the name still leads to what is open: another run may have replaced it. */
static bool is_current(const struct inplace *p)
{
	struct stat open_one, named;

	return fstat(p->fd, &open_one) == 0 && stat(p->path, &named) == 0 &&
	       open_one.st_dev == named.st_dev && open_one.st_ino == named.st_ino;
}

/* Open and locked; a file system without locks isn't a reason to refuse. */
static int open_locked(struct inplace *p)
{
	struct stat st;

	for (;;) {
		p->fd = open(p->path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
		if (p->fd < 0)
			return -errno;
		if (fstat(p->fd, &st))
			return -errno;
		if (!S_ISREG(st.st_mode))
			return -EINVAL;
		flock(p->fd, LOCK_EX);
		if (is_current(p))
			return 0;
		close(p->fd);
	}
}

int inplace_open(struct inplace *p, const char *name)
{
	struct mesh_errors errors = {0};

	*p = (struct inplace){.name = name, .path = realpath(name, NULL), .fd = -1};
	int err = p->path ? open_locked(p) : -errno;

	if (!err)
		err = read_text(p->fd, &p->text);
	if (err) {
		cli_error("%s: %s", name,
			err == -EINVAL ? "not a file that could be changed in place"
				       : strerror(-err));
		return CLI_USAGE;
	}
	mesh_inventory_parse(name, buf_str(&p->text), p->text.n, &p->was, &errors);
	mesh_errors_done(&errors);
	return CLI_OK;
}

void inplace_done(struct inplace *p)
{
	if (p->fd >= 0)
		close(p->fd);
	buf_done(&p->text);
	mesh_inventory_free(p->was);
	mesh_inventory_free(p->is);
	free(p->path);
}

static int parse_or_say(
	const struct inplace *p, const struct buf *text, struct mesh_inventory **ret)
{
	struct mesh_errors errors = {0};
	int err = mesh_inventory_parse(p->name, buf_str(text), text->n, ret, &errors);

	if (err)
		findings_print_errors(stderr, p->name, &errors);
	mesh_errors_done(&errors);
	return err;
}

int inplace_say_errors(const struct inplace *p)
{
	struct mesh_inventory *inv = NULL;

	parse_or_say(p, &p->text, &inv);
	mesh_inventory_free(inv);
	return CLI_USAGE;
}

int inplace_say_failed(const struct inplace *p, int err)
{
	if (err == -EINVAL)
		return inplace_say_errors(p);
	cli_error(
		"%s: the place isn't one that can be changed by itself (several things in a line, "
		"or a value over several); it stays as it is",
		p->name);
	return CLI_REFUSED;
}

static bool is_same(const struct mesh_node *a, const struct mesh_node *b)
{
	return !strcmp(a->name, b->name) && a->role == b->role &&
	       !strcmp(a->public_key_text, b->public_key_text) &&
	       a->n_addresses == b->n_addresses && a->n_networks == b->n_networks;
}

/* All nodes but that one are what they were, in their order. */
static bool are_others_same(
	const struct mesh_inventory *a, const struct mesh_inventory *b, const char *node)
{
	size_t i = 0, k = 0;

	for (;; i++, k++) {
		i += i < a->n_nodes && !strcmp(a->nodes[i].name, node);
		k += k < b->n_nodes && !strcmp(b->nodes[k].name, node);
		if (i == a->n_nodes || k == b->n_nodes)
			return i == a->n_nodes && k == b->n_nodes;
		if (!is_same(&a->nodes[i], &b->nodes[k]))
			return false;
	}
}

/* All of the nodes that b names, a does. */
static bool names_all(const struct mesh_inventory *of_a, const struct mesh_finding *a,
	const struct mesh_inventory *of_b, const struct mesh_finding *b)
{
	for (size_t i = 0; i < b->n_nodes; i++) {
		const char *name = of_b->nodes[b->nodes[i]].name;
		size_t k = 0;

		while (k < a->n_nodes && strcmp(of_a->nodes[a->nodes[k]].name, name) != 0)
			k++;
		if (k == a->n_nodes)
			return false;
	}
	return true;
}

/* Takes one error out of those of before that this one may be, of fewer nodes perhaps. */
static bool was_there(const struct inplace *p, const struct mesh_finding *f,
	const struct mesh_findings *before, bool *taken)
{
	for (size_t i = 0; i < before->n; i++) {
		const struct mesh_finding *b = &before->items[i];

		if (taken[i] || b->severity != MESH_ERROR || strcmp(b->code, f->code) != 0 ||
			!names_all(p->was, b, p->is, f))
			continue;
		return taken[i] = true;
	}
	return false;
}

/* Errors only; items of after. */
static void part_errors(const struct inplace *p, const struct mesh_findings *after,
	struct mesh_findings *ret_old, struct mesh_findings *ret_new)
{
	struct mesh_findings before = {0};
	struct mesh_topology_index *t = mesh_topology_new(p->was);
	AUTO_FREE bool *taken = NULL;

	mesh_check(t, &before);
	taken = mem_zalloc(before.n + 1, sizeof(*taken));
	for (size_t i = 0; i < after->n; i++) {
		const struct mesh_finding *f = &after->items[i];

		if (f->severity != MESH_ERROR)
			continue;
		if (was_there(p, f, &before, taken))
			vec_push(ret_old, *f);
		else
			vec_push(ret_new, *f);
	}
	mesh_findings_done(&before);
	mesh_topology_free(t);
}

static int refuse(const struct inplace *p, const struct mesh_findings *findings)
{
	findings_print(stderr, p->is, findings, MESH_ERROR);
	cli_error("with that change %s would have errors; it stays as it is", p->name);
	return CLI_REFUSED;
}

/* What was wrong before is no reason to leave in what is to be out. */
static int judge_change(const struct inplace *p, const struct mesh_findings *findings)
{
	struct mesh_findings old = {0}, new = {0};
	int code = CLI_OK;

	part_errors(p, findings, &old, &new);
	if (new.n) {
		code = refuse(p, &new);
	} else if (old.n) {
		findings_print(stderr, p->is, &old, MESH_ERROR);
		cli_error("%s had %s before, and has %s still", p->name,
			old.n == 1 ? "that error" : "these errors", old.n == 1 ? "it" : "them");
	}
	vec_done(&old);
	vec_done(&new);
	return code;
}

static int judge_mesh(const struct inplace *p, enum inplace_bar bar)
{
	struct mesh_topology_index *t = mesh_topology_new(p->is);
	struct mesh_findings findings = {0};
	int code = CLI_OK;

	mesh_check(t, &findings);
	if (mesh_findings_have_errors(&findings))
		code = bar == INPLACE_NO_NEW_ERRORS && p->was ? judge_change(p, &findings)
							      : refuse(p, &findings);
	mesh_findings_done(&findings);
	mesh_topology_free(t);
	return code;
}

int inplace_judge(struct inplace *p, const struct buf *text, const char *node, enum inplace_bar bar)
{
	if (parse_or_say(p, text, &p->is)) {
		cli_error("%s stays as it is", p->name);
		return p->was ? CLI_REFUSED : CLI_USAGE;
	}
	if (p->was && !are_others_same(p->was, p->is, node))
		return inplace_say_failed(p, -ENOTSUP);
	return judge_mesh(p, bar);
}

/* The new file beside the old one, as the old one is. */
static int write_aside(const struct inplace *p, const struct buf *text, char *aside)
{
	struct stat st;
	int fd = mkostemp(aside, O_CLOEXEC), err = 0;

	if (fd < 0)
		return -errno;
	if (fstat(p->fd, &st) || fchown(fd, st.st_uid, st.st_gid) || fchmod(fd, st.st_mode & 07777))
		err = -errno;
	if (!err)
		err = write_synced(fd, text->data, text->n);
	if (close(fd) && !err)
		err = -errno;
	if (err)
		unlink(aside);
	return err;
}

/* Written by an editor since it was read. */
static bool has_changed(const struct inplace *p)
{
	AUTO_BUF now = {0};

	if (!is_current(p) || lseek(p->fd, 0, SEEK_SET) || read_text(p->fd, &now))
		return true;
	return now.n != p->text.n || memcmp(buf_str(&now), buf_str(&p->text), now.n) != 0;
}

int inplace_replace(struct inplace *p, const struct buf *text)
{
	AUTO_FREE char *aside = mem_printf("%s.XXXXXX", p->path);

	if (has_changed(p)) {
		cli_error("%s was changed by somebody else just now; it stays as it is", p->name);
		return CLI_FAILED;
	}
	int err = write_aside(p, text, aside);

	if (!err && rename(aside, p->path)) {
		err = -errno;
		unlink(aside);
	}
	if (!err)
		err = sync_folder_of(p->path);
	if (err)
		cli_error("%s: %s", p->name, strerror(-err));
	return err ? CLI_FAILED : CLI_OK;
}

struct lines {
	const char *at, *end;
};

static size_t line_len(const struct lines *l)
{
	const char *newline = memchr(l->at, '\n', (size_t)(l->end - l->at));

	return newline ? (size_t)(newline - l->at) + 1 : (size_t)(l->end - l->at);
}

static bool is_same_line(const struct lines *a, const struct lines *b)
{
	size_t n = line_len(a);

	return n == line_len(b) && !memcmp(a->at, b->at, n);
}

static void print_line(struct lines *l, char mark, FILE *f)
{
	size_t n = line_len(l);

	fprintf(f, "%c %.*s", mark, (int)n, l->at);
	if (n && l->at[n - 1] != '\n')
		fputc('\n', f);
	l->at += n;
}

/* True if the line comes at all in what is left of the other text. */
static bool comes(const struct lines *line, struct lines other)
{
	for (; other.at < other.end; other.at += line_len(&other))
		if (is_same_line(line, &other))
			return true;
	return false;
}

void inplace_print_changes(const struct inplace *p, const struct buf *text, FILE *f)
{
	struct lines was = {buf_str(&p->text), buf_str(&p->text) + p->text.n};
	struct lines is = {buf_str(text), buf_str(text) + text->n};

	while (was.at < was.end || is.at < is.end) {
		bool both = was.at < was.end && is.at < is.end;

		if (both && is_same_line(&was, &is)) {
			was.at += line_len(&was);
			is.at += line_len(&is);
		} else if (was.at < was.end && (!both || comes(&is, was) || !comes(&was, is))) {
			print_line(&was, '-', f);
		} else {
			print_line(&is, '+', f);
		}
	}
}

/* SPDX-License-Identifier: MIT */
#include "mesh/yaml.h"

#include "mesh/errors.h"
#include "mesh/text.h"
#include <errno.h>
#include <libfyaml.h>
#include <string.h>

#define DEPTH_MAX 16		/* an inventory needs six */
#define NODES_MAX (4u << 20)	/* a mesh of 150,000 nodes; bounds the memory of a tree */
#define SCALAR_MAX (64u * 1024) /* of one value or key */
/*
 * libfyaml holds back what might be a key until it knows, at up to 500 bytes a character: a flow
 * collection until the end of its line, a quoted text until its end. This and the cap on what
 * stands in one line keep a hostile file below a gigabyte.
 */
#define SILENCE_MAX (4u << 20) /* bytes read without an event */

/* A map or list that is still open. */
struct frame {
	struct yaml_node *node;
	struct yaml_node *last; /* child */
	struct yaml_node *key;	/* of the child to come, in a map; NULL: the key is to come */
};

struct builder {
	struct arena *arena;
	struct mesh_errors *errors;
	struct frame stack[DEPTH_MAX];
	unsigned depth;
	struct yaml_node *root;
	size_t n_nodes;
	const char *text; /* what is left for libfyaml to read */
	size_t left;
	size_t left_at_event;		 /* when it last had something to say */
	bool starved;			 /* SILENCE_MAX was passed */
	bool refused_alias, refused_tag; /* said once: a file that uses them uses them often */
	bool stop;
};

static struct frame *top(struct builder *b)
{
	return b->depth ? &b->stack[b->depth - 1] : NULL;
}

static void stop(struct builder *b, struct mesh_pos pos, const char *why)
{
	mesh_errors_add(b->errors, pos, "%s", why);
	b->stop = true;
}

/* libfyaml's mark of a quoted text stands behind the quote, that of an alias behind the star. */
static bool is_marked_late(struct fy_event *e)
{
	struct fy_token *token = fy_event_get_token(e);
	enum fy_scalar_style style;

	if (e->type == FYET_ALIAS)
		return true;
	if (e->type != FYET_SCALAR || !token)
		return false;
	style = fy_token_scalar_style(token);
	return style == FYSS_SINGLE_QUOTED || style == FYSS_DOUBLE_QUOTED;
}

/* Of the last key, item or container that was read. */
static struct mesh_pos last_pos(struct builder *b)
{
	struct frame *f = top(b);

	if (!f)
		return (struct mesh_pos){1, 1};
	return f->key ? f->key->pos : f->last ? f->last->pos : f->node->pos;
}

/* Where the event begins; what has no place of its own gets that of its key or container. */
static struct mesh_pos event_pos(struct builder *b, struct fy_event *e)
{
	const struct fy_mark *m = fy_event_start_mark(e);

	if (m && m->line >= 0 && m->column >= 0)
		return (struct mesh_pos){(uint32_t)m->line + 1,
			(uint32_t)m->column + (is_marked_late(e) && m->column ? 0 : 1)};
	return last_pos(b);
}

static const struct yaml_node *key_for_child(struct builder *b)
{
	struct frame *f = top(b);

	if (!f)
		return NULL;
	return f->node->kind == YAML_MAP ? f->key : f->node->key;
}

static struct yaml_node *new_node(struct builder *b, enum yaml_kind kind, struct fy_event *e)
{
	struct yaml_node *n = arena_new(b->arena, struct yaml_node);

	n->kind = kind;
	n->pos = event_pos(b, e);
	n->key = key_for_child(b);
	n->is_item = top(b) && top(b)->node->kind == YAML_LIST;
	if (++b->n_nodes > NODES_MAX)
		stop(b, n->pos, "too many values for an inventory");
	return n;
}

static void append_child(struct frame *f, struct yaml_node *n)
{
	if (f->last)
		f->last->next = n;
	else
		f->node->first = n;
	f->last = n;
	f->node->n++;
}

/* A finished node takes its place: as the root, an item, a key or a value. */
static void place(struct builder *b, struct yaml_node *n)
{
	struct frame *f = top(b);

	if (!f) {
		b->root = n;
	} else if (f->node->kind != YAML_MAP) {
		append_child(f, n);
	} else if (!f->key) {
		f->key = n;
		if (n->kind != YAML_SCALAR && n->kind != YAML_BAD) {
			mesh_errors_add(b->errors, n->pos, "a key must be text, not a %s",
				n->kind == YAML_MAP ? "map" : "list");
			n->kind = YAML_BAD;
		}
	} else {
		if (f->key->kind != YAML_BAD)
			append_child(f, n);
		f->key = NULL;
	}
}

/* Anchors and tags are refused wherever they stand. */
static void refuse_properties(struct builder *b, struct fy_event *e)
{
	struct mesh_pos pos = event_pos(b, e);

	if (fy_event_get_anchor_token(e) && !b->refused_alias) {
		b->refused_alias = true;
		mesh_errors_add(b->errors, pos,
			"anchors and aliases (`&name`, `*name`) can't be used in an inventory; "
			"what "
			"nodes have in common goes under `defaults`");
	}
	if (fy_event_get_tag_token(e) && !b->refused_tag) {
		b->refused_tag = true;
		mesh_errors_add(b->errors, pos,
			"tags (`!name`) can't be used in an inventory; a text that looks like a "
			"number wants quotes");
	}
}

static void take_alias(struct builder *b, struct fy_event *e)
{
	struct yaml_node *n = new_node(b, YAML_BAD, e);

	if (!b->refused_alias)
		mesh_errors_add(b->errors, n->pos,
			"anchors and aliases (`&name`, `*name`) can't be used in an inventory; "
			"what "
			"nodes have in common goes under `defaults`; a text that begins with `*` "
			"wants quotes");
	b->refused_alias = true;
	place(b, n);
}

static void take_scalar(struct builder *b, struct fy_event *e)
{
	struct yaml_node *n = new_node(b, YAML_SCALAR, e);
	struct fy_token *token = fy_event_get_token(e);
	const char *text = "";
	char *copy;
	size_t len = 0;

	refuse_properties(b, e);
	n->plain = true;
	if (token) {
		n->plain = fy_token_scalar_style(token) == FYSS_PLAIN;
		text = fy_token_get_text(token, &len);
	}
	if (!text || len > SCALAR_MAX) {
		mesh_errors_add(b->errors, n->pos, "this text is too long");
		n->kind = YAML_BAD;
	} else if (len && memchr(text, '\0', len)) {
		mesh_errors_add(b->errors, n->pos, "a text can't hold a zero byte");
		n->kind = YAML_BAD;
	} else {
		copy = arena_alloc(b->arena, len + 1);
		if (len)
			memcpy(copy, text, len);
		n->text = copy;
		n->n = (uint32_t)len;
	}
	place(b, n);
}

static void open_container(struct builder *b, struct fy_event *e, enum yaml_kind kind)
{
	struct yaml_node *n = new_node(b, kind, e);

	refuse_properties(b, e);
	if (b->depth == DEPTH_MAX)
		stop(b, n->pos, "nested deeper than any inventory is");
	else
		b->stack[b->depth++] = (struct frame){.node = n};
}

static void close_container(struct builder *b)
{
	struct yaml_node *n = b->stack[--b->depth].node;

	place(b, n);
}

static void start_document(struct builder *b, struct fy_event *e)
{
	if (b->root)
		stop(b, event_pos(b, e),
			"an inventory is one document, and here begins a second (`---`)");
}

static void take_event(struct builder *b, struct fy_event *e)
{
	switch (e->type) {
	case FYET_DOCUMENT_START:
		start_document(b, e);
		break;
	case FYET_MAPPING_START:
		open_container(b, e, YAML_MAP);
		break;
	case FYET_SEQUENCE_START:
		open_container(b, e, YAML_LIST);
		break;
	case FYET_MAPPING_END:
	case FYET_SEQUENCE_END:
		close_container(b);
		break;
	case FYET_SCALAR:
		take_scalar(b, e);
		break;
	case FYET_ALIAS:
		take_alias(b, e);
		break;
	default:
		break;
	}
}

/* What libfyaml found wrong, in its words; its columns and lines count from 1 here. */
static void take_diagnostics(struct builder *b, struct fy_diag *diag)
{
	struct frame *f = top(b);
	struct fy_diag_error *err;
	void *cursor = NULL;
	size_t before = b->errors->n;

	while ((err = fy_diag_errors_iterate(diag, &cursor))) {
		struct mesh_pos pos = {err->line > 0 ? (uint32_t)err->line : 0,
			err->column > 0 ? (uint32_t)err->column : 0};

		if (f && err->msg && strstr(err->msg, "without a closing"))
			mesh_errors_add(b->errors, pos, "%s; it began on line %u", err->msg,
				f->node->pos.line);
		else
			mesh_errors_add(
				b->errors, pos, "%s", err->msg ? err->msg : "not valid YAML");
	}
	if (b->errors->n == before)
		mesh_errors_add(b->errors, f ? f->node->pos : (struct mesh_pos){1, 1},
			"not valid YAML somewhere after this place");
}

/* Nothing is to reach standard error. */
static void drop_output(struct fy_diag *diag, void *user, const char *text, size_t len)
{
}

static struct fy_diag *new_diag(void)
{
	struct fy_diag_cfg cfg;
	struct fy_diag *diag;

	fy_diag_cfg_default(&cfg);
	cfg.fp = NULL;
	cfg.output_fn = drop_output;
	cfg.level = FYET_ERROR;
	cfg.colorize = false;
	diag = fy_diag_create(&cfg);
	if (diag)
		fy_diag_set_collect_errors(diag, true);
	return diag;
}

/* Hands out text; ends it early where the parser takes too much without telling what it is. */
static ssize_t feed(void *user, void *to, size_t n)
{
	struct builder *b = user;

	if (b->left_at_event - b->left > SILENCE_MAX) {
		b->starved = true;
		return 0;
	}
	if (n > b->left)
		n = b->left;
	memcpy(to, b->text, n);
	b->text += n;
	b->left -= n;
	return (ssize_t)n;
}

static void finish(struct builder *b, struct fy_parser *parser, struct fy_diag *diag)
{
	if (b->starved) {
		stop(b, last_pos(b), "what begins after this place is too long for an inventory");
	} else if (fy_parser_get_stream_error(parser) || fy_diag_got_error(diag)) {
		take_diagnostics(b, diag);
		b->stop = true;
	}
}

static void run_parser(struct builder *b, struct fy_parser *parser, struct fy_diag *diag)
{
	struct fy_event *e;

	if (fy_parser_set_input_callback(parser, b, feed)) {
		take_diagnostics(b, diag);
		b->stop = true;
		return;
	}
	while (!b->stop && !b->starved && (e = fy_parser_parse(parser))) {
		b->left_at_event = b->left;
		take_event(b, e);
		fy_parser_event_free(parser, e);
	}
	if (!b->stop)
		finish(b, parser, diag);
}

static void build(struct builder *b)
{
	struct fy_diag *diag = new_diag();
	struct fy_parse_cfg cfg = {
		.search_path = "",
		.flags = FYPCF_QUIET | FYPCF_ALLOW_DUPLICATE_KEYS | FYPCF_DEFAULT_VERSION_1_2 |
			 FYPCF_JSON_NONE,
		.diag = diag,
	};
	struct fy_parser *parser = diag ? fy_parser_create(&cfg) : NULL;

	if (parser)
		run_parser(b, parser, diag);
	else
		stop(b, (struct mesh_pos){0}, "out of memory");
	fy_parser_destroy(parser);
	fy_diag_destroy(diag);
}

const struct yaml_node *yaml_parse(
	struct arena *a, const char *text, size_t len, struct mesh_errors *errors)
{
	struct builder b = {.arena = a, .errors = errors};

	if (len > YAML_SIZE_MAX) {
		mesh_errors_add(errors, (struct mesh_pos){0},
			"larger than %u MiB, which no inventory is", YAML_SIZE_MAX >> 20);
		return NULL;
	}
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3)) { /* a byte order mark */
		text += 3;
		len -= 3;
	}
	if (!yaml_check_bytes(text, len, errors))
		return NULL;
	b.text = text;
	b.left = b.left_at_event = len;
	build(&b);
	if (b.stop)
		return NULL;
	if (!b.root)
		mesh_errors_add(errors, (struct mesh_pos){1, 1}, "the inventory is empty");
	return b.root;
}

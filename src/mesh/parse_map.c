/* SPDX-License-Identifier: MIT */
#include "mesh/parse.h"

#include "base/buf.h"
#include "base/mem.h"
#include "mesh/errors.h"
#include "mesh/text.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* What other tools call it, and what people write: the key that is meant. */
static const char *const synonyms[][2] = {
	{"addresses", "address"},
	{"ip", "address"},
	{"allowed_ips", "networks"},
	{"allowedips", "networks"},
	{"routes", "networks"},
	{"subnets", "networks"},
	{"key", "public_key"},
	{"pubkey", "public_key"},
	{"port", "listen_port"},
	{"persistent_keepalive", "keepalive"},
	{"persistentkeepalive", "keepalive"},
	{"private_key", "private_key_file"},
	{"privatekey", "private_key_file"},
	{"preshared_key", "preshared_key_file"},
	{"presharedkey", "preshared_key_file"},
	{"psk", "preshared_key_file"},
	{"peers", "nodes"},
	{"hosts", "nodes"},
	{"type", "role"},
	{"name", "mesh"},
	{"as", "asn"},
	{"local_as", "asn"},
	{"nameserver", "dns"},
	{"nameservers", "dns"},
	{"resolvers", "dns"},
	{"revoke", "revoked"},
	{"announce", "may_announce"},
	{"announces", "may_announce"},
};

static const struct parse_field *field_of(
	const struct parse_field *fields, size_t n, const char *key)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(fields[i].key, key))
			return &fields[i];
	return NULL;
}

static const struct parse_field *guess(const struct parse_field *fields, size_t n, const char *key)
{
	const struct parse_field *found = NULL;
	unsigned best = TEXT_NO_GUESS;

	for (size_t i = 0; i < n; i++)
		if (text_is_closer(key, fields[i].key, &best))
			found = &fields[i];
	for (size_t i = 0; i < ARRAY_SIZE(synonyms) && !found; i++)
		if (!strcasecmp(key, synonyms[i][0]))
			found = field_of(fields, n, synonyms[i][1]);
	return found;
}

static void refuse_unknown(
	struct parse *p, const struct yaml_node *key, const struct parse_field *fields, size_t n)
{
	const struct parse_field *meant = guess(fields, n, key->text);
	const char *quoted = text_quote(p->scratch, key->text, key->n);
	const char *home = parse_home_of(key->text);
	AUTO_BUF hint = {0};

	if (!strcmp(key->text, "<<")) {
		buf_puts(&hint, "what nodes have in common goes under `defaults`");
	} else if (meant) {
		buf_printf(&hint, "did you mean `%s`?", meant->key);
	} else if (home) {
		buf_printf(&hint, "it stands %s", home);
	} else {
		buf_puts(&hint, "allowed are ");
		for (size_t i = 0; i < n; i++)
			buf_printf(&hint, "%s`%s`", i ? ", " : "", fields[i].key);
	}
	mesh_errors_add(
		p->errors, key->pos, "unknown key %s%s; %s", quoted, p->where, buf_str(&hint));
}

static void require(struct parse *p, const struct yaml_node *map, const struct parse_field *field)
{
	struct mesh_pos pos = map->key && !map->is_item ? map->key->pos : map->pos;

	mesh_errors_add(p->errors, pos, "required key `%s` is missing%s", field->key, p->where);
}

bool parse_is_full(const struct parse *p)
{
	return p->errors->n > MESH_ERRORS_MAX;
}

bool parse_is_map(struct parse *p, const struct yaml_node *value)
{
	if (value->kind != YAML_MAP)
		parse_refuse(p, value, "a map of keys and values");
	return value->kind == YAML_MAP;
}

void parse_map(struct parse *p, const struct yaml_node *map, const struct parse_field *fields,
	size_t n_fields, void *base)
{
	const struct yaml_node *seen[PARSE_FIELDS_MAX] = {NULL};

	assert(n_fields <= PARSE_FIELDS_MAX);
	for (const struct yaml_node *v = map->first; v && !parse_is_full(p); v = v->next) {
		const struct parse_field *f = field_of(fields, n_fields, v->key->text);

		if (!f) {
			refuse_unknown(p, v->key, fields, n_fields);
			continue;
		}
		if (seen[f - fields])
			mesh_errors_add(p->errors, v->key->pos,
				"duplicate key `%s`%s; the first is on line %u", f->key, p->where,
				seen[f - fields]->key->pos.line);
		seen[f - fields] = v;
		f->read(p, v, (char *)base + f->offset);
	}
	for (size_t i = 0; i < n_fields; i++)
		if (fields[i].required && !seen[i])
			require(p, map, &fields[i]);
}

static const char *describe(struct parse *p, const struct yaml_node *v)
{
	const char *text;

	if (v->kind == YAML_MAP)
		return "a map";
	if (v->kind == YAML_LIST)
		return "a list";
	if (yaml_type_of(v) == YAML_NULL)
		return "nothing";
	text = text_quote(p->scratch, v->text, v->n);
	return v->plain ? text : arena_printf(p->scratch, "the quoted text %s", text);
}

static const char *name_of(struct parse *p, const struct yaml_node *v)
{
	return v->key ? text_quote(p->scratch, v->key->text, v->key->n) : "an inventory";
}

void parse_refuse(struct parse *p, const struct yaml_node *value, const char *want_fmt, ...)
{
	AUTO_BUF want = {0};
	va_list ap;

	if (value->kind == YAML_BAD)
		return;
	va_start(ap, want_fmt);
	buf_vprintf(&want, want_fmt, ap);
	va_end(ap);
	mesh_errors_add(p->errors, value->pos, "%s%s must be %s, not %s", name_of(p, value),
		p->where, buf_str(&want), describe(p, value));
}

void parse_complain(struct parse *p, const struct yaml_node *value, const char *fmt, ...)
{
	AUTO_BUF sentence = {0};
	va_list ap;

	if (value->kind == YAML_BAD)
		return;
	va_start(ap, fmt);
	buf_vprintf(&sentence, fmt, ap);
	va_end(ap);
	mesh_errors_add(
		p->errors, value->pos, "%s%s: %s", name_of(p, value), p->where, buf_str(&sentence));
}

const struct yaml_node *parse_items(
	struct parse *p, const struct yaml_node *value, const char *want, bool may_be_empty)
{
	bool is_scalar = value->kind == YAML_SCALAR && yaml_type_of(value) != YAML_NULL;

	if (is_scalar)
		return value;
	if (value->kind != YAML_LIST || (!value->n && !may_be_empty)) {
		if (value->kind == YAML_LIST)
			parse_complain(p, value, "the list is empty; it needs at least one item");
		else
			parse_refuse(p, value, "%s", want);
		return NULL;
	}
	return value->first;
}

const struct yaml_node *parse_next(const struct yaml_node *list, const struct yaml_node *item)
{
	return list == item ? NULL : item->next;
}

struct ordered {
	struct parse_placed placed;
	size_t at;
};

static int by_prefix(const void *a, const void *b)
{
	const struct ordered *x = a, *y = b;
	int order = ip_prefix_cmp(&x->placed.prefix, &y->placed.prefix);

	return order ? order : (x->at > y->at) - (x->at < y->at);
}

void parse_refuse_twins(
	struct parse *p, const struct parse_placed *list, size_t n, const char *what)
{
	AUTO_FREE struct ordered *sorted = NULL;
	char text[IP_PREFIX_STRLEN];

	if (n < 2)
		return;
	sorted = mem_zalloc(n, sizeof(*sorted));
	for (size_t i = 0; i < n; i++)
		sorted[i] = (struct ordered){list[i], i};
	qsort(sorted, n, sizeof(*sorted), by_prefix);
	for (size_t i = 1; i < n; i++)
		if (ip_prefix_eq(&sorted[i].placed.prefix, &sorted[i - 1].placed.prefix))
			mesh_errors_add(p->errors, sorted[i].placed.pos,
				"%s `%s` stands twice%s; it is on line %u already", what,
				ip_prefix_format(&sorted[i].placed.prefix, text), p->where,
				sorted[i - 1].placed.pos.line);
}

/* SPDX-License-Identifier: MIT */
#include "mesh/parse.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/time.h"
#include "mesh/text.h"
#include <string.h>

#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=+.-"
#define PATH_MOST 4095
#define MESH_NAME_MOST 63

static bool is_scalar(const struct yaml_node *v)
{
	return v->kind == YAML_SCALAR;
}

bool parse_is_text(struct parse *p, const struct yaml_node *v, const char *want)
{
	if (!is_scalar(v) || yaml_type_of(v) == YAML_NULL) {
		parse_refuse(p, v, "%s", want);
		return false;
	}
	if (yaml_type_of(v) != YAML_TEXT) {
		parse_complain(p, v, "%s is a %s; as a text it wants quotes",
			text_quote(p->scratch, v->text, v->n),
			yaml_type_of(v) == YAML_BOOL ? "truth value" : "number");
		return false;
	}
	return true;
}

/* Decimal digits only, without a superfluous zero: 010 is eight to some and ten to others. */
static bool whole_number(const struct yaml_node *v, uint64_t *ret)
{
	uint64_t n = 0;

	if (!is_scalar(v) || yaml_type_of(v) != YAML_INTEGER || v->n > 10)
		return false;
	if (v->text[0] == '0' && v->n > 1)
		return false;
	for (const char *s = v->text; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		n = n * 10 + (uint64_t)(*s - '0');
	}
	*ret = n;
	return true;
}

bool parse_number(
	struct parse *p, const struct yaml_node *v, uint64_t least, uint64_t most, uint64_t *ret)
{
	uint64_t n;

	if (!whole_number(v, &n) || n < least || n > most) {
		parse_refuse(p, v, "a whole number from %llu to %llu", (unsigned long long)least,
			(unsigned long long)most);
		return false;
	}
	*ret = n;
	return true;
}

void parse_name(struct parse *p, const struct yaml_node *v, void *into)
{
	size_t n;

	if (!parse_is_text(p, v, "a text"))
		return;
	n = text_utf8_count(v->text, v->n);
	if (!n || n > MESH_NAME_MOST || !text_is_printable(v->text, v->n))
		parse_refuse(p, v, "1 to %d printable characters", MESH_NAME_MOST);
	else
		*(const char **)into = arena_strdup(p->arena, v->text);
}

void parse_bool(struct parse *p, const struct yaml_node *v, void *into)
{
	if (!is_scalar(v) || yaml_type_of(v) != YAML_BOOL)
		parse_refuse(p, v, "true or false");
	else
		*(bool *)into = v->text[0] == 't' || v->text[0] == 'T';
}

void parse_metric(struct parse *p, const struct yaml_node *v, void *into)
{
	uint64_t n;

	if (parse_number(p, v, 0, MESH_METRIC_NONE - 1, &n))
		*(uint32_t *)into = (uint32_t)n;
}

void parse_weight(struct parse *p, const struct yaml_node *v, void *into)
{
	uint64_t n;

	if (parse_number(p, v, 1, MESH_WEIGHT_MAX, &n))
		*(uint16_t *)into = (uint16_t)n;
}

void parse_port(struct parse *p, const struct yaml_node *v, void *into)
{
	uint64_t n;

	if (parse_number(p, v, 1, UINT16_MAX, &n))
		*(uint16_t *)into = (uint16_t)n;
}

void parse_mtu(struct parse *p, const struct yaml_node *v, void *into)
{
	struct stated_mtu *mtu = into;
	uint64_t n;

	if (!parse_number(p, v, 576, UINT16_MAX, &n))
		return;
	mtu->value = (uint16_t)n;
	mtu->pos = v->pos;
}

void parse_keepalive(struct parse *p, const struct yaml_node *v, void *into)
{
	uint64_t n;

	if (is_scalar(v) && !strcmp(v->text, "auto"))
		*(int *)into = MESH_KEEPALIVE_AUTO;
	else if (is_scalar(v) && !strcmp(v->text, "off"))
		*(int *)into = 0;
	else if (whole_number(v, &n) && n >= 1 && n <= UINT16_MAX)
		*(int *)into = (int)n;
	else
		parse_refuse(p, v, "`auto`, `off` or a whole number of seconds from 1 to 65535");
}

void parse_multiplier(struct parse *p, const struct yaml_node *v, void *into)
{
	uint64_t n;

	if (parse_number(p, v, 1, 255, &n))
		*(unsigned *)into = (unsigned)n;
}

static void duration_within(struct parse *p, const struct yaml_node *v, int64_t least, int64_t most,
	const char *example, int64_t *ret)
{
	char from[32], to[32];
	int64_t ns;

	if (is_scalar(v) && (yaml_type_of(v) == YAML_INTEGER || yaml_type_of(v) == YAML_FLOAT)) {
		parse_complain(p, v, "a time needs a unit: us, ms, s, m or h, as in %s", example);
		return;
	}
	if (!is_scalar(v) || !duration_parse(&ns, v->text) || ns < least || ns > most)
		parse_refuse(p, v, "a time from %s to %s, as in %s", duration_format(least, from),
			duration_format(most, to), example);
	else
		*ret = ns;
}

void parse_interval(struct parse *p, const struct yaml_node *v, void *into)
{
	duration_within(p, v, 10 * NS_PER_MS, 60 * NS_PER_S, "100ms", into);
}

void parse_hold(struct parse *p, const struct yaml_node *v, void *into)
{
	duration_within(p, v, 0, 3600 * NS_PER_S, "5s", into);
}

/* A minute is well within what systemd waits for. */
void parse_drain_on_stop(struct parse *p, const struct yaml_node *v, void *into)
{
	duration_within(p, v, 0, 60 * NS_PER_S, "5s", into);
}

static bool is_name(const char *s, size_t most)
{
	size_t n = strlen(s);

	return n && n <= most && strspn(s, NAME_CHARACTERS) == n && strcmp(s, ".") &&
	       strcmp(s, "..");
}

bool parse_is_node_name(const char *name)
{
	return name[0] != '-' && is_name(name, 63);
}

void parse_interface(struct parse *p, const struct yaml_node *v, void *into)
{
	struct stated_interface *i = into;
	const char *want = "1 to 15 characters of A-Z a-z 0-9 _ = + . - (and not `.` or `..`)";

	if (!parse_is_text(p, v, want))
		return;
	if (!is_name(v->text, IFNAMSIZ - 1)) {
		parse_refuse(p, v, "%s", want);
		return;
	}
	strcpy(i->name, v->text);
	i->pos = v->pos;
}

/* What is refused besides nonsense can't stand in a wg-quick file: a `#` begins a comment there
 * wherever it is. A message doesn't repeat what isn't a path at all: some paste the key itself. */
void parse_path(struct parse *p, const struct yaml_node *v, void *into)
{
	const char *want = "the absolute path of a file, printable and without `#`";

	if (!parse_is_text(p, v, want))
		return;
	if (v->text[0] != '/')
		parse_complain(p, v, "not %s (and never a key itself)", want);
	else if (v->n > PATH_MOST || strchr(v->text, '#') || !text_is_printable(v->text, v->n))
		parse_refuse(p, v, "%s", want);
	else
		*(const char **)into = arena_strdup(p->arena, v->text);
}

bool parse_prefix(struct parse *p, const struct yaml_node *v, ip_prefix *ret)
{
	if (is_scalar(v) && ip_prefix_parse(ret, v->text))
		return true;
	parse_refuse(p, v, "a prefix, as in 10.20.1.0/24 or \"fd20::/64\"");
	return false;
}

/* One of the words, in the order of their enum. */
static void choice(
	struct parse *p, const struct yaml_node *v, const char *const *words, size_t n, int *into)
{
	AUTO_BUF want = {0};
	const char *meant = NULL;
	unsigned best = TEXT_NO_GUESS;

	for (size_t i = 0; i < n; i++) {
		buf_printf(&want, "%s`%s`", i == 0 ? "" : i + 1 < n ? ", " : " or ", words[i]);
		if (!is_scalar(v))
			continue;
		if (!strcmp(v->text, words[i])) {
			*into = (int)i;
			return;
		}
		if (text_is_closer(v->text, words[i], &best))
			meant = words[i];
	}
	if (meant)
		buf_printf(&want, " (did you mean `%s`?)", meant);
	parse_refuse(p, v, "%s", buf_str(&want));
}

void parse_topology(struct parse *p, const struct yaml_node *v, void *into)
{
	choice(p, v, mesh_topology_words, ARRAY_SIZE(mesh_topology_words), into);
}

void parse_role(struct parse *p, const struct yaml_node *v, void *into)
{
	choice(p, v, mesh_role_words, ARRAY_SIZE(mesh_role_words), into);
}

void parse_on_dead(struct parse *p, const struct yaml_node *v, void *into)
{
	choice(p, v, mesh_on_dead_words, ARRAY_SIZE(mesh_on_dead_words), into);
}

void parse_probe(struct parse *p, const struct yaml_node *v, void *into)
{
	choice(p, v, mesh_probe_words, ARRAY_SIZE(mesh_probe_words), into);
}

void parse_engine(struct parse *p, const struct yaml_node *v, void *into)
{
	choice(p, v, mesh_engine_words, ARRAY_SIZE(mesh_engine_words), into);
}

void parse_device(struct parse *p, const struct yaml_node *v, void *into)
{
	int stated = -1;

	choice(p, v, mesh_device_words + 1, ARRAY_SIZE(mesh_device_words) - 1, &stated);
	if (stated >= 0)
		*(int *)into = stated + 1;
}

/* SPDX-License-Identifier: MIT */
#include "base/vec.h"
#include "mesh/parse.h"
#include "mesh/text.h"
#include <string.h>

/* An address in its usual spelling, or a domain; NULL and an error for anything else. */
static const char *resolver_or_domain(struct parse *p, const struct yaml_node *v)
{
	const char *want = "a resolver's address, as in 10.10.0.1, or a domain to search in";
	char text[IP_ADDR_STRLEN];
	ip_addr a;

	if (!parse_is_text(p, v, want))
		return NULL;
	if (ip_addr_parse(&a, v->text))
		return arena_strdup(p->arena, ip_addr_format(&a, text));
	if (parse_is_host_name(v->text))
		return arena_strdup(p->arena, v->text);
	parse_refuse(p, v, "%s", want);
	return NULL;
}

void parse_dns(struct parse *p, const struct yaml_node *v, void *into)
{
	struct stated_dns *ret = into;
	VEC(const char *) list = {0};
	const struct yaml_node *item =
		parse_items(p, v, "a resolver's address or a list of addresses and domains", true);
	const char **copy;

	for (; item; item = parse_next(v, item)) {
		const char *text = resolver_or_domain(p, item);

		if (text)
			vec_push(&list, text);
	}
	copy = arena_array(p->arena, const char *, list.n);
	if (list.n)
		memcpy(copy, list.items, list.n * sizeof(*copy));
	*ret = (struct stated_dns){copy, list.n, v->pos};
	vec_done(&list);
}

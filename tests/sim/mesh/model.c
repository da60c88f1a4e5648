/* SPDX-License-Identifier: MIT */
#include "model.h"

#include "base/mem.h"
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>

void model_violated(struct model *m, const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (m->violation)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	m->violation = mem_strdup(text);
}

static void lead(struct model *m, const ip_prefix *p, int ifindex, uint32_t table, uint8_t type)
{
	struct rtnl_route r = {
		.dst = *p,
		.ifindex = ifindex,
		.table = table,
		.protocol = RTPROT_STATIC,
		.type = type,
	};

	model_route_add(m, &r, true);
}

static void have_own(struct model *m, const ip_prefix *own, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!ip_prefix_is_default(&own[i]))
			lead(m, &own[i], MODEL_INSIDE, 0, 0);
}

struct model *model_new(const ip_addr *uplink, size_t n_uplink, const ip_prefix *own, size_t n_own)
{
	struct model *m = mem_zalloc(1, sizeof(*m));

	m->next_ifindex = MODEL_WG_FIRST;
	m->max_owners = 1;
	model_plan_begins(m);
	model_rules_begin(m);
	for (size_t i = 0; i < n_uplink; i++) {
		ip_prefix host = ip_prefix_host(&uplink[i]), all = ip_prefix_of(&uplink[i], 0);

		lead(m, &host, MODEL_LO, RT_TABLE_LOCAL, RTN_LOCAL);
		lead(m, &all, MODEL_UPLINK, 0, 0);
	}
	have_own(m, own, n_own);
	return m;
}

void model_free(struct model *m)
{
	if (!m)
		return;
	if (m->exists)
		model_device_delete(m);
	model_routes_done(m);
	vec_done(&m->rules);
	vec_done(&m->sysctls);
	trie_free(m->bare);
	trie_free(m->routed);
	trie_free(m->kept);
	free(m->violation);
	free(m);
}

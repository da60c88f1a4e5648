/* SPDX-License-Identifier: MIT */
#include "daemon/signals.h"

int signals_read(struct rtnl *rtnl, const struct generation *g, signal_addrs *ret)
{
	struct rtnl_route only = {
		.protocol = RTNL_PROTO_SHUNT, .ifindex = (int)if_nametoindex(g->self->interface)};
	AUTO_FREE struct rtnl_route *list = NULL;
	struct want_facts facts;
	size_t n = 0;
	int err;

	if (!g->n_signals || !only.ifindex)
		return 0;
	err = rtnl_route_list_where(rtnl, &only, &list, &n);
	generation_facts(g, &facts);
	for (size_t i = 0; !err && i < n; i++) {
		ip_addr a = ip_prefix_addr(&list[i].dst);

		if (want_is_signal(&facts, &list[i]))
			vec_push(ret, a);
	}
	return err;
}

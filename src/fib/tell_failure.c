/* SPDX-License-Identifier: MIT */
#include "fib/tell.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *family_word(const ip_prefix *p)
{
	return p->family == AF_INET6 ? "-6 " : "";
}

/* Where IPv6 is switched off no packet of it leaves. */
static char *tell_backstop(const struct fib_op *op, int err)
{
	const ip_prefix *dst = &op->u.route.dst;
	char text[IP_PREFIX_STRLEN];

	if (dst->family == AF_INET6 && err == -EACCES)
		return NULL;
	return mem_printf("the unreachable route behind %s could not be set: %s; packets for it "
			  "would leave in clear while %s is gone",
		ip_prefix_format(dst, text), strerror(-err), op->device);
}

static char *tell_route(const struct fib_op *op, int err, char **ret_fix)
{
	const struct rtnl_route *r = &op->u.route;
	char text[IP_PREFIX_STRLEN];

	if (op->type == FIB_ROUTE_ADD && rtnl_route_refuses(r))
		return tell_backstop(op, err);
	ip_prefix_format(&r->dst, text);
	if (err != -EEXIST)
		return mem_printf("the kernel's route to %s could not be %s: %s", text,
			op->type == FIB_ROUTE_ADD ? "set" : "removed", strerror(-err));
	if (r->table) {
		*ret_fix = mem_printf(
			"ip %sroute del %s table %u", family_word(&r->dst), text, r->table);
		return mem_printf(
			"a route to %s in table %u that isn't ours is in the way", text, r->table);
	}
	*ret_fix = mem_printf("ip %sroute del %s", family_word(&r->dst), text);
	return mem_printf("a route to %s that isn't ours is in the way", text);
}

/* Of a node with a routing engine; such a rule asks main first, otherwise. */
static bool is_engine_rule(const struct rtnl_rule *r)
{
	return r->priority == KERNEL_PRIORITY_OVERLAY && r->suppress_prefixlen < 0;
}

static char *tell_rule(const struct fib_op *op, int err)
{
	const struct rtnl_rule *r = &op->u.rule;
	char text[IP_PREFIX_STRLEN];

	if (err == -EAFNOSUPPORT && r->family == AF_INET6) /* it has no packets either */
		return NULL;
	if (is_engine_rule(r))
		return mem_printf(
			"the rule that leads %s into %s could not be set: %s; its packets go by "
			"the "
			"main table, where a longer route of others takes them, and leave in clear "
			"by it",
			ip_prefix_format(&r->to, text), op->device, strerror(-err));
	if (r->priority != KERNEL_PRIORITY_REFUSED)
		return NULL;
	return mem_printf("the rule that refuses %s while %s is gone could not be set: %s; packets "
			  "for it would leave in clear",
		ip_prefix_format(&r->to, text), op->device, strerror(-err));
}

static char *tell_mark(
	const struct fib_op *op, int err, const struct fib_state *shall, char **ret_fix)
{
	const struct fib_device *d = fib_state_device(shall, op->device);

	if (!d || !d->mark.mark)
		return NULL;
	*ret_fix = mem_printf("nft 'table inet shunt-%s { chain prerouting { type filter hook "
			      "prerouting priority -350; fib daddr type local udp dport %u meta "
			      "mark set %u; }; }'",
		d->name, d->mark.port, d->mark.mark);
	return mem_printf(
		"what comes in for UDP port %u could not be marked in nftables (%s): with a "
		"strict reverse path filter the answers of peers are dropped, since a "
		"default route leads into the tunnel",
		d->mark.port, strerror(-err));
}

static char *tell_sysctl(const struct fib_op *op, const struct fib_state *shall, char **ret_fix)
{
	for (size_t i = 0; i < shall->sysctls.n; i++) {
		const struct fib_sysctl *s = &shall->sysctls.items[i];

		if (strcmp(s->path, op->u.sysctl))
			continue;
		*ret_fix = mem_printf("sysctl -w %s=%d", s->path, s->value);
		return mem_printf("%s could not be set to %d: %s", s->path, s->value, s->why);
	}
	return NULL;
}

/* Of IPv6, by a setting: the fixed link-local address is no reason to name it, where nothing else
 * is of that family. */
static bool is_switched_off(const ip_prefix *a, int err)
{
	return a->family == AF_INET6 && a->bytes[0] == 0xfe &&
	       (err == -EACCES || err == -EAFNOSUPPORT || err == -EOPNOTSUPP);
}

char *fib_tell_failure(
	const struct fib_op *op, int err, const struct fib_state *shall, char **ret_fix)
{
	char text[IP_PREFIX_STRLEN];

	*ret_fix = NULL;
	if (err == -ENODEV) /* it is made anew */
		return NULL;
	switch (op->type) {
	case FIB_SYSCTL:
		return tell_sysctl(op, shall, ret_fix);
	case FIB_ADDRESS_ADD:
		if (is_switched_off(&op->u.address, err))
			return NULL;
		return mem_printf("the address %s could not be set on %s: %s",
			ip_prefix_format(&op->u.address, text), op->device, strerror(-err));
	case FIB_ROUTE_ADD:
	case FIB_ROUTE_DEL:
		return tell_route(op, err, ret_fix);
	case FIB_RULE_ADD:
		return op->u.rule.to.len ? tell_rule(op, err) : NULL;
	case FIB_MARK:
		return tell_mark(op, err, shall, ret_fix);
	default:
		return NULL; /* the caller has the error */
	}
}

void fib_tell_failures(const struct fib_plan *p, const fib_failures *failures,
	const struct fib_state *shall, fib_troubles *ret)
{
	static const struct fib_state nothing;

	for (size_t i = 0; i < failures->n; i++) {
		const struct fib_failure *x = &failures->items[i];
		char *fix, *what = fib_tell_failure(
				   &p->ops.items[x->op], x->err, shall ? shall : &nothing, &fix);

		if (what)
			vec_push(ret, ((struct fib_trouble){what, fix}));
	}
}

char *fib_tell_leftover(const struct rtnl_route *r, const char *ifname, char **ret_fix)
{
	AUTO_BUF fix = {0};
	char text[IP_PREFIX_STRLEN];

	ip_prefix_format(&r->dst, text);
	buf_printf(&fix, "ip %sroute del %s dev %s", family_word(&r->dst), text, ifname);
	if (r->metric)
		buf_printf(&fix, " metric %u", r->metric);
	if (r->table)
		buf_printf(&fix, " table %u", r->table);
	*ret_fix = mem_strdup(buf_str(&fix));
	return mem_printf("a route to %s that isn't ours leads into %s, where nobody carries it",
		text, ifname);
}

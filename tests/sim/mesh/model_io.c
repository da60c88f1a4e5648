/* SPDX-License-Identifier: MIT */
#include "model_io.h"

#include "base/mem.h"
#include <errno.h>

static struct model *model_of(struct fib_io *io)
{
	return ((struct model_io *)io)->model;
}

int model_io_change(struct model *m)
{
	if (m->is_mute)
		return 1;
	m->n_ops++;
	if (m->fuse && !--m->fuse) {
		m->is_mute = true;
		return 1;
	}
	if (m->fails && !--m->fails)
		return -ENOMEM;
	return 0;
}

/* Whether it is to be carried out; else *ret is what it answers. */
static bool begins(struct model *m, int *ret)
{
	*ret = model_io_change(m);
	if (*ret > 0)
		*ret = 0;
	else if (!*ret)
		return true;
	return false;
}

static int ends(struct model *m, int err)
{
	if (m->after)
		m->after(m, m->data);
	return err;
}

static int link_get(struct fib_io *io, const char *ifname, struct rtnl_link *ret)
{
	return model_link_get(model_of(io), ifname, ret);
}

static int link_set(struct fib_io *io, int ifindex, bool up, unsigned mtu)
{
	struct model *m = model_of(io);
	int err;

	return begins(m, &err) ? ends(m, model_link_set(m, ifindex, up, mtu)) : err;
}

/* It makes no addresses of its own choice. */
static int link_quiet(struct fib_io *io, int ifindex)
{
	return 0;
}

static int addr_list(struct fib_io *io, int ifindex, ip_prefix **ret, size_t *ret_n)
{
	return model_addr_list(model_of(io), ifindex, ret, ret_n);
}

static int addr_add(struct fib_io *io, int ifindex, const ip_prefix *a)
{
	struct model *m = model_of(io);
	int err;

	return begins(m, &err) ? ends(m, model_addr_add(m, ifindex, a, false)) : err;
}

static int addr_del(struct fib_io *io, int ifindex, const ip_prefix *a)
{
	struct model *m = model_of(io);
	int err;

	return begins(m, &err) ? ends(m, model_addr_del(m, ifindex, a)) : err;
}

static int route_list(
	struct fib_io *io, const struct rtnl_route *only, struct rtnl_route **ret, size_t *ret_n)
{
	return model_route_list(model_of(io), only, ret, ret_n);
}

static int route_add(struct fib_io *io, const struct rtnl_route *r)
{
	struct model *m = model_of(io);
	int err;

	return begins(m, &err) ? ends(m, model_route_add(m, r, false)) : err;
}

static int route_del(struct fib_io *io, const struct rtnl_route *r)
{
	struct model *m = model_of(io);
	int err;

	if (begins(m, &err))
		return ends(m, model_route_del(m, r));
	if (err)
		model_note_kept(m, &r->dst);
	return err;
}

static int rule_list(struct fib_io *io, int family, struct rtnl_rule **ret, size_t *ret_n)
{
	return model_rule_list(model_of(io), family, ret, ret_n);
}

static int rule_add(struct fib_io *io, const struct rtnl_rule *r)
{
	struct model *m = model_of(io);
	int err;

	return begins(m, &err) ? ends(m, model_rule_add(m, r, false)) : err;
}

static int rule_del(struct fib_io *io, const struct rtnl_rule *r)
{
	struct model *m = model_of(io);
	int err;

	return begins(m, &err) ? ends(m, model_rule_del(m, r)) : err;
}

static int get_device(struct fib_io *io, struct device_state *ret)
{
	return model_device_get(model_of(io), ret);
}

static int set_device(struct fib_io *io, const struct device_change *c)
{
	struct model *m = model_of(io);
	int err;

	return begins(m, &err) ? ends(m, model_device_set(m, c)) : err;
}

static int mark_get(struct fib_io *io, const char *table, struct nft_mark *ret)
{
	(void)table;
	*ret = model_of(io)->mark;
	return 0;
}

static int mark_put(struct model *m, const struct nft_mark *mark)
{
	int err;

	if (!begins(m, &err))
		return err;
	m->mark = *mark;
	return ends(m, 0);
}

static int mark_set(struct fib_io *io, const char *table, const struct nft_mark *mark)
{
	(void)table;
	return mark_put(model_of(io), mark);
}

static int mark_remove(struct fib_io *io, const char *table)
{
	(void)table;
	return mark_put(model_of(io), &(struct nft_mark){0});
}

static int sysctl_get(struct fib_io *io, const char *path, int *ret)
{
	return model_sysctl_get(model_of(io), path, ret);
}

static int sysctl_set(struct fib_io *io, const char *path, int value)
{
	struct model *m = model_of(io);
	int err;

	return begins(m, &err) ? ends(m, model_sysctl_set(m, path, value)) : err;
}

static bool port_is_taken(struct fib_io *io, uint16_t port)
{
	return port == model_of(io)->taken_port;
}

static const struct fib_io_ops ops = {
	.link_get = link_get,
	.link_set = link_set,
	.link_quiet = link_quiet,
	.addr_list = addr_list,
	.addr_add = addr_add,
	.addr_del = addr_del,
	.route_list = route_list,
	.route_add = route_add,
	.route_del = route_del,
	.rule_list = rule_list,
	.rule_add = rule_add,
	.rule_del = rule_del,
	.device_get = get_device,
	.device_set = set_device,
	.mark_get = mark_get,
	.mark_set = mark_set,
	.mark_remove = mark_remove,
	.sysctl_get = sysctl_get,
	.sysctl_set = sysctl_set,
	.port_is_taken = port_is_taken,
};

void model_io_init(struct model_io *io, struct model *m)
{
	*io = (struct model_io){{&ops}, m};
}

/* SPDX-License-Identifier: MIT */
/* The kernel's WireGuard device, by generic netlink. */
#include "device/kernel_codec.h"

#include <errno.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An acknowledgement can be lost for want of memory; what was asked for may be asked for again. */
#define SET_TRIES 3

struct kernel_device {
	struct device base;
	struct nl *nl;
	uint16_t family;
};

static int on_family(const struct nlmsghdr *h, void *data)
{
	uint16_t *family = data;

	if (mnl_nlmsg_get_payload_len(h) < sizeof(struct genlmsghdr))
		return -EBADMSG;
	nl_for_each_attr (a, h, sizeof(struct genlmsghdr))
		if (mnl_attr_get_type(a) == CTRL_ATTR_FAMILY_ID && mnl_attr_get_payload_len(a) == 2)
			*family = mnl_attr_get_u16(a);
	return 0;
}

static struct nlmsghdr *begin_generic(
	struct nl *nl, uint16_t family, uint8_t command, uint16_t flags)
{
	struct nlmsghdr *h = nl_begin(nl, family, flags);
	struct genlmsghdr *g = mnl_nlmsg_put_extra_header(h, sizeof(*g));

	g->cmd = command;
	g->version = 1;
	return h;
}

/* The number that the kernel gave WireGuard's family. */
static int find_family(struct nl *nl, uint16_t *ret)
{
	struct nlmsghdr *h = begin_generic(nl, GENL_ID_CTRL, CTRL_CMD_GETFAMILY, 0);
	uint16_t family = 0;
	int r;

	mnl_attr_put_strz(h, CTRL_ATTR_FAMILY_NAME, WG_GENL_NAME);
	r = nl_talk(nl, h, on_family, &family);
	if (r == -ENOENT || (!r && !family))
		return -EOPNOTSUPP;
	if (!r)
		*ret = family;
	return r;
}

static int on_device(const struct nlmsghdr *h, void *data)
{
	return kernel_parse_device(data, h);
}

static void restart(void *data)
{
	state_builder_reset(data);
}

static int kernel_get(struct device *d, struct device_state *ret)
{
	struct kernel_device *k = (struct kernel_device *)d;
	struct nlmsghdr *h = begin_generic(k->nl, k->family, WG_CMD_GET_DEVICE, NLM_F_DUMP);
	struct state_builder b = {0};
	int r;

	mnl_attr_put_strz(h, WGDEVICE_A_IFNAME, d->ifname);
	r = nl_dump(k->nl, h, on_device, restart, &b);
	if (!r)
		r = state_builder_finish(&b, ret);
	state_builder_reset(&b);
	nl_wipe(k->nl); /* the private key was in the answer */
	return r;
}

static struct nlmsghdr *begin_set(void *data)
{
	struct kernel_device *k = data;
	struct nlmsghdr *h = begin_generic(k->nl, k->family, WG_CMD_SET_DEVICE, 0);

	mnl_attr_put_strz(h, WGDEVICE_A_IFNAME, k->base.ifname);
	return h;
}

static int send_set(void *data, struct nlmsghdr *message)
{
	struct kernel_device *k = data;
	int r = -ENOBUFS;

	for (int i = 0; i < SET_TRIES && r == -ENOBUFS; i++)
		r = nl_talk(k->nl, message, NULL, NULL);
	return r;
}

static int kernel_apply(struct device *d, const struct device_change *c)
{
	struct kernel_device *k = (struct kernel_device *)d;
	struct kernel_writer w = {.begin = begin_set, .send = send_set, .data = k};
	int r = kernel_write_set(&w, c);

	nl_wipe(k->nl);
	return r;
}

static void kernel_close(struct device *d)
{
	struct kernel_device *k = (struct kernel_device *)d;

	nl_close(k->nl);
	free(k);
}

/* Its name says all. */
static int kernel_address(const struct device *d, struct device_address *ret)
{
	return 0;
}

static const struct device_ops kernel_ops = {
	kernel_get, kernel_apply, kernel_close, kernel_address};

int kernel_device_new(struct nl *nl, const char *ifname, struct device **ret)
{
	struct kernel_device *k;
	uint16_t family = 0;
	int r = find_family(nl, &family);

	if (r < 0) {
		nl_close(nl);
		return r;
	}
	k = mem_zalloc(1, sizeof(*k));
	k->base.ops = &kernel_ops;
	k->base.kind = DEVICE_KERNEL;
	snprintf(k->base.ifname, sizeof(k->base.ifname), "%s", ifname);
	snprintf(k->base.name, sizeof(k->base.name), "kernel");
	k->nl = nl;
	k->family = family;
	*ret = &k->base;
	return 0;
}

int kernel_device_open(const char *ifname, struct device **ret)
{
	struct nl *nl;
	int r = nl_open(NETLINK_GENERIC, &nl);

	return r < 0 ? r : kernel_device_new(nl, ifname, ret);
}

/* SPDX-License-Identifier: MIT */
/*
 * The kernel's WireGuard over generic netlink, without a socket: attributes to a state, a change to
 * attributes in messages that the kernel takes.
 */
#ifndef SHUNT_DEVICE_KERNEL_CODEC_H
#define SHUNT_DEVICE_KERNEL_CODEC_H

#include "device/internal.h"
#include "sys/nl.h"

/* One message of a dump. A peer that continues from the message before is merged with it. 0, or
 * -EPROTO if it isn't what the kernel sends. */
int kernel_parse_device(struct state_builder *b, const struct nlmsghdr *message);

/* Gives out messages of a change one by one. */
struct kernel_writer {
	/* A message with what stands in all: the header and the interface's name. */
	struct nlmsghdr *(*begin)(void *data);
	int (*send)(void *data, struct nlmsghdr *message);
	void *data;
	struct nlmsghdr *message;	   /* the current one */
	struct nlattr *peers, *peer, *ips; /* open nests, NULL if not */
};

/* Writes the change in its order. 0 or the first error of send. */
int kernel_write_set(struct kernel_writer *w, const struct device_change *c);

#endif

/* SPDX-License-Identifier: MIT */
/*
 * The TUN interface: made with vnet headers and whatever offloads the kernel has, or taken over as
 * a file descriptor (WG_TUN_FD). Non-blocking.
 */
#ifndef SHUNT_TUNNEL_TUN_H
#define SHUNT_TUNNEL_TUN_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define TUN_DEFAULT_MTU 1420
#define TUN_READ_MAX (10 + 65535 + 15) /* vnet header, the largest packet, room for padding */

struct tun {
	int fd;
	int control_fd; /* if has_control: the queue of network control (tun_steering.h) */
	bool has_control;
	char name[IFNAMSIZ];
	int ifindex;
	bool has_vnet;	/* every packet has a struct virtio_net_hdr of 10 bytes in front */
	bool takes_tso; /* superpackets may be written */
	bool takes_uso;
};

/* Makes it with the default MTU, down, and with a queue for network control where that may be had.
 * why gets a sentence: no /dev/net/tun, no right to, the name
 * is taken. */
int tun_create(const char *name, struct tun *ret, char *why, size_t why_size);
/* Takes over a file descriptor that is a TUN already. */
int tun_adopt(int fd, struct tun *ret, char *why, size_t why_size);
void tun_close(struct tun *t);
/* What the interface is called now, wherever it is. -EBADFD: it was deleted. */
int tun_get_name(const struct tun *t, char ret[static IFNAMSIZ]);
/* A file descriptor of the network namespace that the interface is in, which may have been moved.
 */
int tun_open_netns(const struct tun *t);
/* Sets the interface's gso_max_size (and gso_ipv4_max_size where there is one), so that a
 * superpacket fits one UDP message. -ENODEV while it is in another network namespace. */
int tun_set_gso_max_size(const struct tun *t, unsigned bytes);
/* How many packets of the host the interface's queue had no room for; 0 if it can't be seen from
 * here. */
uint64_t tun_queue_drops(const struct tun *t);
/* The same as a kernel's answer of n bytes, aligned for struct nlmsghdr, tells it. */
uint64_t tun_queue_drops_of(void *answer, size_t n);

#endif

/* SPDX-License-Identifier: MIT */
#include "tunnel/tun.h"

#include "tunnel/tun_steering.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_link.h>
#include <linux/if_tun.h>
#include <linux/pkt_sched.h>
#include <linux/rtnetlink.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef TUN_F_USO4
#define TUN_F_USO4 0x20
#define TUN_F_USO6 0x40
#endif
#ifndef TUNGETDEVNETNS
#define TUNGETDEVNETNS _IO('T', 227)
#endif
#ifndef IFLA_GSO_IPV4_MAX_SIZE
#define IFLA_GSO_IPV4_MAX_SIZE 63
#endif

/* The most that the kernel takes, newest first. */
static void set_offloads(struct tun *t)
{
	static const unsigned tso = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	t->takes_tso = t->takes_uso = false;
	if (!t->has_vnet)
		return;
	if (!ioctl(t->fd, TUNSETOFFLOAD, tso | TUN_F_USO4 | TUN_F_USO6))
		t->takes_tso = t->takes_uso = true;
	else if (!ioctl(t->fd, TUNSETOFFLOAD, tso))
		t->takes_tso = true;
	else
		ioctl(t->fd, TUNSETOFFLOAD, 0);
}

static int finish(struct tun *t, const struct ifreq *ifr)
{
	int vnet_len = sizeof(struct virtio_net_hdr);

	snprintf(t->name, sizeof(t->name), "%.15s", ifr->ifr_name);
	t->ifindex = (int)if_nametoindex(t->name);
	t->has_vnet = ifr->ifr_flags & IFF_VNET_HDR;
	if (t->has_vnet && ioctl(t->fd, TUNSETVNETHDRSZ, &vnet_len))
		return -errno;
	set_offloads(t);
	if (fcntl(t->fd, F_SETFL, fcntl(t->fd, F_GETFL) | O_NONBLOCK))
		return -errno;
	return 0;
}

static int set_default_mtu(const char *name)
{
	struct ifreq ifr = {.ifr_mtu = TUN_DEFAULT_MTU};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), err = 0;

	if (fd < 0)
		fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, SIOCSIFMTU, &ifr))
		err = -errno;
	close(fd);
	return err;
}

static int explain_open(int err, char *why, size_t n)
{
	if (err == ENOENT)
		snprintf(why, n,
			"/dev/net/tun is missing: load the tun module, or give the container the "
			"device");
	else if (err == EACCES || err == EPERM)
		snprintf(why, n, "/dev/net/tun may not be opened by this user");
	else
		snprintf(why, n, "/dev/net/tun can't be opened: %s", strerror(err));
	return -err;
}

/* A TUN with several queues is refused to who asks for one, whoever has it. */
static bool is_tun(const char *name)
{
	struct ethtool_drvinfo info = {.cmd = ETHTOOL_GDRVINFO};
	struct ifreq ifr = {.ifr_data = (void *)&info};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	bool is;

	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	is = fd >= 0 && !ioctl(fd, SIOCETHTOOL, &ifr) && !strcmp(info.driver, "tun");
	if (fd >= 0)
		close(fd);
	return is;
}

static int explain_set(const char *name, int err, char *why, size_t n)
{
	if (err == EINVAL && is_tun(name))
		err = EBUSY;
	if (err == EPERM)
		snprintf(
			why, n, "making the interface %s needs the capability CAP_NET_ADMIN", name);
	else if (err == EBUSY)
		snprintf(why, n, "the interface %s is already in use by another program", name);
	else if (err == EINVAL)
		snprintf(why, n,
			"there is an interface %s already that is no TUN, or the name can't be one",
			name);
	else
		snprintf(why, n, "the interface %s can't be made: %s", name, strerror(err));
	return -err;
}

static void close_control(struct tun *t)
{
	if (t->has_control)
		close(t->control_fd);
	t->has_control = false;
}

void tun_close(struct tun *t)
{
	close_control(t);
	if (t->fd >= 0)
		close(t->fd);
	t->fd = -1;
}

int tun_get_name(const struct tun *t, char ret[static IFNAMSIZ])
{
	struct ifreq ifr = {0};

	if (ioctl(t->fd, TUNGETIFF, &ifr))
		return -errno;
	memcpy(ret, ifr.ifr_name, IFNAMSIZ);
	ret[IFNAMSIZ - 1] = '\0';
	return 0;
}

int tun_open_netns(const struct tun *t)
{
	int fd = ioctl(t->fd, TUNGETDEVNETNS);

	if (fd < 0)
		return -errno;
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	return fd;
}

/* In another namespace, the index is somebody else's here. */
static bool is_visible(const struct tun *t)
{
	char name[IFNAMSIZ];

	return !tun_get_name(t, name) && (int)if_nametoindex(name) == t->ifindex;
}

static void add_bytes(struct nlmsghdr *h, unsigned short type, const void *value, size_t n)
{
	struct rtattr *a = (struct rtattr *)((char *)h + NLMSG_ALIGN(h->nlmsg_len));

	a->rta_type = type;
	a->rta_len = (unsigned short)RTA_LENGTH(n);
	memcpy(RTA_DATA(a), value, n);
	h->nlmsg_len = NLMSG_ALIGN(h->nlmsg_len) + (uint32_t)RTA_SPACE(n);
}

/* Sends one request and waits for its end; 0 or the kernel's negative errno. */
static int talk(const struct nlmsghdr *h)
{
	char answer[512];
	ssize_t n;
	int err = 0, fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);

	if (fd < 0)
		return -errno;
	if (send(fd, h, h->nlmsg_len, 0) < 0 || (n = recv(fd, answer, sizeof(answer), 0)) < 0) {
		err = -errno;
	} else if (n >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr))) {
		struct nlmsgerr e;

		memcpy(&e, answer + NLMSG_HDRLEN, sizeof(e));
		err = e.error;
	}
	close(fd);
	return err;
}

int tun_set_gso_max_size(const struct tun *t, unsigned bytes)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
		char attributes[64];
	} m = {.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
		       .nlmsg_type = RTM_NEWLINK,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK}};

	if (!t->takes_tso)
		return 0;
	if (!is_visible(t))
		return -ENODEV;
	m.i.ifi_index = t->ifindex;
	add_bytes(&m.h, IFLA_GSO_MAX_SIZE, &bytes, sizeof(bytes));
	add_bytes(&m.h, IFLA_GSO_IPV4_MAX_SIZE, &bytes, sizeof(bytes));
	return talk(&m.h);
}

/*
 * The queues are the TUN's own: a discipline before them never holds a packet, and the kernel would
 * make one for each of the 256 queues that such an interface may have. Who wants one sets it.
 */
static void go_without_discipline(const struct tun *t)
{
	struct {
		struct nlmsghdr h;
		struct tcmsg t;
		char attributes[64];
	} m = {.h = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct tcmsg)),
		       .nlmsg_type = RTM_NEWQDISC,
		       .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE},
		.t = {.tcm_ifindex = t->ifindex, .tcm_parent = TC_H_ROOT}};

	add_bytes(&m.h, TCA_KIND, "noqueue", sizeof("noqueue"));
	(void)talk(&m.h); /* it costs memory, and nothing else */
}

/* One more queue of the TUN of that name, or its first. flags: besides the usual ones. */
static int open_queue(struct ifreq *ifr, const char *name, int flags)
{
	int err, fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return -errno;
	memset(ifr, 0, sizeof(*ifr));
	snprintf(ifr->ifr_name, sizeof(ifr->ifr_name), "%.15s", name);
	ifr->ifr_flags = (short)(IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | flags);
	if (!ioctl(fd, TUNSETIFF, ifr))
		return fd;
	err = -errno;
	close(fd);
	return err;
}

/* Of a TUN that has one queue and may have more. */
static void add_control(struct tun *t, int program)
{
	int vnet_len = sizeof(struct virtio_net_hdr);
	struct ifreq ifr;
	int fd = open_queue(&ifr, t->name, IFF_MULTI_QUEUE);

	if (fd < 0)
		return;
	t->control_fd = fd;
	t->has_control = true;
	if (ioctl(fd, TUNSETVNETHDRSZ, &vnet_len) ||
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) ||
		tun_steering_set(t->fd, program) < 0)
		close_control(t);
}

/* With two queues, if it is new and the kernel lets us say what goes to which; one that is there
 * already has as many as who made it gave it. */
static int make(const char *name, struct ifreq *ifr, struct tun *ret)
{
	int program = tun_steering_load();
	int err = 0;

	ret->fd = program < 0 ? program : open_queue(ifr, name, IFF_MULTI_QUEUE | IFF_TUN_EXCL);
	if (ret->fd < 0)
		ret->fd = open_queue(ifr, name, 0);
	err = ret->fd < 0 ? ret->fd : finish(ret, ifr);
	if (!err && ifr->ifr_flags & IFF_MULTI_QUEUE) {
		add_control(ret, program);
		go_without_discipline(ret);
	}
	if (program >= 0)
		close(program);
	return err;
}

int tun_create(const char *name, struct tun *ret, char *why, size_t why_size)
{
	struct tun t = {.fd = -1};
	struct ifreq ifr;
	int err, there = open("/dev/net/tun", O_RDWR | O_CLOEXEC);

	if (there < 0)
		return explain_open(errno, why, why_size);
	err = make(name, &ifr, &t);
	close(there);
	if (err && t.fd < 0)
		return explain_set(name, -err, why, why_size);
	if (!err)
		err = set_default_mtu(t.name);
	if (err) {
		snprintf(why, why_size, "the interface %s can't be set up: %s", name,
			strerror(-err));
		tun_close(&t);
		return err;
	}
	*ret = t;
	return 0;
}

int tun_adopt(int fd, struct tun *ret, char *why, size_t why_size)
{
	struct tun t = {.fd = fd};
	struct ifreq ifr = {0};
	int err;

	if (ioctl(fd, TUNGETIFF, &ifr)) {
		err = -errno;
		snprintf(why, why_size, "file descriptor %d is no TUN: %s", fd, strerror(-err));
		return err;
	}
	fcntl(fd, F_SETFD, FD_CLOEXEC);
	err = finish(&t, &ifr);
	if (err) {
		snprintf(why, why_size, "the TUN %s can't be taken over: %s", t.name,
			strerror(-err));
		return err;
	}
	*ret = t;
	return 0;
}

uint64_t tun_queue_drops_of(void *answer, size_t n)
{
	struct nlmsghdr *h = answer;
	struct rtattr *a = IFLA_RTA(NLMSG_DATA(h));
	struct rtnl_link_stats64 stats;
	int left;

	if (!NLMSG_OK(h, n) || h->nlmsg_type != RTM_NEWLINK)
		return 0;
	left = (int)h->nlmsg_len - (int)NLMSG_LENGTH(sizeof(struct ifinfomsg));
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type != IFLA_STATS64 || RTA_PAYLOAD(a) < sizeof(stats))
			continue;
		memcpy(&stats, RTA_DATA(a), sizeof(stats));
		return stats.tx_dropped;
	}
	return 0;
}

uint64_t tun_queue_drops(const struct tun *t)
{
	struct {
		struct nlmsghdr h;
		struct ifinfomsg i;
	} m = {.h = {.nlmsg_len = sizeof(m),
		       .nlmsg_type = RTM_GETLINK,
		       .nlmsg_flags = NLM_F_REQUEST},
		.i = {.ifi_index = t->ifindex}};
	union {
		struct nlmsghdr h;
		char bytes[16384];
	} answer;
	uint64_t drops = 0;
	ssize_t n;
	int fd;

	if (!t->ifindex || !is_visible(t))
		return 0;
	fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (fd < 0)
		return 0;
	if (send(fd, &m, sizeof(m), 0) == sizeof(m) &&
		(n = recv(fd, &answer, sizeof(answer), 0)) > 0)
		drops = tun_queue_drops_of(&answer, (size_t)n);
	close(fd);
	return drops;
}

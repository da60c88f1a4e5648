/* SPDX-License-Identifier: MIT */
#include "sys/transit_tap.h"

#include "base/mem.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define BFD_PORT 3784
#define V4_HEADER 20
#define V6_HEADER 40
#define TAKE V6_HEADER
/* What waits for us is bounded: a few hundred small packets, or a few superpackets. */
#define ROOM (256 * 1024)

/* Offsets count from the IP header. */
static const struct sock_filter program[] = {
	/* 0 */ BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)SKF_AD_OFF + SKF_AD_PKTTYPE),
	/* 1 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PACKET_OUTGOING, 14, 0),
	/* 2 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	/* 3 */ BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
	/* 4 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 6, 0),
	/* 5 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 10),
	/* 6: IPv4 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
	/* 7 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 7),
	/* 8 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
	/* 9 */ BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
	/* 10 */ BPF_JUMP(BPF_JMP | BPF_JA, 3, 0, 0),
	/* 11: IPv6 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
	/* 12 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 2),
	/* 13 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, V6_HEADER + 2),
	/* 14: the port */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, BFD_PORT, 1, 0),
	/* 15 */ BPF_STMT(BPF_RET | BPF_K, TAKE),
	/* 16 */ BPF_STMT(BPF_RET | BPF_K, 0),
};

int transit_tap_open(unsigned ifindex)
{
	struct sock_fprog filter = {ARRAY_SIZE(program), (struct sock_filter *)(uintptr_t)program};
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)ifindex};
	/* Protocol 0 receives nothing until it is bound, with its filter. */
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int room = ROOM, err;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room)) < 0 ||
		bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static bool parse(const uint8_t *bytes, ssize_t n, ip_addr *ret_from, ip_addr *ret_to)
{
	bool v4 = n >= V4_HEADER && bytes[0] >> 4 == 4;

	if (!v4 && !(n >= V6_HEADER && bytes[0] >> 4 == 6))
		return false;
	*ret_from = ip_addr_from_bytes(v4 ? AF_INET : AF_INET6, bytes + (v4 ? 12 : 8));
	*ret_to = ip_addr_from_bytes(v4 ? AF_INET : AF_INET6, bytes + (v4 ? 16 : 24));
	return true;
}

bool transit_tap_next(int fd, ip_addr *ret_from, ip_addr *ret_to)
{
	uint8_t bytes[TAKE];
	ssize_t n;

	do {
		n = recv(fd, bytes, sizeof(bytes), 0);
		if (n < 0 && errno != EINTR)
			return false;
	} while (n < 0 || !parse(bytes, n, ret_from, ret_to));
	return true;
}

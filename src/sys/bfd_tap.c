/* SPDX-License-Identifier: MIT */
#include "sys/bfd_tap.h"

#include "base/mem.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define PORT 3784
#define STATE_MASK 0xc0 /* of the second byte of a control packet: RFC 5880 section 4.1 */
#define STATE_UP 0xc0
#define V6_HEADER 40
#define UDP_HEADER 8
#define TAKE 64

/* Offsets count from the IP header. */
static const struct sock_filter program[] = {
	/* 0 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
	/* 1 */ BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 4),
	/* 2 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 6, 10, 0),
	/* 3 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 4, 0, 17),
	/* 4: IPv4, the first fragment */
	BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
	/* 5 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 15),
	/* 6 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 6),
	/* 7 */ BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x1fff, 13, 0),
	/* 8 */ BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
	/* 9 */ BPF_STMT(BPF_LD | BPF_H | BPF_IND, 2),
	/* 10 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PORT, 0, 10),
	/* 11 */ BPF_STMT(BPF_LD | BPF_B | BPF_IND, UDP_HEADER + 1),
	/* 12: IPv6 begins at 12 */
	BPF_JUMP(BPF_JMP | BPF_JA, 5, 0, 0),
	/* 13 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
	/* 14 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 6),
	/* 15 */ BPF_STMT(BPF_LD | BPF_H | BPF_ABS, V6_HEADER + 2),
	/* 16 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, PORT, 0, 4),
	/* 17 */ BPF_STMT(BPF_LD | BPF_B | BPF_ABS, V6_HEADER + UDP_HEADER + 1),
	/* 18: the state */
	BPF_STMT(BPF_ALU | BPF_AND | BPF_K, STATE_MASK),
	/* 19 */ BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, STATE_UP, 1, 0),
	/* 20 */ BPF_STMT(BPF_RET | BPF_K, TAKE),
	/* 21 */ BPF_STMT(BPF_RET | BPF_K, 0),
};

int bfd_tap_open(unsigned ifindex)
{
	struct sock_fprog filter = {ARRAY_SIZE(program), (struct sock_filter *)(uintptr_t)program};
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = (int)ifindex};
	/* Protocol 0 receives nothing until it is bound, with its filter. */
	int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) < 0 ||
		bind(fd, (struct sockaddr *)&to, sizeof(to)) < 0) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* The address of an IP header, by whether it is the destination; false: it is none. */
static bool parse(const uint8_t *bytes, ssize_t n, bool dst, ip_addr *ret)
{
	if (n >= 20 && bytes[0] >> 4 == 4)
		*ret = ip_addr_from_bytes(AF_INET, bytes + (dst ? 16 : 12));
	else if (n >= V6_HEADER && bytes[0] >> 4 == 6)
		*ret = ip_addr_from_bytes(AF_INET6, bytes + (dst ? 24 : 8));
	else
		return false;
	return true;
}

bool bfd_tap_next(int fd, ip_addr *ret_peer, bool *ret_outgoing)
{
	struct sockaddr_ll from = {0};
	uint8_t bytes[TAKE];
	ssize_t n;

	do {
		socklen_t len = sizeof(from);

		n = recvfrom(fd, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &len);
		if (n < 0 && errno != EINTR)
			return false;
		*ret_outgoing = from.sll_pkttype == PACKET_OUTGOING;
	} while (n < 0 || !parse(bytes, n, *ret_outgoing, ret_peer));
	return true;
}

/* SPDX-License-Identifier: MIT */
#include "daemon/echoes.h"

#include "base/mem.h"
#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <net/if.h>

#define N_FAMILIES 2
#define OUTSTANDING 1024 /* a power of two: numbers find their place by it */
#define SIZE_MAX_IP 65535
#define V4_HEADER 20
#define V6_HEADER 40
#define ECHO_HEADER 8

struct outstanding {
	bool is_open;
	uint16_t seq;
	ip_addr to;
	struct echo_tag tag;
};

struct echoes {
	char ifname[IF_NAMESIZE];
	int ifindex;
	uint16_t id, seq;
	struct {
		int fd; /* -1: none */
		ip_addr own;
	} families[N_FAMILIES];
	struct outstanding asked[OUTSTANDING];
	uint8_t out[SIZE_MAX_IP];
};

static int family_of(unsigned i)
{
	return i ? AF_INET6 : AF_INET;
}

static unsigned index_of(int family)
{
	return family == AF_INET6;
}

/* --- sockets -----------------------------------------------------------------------------------
 */

/* Replies with our identifier and "unreachable"; the probers' replies would only fill the buffer.
 * IPv4 packets come with their IP header, ICMPv6 without. */
static int set_filter(int fd, int family, uint16_t id)
{
	bool v4 = family == AF_INET;
	struct sock_filter load_type[] = {
		BPF_STMT(BPF_LDX | BPF_B | BPF_MSH, 0),
		BPF_STMT(BPF_LDX | BPF_IMM, 0),
	};
	struct sock_filter code[] = {
		load_type[v4 ? 0 : 1],
		BPF_STMT(BPF_LD | BPF_B | BPF_IND, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH, 3,
			0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v4 ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY, 0, 3),
		BPF_STMT(BPF_LD | BPF_H | BPF_IND, 4),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, id, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, 0xffff),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {ARRAY_SIZE(code), code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program));
}

/* Whole or not at all, whatever is known of the path. */
static int forbid_fragments(int fd, int family)
{
	int v4 = IP_PMTUDISC_PROBE, v6 = IPV6_PMTUDISC_PROBE, one = 1;

	if (family == AF_INET)
		return setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &v4, sizeof(v4));
	if (setsockopt(fd, IPPROTO_IPV6, IPV6_DONTFRAG, &one, sizeof(one)) < 0)
		return -1;
	return setsockopt(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, &v6, sizeof(v6));
}

static int open_family(const struct echoes *e, const ip_addr *own)
{
	sock_addr local = sock_addr_make(own, 0);
	int protocol = own->family == AF_INET ? (int)IPPROTO_ICMP : (int)IPPROTO_ICMPV6;
	int fd = socket(own->family, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		return -1;
	if (set_filter(fd, own->family, e->id) < 0 || forbid_fragments(fd, own->family) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, e->ifname,
			(socklen_t)strlen(e->ifname) + 1) < 0 ||
		bind(fd, &local.sa, sock_addr_len(&local)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

struct echoes *echoes_new(void)
{
	struct echoes *e = mem_zalloc(1, sizeof(*e));
	uint16_t chance[2] = {0};

	if (getrandom(chance, sizeof(chance), 0) == sizeof(chance)) {
		e->id = chance[0];
		e->seq = chance[1];
	}
	for (unsigned i = 0; i < N_FAMILIES; i++)
		e->families[i].fd = -1;
	return e;
}

static void close_all(struct echoes *e)
{
	for (unsigned i = 0; i < N_FAMILIES; i++) {
		if (e->families[i].fd >= 0)
			close(e->families[i].fd);
		e->families[i].fd = -1;
		e->families[i].own = (ip_addr){0};
	}
}

void echoes_free(struct echoes *e)
{
	if (!e)
		return;
	close_all(e);
	free(e);
}

static const ip_addr *first_of(const ip_addr *own, size_t n, int family)
{
	static const ip_addr none;

	for (size_t i = 0; i < n; i++)
		if (own[i].family == family)
			return &own[i];
	return &none;
}

void echoes_set(struct echoes *e, const char *ifname, int ifindex, const ip_addr *own, size_t n)
{
	if (ifindex != e->ifindex || strcmp(ifname, e->ifname) != 0)
		close_all(e);
	e->ifindex = ifindex;
	strncpy(e->ifname, ifname, sizeof(e->ifname) - 1);
	for (unsigned i = 0; i < N_FAMILIES; i++) {
		const ip_addr *a = first_of(own, n, family_of(i));

		if (e->families[i].fd >= 0 && !ip_addr_eq(a, &e->families[i].own)) {
			close(e->families[i].fd);
			e->families[i].fd = -1;
		}
		e->families[i].own = *a;
		if (a->family && e->families[i].fd < 0)
			e->families[i].fd = open_family(e, a);
	}
}

bool echoes_has(const struct echoes *e, int family)
{
	return e->families[index_of(family)].fd >= 0;
}

/* --- out --------------------------------------------------------------------------------------
 */

/* RFC 1071; the kernel does it for ICMPv6. */
static uint16_t checksum(const uint8_t *bytes, size_t len)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < len; i++)
		sum += (uint32_t)bytes[i] << (i % 2 ? 0 : 8);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~sum;
}

static void put_u16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

int echoes_send(struct echoes *e, const ip_addr *to, const struct echo_tag *tag)
{
	bool v4 = to->family == AF_INET;
	size_t len = tag->size - (v4 ? V4_HEADER : V6_HEADER);
	sock_addr peer = sock_addr_make(to, 0);
	uint16_t seq = e->seq++;

	if (tag->size > SIZE_MAX_IP || tag->size < (v4 ? V4_HEADER : V6_HEADER) + ECHO_HEADER)
		return -EINVAL;
	memset(e->out, 0, len);
	e->out[0] = v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
	put_u16(e->out + 4, e->id);
	put_u16(e->out + 6, seq);
	if (v4)
		put_u16(e->out + 2, checksum(e->out, len));
	e->asked[seq % OUTSTANDING] = (struct outstanding){true, seq, *to, *tag};
	if (sendto(e->families[!v4].fd, e->out, len, MSG_DONTWAIT | MSG_NOSIGNAL, &peer.sa,
		    sock_addr_len(&peer)) < 0)
		return -errno;
	return 0;
}

/* --- in ---------------------------------------------------------------------------------------
 */

static uint16_t get_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

/* The echo header within what an error quotes, NULL if it isn't one of ours. */
static const uint8_t *quoted(const uint8_t *b, size_t len, bool v4)
{
	size_t header = v4 ? V4_HEADER : V6_HEADER;

	if (len < header)
		return NULL;
	if (v4)
		header = (size_t)(b[0] & 0xf) * 4;
	if (len < header + ECHO_HEADER || b[v4 ? 9 : 6] != (v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6) ||
		b[header] != (v4 ? ICMP_ECHO : ICMP6_ECHO_REQUEST))
		return NULL;
	return b + header;
}

/* The echo header of an answer: its own, or the one quoted. */
static const uint8_t *parse(const uint8_t *b, size_t len, bool v4, bool *ret_unreachable)
{
	if (len < ECHO_HEADER)
		return NULL;
	*ret_unreachable = b[0] == (v4 ? ICMP_DEST_UNREACH : ICMP6_DST_UNREACH);
	if (!*ret_unreachable)
		return b[1] == 0 ? b : NULL;
	/* Not what a firewall says by default: the port, or forbidden. */
	if (b[1] != (v4 ? ICMP_HOST_UNREACH : ICMP6_DST_UNREACH_ADDR))
		return NULL;
	return quoted(b + ECHO_HEADER, len - ECHO_HEADER, v4);
}

static bool take(struct echoes *e, const uint8_t *b, size_t len, const ip_addr *from,
	struct echo_answer *ret)
{
	bool v4 = from->family == AF_INET, unreachable;
	const uint8_t *echo;
	struct outstanding *o;

	if (v4) { /* a raw socket hands out the IP header too */
		size_t header = len ? (size_t)(b[0] & 0xf) * 4 : 0;

		if (header < V4_HEADER || len < header)
			return false;
		b += header;
		len -= header;
	}
	echo = parse(b, len, v4, &unreachable);
	if (!echo || get_u16(echo + 4) != e->id)
		return false;
	o = &e->asked[get_u16(echo + 6) % OUTSTANDING];
	if (!o->is_open || o->seq != get_u16(echo + 6) || o->to.family != from->family)
		return false;
	if (unreachable ? ip_addr_eq(from, &e->families[!v4].own) : !ip_addr_eq(from, &o->to))
		return false;
	o->is_open = false;
	*ret = (struct echo_answer){o->tag, unreachable, *from};
	return true;
}

bool echoes_receive(struct echoes *e, struct echo_answer *ret)
{
	uint8_t bytes[256]; /* the beginning will do */

	for (unsigned i = 0; i < N_FAMILIES; i++) {
		while (e->families[i].fd >= 0) {
			sock_addr from = {0};
			socklen_t from_len = sizeof(from);
			ssize_t n = recvfrom(e->families[i].fd, bytes, sizeof(bytes), MSG_DONTWAIT,
				&from.sa, &from_len);
			ip_addr addr = n < 0 ? (ip_addr){0} : sock_addr_ip(&from);

			if (n < 0)
				break;
			if (take(e, bytes, (size_t)n, &addr, ret))
				return true;
		}
	}
	return false;
}

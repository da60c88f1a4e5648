/* SPDX-License-Identifier: MIT */
/*
 * Datagrams behind the sockets, up to the TUN: what two peers with sessions sealed, whose plaintext
 * may be anything, and what nobody did. The receive path is the product's own, called from here
 * instead of from its thread; a naive reading of the rules says what must come out, and of what
 * must be counted. Peer A has 10.0.0.0/8 and fd00::/8, peer B 10.66.0.0/16 and fd66::/16 within.
 *
 * Each datagram begins with a byte: bit 0, peer B; bits 1 and 2, a packet of a flow, one with
 * patches, any plaintext, or any datagram; bit 3, the counter of the one before; bit 4, a bad tag;
 * bit 5, congestion outside; bit 6, padded; bit 7, an address of the other's.
 */
#include "../support/gro_case.h"

#include <sys/uio.h>

static ssize_t fuzz_writev(int fd, const struct iovec *iov, int n);

/* What it writes comes here. */
#define writev(fd, iov, n) fuzz_writev(fd, iov, n)
#include "../../src/tunnel/rx_deliver.c"
#undef writev
#include "../../src/tunnel/rx.c"

#include "tunnel/tunnel.h"
#include <arpa/inet.h>
#include <sanitizer/lsan_interface.h>
#include <sys/eventfd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define MOST 200 /* datagrams */

struct fuzz_peer {
	struct tunnel_peer *peer;
	struct keypair *keypair;
	uint64_t counter;
};

static struct world {
	struct tunnel *t;
	struct rx *rx;
	struct fuzz_peer peers[2];
	struct gro_case gro; /* what must come out, and what does */
	uint64_t expected[TUNNEL_COUNTERS];
	bool seen_raw;
	struct udp_in in[MOST]; /* stay until all is settled */
	size_t n_in;
} w;

static ssize_t fuzz_writev(int fd, const struct iovec *iov, int n)
{
	return gro_case_write(iov, n, &w.gro);
}

static void add_peer(unsigned i, const char *const *allowed)
{
	struct fuzz_peer *p = &w.peers[i];
	wg_key key;

	memset(&key, 40 + (int)i, sizeof(key));
	tunnel_lock(w.t);
	twin_check(!tunnel_peer_add(w.t, &key, &p->peer));
	for (; *allowed; allowed++) {
		ip_prefix prefix;

		twin_check(ip_prefix_parse(&prefix, *allowed));
		twin_check(!tunnel_peer_allow(w.t, p->peer, &prefix));
	}
	tunnel_unlock(w.t);
	p->keypair = keypair_new(p->peer);
	twin_check(p->keypair);
	memset(&p->keypair->receive, 7 + (int)i, sizeof(p->keypair->receive));
	pthread_mutex_lock(&w.t->map_lock);
	p->keypair->local_index = index_allocate(w.t->indices, p->keypair);
	pthread_mutex_unlock(&w.t->map_lock);
	atomic_store(&p->peer->current, p->keypair);
}

static void world_make(void)
{
	struct tun tun = {.name = "fuzz", .has_vnet = true, .takes_tso = true, .takes_uso = true};

	tun.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC); /* never readable */
	w.t = tunnel_new(&tun, 0, NULL, NULL);
	twin_check(w.t);
	add_peer(0, (const char *const[]){"10.0.0.0/8", "fd00::/8", NULL});
	add_peer(1, (const char *const[]){"10.66.0.0/16", "fd66::/16", NULL});
	w.rx = calloc(1, sizeof(*w.rx));
	w.rx->t = w.t;
	rx_open_init(&w.rx->opener, w.t, w.t->aead->thread_new(w.t->aead));
	w.rx->worker = qsbr_register(w.t->qsbr);
}

/* --- the naive reading ---------------------------------------------------------------------------
 */

static int owner_of(const uint8_t *p)
{
	const uint8_t *src = p + (p[0] >> 4 == 4 ? 12 : 8);

	if (p[0] >> 4 == 4)
		return src[0] != 10 ? -1 : src[1] == 66;
	return src[0] != 0xfd ? -1 : src[1] == 0x66;
}

static void mark_congestion(uint8_t *p)
{
	uint32_t sum, was = twin_get16(p);

	if (p[0] >> 4 == 6) {
		p[1] |= p[1] & 0x30 ? 0x30 : 0;
		return;
	}
	if (!(p[1] & 3) || (p[1] & 3) == 3)
		return;
	p[1] |= 3;
	/* RFC 1624, equation 3. */
	sum = (~twin_get16(p + 10) & 0xffff) + (~was & 0xffff) + twin_get16(p);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	twin_set16(p + 10, ~sum & 0xffff);
}

static void expect(unsigned peer, const uint8_t *plain, size_t len, bool congestion)
{
	bool v4 = len && plain[0] >> 4 == 4, v6 = len && plain[0] >> 4 == 6;
	size_t stated = 0;
	struct twin_packet *p;

	if (!len)
		return;
	if (v4 && len >= 20)
		stated = twin_get16(plain + 2);
	if (v6 && len >= 40)
		stated = 40u + twin_get16(plain + 4);
	if (stated > len || stated < (v4 ? 20 : 40)) {
		w.expected[TUNNEL_DROP_MALFORMED]++;
		return;
	}
	if (owner_of(plain) != (int)peer) {
		w.expected[TUNNEL_DROP_SOURCE_NOT_ALLOWED]++;
		return;
	}
	w.expected[TUNNEL_RX_PACKETS]++;
	p = twin_add(&w.gro.came, plain, stated);
	if (congestion)
		mark_congestion(p->bytes);
}

/* --- datagrams -----------------------------------------------------------------------------------
 */

static size_t make_plain(struct twin_source *s, unsigned how, uint8_t *plain)
{
	unsigned what = how >> 1 & 3, flow = twin_next(s);
	size_t len, n = 0;

	if (what == 2) {
		len = twin_next(s);
		for (; n < len && s->left; n++)
			plain[n] = (uint8_t)twin_next(s);
		return n;
	}
	len = gro_case_packet(&w.gro, plain, flow & 15, flow & 16 ? 300 : 16 + (flow >> 5));
	if (flow & 4)
		plain[8] = 0xfd;
	plain[flow & 4 ? 9 : 13] = (how ^ how >> 7) & 1 ? 0x66 : 1;
	if (!(flow & 4))
		plain[13] = (how ^ how >> 7) & 1 ? 66 : 1;
	gro_case_sum(plain, len);
	for (unsigned i = what == 1 ? 1 + twin_next(s) % 3 : 0; i; i--) {
		size_t at = twin_next(s) % len;

		plain[at] ^= (uint8_t)twin_next(s);
	}
	if (how & 64) {
		memset(plain + len, 0, 16);
		len = (len + 15) / 16 * 16;
	}
	return len;
}

static void give(uint8_t *datagram, size_t len, size_t segment, uint8_t tos)
{
	struct udp_in *in = &w.in[w.n_in++];

	*in = (struct udp_in){.data = datagram, .len = len, .segment = segment, .tos = tos};
	in->from.remote.in4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(9)};
	in->from.remote.in4.sin_addr.s_addr = htonl(0xc0000200 | tos);
	take_message(w.rx, in);
}

static void give_sealed(struct twin_source *s, unsigned how, uint8_t *room)
{
	struct fuzz_peer *p = &w.peers[how & 1];
	uint8_t plain[1024], *body = room + WG_DATA_HEADER_LEN, tos = how & 32 ? 3 : 0;
	size_t len = make_plain(s, how, plain);
	bool again = how & 8 && p->counter;
	uint64_t counter = again ? p->counter - 1 : p->counter, wire = htole64(counter);
	uint32_t head[2] = {htole32(WG_DATA), htole32(p->keypair->local_index)};
	struct aead_op op = {&p->keypair->receive, counter, plain, body, len, false};

	memcpy(room, head, sizeof(head));
	memcpy(room + 8, &wire, sizeof(wire));
	w.t->aead->seal(w.rx->opener.aead, &op, 1);
	if (how & 16) {
		body[len + twin_next(s) % 16] ^= 1;
		w.expected[TUNNEL_DROP_BAD_TAG]++;
	} else if (again) {
		w.expected[TUNNEL_DROP_REPLAY]++;
	} else {
		p->counter++;
		expect(how & 1, plain, len, tos == 3);
	}
	give(room, len + WG_DATA_OVERHEAD, 0, tos);
}

/* Of no session: nothing may come of it. In pieces of any size. */
static void give_raw(struct twin_source *s, uint8_t *room)
{
	size_t segment = twin_next(s), len = twin_next(s), n = 0;

	for (; n < len && s->left; n++)
		room[n] = (uint8_t)twin_next(s);
	give(room, n, segment, 0);
	w.seen_raw = true;
}

static void check_counters(const uint64_t *before)
{
	static const enum tunnel_counter exact[] = {TUNNEL_RX_PACKETS,
		TUNNEL_DROP_SOURCE_NOT_ALLOWED, TUNNEL_DROP_REPLAY, TUNNEL_DROP_TUN_WRITE};

	for (size_t i = 0; i < ARRAY_SIZE(exact); i++)
		twin_check(
			tunnel_counter(w.t, exact[i]) - before[exact[i]] == w.expected[exact[i]]);
	/* Others may come of raw datagrams too. */
	for (int c = 0; c < TUNNEL_COUNTERS && !w.seen_raw; c++)
		if (c == TUNNEL_DROP_BAD_TAG || c == TUNNEL_DROP_MALFORMED)
			twin_check(tunnel_counter(w.t, (enum tunnel_counter)c) - before[c] ==
				   w.expected[c]);
}

static void begin(uint64_t *before)
{
	if (!w.t) {
		/* The device lies in locked memory, where no pointers are looked for. */
		__lsan_disable();
		world_make();
		__lsan_enable();
	}
	qsbr_wake(w.t->qsbr, w.rx->worker);
	w.rx->opener.out.now = sys_now();
	w.gro = (struct gro_case){0};
	w.seen_raw = false;
	w.n_in = 0;
	memset(w.expected, 0, sizeof(w.expected));
	for (int c = 0; c < TUNNEL_COUNTERS; c++)
		before[c] = tunnel_counter(w.t, (enum tunnel_counter)c);
	for (unsigned i = 0; i < 2; i++) {
		w.peers[i].counter = 0;
		w.peers[i].keypair->born = w.rx->opener.out.now;
		w.peers[i].keypair->replay = (struct replay){0};
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct twin_source s = {data, size};
	uint64_t before[TUNNEL_COUNTERS];
	uint8_t *rooms[MOST];
	size_t n = 0;

	begin(before);
	w.rx->opener.is_helped = size % 2; /* by workers, of whom none is awake */
	while (s.left && n < ARRAY_SIZE(rooms)) {
		unsigned how = twin_next(&s);

		rooms[n] = malloc(1200);
		if ((how >> 1 & 3) == 3)
			give_raw(&s, rooms[n]);
		else
			give_sealed(&s, how, rooms[n]);
		n++;
	}
	rx_open_turn(&w.rx->opener);
	rx_open_complete(&w.rx->opener);
	gro_check_out(&w.gro);
	check_counters(before);
	qsbr_sleep(w.t->qsbr, w.rx->worker);
	twin_list_done(&w.gro.came);
	twin_list_done(&w.gro.out);
	while (n)
		free(rooms[--n]);
	return 0;
}

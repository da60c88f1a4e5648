/* SPDX-License-Identifier: MIT */
/*
 * A live core fed with anything: packets raw or nearly right, answers to its echoes, time, and
 * changes of its peers. The first byte of each step says what comes; see steps. After each the core
 * must be at rest (nothing due), and its verdicts must be those that its events told.
 */
#include "live/bfd_auth.h"
#include "live/live.h"
#include "live/random.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEERS 4

struct input {
	const uint8_t *data;
	size_t left;
};

struct world {
	struct live *live;
	instant now;
	enum live_state states[PEERS];
	struct echo_mark echo[PEERS];
	uint64_t random;
	struct bfd_auth auth[PEERS]; /* the peers' side */
	size_t sent;
	bool is_drained;
};

static void check(bool ok)
{
	if (!ok)
		abort();
}

static uint8_t next(struct input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

static uint16_t next16(struct input *in)
{
	uint16_t high = next(in);

	return (uint16_t)(high << 8 | next(in));
}

static size_t next_bytes(struct input *in, uint8_t *out, size_t n)
{
	n = n < in->left ? n : in->left;
	memcpy(out, in->data, n);
	in->data += n;
	in->left -= n;
	return n;
}

static ip_addr address(unsigned last)
{
	return ip_addr_from_bytes(AF_INET, (const uint8_t[]){10, 9, 0, (uint8_t)last});
}

static void on_send_bfd(uint32_t peer, const uint8_t *packet, size_t len, void *data)
{
	struct world *w = data;
	struct bfd_packet p;

	check(peer < PEERS && bfd_packet_decode(&p, packet, len));
	check(!(p.poll && p.final));
	w->sent++;
}

static void on_send_echo(uint32_t peer, const struct echo_mark *mark, void *data)
{
	struct world *w = data;

	check(peer < PEERS);
	w->echo[peer] = *mark;
}

static void on_event(const struct live_event *e, void *data)
{
	struct world *w = data;

	if (e->type != LIVE_EVENT_PEER)
		return;
	check(e->peer < PEERS);
	w->states[e->peer] = e->state;
}

static uint64_t on_chance(void *data)
{
	struct world *w = data;

	return random_next(&w->random);
}

static const struct live_ops ops = {on_send_bfd, on_send_echo, on_event, on_chance};

static void set_peer(struct world *w, unsigned peer, struct input *in)
{
	uint8_t how = next(in);
	struct live_peer_config c = {
		.peer = peer,
		.probe = how % 4,
		.signals = how & 4,
		.adopted_as = how & 8 ? LIVE_UP : LIVE_DOWN,
		.local = address(1),
		.remote = address(2 + peer + (how & 16 ? PEERS : 0)),
		.interval_ns = next16(in) * NS_PER_MS,
		.multiplier = how >> 5,
		.hold_ns = next(in) * NS_PER_S,
		.authenticates = how & 4,
		.keys = {.send = {1}, .receive = {2}},
	};

	live_peer_set(w->live, &c, w->now);
}

/* The packet that peer would send: our discriminator, and the digest where it authenticates. */
static size_t make_right(struct world *w, unsigned peer, const struct live_peer_info *i,
	uint8_t bytes[static BFD_PACKET_MAX])
{
	uint32_t mine = __builtin_bswap32(i->local_discriminator);
	struct bfd_packet p;

	bytes[0] = (uint8_t)(0x20 | (bytes[0] & 0x1f));
	bytes[1] &= (uint8_t)~4;
	bytes[3] = BFD_PACKET_LEN;
	memcpy(bytes + 8, &mine, sizeof(mine));
	if (!i->config.authenticates || !bfd_packet_decode(&p, bytes, BFD_PACKET_LEN))
		return BFD_PACKET_LEN;
	bfd_auth_seal(&w->auth[peer], &p, bytes);
	return BFD_PACKET_MAX;
}

static void give_packet(struct world *w, unsigned peer, struct input *in, bool right)
{
	struct live_peer_info i;
	uint8_t bytes[64] = {0};
	size_t len = next_bytes(in, bytes, right ? BFD_PACKET_LEN : next(in) % sizeof(bytes));
	struct live_datagram d = {address(2 + peer), address(1), 50000, 255, bytes, len};

	if (right && live_peer_info(w->live, peer, &i)) {
		d.len = make_right(w, peer, &i, bytes);
		d.src = i.config.remote;
	} else {
		d.ttl = next(in);
		d.port = next16(in);
	}
	live_on_bfd(w->live, &d, w->now);
}

static void give_reply(struct world *w, unsigned peer, struct input *in, bool right)
{
	ip_addr src = address(2 + peer);
	struct echo_mark mark = w->echo[peer];

	if (right)
		mark.seq = (uint16_t)(mark.seq - next(in) % 4);
	else
		mark.nonce ^= next16(in);
	live_on_echo_reply(w->live, &src, &mark, w->now);
}

/* Until nothing is due. */
static void rest(struct world *w)
{
	live_step(w->live, w->now);
	check(instant_before(w->now, live_deadline(w->live)));
}

static void pass_time(struct world *w, int64_t ns)
{
	instant end = instant_add(w->now, ns);
	int rounds = 0;

	while (rounds++ < 2000 && !instant_before(end, live_deadline(w->live))) {
		if (instant_before(w->now, live_deadline(w->live)))
			w->now = live_deadline(w->live);
		rest(w);
	}
	/* What is left is slept through. */
	w->now = end;
	rest(w);
}

static void step(struct world *w, struct input *in)
{
	uint8_t what = next(in);
	unsigned peer = what >> 4 & 3;

	switch (what & 15) {
	case 0:
	case 1:
	case 2:
	case 3:
		give_packet(w, peer, in, what & 3);
		break;
	case 4:
	case 5:
		give_reply(w, peer, in, what & 1);
		break;
	case 6:
		pass_time(w, next(in) * NS_PER_MS);
		break;
	case 7:
		pass_time(w, next16(in) * 10 * NS_PER_MS);
		break;
	case 8:
		w->now = instant_add(w->now, next16(in) * NS_PER_MS);
		break;
	case 9:
		set_peer(w, peer, in);
		break;
	case 10:
		live_peer_remove(w->live, peer, w->now);
		w->states[peer] = LIVE_DOWN;
		break;
	case 11:
		w->is_drained = !w->is_drained;
		live_drain(w->live, w->is_drained, w->now);
		break;
	case 12:
		live_hold_clear(w->live, w->now);
		break;
	case 13:
		live_on_handshake(w->live, peer, (next(in) - 10) * NS_PER_S, next16(in), w->now);
		break;
	default:
		break;
	}
}

static void check_verdicts(const struct world *w)
{
	struct live_peer_info i;

	for (unsigned peer = 0; peer < PEERS; peer++)
		if (live_peer_info(w->live, peer, &i))
			check(i.state == w->states[peer]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {data, size};
	struct bfd_keys their_keys = {.send = {2}, .receive = {1}};
	struct world w = {.now = {1000 * NS_PER_S}};
	uint8_t how = next(&in);
	struct live_self_config self = {
		.hold_ns = (how & 15) * NS_PER_S,
		.cold_start = how & 16,
		.drained = how & 32,
	};

	w.is_drained = self.drained;
	for (unsigned peer = 0; peer < PEERS; peer++)
		bfd_auth_init(&w.auth[peer], &their_keys, 0);
	w.live = live_new(&self, &ops, &w, w.now);
	for (unsigned peer = 0; peer < PEERS; peer++)
		set_peer(&w, peer, &in);
	for (int i = 0; i < 500 && in.left; i++) {
		step(&w, &in);
		rest(&w);
		check_verdicts(&w);
	}
	live_free(w.live);
	return 0;
}

/* SPDX-License-Identifier: MIT */
/*
 * The core: all peers, found by number, address and discriminator, and one heap of their deadlines.
 *
 * Whatever touches a peer ends in pump(), which does the same things in the same order: count the
 * peer for or against our own isolation, tell the verdict if it changed, send what is due, set the
 * deadline. The order matters: the first packet in state Up must already carry our own hold.
 *
 * After a restart hubs are heard one after the other. Where all of them drain or hold, nothing
 * moves, as nothing does at the other end; so the word of the first waits until the others have
 * spoken.
 */
#include "live/live_internal.h"

#include "base/mem.h"
#include <stdlib.h>

#define NAP (50 * NS_PER_MS)
#define NAP_READ (100 * NS_PER_MS)

struct live *live_new(
	const struct live_self_config *self, const struct live_ops *ops, void *data, instant now)
{
	struct live *l = mem_zalloc(1, sizeof(*l));

	l->ops = ops;
	l->data = data;
	l->born = l->awake_at = now;
	l->sequence = self->sequence;
	l->grace_end = instant_add(now, LIVE_ADOPT_GRACE);
	self_init(&l->self, self);
	list_init(&l->peers);
	l->by_number = map_new();
	l->by_address = map_new();
	l->by_discriminator = map_new();
	heap_init(&l->timers);
	report_out_init(&l->report);
	return l;
}

struct peer *live_find(const struct live *l, uint32_t number)
{
	return map_get(l->by_number, &number, sizeof(number));
}

/* Addresses should be unique; if two peers claim one, the last to be set has it. */
static void enter_address(struct live *l, struct peer *p)
{
	map_remove(l->by_address, &p->config.remote, sizeof(p->config.remote));
	map_put(l->by_address, &p->config.remote, sizeof(p->config.remote), p);
}

static void leave_address(struct live *l, struct peer *p)
{
	const ip_addr *a = &p->config.remote;

	if (map_get(l->by_address, a, sizeof(*a)) == p)
		map_remove(l->by_address, a, sizeof(*a));
}

static void enter_discriminator(struct live *l, struct peer *p)
{
	map_put(l->by_discriminator, &p->bfd.local_discriminator,
		sizeof(p->bfd.local_discriminator), p);
}

static void leave_discriminator(struct live *l, struct peer *p)
{
	map_remove(l->by_discriminator, &p->bfd.local_discriminator,
		sizeof(p->bfd.local_discriminator));
}

static bool is_free(const struct live *l, uint32_t discriminator)
{
	return discriminator &&
	       !map_get(l->by_discriminator, &discriminator, sizeof(discriminator));
}

static uint32_t new_discriminator(const struct live *l)
{
	uint32_t d;

	do
		d = (uint32_t)l->ops->chance(l->data);
	while (!is_free(l, d));
	return d;
}

/* Where a new peer's sequence starts: ahead of all that was sent to it before, if it isn't new. */
static uint32_t sequence_at(const struct live *l, instant now)
{
	return l->sequence + (uint32_t)(instant_diff(now, l->born) / (NS_PER_S / BFD_AUTH_RATE));
}

static struct peer_seed new_seed(const struct live *l, instant now)
{
	uint64_t session = l->ops->chance(l->data);
	uint64_t echo = l->ops->chance(l->data);

	return (struct peer_seed){
		.discriminator = new_discriminator(l),
		.sequence = sequence_at(l, now),
		.session = session,
		.echo = {(uint16_t)echo, (uint16_t)(echo >> 16), (uint32_t)(echo >> 32)},
	};
}

/* A session that has ended goes on under another name. */
static void rename_session(struct live *l, struct peer *p)
{
	if (!p->bfd.wants_discriminator)
		return;
	leave_discriminator(l, p);
	do
		bfd_session_rename(&p->bfd, (uint32_t)l->ops->chance(l->data));
	while (!is_free(l, p->bfd.local_discriminator));
	enter_discriminator(l, p);
	live_reports_renew(p);
}

void live_tell(struct live *l, enum live_event_type type, const struct peer *p, instant now)
{
	struct live_event e = {
		.type = type,
		.drained = l->self.is_drained,
		.holding = l->self.is_holding,
		.flapping = l->self.is_flapping,
		.at = now,
	};

	if (p) {
		e.peer = p->config.peer;
		e.generation = p->config.generation;
		e.state = p->state;
		e.cause = p->cause;
	}
	l->ops->event(&e, l->data);
}

static void send_due(struct live *l, struct peer *p, instant now)
{
	uint8_t bytes[BFD_PACKET_MAX];
	struct bfd_packet packet;
	struct echo_mark mark;

	while (p->config.probe == LIVE_PROBE_BFD && bfd_session_output(&p->bfd, &packet, now)) {
		size_t len = bfd_gate_encode(&p->gate, &packet, bytes);

		l->ops->send_bfd(p->config.peer, bytes, len, l->data);
		p->sent++;
	}
	if (echo_output(&p->echo, &mark, now)) {
		l->ops->send_echo(p->config.peer, &mark, l->data);
		p->sent += p->config.probe == LIVE_PROBE_ECHO;
	}
	heap_set(&l->timers, &p->timer, peer_deadline(p));
}

/* That of a poor line is said on that one alone. */
static bool is_signalling_to(const struct live *l, const struct peer *p)
{
	return self_is_signalling(&l->self) || p->line.is_poor;
}

/* What we signal may have changed: tells the owner, and all peers back to back. */
void live_signal_self(struct live *l, bool was_drained, bool was_holding, instant now)
{
	if (was_drained == l->self.is_drained && was_holding == l->self.is_holding)
		return;
	live_tell(l, LIVE_EVENT_SELF, NULL, now);
	if (self_is_signalling(&l->self) == (was_drained || was_holding))
		return;
	list_for_each (link, &l->peers) {
		struct peer *p = container_of(link, struct peer, link);

		p->bfd.signalling = is_signalling_to(l, p);
		send_due(l, p, now);
	}
}

static bool is_engaged(const struct peer *p)
{
	bool is_alive = p->is_alive && p->why != LIVE_CAUSE_NO_SESSION;

	return peer_is_signaller(&p->config) && (is_alive || p->bfd.state == BFD_UP);
}

static void count(struct live *l, struct peer *p, instant now)
{
	bool was_holding = l->self.is_holding;
	bool engaged = is_engaged(p);

	if (engaged == p->is_engaged)
		return;
	p->is_engaged = engaged;
	if (engaged)
		self_engage(&l->self, now);
	else
		self_disengage(&l->self, l->signallers > 0, now);
	live_signal_self(l, l->self.is_drained, was_holding, now);
}

/* A hub that was in use before our start, by which traffic may still go for all we know. */
static bool is_adopted_hub(const struct peer *p, instant now)
{
	return p->config.is_transit && p->state == LIVE_UP && p->cause == LIVE_CAUSE_ADOPTED &&
	       instant_before(now, p->wait_until);
}

static bool waits_for_others(const struct live *l, const struct peer *p, instant now)
{
	if (!p->is_alive || !p->is_signalled || !is_adopted_hub(p, now))
		return false;
	list_for_each (link, &l->peers) {
		const struct peer *other = container_of(link, struct peer, link);

		if (other != p && !other->waits && is_adopted_hub(other, now))
			return true;
	}
	return false;
}

static void settle(struct live *l, struct peer *p, instant now)
{
	p->waits = waits_for_others(l, p, now);
	if (peer_settle(p, now))
		live_tell(l, LIVE_EVENT_PEER, p, now);
}

/* Those that waited for the word of p perhaps, the more so since it isn't what it was. */
static void settle_waiting(struct live *l, const struct peer *p, instant now)
{
	if (!p->config.is_transit || !instant_before(now, p->wait_until))
		return;
	list_for_each (link, &l->peers) {
		struct peer *other = container_of(link, struct peer, link);

		if (other->waits)
			settle(l, other, now);
	}
}

void live_line_changed(struct live *l, struct peer *p, instant now)
{
	p->bfd.signalling = is_signalling_to(l, p);
	settle(l, p, now);
	send_due(l, p, now);
}

static void pump(struct live *l, struct peer *p, instant now)
{
	rename_session(l, p);
	count(l, p, now);
	live_lines_judge(l, p, now);
	p->bfd.signalling = is_signalling_to(l, p);
	settle(l, p, now);
	settle_waiting(l, p, now);
	live_reports_follow(l, p, now);
	send_due(l, p, now);
}

static void add(struct live *l, const struct live_peer_config *c, instant now)
{
	struct peer_seed seed = new_seed(l, now);
	struct peer *p = mem_zalloc(1, sizeof(*p));

	peer_init(p, c, &seed, l->grace_end, now);
	p->bfd.signalling = is_signalling_to(l, p);
	l->signallers += peer_is_signaller(c);
	list_append(&l->peers, &p->link);
	map_put(l->by_number, &p->config.peer, sizeof(p->config.peer), p);
	enter_address(l, p);
	enter_discriminator(l, p);
	if (p->state != LIVE_DOWN)
		live_tell(l, LIVE_EVENT_PEER, p, now);
	pump(l, p, now);
}

static void restart(struct live *l, struct peer *p, const struct live_peer_config *c, instant now)
{
	struct peer_seed seed = new_seed(l, now);

	leave_address(l, p);
	leave_discriminator(l, p);
	peer_restart(p, c, &seed, instant_add(now, LIVE_ADOPT_GRACE), now);
	p->bfd.signalling = is_signalling_to(l, p);
	live_reports_renew(p);
	enter_address(l, p);
	enter_discriminator(l, p);
}

void live_peer_set(struct live *l, const struct live_peer_config *c, instant now)
{
	struct peer *p = live_find(l, c->peer);

	if (!p) {
		add(l, c, now);
		return;
	}
	l->signallers += peer_is_signaller(c);
	l->signallers -= peer_is_signaller(&p->config);
	if (peer_needs_restart(p, c))
		restart(l, p, c, now);
	else
		peer_adjust(p, c, now);
	enter_address(l, p);
	pump(l, p, now);
}

static void drop(struct live *l, struct peer *p)
{
	heap_remove(&l->timers, &p->timer);
	live_reports_leave(l, p);
	list_remove(&p->link);
	leave_address(l, p);
	leave_discriminator(l, p);
	map_remove(l->by_number, &p->config.peer, sizeof(p->config.peer));
	peer_done(p);
	free(p);
}

void live_peer_remove(struct live *l, uint32_t peer, instant now)
{
	struct peer *p = live_find(l, peer);
	bool was_holding = l->self.is_holding;

	if (!p)
		return;
	l->signallers -= peer_is_signaller(&p->config);
	if (p->is_engaged)
		self_disengage(&l->self, l->signallers > 0, now);
	drop(l, p);
	live_signal_self(l, l->self.is_drained, was_holding, now);
}

void live_free(struct live *l)
{
	if (!l)
		return;
	list_for_each (link, &l->peers)
		drop(l, container_of(link, struct peer, link));
	map_free(l->by_number);
	map_free(l->by_address);
	map_free(l->by_discriminator);
	heap_done(&l->timers);
	report_out_done(&l->report);
	free(l);
}

/* RFC 5880 section 6.8.6: by our discriminator if the packet has it, else by address; and by RFC
 * 5881 section 3 the addresses must be those of the session in any case. */
static struct peer *session_of(const struct live *l, const struct bfd_packet *packet,
	const ip_addr *src, const ip_addr *dst)
{
	uint32_t mine = packet->your_discriminator;
	struct peer *p = mine ? map_get(l->by_discriminator, &mine, sizeof(mine))
			      : map_get(l->by_address, src, sizeof(*src));

	if (!p || p->config.probe != LIVE_PROBE_BFD)
		return NULL;
	return ip_addr_eq(src, &p->config.remote) && ip_addr_eq(dst, &p->config.local) ? p : NULL;
}

/* Whoever is called so late has slept, or had no processor. What has gathered meanwhile is read in
 * the moment after. */
static void note_nap(struct live *l, instant now)
{
	instant due = live_deadline(l);

	if (instant_before(due, now) && instant_diff(now, due) > NAP)
		l->awake_at = instant_add(now, NAP_READ);
	l->naps += instant_before(now, l->awake_at);
}

bool live_on_bfd(struct live *l, const struct live_datagram *d, instant now)
{
	struct bfd_packet packet;
	struct peer *p;
	enum bfd_word word;

	if (d->ttl != 255 || !bfd_packet_decode(&packet, d->bytes, d->len))
		return false;
	p = session_of(l, &packet, &d->src, &d->dst);
	if (!p)
		return false;
	note_nap(l, now);
	peer_excuse_line(p, l->naps);
	word = peer_on_bfd(p, &packet, d, now);
	if (word != BFD_WORD_REFUSED)
		pump(l, p, now);
	return word == BFD_WORD_TAKEN;
}

bool live_on_echo_reply(
	struct live *l, const ip_addr *src, const struct echo_mark *mark, instant now)
{
	struct peer *p = map_get(l->by_address, src, sizeof(*src));

	if (!p || !peer_on_echo_reply(p, mark, now))
		return false;
	pump(l, p, now);
	return true;
}

void live_on_bfd_lost(struct live *l, uint32_t peer, instant now)
{
	struct peer *p = live_find(l, peer);

	if (p)
		peer_on_bfd_lost(p, now);
}

void live_on_handshake(
	struct live *l, uint32_t peer, int64_t handshake_age_ns, uint64_t rx_bytes, instant now)
{
	struct peer *p = live_find(l, peer);

	if (!p)
		return;
	peer_on_handshake(p, handshake_age_ns, rx_bytes, now);
	pump(l, p, now);
}

void live_drain(struct live *l, bool drained, instant now)
{
	bool was_drained = l->self.is_drained;

	l->self.is_drained = drained;
	live_signal_self(l, was_drained, l->self.is_holding, now);
}

void live_hold_clear(struct live *l, instant now)
{
	bool was_holding = l->self.is_holding;

	self_clear(&l->self);
	live_signal_self(l, l->self.is_drained, was_holding, now);
}

instant live_deadline(const struct live *l)
{
	instant at = instant_min(heap_deadline(&l->timers), hold_deadline(&l->self.hold));

	return instant_min(at, report_out_deadline(&l->report));
}

void live_step(struct live *l, instant now)
{
	struct heap_node *first;

	note_nap(l, now);
	if (self_step(&l->self, now))
		live_tell(l, LIVE_EVENT_HOLD_OVER, NULL, now);
	while ((first = heap_first(&l->timers)) && !instant_before(now, first->at)) {
		struct peer *p = container_of(first, struct peer, timer);

		peer_excuse_line(p, l->naps);
		peer_step(p, now);
		pump(l, p, now);
	}
	live_reports_step(l, now);
}

bool live_peer_info(const struct live *l, uint32_t peer, struct live_peer_info *ret)
{
	const struct peer *p = live_find(l, peer);
	bool is_bfd;

	if (!p)
		return false;
	is_bfd = p->config.probe == LIVE_PROBE_BFD;
	*ret = (struct live_peer_info){
		.config = p->config,
		.state = p->state,
		.cause = p->cause,
		.since = p->since,
		.flaps = p->hold.flaps,
		.hold_until = p->hold.until,
		.session = p->bfd.state,
		.remote_session = p->bfd.remote_state,
		.diag = p->bfd.any_sent ? p->bfd.sent.diag : p->bfd.diag,
		.remote_diag = p->bfd.remote_diag,
		.local_discriminator = is_bfd ? p->bfd.local_discriminator : 0,
		.remote_discriminator = p->bfd.remote_discriminator,
		.tx_interval_ns = is_bfd ? bfd_session_tx_interval(&p->bfd) : 0,
		.detection_time_ns = is_bfd ? bfd_session_detection_time(&p->bfd) : 0,
		.packets_sent = p->sent,
		.packets_received = p->received,
		.is_poor = p->line.is_poor,
		.is_heard = is_bfd && p->bfd.remote_detect_mult != 0,
		.hears_us = p->hears_us,
		.answered_since = p->answered_since,
		.packets_refused = p->gate.refused,
	};
	return true;
}

bool live_is_holding(const struct live *l)
{
	return l->self.is_holding;
}

bool live_is_flapping(const struct live *l)
{
	return l->self.is_flapping;
}

bool live_is_drained(const struct live *l)
{
	return l->self.is_drained;
}

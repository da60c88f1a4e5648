/* SPDX-License-Identifier: MIT */
/*
 * The state machine of RFC 5880, asynchronous mode.
 *
 * Intervals. What we announce (desired_min_tx, required_min_rx) and what is in force (used_*) are
 * apart: a slower transmission or a faster reception is used only once the peer has answered a
 * Poll Sequence, since until then it may judge us by the old values. Faster transmission and slower
 * reception are harmless and used at once. Not being Up, we announce and send at one second.
 *
 * Packets. Each is built whole from the variables, and one that differs from the last one sent (but
 * for the Poll and Final bits) goes out at once: that covers changes of state, of diagnostic and of
 * intervals with one rule. Periodic ones follow at the interval less a jitter of up to a quarter.
 *
 * A Final is deferred where one was sent within an interval, so that a peer that polls and polls is
 * answered no oftener than it is heard; it is never forgotten.
 *
 * Who doesn't know our discriminator has not been shown to hear us, and may be anybody. It says
 * that it is Down and who it is, but can't silence us or slow us down.
 *
 * A Down from the peer may mean that the path is broken (it doesn't hear us), or just that its
 * daemon was started anew. The second shows by its diagnostic 0 together with a discriminator that
 * was never heard in state Up, so that a straggler of the new start is no accusation either. A
 * third case is our own fault: if we slept for longer than the peer waits, its complaint is about
 * our sleep, and we know when we slept.
 */
#include "live/bfd_session.h"
#include "live/random.h"

#define RENAMED 0xfffffU /* of a discriminator, when a session begins again */
#define LEAST_US 1000	 /* faster is a mistake, not a wish */
#define SLOW_US 1000000	 /* the fastest that may be announced while not Up, section 6.8.3 */

static uint32_t max32(uint32_t a, uint32_t b)
{
	return a > b ? a : b;
}

static uint32_t interval_to_us(int64_t ns)
{
	int64_t us = ns / NS_PER_US;

	if (us < LEAST_US)
		return LEAST_US;
	return us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

int64_t bfd_session_tx_interval(const struct bfd_session *s)
{
	if (s->remote_min_rx == 0)
		return 0;
	return max32(s->used_min_tx, s->remote_min_rx) * NS_PER_US;
}

int64_t bfd_session_rx_interval(const struct bfd_session *s)
{
	if (s->remote_detect_mult == 0)
		return 0;
	return max32(s->used_min_rx, s->remote_min_tx) * NS_PER_US;
}

int64_t bfd_session_detection_time(const struct bfd_session *s)
{
	return bfd_session_rx_interval(s) * s->remote_detect_mult;
}

/* The peer sends at the latest after its interval, jitter only shortens it; the slack is for the
 * path and for schedulers. With a multiplier of 1 it sends after 90 percent of it, and what is left
 * is all that an echo has. */
instant bfd_session_miss_at(const struct bfd_session *s)
{
	int64_t interval = bfd_session_rx_interval(s);
	int64_t slack = interval / 8;

	if (s->state != BFD_UP || interval == 0)
		return INSTANT_NEVER;
	if (s->remote_detect_mult == 1)
		return instant_add(s->heard_at, interval / 100 * 92);
	if (slack < 2 * NS_PER_MS)
		slack = 2 * NS_PER_MS;
	if (slack > 50 * NS_PER_MS)
		slack = 50 * NS_PER_MS;
	return instant_add(s->heard_at, interval + slack);
}

/* How long the peer waits for us, by what we told it last; 0: it doesn't. */
static int64_t peer_patience(const struct bfd_session *s)
{
	if (!s->any_sent || s->remote_min_rx == 0)
		return 0;
	return max32(s->sent.desired_min_tx, s->remote_min_rx) * NS_PER_US * s->sent.detect_mult;
}

static bool is_silent_too_long(const struct bfd_session *s, instant now)
{
	int64_t patience = peer_patience(s);

	return patience && instant_diff(now, s->sent_at) >= patience;
}

/* Whether the peer's clock on us may have run out by our own fault. */
static bool have_slept(const struct bfd_session *s, instant now)
{
	return is_silent_too_long(s, now) ||
	       (!instant_is_never(s->silence_ended) &&
		       instant_diff(now, s->silence_ended) < peer_patience(s));
}

/* 75 to 100 percent of the interval, 75 to 90 where one lost packet ends the session: 6.8.7. */
static int64_t jittered(struct bfd_session *s, int64_t interval)
{
	int64_t span = interval / 100 * (s->detect_mult == 1 ? 15 : 25);
	int64_t least = interval / 100 * 75;

	return least + (span ? (int64_t)(random_next(&s->random) % (uint64_t)span) : 0);
}

/* In demand mode the peer wants to hear from us only when something is to be said (section 6.6). */
static bool is_quiet(const struct bfd_session *s)
{
	bool demand = s->remote_demand && s->state == BFD_UP && s->remote_state == BFD_UP;

	return bfd_session_tx_interval(s) == 0 || (demand && !s->poll);
}

static void schedule(struct bfd_session *s)
{
	if (!s->any_sent)
		return;
	s->next_at = instant_add(s->sent_at, jittered(s, bfd_session_tx_interval(s)));
}

/* Announces new intervals and uses what may be used without the peer's answer. */
static void announce(struct bfd_session *s)
{
	uint32_t tx = s->state == BFD_UP ? s->interval_us : max32(s->interval_us, SLOW_US);
	uint32_t rx = s->interval_us;

	if (tx != s->desired_min_tx || rx != s->required_min_rx) {
		s->poll_again = s->poll;
		s->poll = s->state == BFD_UP;
	}
	s->desired_min_tx = tx;
	s->required_min_rx = rx;
	if (s->state != BFD_UP || tx < s->used_min_tx)
		s->used_min_tx = tx;
	if (s->state != BFD_UP || rx > s->used_min_rx)
		s->used_min_rx = rx;
}

static void on_final(struct bfd_session *s)
{
	if (!s->poll)
		return;
	if (s->poll_again) {
		s->poll_again = false;
		return;
	}
	s->poll = false;
	s->used_min_tx = s->desired_min_tx;
	s->used_min_rx = s->required_min_rx;
}

static void enter(struct bfd_session *s, enum bfd_state state, enum bfd_diag diag)
{
	s->wants_discriminator = s->wants_discriminator || s->state == BFD_UP;
	s->state = state;
	s->diag = diag;
	s->poll = s->poll_again = false;
	s->silence_ended = INSTANT_NEVER;
	announce(s);
	schedule(s);
}

void bfd_session_init(struct bfd_session *s, uint32_t discriminator, int64_t interval_ns,
	unsigned multiplier, uint64_t seed, instant now)
{
	*s = (struct bfd_session){
		.state = BFD_DOWN,
		.remote_state = BFD_DOWN,
		.local_discriminator = discriminator,
		.remote_min_rx = 1,
		.next_at = now,
		.final_at = now,
		.silence_ended = INSTANT_NEVER,
		.random = seed,
	};
	bfd_session_set(s, interval_ns, multiplier);
}

void bfd_session_set(struct bfd_session *s, int64_t interval_ns, unsigned multiplier)
{
	s->interval_us = interval_to_us(interval_ns);
	s->detect_mult = (uint8_t)(multiplier < 1 ? 1 : multiplier > 255 ? 255 : multiplier);
	announce(s);
}

/* What a Down in state Up is about. */
static enum bfd_change judge_down(
	const struct bfd_session *s, const struct bfd_packet *p, bool is_new, instant now)
{
	if (p->diag == BFD_DIAG_NONE && is_new)
		return BFD_PEER_RESET;
	if (p->diag == BFD_DIAG_TIME_EXPIRED && have_slept(s, now))
		return BFD_PEER_RESET;
	return BFD_PEER_DOWN;
}

static enum bfd_change on_admin_down(struct bfd_session *s)
{
	bool was_up = s->state == BFD_UP;

	if (s->state != BFD_DOWN)
		enter(s, BFD_DOWN, BFD_DIAG_NEIGHBOR_DOWN);
	return was_up ? BFD_PEER_ADMIN : BFD_UNCHANGED;
}

static uint32_t believed_min_rx(const struct bfd_packet *p)
{
	if (p->your_discriminator)
		return p->required_min_rx;
	if (p->required_min_rx == 0 || p->required_min_rx > SLOW_US)
		return SLOW_US;
	return p->required_min_rx;
}

/* The table of section 6.8.6; section 6.2 has its picture. */
static enum bfd_change advance(
	struct bfd_session *s, const struct bfd_packet *p, bool is_new, instant now)
{
	enum bfd_change change;

	if (p->state == BFD_ADMIN_DOWN)
		return on_admin_down(s);
	if (s->state == BFD_UP) {
		if (p->state != BFD_DOWN)
			return BFD_UNCHANGED;
		change = judge_down(s, p, is_new, now);
		enter(s, BFD_DOWN, BFD_DIAG_NEIGHBOR_DOWN);
		return change;
	}
	if (s->state == BFD_DOWN && p->state == BFD_DOWN) {
		enter(s, BFD_INIT, BFD_DIAG_NONE);
		return BFD_UNCHANGED;
	}
	if (p->state == BFD_INIT || (s->state == BFD_INIT && p->state == BFD_UP)) {
		enter(s, BFD_UP, BFD_DIAG_NONE);
		return BFD_CAME_UP;
	}
	return BFD_UNCHANGED;
}

void bfd_session_rename(struct bfd_session *s, uint32_t chance)
{
	s->local_discriminator = (s->local_discriminator & ~RENAMED) | (chance & RENAMED);
	s->wants_discriminator = false;
}

bool bfd_is_same_daemon(uint32_t a, uint32_t b)
{
	return (a & ~RENAMED) == (b & ~RENAMED);
}

enum bfd_change bfd_session_receive(struct bfd_session *s, const struct bfd_packet *p, instant now)
{
	bool is_new = p->my_discriminator != s->up_discriminator;
	int64_t interval = bfd_session_tx_interval(s);
	enum bfd_change change;

	s->remote_discriminator = p->my_discriminator;
	if (p->state == BFD_UP)
		s->up_discriminator = p->my_discriminator;
	s->remote_state = p->state;
	s->remote_diag = p->diag;
	s->remote_demand = p->demand;
	s->remote_min_rx = believed_min_rx(p);
	s->remote_min_tx = p->desired_min_tx;
	s->remote_detect_mult = p->detect_mult;
	if (p->final)
		on_final(s);
	change = advance(s, p, is_new, now);
	if (bfd_session_tx_interval(s) != interval)
		schedule(s);
	s->final_due = s->final_due || p->poll;
	s->heard_at = now;
	return change;
}

/* Forgets the peer as section 6.8.1 wants after a detection time of silence. */
static void forget_remote(struct bfd_session *s)
{
	s->remote_discriminator = 0;
	s->remote_state = BFD_DOWN;
	s->remote_diag = BFD_DIAG_NONE;
	s->remote_demand = false;
	s->remote_min_rx = 1;
	s->remote_min_tx = 0;
	s->remote_detect_mult = 0;
}

static instant silence_at(const struct bfd_session *s)
{
	if (s->remote_detect_mult == 0)
		return INSTANT_NEVER;
	return instant_add(s->heard_at, bfd_session_detection_time(s));
}

enum bfd_change bfd_session_step(struct bfd_session *s, instant now)
{
	bool was_up = s->state == BFD_UP;

	if (instant_before(now, silence_at(s)))
		return BFD_UNCHANGED;
	forget_remote(s);
	if (s->state == BFD_INIT || was_up)
		enter(s, BFD_DOWN, BFD_DIAG_TIME_EXPIRED);
	return was_up ? BFD_EXPIRED : BFD_UNCHANGED;
}

static struct bfd_packet build(const struct bfd_session *s)
{
	return (struct bfd_packet){
		.state = s->state,
		.diag = s->state == BFD_UP && s->signalling ? BFD_DIAG_CONCATENATED_PATH_DOWN
							    : s->diag,
		.detect_mult = s->detect_mult,
		.my_discriminator = s->local_discriminator,
		.your_discriminator = s->remote_discriminator,
		.desired_min_tx = s->desired_min_tx,
		.required_min_rx = s->required_min_rx,
	};
}

static bool is_news(const struct bfd_session *s, const struct bfd_packet *p)
{
	return s->any_sent && (p->state != s->sent.state || p->diag != s->sent.diag ||
				      p->detect_mult != s->sent.detect_mult ||
				      p->your_discriminator != s->sent.your_discriminator ||
				      p->desired_min_tx != s->sent.desired_min_tx ||
				      p->required_min_rx != s->sent.required_min_rx);
}

static bool is_due(const struct bfd_session *s, instant now)
{
	return !is_quiet(s) && !instant_before(now, s->next_at);
}

static bool is_final_due(const struct bfd_session *s, instant now)
{
	return s->final_due && !instant_before(now, s->final_at);
}

/* Our own interval unless a slower one was agreed on, and no longer than who polls may wait. */
static int64_t final_gap(const struct bfd_session *s)
{
	int64_t agreed = s->state == BFD_UP ? bfd_session_tx_interval(s) : 0;
	int64_t gap = max32(s->interval_us, LEAST_US) * NS_PER_US;

	gap = agreed > gap ? agreed : gap;
	return gap > NS_PER_S ? NS_PER_S : gap;
}

bool bfd_session_output(struct bfd_session *s, struct bfd_packet *ret, instant now)
{
	struct bfd_packet p = build(s);

	if (is_final_due(s, now)) {
		p.final = true;
		s->final_due = false;
		s->final_at = instant_add(now, final_gap(s));
	} else if (is_news(s, &p) || is_due(s, now)) {
		p.poll = s->poll;
	} else {
		return false;
	}
	if (s->state == BFD_UP && !is_quiet(s) && is_silent_too_long(s, now))
		s->silence_ended = now;
	s->sent = p;
	s->sent_at = now;
	s->any_sent = true;
	schedule(s);
	*ret = p;
	return true;
}

instant bfd_session_deadline(const struct bfd_session *s)
{
	instant at = instant_min(silence_at(s), is_quiet(s) ? INSTANT_NEVER : s->next_at);

	return s->final_due ? instant_min(at, s->final_at) : at;
}

/* SPDX-License-Identifier: MIT */
/*
 * From probes to a verdict.
 *
 * With BFD a peer is alive from its first packet in state Up while ours is Up too: that is the one
 * that says whether it holds, and at what pace it sends. From the first missed packet on,
 * echoes go out at the session's pace. When the session runs out, one answered echo keeps the peer
 * where it is (is_kept) for as long as echoes are answered within a detection time; none, and it is
 * down at once. A session that the peer reset without accusing the path keeps it likewise, but the
 * echoes begin only then, so they get one detection time (judge_at) before their silence counts.
 * So does AdminDown: RFC 5882 section 3.2 says that it means nothing about the path.
 *
 * A peer without a session is sent slow echoes. If they are answered for long and no session comes,
 * BFD alone is in trouble (a firewall, or no daemon), and the peer is better than none: last
 * resort, on echoes. Not up, since one that returns must be able to say that it holds.
 *
 * An adopted peer is kept likewise, from our start on: echoes go out at once, and silence for a
 * detection time after the first is its end. One that answers is what it was until its session has
 * had its time (grace_end), then it counts as one whose daemon is silent. An echo-probed peer is
 * judged by its echoes and nothing else.
 *
 * ICMP errors are no evidence of anything: they are rate-limited, and absent where some other
 * program listens.
 */
#include "live/peer.h"
#include <sodium.h>

#define SLOW_NS NS_PER_S /* echoes towards what is down */
/* WireGuard's REJECT_AFTER_TIME and two tries of a handshake. */
#define HANDSHAKE_AGE_MAX (190 * NS_PER_S)
/* Three keepalives of 25 s. */
#define GROWTH_MAX (75 * NS_PER_S)

static int64_t max64(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* Of echoes towards what is down. */
static int64_t slow_pace(const struct peer *p)
{
	return max64(p->interval_ns, SLOW_NS);
}

/* The pace of the configuration, which holds until a session has agreed on another. */
static void set_pace(struct peer *p)
{
	p->interval_ns = max64(p->config.interval_ns, NS_PER_MS);
	p->detection_ns =
		p->interval_ns * (p->config.multiplier ? (int64_t)p->config.multiplier : 1);
}

static void come_alive(struct peer *p, enum live_cause why, instant now)
{
	if (!p->is_alive) {
		p->is_alive = true;
		hold_up(&p->hold, now);
		/* One that signals has the word itself. */
		if (p->was_alive && !p->config.signals)
			hold_start(&p->hold, p->config.hold_ns, now);
	}
	p->was_alive = true;
	p->why = why;
}

static void go_down(struct peer *p, enum live_cause why, instant now)
{
	if (p->is_alive)
		hold_down(&p->hold, now);
	p->is_alive = p->is_kept = p->is_signalled = false;
	p->judge_at = p->answered_since = INSTANT_NEVER;
	p->why = why;
	if (p->config.probe == LIVE_PROBE_ECHO || p->config.probe == LIVE_PROBE_BFD)
		echo_start(&p->echo, slow_pace(p), now);
	else
		echo_stop(&p->echo);
}

/* Alive on trust until judge_at; lost is the verdict if the trust was misplaced. */
static void keep(struct peer *p, enum live_cause lost, instant judge_at, instant now)
{
	p->is_kept = true;
	p->lost = lost;
	p->judge_at = judge_at;
	if (p->config.probe == LIVE_PROBE_BFD)
		echo_start(&p->echo, p->interval_ns, now);
}

/* The cause of being down when no probe ever succeeds. */
static enum live_cause silent_cause(enum live_probe probe)
{
	switch (probe) {
	case LIVE_PROBE_ECHO:
		return LIVE_CAUSE_NO_ECHO;
	case LIVE_PROBE_HANDSHAKE:
		return LIVE_CAUSE_STALE;
	default:
		return LIVE_CAUSE_EXPIRED;
	}
}

/* How long trust lasts where nothing has spoken yet: as long as echoes may take, if the peer is
 * asked by them. Handshakes may be minutes apart, and a wall clock that stepped makes a live peer's
 * look old, so there only received bytes can tell. */
static instant end_of_trust(const struct peer *p, instant of_echoes, instant now)
{
	return p->config.probe == LIVE_PROBE_HANDSHAKE ? instant_add(now, GROWTH_MAX) : of_echoes;
}

static void start_probing(struct peer *p, const struct peer_seed *seed, instant now)
{
	const struct live_peer_config *c = &p->config;

	set_pace(p);
	p->has_sample = false;
	p->grown_at = INSTANT_NEVER;
	p->is_kept = p->is_signalled = false;
	p->judge_at = p->answered_since = p->lost_at = INSTANT_NEVER;
	p->hears_us = p->had_session = false;
	line_init(&p->line);
	bfd_session_init(
		&p->bfd, seed->discriminator, c->interval_ns, c->multiplier, seed->session, now);
	echo_init(&p->echo, &seed->echo);
	if (c->probe == LIVE_PROBE_ECHO) {
		echo_start(&p->echo, p->interval_ns, now);
		p->judge_at = instant_add(now, p->detection_ns);
	}
	if (c->probe == LIVE_PROBE_BFD)
		echo_start(&p->echo, slow_pace(p), now);
	if (c->probe == LIVE_PROBE_NONE)
		come_alive(p, LIVE_CAUSE_UNPROBED, now);
}

/* The keys go to the gate and nowhere else. */
static void set_config(struct peer *p, const struct live_peer_config *c)
{
	p->config = *c;
	sodium_memzero(&p->config.keys, sizeof(p->config.keys));
	bfd_gate_set_keys(&p->gate, c->authenticates ? &c->keys : NULL);
}

/* It was last resort: by its own word, or held by us where it has none to take that back. */
static void stay_last_resort(struct peer *p, instant now)
{
	if (p->config.probe == LIVE_PROBE_BFD)
		p->is_signalled = true;
	else
		hold_start(&p->hold, p->config.hold_ns, now);
}

void peer_init(struct peer *p, const struct live_peer_config *c, const struct peer_seed *seed,
	instant grace_end, instant now)
{
	*p = (struct peer){.why = LIVE_CAUSE_NEW, .since = now, .told.random = seed->discriminator};
	bfd_gate_init(&p->gate, NULL, seed->sequence);
	set_config(p, c);
	hold_init(&p->hold);
	flaps_init(&p->flaps);
	start_probing(p, seed, now);
	if (c->adopted_as && c->probe != LIVE_PROBE_NONE && instant_before(now, grace_end)) {
		come_alive(p, LIVE_CAUSE_ADOPTED, now);
		if (c->adopted_as == LIVE_LAST_RESORT)
			stay_last_resort(p, now);
		p->grace_end = grace_end;
		p->wait_until = instant_add(now, 2 * p->detection_ns);
		keep(p, silent_cause(c->probe),
			end_of_trust(p, instant_add(now, p->detection_ns), now), now);
	}
	peer_settle(p, now);
}

void peer_done(struct peer *p)
{
	bfd_gate_done(&p->gate);
	report_in_done(&p->heard);
}

bool peer_needs_restart(const struct peer *p, const struct live_peer_config *c)
{
	return c->probe != p->config.probe || !ip_addr_eq(&c->remote, &p->config.remote) ||
	       !ip_addr_eq(&c->local, &p->config.local);
}

void peer_restart(struct peer *p, const struct live_peer_config *c, const struct peer_seed *seed,
	instant grace_end, instant now)
{
	bool was_signalled = p->is_signalled;

	set_config(p, c);
	p->gate.port = 0;
	start_probing(p, seed, now);
	if (p->is_alive && c->probe != LIVE_PROBE_NONE) {
		if (was_signalled)
			stay_last_resort(p, now);
		p->why = LIVE_CAUSE_ADOPTED;
		p->grace_end = grace_end;
		keep(p, silent_cause(c->probe), end_of_trust(p, grace_end, now), now);
	}
}

/* Echoes were sent at the old pace so far, so their silence is measured by the new one from now on.
 */
static void change_pace(struct peer *p, instant now)
{
	set_pace(p);
	if (!p->echo.is_on)
		return;
	echo_start(&p->echo, p->is_alive ? p->interval_ns : slow_pace(p), now);
	if (!instant_is_never(p->echo.answered_at))
		p->echo.answered_at = now;
}

void peer_adjust(struct peer *p, const struct live_peer_config *c, instant now)
{
	bool is_new_pace =
		c->interval_ns != p->config.interval_ns || c->multiplier != p->config.multiplier;

	if (c->signals && !p->config.signals)
		p->hold.until = INSTANT_NEVER;
	set_config(p, c);
	if (!is_new_pace)
		return;
	bfd_session_set(&p->bfd, c->interval_ns, c->multiplier);
	change_pace(p, now);
}

/* A packet of a session that makes the peer alive. */
static void on_session(struct peer *p, instant now)
{
	bool is_signalled = p->bfd.remote_state == BFD_UP &&
			    p->bfd.remote_diag == BFD_DIAG_CONCATENATED_PATH_DOWN;

	if (p->is_signalled && !is_signalled)
		p->hold.until = INSTANT_NEVER;
	p->is_signalled = is_signalled;
	p->is_kept = false;
	p->had_session = true;
	p->judge_at = p->answered_since = INSTANT_NEVER;
	p->interval_ns = bfd_session_rx_interval(&p->bfd);
	p->detection_ns = bfd_session_detection_time(&p->bfd);
	echo_stop(&p->echo);
	if (flaps_up(&p->flaps, p->bfd.remote_discriminator, now))
		p->has_flapped = true;
	come_alive(p, LIVE_CAUSE_SESSION_UP, now);
}

bool peer_has_session(const struct peer *p)
{
	return p->bfd.state == BFD_UP && p->bfd.remote_state == BFD_UP;
}

/* Its session ended without a word about the path. */
static void suspend(struct peer *p, enum live_cause lost, instant now)
{
	if (!p->is_alive)
		p->why = lost == LIVE_CAUSE_PEER_ADMIN_DOWN ? lost : p->why;
	else if (p->is_kept)
		p->lost = lost;
	else
		keep(p, lost, instant_add(now, p->detection_ns), now);
}

static void on_expired(struct peer *p, instant now)
{
	if (!p->is_alive || p->is_kept)
		return;
	if (!p->echo.is_on || instant_is_never(p->echo.answered_at)) {
		go_down(p, LIVE_CAUSE_EXPIRED, now);
		return;
	}
	keep(p, LIVE_CAUSE_EXPIRED, INSTANT_NEVER, now);
	p->why = LIVE_CAUSE_DAEMON_SILENT;
}

bool peer_is_signaller(const struct live_peer_config *c)
{
	return c->signals && c->probe == LIVE_PROBE_BFD;
}

static int64_t line_hold(const struct peer *p)
{
	return max64(p->config.hold_ns, LIVE_POOR_HOLD);
}

void peer_condemn_line(struct peer *p, instant now)
{
	line_condemn(&p->line, line_hold(p), now);
}

void peer_excuse_line(struct peer *p, unsigned naps)
{
	if (p->naps != naps)
		line_forget(&p->line);
	p->naps = naps;
}

/* What the number of a word that was taken says of the line. Only those of a session that is up
 * come at a known pace. */
static void weigh(struct peer *p, instant now)
{
	if (p->gate.authenticates && peer_has_session(p))
		line_word(&p->line, p->gate.auth.heard_seq, p->bfd.remote_detect_mult, now);
	else
		line_forget(&p->line);
}

static void on_change(struct peer *p, enum bfd_change change, instant now)
{
	switch (change) {
	case BFD_UNCHANGED:
	case BFD_CAME_UP:
		break;
	case BFD_EXPIRED:
		flaps_down(&p->flaps, p->bfd.up_discriminator, now);
		on_expired(p, now);
		break;
	case BFD_PEER_DOWN:
		flaps_down(&p->flaps, p->bfd.up_discriminator, now);
		go_down(p, LIVE_CAUSE_PEER_DOWN, now);
		break;
	case BFD_PEER_ADMIN:
		suspend(p, LIVE_CAUSE_PEER_ADMIN_DOWN, now);
		break;
	case BFD_PEER_RESET:
		suspend(p, LIVE_CAUSE_EXPIRED, now);
		break;
	}
}

static void on_taken(
	struct peer *p, const struct bfd_packet *packet, enum bfd_change change, instant now)
{
	p->received++;
	p->hears_us = packet->your_discriminator == p->bfd.local_discriminator;
	on_change(p, change, now);
	weigh(p, now);
	if (peer_has_session(p))
		on_session(p, now);
	else if (packet->state == BFD_ADMIN_DOWN)
		suspend(p, LIVE_CAUSE_PEER_ADMIN_DOWN, now);
}

enum bfd_word peer_on_bfd(
	struct peer *p, const struct bfd_packet *packet, const struct live_datagram *d, instant now)
{
	enum bfd_word word = bfd_gate_judge(&p->gate, &p->bfd, packet, d->bytes, d->port, now);
	enum bfd_change change;

	if (word == BFD_WORD_DOUBTED && peer_has_session(p))
		echo_start(&p->echo, p->interval_ns, now);
	if (word != BFD_WORD_TAKEN)
		return word;
	change = bfd_session_receive(&p->bfd, packet, now);
	bfd_gate_passed(&p->gate, &p->bfd, change, d->bytes, d->port, now);
	on_taken(p, packet, change, now);
	return word;
}

/* Its daemon runs: its packets come, though not all the way perhaps. */
static bool speaks(const struct peer *p, instant now)
{
	bool is_lost =
		!instant_is_never(p->lost_at) && instant_diff(now, p->lost_at) < 4 * slow_pace(p);

	return is_lost || (p->bfd.remote_detect_mult != 0 && !p->hears_us);
}

/* One that had a session, or was in use before our start, may just have lost its daemon. If that
 * speaks, and yet there was no session since our start, it is something else. */
static bool may_be_filtered(const struct peer *p, instant now)
{
	if (!p->is_alive)
		return true;
	return p->is_kept && !p->had_session && p->bfd.remote_state != BFD_ADMIN_DOWN &&
	       speaks(p, now);
}

/* An echo was answered where there is no session; the one before at before. A session needs some
 * packets of the slow pace to come up. */
static void on_answer(struct peer *p, instant before, instant now)
{
	int64_t enough = max64(LIVE_NO_SESSION_AFTER, 4 * slow_pace(p));

	if (instant_is_never(p->answered_since) || instant_is_never(before) ||
		instant_diff(now, before) > 3 * slow_pace(p))
		p->answered_since = now;
	if (!may_be_filtered(p, now) || instant_diff(now, p->answered_since) < enough)
		return;
	set_pace(p);
	come_alive(p, LIVE_CAUSE_NO_SESSION, now);
	keep(p, LIVE_CAUSE_EXPIRED, INSTANT_NEVER, now);
}

bool peer_on_echo_reply(struct peer *p, const struct echo_mark *mark, instant now)
{
	instant before = p->echo.answered_at;

	if (!echo_on_reply(&p->echo, mark, now))
		return false;
	if (p->config.probe == LIVE_PROBE_BFD && !peer_has_session(p))
		on_answer(p, before, now);
	if (p->config.probe != LIVE_PROBE_ECHO)
		return true;
	p->received++;
	p->is_kept = false;
	p->judge_at = INSTANT_NEVER;
	echo_start(&p->echo, p->interval_ns, now);
	come_alive(p, LIVE_CAUSE_ECHO, now);
	return true;
}

void peer_on_bfd_lost(struct peer *p, instant now)
{
	p->lost_at = now;
}

static bool is_growing(struct peer *p, uint64_t rx_bytes, instant now)
{
	if (p->has_sample && rx_bytes > p->rx_bytes)
		p->grown_at = now;
	p->has_sample = true;
	p->rx_bytes = rx_bytes;
	return !instant_is_never(p->grown_at) && instant_diff(now, p->grown_at) <= GROWTH_MAX;
}

void peer_on_handshake(struct peer *p, int64_t age_ns, uint64_t rx_bytes, instant now)
{
	bool growing = is_growing(p, rx_bytes, now);

	if (p->config.probe != LIVE_PROBE_HANDSHAKE)
		return;
	if (age_ns >= 0 && (age_ns <= HANDSHAKE_AGE_MAX || growing)) {
		p->is_kept = false;
		p->judge_at = INSTANT_NEVER;
		come_alive(p, LIVE_CAUSE_HANDSHAKE, now);
	} else if (!p->is_kept && (p->is_alive || age_ns >= 0)) {
		go_down(p, LIVE_CAUSE_STALE, now);
	}
}

/* The time that was given is over: echoes decide, of other probes none has spoken. */
static void judge(struct peer *p, instant now)
{
	p->judge_at = INSTANT_NEVER;
	if (p->config.probe != LIVE_PROBE_BFD)
		go_down(p, silent_cause(p->config.probe), now);
	else if (!echo_is_answered(&p->echo, p->detection_ns, now))
		go_down(p, p->lost, now);
	else if (p->why != LIVE_CAUSE_ADOPTED)
		p->why = LIVE_CAUSE_DAEMON_SILENT;
}

/* An adopted peer answers; its session may still come, as if nothing had happened. */
static instant session_due_at(const struct peer *p)
{
	bool is_waiting = p->is_kept && p->why == LIVE_CAUSE_ADOPTED &&
			  p->config.probe == LIVE_PROBE_BFD && instant_is_never(p->judge_at);

	return is_waiting ? p->grace_end : INSTANT_NEVER;
}

/* When the last answered echo is too long ago. */
static instant echo_silence_at(const struct peer *p)
{
	bool depends = p->is_alive && instant_is_never(p->judge_at) &&
		       (p->is_kept || p->config.probe == LIVE_PROBE_ECHO);

	return depends ? instant_add(p->echo.answered_at, p->detection_ns) : INSTANT_NEVER;
}

static instant miss_at(const struct peer *p)
{
	return p->is_alive && !p->echo.is_on ? bfd_session_miss_at(&p->bfd) : INSTANT_NEVER;
}

/* Just after a start the machine is busy: time in which we asked nothing isn't the peer's silence,
 * but the grace is the end of it. */
static void excuse_sleep(struct peer *p, instant now)
{
	int64_t slept = echo_excuse_sleep(&p->echo, now);

	if (slept && p->why == LIVE_CAUSE_ADOPTED && !instant_is_never(p->judge_at))
		p->judge_at = instant_min(instant_add(p->judge_at, slept), p->grace_end);
}

static void step_session(struct peer *p, instant now)
{
	unsigned most = p->bfd.remote_detect_mult;
	enum bfd_change change = bfd_session_step(&p->bfd, now);

	if (change == BFD_EXPIRED)
		line_silence(&p->line, most, now);
	on_change(p, change, now);
}

void peer_step(struct peer *p, instant now)
{
	excuse_sleep(p, now);
	if (p->config.probe == LIVE_PROBE_BFD)
		step_session(p, now);
	if (!instant_before(now, miss_at(p)))
		echo_start(&p->echo, p->interval_ns, now);
	if (!instant_before(now, p->judge_at))
		judge(p, now);
	if (!instant_before(now, session_due_at(p)))
		p->why = LIVE_CAUSE_DAEMON_SILENT;
	if (!instant_before(now, echo_silence_at(p)))
		go_down(p, p->is_kept ? p->lost : LIVE_CAUSE_NO_ECHO, now);
	hold_step(&p->hold, now);
	if (p->line.is_poor && p->why == LIVE_CAUSE_DAEMON_SILENT)
		peer_condemn_line(p, now); /* no word comes that shows it clean */
	line_step(&p->line, line_hold(p), now);
}

instant peer_deadline(const struct peer *p)
{
	instant at = instant_min(hold_deadline(&p->hold), p->judge_at);

	at = instant_min(at, line_deadline(&p->line));
	at = instant_min(at, echo_silence_at(p));
	at = instant_min(at, session_due_at(p));
	at = instant_min(at, echo_deadline(&p->echo));
	at = instant_min(at, p->waits ? p->wait_until : INSTANT_NEVER);
	if (p->config.probe != LIVE_PROBE_BFD)
		return at;
	at = instant_min(at, miss_at(p));
	return instant_min(at, bfd_session_deadline(&p->bfd));
}

/* Its session may be gone for a moment just for that. */
static bool is_by_poor_line(const struct peer *p)
{
	return p->line.is_poor &&
	       (p->why == LIVE_CAUSE_SESSION_UP || p->why == LIVE_CAUSE_DAEMON_SILENT);
}

bool peer_settle(struct peer *p, instant now)
{
	enum live_state state = LIVE_UP;
	enum live_cause cause = p->why;

	if (!p->is_alive) {
		state = LIVE_DOWN;
	} else if (is_by_poor_line(p)) {
		state = LIVE_LAST_RESORT;
		cause = LIVE_CAUSE_POOR_LINE;
	} else if (p->is_signalled) {
		state = LIVE_LAST_RESORT;
		if (cause != LIVE_CAUSE_DAEMON_SILENT && cause != LIVE_CAUSE_ADOPTED)
			cause = LIVE_CAUSE_PEER_SIGNALS;
	} else if (p->why == LIVE_CAUSE_NO_SESSION) {
		state = LIVE_LAST_RESORT;
	} else if (!instant_is_never(p->hold.until)) {
		state = LIVE_LAST_RESORT;
		cause = LIVE_CAUSE_HELD;
	}
	if (p->waits || (state == p->state && cause == p->cause))
		return false;
	if (state != p->state)
		p->since = now;
	p->state = state;
	p->cause = cause;
	return true;
}

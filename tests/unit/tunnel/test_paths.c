/* SPDX-License-Identifier: MIT */
/*
 * A device whose prefixes have several owners, at work with them:
 *
 *	             +== [peer 0]
 *	[device a] ==+== [peer 1]
 *	             +== [peer 2]
 *
 * 192.0.2.0/24 and 2001:db8::/32 belong to a set of the three, each has an address of its own
 * besides (10.0.0.2 and so on). One packet is under way at a time, so that who got it is known.
 */
#include "tunnel_fixture.h"

#define N_PEERS 3
#define N_FLOWS 200
#define SHARED4 "192.0.2.1"
#define SHARED6 "2001:db8::1"

static struct device a, b[N_PEERS];
static struct tunnel_peer *peers[N_PEERS];
static struct tunnel_owners *set;

static void define(const struct tunnel_owner *owners, size_t n)
{
	tunnel_lock(a.t);
	assert_int_equal(tunnel_owners_define(a.t, set, owners, n), 0);
	tunnel_unlock(a.t);
}

static void set_level(unsigned i, enum cryptokey_level level)
{
	tunnel_lock(a.t);
	tunnel_peer_set_level(a.t, peers[i], level);
	tunnel_unlock(a.t);
}

static void bind_set(const char *text)
{
	ip_prefix p = prefix(text);

	assert_int_equal(tunnel_owners_bind(a.t, set, &p), 0);
}

static void allow(struct device *d, struct tunnel_peer *p, const char *text)
{
	ip_prefix q = prefix(text);

	tunnel_lock(d->t);
	assert_int_equal(tunnel_peer_allow(d->t, p, &q), 0);
	tunnel_unlock(d->t);
}

static int start(void **state)
{
	static const char *const own[] = {"10.0.0.2/32", "10.0.0.3/32", "10.0.0.4/32"};

	device_start(&a, true);
	for (unsigned i = 0; i < N_PEERS; i++) {
		struct tunnel_peer *a_at_b;

		device_start(&b[i], true);
		a_at_b = device_peer(&b[i], &a.public, a.port, "0.0.0.0/0");
		allow(&b[i], a_at_b, "::/0");
		peers[i] = device_peer(&a, &b[i].public, b[i].port, own[i]);
	}
	tunnel_lock(a.t);
	assert_int_equal(tunnel_owners_add(a.t, 1, &set), 0);
	bind_set("192.0.2.0/24");
	bind_set("2001:db8::/32");
	tunnel_unlock(a.t);
	return 0;
}

static int stop(void **state)
{
	device_stop(&a);
	for (unsigned i = 0; i < N_PEERS; i++)
		device_stop(&b[i]);
	return 0;
}

static void share_alike(void)
{
	struct tunnel_owner all[N_PEERS];

	for (unsigned i = 0; i < N_PEERS; i++)
		all[i] = (struct tunnel_owner){peers[i], 1, 1, false};
	define(all, N_PEERS);
}

static void by_rank(bool is_relay)
{
	struct tunnel_owner all[N_PEERS];

	for (unsigned i = 0; i < N_PEERS; i++)
		all[i] = (struct tunnel_owner){peers[i], (uint16_t)i, 1, is_relay};
	define(all, N_PEERS);
}

/* --- packets -------------------------------------------------------------------------------------
 */

struct packet {
	uint8_t bytes[256];
	size_t len;
};

/* UDP from one address to another; the flow is in its ports. */
static struct packet udp(const char *src, const char *dst, unsigned flow)
{
	struct packet p = {.len = 60};
	bool is_v6 = strchr(dst, ':');
	uint8_t *ports = p.bytes + (is_v6 ? 40 : 20);

	if (is_v6) {
		p.bytes[0] = 0x60;
		p.bytes[5] = 20;
		p.bytes[6] = 17;
		p.bytes[7] = 64;
		inet_pton(AF_INET6, src, p.bytes + 8);
		inet_pton(AF_INET6, dst, p.bytes + 24);
	} else {
		make_packet(p.bytes, src, dst, 40, 0);
	}
	ports[0] = (uint8_t)(flow >> 8);
	ports[1] = (uint8_t)flow;
	ports[3] = 53;
	return p;
}

static void put(struct device *d, const struct packet *p)
{
	assert_int_equal(send(d->tun, p->bytes, p->len, 0), p->len);
}

static bool get(struct device *d, int ms, struct packet *ret)
{
	ret->len = host_receives(d, ret->bytes, sizeof(ret->bytes), ms);
	return ret->len;
}

/* Which of the peers gets the packet, and that it is this one. */
static unsigned who_gets(const struct packet *p)
{
	struct pollfd fds[N_PEERS];
	struct packet got;

	for (unsigned i = 0; i < N_PEERS; i++)
		fds[i] = (struct pollfd){b[i].tun, POLLIN, 0};
	assert_int_equal(poll(fds, N_PEERS, DEADLINE_MS), 1);
	for (unsigned i = 0; i < N_PEERS; i++)
		if (fds[i].revents) {
			assert_true(get(&b[i], 0, &got));
			assert_int_equal(got.len, p->len);
			assert_memory_equal(got.bytes, p->bytes, p->len);
			return i;
		}
	return N_PEERS;
}

static unsigned goes_to(const char *src, const char *dst, unsigned flow)
{
	struct packet p = udp(src, dst, flow);

	put(&a, &p);
	return who_gets(&p);
}

/* From a peer into the host of a. */
static bool comes_in(unsigned from, const char *src, const char *dst)
{
	uint64_t before = counted(&a, TUNNEL_DROP_SOURCE_NOT_ALLOWED);
	struct packet p = udp(src, dst, 1), got;

	put(&b[from], &p);
	for (unsigned i = 0; i < DEADLINE_MS; i++) {
		if (get(&a, 1, &got))
			return true;
		if (counted(&a, TUNNEL_DROP_SOURCE_NOT_ALLOWED) != before)
			return false;
	}
	fail();
	return false;
}

/* --- sending -------------------------------------------------------------------------------------
 */

static void where_flows_go(const char *src, const char *dst, unsigned *ret)
{
	for (unsigned i = 0; i < N_FLOWS; i++)
		ret[i] = goes_to(src, dst, i);
}

static void shares(const char *src, const char *dst)
{
	unsigned before[N_FLOWS], after[N_FLOWS], n[N_PEERS] = {0};

	where_flows_go(src, dst, before);
	where_flows_go(src, dst, after);
	assert_memory_equal(before, after, sizeof(before));
	for (unsigned i = 0; i < N_FLOWS; i++)
		n[before[i]]++;
	for (unsigned i = 0; i < N_PEERS; i++)
		assert_in_range(n[i], N_FLOWS / 6, N_FLOWS / 2);
	set_level(1, CRYPTOKEY_DOWN);
	where_flows_go(src, dst, after);
	for (unsigned i = 0; i < N_FLOWS; i++)
		assert_true(before[i] == 1 ? after[i] != 1 : after[i] == before[i]);
	set_level(1, CRYPTOKEY_UP);
	where_flows_go(src, dst, after);
	assert_memory_equal(before, after, sizeof(before));
}

static void flows_are_shared_and_only_the_losts_move(void **state)
{
	share_alike();
	shares("10.0.0.1", SHARED4);
	shares("fd00::1", SHARED6);
}

/* Many in one round: the answer that is kept is of the flow. */
static void what_is_kept_in_a_round_is_the_flows(void **state)
{
	unsigned alone[8];

	share_alike();
	for (unsigned i = 0; i < 8; i++)
		alone[i] = goes_to("10.0.0.1", SHARED4, i);
	for (unsigned round = 0; round < 20; round++) {
		unsigned expected[N_PEERS] = {0};

		for (unsigned i = 0; i < 8; i++) {
			struct packet p = udp("10.0.0.1", SHARED4, i);

			put(&a, &p);
			expected[alone[i]]++;
		}
		for (unsigned i = 0; i < N_PEERS; i++)
			for (struct packet got; expected[i]; expected[i]--)
				assert_true(get(&b[i], DEADLINE_MS, &got));
	}
}

static void rank_and_level_decide(void **state)
{
	by_rank(false);
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 0);
	assert_int_equal(goes_to("10.0.0.1", "10.0.0.4", 1), 2);
	set_level(0, CRYPTOKEY_LAST_RESORT);
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 1);
	assert_int_equal(goes_to("fd00::1", SHARED6, 1), 1);
	assert_int_equal(goes_to("10.0.0.1", "10.0.0.2", 1), 0);
	set_level(1, CRYPTOKEY_DOWN);
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 2);
	set_level(2, CRYPTOKEY_DOWN);
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 0);
	set_level(0, CRYPTOKEY_DOWN);
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 0);
	assert_int_equal(goes_to("10.0.0.1", "10.0.0.3", 1), 1);
}

static void owners_of_no_weight_get_nothing(void **state)
{
	struct tunnel_owner some[] = {{peers[0], 0, 0, false}, {peers[1], 1, 1, false}};

	define(some, 2);
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 1);
	set_level(1, CRYPTOKEY_DOWN);
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 1);
	assert_true(comes_in(0, SHARED4, "10.0.0.1"));
}

static void send_to_port(unsigned i, uint16_t port)
{
	sock_addr to = loopback(port);

	tunnel_lock(a.t);
	tunnel_peer_set_endpoint(a.t, peers[i], &to);
	tunnel_unlock(a.t);
}

/* What takes seconds otherwise. */
static void let_handshake_be_unanswered(unsigned i)
{
	struct tunnel_peer *p = peers[i];

	pthread_mutex_lock(&p->lock);
	p->timers.unanswered = WG_LOST_AFTER - 1;
	p->timers.retransmit_handshake = sys_now();
	peer_rearm(p);
	pthread_mutex_unlock(&p->lock);
}

static void let_it_be_sought(unsigned i)
{
	struct tunnel_peer *p = peers[i];

	pthread_mutex_lock(&p->lock);
	p->timers.last_handshake_sent = (instant){0};
	p->timers.retransmit_handshake = INSTANT_NEVER;
	p->timers.seek = sys_now();
	peer_rearm(p);
	pthread_mutex_unlock(&p->lock);
}

/* Its session isn't there yet, and won't be. */
static void what_waits_for_one_who_is_lost_goes_to_the_next(void **state)
{
	struct packet p[2] = {udp("10.0.0.1", SHARED4, 1), udp("10.0.0.1", "10.0.0.2", 2)};

	by_rank(false);
	send_to_port(0, 9);
	put(&a, &p[0]);
	put(&a, &p[1]);
	WAIT_FOR(peer_info(&a, peers[0]).tx_bytes > 0); /* an initiation */
	set_level(0, CRYPTOKEY_DOWN);
	assert_int_equal(who_gets(&p[0]), 1);
	/* What is his alone still waits. */
	send_to_port(0, b[0].port);
	let_it_be_sought(0);
	assert_int_equal(who_gets(&p[1]), 0);
}

static void what_waits_follows_a_set_that_changes(void **state)
{
	struct tunnel_owner second[] = {{peers[1], 0, 1, false}};
	struct packet p = udp("10.0.0.1", SHARED6, 1);

	by_rank(false);
	send_to_port(0, 9);
	put(&a, &p);
	WAIT_FOR(peer_info(&a, peers[0]).tx_bytes > 0);
	define(second, 1);
	assert_int_equal(who_gets(&p), 1);
}

static void who_does_not_answer_is_passed_over(void **state)
{
	by_rank(false);
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 0);
	send_to_port(0, 9);
	let_handshake_be_unanswered(0);
	WAIT_FOR(!peer_info(&a, peers[0]).answers);
	assert_int_equal(counted(&a, TUNNEL_PEERS_LOST), 1);
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 1);
	assert_int_equal(goes_to("fd00::1", SHARED6, 1), 1);
	send_to_port(0, b[0].port);
	assert_int_equal(goes_to("10.0.0.1", "10.0.0.2", 1), 0);
	assert_false(peer_info(&a, peers[0]).answers);
	let_it_be_sought(0);
	WAIT_FOR(peer_info(&a, peers[0]).answers);
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 0);
}

/* Down and up again nothing is known of anybody. */
static void an_interface_that_goes_down_forgets_who_is_lost(void **state)
{
	by_rank(false);
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 0);
	let_handshake_be_unanswered(0);
	WAIT_FOR(!peer_info(&a, peers[0]).answers);
	tunnel_lock(a.t);
	tunnel_down(a.t);
	assert_int_equal(tunnel_up(a.t), 0);
	tunnel_unlock(a.t);
	assert_true(peer_info(&a, peers[0]).answers);
}

/* --- receiving -----------------------------------------------------------------------------------
 */

static void any_owner_may_send(void **state)
{
	struct tunnel_owner two[] = {{peers[0], 0, 1, false}, {peers[1], 1, 1, false}};

	define(two, 2);
	for (unsigned i = 0; i < N_PEERS; i++) {
		assert_int_equal(comes_in(i, SHARED4, "10.0.0.1"), i < 2);
		assert_int_equal(comes_in(i, SHARED6, "fd00::1"), i < 2);
		assert_int_equal(comes_in(i, "10.0.0.3", "10.0.0.1"), i == 1);
	}
	set_level(0, CRYPTOKEY_DOWN);
	assert_true(comes_in(0, SHARED4, "10.0.0.1"));
}

/* --- from relay to relay -------------------------------------------------------------------------
 */

/* As the host would: what came from a peer goes into the device again. */
static void forwarded(unsigned from, const char *src, const char *dst, struct packet *ret)
{
	struct packet p = udp(src, dst, 1);

	put(&b[from], &p);
	assert_true(get(&a, DEADLINE_MS, ret));
	assert_memory_equal(ret->bytes, p.bytes, p.len);
	put(&a, ret);
}

static void relays_and_site(void)
{
	struct tunnel_owner owners[] = {
		{peers[0], 0, 1, false}, {peers[1], 1, 1, true}, {peers[2], 2, 1, true}};

	define(owners, 3);
	allow(&a, peers[0], "198.51.100.0/24");
}

static void refused(const char *src, const char *dst, unsigned family)
{
	uint64_t before = counted(&a, TUNNEL_DROP_RELAY_TO_RELAY);
	struct packet p, answer;

	forwarded(1, src, dst, &p);
	assert_true(get(&a, DEADLINE_MS, &answer));
	assert_int_equal(answer.bytes[0] >> 4, family);
	assert_int_equal(family == 4 ? answer.bytes[9] : answer.bytes[6], family == 4 ? 1 : 58);
	assert_int_equal(counted(&a, TUNNEL_DROP_RELAY_TO_RELAY), before + 1);
}

static void nothing_goes_from_relay_to_relay(void **state)
{
	struct packet p;

	relays_and_site();
	/* The site is there: what relays hand on goes to it. */
	forwarded(1, "192.0.2.77", SHARED4, &p);
	assert_int_equal(who_gets(&p), 0);
	set_level(0, CRYPTOKEY_DOWN);
	refused("192.0.2.77", SHARED4, 4);
	refused("2001:db8::77", SHARED6, 6);
	/* From here, and from another, it goes to the first relay. */
	assert_int_equal(goes_to("10.0.0.1", SHARED4, 1), 1);
	forwarded(0, "198.51.100.1", SHARED4, &p);
	assert_int_equal(who_gets(&p), 1);
	/* The pair comes from elsewhere now. */
	forwarded(0, "192.0.2.77", SHARED4, &p);
	assert_int_equal(who_gets(&p), 1);
}

static void without_relays_nothing_is_remembered(void **state)
{
	struct packet p;

	by_rank(false);
	forwarded(1, "192.0.2.77", SHARED4, &p);
	assert_int_equal(who_gets(&p), 0);
	assert_null(a.t->relays);
	by_rank(true);
	assert_non_null(a.t->relays);
	tunnel_lock(a.t);
	tunnel_owners_remove(a.t, set);
	tunnel_unlock(a.t);
	assert_null(a.t->relays);
}

/* --- groups and link-local -----------------------------------------------------------------------
 */

static void multicast(bool of_device, unsigned peers_that_have_it)
{
	tunnel_lock(a.t);
	assert_int_equal(tunnel_set_multicast(a.t, of_device), 0);
	for (unsigned i = 0; i < N_PEERS; i++)
		assert_int_equal(
			tunnel_peer_set_multicast(a.t, peers[i], peers_that_have_it >> i & 1), 0);
	tunnel_unlock(a.t);
}

static void link_local(unsigned i, const char *text)
{
	ip_addr addr;

	assert_true(ip_addr_parse(&addr, text));
	tunnel_lock(a.t);
	assert_int_equal(tunnel_peer_set_link_local(a.t, peers[i], &addr), 0);
	tunnel_unlock(a.t);
}

/* All of these get it, and nobody else: who comes after them is last. */
static void group_gets(const struct packet *p, unsigned who)
{
	struct packet got;

	put(&a, p);
	for (unsigned i = 0; i < N_PEERS; i++)
		if (who >> i & 1) {
			assert_true(get(&b[i], DEADLINE_MS, &got));
			assert_memory_equal(got.bytes, p->bytes, p->len);
		}
	for (unsigned i = 0; i < N_PEERS; i++) {
		static const char *const own[] = {"10.0.0.2", "10.0.0.3", "10.0.0.4"};

		assert_int_equal(goes_to("10.0.0.1", own[i], 9), i);
	}
}

static void groups_are_those_who_have_it_on(void **state)
{
	static const char *const dst[] = {"224.0.0.5", "255.255.255.255", "239.1.2.3", "ff02::5"};

	by_rank(false);
	for (unsigned i = 0; i < ARRAY_SIZE(dst); i++) {
		struct packet p = udp(i < 3 ? "10.0.0.1" : "fe80::1", dst[i], i);

		multicast(false, 7);
		group_gets(&p, 0);
		multicast(true, 0);
		group_gets(&p, 0);
		multicast(true, 5);
		group_gets(&p, 5);
		multicast(true, 7);
		group_gets(&p, 7);
		multicast(true, 2);
		group_gets(&p, 2);
	}
	assert_int_equal(counted(&a, TUNNEL_GROUP_COPIES), 4 * 6);
	assert_int_equal(counted(&a, TUNNEL_DROP_GROUP_RATE), 0);
}

/* Off, a group is an address like others. */
static void without_multicast_prefixes_decide(void **state)
{
	allow(&a, peers[2], "224.0.0.0/4");
	assert_int_equal(goes_to("10.0.0.1", "224.0.0.5", 1), 2);
}

static void a_group_never_gets_it_back(void **state)
{
	struct packet p, got;

	by_rank(false);
	multicast(true, 7);
	forwarded(1, "192.0.2.77", "239.1.2.3", &p);
	for (unsigned i = 0; i < N_PEERS; i += 2)
		assert_true(get(&b[i], DEADLINE_MS, &got));
	assert_int_equal(goes_to("10.0.0.1", "10.0.0.3", 1), 1);
	assert_int_equal(counted(&a, TUNNEL_GROUP_COPIES), 2);
}

static void who_goes_gets_no_more(void **state)
{
	struct packet p = udp("10.0.0.1", "224.0.0.5", 1), got;

	multicast(true, 7);
	tunnel_lock(a.t);
	tunnel_peer_remove(a.t, peers[2]);
	tunnel_unlock(a.t);
	put(&a, &p);
	for (unsigned i = 0; i < 2; i++)
		assert_true(get(&b[i], DEADLINE_MS, &got));
	assert_int_equal(counted(&a, TUNNEL_GROUP_COPIES), 2);
}

/* Each is sent to all or counted as dropped. */
static void beyond_the_rate_groups_are_dropped(void **state)
{
	struct packet p = udp("10.0.0.1", "224.0.0.5", 1);
	unsigned n = 0;

	multicast(true, 7);
	while (!counted(&a, TUNNEL_DROP_GROUP_RATE)) {
		for (unsigned i = 0; i < 100; i++)
			n += send(a.tun, p.bytes, p.len, 0) == (ssize_t)p.len;
		assert_in_range(n, 1, 100000);
		WAIT_FOR(counted(&a, TUNNEL_GROUP_COPIES) +
				 N_PEERS * counted(&a, TUNNEL_DROP_GROUP_RATE) ==
			 N_PEERS * n);
	}
	assert_in_range(counted(&a, TUNNEL_GROUP_COPIES), 1000, N_PEERS * n);
}

static void copies_are_bounded(void **state)
{
	struct groups_limit l = {0};
	instant now = {NS_PER_S};
	unsigned n = 0;

	while (groups_limit_take(&l, 300, now))
		n++;
	assert_int_equal(n, 4);
	assert_false(groups_limit_take(&l, 1, instant_add(now, 20 * NS_PER_MS)));
	assert_true(groups_limit_take(&l, 1, instant_add(now, 21 * NS_PER_MS)));
}

static void link_local_is_each_its_own(void **state)
{
	multicast(true, 3);
	link_local(0, "fe80::2");
	link_local(1, "fe80::3");
	link_local(2, "fe80::4"); /* who hasn't multicast on */
	allow(&a, peers[2], "::/0");
	assert_true(comes_in(0, "fe80::2", "ff02::5"));
	assert_true(comes_in(1, "fe80::3", "fe80::1"));
	assert_false(comes_in(0, "fe80::3", "fe80::1"));
	/* Neither by a prefix. */
	assert_false(comes_in(2, "fe80::2", "fe80::1"));
	assert_int_equal(goes_to("fe80::1", "fe80::2", 1), 0);
	assert_int_equal(goes_to("fe80::1", "fe80::3", 1), 1);
	link_local(1, "fe80::2");
	assert_int_equal(goes_to("fe80::1", "fe80::2", 1), 1);
	assert_false(comes_in(0, "fe80::2", "fe80::1"));
	multicast(false, 3);
	assert_false(comes_in(1, "fe80::2", "fe80::1"));
	assert_int_equal(goes_to("fe80::1", "fe80::2", 1), 2);
}

#define T(name) cmocka_unit_test_setup_teardown(name, start, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {T(flows_are_shared_and_only_the_losts_move),
		T(what_is_kept_in_a_round_is_the_flows), T(rank_and_level_decide),
		T(owners_of_no_weight_get_nothing),
		T(what_waits_for_one_who_is_lost_goes_to_the_next),
		T(what_waits_follows_a_set_that_changes), T(who_does_not_answer_is_passed_over),
		T(an_interface_that_goes_down_forgets_who_is_lost), T(any_owner_may_send),
		T(nothing_goes_from_relay_to_relay), T(without_relays_nothing_is_remembered),
		T(groups_are_those_who_have_it_on), T(beyond_the_rate_groups_are_dropped),
		T(without_multicast_prefixes_decide), T(a_group_never_gets_it_back),
		T(who_goes_gets_no_more), cmocka_unit_test(copies_are_bounded),
		T(link_local_is_each_its_own)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

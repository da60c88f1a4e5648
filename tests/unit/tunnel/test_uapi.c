/* SPDX-License-Identifier: MIT */
/* The UAPI's language (wireguard.com/xplatform), without the socket: every key, its errors, and
 * what stays applied; on a device that is down, or up on loopback. */
#include "tunnel_fixture.h"

#define KEY_A "58402e695ba1772b1cc9309755f043251ea77fdcf10fbe63989ceb7e19321376"
#define KEY_B "b85996fecc9c7f1fc6d2572a76eda11d59bcd20be8e543b15ce4bd85a8e75a33"
#define PSK "188515093e952f5f22e865cef3012e72f8b5f0b598ac0309d5dacce3b70fcf52"
#define ZERO "0000000000000000000000000000000000000000000000000000000000000000"
/* Not clamped; and clamped. */
#define PRIVATE "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
#define CLAMPED "f8ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"

static struct device d;
static struct buf out;

static int start(void **state)
{
	device_start(&d, false);
	return 0;
}

static int start_up(void **state)
{
	device_start(&d, true);
	return 0;
}

static int stop(void **state)
{
	device_stop(&d);
	buf_wipe(&out);
	return 0;
}

static int ask(const char *request)
{
	return uapi_ask(&d, request, &out);
}

static const char *get(void)
{
	assert_int_equal(ask("get=1\n\n"), 0);
	return buf_str(&out);
}

static void has(const char *line)
{
	const char *text = get();

	if (!strstr(text, line))
		fail_msg("%s isn't in\n%s", line, text);
}

static void has_not(const char *line)
{
	const char *text = get();

	if (strstr(text, line))
		fail_msg("%s is in\n%s", line, text);
}

static unsigned count(const char *line)
{
	unsigned n = 0;

	for (const char *at = get(); (at = strstr(at, line)); at++)
		n++;
	return n;
}

/* --- answers -------------------------------------------------------------------------------------
 */

static void empty(void **state)
{
	has_not("private_key=");
	has_not("listen_port=");
	has_not("fwmark=");
	has_not("public_key=");
	has("shunt_drop_no_peer=0\n");
	assert_memory_equal(buf_str(&out) + out.n - 9, "errno=0\n\n", 9);
}

static void device_keys(void **state)
{
	assert_int_equal(
		ask("set=1\nprivate_key=" PRIVATE "\nlisten_port=51999\nfwmark=0x20\n\n"), 0);
	has("private_key=" CLAMPED "\n");
	has("listen_port=51999\n");
	has("fwmark=32\n");
	assert_int_equal(ask("set=1\nprivate_key=" ZERO "\nlisten_port=0\nfwmark=\n\n"), 0);
	has_not("private_key=");
	has_not("listen_port=");
	has_not("fwmark=");
}

static void peer_keys(void **state)
{
	const char *text;

	assert_int_equal(ask("set=1\npublic_key=" KEY_A "\npreshared_key=" PSK
			     "\nendpoint=[fe80::1%lo]:5\npersistent_keepalive_interval=25\n"
			     "protocol_version=1\nreplace_allowed_ips=true\n"
			     "allowed_ip=10.1.2.3/8\nallowed_ip=fd00::9/64\nallowed_ip=0.0.0.0/0\n"
			     "allowed_ip=192.0.2.7\n\n"),
		0);
	text = get();
	assert_non_null(strstr(text,
		"public_key=" KEY_A "\npreshared_key=" PSK
		"\nprotocol_version=1\nendpoint=[fe80::1%lo]:5\nlast_handshake_time_sec=0\n"
		"last_handshake_time_nsec=0\ntx_bytes=0\nrx_bytes=0\n"
		"persistent_keepalive_interval=25\n"));
	has("allowed_ip=10.0.0.0/8\n");
	has("allowed_ip=fd00::/64\n");
	has("allowed_ip=0.0.0.0/0\n");
	has("allowed_ip=192.0.2.7/32\n");
	assert_int_equal(ask("set=1\npublic_key=" KEY_A "\npreshared_key=" ZERO
			     "\nendpoint=192.0.2.1:65535\npersistent_keepalive_interval=0\n\n"),
		0);
	has("preshared_key=" ZERO "\n");
	has("endpoint=192.0.2.1:65535\n");
	has("persistent_keepalive_interval=0\n");
}

/* In the order in which they came; sections that know a peer don't move it. */
static void order_of_peers(void **state)
{
	const char *text;

	ask("set=1\npublic_key=" KEY_A "\npublic_key=" KEY_B "\npublic_key=" KEY_A
	    "\nallowed_ip=10.0.0.0/8\n\n");
	text = get();
	assert_true(strstr(text, KEY_A) < strstr(text, KEY_B));
	assert_int_equal(count("public_key="), 2);
	/* protocol_version, keys and counters too. */
	assert_int_equal(count("allowed_ip="), 1);
}

/* --- sections ------------------------------------------------------------------------------------
 */

static void update_only(void **state)
{
	assert_int_equal(ask("set=1\npublic_key=" KEY_A
			     "\nupdate_only=true\nallowed_ip=10.0.0.0/8\nendpoint=1.2.3.4:5\n"
			     "public_key=" KEY_B "\nallowed_ip=10.1.0.0/16\n\n"),
		0);
	has_not(KEY_A);
	has_not("10.0.0.0/8");
	has("public_key=" KEY_B "\n");
	assert_int_equal(
		ask("set=1\npublic_key=" KEY_B "\nupdate_only=true\nallowed_ip=10.2.0.0/16\n\n"),
		0);
	has("allowed_ip=10.1.0.0/16\n");
	has("allowed_ip=10.2.0.0/16\n");
}

static void remove_peer(void **state)
{
	ask("set=1\npublic_key=" KEY_A "\nallowed_ip=10.0.0.0/8\n\n");
	/* The rest of the section is passed over, but looked at. */
	assert_int_equal(ask("set=1\npublic_key=" KEY_A
			     "\nremove=true\nallowed_ip=10.0.0.0/8\npublic_key=" KEY_B
			     "\nallowed_ip=10.3.0.0/16\n\n"),
		0);
	has_not(KEY_A);
	has_not("10.0.0.0/8");
	has("allowed_ip=10.3.0.0/16\n");
	/* Who isn't there is removed all the same. */
	assert_int_equal(ask("set=1\npublic_key=" KEY_A "\nremove=true\n\n"), 0);
	assert_int_equal(ask("set=1\npublic_key=" KEY_A "\nupdate_only=true\nremove=true\n\n"), 0);
	has_not(KEY_A);
	/* And again in one request. */
	assert_int_equal(
		ask("set=1\npublic_key=" KEY_A "\npublic_key=" KEY_A
		    "\nremove=true\npublic_key=" KEY_A "\npersistent_keepalive_interval=7\n\n"),
		0);
	has("persistent_keepalive_interval=7\n");
}

static void replace_peers(void **state)
{
	ask("set=1\npublic_key=" KEY_A "\nallowed_ip=10.0.0.0/8\n\n");
	assert_int_equal(ask("set=1\nreplace_peers=true\npublic_key=" KEY_B "\n\n"), 0);
	has_not(KEY_A);
	has_not("allowed_ip");
	has(KEY_B);
	/* Where it stands it is done: a key of the device comes before the peers. */
	assert_int_equal(ask("set=1\npublic_key=" KEY_A "\nreplace_peers=true\n\n"), -EINVAL);
	has(KEY_A);
	has(KEY_B);
}

static void replace_allowed_ips(void **state)
{
	ask("set=1\npublic_key=" KEY_A "\nallowed_ip=10.0.0.0/8\nallowed_ip=10.1.0.0/16\n\n");
	/* When the line is met: what stood before it in the section goes too. */
	assert_int_equal(ask("set=1\npublic_key=" KEY_A "\nallowed_ip=10.2.0.0/16\n"
			     "replace_allowed_ips=true\nallowed_ip=10.3.0.0/16\n\n"),
		0);
	assert_int_equal(count("allowed_ip="), 1);
	has("allowed_ip=10.3.0.0/16\n");
}

static void allowed_ip_moves(void **state)
{
	const char *text;

	ask("set=1\npublic_key=" KEY_A "\nallowed_ip=10.0.0.0/8\nallowed_ip=10.1.0.0/16\n"
	    "public_key=" KEY_B "\nallowed_ip=10.0.0.0/8\n\n");
	text = get();
	assert_int_equal(count("allowed_ip=10.0.0.0/8\n"), 1);
	assert_true(strstr(text, "10.1.0.0/16") < strstr(text, KEY_B));
	assert_true(strstr(text, "10.0.0.0/8") > strstr(text, KEY_B));
}

/* The increments of 2025: only the owner loses it. */
static void allowed_ip_minus(void **state)
{
	ask("set=1\npublic_key=" KEY_A
	    "\nallowed_ip=10.0.0.0/8\nallowed_ip=fd00::/8\npublic_key=" KEY_B
	    "\nallowed_ip=10.1.0.0/16\n\n");
	assert_int_equal(ask("set=1\npublic_key=" KEY_B "\nallowed_ip=-10.0.0.0/8\n\n"), 0);
	has("allowed_ip=10.0.0.0/8\n");
	assert_int_equal(
		ask("set=1\npublic_key=" KEY_A "\nallowed_ip=-10.9.9.9/8\nallowed_ip=-fd00::/8\n"
		    "allowed_ip=-192.0.2.0/24\nallowed_ip=+10.7.0.0/16\n\n"),
		-EINVAL);
	has_not("allowed_ip=10.0.0.0/8\n");
	has_not("fd00::");
	has("allowed_ip=10.1.0.0/16\n");
	/* Off and on in one section. */
	assert_int_equal(ask("set=1\npublic_key=" KEY_B
			     "\nallowed_ip=-10.1.0.0/16\nallowed_ip=10.1.0.0/16\n\n"),
		0);
	has("allowed_ip=10.1.0.0/16\n");
}

static void self(void **state)
{
	char request[400], hex[WG_KEY_HEX_LEN];

	wg_key_to_hex(&d.public, hex);
	snprintf(request, sizeof(request),
		"set=1\npublic_key=%s\nallowed_ip=10.0.0.0/8\npublic_key=" KEY_A "\n\n", hex);
	assert_int_equal(ask(request), 0);
	has_not(hex);
	has_not("10.0.0.0/8");
	has(KEY_A);
	/* A peer that turns out to be us goes. */
	snprintf(request, sizeof(request), "set=1\nprivate_key=" ZERO "\npublic_key=%s\n\n", hex);
	assert_int_equal(ask(request), 0);
	has(hex);
	tunnel_lock(d.t);
	tunnel_set_private_key(d.t, &d.private);
	tunnel_unlock(d.t);
	has_not(hex);
}

/* --- errors --------------------------------------------------------------------------------------
 */

/* `wg` reads a set's errno negated and a get's as it is. */
static void signs(void **state)
{
	assert_int_equal(ask("set=1\nlisten_port=x\n\n"), -EINVAL);
	assert_int_equal(ask("get=1\nwhat=1\n\n"), EINVAL);
}

static void malformed(void **state)
{
	static const struct {
		const char *line;
		int err;
	} table[] = {
		{"private_key=", -EINVAL},
		{"private_key=12", -EINVAL},
		{"private_key=" KEY_A "00", -EINVAL},
		{"private_key=g" KEY_A, -EINVAL},
		{"listen_port=", -EINVAL},
		{"listen_port=65536", -EINVAL},
		{"listen_port=-1", -EINVAL},
		{"listen_port= 1", -EINVAL},
		{"listen_port=1 ", -EINVAL},
		{"fwmark=4294967296", -EINVAL},
		{"fwmark=x", -EINVAL},
		{"replace_peers=false", -EINVAL},
		{"replace_peers=", -EINVAL},
		{"nonsense=1", -EINVAL},
		{"=", -EINVAL},
		{"listen_port", -EPROTO},
		{"set", -EPROTO},
		{"allowed_ip=10.0.0.0/8", -EINVAL},
		{"endpoint=1.2.3.4:5", -EINVAL},
		{"public_key=", -EINVAL},
		{"public_key=" KEY_A "\npreshared_key=1", -EINVAL},
		{"public_key=" KEY_A "\nendpoint=1.2.3.4", -EINVAL},
		/* Nothing can be sent there, but the kernel takes it too. */
		{"public_key=" KEY_A "\nendpoint=1.2.3.4:0", 0},
		{"public_key=" KEY_A "\nendpoint=1.2.3.4:65536", -EINVAL},
		{"public_key=" KEY_A "\nendpoint=example.com:5", -EINVAL},
		{"public_key=" KEY_A "\nendpoint=::1:5", -EINVAL},
		{"public_key=" KEY_A "\nendpoint=", -EINVAL},
		{"public_key=" KEY_A "\npersistent_keepalive_interval=65536", -EINVAL},
		{"public_key=" KEY_A "\npersistent_keepalive_interval=off", -EINVAL},
		{"public_key=" KEY_A "\nreplace_allowed_ips=1", -EINVAL},
		{"public_key=" KEY_A "\nremove=yes", -EINVAL},
		{"public_key=" KEY_A "\nupdate_only=yes", -EINVAL},
		{"public_key=" KEY_A "\nprotocol_version=2", -EINVAL},
		{"public_key=" KEY_A "\nprotocol_version=", -EINVAL},
		{"public_key=" KEY_A "\nallowed_ip=10.0.0.0/33", -EINVAL},
		{"public_key=" KEY_A "\nallowed_ip=fd00::/129", -EINVAL},
		{"public_key=" KEY_A "\nallowed_ip=10.0.0/8", -EINVAL},
		{"public_key=" KEY_A "\nallowed_ip=--10.0.0.0/8", -EINVAL},
		{"public_key=" KEY_A "\nallowed_ip=", -EINVAL},
		{"public_key=" KEY_A "\nallowed_ip=-", -EINVAL},
		{"public_key=" KEY_A "\nlisten_port=5", -EINVAL},
		{"public_key=" KEY_A "\nfwmark=5", -EINVAL},
		{"public_key=" KEY_A "\nrx_bytes=5", -EINVAL},
	};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		char request[512];

		snprintf(request, sizeof(request), "set=1\n%s\n\n", table[i].line);
		if (ask(request) != table[i].err)
			fail_msg("%s: %s", table[i].line, buf_str(&out));
	}
}

/* A set isn't atomic: what stood before the line that fails stays. */
static void applied_up_to_the_error(void **state)
{
	assert_int_equal(ask("set=1\nfwmark=7\npublic_key=" KEY_A
			     "\nallowed_ip=10.0.0.0/8\nallowed_ip=bad\nallowed_ip=10.9.0.0/16\n\n"),
		-EINVAL);
	has("fwmark=7\n");
	has("allowed_ip=10.0.0.0/8\n");
	has_not("10.9.0.0/16");
}

static void unknown_operations(void **state)
{
	static const char *const table[] = {
		"set=2\n\n", "get=2\n\n", "\n\n", "what\n\n", "set\n\n", "GET=1\n\n", "get=1", ""};

	for (size_t i = 0; i < ARRAY_SIZE(table); i++) {
		buf_reset(&out);
		assert_false(uapi_answer(d.t, table[i], strlen(table[i]), &out));
		assert_int_equal(out.n, 0);
	}
}

/* A zero byte ends the text for a parser of C strings: nothing may hide behind one. */
static void zero_bytes(void **state)
{
	static const char request[] = "set=1\nfwmark=9\nlisten_port=1\0"
				      "2\nfwmark=3\n\n";

	buf_reset(&out);
	assert_true(uapi_answer(d.t, request, sizeof(request) - 1, &out));
	assert_string_equal(buf_str(&out), "errno=-22\n\n");
	has_not("fwmark=");
}

static void port_taken(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET};
	socklen_t n = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	uint16_t before = device_port(&d);
	char request[64];

	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &n), 0);
	snprintf(request, sizeof(request), "set=1\nlisten_port=%u\n\n", ntohs(a.sin_port));
	assert_int_equal(ask(request), -EADDRINUSE);
	/* It stays where it was, and the old port works. */
	assert_int_equal(device_port(&d), before);
	close(fd);
	assert_int_equal(ask(request), 0);
	assert_int_equal(device_port(&d), ntohs(a.sin_port));
	assert_int_equal(ask("set=1\nlisten_port=0\n\n"), 0);
	assert_int_not_equal(device_port(&d), 0);
}

/* --- what configuring sets off -------------------------------------------------------------------
 */

static uint64_t handshakes_tried(const wg_key *key)
{
	struct tunnel_peer *p;
	uint64_t sent;

	tunnel_lock(d.t);
	p = tunnel_peer_find(d.t, key);
	sent = p ? atomic_load(&p->tx_bytes) : 0;
	tunnel_unlock(d.t);
	return sent / WG_INITIATION_LEN;
}

/* An interval that goes on while up calls at once, in whatever order the lines come. */
static void keepalive_on(void **state)
{
	wg_key a, b, c;

	wg_key_from_hex(&a, KEY_A);
	wg_key_from_hex(&b, KEY_B);
	wg_key_from_hex(&c, PSK);
	ask("set=1\npublic_key=" KEY_A
	    "\nendpoint=127.0.0.1:9\npersistent_keepalive_interval=25\n\n");
	WAIT_FOR(handshakes_tried(&a) == 1);
	ask("set=1\npublic_key=" KEY_B "\npersistent_keepalive_interval=25\n\n");
	ask("set=1\npublic_key=" KEY_B "\nendpoint=127.0.0.1:9\n\n");
	WAIT_FOR(handshakes_tried(&b) == 1);
	/* Without an interval nobody is called. */
	ask("set=1\npublic_key=" PSK "\nendpoint=127.0.0.1:9\n\n");
	ask("set=1\npublic_key=" KEY_A "\npersistent_keepalive_interval=9\n\n");
	WAIT_FOR(handshakes_tried(&a) == 1);
	assert_int_equal(handshakes_tried(&c), 0);
}

/* The same key again, clamped or not, ends no session; another does. */
static void same_private_key(void **state)
{
	struct pair p;
	wg_key unclamped;

	pair_start(&p);
	host_sends(&p.a, "10.0.0.1", "10.0.0.2", 30, 1);
	host_gets(&p.b, 30, 1);
	unclamped = p.a.private;
	unclamped.bytes[0] |= 7;
	unclamped.bytes[31] |= 128;
	tunnel_lock(p.a.t);
	assert_int_equal(tunnel_set_private_key(p.a.t, &unclamped), 0);
	assert_true(atomic_load(&atomic_load(&p.b_at_a->current)->may_send));
	wg_key_generate(&unclamped);
	assert_int_equal(tunnel_set_private_key(p.a.t, &unclamped), 0);
	assert_false(atomic_load(&atomic_load(&p.b_at_a->current)->may_send));
	tunnel_unlock(p.a.t);
	pair_stop(&p);
}

#define DOWN(f) cmocka_unit_test_setup_teardown(f, start, stop)
#define UP(f) cmocka_unit_test_setup_teardown(f, start_up, stop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DOWN(empty),
		DOWN(device_keys),
		DOWN(peer_keys),
		DOWN(order_of_peers),
		DOWN(update_only),
		DOWN(remove_peer),
		DOWN(replace_peers),
		DOWN(replace_allowed_ips),
		DOWN(allowed_ip_moves),
		DOWN(allowed_ip_minus),
		UP(self),
		DOWN(signs),
		DOWN(malformed),
		DOWN(applied_up_to_the_error),
		DOWN(unknown_operations),
		DOWN(zero_bytes),
		UP(port_taken),
		UP(keepalive_on),
		cmocka_unit_test(same_private_key),
	};

	return cmocka_run_group_tests_name("uapi", tests, NULL, NULL);
}
